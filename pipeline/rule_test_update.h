// Rewrites the expectations of tests as things came out (`logtally test --update`): `expect` and
// `stored`, and nothing else of the file; comments stay, and of an expectation every line that was
// right. Text in, text out.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pipeline/rule_test_run.h"
#include "rules/rule_tests.h"

namespace logtally::pipeline {

// A test that failed, with how it went.
struct TestUpdate {
  const rules::RuleTest* test = nullptr;
  const TestResult* result = nullptr;
};

// The text of the tests' file. All are of this document.
std::string updated_text(const config::YamlDocument& document, std::span<const TestUpdate> updates);

// What changed, line by line, with its places: for people.
std::string line_difference(std::string_view name, std::string_view before, std::string_view after);

}  // namespace logtally::pipeline
