#include "cli/sample_watch.h"

#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "cli/sample_check.h"

namespace logtally::cli {

void Tally::add(std::string_view text) {
  ++total_;
  constexpr std::size_t kLongest = 200;
  text = text.substr(0, kLongest);
  const auto found = counts_.find(text);
  if (found != counts_.end()) {
    ++found->second;
  } else if (counts_.size() < kMost) {
    counts_.emplace(text, 1);
  }
}

std::vector<std::pair<std::string, std::uint64_t>> Tally::top(std::size_t most) const {
  std::vector<std::pair<std::string, std::uint64_t>> all(counts_.begin(), counts_.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (all.size() > most) all.resize(most);
  return all;
}

std::vector<std::string> Tally::texts() const {
  std::vector<std::string> all;
  for (const auto& [text, count] : top(counts_.size())) all.push_back(text);
  return all;
}

SampleWatch::SampleWatch(const rules::RuleSet& rules) : rules_(rules), all_(rules.rules().size()) {
  values_.resize(rules.capped_labels().size());
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const std::size_t actions = rules.rules()[i].actions.size();
    all_[i].done.resize(actions);
    all_[i].skipped.resize(actions);
    all_[i].reasons.resize(actions);
    all_[i].keys.resize(actions);
    all_[i].missing.resize(actions);
  }
}

SampleWatch::OfRule& SampleWatch::of(const rules::Rule& rule) {
  return all_[static_cast<std::size_t>(&rule - rules_.rules().data())];
}

std::size_t SampleWatch::index_of(const rules::Rule& rule, const rules::Action& action) {
  return static_cast<std::size_t>(&action - rule.actions.data());
}

void SampleWatch::record_begins(const rules::Event& event, rules::Scope& scope) {
  event_ = &event;
  scope_ = &scope;
  keys_known_ = false;
}

void SampleWatch::add_keys(Tally& tally) {
  if (!keys_known_) {
    keys_known_ = true;
    keys_ = json_keys(event_->line);
    if (keys_.empty()) {
      for (const rules::Format& format : rules_.formats().all()) {
        if (format.name != event_->format) continue;
        for (const rules::Capture& capture : format.pattern.captures())
          keys_.push_back(capture.name);
      }
    }
  }
  for (const std::string& key : keys_) tally.add(key);
}

void SampleWatch::rule_matched(const rules::Rule& rule) {
  OfRule& one = of(rule);
  ++one.matched;
  one.misses.clear();
}

bool SampleWatch::patterns_fit(const rules::Rule& rule) {
  if (rule.patterns.empty() && !rule.regex) return true;
  if (!scope_->has_message()) return false;
  const std::string_view message = scope_->message();
  if (rule.regex)
    return re2::RE2::PartialMatch(re2::StringPiece(message.data(), message.size()), *rule.regex);
  std::array<std::string_view, rules::Pattern::kMaxCaptures> captures;
  return std::any_of(rule.patterns.begin(), rule.patterns.end(),
                     [&](const rules::Pattern& p) { return p.match(message, captures); });
}

// The trace names the first condition that failed; the nearest line is the one on which the fewest
// did, whatever their order.
void SampleWatch::rule_failed(const rules::Rule& rule, std::string_view what, std::string_view) {
  OfRule& one = of(rule);
  if (one.matched > 0) return;
  std::vector<const rules::Condition*> failed;
  for (const rules::Condition& condition : rule.conditions) {
    if (!rules::passes(condition.test, condition.field, *scope_)) failed.push_back(&condition);
  }
  if (failed.size() > one.nearest) return;
  const bool fits = patterns_fit(rule);
  const std::size_t distance = failed.size() + (fits ? 0 : 1);
  if (distance > one.nearest) return;
  if (distance < one.nearest) {
    one.nearest = distance;
    one.lines = 0;
    one.misses.clear();
  }
  ++one.lines;
  for (const rules::Condition* condition : failed) {
    Miss& miss = one.misses[condition->name];
    ++miss.lines;
    const rules::Token token = scope_->token(condition->field);
    if (token.present()) {
      miss.seen.add(scope_->text(token));
    } else {
      ++miss.missing;
      add_keys(miss.keys);
    }
  }
  if (!fits) {
    Miss& miss = one.misses[rule.regex ? "regex" : "pattern"];
    ++miss.lines;
    if (scope_->has_message()) {
      miss.seen.add(scope_->message());
    } else {
      ++miss.missing;
      add_keys(miss.keys);
    }
  } else if (failed.empty()) {
    Miss& miss = one.misses[std::string(what)];  // its `if`
    ++miss.lines;
    add_keys(miss.keys);
  }
}

void SampleWatch::action_done(const rules::Rule& rule, const rules::Action& action,
                              const metrics::Series&, rules::Decimal) {
  ++of(rule).done[index_of(rule, action)];
  constexpr std::size_t kMostValues = 100'000;
  for (const rules::LabelSource& source : action.labels) {
    if (source.policy == nullptr || source.policy->max == 0) continue;
    const rules::Value value = rules::label_source_value(source, *scope_);
    if (!value.usable()) continue;
    auto& values = values_[source.policy->number];
    const std::string_view text = rules::value_text(value, *scope_);
    if (text == source.otherwise || values.size() >= kMostValues || values.contains(text)) continue;
    values.emplace(text);
  }
}

void SampleWatch::action_skipped(const rules::Rule& rule, const rules::Action& action,
                                 rules::SkipReason reason) {
  OfRule& one = of(rule);
  const std::size_t index = index_of(rule, action);
  ++one.skipped[index];
  one.reasons[index].insert(reason);
  constexpr std::uint64_t kLooked = 1000;
  if (one.done[index] > 0 || one.skipped[index] > kLooked) return;
  add_keys(one.keys[index]);
  if (reason != rules::SkipReason::missing_field || !one.missing[index].empty()) return;
  if (action.value && !action.value->evaluate(*scope_).usable()) return;
  for (std::size_t i = 0; i < action.labels.size(); ++i) {
    if (rules::label_source_value(action.labels[i], *scope_).usable()) continue;
    one.missing[index] = rules_.families()[action.family].labels[i];
    return;
  }
}

}  // namespace logtally::cli
