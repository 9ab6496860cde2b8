#include "rules/rule_set.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <re2/re2.h>

#include "rules/json_decoder.h"
#include "rules/short_decimal.h"

namespace logtally::rules {
namespace {

constexpr std::size_t kMaxGroups = 16;

struct Number {
  Decimal value;
  bool usable = true;
  SkipReason reason = SkipReason::missing_field;

  static Number skip(SkipReason reason) { return {.value = {}, .usable = false, .reason = reason}; }
};

Number of_parsed(const metrics::ParsedDecimal& parsed) {
  switch (parsed.error) {
    case metrics::NumberError::none:
      return {.value = parsed.value};
    case metrics::NumberError::not_finite:
      return Number::skip(SkipReason::not_finite);
    case metrics::NumberError::over_limit:
      return Number::skip(SkipReason::over_limit);
    case metrics::NumberError::not_a_number:
      break;
  }
  return Number::skip(SkipReason::not_a_number);
}

// The value of `add`, `set` and `observe`, in the metric's unit.
Number value_of(const Action& action, Scope& scope) {
  Number number;
  if (action.value_ref) {
    const Token token = scope.token(*action.value_ref);
    switch (token.kind) {
      case TokenKind::missing:
      case TokenKind::null:
        return Number::skip(SkipReason::missing_field);
      case TokenKind::not_finite:
        return Number::skip(SkipReason::not_finite);
      case TokenKind::number:
        number = of_parsed(metrics::parse_decimal(token.text(), action.shift));
        break;
      case TokenKind::string: {
        const std::string_view text = scope.text(token);
        number = of_parsed(action.quantity ? parse_quantity(text, *action.quantity)
                                           : metrics::parse_decimal(text, action.shift));
        break;
      }
      default:
        return Number::skip(SkipReason::not_a_number);
    }
  } else {
    Value value = action.value->evaluate(scope);
    if (value.kind == Value::Kind::text && action.quantity) {
      number = of_parsed(parse_quantity(value.text, *action.quantity));
    } else {
      value = value_number(value, action.shift);
      if (!value.usable()) return Number::skip(value.reason);
      number.value = value.number;
    }
  }
  if (number.usable && action.multiplier != 1) {
    number = of_parsed(metrics::multiply(number.value, Decimal::of(action.multiplier)));
  }
  return number;
}

// Whether a field is plainly the text that it is to be; else passes() knows.
bool passes_at_once(const Condition& condition, Scope& scope) {
  if (condition.test.kind != Test::Kind::equal) return false;
  const Token token = scope.token(condition.field);
  const std::string& wanted = condition.test.text;
  if (token.kind != TokenKind::string || token.escaped || token.size != wanted.size()) return false;
  const char* a = token.data;
  const char* b = wanted.data();
  std::size_t left = wanted.size();
  const auto same_word = [&] {
    std::uint64_t x;
    std::uint64_t y;
    std::memcpy(&x, a, sizeof x);
    std::memcpy(&y, b, sizeof y);
    return x == y;
  };
  if (left < 8) return std::memcmp(a, b, left) == 0;
  for (; left > 8; a += 8, b += 8, left -= 8) {
    if (!same_word()) return false;
  }
  a -= 8 - left;  // the last eight
  b -= 8 - left;
  return same_word();
}

// The value that a plain action reads, in the metric's unit.
Number plain_value(const PlainAction& plain, const Action& action, Scope& scope) {
  Number number;
  if (const std::string_view* const text = scope.captured_text(*plain.value);
      text != nullptr && read_short_decimal(text->data(), text->size(), plain.shift, number.value))
      [[likely]]
    return number;
  number = value_of(action, scope);
  if (number.usable && number.value.negative() && plain.not_negative)
    return Number::skip(SkipReason::negative);
  return number;
}

}  // namespace

bool passes(const Test& test, const Ref& field, Scope& scope) {
  switch (test.kind) {
    case Test::Kind::any_of:
      return std::any_of(test.inner.begin(), test.inner.end(),
                         [&](const Test& t) { return passes(t, field, scope); });
    case Test::Kind::all_of:
      return std::all_of(test.inner.begin(), test.inner.end(),
                         [&](const Test& t) { return passes(t, field, scope); });
    case Test::Kind::negation:
      return !passes(test.inner[0], field, scope);
    default:
      break;
  }
  const Token token = scope.token(field);
  if (test.kind == Test::Kind::missing) return !token.present();
  if (!token.present()) return false;
  if (test.kind == Test::Kind::exists) return true;
  const std::string_view text = scope.text(token);
  if (test.kind == Test::Kind::equal) return text == test.text || text == test.as_written;
  if (test.kind == Test::Kind::prefix) return text.starts_with(test.text);
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *test.regex);
}

