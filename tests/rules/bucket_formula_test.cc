#include "rules/bucket_formula.h"

#include <string>

#include <catch2/catch.hpp>

#include "tests/cases/harness.h"

namespace logtally::rules {
namespace {

// The bounds as the page prints them, or what is wrong and with which part.
std::string expanded(const std::string& text) {
  const auto result = expand_bucket_formula(text);
  if (const auto* wrong = std::get_if<FormulaFault>(&result))
    return wrong->code + " " + text.substr(wrong->offset, wrong->length);
  std::string out;
  for (const metrics::Decimal bound : std::get<std::vector<metrics::Decimal>>(result))
    out += (out.empty() ? "" : " ") + metrics::to_string(bound);
  return out;
}

}  // namespace

TEST_CASE("bucket_formula: bounds are exact, and print as people write them") {
  struct Case {
    std::string text;
    std::string want;
  };
  const Case cases[] = {
      {"exp(0.005,2,12)", "0.005 0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24"},
      {"exp( 1 , 10, 4 )", "1 10 100 1000"},
      {"exp (0.1, 3, 5)", "0.1 0.3 0.9 2.7 8.1"},
      {"exp(0.001,1.1,5)", "0.001 0.0011 0.00121 0.001331 0.0014641"},
      {"exp(256,4,7)", "256 1024 4096 16384 65536 262144 1048576"},
      {"exp(5,2,1)", "5"},
      {"linear(0.1,0.1,10)", "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"},
      {"linear(-20, 10, 5)", "-20 -10 0 10 20"},
      {"linear(0,5,3)", "0 5 10"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(expanded(c.text) == c.want);
  }
}

TEST_CASE(
    "bucket_formula: what has more than fifteen digits is rounded once, from the exact value") {
  const auto result = expand_bucket_formula("exp(0.001,1.1,61)");
  const auto& bounds = std::get<std::vector<metrics::Decimal>>(result);
  REQUIRE(bounds.size() == 61);
  // 1.1^20 / 1000 = 0.00672749994932560009..., 1.1^60 / 1000 = 0.30448163954141809957...
  CHECK(bounds[20] == metrics::parse_decimal("0.006727499949326").value);
  CHECK(bounds[60] == metrics::parse_decimal("0.304481639541418").value);
}

TEST_CASE("bucket_formula: what is wrong is shown at its part") {
  struct Case {
    std::string text;
    std::string want;
  };
  const Case cases[] = {
      {"exp(0.005,2,0)", "E060 0"},
      {"exp(0.005,2,-1)", "E060 -1"},
      {"exp(0.005,2,1.5)", "E060 1.5"},
      {"exp(0.005,2,201)", "E060 201"},
      {"linear(0,1,99999999999)", "E060 99999999999"},
      {"exp(0.005, 1, 5)", "E061 1"},
      {"exp(0.005, 0.5, 5)", "E061 0.5"},
      {"exp(0, 2, 5)", "E061 0"},
      {"exp(-1, 2, 5)", "E061 -1"},
      {"linear(1, 0, 5)", "E061 0"},
      {"linear(1, -2, 5)", "E061 -2"},
      {"linear(x, 1, 5)", "E060 x"},
      {"linear(1, NaN, 5)", "E060 NaN"},
      {"linear(1, 2)", "E060 linear(1, 2)"},
      {"linear()", "E060 linear()"},
      {"linear(1,,2)", "E060 linear(1,,2)"},
      {"linear(1,2,3,4)", "E060 linear(1,2,3,4)"},
      {"exp(1,2", "E060 exp(1,2"},
      {"exp", "E060 exp"},
      {"exp(1, 10, 40)", "E060 exp(1, 10, 40)"},
      {"exp(0.000000000000001, 1.1, 3)", "E061 exp(0.000000000000001, 1.1, 3)"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(expanded(c.text) == c.want);
  }
}

TEST_CASE("bucket_formula: a rule file says `exp` and `linear`, and faults have their column") {
  using cases::faults_of;
  CHECK(
      cases::samples_of("metrics:\n"
                        "  h: {type: histogram, help: h, buckets: 'exp(1, 10, 3)'}\n"
                        "  l: {type: histogram, help: h, buckets: 'linear(0, 5, 2)'}\n"
                        "rules: {r: {do: [{observe: h, value: $v}, {observe: l, value: $v}]}}\n",
                        {R"({"v":10})"}) ==
      "h_bucket{le=\"1\"} 0\nh_bucket{le=\"10\"} 1\nh_bucket{le=\"100\"} 1\n"
      "h_bucket{le=\"+Inf\"} 1\nh_sum 10\nh_count 1\n"
      "l_bucket{le=\"0\"} 0\nl_bucket{le=\"5\"} 0\nl_bucket{le=\"+Inf\"} 1\nl_sum 10\nl_count 1\n");
  const std::string head = "metrics:\n  h:\n    type: histogram\n    help: h\n    buckets: ";
  CHECK(faults_of(head + "exp(0.005, 1, 5)\n") == "5:25 E061\n");
  CHECK(faults_of(head + "'exp(0.005, 2, 0)'\n") == "5:29 E060\n");
  CHECK(faults_of(head + "exponential(1, 2, 3)\n") == "5:14 E060\n");
  // Inside of { } an unquoted formula is torn apart by YAML; the fault says so.
  config::Diagnostics found;
  CHECK(cases::compile({"metrics: {h: {type: histogram, help: h, buckets: exp(1,2,3)}}\n"},
                       found) == nullptr);
  CHECK(found.render().find("inside { } a comma ends a value") != std::string::npos);
}

}  // namespace logtally::rules
