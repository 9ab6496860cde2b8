// The part of RuleSet that remembers: tables, gauges that fall back, series that are removed,
// invocations.
#include <algorithm>
#include <limits>

#include "rules/durations.h"
#include "rules/rule_set.h"

namespace logtally::rules {

void RuleSet::begin_ageing(metrics::Series& series, std::int64_t at_ns, Delta& delta) const {
  const std::int64_t ttl_ns = families_[series.family].ttl_ns;
  if (ttl_ns == 0 || !series.live) return;
  delta.series.touch(series);  // though its value be as it was: its age is to be committed
  delta.expiry.touch(series, ttl_ns, at_ns);
}

void RuleSet::resume_expiry(Delta& delta) const {
  delta.expiry.clear();
  for (metrics::FamilyId family = 0; family < families_.size(); ++family) {
    const std::int64_t ttl_ns = families_[family].ttl_ns;
    delta.series.for_each(family, [&](metrics::Series& series) {
      if (ttl_ns == 0) {
        series.ages = false;
        if (!series.live) delta.series.touch(series);
      } else if (series.live && series.ages) {
        delta.expiry.resume(series, ttl_ns);
      }
    });
  }
}

void RuleSet::count_row(std::size_t table, const Row& row, Decimal change, std::int64_t at_ns,
                        Delta& delta) const {
  const TableRules& rules = table_rules_[table];
  if (!rules.open) return;
  std::vector<std::string_view> values;
  for (std::size_t label = 0; label < rules.open_columns.size(); ++label) {
    std::optional<std::string_view> value;
    if (rules.open_columns[label] >= 0)
      value = row.column(static_cast<std::size_t>(rules.open_columns[label]));
    if (!value && rules.open_defaults[label]) value = *rules.open_defaults[label];
    if (!value) return;
    bool over_max = false;
    if (value != rules.open_defaults[label])
      value = allowed_value(label_policies_[*rules.open][label], *value, delta, over_max);
    values.push_back(*value);
  }
  metrics::Series& series = delta.series.series(*rules.open, values);
  delta.series.add(series, change);
  if (delta.trace != nullptr) delta.trace->rows_counted(series, change);
  begin_ageing(series, at_ns, delta);
}

void RuleSet::row_gone(std::size_t table, const Row& row, Table::Gone why, Delta& delta) const {
  if (delta.trace != nullptr) delta.trace->row_gone(tables_[table], row, why);
  // When it was over, not when that was noticed: a row that timed out long ago ages nothing now.
  const bool expired = why == Table::Gone::expired && row.last_use_ns != kNoEventTime;
  count_row(table, row, Decimal::of(-1),
            expired ? add_clamped(row.last_use_ns, tables_[table].ttl_ns) : delta.clock.now_ns(),
            delta);
}

void RuleSet::advance(Delta& delta, std::int64_t now_ns) const {
  for (std::size_t i = 0; i < delta.tables.size(); ++i) {
    // Rows come and go long before any is due, and without any time: what they leave behind is
    // packed all the same.
    if (delta.tables[i].next_due_ns() > now_ns && !delta.tables[i].wants_packing()) continue;
    delta.tables[i].advance(now_ns,
                            [&](const Row& row, Table::Gone why) { row_gone(i, row, why, delta); });
  }
  if (now_ns == kNoEventTime) return;
  delta.timers.advance(now_ns, [&](const Timer& timer) {
    if (!timer.value) {
      delta.series.remove(*timer.series);
      if (delta.trace != nullptr) delta.trace->timer_fired(*timer.series, timer.value);
      return;
    }
    // It wins over the value that armed it, and loses against whatever was set since.
    metrics::Origin origin = timer.series->origin;
    origin.time_ns = std::max(origin.time_ns, timer.due_ns);
    delta.series.set(*timer.series, *timer.value, origin);
    if (delta.trace != nullptr) delta.trace->timer_fired(*timer.series, timer.value);
    begin_ageing(*timer.series, timer.due_ns, delta);
  });
  delta.expiry.advance(
      now_ns,
      [&](metrics::Series& series) {
        delta.series.expire(series);
        if (delta.trace != nullptr) delta.trace->series_expired(series);
      },
      [&](metrics::Series& series) { delta.series.touch(series); });
}

void RuleSet::move_time(Scope& scope, Delta& delta) const {
  if (delta.time_moved) return;
  delta.time_moved = true;
  const std::int64_t now =
      delta.clock.observe(scope.own_time_ns(), scope.event().origin.arrival_ns);
  advance(delta, now);
  scope.use_tables(&delta.tables, now);
}

bool RuleSet::tick(Delta& delta, std::int64_t wall_ns) const {
  if (!keeps_time_ && !delta.waits_for_time()) return false;
  std::int64_t due = std::min(delta.timers.next_due_ns(), delta.expiry.next_due_ns());
  for (const Table& table : delta.tables) due = std::min(due, table.next_due_ns());
  const auto tick = delta.clock.tick(wall_ns, due);
  if (!tick) return false;
  advance(delta, tick->event_ns);
  return true;
}

void RuleSet::call_off(metrics::Series& series, Delta& delta) {
  if (delta.timers.cancel(&series) && delta.trace != nullptr) delta.trace->timer_cancelled(series);
}

std::optional<SkipReason> RuleSet::track(const Rule& rule, const Action& action, Scope& scope,
                                         Delta& delta) const {
  if (action.kind == Action::Kind::store) {
    Invocation invocation;
    invocation.generation = scope.event().origin.generation;
    invocation.offset = scope.event().origin.offset;
    invocation.time_ns = scope.time_ns();
    if (!delta.invocations.empty() &&
        delta.invocations.back().generation == invocation.generation &&
        delta.invocations.back().offset == invocation.offset) {
      invocation.ordinal = delta.invocations.back().ordinal + 1;
    }
    for (std::size_t i = 0; i < action.columns.size(); ++i) {
      const Token token = scope.token(action.columns[i]);
      if (token.present()) invocation.columns[i] = std::string(scope.text(token));
    }
    if (!invocation.columns[0])
      return SkipReason::missing_field;  // without a skill there is nothing to tell of
    if (delta.trace != nullptr) delta.trace->stored(rule, action, invocation);
    delta.invocations.push_back(std::move(invocation));
    return std::nullopt;
  }

  move_time(scope, delta);
  std::string_view key;
  delta.table_key.clear();
  for (const Expression& part : action.key) {
    const Value value = part.evaluate(scope);
    if (!value.usable()) return value.reason;
    key = value_text(value, scope);
    if (action.key.size() > 1) append_key_part(delta.table_key, key);
  }
  if (action.key.size() > 1) key = delta.table_key;
  Table& table = delta.tables[action.table];
  const auto gone = [&](const Row& row, Table::Gone why) {
    row_gone(action.table, row, why, delta);
  };

  if (action.kind == Action::Kind::remember) {
    std::vector<std::optional<std::string_view>> columns;
    columns.reserve(action.columns.size());
    for (const Ref& ref : action.columns) {
      const Token token = scope.token(ref);
      columns.push_back(token.present() ? std::optional(scope.text(token)) : std::nullopt);
    }
    const Row born = table.remember(key, columns, scope.own_time_ns(), scope.now_ns(), gone);
    if (delta.trace != nullptr) delta.trace->row_remembered(rule, action, born);
    count_row(action.table, born, Decimal::of(1), delta.clock.now_ns(), delta);
    return std::nullopt;
  }

  const auto row = table.take(key, scope.now_ns(), gone);
  if (!row) {
    if (delta.trace != nullptr) delta.trace->row_missed(rule, action, key);
    return SkipReason::unknown_key;
  }
  count_row(action.table, *row, Decimal::of(-1), delta.clock.now_ns(), delta);
  auto index = action.first_row;
  for (std::size_t column = 0; column < row->columns(); ++column, ++index) {
    const auto text = row->column(column);
    // A copy: the table may reuse the row's place while the rule goes on.
    scope.set_row(index, text ? Value::of(scope.scratch().keep(*text)) : Value::absent());
  }
  const auto now = scope.own_time_ns();
  std::optional<Decimal> elapsed;
  if (now && row->time_ns)
    elapsed = Decimal::from_units(static_cast<metrics::int128>(*now - *row->time_ns) * 1'000'000);
  scope.set_row(index, elapsed ? Value::of(*elapsed) : Value::absent());
  if (delta.trace != nullptr) delta.trace->row_taken(rule, action, *row, elapsed);
  return std::nullopt;
}

std::optional<SkipReason> RuleSet::remove_series(const Rule& rule, const Action& action,
                                                 Scope& scope, Delta& delta) const {
  std::vector<std::pair<std::size_t, std::string>> wanted;
  for (std::size_t label = 0; label < action.removed.size(); ++label) {
    if (!action.removed[label]) continue;
    // What is looked for need not be there: it takes no place of the label's `max`, and what the
    // label never had is not `other`.
    const Value value = label_source_value(*action.removed[label], scope);
    if (!value.usable()) return value.reason;
    bool cut = false;
    wanted.emplace_back(label, metrics::fit_label_value(value.text, cut));
  }
  std::size_t removed = 0;
  delta.series.for_each(action.family, [&](metrics::Series& series) {
    for (const auto& [label, value] : wanted) {
      if (series.labels[label] != value) return;
    }
    call_off(series, delta);
    delta.series.remove(series);
    ++removed;
    if (delta.trace != nullptr) delta.trace->series_removed(rule, action, series);
  });
  if (delta.trace != nullptr) delta.trace->series_deleted(rule, action, removed);
  return std::nullopt;
}

std::optional<SkipReason> RuleSet::set_gauge(const Rule& rule, const Action& action,
                                             metrics::Series& series, Decimal value, Scope& scope,
                                             Delta& delta) const {
  const metrics::Origin origin{.time_ns = scope.time_ns(),
                               .generation = scope.event().origin.generation,
                               .offset = scope.event().origin.offset};
  if (!action.hold) {
    if (delta.series.set(series, value, origin) && delta.timers.size() != 0)
      call_off(series, delta);
    return std::nullopt;
  }
  const Value hold = action.hold->evaluate(scope);
  if (!hold.usable()) return hold.reason;
  move_time(scope, delta);  // what is due by now falls back first
  const std::optional<std::int64_t> for_ns = hold.kind == Value::Kind::number
                                                 ? duration_ns(hold.number)
                                                 : parse_duration_ns(value_text(hold, scope));
  if (!for_ns) return SkipReason::not_a_number;
  std::optional<Decimal> then;
  if (action.then) {
    const Value made = value_number(action.then->evaluate(scope));
    if (!made.usable()) return made.reason;
    then = made.number;
  }
  const std::optional<Decimal> before =
      series.has_value() ? std::optional(series.value) : std::nullopt;
  if (delta.series.set(series, value, origin)) {
    // Not the line's time: it may be far ahead.
    const auto falls_back = delta.timers.arm(&series, scope.now_ns(), *for_ns, then, before);
    if (delta.trace != nullptr) delta.trace->timer_armed(rule, action, series, *for_ns, falls_back);
  }
  return std::nullopt;
}

}  // namespace logtally::rules
