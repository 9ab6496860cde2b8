#include "cli/sample_check.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "cli/format_hint.h"
#include "cli/sample_watch.h"
#include "cli/summary.h"
#include "config/suggest.h"
#include "pipeline/inputs.h"
#include "pipeline/worker.h"
#include "rules/misfit.h"
#include "sinks/metrics/registry.h"

namespace logtally::cli {
namespace {

using config::Node;

// "`a` (311), `b` (20)"
std::string listed(const Tally& tally, std::size_t most) {
  std::string text;
  for (const auto& [value, count] : tally.top(most)) {
    text += (text.empty() ? "" : ", ") + config::in_ticks(config::printable(value, 60)) +
            fmt::format(" ({})", grouped(count));
  }
  return text;
}

std::string_view reason_text(rules::SkipReason reason) {
  constexpr std::string_view kTexts[] = {"a field is missing",        "the value is no number",
                                         "the value is not finite",   "the value is negative",
                                         "the table has no such row", "the value is too large"};
  return kTexts[static_cast<std::size_t>(reason)];
}

// The field that was meant: one that is spelt nearly so, or says it with one word more or less
// (`skill_name` for `skill`, `extra.status` for `status`).
std::string nearest_key(const std::string& name, const std::vector<std::string>& keys) {
  if (name.empty()) return {};
  if (std::string near = config::suggest(name, keys); !near.empty()) return near;
  const auto extends = [](std::string_view longer, std::string_view shorter) {
    if (longer.size() <= shorter.size() + 1) return false;
    const char before = longer[longer.size() - shorter.size() - 1];
    const char behind = longer[shorter.size()];
    return (longer.ends_with(shorter) && (before == '_' || before == '.')) ||
           (longer.starts_with(shorter) && behind == '_');
  };
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const std::string& key) {
    return extends(key, name) || extends(name, key);
  });
  return found == keys.end() ? std::string() : *found;
}

class SampleReport {
 public:
  SampleReport(const rules::RuleSet& rules, std::span<const rules::RuleSet::Source> sources,
               std::size_t packs, const SampleWatch& watch, std::string sample,
               config::Diagnostics& diagnostics)
      : rules_(rules),
        sources_(sources),
        watch_(watch),
        sample_(std::move(sample)),
        diagnostics_(diagnostics) {
    const bool others = sources.size() > packs;
    for (std::size_t i = 0; i < packs; ++i) {
      const config::SourceFile* file = sources[i].document->file.get();
      bool alive = false;
      for (std::size_t r = 0; r < rules.rules().size(); ++r) {
        alive = alive || (rules.rules()[r].place.file.get() == file && watch.rule(r).matched > 0);
      }
      if (others || !alive) passed_.push_back(file);
    }
  }

  void all(const metrics::Delta& series, const config::Limits& limits) {
    bare_lines();
    std::vector<std::uint8_t> told(rules_.families().size());  // why it got nothing is known
    for (std::size_t i = 0; i < rules_.rules().size(); ++i) {
      const rules::Rule& rule = rules_.rules()[i];
      if (watch_.rule(i).matched == 0) {
        never_matched(rule, watch_.rule(i));
        for (const rules::Action& action : rule.actions) told[action.family] = 1;
      } else {
        skipped(rule, watch_.rule(i), told);
        out_of_buckets(rule, watch_.rule(i));
      }
    }
    empty_metrics(series, told);
    secrets();
    for (std::size_t i = 0; i < rules_.capped_labels().size(); ++i) full_label(i);
    for (metrics::FamilyId family = 0; family < rules_.families().size(); ++family) {
      if (series.size(family) > limits.series_per_metric)
        too_many(family, series.size(family), limits.series_per_metric);
    }
  }

 private:
  void bare_lines() {
    const SampleWatch::Bare& bare = watch_.bare();
    if (bare.bare * 2 <= bare.records) return;
    const FormatHint hint = format_hint(rules_, bare.lines);
    config::Diagnostic& d = diagnostics_.add(
        "W406", {},
        fmt::format("{} of {} records of the sample fit no format and match no rule",
                    grouped(bare.bare), grouped(bare.records)));
    d.notes.push_back(hint.note);
    d.helps.push_back(hint.help);
  }

