// Cases named C<n> are rows of the peers' conformance table, as far as the writer is concerned.
#include "sinks/metrics/exposition.h"

#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <prometheus/client_metric.h>
#include <prometheus/histogram.h>

#include "sinks/metrics/decimal.h"
#include "sinks/metrics/delta.h"
#include "sinks/metrics/own_metrics.h"

namespace logtally::metrics {
namespace {

using Labels = std::vector<std::string>;
using Counts = std::vector<std::uint64_t>;

Decimal dec(std::string_view text) { return parse_decimal(text).value; }

std::vector<Decimal> decs(std::initializer_list<std::string_view> texts) {
  std::vector<Decimal> all;
  for (const auto text : texts) all.push_back(dec(text));
  return all;
}

SeriesSnapshot series(Labels labels, Decimal value, Counts buckets = {}) {
  return SeriesSnapshot{.labels = std::make_shared<const Labels>(std::move(labels)),
                        .value = value,
                        .buckets = std::move(buckets)};
}

FamilySnapshot family(FamilySpec spec, std::vector<SeriesSnapshot> all = {}) {
  return FamilySnapshot{.spec = std::make_shared<const FamilySpec>(std::move(spec)),
                        .series = std::move(all)};
}

FamilySnapshot counter(std::string name, Labels labels, std::vector<SeriesSnapshot> all) {
  return family(FamilySpec{.name = std::move(name),
                           .help = "h",
                           .type = MetricType::counter,
                           .labels = std::move(labels)},
                std::move(all));
}

std::string text(const std::vector<FamilySnapshot>& counted,
                 std::vector<prometheus::MetricFamily> own = {}) {
  std::string out;
  append_text(out, counted, std::move(own));
  return out;
}

// The page of one histogram `h` without labels, after these observations.
std::string observed(std::vector<Decimal> bounds, const std::vector<Decimal>& values) {
  std::vector<FamilySpec> specs;
  specs.push_back(FamilySpec{
      .name = "h", .help = "h", .type = MetricType::histogram, .buckets = std::move(bounds)});
  Delta delta(std::move(specs));
  Registry registry(delta);
  Series& s = delta.series(0, {});
  for (const Decimal v : values) REQUIRE(delta.observe(s, v));
  registry.publish(delta);
  return text(registry.snapshot());
}

const std::string kHead = "# HELP h h\n# TYPE h histogram\n";

}  // namespace

TEST_CASE("C2: the usual bounds are written as shortest numbers") {
  const auto page = observed(
      decs({"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"}),
      decs({"20"}));
  for (const char* le :
       {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"}) {
    CAPTURE(le);
    CHECK(page.find("h_bucket{le=\"" + std::string(le) + "\"} 0\n") != std::string::npos);
  }
  CHECK(page.find("h_bucket{le=\"+Inf\"} 1\nh_sum 20\nh_count 1\n") != std::string::npos);
}

TEST_CASE("C6: a histogram's buckets are cumulative, then sum and count") {
  CHECK(observed(decs({"1", "2.1", "3"}), decs({"0.4", "2.0", "1.75", "2.6", "2.25", "2.5"})) ==
        kHead +
            "h_bucket{le=\"1\"} 1\nh_bucket{le=\"2.1\"} 3\nh_bucket{le=\"3\"} 6\n"
            "h_bucket{le=\"+Inf\"} 6\nh_sum 11.5\nh_count 6\n");
}

TEST_CASE("C7: bounds that end with +Inf give exactly one +Inf line") {
  prometheus::Histogram h({1, 2, std::numeric_limits<double>::infinity()});
  h.Observe(1.5);
  h.Observe(7);
  prometheus::MetricFamily f{"h", "h", prometheus::MetricType::Histogram, {h.Collect()}};
  CHECK(text({}, {f}) == kHead +
                             "h_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 1\n"
                             "h_bucket{le=\"+Inf\"} 2\nh_sum 8.5\nh_count 2\n");
}

TEST_CASE("C9: a value equal to a bound is inside it") {
  CHECK(observed(decs({"0", "1", "3"}), decs({"0", "0", "0", "0", "1", "1", "4"})) ==
        kHead +
            "h_bucket{le=\"0\"} 4\nh_bucket{le=\"1\"} 6\nh_bucket{le=\"3\"} 6\n"
            "h_bucket{le=\"+Inf\"} 7\nh_sum 6\nh_count 7\n");
}

TEST_CASE("C10: whole observations fall into whole bounds") {
  CHECK(observed(decs({"1", "2", "4", "8"}), decs({"3", "3", "3", "0"})) ==
        kHead +
            "h_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"4\"} 4\n"
            "h_bucket{le=\"8\"} 4\nh_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n");
}

TEST_CASE("C11: +Inf equals the count and every configured bound is printed") {
  const auto values = decs({"-5", "0", "1", "2", "3"});
  CHECK(observed(decs({"0", "1", "2"}), values) ==
        kHead +
            "h_bucket{le=\"0\"} 2\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 4\n"
            "h_bucket{le=\"+Inf\"} 5\nh_sum 1\nh_count 5\n");
  CHECK(observed(decs({"-1", "0", "1"}), values) ==
        kHead +
            "h_bucket{le=\"-1\"} 1\nh_bucket{le=\"0\"} 2\nh_bucket{le=\"1\"} 3\n"
            "h_bucket{le=\"+Inf\"} 5\nh_sum 1\nh_count 5\n");
}

TEST_CASE("C13: quotes in label values are escaped") {
  CHECK(text({counter("foo", {"a"}, {series({"str\"bang\"blah"}, Decimal::of(1))})}) ==
        "# HELP foo h\n# TYPE foo counter\nfoo{a=\"str\\\"bang\\\"blah\"} 1\n");
}

TEST_CASE("C14: labels are sorted by name; backslash, quote and newline are escaped") {
  CHECK(text({counter("m", {"quoted", "path", "line"},
                      {series({"host\"1\"", "c:\\Windows", "a\nb"}, Decimal::of(2))})}) ==
        "# HELP m h\n# TYPE m counter\n"
        "m{line=\"a\\nb\",path=\"c:\\\\Windows\",quoted=\"host\\\"1\\\"\"} 2\n");
}

TEST_CASE("C14: le is the last label of a bucket, whatever the others are called") {
  const auto page = text({family(FamilySpec{.name = "h",
                                            .help = "h",
                                            .type = MetricType::histogram,
                                            .labels = {"z", "a"},
                                            .buckets = decs({"1"})},
                                 {series({"Z", "A"}, Decimal::of(3), {1, 1})})});
  CHECK(page ==
        kHead +
            "h_bucket{a=\"A\",z=\"Z\",le=\"1\"} 1\nh_bucket{a=\"A\",z=\"Z\",le=\"+Inf\"} 2\n"
            "h_sum{a=\"A\",z=\"Z\"} 3\nh_count{a=\"A\",z=\"Z\"} 2\n");
}

TEST_CASE("C18: HELP is the declared text, escaped, so that it cannot inject a sample") {
  const std::string help = "first\nevil 1\\ \"quoted\" \xFF end";
  const std::string want =
      "# HELP m first\\nevil 1\\\\ \"quoted\" \xEF\xBF\xBD end\n# TYPE m gauge\n";
  CHECK(text({family(FamilySpec{.name = "m", .help = help, .type = MetricType::gauge})}) == want);
  CHECK(text({}, {prometheus::MetricFamily{"m", help, prometheus::MetricType::Gauge, {}}}) == want);
}

TEST_CASE("C19: no sample has a timestamp") {
  prometheus::ClientMetric metric;
  metric.gauge.value = 2;
  metric.timestamp_ms = 1'700'000'000'000;
  CHECK(text({}, {prometheus::MetricFamily{"g", "h", prometheus::MetricType::Gauge, {metric}}}) ==
        "# HELP g h\n# TYPE g gauge\ng 2\n");
}

TEST_CASE("C27: a family declared twice is printed once, the program's own first") {
  prometheus::ClientMetric metric;
  metric.counter.value = 7;
  CHECK(text({counter("m", {}, {series({}, Decimal::of(1))}),
              counter("a", {}, {series({}, Decimal::of(3))}),
              counter("m", {}, {series({}, Decimal::of(2))})},
             {prometheus::MetricFamily{"m", "own", prometheus::MetricType::Counter, {metric}}}) ==
        "# HELP a h\n# TYPE a counter\na 3\n# HELP m own\n# TYPE m counter\nm 7\n");
}

TEST_CASE("exposition: a family without series has HELP and TYPE only") {
  CHECK(text({counter("a", {"x"}, {}), counter("b", {}, {series({}, Decimal::of(0))})}) ==
        "# HELP a h\n# TYPE a counter\n# HELP b h\n# TYPE b counter\nb 0\n");
  CHECK(text({}).empty());
}

TEST_CASE("exposition: both inputs are merged by family name, series by label values") {
  prometheus::ClientMetric two;
  two.label = {{"y", "1"}, {"x", "2"}};
  two.counter.value = 2;
  prometheus::ClientMetric one;
  one.label = {{"y", "2"}, {"x", "1"}};
  one.counter.value = 1;
  const prometheus::MetricFamily own{"b", "h", prometheus::MetricType::Counter, {two, one}};
  CHECK(text({counter("c", {"q", "p"},
                      {series({"1", "b"}, Decimal::of(3)), series({"2", "a"}, Decimal::of(2)),
                       series({"1", "a"}, Decimal::of(1))}),
              counter("a", {}, {series({}, Decimal::of(5))})},
             {own}) ==
        "# HELP a h\n# TYPE a counter\na 5\n"
        "# HELP b h\n# TYPE b counter\nb{x=\"1\",y=\"2\"} 1\nb{x=\"2\",y=\"1\"} 2\n"
        "# HELP c h\n# TYPE c counter\n"
        "c{p=\"a\",q=\"1\"} 1\nc{p=\"a\",q=\"2\"} 2\nc{p=\"b\",q=\"1\"} 3\n");
}

TEST_CASE("exposition: label values are valid UTF-8 without NUL") {
  struct Case {
    std::string_view in, want;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"},
      {"\xE2\x82\xAC\xF0\x9F\x98\x80", "\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"a\xC3", "a\xEF\xBF\xBD"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"\xF4\x90\x80\x80z", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz"},
      {"\xE2\x82\"", "\xEF\xBF\xBD\xEF\xBF\xBD\\\""},
      {"a\0b"sv, "ab"},
      {"\r\t", "\r\t"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    CHECK(text({counter("m", {"l"}, {series({std::string(c.in)}, Decimal::of(1))})}) ==
          "# HELP m h\n# TYPE m counter\nm{l=\"" + std::string(c.want) + "\"} 1\n");
  }
}

TEST_CASE("exposition: numbers are exact, shortest and the same in every locale") {
  struct Case {
    Decimal in;
    std::string want;
  };
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"de_DE.UTF-8", "de_DE", "C"}) {
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  }
  const Case cases[] = {{Decimal::of_u64(18'446'744'073'709'551'615U), "18446744073709551615"},
                        {Decimal::of(1234567), "1234567"},
                        {dec("1.5"), "1.5"},
                        {dec("-0.13486"), "-0.13486"}};
  for (const Case& c : cases) {
    CHECK(text({counter("m", {}, {series({}, c.in)})}) ==
          "# HELP m h\n# TYPE m counter\nm " + c.want + "\n");
  }
  prometheus::ClientMetric metric;
  metric.gauge.value = 0.5;
  CHECK(text({}, {prometheus::MetricFamily{"g", "h", prometheus::MetricType::Gauge, {metric}}}) ==
        "# HELP g h\n# TYPE g gauge\ng 0.5\n");
  std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("exposition: summaries and untyped metrics of a client library are written too") {
  prometheus::ClientMetric s;
  s.summary = {.sample_count = 3, .sample_sum = 6.5, .quantile = {{0.5, 2.5}}};
  prometheus::ClientMetric u;
  u.untyped.value = 4;
  CHECK(text({}, {{"s", "h", prometheus::MetricType::Summary, {s}},
                  {"u", "h", prometheus::MetricType::Untyped, {u}}}) ==
        "# HELP s h\n# TYPE s summary\ns{quantile=\"0.5\"} 2.5\ns_sum 6.5\ns_count 3\n"
        "# HELP u h\n# TYPE u untyped\nu 4\n");
}

TEST_CASE("exposition: appends and leaves what is there") {
  std::string out = "# before\n";
  append_text(out, std::vector<FamilySnapshot>{counter("m", {}, {series({}, Decimal::of(1))})});
  CHECK(out == "# before\n# HELP m h\n# TYPE m counter\nm 1\n");
}

TEST_CASE("exposition: promtool finds nothing to say about odd values and our own metrics") {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    WARN("SKIPPED: promtool is not installed (Debian package prometheus)");
    return;
  }
  std::vector<FamilySnapshot> page;
  page.push_back(counter("odd_values_total", {"value"},
                         {series({"\"quoted\" \\ back\nslash"}, dec("0.000001")),
                          series({"\xC3\xA9\xFF"}, Decimal::of_u64(1ULL << 63U)), series({""}, {}),
                          series({"{}=, #"}, dec("1e-15"))}));
  page.push_back(family(FamilySpec{.name = "wait_seconds",
                                   .help = "Two\nlines \\ of help.",
                                   .type = MetricType::histogram,
                                   .labels = {"skill"},
                                   .buckets = decs({"0.005", "1", "2.5"})},
                        {series({"a"}, dec("7.25"), {1, 0, 2, 5})}));
  page.push_back(
      family(FamilySpec{.name = "empty_ratio", .help = "Empty.", .type = MetricType::gauge}));

  char path[] = "/tmp/logtally-exposition-XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  const OwnMetrics own(OwnMetricsSpec{.build = {"0.1.0", "abc", "g++"},
                                      .targets = {"a\"b", "c"},
                                      .rules = {{.name = "r", .actions = {"inc"}}},
                                      .metrics = {"odd_values_total"}});
  const std::string body = text(page, own.collect());
  REQUIRE(write(fd, body.data(), body.size()) == static_cast<ssize_t>(body.size()));
  close(fd);
  const std::string command = "promtool check metrics <" + std::string(path) + " 2>&1";
  FILE* promtool = popen(command.c_str(), "r");
  REQUIRE(promtool != nullptr);
  std::string said;
  for (int c; (c = std::fgetc(promtool)) != EOF;) said.push_back(static_cast<char>(c));
  const int status = pclose(promtool);
  unlink(path);
  CAPTURE(body);
  CHECK(said == "");
  CHECK(status == 0);
}

}  // namespace logtally::metrics
