// Expressions at work: values and evaluation. expression_parser.cc makes them from text.
#include "rules/expression.h"

#include <algorithm>
#include <array>
#include <cassert>

#include <re2/re2.h>

#include "rules/expression_node.h"
#include "rules/table.h"

namespace logtally::rules {
namespace {

SkipReason reason_of(metrics::NumberError error) {
  switch (error) {
    case metrics::NumberError::not_finite:
      return SkipReason::not_finite;
    case metrics::NumberError::over_limit:
      return SkipReason::over_limit;
    default:
      return SkipReason::not_a_number;
  }
}

Value of_parsed(const metrics::ParsedDecimal& parsed) {
  return parsed.error == metrics::NumberError::none ? Value::of(parsed.value)
                                                    : Value::refuse(reason_of(parsed.error));
}

}  // namespace

Expression::Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

Expression Expression::constant(std::string_view text) {
  Expression expression;
  expression.source_ = text;
  Node& node = expression.nodes_.emplace_back();
  node.text = text;
  node.constant.kind = Value::Kind::text;
  return expression;
}

Expression Expression::constant_truth(bool truth) {
  Expression expression;
  expression.source_ = truth ? "true" : "false";
  expression.nodes_.emplace_back().constant = Value::of(truth);
  return expression;
}

const Ref* Expression::single() const {
  return nodes_[root_].operation == Operation::name ? &nodes_[root_].ref : nullptr;
}

// ---------------------------------------------------------------- values

std::string_view value_text(const Value& value, Scope& scope) {
  switch (value.kind) {
    case Value::Kind::boolean:
      return value.truth ? "true" : "false";
    case Value::Kind::number:
      return scope.scratch().keep(metrics::to_string(value.number));
    case Value::Kind::text:
      return value.text;
    default:
      return {};
  }
}

Value value_number(const Value& value, int shift) {
  switch (value.kind) {
    case Value::Kind::missing:
    case Value::Kind::refused:
      return value;
    case Value::Kind::boolean:
      return Value::refuse(SkipReason::not_a_number);
    case Value::Kind::text:
      return of_parsed(metrics::parse_decimal(value.text, shift));
    case Value::Kind::number:
      break;
  }
  if (shift == 0) return value;
  std::int64_t factor = 1;
  for (int i = 0; i < std::abs(shift); ++i) factor *= 10;
  return of_parsed(shift > 0 ? metrics::multiply(value.number, Decimal::of(factor))
                             : metrics::divide(value.number, Decimal::of(factor)));
}

namespace {

// As a number when it is one: numbers, and text that reads as one.
std::optional<Decimal> as_number(const Value& value) {
  if (value.kind == Value::Kind::number) return value.number;
  if (value.kind != Value::Kind::text) return std::nullopt;
  const metrics::ParsedDecimal parsed = metrics::parse_decimal(value.text);
  if (parsed.error != metrics::NumberError::none) return std::nullopt;
  return parsed.value;
}

}  // namespace

bool values_equal(const Value& a, const Value& b, Scope& scope) {
  if (a.kind == Value::Kind::number || b.kind == Value::Kind::number) {
    const auto x = as_number(a);
    const auto y = as_number(b);
    if (x && y) return *x == *y;
  }
  return value_text(a, scope) == value_text(b, scope);
}

bool value_true(const Value& value) {
  return value.usable() && !(value.kind == Value::Kind::boolean && !value.truth);
}

bool Expression::holds(Scope& scope) const { return value_true(evaluate(scope)); }

// ---------------------------------------------------------------- evaluation

Value Expression::evaluate(std::uint32_t index, Scope& scope) const {
  const Node& node = nodes_[index];
  switch (node.operation) {
    case Operation::constant: {
      Value value = node.constant;
      if (value.kind == Value::Kind::text) value.text = node.text;
      return value;
    }
    case Operation::name:
      return scope.value(node.ref);
    case Operation::either: {
      const Value left = evaluate(node.left, scope);
      if (value_true(left) || left.kind == Value::Kind::refused) return left;
      return evaluate(node.right, scope);
    }
    case Operation::both: {
      const Value left = evaluate(node.left, scope);
      if (!value_true(left)) return left.kind == Value::Kind::refused ? left : Value::of(false);
      return evaluate(node.right, scope);
    }
    case Operation::negate_truth: {
      const Value operand = evaluate(node.left, scope);
      return operand.kind == Value::Kind::refused ? operand : Value::of(!value_true(operand));
    }
    case Operation::equal:
    case Operation::unequal:
    case Operation::less:
    case Operation::less_equal:
    case Operation::greater:
    case Operation::greater_equal:
    case Operation::fits:
    case Operation::fits_not:
      return compare(node, scope);
    case Operation::plus:
    case Operation::minus:
    case Operation::times:
    case Operation::over:
    case Operation::modulo:
      return calculate(node, scope);
    case Operation::negate: {
      const Value operand = value_number(evaluate(node.left, scope));
      return operand.usable() ? Value::of(-operand.number) : operand;
    }
    case Operation::call:
      return call(node, scope);
    case Operation::look_up:
      return look_up(node, scope);
    case Operation::look_up_row:
      return look_up_row(node, scope);
  }
  return Value::absent();
}

Value Expression::compare(const Node& node, Scope& scope) const {
  const Value left = evaluate(node.left, scope);
  if (left.kind == Value::Kind::refused) return left;
  if (left.kind == Value::Kind::missing) return Value::of(false);
  if (node.operation == Operation::fits || node.operation == Operation::fits_not) {
    const std::string_view text = value_text(left, scope);
    const re2::StringPiece input(text.data(), text.size());
    if (node.operation == Operation::fits_not || node.regex->NumberOfCapturingGroups() == 0) {
      const bool found = re2::RE2::PartialMatch(input, *node.regex);
      return Value::of(found == (node.operation == Operation::fits));
    }
    re2::StringPiece group;
    if (!re2::RE2::PartialMatch(input, *node.regex, &group)) return Value::absent();
    return group.data() == nullptr ? Value::absent()
                                   : Value::of(std::string_view(group.data(), group.size()));
  }
  const Value right = evaluate(node.right, scope);
  if (right.kind == Value::Kind::refused) return right;
  if (right.kind == Value::Kind::missing) return Value::of(false);
  if (node.operation == Operation::equal) return Value::of(values_equal(left, right, scope));
  if (node.operation == Operation::unequal) return Value::of(!values_equal(left, right, scope));

  const auto x = as_number(left);
  const auto y = as_number(right);
  const int order = x && y ? (*x < *y   ? -1
                              : *x > *y ? 1
                                        : 0)
                           : value_text(left, scope).compare(value_text(right, scope));
  // Text against a number has no order.
  if (!(x && y) && (left.kind == Value::Kind::number || right.kind == Value::Kind::number))
    return Value::of(false);
  switch (node.operation) {
    case Operation::less:
      return Value::of(order < 0);
    case Operation::less_equal:
      return Value::of(order <= 0);
    case Operation::greater:
      return Value::of(order > 0);
    default:
      return Value::of(order >= 0);
  }
}

Value Expression::calculate(const Node& node, Scope& scope) const {
  const Value left = value_number(evaluate(node.left, scope));
  if (!left.usable()) return left;
  const Value right = value_number(evaluate(node.right, scope));
  if (!right.usable()) return right;
  switch (node.operation) {
    case Operation::plus:
    case Operation::minus: {
      const Decimal sum = node.operation == Operation::plus ? left.number + right.number
                                                            : left.number - right.number;
      return sum.in_range() ? Value::of(sum) : Value::refuse(SkipReason::over_limit);
    }
    case Operation::times:
      return of_parsed(metrics::multiply(left.number, right.number));
    case Operation::over:
      return of_parsed(metrics::divide(left.number, right.number));
    default:
      return of_parsed(metrics::remainder(left.number, right.number));
  }
}

Value Expression::call(const Node& node, Scope& scope) const {
  std::array<Value, 8> arguments;
  for (std::size_t i = 0; i < node.arguments.size(); ++i) {
    arguments[i] = evaluate(node.arguments[i], scope);
    if (!arguments[i].usable()) return arguments[i];
  }
  const auto text = [&](std::size_t i) { return value_text(arguments[i], scope); };
  switch (node.function) {
    case Function::len: {
      // Characters, not bytes.
      std::int64_t length = 0;
      for (const char c : text(0)) length += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      return Value::of(Decimal::of(length));
    }
    case Function::lower:
    case Function::upper: {
      const std::string_view in = text(0);
      char* const out = scope.scratch().allocate(in.size());
      const char first = node.function == Function::lower ? 'A' : 'a';
      for (std::size_t i = 0; i < in.size(); ++i) {
        out[i] = in[i] >= first && in[i] <= first + 25 ? static_cast<char>(in[i] ^ 0x20) : in[i];
      }
      return Value::of(std::string_view(out, in.size()));
    }
    case Function::trim: {
      std::string_view in = text(0);
      const std::size_t begin = in.find_first_not_of(" \t\r\n");
      if (begin == std::string_view::npos) return Value::of(in.substr(0, 0));
      return Value::of(in.substr(begin, in.find_last_not_of(" \t\r\n") - begin + 1));
    }
    case Function::replace: {
      const std::string_view in = text(0);
      const std::string_view what = text(1);
      if (what.empty()) return Value::of(in);
      std::string out;
      for (std::size_t i = 0;;) {
        const std::size_t found = in.find(what, i);
        out.append(in, i, std::min(found, in.size()) - i);
        if (found == std::string_view::npos) break;
        out += text(2);
        i = found + what.size();
      }
      return Value::of(scope.scratch().keep(out));
    }
    case Function::num: {
      if (arguments[0].kind == Value::Kind::number) return arguments[0];
      std::string digits;
      for (const char c : text(0)) {
        if (c != ',' && c != '_' && c != ' ' && c != '\'') digits += c;
      }
      return of_parsed(metrics::parse_decimal(digits));
    }
    case Function::round: {
      const Value number = value_number(arguments[0]);
      if (!number.usable()) return number;
      Value digits = node.arguments.size() == 2 ? value_number(arguments[1]) : Value::of(Decimal());
      if (!digits.usable()) return digits;
      const metrics::int128 wanted =
          digits.number.units() / static_cast<metrics::int128>(Decimal::kUnitsPerOne);
      const int places = static_cast<int>(std::clamp<metrics::int128>(wanted, 0, Decimal::kDigits));
      metrics::int128 unit = 1;
      for (int i = places; i < Decimal::kDigits; ++i) unit *= 10;
      const metrics::int128 units = number.number.units();
      const metrics::int128 rounded = (units + (units < 0 ? -unit / 2 : unit / 2)) / unit * unit;
      return Value::of(Decimal::from_units(rounded));
    }
    case Function::min:
    case Function::max: {
      Value best = value_number(arguments[0]);
      for (std::size_t i = 0; i < node.arguments.size(); ++i) {
        const Value number = value_number(arguments[i]);
        if (!number.usable()) return number;
        if (node.function == Function::min ? number.number < best.number
                                           : number.number > best.number)
          best = number;
      }
      return best;
    }
  }
  return Value::absent();
}

Value Expression::look_up(const Node& node, Scope& scope) const {
  const Value key = evaluate(node.arguments[0], scope);
  if (!key.usable()) return key;
  const std::string_view text = value_text(key, scope);
  if (!node.map->rewrites.empty()) {
    std::string out(text);
    for (const Map::Rewrite& rewrite : node.map->rewrites)
      re2::RE2::GlobalReplace(&out, *rewrite.regex, rewrite.replacement);
    return Value::of(scope.scratch().keep(out));
  }
  const auto found = node.map->entries.find(text);
  if (found == node.map->entries.end()) return Value::absent(SkipReason::unknown_key);
  if (const auto* plain = std::get_if<std::string>(&found->second)) {
    return node.text.empty() ? Value::of(std::string_view(*plain))
                             : Value::absent(SkipReason::unknown_key);
  }
  const auto& inner = std::get<1>(found->second);
  const auto at = inner.find(node.text);
  return at == inner.end() ? Value::absent(SkipReason::unknown_key)
                           : Value::of(std::string_view(at->second));
}

Value Expression::look_up_row(const Node& node, Scope& scope) const {
  std::string joined;
  std::string_view key;
  for (const std::uint32_t argument : node.arguments) {
    const Node& name = nodes_[argument];
    const std::string_view* const captured =
        name.operation == Operation::name ? scope.captured_text(name.ref) : nullptr;
    if (captured != nullptr) {
      key = *captured;
    } else {
      const Value part = evaluate(argument, scope);
      if (!part.usable()) return part;
      key = value_text(part, scope);
    }
    if (node.arguments.size() > 1) append_key_part(joined, key);
  }
  if (node.arguments.size() > 1) key = joined;
  const auto row = (*scope.tables())[node.table].find(key, scope.now_ns());
  if (!row) return Value::absent(SkipReason::unknown_key);
  const auto column = row->column(node.column);
  return column ? Value::of(*column) : Value::absent();
}

}  // namespace logtally::rules
