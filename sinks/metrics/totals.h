// Totals: what the worker and the rules have counted about their own work since the start. Plain
// numbers that only grow (but for MetricTotals::series and TableTotals::rows), kept by the worker
// and handed to OwnMetrics at each publish.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace logtally::metrics {

// Why one action of a rule was left out for a record.
enum class SkipReason : std::uint8_t {
  missing_field,
  not_a_number,
  not_finite,
  negative,
  unknown_key,
  over_limit
};
inline constexpr std::size_t kSkipReasons = 6;

struct TargetTotals {
  std::uint64_t lines_read = 0;  // = parsed + joined + bare + the three failed_
  std::uint64_t bytes_read = 0;
  std::uint64_t parsed = 0;
  std::uint64_t joined = 0;
  std::uint64_t bare = 0;
  std::uint64_t failed_json = 0;
  std::uint64_t failed_too_long = 0;
  std::uint64_t failed_nul = 0;
  std::uint64_t matched = 0;  // records
  std::uint64_t unmatched = 0;
  std::uint64_t renamed = 0;  // rotations
  std::uint64_t truncated = 0;
  std::uint64_t deleted = 0;
  std::uint64_t copied = 0;     // of the truncated: the rest was read from a copy
  std::uint64_t missed = 0;     // rotated before anybody saw them, found and read
  std::uint64_t gone = 0;       // that were not read to their end, or may not have been read at all
  std::uint64_t shortened = 0;  // bytes of counted lines that a power cut took away
  std::uint64_t lost_truncated_bytes = 0;  // never read, and in no file any more
  std::uint64_t lost_deleted_bytes = 0;
  std::uint64_t nul_bytes = 0;           // skipped in front of lines
  std::uint64_t unterminated_lines = 0;  // at the end of rotated files
};

using SkipTotals = std::array<std::uint64_t, kSkipReasons>;  // by SkipReason

struct RuleTotals {
  std::uint64_t matched = 0;
  std::vector<SkipTotals> skipped{};  // one for each action
};

struct MetricTotals {
  std::uint64_t series = 0;
  std::uint64_t labels_cut = 0;
  std::uint64_t overflowed = 0;
};

struct TableTotals {
  std::uint64_t rows = 0;     // now
  std::uint64_t expired = 0;  // by time, or as the one used longest ago of a full table
  std::uint64_t missed = 0;   // `take` that found none
};

// A label with a `max`: how often a value beyond it became the overflow value.
using OverflowTotal = std::uint64_t;

struct Totals {
  std::vector<TargetTotals> targets{};
  std::vector<RuleTotals> rules{};
  std::vector<MetricTotals> metrics{};
  std::vector<OverflowTotal> overflows{};   // by capped label
  std::vector<std::uint64_t> redactions{};  // places replaced, by redaction
  std::vector<TableTotals> tables{};
  std::uint64_t spool_bytes = 0;  // now
  std::uint64_t spool_dropped_bytes = 0;
  std::uint64_t quarantined_lines = 0;  // in no other count of lines
};

}  // namespace logtally::metrics