  bool is_passed(const config::Place& place) const {
    return std::find(passed_.begin(), passed_.end(), place.file.get()) != passed_.end();
  }

  const Node::Entry* entry_of(const config::Place& place, std::string_view part,
                              std::string_view name) const {
    for (const rules::RuleSet::Source& source : sources_) {
      if (source.document->file != place.file) continue;
      const Node* node = source.document->root.find(part);
      if (node != nullptr) return node->find_entry(name);
    }
    return nullptr;
  }

  void never_matched(const rules::Rule& rule, const SampleWatch::OfRule& one) {
    if (is_passed(rule.place)) return;
    config::Diagnostic& d =
        diagnostics_.add("W401", rule.place,
                         "rule `" + rule.name + "` never matched in the sample (" + sample_ + ")");
    const SampleWatch::Miss* worst = nullptr;
    std::string what;
    for (const auto& [name, miss] : one.misses) {
      if (worst != nullptr && miss.lines <= worst->lines) continue;
      worst = &miss;
      what = name;
    }
    if (worst == nullptr) return;
    const Node::Entry* written = entry_of(rule.place, "rules", rule.name);
    const Node::Entry* at = nullptr;
    if (written != nullptr) {
      if (const Node* match = written->value.find("match")) at = match->find_entry(what);
      if (at == nullptr) at = written->value.find_entry(what);
    }
    const bool all_but_one =
        one.nearest == 1 &&
        rule.conditions.size() + (rule.patterns.empty() ? 0 : 1) + (rule.regex ? 1 : 0) > 1;
    const std::string lines = fmt::format(
        "{} line{}{}", grouped(worst->lines), worst->lines == 1 ? "" : "s",
        all_but_one ? worst->lines == 1 ? " that fits otherwise" : " that fit otherwise" : "");
    std::string label;
    if (what == "if") {
      label = "not true on " + lines;
    } else if (what == "pattern" || what == "regex") {
      label = "fits none of " + lines;
    } else if (worst->missing * 2 > worst->lines) {
      label = worst->missing == worst->lines
                  ? "missing in all of " + lines
                  : "missing in " + grouped(worst->missing) + " of " + lines;
    } else {
      label = "has another value in " + lines;
    }
    if (at != nullptr) {
      config::Place place = rule.place;
      place.span = at->value.is_scalar() ? at->value.span : at->key.span;
      d.also.push_back({place, label});
    } else {
      d.label = "`" + what + "`: " + label;
    }
    suggest(d, *worst, what, at, &rule);
  }

  // Where the message that goes along with a pattern furthest parts from it, in the words of
  // `explain`.
  static std::string where_it_parts(const rules::Rule& rule, const Tally& messages) {
    constexpr std::size_t kMostTried = 20;
    rules::Misfits misfits;
    std::optional<rules::Misfit> best;
    std::string message;
    for (const auto& [text, times] : messages.top(kMostTried)) {
      for (const rules::Pattern& pattern : rule.patterns) {
        auto found = misfits.find(pattern, rules::PatternUse::message, text);
        if (!found || (best && found->fitted <= best->fitted)) continue;
        best = std::move(found);
        message = text;
      }
    }
    if (!best || best->fitted == 0) return {};
    return "on " + config::in_ticks(config::printable(message, 60)) + ": " + best->why;
  }