// Fits one of the rule's patterns to the message and takes its captures.
bool RuleSet::fit_patterns(const Rule& rule, Scope& scope, Delta& delta) const {
  const std::string_view message = scope.message();
  std::array<std::string_view, Pattern::kMaxCaptures> found;
  for (std::size_t fits = 0; fits < rule.patterns.size(); ++fits) {
    if (!rule.patterns[fits].match_roomy(message, found)) continue;
    if (const std::int16_t fields = rule.fields_capture[fits]; fields >= 0) {
      Delta::FieldsReader& reader = *delta.fields;
      reader.event.clear();
      if (!reader.text.parse(found[static_cast<std::size_t>(fields)], reader.event, reader.json,
                             scope.scratch()))
        continue;
      scope.overlay(&reader.event);
    }
    const std::span<std::string_view> captures = scope.captures(rule.captures);
    const std::vector<std::int16_t>& places = rule.pattern_captures[fits];
    for (std::size_t i = 0; i < places.size(); ++i) {
      // An empty capture is a capture: it hides the line's field. Its data is never null.
      if (places[i] >= 0) captures[static_cast<std::size_t>(places[i])] = found[i];
    }
    return true;
  }
  return false;
}

bool RuleSet::matches(const Rule& rule, Scope& scope, Delta& delta, TraceSink* trace) const {
  scope.enter(rule.lets);
  for (std::size_t i = 0; i < rule.conditions.size(); ++i) {
    const Condition& condition = rule.conditions[i];
    if (trace == nullptr && rule.decided == i) continue;
    if (passes_at_once(condition, scope) || passes(condition.test, condition.field, scope))
      continue;
    if (trace != nullptr)
      trace->rule_failed(rule, condition.name, scope.text(scope.token(condition.field)));
    return false;
  }
  if (!rule.patterns.empty() || rule.regex) {
    if (!scope.has_message()) {
      if (trace != nullptr) trace->rule_failed(rule, "message", {});
      return false;
    }
  }
  if (!rule.patterns.empty()) {
    const bool fits =
        rule.captures_as_found
            ? rule.patterns.front().match_roomy(scope.message(), scope.all_captures(rule.captures))
            : fit_patterns(rule, scope, delta);
    if (!fits) {
      if (trace != nullptr) trace->rule_failed(rule, "pattern", scope.message());
      return false;
    }
  }
  if (rule.regex) {
    const std::string_view message = scope.message();
    std::array<re2::StringPiece, kMaxGroups + 1> groups;
    const int count = static_cast<int>(rule.regex_captures.size()) + 1;
    if (!rule.regex->Match(re2::StringPiece(message.data(), message.size()), 0, message.size(),
                           re2::RE2::UNANCHORED, groups.data(), count)) {
      if (trace != nullptr) trace->rule_failed(rule, "regex", message);
      return false;
    }
    const std::span<std::string_view> captures = scope.captures(rule.captures);
    for (std::size_t i = 0; i < rule.regex_captures.size(); ++i) {
      const re2::StringPiece& group = groups[i + 1];
      if (rule.regex_captures[i] >= 0)
        captures[static_cast<std::size_t>(rule.regex_captures[i])] = {group.data(), group.size()};
    }
  }
  if (rule.only_if && !rule.only_if->holds(scope)) {
    if (trace != nullptr) trace->rule_failed(rule, "if", {});
    return false;
  }
  return true;
}

// What is due at the record's time has gone when event time came there; only memory that tables
// want to give back waits, for a later time or the next chunk.
inline void RuleSet::pass_time(const Event& event, Scope& scope, Delta& delta) const {
  if (!keeps_time_) return;
  scope.use_tables(&delta.tables, delta.clock.now_ns());
  delta.time_moved = delta.clock.knows(event.time_ns, event.origin.arrival_ns);
  if (!delta.time_moved && delta.waits_for_time()) move_time(scope, delta);
}

