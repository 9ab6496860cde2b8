// Runs the tests of rule files (rules/rule_tests.h) as the daemon would count their lines: a Worker
// over a pipe, with a clock that only the test turns. No sleeps, no state, no port.
//
// Virtual time. The clock stands at the time of the first line that has one, else at
// 2026-01-01T00:00:00Z. A line with a later time moves it on, as if it were read when it was
// written; `at: +90s` moves it by so much and lets a silent second pass: rows and gauges expire,
// records that wait for a continuation are finished.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/result.h"
#include "rules/rule_set.h"
#include "rules/rule_tests.h"

namespace logtally::pipeline {

// One thing that is not as expected. Texts have no newline.
struct TestDifference {
  enum class Kind : std::uint8_t { missing, unexpected };
  Kind kind = Kind::missing;
  std::string text;                // a sample, or a stored row
  std::vector<std::string> notes;  // "made by rules.d/10-skills.yaml:9 (rule skill_execution) …"
};

// What a rule of the set did in a test.
struct RuleUse {
  bool matched = false;
  std::vector<bool> acted;  // by action
};

struct TestResult {
  bool passed() const { return wrong_samples.empty() && wrong_rows.empty(); }
  std::vector<TestDifference> wrong_samples;  // by metric, in the expectation's order
  std::vector<TestDifference> wrong_rows;

  // Of a test that failed: the lines that no rule matched, each with its place and why; and those
  // among them that fit no format, as they are, each with a newline.
  std::vector<std::string> silent;
  std::string bare;

  // All that came out, for rewriting the expectation. Samples of what `expect` names, or, when it
  // names nothing, of all that was counted.
  std::vector<metrics::ExpositionSample> samples;
  std::vector<rules::StoredRow> rows;

  // The rules it ran on (those of the test's switches). With Tracing::always, or when it failed:
  // what they did, and which families got a value from a line or from a table.
  std::shared_ptr<const rules::RuleSet> rules;
  std::vector<RuleUse> uses;  // by rule
  std::vector<bool> filled;   // by family
};

enum class Tracing : std::uint8_t { of_failures, always };

// What the tests are run on. `sources` are those that `rules` was compiled of.
struct TestedRules {
  std::shared_ptr<const rules::RuleSet> rules;
  std::span<const rules::RuleSet::Source> sources;
};

// An error is of the environment (no descriptors left) or of the test's `rules:`, never of the
// test's outcome.
Result<TestResult> run_rule_test(const rules::RuleTest& test, const TestedRules& tested,
                                 Tracing tracing = Tracing::of_failures);

// `{skill_name: browser, success: true}`, as YAML.
std::string to_string(const rules::StoredRow& row);

// The lines of a failure, each with a newline and indented by `indent` blanks.
std::string render_differences(const TestResult& result, std::size_t indent);

// What a load does: reads the `tests:` of all sources and runs them. Faulty and failing tests go to
// `diagnostics` (E071, with the differences as notes). True when there was none.
bool run_own_tests(const TestedRules& tested, config::Diagnostics& diagnostics);

}  // namespace logtally::pipeline
