#include "cli/check.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "cli/rule_check.h"
#include "cli/run.h"
#include "config/findings.h"
#include "config/packs.h"

namespace logtally::cli {
namespace {

namespace fs = std::filesystem;

// `DIR` with a logtally.yaml in it stands for that file.
std::string file_of(const std::string& argument) {
  std::error_code ignored;
  if (fs::is_directory(argument, ignored)) {
    const std::string inside = (fs::path(argument) / "logtally.yaml").string();
    if (fs::is_regular_file(inside, ignored)) return inside;
  }
  return argument;
}

std::string name_of(const std::vector<std::string>& arguments) {
  if (arguments.size() > 3) return std::to_string(arguments.size()) + " paths";
  std::string name;
  for (const std::string& argument : arguments) {
    std::string shown = argument;
    while (shown.size() > 1 && shown.ends_with('/')) shown.pop_back();
    name += (name.empty() ? "" : ", ") + config::printable(shown, 1000);
  }
  return name;
}

// Reads the configuration and adds what it names to the subject.
void take_configuration(const std::string& path, CheckSubject& subject,
                        config::Diagnostics& diagnostics) {
  auto file = config::read_source_file(path, diagnostics);
  if (file == nullptr) return;
  subject.rules.configuration = config::parse_yaml(std::move(file), diagnostics);
  if (!subject.rules.configuration) return;
  subject.settings = config::load_settings(*subject.rules.configuration, diagnostics);
}

// What is checked: what is named, else what `run` would load.
std::optional<config::UsageError> choose(const config::CommandLine& line, CheckSubject& subject,
                                         config::Diagnostics& diagnostics) {
  if (line.from_stdin) return config::UsageError{"`check` reads files, not standard input"};
  subject.samples = line.samples;
  std::optional<std::string> configuration;
  if (line.files.empty() || line.config_required) configuration = line.config;
  for (const std::string& argument : line.files) {
    const std::string path = file_of(argument);
    // A first look decides what it is; its faults are told when it is read in earnest.
    bool is_settings = path != argument;
    std::error_code ignored;
    if (!is_settings && !fs::is_directory(path, ignored)) {
      config::Diagnostics unheard;
      if (const auto file = config::read_source_file(path)) {
        const auto document = config::parse_yaml(*file, unheard);
        is_settings = document != nullptr && is_configuration(*document);
      }
    }
    if (!is_settings) {
      subject.rules.paths.push_back(path);
    } else if (configuration && *configuration != path) {
      return config::UsageError{"one configuration at a time: " + *configuration + " and " + path};
    } else {
      configuration = path;
    }
  }
  if (configuration) take_configuration(*configuration, subject, diagnostics);

  const config::RunOptions options = config::resolve(line, subject.settings);
  subject.rules.paths.insert(subject.rules.paths.end(), options.rules.begin(), options.rules.end());
  // Rule files that are named are checked as they are; a configuration, or nothing, as `run` does.
  if (configuration || line.files.empty() || !line.packs.empty())
    subject.rules.packs = options.packs;
  if (!line.files.empty()) {
    subject.name = name_of(line.files);
  } else {
    subject.name = configuration ? config::printable(*configuration, 1000) : "no logtally.yaml";
  }
  return {};
}

// Files that are checked without the packs may speak of what a pack declares.
void name_packs(config::Diagnostics& diagnostics) {
  std::map<std::string, std::string> owners;  // name of a metric or rule -> pack
  for (const config::Pack& pack : config::shipped_packs()) {
    config::Diagnostics unheard;
    const auto document = config::parse_yaml(config::pack_source(pack), unheard);
    if (!document) continue;
    for (const std::string_view part : {"metrics", "rules", "tables"}) {
      const config::Node* node = document->root.find(part);
      if (node == nullptr) continue;
      for (const config::Node::Entry& entry : node->entries)
        owners.emplace(entry.key.text, pack.name);
    }
  }
  diagnostics.amend([&](config::Diagnostic& d) {
    if ((d.code != "E030" && d.code != "E037") || d.place.file == nullptr) return;
    const std::string token =
        d.place.file->text.substr(d.place.span.begin, d.place.span.end - d.place.span.begin);
    if (const auto owner = owners.find(token); owner != owners.end()) {
      d.label = "pack " + owner->second + " declares it";
      d.helps = {"check these files together: logtally check --pack " + owner->second + " …"};
    }
  });
}

// Files that are checked without the packs, and that `run` with its packs refuses: names that a
// pack gives, too. Empty: there are none.
std::string clashes_with_packs(const RuleSources& sources) {
  config::Diagnostics unheard;
  const RuleFiles files = read_rule_files(sources, unheard);
  std::vector<std::string> clashes;
  for (const config::Pack& pack : config::shipped_packs()) {
    const auto document = config::parse_yaml(config::pack_source(pack), unheard);
    if (!document) continue;
    for (const rules::RuleSet::Source& source : files.sources) {
      if (source.document->file->text == pack.text) continue;  // this pack, from a file
      for (const auto& [part, what] : {std::pair("rules", "rule"), std::pair("metrics", "metric"),
                                       std::pair("tables", "table"), std::pair("maps", "map")}) {
        const config::Node* ours = source.document->root.find(part);
        const config::Node* theirs = document->root.find(part);
        if (ours == nullptr || theirs == nullptr) continue;
        for (const config::Node::Entry& entry : ours->entries) {
          if (entry.value.is_scalar() || theirs->find_entry(entry.key.text) == nullptr) continue;
          std::string clash =
              fmt::format("{} {} (pack {})", what, config::in_ticks(entry.key.text), pack.name);
          if (std::find(clashes.begin(), clashes.end(), clash) == clashes.end())
            clashes.push_back(std::move(clash));
        }
      }
    }
  }
  if (clashes.empty()) return {};
  constexpr std::size_t kMost = 5;
  std::string names;
  for (std::size_t i = 0; i < clashes.size() && i < kMost; ++i)
    names += (i == 0 ? "" : ", ") + clashes[i];
  if (clashes.size() > kMost) names += fmt::format(" and {} more", clashes.size() - kMost);
  return "built-in packs have these names, too: " + names +
         "; with them `run` refuses the files (E031): use other names, or --pack none";
}

}  // namespace

int check(const config::CommandLine& line, const config::Environment& environment) {
  CheckSubject subject;
  config::Diagnostics found;
  if (const auto wrong = choose(line, subject, found)) {
    std::fprintf(stderr, "error: %s\n", wrong->text.c_str());
    return kExitUsage;
  }
  CheckResult result = check_rules(subject, std::move(found));
  if (subject.rules.packs.empty()) {
    name_packs(result.diagnostics);
    if (!result.diagnostics.has_errors()) add_note(result, clashes_with_packs(subject.rules));
  }

  const std::size_t errors = result.diagnostics.errors();
  const std::size_t warnings = result.diagnostics.warnings();
  const bool quiet = line.verbosity < 0;
  if (quiet) {
    result.diagnostics.remove_if(
        [](const config::Diagnostic& d) { return d.severity() == config::Severity::warning; });
  }
  std::string text;
  if (line.format == "json") {
    text = config::findings_json(result.diagnostics);
  } else if (line.format == "github") {
    text = config::findings_github(result.diagnostics);
  } else {
    const bool colour = config::wants_colour(line.colour, isatty(STDOUT_FILENO) == 1, environment);
    const std::size_t limit = line.verbosity > 0 ? SIZE_MAX : 20;
    text = quiet ? result.diagnostics.render(colour, limit) : checked_text(result, colour, limit);
  }
  std::fputs(text.c_str(), stdout);
  // The streams for programs hold findings and nothing else.
  if (line.format != "human" && !quiet) {
    if (!result.note.empty()) std::fprintf(stderr, "note: %s\n", result.note.c_str());
    std::fprintf(stderr, "%s\n", result.summary.c_str());
  }
  if (std::fflush(stdout) != 0) return kExitWrong;
  if (errors > 0) return kExitWrong;
  return warnings > 0 && line.strict ? kExitWarnings : kExitSuccess;
}

}  // namespace logtally::cli
