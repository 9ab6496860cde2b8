#include "sinks/metrics/delta.h"

#include <string>

#include <catch2/catch.hpp>

#include "sinks/metrics/registry.h"

namespace logtally::metrics {
namespace {

FamilySpec family(std::string name, MetricType type, std::vector<std::string> labels = {}) {
  return {.name = std::move(name),
          .help = "h",
          .type = type,
          .labels = std::move(labels),
          .buckets = {},
          .min = {}};
}

Decimal n(std::int64_t whole) { return Decimal::of(whole); }

}  // namespace

TEST_CASE("delta: the same label values are the same series") {
  Delta delta({family("a", MetricType::counter, {"x", "y"})});
  for (int i = 0; i < 1000; ++i) {
    const std::string x = std::to_string(i % 10);
    const std::string y = std::to_string(i % 7);
    const std::string_view values[] = {x, y};
    CHECK(delta.add(delta.series(0, values), n(1)));
  }
  CHECK(delta.size() == 70);
  const std::string_view values[] = {"3", "3"};
  CHECK(delta.series(0, values).value == n(1000 / 70 + 1));
  const std::string_view glued[] = {"33", ""};
  CHECK(delta.series(0, glued).value == n(0));
}

TEST_CASE("delta: nothing is seen before it is published, and all of it after") {
  Delta delta({family("a", MetricType::counter), family("b", MetricType::gauge)});
  Registry registry(delta);
  delta.add(delta.series(0, {}), n(2));
  delta.set(delta.series(1, {}), n(5), {});
  CHECK(registry.snapshot()[0].series.empty());
  registry.publish(delta);
  CHECK(delta.touched().empty());
  CHECK(registry.snapshot()[0].series.at(0).value == n(2));
  CHECK(registry.snapshot()[1].series.at(0).value == n(5));
  delta.add(delta.series(0, {}), n(1));
  CHECK(registry.snapshot()[0].series.at(0).value == n(2));
}

TEST_CASE("delta: a histogram's bound is inside its bucket") {
  FamilySpec spec = family("h", MetricType::histogram);
  spec.buckets = {n(0), n(1), n(2)};
  Delta delta({spec});
  Series& h = delta.series(0, {});
  for (const int v : {-5, 0, 1, 2, 3}) CHECK(delta.observe(h, n(v)));
  CHECK(std::vector<std::uint64_t>(h.buckets, h.buckets + h.bucket_count) ==
        std::vector<std::uint64_t>{2, 1, 1, 1});
  CHECK(h.value == n(1));
}

TEST_CASE("delta: the later event wins a gauge, of the same instant the later line") {
  Delta delta({family("g", MetricType::gauge)});
  Series& g = delta.series(0, {});
  CHECK(delta.set(g, n(1), {.time_ns = 10, .generation = 1, .offset = 5}));
  CHECK_FALSE(delta.set(g, n(2), {.time_ns = 9, .generation = 1, .offset = 9}));
  CHECK(delta.set(g, n(3), {.time_ns = 10, .generation = 1, .offset = 6}));
  CHECK_FALSE(delta.set(g, n(4), {.time_ns = 10, .generation = 0, .offset = 9}));
  CHECK(g.value == n(3));
}

TEST_CASE("delta: a gauge with a minimum is raised to it") {
  FamilySpec spec = family("g", MetricType::gauge);
  spec.min = n(0);
  Delta delta({spec});
  Series& g = delta.series(0, {});
  delta.add(g, n(-3));
  CHECK(g.value == n(0));
  delta.add(g, n(1));
  CHECK(g.value == n(1));
  delta.set(g, n(-1), {});
  CHECK(g.value == n(0));
}

TEST_CASE("B2: a counter that is set follows the source's count, and a decrease is a reset") {
  Delta delta({family("c", MetricType::counter)});
  Series& c = delta.series(0, {});
  for (const int count : {10, 12, 12, 3, 4}) CHECK(delta.set_count(c, n(count)));
  CHECK(c.value == n(12 + 4));
}

TEST_CASE("delta: a sum that leaves the range is refused and changes nothing") {
  Delta delta({family("c", MetricType::counter)});
  Series& c = delta.series(0, {});
  const Decimal large = parse_decimal("9e21").value;
  CHECK(delta.add(c, large));
  CHECK_FALSE(delta.add(c, large));
  CHECK(c.value == large);
}

TEST_CASE("delta: label values are made fit for the exposition") {
  struct Case {
    std::string raw;
    std::string want;
  };
  const Case cases[] = {
      {"plain", "plain"},
      {"caf\xC3\xA9", "caf\xC3\xA9"},
      {"bad\xFFmid", "bad\xEF\xBF\xBDmid"},
      {std::string("nul\0byte", 8), "nulbyte"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                                  // overlong
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},                  // a surrogate
      {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // above U+10FFFF
      {"cut short \xE2\x82", "cut short \xEF\xBF\xBD\xEF\xBF\xBD"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.raw);
    bool cut = true;
    CHECK(fit_label_value(c.raw, cut) == c.want);
    CHECK_FALSE(cut);
  }
}

TEST_CASE("B10: a label value over 256 bytes is cut on a code point and stays distinct by a hash") {
  Delta delta({family("c", MetricType::counter, {"x"})});
  std::string a;
  for (int i = 0; i < 100; ++i) a += "\xE2\x82\xAC";  // 300 bytes of the euro sign
  const std::string b = a + "!";
  for (const std::string& value : {a, b, a}) {
    const std::string_view values[] = {value};
    delta.add(delta.series(0, values), n(1));
  }
  CHECK(delta.size() == 2);
  CHECK(delta.labels_cut(0) == 3);
  bool cut = false;
  const std::string fitted = fit_label_value(a, cut);
  CHECK(cut);
  CHECK(fitted.size() <= 256);
  CHECK(fitted.substr(0, 243) == a.substr(0, 243));
  CHECK(fitted.substr(243, 3) == "\xE2\x80\xA6");
  CHECK(fit_label_value(std::string(256, 'x'), cut).size() == 256);
  CHECK_FALSE(cut);
}

TEST_CASE(
    "delta: what is beyond the limit of series is counted by the one whose labels are other") {
  Delta delta(
      {family("a", MetricType::counter, {"x", "y"}), family("b", MetricType::counter, {"x"})});
  delta.limit({.family = 10, .all = 12});
  for (int i = 0; i < 100; ++i) {
    const std::string x = std::to_string(i);
    const std::string_view values[] = {x, "y"};
    CHECK(delta.add(delta.series(0, values), n(1)));
  }
  CHECK(delta.size(0) == 11);
  CHECK(delta.overflowed(0) == 90);
  const std::string_view other[] = {"other", "other"};
  CHECK(delta.series(0, other).value == n(90));
  const std::string_view known[] = {"3", "y"};
  CHECK(delta.series(0, known).value == n(1));
  for (const char* x : {"1", "2", "3", "4"}) {  // of all series there may be twelve
    const std::string_view values[] = {x};
    delta.add(delta.series(1, values), n(1));
  }
  CHECK(delta.size(1) == 3);  // two of them: the series of all others is besides the limits
  CHECK(delta.overflowed(1) == 2);
}

}  // namespace logtally::metrics
