#include "cli/rule_check.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "cli/regex_cost.h"
#include "cli/sample_check.h"
#include "cli/summary.h"
#include "config/allowances.h"
#include "pipeline/glob.h"

namespace logtally::cli {
namespace {

using config::Node;

struct Counts {
  std::size_t rules = 0;  // those that are switched off, too
  std::size_t switched_off = 0;
  std::size_t metrics = 0;
};

Counts counts_of(const RuleFiles& files) {
  Counts counts;
  std::map<std::string, bool> switches;
  std::set<std::string> off;
  for (const rules::RuleSet::Source& source : files.sources) {
    const Node& root = source.document->root;
    if (const Node* metrics = root.find("metrics")) counts.metrics += metrics->entries.size();
    const Node* rules = root.find("rules");
    if (rules == nullptr) continue;
    for (const Node::Entry& rule : rules->entries) {
      if (rule.value.is_scalar()) {
        switches[rule.key.text] = rule.value.text == "true";
        continue;
      }
      ++counts.rules;
      const Node* enabled = rule.value.find("enabled");
      if (enabled != nullptr && enabled->text == "false") off.insert(rule.key.text);
    }
  }
  for (const auto& [name, on] : switches) {
    if (on) {
      off.erase(name);
    } else {
      off.insert(name);
    }
  }
  counts.switched_off = std::min(off.size(), counts.rules);
  return counts;
}

// ---------------------------------------------------------------- targets

bool is_excluded(const config::Target& target, const std::string& path) {
  return std::any_of(target.exclude.begin(), target.exclude.end(), [&](const std::string& pattern) {
    return pipeline::glob_matches(pattern, path);
  });
}

// A path of a target that fits no file is no error: the file may come. Most often it is a slip.
void check_targets(const CheckSubject& subject, config::Diagnostics& diagnostics) {
  if (!subject.settings || !subject.rules.configuration) return;
  const config::YamlDocument& document = *subject.rules.configuration;
  const Node* targets = document.root.find("targets");
  if (targets == nullptr || targets->items.size() != subject.settings->targets.size()) return;
  for (std::size_t i = 0; i < targets->items.size(); ++i) {
    const config::Target& target = subject.settings->targets[i];
    const Node* path = targets->items[i].find("path");
    if (path == nullptr) continue;
    for (std::size_t p = 0; p < target.paths.size(); ++p) {
      const Node& at = path->is_sequence() && p < path->items.size() ? path->items[p] : *path;
      const pipeline::GlobResult found = pipeline::expand_glob(target.paths[p]);
      std::error_code ignored;
      std::size_t files = 0;
      std::size_t excluded = 0;
      for (const std::string& file : found.paths) {
        if (std::filesystem::is_directory(file, ignored)) continue;
        ++files;
        excluded += is_excluded(target, file);
      }
      if (files > excluded) continue;
      config::Diagnostic& d = diagnostics.add(
          "W216", document.place(at),
          files == 0 ? "no file fits this path of target " + config::in_ticks(target.name)
                     : "every file that fits this path of target " + config::in_ticks(target.name) +
                           " is excluded");
      if (target.paths[p] != at.text)
        d.notes.push_back("relative to this file: " + config::printable(target.paths[p], 1000));
      for (const std::string& directory : found.unreadable)
        d.notes.push_back("no permission to list " + config::printable(directory, 1000));
    }
  }
}

}  // namespace

std::string counted(std::size_t number, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : "s");
}

std::string first_error(const config::Diagnostics& diagnostics) {
  for (const config::Diagnostic* d : diagnostics.sorted()) {
    if (d->severity() != config::Severity::error) continue;
    std::string text = d->code;
    if (d->place.file != nullptr) {
      text += fmt::format(" {}:{}", config::printable(d->place.file->name, 1000),
                          config::line_column(*d->place.file, d->place.span.begin).line);
    }
    return text;
  }
  return {};
}

std::string counted_rules(std::size_t on, std::size_t off) {
  std::string text = counted(on + off, "rule");
  if (off > 0) text += fmt::format(", {} of them switched off", grouped(off));
  return text;
}

CheckResult check_rules(const CheckSubject& subject, config::Diagnostics found) {
  const double begin = thread_cpu_ns();
  CheckResult result;
  result.diagnostics = std::move(found);
  config::Diagnostics& diagnostics = result.diagnostics;

  const RuleFiles files = read_rule_files(subject.rules, diagnostics);
  config::Allowances allowances;
  for (const rules::RuleSet::Source& source : files.sources)
    allowances.read(*source.document, diagnostics);
  result.rules = rules::RuleSet::compile(files.sources, diagnostics, rules::RuleSet::Lints::all);
  result.note = check_regexes(files.own(), RegexCare::check,
                              regex_budget(RegexCare::check, thread_cpu_ns() - begin), diagnostics)
                    .note();
  if (diagnostics.has_errors()) result.rules = nullptr;
  check_targets(subject, diagnostics);
  const config::Limits limits = subject.settings ? subject.settings->limits : config::Limits{};
  SampleTotals sample;
  const bool tried = result.rules != nullptr && !subject.samples.empty();
  if (tried) {
    sample =
        try_sample(result.rules, files.sources, files.packs, subject.samples, limits, diagnostics);
  }
  add_note(result, sample.note);
  allowances.apply(diagnostics);
  if (!diagnostics.has_errors()) {
    // With errors not everything was looked at, and what is allowed may come to light yet.
    allowances.report_unused(
        [&](std::string_view code) {
          // What a regular expression costs is measured, and differs from machine to machine.
          return code != "W217" && (tried || !code.starts_with("W4"));
        },
        diagnostics);
  }

  const Counts counts = counts_of(files);
  std::string name = subject.name;
  if (tried) {
    result.introduction =
        fmt::format("checked {}{} against {} of {}", counted(files.files, "rule file"),
                    files.packs == 0 ? "" : " and " + counted(files.packs, "pack"),
                    counted(sample.lines, "line"), config::printable(subject.samples[0], 1000));
    if (subject.samples.size() > 1)
      result.introduction += fmt::format(" and {} more", subject.samples.size() - 1);
    if (!diagnostics.has_errors()) name = "ok";
  }
  result.summary =
      fmt::format("{}: {}{}, {}, {}", name, counted(files.files, "file"),
                  files.packs == 0 ? "" : ", " + counted(files.packs, "pack"),
                  counted_rules(counts.rules - counts.switched_off, counts.switched_off),
                  counted(counts.metrics, "metric"));
  if (tried) {
    result.summary += fmt::format(", about {} series from this sample (limit {})",
                                  grouped(sample.series), grouped(limits.series));
  }
  result.summary += fmt::format(": {}, {}", counted(diagnostics.errors(), "error"),
                                counted(diagnostics.warnings(), "warning"));
  return result;
}

void add_note(CheckResult& result, const std::string& note) {
  if (note.empty()) return;
  if (!result.note.empty()) result.note += "\nnote: ";
  result.note += note;
}

std::string checked_text(const CheckResult& result, bool colour, std::size_t limit) {
  std::string text = result.introduction.empty() ? "" : result.introduction + "\n";
  const std::string findings = result.diagnostics.render(colour, limit);
  text += findings + (findings.empty() ? "" : "\n");
  if (!result.note.empty()) text += "note: " + result.note + "\n";
  return text + result.summary + "\n";
}

}  // namespace logtally::cli