bool RuleSet::count(const Event& event, Delta& delta, TraceSink* trace) const {
  Scope& scope = delta.scope;
  scope.begin(event);
  if (trace != nullptr) return count_aloud(event, delta, *trace);
  pass_time(event, scope, delta);
  bool matched = false;
  for (const RuleIndex index : dispatch_.candidates(scope, known_, delta.candidates)) {
    const Rule& rule = rules_[index];
    if (!matches(rule, scope, delta, nullptr)) continue;
    matched = true;
    if (!rule.plain.empty() && delta.timers.empty()) {
      act_plainly(rule, index, scope, delta);
    } else {
      act(rule, index, scope, delta, nullptr);
    }
  }
  return matched;
}

bool RuleSet::count_aloud(const Event& event, Delta& delta, TraceSink& trace) const {
  Scope& scope = delta.scope;
  delta.trace = &trace;
  trace.record_begins(event, scope);
  pass_time(event, scope, delta);
  bool matched = false;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    if (!matches(rule, scope, delta, &trace)) continue;
    matched = true;
    trace.rule_matched(rule);
    act(rule, static_cast<RuleIndex>(i), scope, delta, &trace);
    trace.rule_done(rule);
  }
  trace.record_done(event, matched);
  delta.trace = nullptr;
  return matched;
}

std::optional<std::vector<RuleIndex>> RuleSet::header_rules(const Event& event) const {
  if (!dispatch_.header_decides()) return std::nullopt;
  Scope scope(plan_, known_);
  scope.begin(event);
  return dispatch_.of_header(scope, known_);
}

void RuleSet::act_plainly(const Rule& rule, RuleIndex index, Scope& scope, Delta& delta) const {
  metrics::RuleTotals& totals = delta.rules[index];
  ++totals.matched;
  LabelMemo::Cell* cell = nullptr;  // of the first action
  for (std::size_t i = 0; i < rule.plain.size(); ++i) {
    const PlainAction& plain = rule.plain[i];
    const auto skip = [&](SkipReason reason) {
      ++totals.skipped[i][static_cast<std::size_t>(reason)];
    };
    Number number{.value = plain.fixed};
    if (plain.value) {
      number = plain_value(plain, rule.actions[i], scope);
      if (!number.usable) [[unlikely]] {
        skip(number.reason);
        continue;
      }
    }
    // Only now that there is something to count may a series be born.
    if (cell == nullptr) cell = cells(rule, index, scope, delta);
    LabelMemo::Cell& found = cell[i];
    if (found.state != LabelMemo::Cell::State::found &&
        !prepare(rule.actions[i], scope, delta, found)) {
      skip(found.reason);
      continue;
    }
    const bool done = plain.observes ? delta.series.observe(*found.series, number.value)
                                     : delta.series.add(*found.series, number.value);
    if (!done) [[unlikely]]
      skip(SkipReason::over_limit);
  }
}

