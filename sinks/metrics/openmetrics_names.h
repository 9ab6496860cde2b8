// What a family is called in OpenMetrics, where the name is not that of the samples: a counter
// `x_total` is the family `x`, a gauge `x_info` that is always 1 the info `x`.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace logtally::metrics {

enum class ExposedType : std::uint8_t { counter, gauge, histogram, summary, info, unknown };

// A family as the text format 0.0.4 has it.
struct NamedFamily {
  std::string_view name;
  ExposedType type = ExposedType::unknown;
  bool always_one = false;  // a gauge whose samples are all 1
};

struct OpenMetricsName {
  std::string_view family;  // a prefix of NamedFamily::name
  ExposedType type = ExposedType::unknown;
  std::string_view unit{};  // empty: none
};

// By the same index. The names of samples never change: a dashboard sees the same series whichever
// format Prometheus asks for. So what cannot be had under OpenMetrics' rules without another name
// is `unknown` there: a counter whose name does not end in `_total`, or one (or an info) whose
// shortened name would clash with another family's.
std::vector<OpenMetricsName> openmetrics_names(std::span<const NamedFamily> families);

}  // namespace logtally::metrics
