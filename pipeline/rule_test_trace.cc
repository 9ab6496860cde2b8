#include "pipeline/rule_test_trace.h"

#include <algorithm>
#include <array>
#include <set>

#include "rules/delta.h"
#include "rules/event.h"

namespace logtally::pipeline {

std::string text_of(const config::Place& place) {
  return place.file->name + ":" +
         std::to_string(config::line_column(*place.file, place.span.begin).line);
}

RuleTestTrace::RuleTestTrace(const rules::RuleSet& rules)
    : rules_(rules), uses_(rules.rules().size()), filled_(rules.families().size()) {
  for (std::size_t i = 0; i < uses_.size(); ++i)
    uses_[i].acted.resize(rules.rules()[i].actions.size());
}

void RuleTestTrace::rule_matched(const rules::Rule& rule) { use_of(rule).matched = true; }

void RuleTestTrace::action_done(const rules::Rule& rule, const rules::Action& action,
                                const metrics::Series& series, metrics::Decimal) {
  acted(rule, action);
  filled_[series.family] = true;
  add(made_[{series.family, series.labels}], rule, action);
}

void RuleTestTrace::record_begins(const rules::Event& event, rules::Scope&) {
  const auto behind =
      std::upper_bound(lines_->begin(), lines_->end(), event.origin.offset,
                       [](std::uint64_t offset, const auto& line) { return offset < line.first; });
  if (behind != lines_->begin()) line_ = std::prev(behind)->second;
}

void RuleTestTrace::row_remembered(const rules::Rule& rule, const rules::Action& action,
                                   const rules::Row&) {
  acted(rule, action);
  if (const auto& open = rules_.table_rules()[action.table].open)
    add(counted_rows_[*open], rule, action);
}

void RuleTestTrace::row_taken(const rules::Rule& rule, const rules::Action& action,
                              const rules::Row&, std::optional<metrics::Decimal>) {
  acted(rule, action);
  if (const auto& open = rules_.table_rules()[action.table].open)
    add(counted_rows_[*open], rule, action);
}

void RuleTestTrace::rows_counted(const metrics::Series& series, metrics::Decimal) {
  filled_[series.family] = true;
}

void RuleTestTrace::timer_fired(const metrics::Series& series, std::optional<metrics::Decimal>) {
  fallen_.insert({series.family, series.labels});
}

void RuleTestTrace::series_deleted(const rules::Rule& rule, const rules::Action& action,
                                   std::size_t) {
  acted(rule, action);
}

void RuleTestTrace::stored(const rules::Rule& rule, const rules::Action& action,
                           const rules::Invocation& invocation) {
  acted(rule, action);
  add(stored_, rule, action);
  rows_.push_back(invocation.columns);
}

void RuleTestTrace::action_skipped(const rules::Rule& rule, const rules::Action& action,
                                   rules::SkipReason reason) {
  if (action.kind < rules::Action::Kind::remove)
    add(skipped_[{action.family, static_cast<std::size_t>(reason)}], rule, action);
}

std::vector<std::string> RuleTestTrace::makers(metrics::FamilyId family,
                                               const std::vector<std::string>& values) const {
  std::vector<std::string> out;
  if (fallen_.contains({family, values})) out.emplace_back("fell back when its time was over");
  const auto made = made_.find({family, values});
  const auto counted = counted_rows_.find(family);
  for (const auto* deeds : {made == made_.end() ? nullptr : &made->second,
                            counted == counted_rows_.end() ? nullptr : &counted->second}) {
    if (deeds == nullptr) continue;
    for (std::string& note : notes("made", *deeds)) out.push_back(std::move(note));
  }
  if (!out.empty()) return out;
  return {"there from the start: " + text_of(rules_.family_places()[family]) +
          " declares all values of its labels"};
}

std::vector<std::string> RuleTestTrace::obstacles(metrics::FamilyId family) const {
  constexpr std::array<std::string_view, metrics::kSkipReasons> kReasons = {
      "a field is missing",    "a value is no number", "a value is not finite",
      "a counter cannot fall", "no row has this key",  "a value is out of range"};
  std::vector<std::string> out;
  for (const auto& [skip, deeds] : skipped_) {
    if (skip.first != family) continue;
    for (std::string& note : notes("skipped", deeds))
      out.push_back(std::move(note) + ": " + std::string(kReasons[skip.second]));
  }
  return out;
}

std::vector<std::string> RuleTestTrace::storers() const { return notes("stored", stored_); }

RuleUse& RuleTestTrace::use_of(const rules::Rule& rule) {
  return uses_[static_cast<std::size_t>(&rule - rules_.rules().data())];
}

void RuleTestTrace::acted(const rules::Rule& rule, const rules::Action& action) {
  use_of(rule).acted[static_cast<std::size_t>(&action - rule.actions.data())] = true;
}

void RuleTestTrace::add(std::vector<Deed>& deeds, const rules::Rule& rule,
                        const rules::Action& action) {
  for (Deed& deed : deeds) {
    if (deed.action != &action) continue;
    deed.lines.push_back(line_);
    return;
  }
  deeds.push_back({.rule = &rule, .action = &action, .lines = {line_}});
}

std::vector<std::string> RuleTestTrace::notes(std::string_view what,
                                              const std::vector<Deed>& deeds) {
  constexpr std::size_t kMostLines = 3;
  std::vector<std::string> out;
  for (const Deed& deed : deeds) {
    std::set<std::string> lines;
    std::string from;
    for (const config::Place& place : deed.lines) {
      if (!lines.insert(text_of(place)).second || lines.size() > kMostLines) continue;
      from += (from.empty() ? "" : ", ") + text_of(place);
    }
    if (lines.size() > kMostLines)
      from += " and " + std::to_string(lines.size() - kMostLines) + " more";
    out.push_back(std::string(what) + " by " + text_of(deed.action->place) + " (rule " +
                  deed.rule->name + ") from " + from);
  }
  return out;
}

}  // namespace logtally::pipeline