  // What stood there instead, and what is near to it.
  void suggest(config::Diagnostic& d, const SampleWatch::Miss& miss, const std::string& what,
               const Node::Entry* at, const rules::Rule* rule) {
    constexpr std::size_t kShown = 5;
    if (miss.missing * 2 > miss.lines && what != "pattern" && what != "regex" && what != "if") {
      if (miss.keys.empty()) return;
      d.notes.push_back("these lines have " + listed(miss.keys, 8));
      const std::string near = nearest_key(what, miss.keys.texts());
      if (!near.empty()) d.helps.push_back("did you mean `" + near + "`?");
      return;
    }
    if (what == "pattern" && rule != nullptr && !miss.seen.empty()) {
      if (const std::string parts = where_it_parts(*rule, miss.seen); !parts.empty())
        d.notes.push_back(parts);
    }
    if (!miss.seen.empty()) {
      d.notes.push_back((what == "pattern" || what == "regex" ? "messages there: " : "it is ") +
                        listed(miss.seen, kShown));
    }
    std::vector<std::string> wanted;
    if (at != nullptr && at->value.is_scalar()) wanted.push_back(at->value.text);
    if (at != nullptr && at->value.is_sequence()) {
      for (const Node& item : at->value.items) wanted.push_back(item.text);
    }
    for (const std::string& one : wanted) {
      const std::string near = config::suggest(one, miss.seen.texts());
      if (near.empty()) continue;
      d.helps.push_back("did you mean `" + config::printable(near) + "`?");
      return;
    }
  }

  void skipped(const rules::Rule& rule, const SampleWatch::OfRule& one,
               std::vector<std::uint8_t>& told) {
    for (std::size_t i = 0; i < rule.actions.size(); ++i) {
      if (one.skipped[i] == 0 || one.done[i] > 0) continue;
      const rules::Action& action = rule.actions[i];
      told[action.family] = 1;
      if (action.kind >= rules::Action::Kind::remember || is_passed(rule.place)) continue;
      std::string why;
      for (const rules::SkipReason reason : one.reasons[i])
        why += (why.empty() ? "" : "; ") + std::string(reason_text(reason));
      config::Diagnostic& d = diagnostics_.add(
          "W405", action.place,
          fmt::format("`{}` was skipped on each of {} line{} that rule `{}` matched", action.name,
                      grouped(one.skipped[i]), one.skipped[i] == 1 ? "" : "s", rule.name),
          !one.missing[i].empty()  ? "its label `" + one.missing[i] + "` has no value"
          : !one.absent[i].empty() ? "`$" + one.absent[i] + "` is missing"
                                   : why);
      if (one.keys[i].empty() || !one.reasons[i].contains(rules::SkipReason::missing_field))
        continue;
      d.notes.push_back("these lines have " + listed(one.keys[i], 8));
      const bool label = !one.missing[i].empty();
      const std::string near =
          nearest_key(label ? one.missing[i] : one.absent[i], one.keys[i].texts());
      if (near.empty()) continue;
      d.helps.push_back(label ? "did you mean `" + near + "`?  labels: {" + one.missing[i] + ": $" +
                                    near + "}"
                              : "did you mean `$" + near + "`?");
    }
  }

  void out_of_buckets(const rules::Rule& rule, const SampleWatch::OfRule& one) {
    if (is_passed(rule.place)) return;
    for (std::size_t i = 0; i < rule.actions.size(); ++i) {
      const SampleWatch::OfRule::Range& range = one.ranges[i];
      if (range.values == 0 || (range.above < range.values && range.below < range.values)) continue;
      const rules::Action& action = rule.actions[i];
      const metrics::FamilySpec& spec = rules_.families()[action.family];
      const bool above = range.above == range.values;
      config::Diagnostic& d = diagnostics_.add(
          "W407", action.place,
          fmt::format("{} of `{}` {} {} its {} bucket ({})",
                      range.values == 1 ? "the only value"
                                        : fmt::format("all {} values", grouped(range.values)),
                      spec.name, range.values == 1 ? "is" : "are", above ? "above" : "far below",
                      above ? "last" : "first",
                      metrics::to_string(above ? spec.buckets.back() : spec.buckets.front())),
          "such as " + range.example);
      d.helps.emplace_back(action.unit.empty()
                               ? "is the field in another unit?  unit: ms says so; or choose "
                                 "buckets for such values"
                               : "is the field in another unit than `" + action.unit +
                                     "`? or choose buckets for such values");
    }
  }

  // Where a metric names a label; else where it stands itself.
  config::Place label_place(const config::Place& place, const std::string& metric,
                            const std::string& label) const {
    const Node::Entry* entry = entry_of(place, "metrics", metric);
    const Node* labels = entry == nullptr ? nullptr : entry->value.find("labels");
    config::Place at = place;
    if (labels == nullptr) return at;
    if (const Node::Entry* named = labels->find_entry(label)) at.span = named->key.span;
    for (const Node& item : labels->items) {
      if (item.text == label) at.span = item.span;
    }
    return at;
  }

