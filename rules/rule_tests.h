// Tests of rules, as operators write them (RULES.md §9): lines, and what they come to. Here they
// are read and checked against the rules; pipeline/rule_test_run.h has them counted.
//
//   tests:
//     - name: an idle session is forgotten        # required
//       rules: {requests_access: true}            # rules switched on or off for this test
//       lines:                                    # a text (one line or several), or a list of them
//         - '{"event":"login","session":"s1"}'
//         - at: +25h                              # virtual time goes on, nobody waits
//         - '{"event":"turn","session":"s1"}'
//       expect: |                                 # exposition text; every metric named is compared
//         turns_total{agent="unknown"} 1          # with all its samples, in any order
//         logins_failed_total                     # a name alone: no samples
//       stored: []                                # rows of skill_invocation, all of them, any
//       order
//
// Under `tests:` in a rule file, or in a file `*_test.yaml` of its own.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/yaml_document.h"
#include "rules/rule.h"
#include "rules/rule_set.h"
#include "sinks/metrics/exposition_reader.h"

namespace logtally::rules {

// The columns of a stored row, as texts; by kInvocationColumns.
using StoredRow = std::array<std::optional<std::string>, kInvocationColumns.size()>;

// Numbers in one spelling (2000 and 2e3 are equal), booleans in lower case.
std::string canonical_column(std::string_view text);

struct RuleTest {
  // Virtual time goes on by `pass`, then the lines come.
  struct Step {
    std::chrono::nanoseconds pass{0};
    std::string text;                   // whole lines, each with its newline; may be empty
    config::Place place;                // of the text
    std::vector<config::Place> places;  // of each of its lines
  };
  struct Sample {
    metrics::ExpositionSample sample;
    std::size_t line = 0;  // of the expectation's text, from 0
    config::Place place;
  };
  // What `expect` says. Compared are all samples of the names in `names`; when there is none,
  // nothing at all may have been counted.
  struct Expectation {
    const config::Node* node = nullptr;  // in `document`; null: there is only the key
    std::vector<std::string> names;      // sample names, `x_seconds_sum`; a histogram's own name
                                         // when it stands alone
    std::vector<Sample> samples;
  };
  struct Row {
    StoredRow columns;
    config::Place place;
  };

  std::string name;
  std::shared_ptr<const config::YamlDocument> document;
  config::Place place;                     // of its first key: what `file:line` names
  const config::Node* body = nullptr;      // in `document`
  const config::Node* switched = nullptr;  // `rules:`, in `document`
  std::vector<Step> steps;
  std::optional<Expectation> metrics;
  std::optional<std::vector<Row>> stored;
};

// The tests of a rule file or of a `*_test.yaml` (where they may also stand as a list alone), in
// order. Faults go to `diagnostics`: of form, and, given the rules, of names that they do not know.
// A test with a fault is left out.
std::vector<RuleTest> read_tests(const std::shared_ptr<const config::YamlDocument>& document,
                                 const RuleSet* rules, config::Diagnostics& diagnostics);

// As above, for a `*_test.yaml`: nothing but `version` and `tests`.
std::vector<RuleTest> read_test_file(const std::shared_ptr<const config::YamlDocument>& document,
                                     const RuleSet* rules, config::Diagnostics& diagnostics);

// The rules of a test that switches some of them: `sources` (those of the others) with its
// `rules:`. Null when that is faulty.
std::shared_ptr<const RuleSet> compile_switched(std::span<const RuleSet::Source> sources,
                                                const RuleTest& test,
                                                config::Diagnostics& diagnostics);

// Which family a sample's name belongs to, and as what. `index` is npos for a name that no family
// has.
struct SampleName {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  enum class Part : std::uint8_t { value, whole_histogram, bucket, sum, count };
  std::size_t family = kNone;
  Part part = Part::value;
};
SampleName find_sample_name(const RuleSet& rules, std::string_view name);

}  // namespace logtally::rules
