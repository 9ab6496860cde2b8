#include "cli/sample_watch.h"

#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "cli/sample_check.h"
#include "rules/secret_shapes.h"

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
    all_[i].absent.resize(actions);
    all_[i].ranges.resize(actions);
  }
  for (const rules::SecretShape& shape : rules::secret_shapes()) {
    // Addresses are often meant: of them W210 speaks.
    if (shape.name == "ipv4" || shape.name == "ipv6" || shape.name == "card") continue;
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_encoding(re2::RE2::Options::EncodingLatin1);
    auto regex = std::make_unique<const re2::RE2>(
        re2::StringPiece(shape.regex.data(), shape.regex.size()), options);
    if (regex->ok()) shapes_.emplace_back(shape.name, std::move(regex));
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

void SampleWatch::record_done(const rules::Event& event, bool matched) {
  ++bare_.records;
  if (matched || !event.format.empty()) return;
  ++bare_.bare;
  constexpr std::size_t kMostLines = 200;
  constexpr std::size_t kLongest = 1000;
  if (bare_.bare > kMostLines || event.line.size() > kLongest) return;
  bare_.lines += event.line;
  bare_.lines += '\n';
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

void SampleWatch::redacted(std::string_view name, std::size_t times) {
  const auto found = redactions_.find(name);
  if (found != redactions_.end()) {
    found->second += times;
  } else {
    redactions_.emplace(name, times);
  }
}

void SampleWatch::add_keys(Tally& tally, const rules::Rule& rule) {
  add_keys(tally);
  for (const std::string& name : rule.capture_names) tally.add(name);
  for (const std::string& name : rule.let_names) tally.add(name);
}

void SampleWatch::look_for_secrets(const metrics::Series& series) {
  constexpr std::size_t kMostValues = 20'000;
  for (std::size_t label = 0; label < series.labels.size(); ++label) {
    const std::string& value = series.labels[label];
    constexpr std::size_t kShortest = 6;
    if (value.size() < kShortest || looked_at_.size() >= kMostValues) continue;
    const auto known = secrets_.find({series.family, label});
    if (known != secrets_.end()) continue;
    if (!looked_at_
             .insert(std::to_string(series.family) + "/" + std::to_string(label) + "/" + value)
             .second)
      continue;
    for (const auto& [name, regex] : shapes_) {
      if (!re2::RE2::PartialMatch(value, *regex)) continue;
      secrets_.emplace(std::pair(series.family, label), Secret{.shape = name, .times = 1});
      break;
    }
  }
}

void SampleWatch::action_done(const rules::Rule& rule, const rules::Action& action,
                              const metrics::Series& series, rules::Decimal counted) {
  const std::size_t index = index_of(rule, action);
  ++of(rule).done[index];
  look_for_secrets(series);
  if (const auto& spec = rules_.families()[action.family];
      action.kind == rules::Action::Kind::observe && !spec.buckets.empty()) {
    OfRule::Range& range = of(rule).ranges[index];
    ++range.values;
    const double number = counted.to_double();
    range.above += counted > spec.buckets.back();
    range.below += number > 0 && number * 100 < spec.buckets.front().to_double();
    if (range.example.empty()) range.example = metrics::to_string(counted);
  }
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
  add_keys(one.keys[index], rule);
  if (reason != rules::SkipReason::missing_field || !one.missing[index].empty()) return;
  if (action.value && !action.value->evaluate(*scope_).usable()) {
    const std::vector<rules::Ref>& refs = action.value->refs();
    for (std::size_t i = 0; i < refs.size() && one.absent[index].empty(); ++i) {
      if (!scope_->token(refs[i]).present()) one.absent[index] = action.value->ref_names()[i];
    }
    return;
  }
  for (std::size_t i = 0; i < action.labels.size(); ++i) {
    if (rules::label_source_value(action.labels[i], *scope_).usable()) continue;
    one.missing[index] = rules_.families()[action.family].labels[i];
    return;
  }
}

}  // namespace logtally::cli
