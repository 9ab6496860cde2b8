// Bounds of a histogram by a formula: `buckets: exp(0.005, 2, 12)`, `buckets: linear(10, 5, 20)`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sinks/metrics/decimal.h"

namespace logtally::rules {

inline constexpr std::size_t kMaxBuckets = 200;

// What is wrong with a formula, and which of its bytes are to blame.
struct FormulaFault {
  std::size_t offset = 0;
  std::size_t length = 0;
  std::string code;
  std::string message;
  std::string label;
};

// Whether the text means to be a formula, well written or not.
bool is_bucket_formula(std::string_view text);

// exp(START, FACTOR, COUNT) is START * FACTOR^i, linear(START, STEP, COUNT) is START + STEP * i,
// for i from 0 to COUNT - 1: each bound is computed exactly and rounded once, half up, to 10^-15.
// Strictly increasing, at most kMaxBuckets.
std::variant<std::vector<metrics::Decimal>, FormulaFault> expand_bucket_formula(
    std::string_view text);

}  // namespace logtally::rules
