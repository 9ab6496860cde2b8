// Exposition: the page that a scrape gets, in the Prometheus text format 0.0.4 or in OpenMetrics
// 1.0.
//
// Our own writer, because one bad byte makes Prometheus drop a whole scrape: HELP and label values
// are escaped and valid UTF-8 whatever comes in, numbers are the shortest that read back the same,
// in any locale, +Inf always equals the count, and no line carries a timestamp (a sample stamped
// with a log line's time goes stale between two lines).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>

#include "sinks/metrics/registry.h"

namespace logtally::metrics {

inline constexpr std::string_view kTextContentType = "text/plain; version=0.0.4; charset=utf-8";

// Appends one page: `counted` (the rules' families) and `own` (a prometheus-cpp registry's) merged
// and sorted by family name, series by label values, labels by name. A family without series has
// HELP and TYPE only. Of two families of the same name the first is printed, `own` before
// `counted`: a page with a name twice would be refused as a whole.
void append_text(std::string& out, std::span<const FamilySnapshot> counted,
                 std::vector<prometheus::MetricFamily> own = {});

// Whether a page shows, besides each counter and histogram of a rule, the time since when it counts
// (`x_created`). Prometheus 2 stores that as a series of its own.
enum class Created : std::uint8_t { hidden, shown };

inline constexpr std::string_view kOpenMetricsContentType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// The same as an OpenMetrics page, `# EOF` at its end. Samples have the names and values that they
// have in the text format, but for what OpenMetrics forbids: `_sum` and `_count` of a histogram
// with negative bounds or a negative sum. Families are named and typed by openmetrics_names();
// bounds are floats (`le="1.0"`); counters and buckets carry their exemplars.
void append_openmetrics(std::string& out, std::span<const FamilySnapshot> counted,
                        std::vector<prometheus::MetricFamily> own = {},
                        Created created = Created::hidden);

}  // namespace logtally::metrics
