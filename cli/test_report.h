// What `test` prints: for people, for CI (JUnit's XML), for harnesses (TAP 13); and the coverage.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/test_suites.h"
#include "config/result.h"
#include "pipeline/rule_test_run.h"

namespace logtally::cli {

struct TestedSuite {
  const TestSuite* suite = nullptr;
  // By test of the suite: how it went, or why it could not be run.
  std::vector<Result<pipeline::TestResult>> results;
};

struct TestCounts {
  std::size_t passed = 0;
  std::size_t failed = 0;
};
TestCounts count_tests(const std::vector<TestedSuite>& tested);

enum class Detail : std::uint8_t { failures, usual, all };  // -q, nothing, -v

// With the summary "16 passed, 1 failed" as its last line.
std::string human_report(const std::vector<TestedSuite>& tested, Detail detail, bool colour);
std::string junit_report(const std::vector<TestedSuite>& tested);
std::string tap_report(const std::vector<TestedSuite>& tested);

// Reports of a run that could not begin: valid, and a failure for whoever reads them.
std::string junit_error(std::string_view message, std::string_view text);
std::string tap_error(std::string_view message);

// What no test touches, in the order of files and lines. A rule is touched when it matches a line,
// an action when it acts, a metric when a line changes it in a test whose expectation names it.
// Metrics that no rule fills are not asked for.
struct Coverage {
  struct Part {
    std::string_view what;  // "rules"
    std::size_t touched = 0;
    std::size_t all = 0;
    std::vector<std::string> untouched;  // "rules.d/10.yaml:9 rule x"

    std::size_t percent() const { return all == 0 ? 100 : touched * 100 / all; }
  };
  std::vector<Part> parts;
  std::vector<Part> own;  // of them, what is not of packs; numbers alone

  bool complete() const;
};
// The results are those of Tracing::always.
Coverage coverage_of(const std::vector<TestedSuite>& tested);
std::string coverage_report(const Coverage& coverage);

}  // namespace logtally::cli
