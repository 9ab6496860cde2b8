#include "cli/summary.h"

#include <catch2/catch.hpp>

namespace logtally::cli {
namespace {

metrics::Totals totals_of_two_targets() {
  metrics::Totals totals;
  totals.targets.resize(2);
  metrics::TargetTotals& one = totals.targets[0];
  one.lines_read = 1'234'567;
  one.parsed = 1'234'560;
  one.joined = 2;
  one.bare = 1;
  one.failed_json = 1;
  one.failed_too_long = 2;
  one.failed_nul = 1;
  one.matched = 1'000'000;
  one.unmatched = 234'561;
  totals.targets[1].lines_read = 3;
  totals.targets[1].parsed = 3;
  totals.targets[1].matched = 3;
  totals.metrics = {{.series = 40}, {.series = 2}};
  return totals;
}

}  // namespace

TEST_CASE("summary: of all targets, and read is parsed, joined, bare and failed together") {
  const Summary summary = summarise(totals_of_two_targets());
  CHECK(summary.read == summary.parsed + summary.joined + summary.bare + summary.failed);
  CHECK(logfmt(summary) ==
        "msg=summary read=1234570 parsed=1234563 joined=2 bare=1 failed=4 matched=1000003 "
        "unmatched=234561 lost=0");
  CHECK(for_people(summary) ==
        "read 1,234,570  parsed 1,234,563  joined 2  bare 1  failed 4  matched 1,000,003  "
        "unmatched 234,561  lost 0 │ 42 series");
}

TEST_CASE("summary: bytes that were cut off, deleted or dropped are lost") {
  metrics::Totals totals = totals_of_two_targets();
  totals.targets[0].lost_truncated_bytes = 1'000;
  totals.targets[1].lost_deleted_bytes = 20;
  totals.spool_dropped_bytes = 3;
  const Summary summary = summarise(totals);
  CHECK(summary.lost == 1'023);
  CHECK(logfmt(summary).ends_with(" lost=1023"));
  CHECK(for_people(summary).ends_with("  lost 1,023 bytes │ 42 series"));
}

}  // namespace logtally::cli
