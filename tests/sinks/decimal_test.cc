#include "sinks/metrics/decimal.h"

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include <catch2/catch.hpp>

namespace logtally::metrics {
namespace {

std::string shown(ParsedDecimal parsed) {
  switch (parsed.error) {
    case NumberError::none:
      return to_string(parsed.value);
    case NumberError::not_a_number:
      return "not_a_number";
    case NumberError::not_finite:
      return "not_finite";
    case NumberError::over_limit:
      return "over_limit";
  }
  return "?";
}

Decimal number(const std::string& text) {
  const ParsedDecimal parsed = parse_decimal(text);
  REQUIRE(parsed.error == NumberError::none);
  return parsed.value;
}

}  // namespace

TEST_CASE("decimal: reads what engines write as numbers") {
  struct Case {
    const char* text;
    int shift;
    const char* want;
  };
  const Case cases[] = {
      {"0", 0, "0"},
      {"-0", 0, "0"},
      {"12", 0, "12"},
      {"+12", 0, "12"},
      {"-3.5", 0, "-3.5"},
      {".5", 0, "0.5"},
      {"5.", 0, "5"},
      {"33.99", 0, "33.99"},
      {"6.8e-05", 0, "6.8e-05"},
      {"1.e2", 0, "100"},
      {"1E3", 0, "1000"},
      {"1500", -3, "1.5"},
      {"73.09", -3, "0.07309"},
      {"1e-05", -3, "1e-08"},
      {"18446744073709551615", 0, "18446744073709551615"},
      {"9007199254740993", 0, "9007199254740993"},
      {"123456789012345678901", 0, "123456789012345678901"},
      {"0000000000000000000000000000000000000000007", 0, "7"},
      {"6.826400000000001e-05", 0, "6.8264e-05"},
      {"0.0000000000000004", 0, "0"},
      {"0.0000000000000005", 0, "1e-15"},
      {"-0.0000000000000005", 0, "-1e-15"},
      {"1e-400", 0, "0"},
      {"9999999999999999999999", 0, "9999999999999999999999"},
      {"10000000000000000000000", 0, "over_limit"},
      {"123456789012345678901234567890", 0, "over_limit"},
      {"1e400", 0, "over_limit"},
      {"1e99999999999999999999", 0, "over_limit"},
      {"NaN", 0, "not_finite"},
      {"-Infinity", 0, "not_finite"},
      {"inf", 0, "not_finite"},
      {"", 0, "not_a_number"},
      {"-", 0, "not_a_number"},
      {".", 0, "not_a_number"},
      {"1e", 0, "not_a_number"},
      {"1e+", 0, "not_a_number"},
      {"12x", 0, "not_a_number"},
      {" 12", 0, "not_a_number"},
      {"1_000", 0, "not_a_number"},
      {"0x10", 0, "not_a_number"},
      {"not a number", 0, "not_a_number"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text, c.shift);
    CHECK(shown(parse_decimal(c.text, c.shift)) == c.want);
  }
}

TEST_CASE("decimal: a sum does not depend on the order of its terms") {
  std::mt19937_64 random(7);
  Decimal forward;
  Decimal backward;
  std::vector<Decimal> terms;
  for (int i = 0; i < 10'000; ++i)
    terms.push_back(
        number(std::to_string(random() % 1'000'000) + "." + std::to_string(random() % 100'000)));
  for (std::size_t i = 0; i < terms.size(); ++i) {
    forward += terms[i];
    backward += terms[terms.size() - 1 - i];
  }
  CHECK(forward == backward);
}

TEST_CASE("decimal: prints the shortest text that reads back as the same double") {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = std::to_string(random() % 10'000'000'000'000ULL) + "." +
                             std::to_string(random() % 1'000'000'000'000'000ULL);
    CAPTURE(text);
    const Decimal value = number(text);
    const std::string printed = to_string(value);
    CHECK(std::strtod(printed.c_str(), nullptr) == value.to_double());
    if (text.find('.') < 5)
      CHECK(value.to_double() == Approx(std::strtod(text.c_str(), nullptr)).epsilon(1e-15));
  }
}

TEST_CASE("decimal: to_double rounds correctly where the value has more digits than a double") {
  for (const char* text : {"9007199254740993.5", "123456789012345.678901234567",
                           "1.000000000000001", "-98765432109876543210.5"}) {
    CAPTURE(text);
    CHECK(number(text).to_double() == std::strtod(text, nullptr));
  }
}

TEST_CASE("decimal: multiplies and divides exactly, then rounds half away from zero") {
  struct Case {
    const char* a;
    char operation;
    const char* b;
    const char* want;
  };
  const Case cases[] = {
      {"1.5", '*', "2", "3"},
      {"-1.5", '*', "2", "-3"},
      {"0.1", '*', "0.1", "0.01"},
      {"1e-8", '*', "1e-8", "0"},
      {"3e-8", '*', "5e-8", "2e-15"},
      {"99999999999", '*', "99999999999", "9999999999800000000001"},
      {"1e12", '*', "1e12", "over_limit"},
      {"1", '/', "3", "0.333333333333333"},
      {"2", '/', "3", "0.666666666666667"},
      {"-2", '/', "3", "-0.666666666666667"},
      {"2.5", '/', "2.5", "1"},
      {"1e21", '/', "1e-15", "over_limit"},
      {"1", '/', "0", "not_finite"},
      {"0", '/', "0", "not_finite"},
      {"7", '%', "3", "1"},
      {"-7", '%', "3", "-1"},
      {"7.5", '%', "2", "1.5"},
      {"1", '%', "0", "not_finite"},
      {"1e21", '/', "1e21", "1"},
      {"22.5", '/', "100", "0.225"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.a, c.operation, c.b);
    const Decimal a = number(c.a);
    const Decimal b = number(c.b);
    CHECK(shown(c.operation == '*'   ? multiply(a, b)
                : c.operation == '/' ? divide(a, b)
                                     : remainder(a, b)) == c.want);
  }
}

}  // namespace logtally::metrics
