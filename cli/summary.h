// The summary at the end of a run: one line for people on a terminal, logfmt everywhere else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/rule_set.h"
#include "sinks/metrics/totals.h"

namespace logtally::cli {

struct Summary {
  std::uint64_t read = 0;  // physical lines: parsed + joined + bare + failed
  std::uint64_t parsed = 0;
  std::uint64_t joined = 0;
  std::uint64_t bare = 0;
  std::uint64_t failed = 0;
  std::uint64_t matched = 0;  // records
  std::uint64_t unmatched = 0;
  std::uint64_t lost = 0;  // bytes: never read, and in no file any more; nobody knows their lines
  std::uint64_t series = 0;
};

Summary summarise(const metrics::Totals& totals);

// "msg=summary read=12 parsed=10 ...", without a newline.
std::string logfmt(const Summary& summary);
// "read 21,940  matched 21,102 ...", without a newline.
std::string for_people(const Summary& summary);

// Actions that were skipped, a line for each rule that had some: logfmt, or for people. Without
// newlines; the rules with the most skips first, at most ten.
std::vector<std::string> skips_of(const metrics::Totals& totals, const rules::RuleSet& rules,
                                  bool people);

// 1234567 -> "1,234,567"
std::string grouped(std::uint64_t number);

}  // namespace logtally::cli
