// LimitNotices: what the operator is told when series begin to be counted under `other`: once for
// each metric and label, however long the program runs and however often rules are reloaded. The
// counters of the program go on telling how often.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "rules/rule_set.h"
#include "sinks/metrics/totals.h"

namespace logtally::pipeline {

class LimitNotices {
 public:
  explicit LimitNotices(metrics::SeriesLimits limits) : limits_(limits) {}

  // One line for each limit that was met for the first time. `totals` are those of `rules`.
  std::vector<std::string> first_times(const rules::RuleSet& rules, const metrics::Totals& totals);

 private:
  metrics::SeriesLimits limits_;
  std::set<std::string> told_;
};

}  // namespace logtally::pipeline
