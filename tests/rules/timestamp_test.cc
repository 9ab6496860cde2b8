#include "rules/timestamp.h"

#include <ctime>
#include <string>
#include <string_view>
#include <variant>

#include <catch2/catch.hpp>

using namespace logtally::rules;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t k20261121 = 1'795'295'040;  // 2026-11-21 21:04:00 UTC

struct Good {
  std::string_view in;
  std::int64_t want;
};

TimeLayout layout(std::string_view text, std::string_view zone = {}) {
  auto compiled = TimeLayout::compile(text, zone);
  REQUIRE(std::holds_alternative<TimeLayout>(compiled));
  return std::get<TimeLayout>(std::move(compiled));
}

}  // namespace

TEST_CASE("timestamp: reads what engines write") {
  const Good cases[] = {
      {"2026-11-21 21:04:00", k20261121 * kSecond},
      {"2026-11-21T21:04:00Z", k20261121 * kSecond},
      {"2026-11-21t21:04:00z", k20261121 * kSecond},
      {"2026-11-21 21:04:00,259", k20261121 * kSecond + 259'000'000},
      {"2026-11-21T21:04:00.446169", k20261121 * kSecond + 446'169'000},
      {"2026-11-21T21:04:00.446169Z", k20261121 * kSecond + 446'169'000},
      {"2026-11-21T21:04:00.123456789Z", k20261121 * kSecond + 123'456'789},
      {"2026-11-21T21:04:00.5+00:00", k20261121 * kSecond + 500'000'000},
      {"2026-11-21T23:04:00+02:00", k20261121 * kSecond},
      {"2026-11-21T23:04:00+0200", k20261121 * kSecond},
      {"2026-11-21T23:04:00+02", k20261121 * kSecond},
      {"2026-11-21T15:34:00-05:30", k20261121 * kSecond},
      {"1970-01-01T00:00:00Z", 0},
      {"2000-02-29 00:00:00", 951'782'400 * kSecond},
      {"2024-02-29 23:59:59", 1'709'251'199 * kSecond},
      {"2016-12-31T23:59:60Z", 1'483'228'799 * kSecond + 999'999'999},
      {"2261-12-31T23:59:59.999999999Z", 9'214'646'399 * kSecond + 999'999'999},
      {"0", 0},
      {"1795295040", k20261121 * kSecond},
      {"1795295040123", k20261121 * kSecond + 123'000'000},
      {"1795295040123456", k20261121 * kSecond + 123'456'000},
      {"1795295040123456789", k20261121 * kSecond + 123'456'789},
      {"1795295040.5", k20261121 * kSecond + 500'000'000},
      {"1795295040.1234567891234", k20261121 * kSecond + 123'456'789},
  };
  for (const Good& c : cases) {
    CAPTURE(c.in);
    const auto ns = parse_timestamp(c.in);
    REQUIRE(ns);
    CHECK(*ns == c.want);
    const std::string followed = std::string(c.in) + " [x] INFO";
    const auto prefix = parse_timestamp_prefix(followed);
    if (c.in.size() > 1) {
      REQUIRE(prefix);
      CHECK(prefix->length == c.in.size());
      CHECK(prefix->ns == c.want);
    }
  }
}

TEST_CASE("timestamp: refuses what is none") {
  const std::string_view cases[] = {
      "",
      "now",
      "-1",
      "2026-11-21",
      "2026-11-21 21:04",
      "2026-11-21 21:04:0",
      "2026-11-21_21:04:00",
      "2026-11-21 21:04:00 ",
      " 2026-11-21 21:04:00",
      "2026-11-21 21:04:00.",
      "2026-11-21 21:04:00.1234567890",
      "2026-11-21 21:04:00.12x",
      "2026-11-21 21:04:00+2",
      "2026-11-21 21:04:00+24:00",
      "2026-11-21 21:04:00+02:60",
      "2026-11-21 21:04:00+020",
      "2026-11-21 21:04:00ZZ",
      "2026-11-21 24:00:00",
      "2026-11-21 21:60:00",
      "2026-11-21 21:04:61",
      "2026-13-21 21:04:00",
      "2026-00-21 21:04:00",
      "2026-11-31 21:04:00",
      "2026-11-00 21:04:00",
      "2026-02-29 21:04:00",
      "2100-02-29 21:04:00",
      "1969-12-31 23:59:59",
      "1970-01-01 00:00:00+01:00",
      "2262-01-01 00:00:00",
      "2026/11/21 21:04:00",
      "2026-1a-21 21:04:00",
      "17952950401234567890",
      "99999999999",
      "1795295040e3",
      "1795295040.",
      "0x10",
  };
  for (const std::string_view in : cases) {
    CAPTURE(in);
    CHECK_FALSE(parse_timestamp(in));
  }
}

TEST_CASE("timestamp: the longest prefix, and nothing of what follows") {
  struct Case {
    std::string_view in;
    std::size_t want;  // 0: none
  };
  const Case cases[] = {
      {"2026-11-21 21:04:00 [x] INFO y", 19},
      {"2026-11-21 21:04:00", 19},
      {"2026-11-21 21:04:00: x", 19},
      {"2026-11-21 21:04:00, x", 19},
      {"2026-11-21 21:04:00. x", 19},
      {"2026-11-21 21:04:00 - x", 19},
      {"2026-11-21 21:04:00-x", 19},
      {"2026-11-21 21:04:00-5 x", 19},
      {"2026-11-21 21:04:00-05 x", 22},
      {"2026-11-21 21:04:00-05: x", 22},
      {"2026-11-21 21:04:00-05:30] x", 25},
      {"2026-11-21 21:04:00,123] x", 23},
      {"2026-11-21T21:04:00.123456Z x", 27},
      {"2026-11-21T21:04:00Zulu x", 19},
      {"2026-11-21 21:04:001 x", 0},
      {"2026-11-41 21:04:00 x", 0},
      {"1795295040 x", 10},
      {"1795295040.25 x", 13},
      {"1795295040, x", 10},
      {"1795295040abc x", 0},
      {"12345678 x", 0},
      {"Traceback (most recent call last):", 0},
      {"", 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    const auto prefix = parse_timestamp_prefix(c.in);
    CHECK((prefix ? prefix->length : 0) == c.want);
  }
}

TEST_CASE("timestamp: agrees with the C library on every day of its years") {
  for (std::int64_t day = 0; day < 106'650; ++day) {
    const std::time_t seconds = day * 86'400 + (day * 7'919) % 86'400;
    std::tm tm{};
    gmtime_r(&seconds, &tm);
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (parse_timestamp(text) != seconds * kSecond) FAIL(text);
  }
}

TEST_CASE("timestamp: layouts") {
  struct Case {
    std::string_view layout;
    std::string_view zone;
    std::string_view in;
    std::int64_t want;
  };
  const std::int64_t want = k20261121 * kSecond;
  const Case cases[] = {
      {"%d/%b/%Y:%H:%M:%S", "UTC", "21/Nov/2026:21:04:00", want},
      {"%d/%b/%Y:%H:%M:%S", "+02:00", "21/Nov/2026:23:04:00", want},
      {"%d/%b/%Y:%H:%M:%S %z", "+02:00", "21/Nov/2026:16:04:00 -0500", want},
      {"%d/%b/%Y:%H:%M:%S %Z", "", "21/Nov/2026:21:04:00 GMT", want},
      {"%F %T", "", "2026-11-21 21:04:00.25", want + 250'000'000},
      {"%F %T,%f", "", "2026-11-21 21:04:00,250", want + 250'000'000},
      {"%F %T.%f", "", "2026-11-21 21:04:00.000001", want + 1'000},
      {"%D %I:%M:%S %p", "", "11/21/26 09:04:00 PM", want},
      {"%D %I:%M:%S %p", "", "11/21/26 12:04:00 am", want - 21 * 3'600 * kSecond},
      {"%D %I:%M:%S %p", "", "11/21/26 12:04:00 pm", want - 9 * 3'600 * kSecond},
      {"%Y.%j %H:%M:%S", "", "2026.325 21:04:00", want},
      {"%a %b %e %H:%M:%S %Y", "", "Sat Nov 21 21:04:00 2026", want},
      {"%b %e %Y %T", "", "nov  1 2026 21:04:00", want - 20 * 86'400 * kSecond},
      {"%Y-%m-%d", "", "2026-11-21", want - (21 * 3'600 + 240) * kSecond},
      {"100%% %F", "", "100% 2026-11-21", want - (21 * 3'600 + 240) * kSecond},
  };
  for (const Case& c : cases) {
    CAPTURE(c.layout, c.in);
    const auto ns = layout(c.layout, c.zone).parse(c.in);
    REQUIRE(ns);
    CHECK(*ns == c.want);
  }

  const TimeLayout access = layout("%d/%b/%Y:%H:%M:%S");
  for (const std::string_view in :
       {"", "21/Nov/2026:21:04", "31/Nov/2026:21:04:00", "21/Foo/2026:21:04:00", "21/No",
        "21/Nov/2026:21:04:00x", "21/Nov/1969:21:04:00", "21/Nov/2026:25:04:00",
        "x21/Nov/2026:21:04:00"}) {
    CAPTURE(in);
    CHECK_FALSE(access.parse(in));
  }
  REQUIRE(access.parse_prefix("21/Nov/2026:21:04:00] GET"));
  CHECK(access.parse_prefix("21/Nov/2026:21:04:00] GET")->length == 20);
  CHECK_FALSE(layout("%Y.%j").parse("2026.366"));
  CHECK(layout("%Y.%j").parse("2024.366"));
}

TEST_CASE("timestamp: a bad layout is refused at its column") {
  struct Case {
    std::string_view layout;
    std::string_view zone;
    LayoutFault::Where where;
    std::size_t offset;
    std::size_t length;
  };
  using Where = LayoutFault::Where;
  const Case cases[] = {
      {"%Y-%m-%d %q", "", Where::layout, 9, 2},
      {"%Y-%m-%d %", "", Where::layout, 9, 1},
      {"%H:%M:%S", "", Where::layout, 0, 8},
      {"%Y %d", "", Where::layout, 0, 5},
      {"", "", Where::layout, 0, 0},
      {"%F %I:%M", "", Where::layout, 0, 8},
      {"%F", "Europe/Berlin", Where::zone, 0, 13},
      {"%F", "+2", Where::zone, 0, 2},
      {"%F", "+02:00x", Where::zone, 0, 7},
  };
  for (const Case& c : cases) {
    CAPTURE(c.layout, c.zone);
    const auto compiled = TimeLayout::compile(c.layout, c.zone);
    REQUIRE(std::holds_alternative<LayoutFault>(compiled));
    const LayoutFault& fault = std::get<LayoutFault>(compiled);
    CHECK(fault.where == c.where);
    CHECK(fault.offset == c.offset);
    CHECK(fault.length == c.length);
    CHECK_FALSE(fault.text.empty());
  }
}