  void secrets() {
    for (const auto& [where, secret] : watch_.secrets()) {
      const auto& [family, label] = where;
      const metrics::FamilySpec& spec = rules_.families()[family];
      const config::Place& place = rules_.family_places()[family];
      if (is_passed(place)) continue;
      diagnostics_
          .add("W408", label_place(place, spec.name, spec.labels[label]),
               fmt::format("values of label `{}` look like what `builtin: {}` redacts",
                           spec.labels[label], secret.shape))
          .helps.push_back(
              fmt::format("redact: {{{}: {{builtin: {}, with: hash}}}}, or leave the label out",
                          secret.shape, secret.shape));
    }
  }

  void empty_metrics(const metrics::Delta& series, const std::vector<std::uint8_t>& told) {
    std::vector<std::uint8_t> used(told.size());
    for (const rules::Rule& rule : rules_.rules()) {
      for (const rules::Action& action : rule.actions) {
        if (action.kind < rules::Action::Kind::remove) used[action.family] = 1;
      }
    }
    for (metrics::FamilyId family = 0; family < told.size(); ++family) {
      const config::Place& place = rules_.family_places()[family];
      if (series.size(family) > 0 || told[family] || !used[family] || is_passed(place)) continue;
      diagnostics_.add("W403", place,
                       "metric `" + rules_.families()[family].name +
                           "` got no value from the sample (" + sample_ + ")",
                       "the `if` of its actions was never true");
    }
  }

  void full_label(std::size_t number) {
    const auto& [family, label] = rules_.capped_labels()[number];
    const metrics::FamilySpec& spec = rules_.families()[family];
    const config::Place& place = rules_.family_places()[family];
    const Node::Entry* metric = entry_of(place, "metrics", spec.name);
    const Node* labels = metric == nullptr ? nullptr : metric->value.find("labels");
    const Node::Entry* entry = labels == nullptr ? nullptr : labels->find_entry(spec.labels[label]);
    const Node* max = entry == nullptr ? nullptr : entry->value.find("max");
    if (max == nullptr || is_passed(place)) return;
    const std::size_t values = watch_.values_of(number);
    const std::size_t most =
        static_cast<std::size_t>(std::strtoull(max->text.c_str(), nullptr, 10));
    if (values <= most) return;
    config::Place at = place;
    at.span = entry->key.span;
    diagnostics_
        .add("W402", at,
             fmt::format("label `{}` has {} values in the sample, its `max` is {}",
                         spec.labels[label], grouped(values), grouped(most)),
             fmt::format("{} stands for {} of them",
                         config::in_ticks(rules_.label_policy(family, label).overflow),
                         grouped(values - most)))
        .helps.emplace_back("a map with `rewrite` can fold them; or the label is left out");
  }

  void too_many(metrics::FamilyId family, std::size_t series, std::uint64_t most) {
    const config::Place& place = rules_.family_places()[family];
    diagnostics_
        .add("W404", place,
             fmt::format("`{}` would have {} series from the sample, {} are allowed",
                         rules_.families()[family].name, grouped(series), grouped(most)),
             "the labels of what is over become `other`")
        .helps.emplace_back("labels with fewer values, or a `max` for each");
  }

  const rules::RuleSet& rules_;
  std::span<const rules::RuleSet::Source> sources_;
  const SampleWatch& watch_;
  std::string sample_;
  config::Diagnostics& diagnostics_;
  std::vector<const config::SourceFile*> passed_;
};

// Redactions of these files that found nothing: they may be wrong, or not be needed.
std::string idle_redactions(std::span<const rules::RuleSet::Source> sources,
                            const SampleWatch& watch) {
  std::string names;
  std::size_t count = 0;
  for (const rules::RuleSet::Source& source : sources) {
    const Node* redact = source.document->root.find("redact");
    if (redact == nullptr) continue;
    for (const Node::Entry& entry : redact->entries) {
      if (watch.redactions().contains(entry.key.text)) continue;
      constexpr std::size_t kMost = 8;
      if (++count <= kMost) names += (count == 1 ? "" : ", ") + config::in_ticks(entry.key.text);
    }
  }
  if (count == 0) return {};
  return fmt::format("redaction{} {}{} found nothing in the sample", count == 1 ? "" : "s", names,
                     count > 8 ? fmt::format(" and {} more", count - 8) : "");
}

}  // namespace

