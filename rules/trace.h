// TraceSink: hears what RuleSet::count does with a record, and why. `explain` is one; counting
// without a sink costs nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "rules/value.h"
#include "sinks/metrics/delta.h"

namespace logtally::rules {

struct Rule;
struct Action;
struct Condition;

class TraceSink {
 public:
  virtual ~TraceSink() = default;

  virtual void rule_matched(const Rule& rule) = 0;
  // The first condition that failed: one of `match`, or "pattern", "regex", "if".
  virtual void rule_failed(const Rule& rule, std::string_view what, std::string_view seen) = 0;
  virtual void action_done(const Rule& rule, const Action& action, const metrics::Series& series,
                           Decimal value) = 0;
  virtual void action_skipped(const Rule& rule, const Action& action, SkipReason reason) = 0;
};

}  // namespace logtally::rules
