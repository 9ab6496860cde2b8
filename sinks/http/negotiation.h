// What a client would like to get, from its Accept and Accept-Encoding (RFC 9110 §12.5). A header
// that is missing, malformed or wants what we do not have never makes a scrape fail: it gets the
// text format, and plain.
#pragma once

#include <cstdint>
#include <string_view>

namespace logtally::http {

enum class MetricsFormat : std::uint8_t { text, openmetrics };  // 0.0.4; OpenMetrics 1.0

// OpenMetrics for who names it (`application/openmetrics-text`, version 1.0.0 or none) and likes
// the text format no better; wildcards are the text format. Prometheus' own headers:
//   2.x
//   application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,
//        text/plain;version=0.0.4;q=0.5,*/*;q=0.1
//   3.x  application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6, … ,*/*;q=0.2
// Other parameters do not matter: our names are the same in every escaping scheme.
MetricsFormat preferred_format(std::string_view accept);

// gzip, unless it has a q of 0 or one below identity's.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace logtally::http
