#include "cli/summary.h"

#include <fmt/core.h>

namespace logtally::cli {

Summary summarise(const metrics::Totals& totals) {
  Summary summary;
  for (const metrics::TargetTotals& target : totals.targets) {
    summary.read += target.lines_read;
    summary.parsed += target.parsed;
    summary.joined += target.joined;
    summary.bare += target.bare;
    summary.failed += target.failed_json + target.failed_too_long + target.failed_nul;
    summary.matched += target.matched;
    summary.unmatched += target.unmatched;
    summary.lost += target.lost_truncated_bytes + target.lost_deleted_bytes;
  }
  summary.lost += totals.spool_dropped_bytes;
  for (const metrics::MetricTotals& metric : totals.metrics) summary.series += metric.series;
  return summary;
}

std::string logfmt(const Summary& s) {
  return fmt::format(
      "msg=summary read={} parsed={} joined={} bare={} failed={} matched={} unmatched={} lost={}",
      s.read, s.parsed, s.joined, s.bare, s.failed, s.matched, s.unmatched, s.lost);
}

std::string for_people(const Summary& s) {
  return fmt::format(
      "read {}  parsed {}  joined {}  bare {}  failed {}  matched {}  unmatched {}  lost {}{} │ {} "
      "series",
      grouped(s.read), grouped(s.parsed), grouped(s.joined), grouped(s.bare), grouped(s.failed),
      grouped(s.matched), grouped(s.unmatched), grouped(s.lost), s.lost == 0 ? "" : " bytes",
      grouped(s.series));
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace logtally::cli
