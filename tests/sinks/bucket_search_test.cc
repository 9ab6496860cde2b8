#include "sinks/metrics/bucket_search.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace logtally::metrics {
namespace {

Decimal decimal(const std::string& text) {
  const ParsedDecimal parsed = parse_decimal(text);
  REQUIRE(parsed.error == NumberError::none);
  return parsed.value;
}

std::size_t counted_one_by_one(const std::vector<Decimal>& bounds, Decimal value) {
  std::size_t below = 0;
  while (below < bounds.size() && value > bounds[below]) ++below;
  return below;
}

}  // namespace

TEST_CASE("bucket search: at every bound, a unit beside it and far away, the bucket is right") {
  const std::vector<std::vector<std::string>> layouts = {
      {},
      {"0"},
      {"5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000"},
      {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"},
      {"-10", "-0.5", "0", "0.5", "10"},
      {"1e-15", "1"},        // every unit matters
      {"1e-15", "1000000"},  // and they do not fit 64 bits
      {"1", "1e6", "1e12", "1e18", "9e21"},
      {"0.001", "1e21"},
  };
  for (const std::vector<std::string>& layout : layouts) {
    std::vector<Decimal> bounds;
    for (const std::string& bound : layout) bounds.push_back(decimal(bound));
    const BucketSearch search(bounds);
    std::vector<Decimal> values = {decimal("0"), decimal("-9.9e21"), decimal("9.9e21"),
                                   decimal("-1e-15")};
    for (const Decimal& bound : bounds) {
      for (const int units : {-32769, -32768, -1, 0, 1, 32767, 32768, 32769})
        values.push_back(Decimal::from_units(bound.units() + units));
    }
    for (const Decimal& value : values) {
      CAPTURE(layout, to_string(value));
      CHECK(search.find(value) == counted_one_by_one(bounds, value));
    }
  }
}

TEST_CASE("bucket search: random bounds and values, few bounds and many") {
  std::mt19937_64 random(20261122);
  for (int round = 0; round < 2'000; ++round) {
    const auto number = [&] {
      const auto units = static_cast<int128>(random()) * static_cast<std::int64_t>(random());
      const int shift = static_cast<int>(random() % 127);
      return Decimal::from_units(units >> shift << (random() % 40) >> 4);
    };
    std::vector<Decimal> bounds(random() % 50);
    for (Decimal& bound : bounds) bound = number();
    std::erase_if(bounds, [](const Decimal& bound) { return !bound.in_range(); });
    std::sort(bounds.begin(), bounds.end());
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    const BucketSearch search(bounds);
    for (int i = 0; i < 50; ++i) {
      Decimal value = number();
      if (!bounds.empty() && i % 2 == 0) value = bounds[random() % bounds.size()];
      if (!value.in_range()) continue;
      if (search.find(value) != counted_one_by_one(bounds, value))
        FAIL(to_string(value) << " in round " << round);
    }
  }
}

}  // namespace logtally::metrics
