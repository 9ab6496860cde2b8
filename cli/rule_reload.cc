#include "cli/rule_reload.h"

#include <optional>
#include <utility>

#include <fmt/core.h>

#include "cli/rule_check.h"
#include "cli/rule_loading.h"
#include "config/diagnostics.h"
#include "config/settings.h"
#include "config/yaml_document.h"
#include "pipeline/rule_test_run.h"

namespace logtally::cli {
namespace {

// The worker takes rules over in no time; it is held up when nobody reads what `--tee` writes.
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMostNames = 5;

bool same(const std::vector<config::Target>& a, const std::vector<config::Target>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const config::Target& x, const config::Target& y) {
                      return x.name == y.name && x.paths == y.paths && x.exclude == y.exclude &&
                             x.rotated == y.rotated && x.wrapper == y.wrapper && x.from == y.from;
                    });
}

bool same(const config::Limits& a, const config::Limits& b) {
  return a.line_bytes == b.line_bytes && a.record_bytes == b.record_bytes &&
         a.record_lines == b.record_lines && a.series == b.series &&
         a.series_per_metric == b.series_per_metric;
}

void add_names(std::string& text, std::string_view what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  text += fmt::format("; {}{}", what, names.size() > 1 ? "s" : "");
  for (std::size_t i = 0; i < names.size() && i < kMostNames; ++i)
    text += (i == 0 ? " " : ", ") + names[i];
  if (names.size() > kMostNames) text += fmt::format(" and {} more", names.size() - kMostNames);
}

}  // namespace

std::vector<std::string> rule_paths(const config::CommandLine& line,
                                    const config::RunOptions& options) {
  std::vector<std::string> paths;
  if (line.config) paths.push_back(*line.config);
  paths.insert(paths.end(), options.rules.begin(), options.rules.end());
  return paths;
}

std::string described(const rules::Succession& succession, std::size_t rules, std::size_t metrics) {
  std::string text =
      fmt::format("reloaded: {}, {}", counted(rules, "rule"), counted(metrics, "metric"));
  add_names(text, "new rule", succession.new_rules);
  add_names(text, "gone rule", succession.gone_rules);
  add_names(text, "new metric", succession.new_metrics);
  add_names(text, "gone metric", succession.gone_metrics);
  std::vector<std::string> restarted;
  for (const auto& [metric, why] : succession.restarted)
    restarted.push_back(fmt::format("{} ({})", metric, why));
  add_names(text, "started anew: metric", restarted);
  add_names(text, "emptied table", succession.emptied_tables);
  return text;
}

std::string fixed_differences(const config::RunOptions& at_work, const config::RunOptions& now) {
  std::string names;
  const auto add = [&](bool differs, std::string_view name) {
    if (differs) names += (names.empty() ? "" : ", ") + std::string(name);
  };
  add(at_work.listen != now.listen, "listen");
  add(!same(at_work.targets, now.targets), "targets");
  add(!same(at_work.limits, now.limits), "limits");
  add(at_work.state != now.state, "state");
  add(at_work.spool != now.spool, "spool");
  return names;
}

RuleReload::RuleReload(const config::CommandLine& line, config::RunOptions at_work,
                       pipeline::Worker& worker, OwnSpec own)
    : line_(line),
      at_work_(std::move(at_work)),
      worker_(worker),
      own_(std::move(own)),
      paths_(rule_paths(line_, at_work_)) {}

ReloadOutcome RuleReload::load() {
  config::Diagnostics found;
  CheckSubject subject;
  subject.name = line_.config ? config::printable(*line_.config, 1000) : "no logtally.yaml";
  if (line_.config) {
    if (const auto file = config::read_source_file(*line_.config)) {
      subject.rules.configuration = config::parse_yaml(*file, found);
    } else {
      found.add("E009", {}, file.error().text);
    }
    if (subject.rules.configuration)
      subject.settings = config::load_settings(*subject.rules.configuration, found);
  }
  const config::RunOptions options = config::resolve(line_, subject.settings);
  if (!found.has_errors()) paths_ = rule_paths(line_, options);
  subject.rules.packs = options.packs;
  subject.rules.paths = options.rules;

  const config::Diagnostics of_configuration = found;
  const RuleFiles files = read_rule_files(subject.rules, found);
  auto rules = rules::RuleSet::compile(files.sources, found);
  if (rules == nullptr || found.has_errors()) {
    const CheckResult checked = check_rules(subject, of_configuration);
    if (checked.diagnostics.has_errors())
      return {.successful = false, .text = checked_text(checked)};
    return {.successful = false, .text = found.render()};  // it was mended meanwhile
  }
  config::Diagnostics of_tests;
  if (!pipeline::run_own_tests({.rules = rules, .sources = files.sources}, of_tests))
    return {.successful = false, .text = of_tests.render()};
  warn_as_run_does(files, found);

  const std::size_t rule_count = rules->rules().size();
  const std::size_t metric_count = rules->families().size();
  metrics::OwnMetricsSpec own = own_(*rules);
  const auto succession =
      worker_.change_rules({.rules = std::move(rules), .own = std::move(own)}, kPatience);
  if (!succession) {
    return {.successful = false,
            .text =
                "error: the rules are sound, but the worker does not come to take them: it "
                "ends, or nobody reads what --tee writes\n"};
  }
  std::string text = described(*succession, rule_count, metric_count);
  if (const std::string fixed = fixed_differences(at_work_, options); !fixed.empty())
    text += "; not until a restart: " + fixed;
  return {.successful = true, .text = text + "\n" + found.render()};
}

}  // namespace logtally::cli