std::vector<std::string> json_keys(std::string_view line) {
  std::vector<std::string> keys;
  std::vector<std::string> path;  // of the objects that are open; arrays are passed over
  std::size_t arrays = 0;
  std::string last;  // the key whose value comes next
  bool wants_key = false;
  std::size_t at = line.find_first_not_of(" \t");
  if (at == std::string_view::npos || line[at] != '{') return keys;
  for (; at < line.size() && keys.size() < 200; ++at) {
    const char c = line[at];
    if (c == '"') {
      const std::size_t begin = ++at;
      while (at < line.size() && line[at] != '"') at += line[at] == '\\' ? 2 : 1;
      if (!wants_key || arrays > 0 || at >= line.size()) continue;
      last = std::string(line.substr(begin, at - begin));
      wants_key = false;
      std::string name;
      for (const std::string& part : path) name += part + ".";
      keys.push_back(name + last);
    } else if (c == '{') {
      if (arrays == 0 && !keys.empty()) path.push_back(last);
      if (arrays > 0) ++arrays;
      wants_key = true;
      if (path.size() > 1) {  // deep enough
        path.pop_back();
        ++arrays;
      }
    } else if (c == '}') {
      if (arrays > 0) {
        --arrays;
      } else if (!path.empty()) {
        path.pop_back();
      }
      wants_key = false;
    } else if (c == '[') {
      ++arrays;
    } else if (c == ']') {
      if (arrays > 0) --arrays;
    } else if (c == ',') {
      wants_key = arrays == 0;
    }
  }
  return keys;
}

SampleTotals try_sample(std::shared_ptr<const rules::RuleSet> rules,
                        std::span<const rules::RuleSet::Source> sources, std::size_t packs,
                        const std::vector<std::string>& files, const config::Limits& limits,
                        config::Diagnostics& diagnostics) {
  SampleTotals totals;
  std::vector<pipeline::TargetSpec> targets;
  for (const std::string& file : files)
    targets.push_back({.name = file, .paths = {file}, .exclude = {}});
  pipeline::TailOptions tail;
  tail.follow = false;
  tail.from_beginning = true;
  tail.line_bytes = limits.line_bytes;
  auto inputs = pipeline::Inputs::open(std::move(targets), std::nullopt, tail);
  if (!inputs) {
    diagnostics.add("E009", {}, inputs.error().text);
    return totals;
  }
  for (const std::string& missing : (*inputs)->missing())
    diagnostics.add("E009", {}, missing + ": no such file");

  SampleWatch watch(*rules);
  pipeline::WorkerOptions options;
  options.wrappers.assign(files.size(), pipeline::Wrapper::automatic);
  options.record_bytes = limits.record_bytes;
  options.record_lines = limits.record_lines;
  // What there would be without the limits, within reason.
  options.series_per_metric = std::max<std::uint64_t>(limits.series_per_metric, 100'000);
  options.series = std::max<std::uint64_t>(limits.series, 200'000);
  options.follow = false;
  options.trace = &watch;
  pipeline::Worker worker(rules, **inputs, std::move(options));
  worker.run();
  for (const metrics::TargetTotals& target : worker.totals().targets)
    totals.lines += target.lines_read;
  totals.series = worker.progress().series;

  std::string name = fmt::format("{} line{} of {}", grouped(totals.lines),
                                 totals.lines == 1 ? "" : "s", config::printable(files[0], 1000));
  if (files.size() > 1) name += fmt::format(" and {} more", files.size() - 1);
  if (totals.lines > 0) {
    SampleReport(*rules, sources, packs, watch, name, diagnostics).all(worker.series(), limits);
    totals.note = idle_redactions(sources.subspan(packs), watch);
  }
  return totals;
}

}  // namespace logtally::cli
