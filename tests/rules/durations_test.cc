#include "rules/durations.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using namespace logtally::rules;
using logtally::metrics::Decimal;
using logtally::metrics::NumberError;
using logtally::metrics::parse_decimal;
using logtally::metrics::ParsedDecimal;

namespace {

// Compared as units of 10^-15, printed by hand: the test does not lean on the text of decimals.
bool same(Decimal a, std::string_view decimal) { return a == parse_decimal(decimal).value; }

}  // namespace

TEST_CASE("durations: quantities carry their unit") {
  struct Case {
    std::string_view in;
    Base base;
    std::string_view want;
  };
  const Case cases[] = {
      {"932ms", Base::seconds, "0.932"},
      {"1.5s", Base::seconds, "1.5"},
      {"1.5 s", Base::seconds, "1.5"},
      {" 12us ", Base::seconds, "0.000012"},
      {"12\u00b5s", Base::seconds, "0.000012"},
      {"12\u03bcs", Base::seconds, "0.000012"},
      {"7ns", Base::seconds, "0.000000007"},
      {"1m30s", Base::seconds, "90"},
      {"1m 30s", Base::seconds, "90"},
      {"1h2m3.5s", Base::seconds, "3723.5"},
      {"2min", Base::seconds, "120"},
      {"1d", Base::seconds, "86400"},
      {"-1m30s", Base::seconds, "-90"},
      {"+5ms", Base::seconds, "0.005"},
      {".5s", Base::seconds, "0.5"},
      {"1.5e3ms", Base::seconds, "1.5"},
      {"6.8e-05", Base::seconds, "0.000068"},
      {"42", Base::seconds, "42"},
      {"42", Base::none, "42"},
      {"12KiB", Base::bytes, "12288"},
      {"12 KiB", Base::bytes, "12288"},
      {"12kB", Base::bytes, "12000"},
      {"12KB", Base::bytes, "12000"},
      {"1.5MB", Base::bytes, "1500000"},
      {"3GB", Base::bytes, "3000000000"},
      {"3TiB", Base::bytes, "3298534883328"},
      {"17B", Base::bytes, "17"},
      {"22.5%", Base::ratio, "0.225"},
      {"22.5 percent", Base::ratio, "0.225"},
      {"0.5", Base::ratio, "0.5"},
      {"130 cents", Base::usd, "1.3"},
      {"0.13usd", Base::usd, "0.13"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    const ParsedDecimal parsed = parse_quantity(c.in, c.base);
    CHECK(parsed.error == NumberError::none);
    CHECK(same(parsed.value, c.want));
  }
}

TEST_CASE("durations: what is no quantity of the base is refused") {
  struct Case {
    std::string_view in;
    Base base;
    NumberError want;
  };
  const Case cases[] = {
      {"", Base::seconds, NumberError::not_a_number},
      {" ", Base::seconds, NumberError::not_a_number},
      {"ms", Base::seconds, NumberError::not_a_number},
      {"-", Base::seconds, NumberError::not_a_number},
      {"12 parsecs", Base::seconds, NumberError::not_a_number},
      {"12MS", Base::seconds, NumberError::not_a_number},
      {"12KiB", Base::seconds, NumberError::not_a_number},
      {"12ms", Base::bytes, NumberError::not_a_number},
      {"12ms", Base::none, NumberError::not_a_number},
      {"1m30", Base::seconds, NumberError::not_a_number},
      {"1 30s", Base::seconds, NumberError::not_a_number},
      {"1KiB 1B", Base::bytes, NumberError::not_a_number},
      {"1.2.3s", Base::seconds, NumberError::not_a_number},
      {"1-2s", Base::seconds, NumberError::not_a_number},
      {"--1s", Base::seconds, NumberError::not_a_number},
      {".s", Base::seconds, NumberError::not_a_number},
      {"NaN", Base::seconds, NumberError::not_finite},
      {"-inf", Base::seconds, NumberError::not_finite},
      {"1e30s", Base::seconds, NumberError::over_limit},
      {"1e21h", Base::seconds, NumberError::over_limit},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    CHECK(parse_quantity(c.in, c.base).error == c.want);
  }
}

TEST_CASE("durations: a unit says what a plain number is in") {
  REQUIRE(find_unit("ms"));
  CHECK(*find_unit("ms") == Unit{Base::seconds, -3, 1});
  CHECK(*find_unit("min") == *find_unit("m"));
  CHECK(find_unit("%")->base == Base::ratio);
  CHECK_FALSE(find_unit(""));
  CHECK_FALSE(find_unit("Ms"));
  CHECK_FALSE(find_unit("parsec"));

  CHECK(same(parse_in_unit("1834", *find_unit("ms")).value, "1.834"));
  CHECK(same(parse_in_unit("1.5", *find_unit("h")).value, "5400"));
  CHECK(parse_in_unit("1834ms", *find_unit("ms")).error == NumberError::not_a_number);
}

TEST_CASE("durations: a metric's name promises its base unit") {
  CHECK(base_of_metric("aria_llm_request_duration_seconds") == Base::seconds);
  CHECK(base_of_metric("aria_x_cost_usd_total") == Base::usd);
  CHECK(base_of_metric("x_bytes") == Base::bytes);
  CHECK(base_of_metric("x_bytes_total") == Base::bytes);
  CHECK(base_of_metric("x_hit_ratio") == Base::ratio);
  CHECK(base_of_metric("x_total") == Base::none);
  CHECK(base_of_metric("x_seconds_y") == Base::none);
  CHECK(base_name(Base::seconds) == "seconds");
}

TEST_CASE("durations: how long something lasts, in nanoseconds") {
  struct Case {
    std::string_view in;
    std::optional<std::int64_t> want;
  };
  constexpr std::int64_t kSecond = 1'000'000'000;
  const Case cases[] = {
      {"24h", 86'400 * kSecond},
      {"8760h", 31'536'000 * kSecond},
      {"60s", 60 * kSecond},
      {"1m30s", 90 * kSecond},
      {"300", 300 * kSecond},
      {"0.5", kSecond / 2},
      {"250ms", kSecond / 4},
      {"0", 0},
      {"1ns", 1},
      {"0.4ns", 0},
      {"0.5ns", 1},
      {"106751d", 106'751 * (86'400 * kSecond)},
      {"106752d", std::nullopt},
      {"-1s", std::nullopt},
      {"12KiB", std::nullopt},
      {"soon", std::nullopt},
      {"NaN", std::nullopt},
      {"inf", std::nullopt},
      {"", std::nullopt},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    CHECK(parse_duration_ns(c.in) == c.want);
  }
}