void RuleSet::act(const Rule& rule, RuleIndex index, Scope& scope, Delta& delta,
                  TraceSink* trace) const {
  metrics::RuleTotals& totals = delta.rules[index];
  ++totals.matched;
  LabelMemo::Cell* cell = nullptr;  // of the first action
  LabelMemo::Cell loose;
  const Action* const actions = rule.actions.data();
  const std::size_t count = rule.actions.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Action& action = actions[i];
    const auto skip = [&](SkipReason reason) {
      ++totals.skipped[i][static_cast<std::size_t>(reason)];
      if (trace != nullptr) trace->action_skipped(rule, action, reason);
    };
    if (action.only_if) {
      const Value condition = action.only_if->evaluate(scope);
      if (condition.kind == Value::Kind::refused) {
        skip(condition.reason);
        continue;
      }
      if (!value_true(condition)) {
        if (trace != nullptr) trace->action_untrue(rule, action);
        continue;
      }
    }
    if (action.kind >= Action::Kind::remove) {
      const auto failed = action.kind == Action::Kind::remove
                              ? remove_series(rule, action, scope, delta)
                              : track(rule, action, scope, delta);
      if (failed) skip(*failed);
      continue;
    }
    Number number{.value = Decimal::of(1)};
    if (action.kind == Action::Kind::dec) number.value = Decimal::of(-1);
    if (action.value) {
      number = value_of(action, scope);
      if (number.usable && number.value.negative() &&
          (action.kind == Action::Kind::set_count ||
           (action.kind == Action::Kind::add &&
            families_[action.family].type == metrics::MetricType::counter))) {
        number = Number::skip(SkipReason::negative);
      }
      if (!number.usable) {
        skip(number.reason);
        continue;
      }
    }
    // Only now that there is something to count may a series be born.
    LabelMemo::Cell* found = &loose;
    if (action.loose) {
      loose = {};
    } else {
      if (cell == nullptr) cell = cells(rule, index, scope, delta);
      found = &cell[i];
    }
    if (found->state != LabelMemo::Cell::State::found && !prepare(action, scope, delta, *found)) {
      skip(found->reason);
      continue;
    }
    metrics::Series& series = *found->series;
    if (trace != nullptr) trace->series_found(rule, action, series);
    if (action.kind != Action::Kind::set && !delta.timers.empty()) call_off(series, delta);
    const Decimal before = series.value;
    bool done = true;
    switch (action.kind) {
      case Action::Kind::inc:
      case Action::Kind::dec:
      case Action::Kind::add:
        done = delta.series.add(series, number.value);
        break;
      case Action::Kind::observe:
        done = delta.series.observe(series, number.value);
        break;
      case Action::Kind::set_count:
        done = delta.series.set_count(series, number.value);
        break;
      case Action::Kind::set:
        if (const auto failed = set_gauge(rule, action, series, number.value, scope, delta)) {
          skip(*failed);
          continue;
        }
        break;
      case Action::Kind::remove:
      case Action::Kind::remember:
      case Action::Kind::take:
      case Action::Kind::store:
        break;
    }
    if (action.expires) {
      move_time(scope, delta);  // what is due by now leaves first
      begin_ageing(series, delta.clock.now_ns(), delta);
    }
    if (!done) {
      skip(SkipReason::over_limit);
      continue;
    }
    if (!action.exemplar.empty()) {
      // A histogram's value is its sum: what it grew by is what was observed.
      exemplify(action, series, series.value - before, scope, delta);
    }
    if (trace != nullptr) trace->action_done(rule, action, series, number.value);
  }
}

// The series of the rule's actions for this record's labels. The key is all that the labels depend
// on, as raw tokens: whatever expressions, maps and rewrites the labels go through is paid once per
// combination.
LabelMemo::Cell* RuleSet::cells(const Rule& rule, RuleIndex index, Scope& scope,
                                Delta& delta) const {
  const auto loose = [&] {
    delta.loose_cells.assign(rule.actions.size(), {});
    return delta.loose_cells.data();
  };
  if (rule.label_inputs.size() > LabelMemo::kMaxParts) return loose();
  LabelMemo& memo = delta.memos[index];
  LabelMemo::Key key = memo.begin();
  for (const Ref& ref : rule.label_inputs) {
    if (const std::string_view* const captured = scope.captured_text(ref);
        captured != nullptr && captured->size() <= LabelMemo::kMaxPartBytes) [[likely]] {
      LabelMemo::add(key, *captured, static_cast<std::uint32_t>(TokenKind::string) << 1, true);
      continue;
    }
    const Token token = scope.token(ref);
    if (token.size > LabelMemo::kMaxPartBytes) return loose();
    // Why there is no value is not in the key.
    if (ref.source == Ref::Source::let && !token.present()) return loose();
    LabelMemo::add(
        key, token.text(),
        static_cast<std::uint32_t>(token.kind) << 1 | static_cast<std::uint32_t>(token.escaped),
        // It stands in the record, or in the copy of a part of it.
        ref.source == Ref::Source::field || ref.source == Ref::Source::capture);
  }
  return memo.find(key);
}

std::string_view allowed_value(const LabelPolicy& policy, std::string_view value, Delta& delta,
                               bool& over_max) {
  if (!policy.values.empty() &&
      std::find(policy.values.begin(), policy.values.end(), value) == policy.values.end())
    return policy.overflow;
  if (policy.max == 0 || value == policy.overflow) return value;
  CappedValues& capped = delta.capped[policy.number];
  if (capped.admit(value, policy.max)) return value;
  ++capped.overflowed;
  over_max = true;
  return policy.overflow;
}

