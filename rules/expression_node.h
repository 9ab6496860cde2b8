// The nodes of an Expression: what the parser builds and evaluation walks. Internal to both.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rules/expression.h"

namespace logtally::rules {

enum class Operation : std::uint8_t {
  constant,
  name,
  either,
  both,
  negate_truth,
  equal,
  unequal,
  less,
  less_equal,
  greater,
  greater_equal,
  fits,
  fits_not,
  plus,
  minus,
  times,
  over,
  modulo,
  negate,
  call,
  look_up,
  look_up_row,
};

enum class Function : std::uint8_t { len, lower, upper, trim, replace, num, round, min, max };

struct Expression::Node {
  Operation operation = Operation::constant;
  Function function = Function::len;
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  std::vector<std::uint32_t> arguments;   // call, look_up (one)
  Ref ref;                                // name
  Value constant;                         // its text is in `text`
  std::string text;                       // constant text; look_up: the key behind the dot
  std::shared_ptr<const re2::RE2> regex;  // fits, fits_not
  const Map* map = nullptr;               // look_up
  std::uint16_t table = 0;                // look_up_row
  std::size_t column = 0;
};

}  // namespace logtally::rules
