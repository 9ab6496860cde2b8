#include "rules/bucket_formula.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <boost/multiprecision/cpp_int.hpp>

namespace logtally::rules {
namespace {

using boost::multiprecision::cpp_int;
using metrics::Decimal;

struct Argument {
  std::size_t offset = 0;
  std::string_view text;
};

FormulaFault fault_at(const Argument& argument, std::string code, std::string message,
                      std::string label = {}) {
  return {.offset = argument.offset,
          .length = argument.text.size(),
          .code = std::move(code),
          .message = std::move(message),
          .label = std::move(label)};
}

Argument trimmed(std::string_view text, std::size_t begin, std::size_t end) {
  while (begin < end && text[begin] == ' ') ++begin;
  while (begin < end && text[end - 1] == ' ') --end;
  return {.offset = begin, .text = text.substr(begin, end - begin)};
}

// A fraction: the value of `digits` behind 10^-scale, without zeros at its end, so that powers of
// it stay small.
struct Fraction {
  cpp_int digits;
  unsigned scale = 0;
};

Fraction fraction_of(Decimal value) {
  metrics::int128 units = value.units();
  unsigned scale = Decimal::kDigits;
  for (; scale > 0 && units % 10 == 0; --scale) units /= 10;
  return {.digits = cpp_int(units), .scale = scale};
}

// start * factor^i in units of Decimal; nothing when it is out of range.
std::optional<Decimal> power(Decimal start, const Fraction& factor, unsigned i) {
  const cpp_int product = cpp_int(start.units()) * pow(factor.digits, i);
  const cpp_int divisor = pow(cpp_int(10), factor.scale * i);
  const cpp_int units = (2 * product + divisor) / (2 * divisor);
  if (units >= cpp_int(Decimal::kLimit)) return std::nullopt;
  return Decimal::from_units(units.convert_to<metrics::int128>());
}

std::optional<Decimal> multiple(Decimal start, Decimal step, unsigned i) {
  const cpp_int units = cpp_int(start.units()) + cpp_int(step.units()) * i;
  if (units >= cpp_int(Decimal::kLimit)) return std::nullopt;
  return Decimal::from_units(units.convert_to<metrics::int128>());
}

}  // namespace

bool is_bucket_formula(std::string_view text) {
  const std::string_view name = text.substr(0, text.find_first_of("( "));
  return name == "exp" || name == "linear";
}

std::variant<std::vector<Decimal>, FormulaFault> expand_bucket_formula(std::string_view text) {
  const Argument whole{.offset = 0, .text = text};
  const bool exponential = text.starts_with("exp");
  const std::string form = exponential ? "exp(START, FACTOR, COUNT)" : "linear(START, STEP, COUNT)";
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos || !text.ends_with(')'))
    return fault_at(whole, "E060", "`" + std::string(text) + "` is no whole formula", form);

  std::array<Argument, 3> arguments;
  std::size_t count = 0;
  for (std::size_t begin = open + 1; begin <= text.size() - 1;) {
    const std::size_t end = std::min(text.find(',', begin), text.size() - 1);
    if (count < arguments.size()) arguments[count] = trimmed(text, begin, end);
    ++count;
    begin = end + 1;
  }
  if (count != arguments.size())
    return fault_at(
        whole, "E060",
        "`" + form + "` has three numbers, here are " +
            std::to_string(count == 1 && arguments[0].text.empty() ? std::size_t{0} : count));

  std::array<Decimal, 2> numbers;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const metrics::ParsedDecimal parsed = metrics::parse_decimal(arguments[i].text);
    if (parsed.error == metrics::NumberError::none) {
      numbers[i] = parsed.value;
      continue;
    }
    const Argument at = arguments[i].text.empty() ? whole : arguments[i];
    return fault_at(at, "E060", "`" + std::string(arguments[i].text) + "` is no number", form);
  }
  const auto [start, step] = numbers;
  unsigned buckets = 0;
  const std::string_view written = arguments[2].text;
  const auto [end, error] =
      std::from_chars(written.data(), written.data() + written.size(), buckets);
  if (error != std::errc() || end != written.data() + written.size() || buckets == 0 ||
      buckets > kMaxBuckets) {
    return fault_at(written.empty() ? whole : arguments[2], "E060",
                    "`" + std::string(written) + "` is no count of buckets",
                    "1 to " + std::to_string(kMaxBuckets));
  }
  if (exponential && start <= Decimal())
    return fault_at(arguments[0], "E061", "buckets must increase",
                    "the first bound of `exp` is above 0");
  if (exponential && step <= Decimal::of(1))
    return fault_at(arguments[1], "E061", "buckets must increase", "the factor is above 1");
  if (!exponential && step <= Decimal())
    return fault_at(arguments[1], "E061", "buckets must increase", "the step is above 0");

  std::vector<Decimal> bounds;
  const Fraction factor = fraction_of(step);
  for (unsigned i = 0; i < buckets; ++i) {
    const auto bound = exponential ? power(start, factor, i) : multiple(start, step, i);
    if (!bound)
      return fault_at(whole, "E060", "bound " + std::to_string(i + 1) + " is too large",
                      "bounds are below 1e22");
    if (!bounds.empty() && *bound <= bounds.back())
      return fault_at(whole, "E061", "buckets must increase",
                      "rounded to 15 digits, bounds " + std::to_string(i) + " and " +
                          std::to_string(i + 1) + " are the same");
    bounds.push_back(*bound);
  }
  return bounds;
}

}  // namespace logtally::rules