Value label_source_value(const LabelSource& source, Scope& scope) {
  if (!source.expression) return Value::of(std::string_view(source.constant));
  Value made = Value::absent();
  if (source.ref) {
    const Token token = scope.token(*source.ref);
    if (token.present()) made = Value::of(scope.text(token));
  } else {
    made = source.expression->evaluate(scope);
  }
  if (made.kind == Value::Kind::missing && source.otherwise)
    made = Value::of(std::string_view(*source.otherwise));
  return made.usable() ? Value::of(value_text(made, scope)) : made;
}

Value label_value(const LabelSource& source, Scope& scope, Delta& delta, bool& over_max) {
  const Value made = label_source_value(source, scope);
  if (!made.usable()) return made;
  const std::string_view value = made.text;
  const LabelPolicy* const policy = source.policy;
  if (policy == nullptr || (source.otherwise && value == *source.otherwise))
    return Value::of(value);
  return Value::of(allowed_value(*policy, value, delta, over_max));
}

bool RuleSet::prepare(const Action& action, Scope& scope, Delta& delta,
                      LabelMemo::Cell& cell) const {
  using State = LabelMemo::Cell::State;
  if (cell.state == State::unresolved) {
    resolve(action, scope, delta, cell);
  } else if (cell.state == State::noted) {
    delta.series.count_again(action.family, cell.look_up);
    for (std::size_t i = 0; i < action.labels.size(); ++i) {
      if ((cell.over_max >> i & 1) != 0) ++delta.capped[action.labels[i].policy->number].overflowed;
    }
  }
  return cell.state != State::refused;
}

void RuleSet::resolve(const Action& action, Scope& scope, Delta& delta,
                      LabelMemo::Cell& cell) const {
  using State = LabelMemo::Cell::State;
  static_assert(kMaxLabels <= 16, "a bit for each in Cell::over_max");
  std::array<std::string_view, kMaxLabels> values;
  for (std::size_t i = 0; i < action.labels.size(); ++i) {
    bool over_max = false;
    const Value value = label_value(action.labels[i], scope, delta, over_max);
    if (!value.usable()) {
      cell.state = State::refused;
      cell.reason = value.reason;
      return;
    }
    values[i] = value.text;
    if (over_max) cell.over_max = static_cast<std::uint16_t>(cell.over_max | 1U << i);
  }
  cell.series = &delta.series.series(action.family, std::span(values).first(action.labels.size()),
                                     &cell.look_up);
  const bool noted = cell.over_max != 0 || cell.look_up.cut != 0 || cell.look_up.overflowed;
  cell.state = noted ? State::noted : State::found;
}

InitialSeries closed_sets(const std::vector<LabelPolicy>& labels) {
  constexpr std::size_t kMostZeros = 1000;
  InitialSeries initial{.wanted = !labels.empty(), .values = {}};
  std::size_t combinations = 1;
  for (const LabelPolicy& label : labels) {
    combinations = std::min(combinations * label.values.size(), kMostZeros + 1);
    initial.values.push_back(label.values);
  }
  initial.wanted = initial.wanted && combinations != 0 && combinations <= kMostZeros;
  return initial;
}

void RuleSet::create_initial_series(Delta& delta) const {
  for (metrics::FamilyId family = 0; family < families_.size(); ++family) {
    const InitialSeries& initial = initial_series_[family];
    if (!initial.wanted) continue;
    std::size_t combinations = 1;
    for (const auto& values : initial.values) combinations *= values.size();
    for (std::size_t n = 0; n < combinations; ++n) {
      std::vector<std::string_view> values;
      std::size_t rest = n;
      for (std::size_t label = 0; label < initial.values.size(); ++label) {
        const std::vector<std::string>& all = initial.values[label];
        // A value that is there from the start has its place among those of a `max`.
        bool over_max = false;
        values.push_back(
            allowed_value(label_policies_[family][label], all[rest % all.size()], delta, over_max));
        rest /= all.size();
      }
      const std::size_t before = delta.series.size(family);
      metrics::Series& series = delta.series.series(family, values);
      if (delta.series.size(family) == before) continue;  // after a reload: it has its value
      delta.series.add(series, Decimal());                // raises it to `min`, if there is one
    }
  }
}

}  // namespace logtally::rules
