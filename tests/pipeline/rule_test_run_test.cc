#include "pipeline/rule_test_run.h"

#include <catch2/catch.hpp>

namespace logtally::pipeline {
namespace {

// A rule file with its tests, loaded as a reload does it.
struct Loaded {
  explicit Loaded(const std::string& text) {
    document = config::parse_yaml(
        std::make_shared<const config::SourceFile>(config::SourceFile{"rules.yaml", text}), found);
    if (document == nullptr) return;
    sources.push_back({.document = document, .configuration = false});
    set = rules::RuleSet::compile(sources, found);
    if (set != nullptr) tests = rules::read_tests(document, set.get(), found);
  }
  TestedRules tested() const { return {.rules = set, .sources = sources}; }

  // What a failing (or the only) test shows.
  TestResult run(std::size_t test = 0, Tracing tracing = Tracing::of_failures) {
    INFO(found.render());
    REQUIRE(set != nullptr);
    REQUIRE(tests.size() > test);
    auto result = run_rule_test(tests[test], tested(), tracing);
    if (!result) FAIL(result.error().text);
    return *std::move(result);
  }
  std::string differences(std::size_t test = 0) { return render_differences(run(test), 0); }

  config::Diagnostics found;
  std::shared_ptr<const config::YamlDocument> document;
  std::vector<rules::RuleSet::Source> sources;
  std::shared_ptr<const rules::RuleSet> set;
  std::vector<rules::RuleTest> tests;
};

constexpr const char* kRequests = R"(version: 1
metrics:
  aria_llm_requests_total:           {type: counter,   help: Total LLM API calls,   labels: [model, status]}
  aria_llm_request_duration_seconds: {type: histogram, help: LLM request duration,  labels: [model], buckets: [0.1, 0.5, 1, 2, 5, 10, 30, 60]}
  aria_llm_tokens_input_total:       {type: counter,   help: Input tokens,          labels: [model]}
rules:
  llm_request:
    match: {event: llm_request}
    do:
      - inc: aria_llm_requests_total
      - {observe: aria_llm_request_duration_seconds, value: $duration_ms, unit: ms}
      - {add: aria_llm_tokens_input_total, value: $tokens_input}
)";

}  // namespace

TEST_CASE("rule tests: the example of the language passes") {
  Loaded loaded(std::string(kRequests) + R"(tests:
  - name: milliseconds become seconds
    lines: '{"event":"llm_request","model":"kimi","status":"success","duration_ms":1500,"tokens_input":7}'
    expect: |
      aria_llm_requests_total{model="kimi",status="success"} 1
      aria_llm_request_duration_seconds_sum{model="kimi"} 1.5
      aria_llm_request_duration_seconds_count{model="kimi"} 1
      aria_llm_tokens_input_total{model="kimi"} 7
)");
  CHECK(loaded.differences() == "");
  CHECK(loaded.found.all().empty());
  CHECK(run_own_tests(loaded.tested(), loaded.found));
}

TEST_CASE("H13: a test fails though only one of a family's samples differs, or is there besides") {
  const std::string lines =
      "tests:\n  - name: two models\n    lines:\n"
      "      - '{\"event\":\"llm_request\",\"model\":\"a\",\"status\":\"ok\"}'\n"
      "      - '{\"event\":\"llm_request\",\"model\":\"b\",\"status\":\"ok\"}'\n"
      "    expect: |\n";
  const auto sample = [](const char* model, int value) {
    return std::string("      aria_llm_requests_total{model=\"") + model + "\",status=\"ok\"} " +
           std::to_string(value) + "\n";
  };
  CHECK(Loaded(kRequests + lines + sample("a", 1) + sample("b", 1)).differences() == "");
  CHECK(Loaded(kRequests + lines + sample("a", 1) + sample("b", 2)).differences() != "");
  CHECK(Loaded(kRequests + lines + sample("a", 1)).differences() != "");
}

TEST_CASE("rule tests: a wrong sample names the rule and the line that made it") {
  Loaded loaded(std::string(kRequests) + R"(tests:
  - name: an error
    lines:
      - '{"event":"llm_request","model":"kimi","status":"failed","tokens_input":"many"}'
    expect: |
      aria_llm_requests_total{model="kimi",status="error"} 1
      aria_llm_tokens_input_total{model="kimi"} 7
)");
  CHECK(loaded.differences() == R"(metrics:
  - aria_llm_requests_total{model="kimi",status="error"} 1
  + aria_llm_requests_total{model="kimi",status="failed"} 1
    ^ made by rules.yaml:10 (rule llm_request) from rules.yaml:16
  - aria_llm_tokens_input_total{model="kimi"} 7
    ^ skipped by rules.yaml:12 (rule llm_request) from rules.yaml:16: a value is no number
)");
  CHECK_FALSE(run_own_tests(loaded.tested(), loaded.found));
  INFO(loaded.found.render());
  REQUIRE(loaded.found.errors() == 1);
  CHECK(loaded.found.all()[0].code == "E071");
}

}  // namespace logtally::pipeline
