// What a metric is: declared once, by a rule file or by the program itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sinks/metrics/decimal.h"

namespace logtally::metrics {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

struct FamilySpec {
  std::string name;
  std::string help;
  MetricType type = MetricType::counter;
  std::vector<std::string> labels{};  // names, as declared; the exposition sorts them
  std::vector<Decimal> buckets{};     // histograms: upper bounds, strictly increasing, without +Inf
  std::optional<Decimal> min{};       // gauges: values below are raised to it
  std::uint32_t max_series = 0;       // 0: SeriesLimits::family
  std::int64_t ttl_ns = 0;  // event time after which an untouched series leaves the page; 0: never
  std::vector<std::string> aliases{};  // further names under which the same series are exposed

  bool operator==(const FamilySpec&) const = default;
};

// Whether series of the one are series of the other: name, type, labels in whatever order, buckets.
bool same_series(const FamilySpec& a, const FamilySpec& b);

}  // namespace logtally::metrics
