#include "sinks/http/negotiation.h"

#include <string_view>

#include <catch2/catch.hpp>

namespace logtally::http {
namespace {

struct Case {
  std::string_view in;
  MetricsFormat want;
};
constexpr auto kText = MetricsFormat::text;
constexpr auto kOpenMetrics = MetricsFormat::openmetrics;

void check(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    CAPTURE(c.in);
    CHECK((preferred_format(c.in) == c.want));
  }
}

}  // namespace

TEST_CASE("negotiation: what Prometheus sends gets what it likes best") {
  check({
      // 2.5 to 2.48
      {"application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       kText},
      {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
       "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       kOpenMetrics},
      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
       "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0."
       "1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
       kOpenMetrics},
      // 2.49 on: scrape_protocols
      {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0."
       "1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
       kOpenMetrics},
      {"text/plain;version=0.0.4;q=0.5,*/*;q=0.4", kText},
      {"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.3",
       kText},
      // 3.x
      {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/"
       "openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
       "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
       kOpenMetrics},
      {"application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,application/"
       "openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=underscores;q=0.3,"
       "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
       kOpenMetrics},
      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
       "q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/"
       "openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
       "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
       kOpenMetrics},
      {"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.5", kText},
  });
}

TEST_CASE("negotiation: people, probes and malformed headers get the text format") {
  check({
      {"", kText},
      {"*/*", kText},
      {"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", kText},
      {"application/json", kText},
      {"application/*", kText},
      {",;,=;q", kText},
      {"application/openmetrics-text;q=x", kText},
      {"application/openmetrics-text;q=", kText},
      {"application/openmetrics-text;q=nan", kText},
      {"application/openmetrics-text;q=-1", kText},
      {"application/openmetrics-text;q=1.1", kText},
      {"application/openmetrics-text;q=2", kText},
      {"application/openmetrics-text;q=0", kText},
      {"application/openmetrics-text;version=1.0.0;q=0.000", kText},
      {"application/openmetrics-text;version=0.0.1", kText},
      {"application/openmetrics-text;version=2.0.0, */*;q=0.1", kText},
      {"application/openmetrics-textual", kText},
      {"\"application/openmetrics-text,\"", kText},
  });
}

TEST_CASE("negotiation: the most specific element counts, of equals OpenMetrics") {
  check({
      {"application/openmetrics-text", kOpenMetrics},
      {"Application/OpenMetrics-Text ; Version = \"1.0.0\" ; Q=0.1", kOpenMetrics},
      {"application/openmetrics-text;version=1.0.0;charset=\"a,b;q=0\"", kOpenMetrics},
      {"text/plain, application/openmetrics-text", kOpenMetrics},
      {"*/*, application/openmetrics-text", kOpenMetrics},
      {"text/plain;q=0.9, application/openmetrics-text;q=0.8", kText},
      {"text/plain;q=0.9, text/plain;version=0.0.4;q=0.1, application/openmetrics-text;q=0.8",
       kOpenMetrics},
      {"text/*;q=0.3, */*, application/openmetrics-text;q=0.4", kOpenMetrics},
      {"application/openmetrics-text, application/openmetrics-text;version=1.0.0;q=0", kText},
      {"text/plain;q=0, application/openmetrics-text;q=0.001", kOpenMetrics},
      {"application/openmetrics-text;q=0.5, text/plain;q=0.5001", kOpenMetrics},
  });
}

TEST_CASE("http: Accept-Encoding is read with its q-values") {
  struct Encoding {
    std::string_view in;
    bool want;
  };
  const Encoding cases[] = {{"", false},
                            {"gzip", true},
                            {"GZip", true},
                            {"deflate, gzip;q=0.5", true},
                            {"gzip;q=0", false},
                            {"gzip;q=0.000, *", false},
                            {"gzip ; q=1", true},
                            {"*", true},
                            {"*;q=0", false},
                            {"identity", false},
                            {"gzippy", false},
                            {"gzip;q=x", false},
                            {"identity, gzip;q=0.5", false},
                            {"identity;q=0.5, gzip", true},
                            {"identity;q=0, gzip;q=0.1", true},
                            {"identity;q=0.5, *;q=0.4", false},
                            {"gzip;q=0.5, x-gzip;q=0", true},
                            {"br;q=1.0, gzip;level=9;Q=0.1", true},
                            {",,gzip,", true}};
  for (const Encoding& c : cases) {
    CAPTURE(c.in);
    CHECK(accepts_gzip(c.in) == c.want);
  }
}

}  // namespace logtally::http
