#include "cli/rule_reload.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "cli/rule_check.h"
#include "cli/rule_loading.h"
#include "cli/summary.h"
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

// What the files say otherwise than before, beyond what the succession tells.
void add_edits(std::string& text, const rules::Succession& succession, const RuleTexts& before,
               const RuleTexts& now) {
  const auto names = [](const std::vector<std::string>& all, const std::string& name) {
    return std::find(all.begin(), all.end(), name) != all.end();
  };
  const auto told = [&](const std::string& what, const std::string& name) {
    if (what == "table") return names(succession.emptied_tables, name);
    return what == "metric" && std::any_of(succession.restarted.begin(), succession.restarted.end(),
                                           [&](const auto& one) { return one.metric == name; });
  };
  for (const std::string_view what :
       {"rule", "metric", "format", "table", "map", "redaction", "lift", "normalise"}) {
    std::vector<std::string> changed;
    std::vector<std::string> born;
    std::vector<std::string> gone;
    const bool unnamed = what == "lift" || what == "normalise";
    // Of rules and metrics the succession tells which are new and gone.
    const bool counted = what == "rule" || what == "metric";
    for (const auto& [key, meaning] : now.parts) {
      if (key.first != what) continue;
      const auto old = before.parts.find(key);
      if (unnamed ? old == before.parts.end() || old->second != meaning
                  : old != before.parts.end() && old->second != meaning &&
                        !told(key.first, key.second)) {
        changed.push_back(key.second);
      } else if (!unnamed && !counted && old == before.parts.end()) {
        born.push_back(key.second);
      }
    }
    for (const auto& [key, meaning] : before.parts) {
      if (key.first != what || counted || now.parts.contains(key)) continue;
      if (unnamed) {
        changed.push_back(key.second);
      } else if (!told(key.first, key.second)) {
        gone.push_back(key.second);
      }
    }
    if (unnamed) {
      if (!changed.empty()) text += fmt::format("; changed {}", what);
      continue;
    }
    add_names(text, fmt::format("new {}", what), born);
    add_names(text, fmt::format("gone {}", what), gone);
    add_names(text, fmt::format("changed {}", what), changed);
  }
}

}  // namespace

std::vector<std::string> rule_paths(const config::CommandLine& line,
                                    const config::RunOptions& options) {
  std::vector<std::string> paths;
  if (line.config) paths.push_back(*line.config);
  paths.insert(paths.end(), options.rules.begin(), options.rules.end());
  return paths;
}

std::string described(const rules::Succession& succession, const LoadedRules& loaded,
                      const RuleTexts& before, const RuleTexts& now) {
  std::string text =
      fmt::format("reloaded: {}, {}", counted_rules(loaded.rules, loaded.switched_off),
                  counted(loaded.metrics, "metric"));
  const std::size_t unchanged = text.size();
  add_names(text, "new rule", succession.new_rules);
  add_names(text, "gone rule", succession.gone_rules);
  add_names(text, "switched on: rule", succession.switched_on);
  add_names(text, "switched off: rule", succession.switched_off);
  add_names(text, "new metric", succession.new_metrics);
  add_names(text, "gone metric", succession.gone_metrics);
  if (!succession.gone_metrics.empty())
    text += succession.gone_metrics.size() > 1 ? " and their values" : " and its values";
  std::vector<std::string> restarted;
  for (const auto& [metric, why] : succession.restarted)
    restarted.push_back(fmt::format("{} ({})", metric, why));
  add_names(text, "started anew: metric", restarted);
  add_names(text, "emptied table", succession.emptied_tables);
  add_edits(text, succession, before, now);
  for (const rules::Succession::Crowded& label : succession.crowded) {
    text += fmt::format(
        "; label {} of {} has {} values, more than its max of {} now: they keep their series",
        label.label, label.metric, grouped(label.values), grouped(label.max));
  }
  if (text.size() == unchanged) text += "; nothing changed";
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
                       pipeline::Worker& worker, RuleTexts texts, OwnSpec own)
    : line_(line),
      at_work_(std::move(at_work)),
      worker_(worker),
      own_(std::move(own)),
      paths_(rule_paths(line_, at_work_)),
      texts_(std::move(texts)) {}

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
  const auto failed = [](const config::Diagnostics& why) {
    return ReloadOutcome{.successful = false, .text = why.render(), .first = first_error(why)};
  };
  const RuleFiles files = read_rule_files(subject.rules, found);
  auto rules = rules::RuleSet::compile(files.sources, found);
  if (rules == nullptr || found.has_errors()) {
    const CheckResult checked = check_rules(subject, of_configuration);
    if (!checked.diagnostics.has_errors()) return failed(found);  // it was mended meanwhile
    return {.successful = false,
            .text = checked_text(checked),
            .first = first_error(checked.diagnostics)};
  }
  RuleTexts texts = texts_of(files);
  config::Diagnostics of_empty;
  for (const rules::RuleSet::Source& source : files.own()) {
    const std::string& name = source.document->file->name;
    if (texts.filled.contains(name) || !texts_.filled.contains(name)) continue;
    of_empty
        .add("E072", {source.document->file, {}},
             "the file is empty now; the rules at work have more from it")
        .helps.emplace_back(
            "if it is still being written, nothing is lost; to take its rules away, remove the "
            "file, or leave a comment in it");
  }
  if (of_empty.has_errors()) return failed(of_empty);
  config::Diagnostics of_tests;
  if (!pipeline::run_own_tests({.rules = rules, .sources = files.sources}, of_tests))
    return failed(of_tests);
  warn_as_run_does(files, found);

  const LoadedRules loaded = {.rules = rules->rules().size(),
                              .switched_off = rules->switched_off().size(),
                              .metrics = rules->families().size()};
  metrics::OwnMetricsSpec own = own_(*rules);
  const auto succession =
      worker_.change_rules({.rules = std::move(rules), .own = std::move(own)}, kPatience);
  if (!succession) {
    return {.successful = false,
            .text =
                "error: the rules are sound, but the worker does not come to take them: it "
                "ends, or nobody reads what --tee writes\n",
            .first = "the worker does not take the rules"};
  }
  std::string text = described(*succession, loaded, texts_, texts);
  texts_ = std::move(texts);
  if (const std::string fixed = fixed_differences(at_work_, options); !fixed.empty())
    text += "; not until a restart: " + fixed;
  return {.successful = true, .text = text + "\n" + found.render()};
}

}  // namespace logtally::cli
