// TraceSink: hears what RuleSet::count does with a record, and why. `explain` is one; counting
// without a sink costs nothing. What is told is told in the order in which it happens; a sink only
// listens: it evaluates nothing that may change a table, and the counts are those of a run without
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rules/table.h"
#include "rules/timers.h"
#include "rules/value.h"
#include "sinks/metrics/delta.h"

namespace logtally::rules {

class Event;
class Scope;
struct Rule;
struct Action;
struct Condition;
struct Invocation;

class TraceSink {
 public:
  virtual ~TraceSink() = default;

  virtual void rule_matched(const Rule& rule) = 0;
  // The first condition that failed: one of `match` (`what` is its Condition::name, the very
  // string), or "message", "pattern", "regex", "if".
  virtual void rule_failed(const Rule& rule, std::string_view what, std::string_view seen) = 0;
  virtual void action_done(const Rule& rule, const Action& action, const metrics::Series& series,
                           Decimal value) = 0;
  virtual void action_skipped(const Rule& rule, const Action& action, SkipReason reason) = 0;

  // The rest is for who wants to know more than that; nobody has to listen.

  // Before all others of a record, and behind them. The scope is that of the rule that is looked
  // at, until record_done().
  virtual void record_begins(const Event&, Scope&) {}
  virtual void record_done(const Event&, bool /*matched*/) {}
  // A line that is no record, counted by reason: "json", "nul" or "too_long". No record begins.
  virtual void line_refused(std::string_view /*reason*/, std::string_view /*line*/) {}
  // `times` texts were made unreadable by the redaction `name`.
  virtual void redacted(std::string_view /*name*/, std::size_t /*times*/) {}
  // Behind the actions of a rule that matched.
  virtual void rule_done(const Rule&) {}
  // Its `if` is not true: not a skip.
  virtual void action_untrue(const Rule&, const Action&) {}
  // The series as it was before action_done().
  virtual void series_found(const Rule&, const Action&, const metrics::Series&) {}

  virtual void row_remembered(const Rule&, const Action&, const Row&) {}
  virtual void row_taken(const Rule&, const Action&, const Row&,
                         std::optional<Decimal> /*elapsed*/) {}
  virtual void row_missed(const Rule&, const Action&, std::string_view /*key*/) {}
  // A row left without being asked for; not of this record, but because of its time or its row.
  virtual void row_gone(const TableSpec&, const Row&, Table::Gone) {}
  // The gauge that counts a table's rows has changed.
  virtual void rows_counted(const metrics::Series&, Decimal /*change*/) {}

  // The action has set a gauge for a time; told before its action_done().
  virtual void timer_armed(const Rule&, const Action&, const metrics::Series&,
                           std::int64_t /*for_ns*/, std::optional<Decimal> /*falls_back_to*/) {}
  virtual void timer_cancelled(const metrics::Series&) {}
  // A gauge has fallen back; without a value it is off the page.
  virtual void timer_fired(const metrics::Series&, std::optional<Decimal>) {}

  // A series of a metric with a `ttl` has left the page; its value is kept.
  virtual void series_expired(const metrics::Series&) {}

  virtual void series_removed(const Rule&, const Action&, const metrics::Series&) {}
  virtual void series_deleted(const Rule&, const Action&, std::size_t /*how_many*/) {}
  virtual void stored(const Rule&, const Action&, const Invocation&) {}
};

}  // namespace logtally::rules
