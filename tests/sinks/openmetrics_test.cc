// OpenMetrics pages, and what families are called on them.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <prometheus/client_metric.h>

#include "sinks/metrics/delta.h"
#include "sinks/metrics/exposition.h"
#include "sinks/metrics/openmetrics_names.h"
#include "sinks/metrics/own_metrics.h"

namespace logtally::metrics {
namespace {

Decimal dec(std::string_view text) { return parse_decimal(text).value; }

FamilySpec spec(std::string name, MetricType type, std::vector<std::string> labels = {}) {
  FamilySpec made;
  made.name = std::move(name);
  made.help = "h";
  made.type = type;
  made.labels = std::move(labels);
  return made;
}

// Series of some families, and their pages.
struct Counted {
  explicit Counted(std::vector<FamilySpec> specs) : delta(std::move(specs)), registry(delta) {}

  std::string openmetrics(Created created = Created::hidden, std::int64_t now_ns = 0) {
    registry.publish(delta, now_ns);
    std::string out;
    append_openmetrics(out, registry.snapshot(), {}, created);
    return out;
  }
  std::string text() {
    registry.publish(delta);
    std::string out;
    append_text(out, registry.snapshot());
    return out;
  }

  Delta delta;
  Registry registry;
};

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("openmetrics: a page of every kind of family") {
  FamilySpec seconds = spec("t_seconds", MetricType::histogram, {"b", "a"});
  seconds.buckets = {dec("0.5"), dec("1"), dec("1000000")};
  seconds.help = "say \"when\"\nand \\ why";
  Counted c({spec("x_total", MetricType::counter, {"l"}), seconds,
             spec("job_total", MetricType::gauge), spec("app_info", MetricType::gauge, {"v"}),
             spec("odd", MetricType::counter), spec("empty_total", MetricType::counter)});
  const std::string_view quoted[] = {"q\"\\\n"};
  c.delta.add(c.delta.series(0, quoted), dec("2"));
  const std::string_view two[] = {"B", "A"};
  c.delta.observe(c.delta.series(1, two), dec("0.7"));
  c.delta.observe(c.delta.series(1, two), dec("2000000"));
  c.delta.set(c.delta.series(2, {}), dec("1.5"), {});
  const std::string_view version[] = {"3"};
  c.delta.set(c.delta.series(3, version), dec("1"), {});
  c.delta.add(c.delta.series(4, {}), dec("4"));
  CHECK(c.openmetrics() == R"(# TYPE app info
# HELP app h
app_info{v="3"} 1
# TYPE empty counter
# HELP empty h
# TYPE job_total gauge
# HELP job_total h
job_total 1.5
# TYPE odd unknown
# HELP odd h
odd 4
# TYPE t_seconds histogram
# UNIT t_seconds seconds
# HELP t_seconds say \"when\"\nand \\ why
t_seconds_bucket{a="A",b="B",le="0.5"} 0
t_seconds_bucket{a="A",b="B",le="1.0"} 1
t_seconds_bucket{a="A",b="B",le="1e+06"} 1
t_seconds_bucket{a="A",b="B",le="+Inf"} 2
t_seconds_sum{a="A",b="B"} 2000000.7
t_seconds_count{a="A",b="B"} 2
# TYPE x counter
# HELP x h
x_total{l="q\"\\\n"} 2
# EOF
)");
}

TEST_CASE("openmetrics: an info is a gauge once one of its samples is not 1") {
  Counted c({spec("app_info", MetricType::gauge, {"v"})});
  const std::string_view old[] = {"1"};
  const std::string_view young[] = {"2"};
  c.delta.set(c.delta.series(0, old), dec("0"), {});
  c.delta.set(c.delta.series(0, young), dec("1"), {});
  CHECK(c.openmetrics() ==
        "# TYPE app_info gauge\n# HELP app_info h\n"
        "app_info{v=\"1\"} 0\napp_info{v=\"2\"} 1\n# EOF\n");
}

TEST_CASE("openmetrics: bounds are floats as OpenMetrics writes them") {
  FamilySpec h = spec("h", MetricType::histogram);
  for (const char* bound : {"0", "0.00001", "0.0001", "0.25", "10", "100000", "123456", "999999.5",
                            "1000000", "1234567", "10000000000"})
    h.buckets.push_back(dec(bound));
  Counted c({h});
  c.delta.observe(c.delta.series(0, {}), dec("-0"));
  const std::string page = c.openmetrics();
  std::vector<std::string> bounds;
  for (std::size_t at = 0; (at = page.find("le=\"", at)) != std::string::npos;) {
    at += 4;
    bounds.push_back(page.substr(at, page.find('"', at) - at));
  }
  CHECK(bounds == std::vector<std::string>{"0.0", "1e-05", "0.0001", "0.25", "10.0", "100000.0",
                                           "123456.0", "999999.5", "1e+06", "1.234567e+06", "1e+10",
                                           "+Inf"});
}

TEST_CASE("openmetrics: what may fall is neither sum nor count") {
  FamilySpec below = spec("below", MetricType::histogram);
  below.buckets = {dec("-1"), dec("1")};
  FamilySpec above = spec("above", MetricType::histogram);
  above.buckets = {dec("1")};
  Counted c({below, above});
  c.delta.observe(c.delta.series(0, {}), dec("3"));
  c.delta.observe(c.delta.series(1, {}), dec("-2"));
  CHECK(c.openmetrics() == R"(# TYPE above histogram
# HELP above h
above_bucket{le="1.0"} 1
above_bucket{le="+Inf"} 1
# TYPE below histogram
# HELP below h
below_bucket{le="-1.0"} 0
below_bucket{le="1.0"} 0
below_bucket{le="+Inf"} 1
# EOF
)");
  CHECK(c.text().find("below_sum 3\nbelow_count 1\n") != std::string::npos);
}

TEST_CASE("openmetrics: exemplars stand beside counters and buckets, the last one of each") {
  FamilySpec h = spec("h", MetricType::histogram, {"l"});
  h.buckets = {dec("1"), dec("2")};
  FamilySpec c = spec("c_total", MetricType::counter);
  c.aliases = {"old"};
  Counted counted({c, h});
  Series& counter = counted.delta.series(0, {});
  const ExemplarLabel first[] = {{"trace_id", "aa"}};
  counted.delta.add(counter, dec("2"));
  CHECK(counted.delta.exemplify(counter, dec("2"), first, std::nullopt));
  const std::string_view labels[] = {"v"};
  Series& histogram = counted.delta.series(1, labels);
  const ExemplarLabel second[] = {{"trace_id", "b\"\\\n\xFF"}, {"none", ""}, {"span", "s"}};
  for (const char* value : {"7", "0.5", "0.25"}) {
    counted.delta.observe(histogram, dec(value));
    CHECK(counted.delta.exemplify(histogram, dec(value), second,
                                  1'700'000'000 * kSecond + 4'560'000));
  }
  CHECK(counted.openmetrics() == R"(# TYPE c counter
# HELP c h
c_total 2 # {trace_id="aa"} 2
# TYPE h histogram
# HELP h h
h_bucket{l="v",le="1.0"} 2 # {trace_id="b\"\\\n)"
                                 "\xEF\xBF\xBD"
                                 R"(",span="s"} 0.25 1700000000.004
h_bucket{l="v",le="2.0"} 2
h_bucket{l="v",le="+Inf"} 3 # {trace_id="b\"\\\n)"
                                 "\xEF\xBF\xBD"
                                 R"(",span="s"} 7 1700000000.004
h_sum{l="v"} 7.75
h_count{l="v"} 3
# TYPE old unknown
# HELP old h
old 2
# EOF
)");
  CHECK(counted.text().find(" # ") == std::string::npos);
}

TEST_CASE("openmetrics: an exemplar has at most 128 characters and at least one value") {
  Counted c({spec("c_total", MetricType::counter)});
  Series& series = c.delta.series(0, {});
  c.delta.add(series, dec("1"));
  const auto fits = [&](const std::string& value) {
    const ExemplarLabel label[] = {{"id", value}};
    return c.delta.exemplify(series, dec("1"), label, std::nullopt);
  };
  CHECK_FALSE(fits(""));
  CHECK_FALSE(c.delta.exemplify(series, dec("1"), {}, std::nullopt));
  CHECK_FALSE(fits(std::string(127, 'x')));
  CHECK_FALSE(fits(std::string(100'000, 'x')));
  CHECK(series.exemplars.empty());
  CHECK(fits(std::string(126, 'x')));
  std::string wide;  // 126 characters of three bytes
  for (int i = 0; i < 126; ++i) wide += "\xE2\x82\xAC";
  CHECK(fits(wide));
  CHECK_FALSE(fits(wide + "x"));
  CHECK(series.exemplars.at(0).labels == "id=\"" + wide + "\"");
}

TEST_CASE("openmetrics: an exemplar goes with its series, and is published with it") {
  Counted c({spec("c_total", MetricType::counter)});
  Series& series = c.delta.series(0, {});
  const ExemplarLabel label[] = {{"id", "1"}};
  c.delta.add(series, dec("1"));
  c.delta.exemplify(series, dec("1"), label, std::nullopt);
  CHECK(c.openmetrics().find("c_total 1 # {id=\"1\"} 1\n") != std::string::npos);
  c.delta.add(series, dec("1"));
  CHECK(c.openmetrics().find("c_total 2 # {id=\"1\"} 1\n") != std::string::npos);
  Registry anew(c.delta);  // as after a reload: everything is published again
  c.delta.touch(series);
  anew.publish(c.delta);
  CHECK(anew.snapshot()[0].series.at(0).exemplars->size() == 1);
  c.delta.remove(series);
  c.delta.add(series, dec("1"));
  CHECK(c.openmetrics().find("c_total 1\n") != std::string::npos);
}

TEST_CASE("openmetrics: created timestamps are those of the first publish, when they are wanted") {
  FamilySpec h = spec("h_seconds", MetricType::histogram);
  h.buckets = {dec("1")};
  Counted c({spec("c_total", MetricType::counter, {"l"}), h, spec("g", MetricType::gauge),
             spec("odd", MetricType::counter)});
  const std::string_view label[] = {"v"};
  c.delta.add(c.delta.series(0, label), dec("1"));
  c.delta.observe(c.delta.series(1, {}), dec("1"));
  c.delta.set(c.delta.series(2, {}), dec("1"), {});
  c.delta.add(c.delta.series(3, {}), dec("1"));
  const std::string page = c.openmetrics(Created::shown, 1'700'000'000 * kSecond + kSecond / 8);
  CHECK(page == R"(# TYPE c counter
# HELP c h
c_total{l="v"} 1
c_created{l="v"} 1700000000.125
# TYPE g gauge
# HELP g h
g 1
# TYPE h_seconds histogram
# UNIT h_seconds seconds
# HELP h_seconds h
h_seconds_bucket{le="1.0"} 1
h_seconds_bucket{le="+Inf"} 1
h_seconds_sum 1
h_seconds_count 1
h_seconds_created 1700000000.125
# TYPE odd unknown
# HELP odd h
odd 1
# EOF
)");
  c.delta.touch(c.delta.series(0, label));
  CHECK(c.openmetrics(Created::shown, 1'800'000'000 * kSecond) == page);
  CHECK(c.openmetrics().find("_created") == std::string::npos);
  c.delta.remove(c.delta.series(0, label));
  c.delta.add(c.delta.series(0, label), dec("1"));
  CHECK(c.openmetrics(Created::shown, 1'800'000'000 * kSecond)
            .find("c_created{l=\"v\"} 1800000000.000\n") != std::string::npos);
}

TEST_CASE("openmetrics: a client library's families are written too") {
  prometheus::ClientMetric s;
  s.summary = {.sample_count = 3, .sample_sum = 6.5, .quantile = {{0.5, 2.5}, {1, 4}}};
  prometheus::ClientMetric u;
  u.untyped.value = 4;
  prometheus::ClientMetric i;
  i.gauge.value = 1;
  std::string out;
  append_openmetrics(out, {},
                     {{"s", "h", prometheus::MetricType::Summary, {s}},
                      {"u", "", prometheus::MetricType::Untyped, {u}},
                      {"b_info", "h", prometheus::MetricType::Gauge, {i}}});
  CHECK(out ==
        "# TYPE b info\n# HELP b h\nb_info 1\n"
        "# TYPE s summary\n# HELP s h\ns{quantile=\"0.5\"} 2.5\ns{quantile=\"1.0\"} 4\n"
        "s_sum 6.5\ns_count 3\n# TYPE u unknown\nu 4\n# EOF\n");
  out.clear();
  append_openmetrics(out, {});
  CHECK(out == "# EOF\n");
}

TEST_CASE("openmetrics names: the shortened name is given up where it would clash") {
  using T = ExposedType;
  struct Want {
    std::string family;
    T type;
  };
  const auto check = [](const std::vector<NamedFamily>& families, const std::vector<Want>& want) {
    const std::vector<OpenMetricsName> names = openmetrics_names(families);
    REQUIRE(names.size() == want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      CAPTURE(families[i].name);
      CHECK(names[i].family == want[i].family);
      CHECK((names[i].type == want[i].type));
    }
  };
  check({{"a_total", T::counter}, {"b_total", T::gauge}, {"c", T::counter}},
        {{"a", T::counter}, {"b_total", T::gauge}, {"c", T::unknown}});
  check({{"a", T::gauge}, {"a_total", T::counter}}, {{"a", T::gauge}, {"a_total", T::unknown}});
  check({{"a_created", T::gauge}, {"a_total", T::counter}},
        {{"a_created", T::gauge}, {"a_total", T::unknown}});
  check({{"h", T::histogram}, {"h_sum_total", T::counter}},
        {{"h", T::histogram}, {"h_sum_total", T::unknown}});
  check({{"a_info", T::gauge, true}, {"a_total", T::counter}},
        {{"a", T::info}, {"a_total", T::unknown}});
  check({{"a_total", T::counter}, {"b_info", T::gauge, true}, {"b", T::counter}},
        {{"a", T::counter}, {"b_info", T::gauge}, {"b", T::unknown}});
  check({{"a_total", T::counter}, {"a_total_total", T::counter}},
        {{"a", T::counter}, {"a_total_total", T::unknown}});
  check({{"_total", T::counter}, {"_info", T::gauge, true}},
        {{"_total", T::unknown}, {"_info", T::gauge}});
}

TEST_CASE("openmetrics names: a unit is what the family's name ends in") {
  using T = ExposedType;
  const std::map<std::string_view, std::string_view> want = {
      {"a_seconds", "seconds"}, {"a_timestamp_seconds", "seconds"},
      {"a_bytes", "bytes"},     {"a_usd", "usd"},
      {"seconds", ""},          {"_seconds", ""},
      {"aseconds", ""},         {"a_seconds_count", ""},
      {"a_tokens", ""}};
  for (const auto& [name, unit] : want) {
    CAPTURE(name);
    const NamedFamily family[] = {{name, T::gauge}};
    CHECK(openmetrics_names(family)[0].unit == unit);
  }
  const NamedFamily families[] = {{"cpu_seconds_total", T::counter},
                                  {"x_bytes_info", T::gauge, true}};
  CHECK(openmetrics_names(families)[0].unit == "seconds");
  CHECK(openmetrics_names(families)[1].unit.empty());
}

}  // namespace logtally::metrics
