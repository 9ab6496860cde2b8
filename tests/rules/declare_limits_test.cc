// What bounds a metric's series and what gives them their zeros, as rule files say it.
#include <string>

#include "tests/cases/harness.h"

namespace logtally::cases {
namespace {

// A rule file with one metric `m` of this body, which begins at 2:7.
std::string metric(const std::string& body) { return "metrics:\n  m: {help: h, " + body + "}\n"; }

std::string rendered(const std::string& rules) {
  config::Diagnostics found;
  compile({rules}, found);
  return found.render();
}
bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("init: zero series for all combinations of the values") {
  CHECK(samples_of(metric("type: counter, labels: [a, status], init: {status: [success, error], "
                          "a: [x, y]}"),
                   {}) ==
        "m{a=\"x\",status=\"error\"} 0\nm{a=\"x\",status=\"success\"} 0\n"
        "m{a=\"y\",status=\"error\"} 0\nm{a=\"y\",status=\"success\"} 0\n");
}

TEST_CASE("init: labels that it does not list have their closed values, or their default") {
  CHECK(samples_of(metric("type: counter, labels: {a: {default: unknown}, b: {values: [p, q]}, "
                          "c: {}}, init: {c: z}"),
                   {}) ==
        "m{a=\"unknown\",b=\"p\",c=\"z\"} 0\nm{a=\"unknown\",b=\"q\",c=\"z\"} 0\n");
  CHECK(samples_of(metric("type: counter, labels: {a: {default: unknown}}, init: true"), {}) ==
        "m{a=\"unknown\"} 0\n");
}

TEST_CASE("init: a metric without labels has its zero by true or {}, closed sets none by false") {
  CHECK(samples_of(metric("type: counter, init: true"), {}) == "m 0\n");
  CHECK(samples_of(metric("type: counter, init: {}"), {}) == "m 0\n");
  CHECK(samples_of(metric("type: counter, init: false"), {}) == "");
  CHECK(samples_of(metric("type: counter"), {}) == "");
  CHECK(samples_of(metric("type: counter, labels: {a: {values: [x]}}"), {}) == "m{a=\"x\"} 0\n");
  CHECK(samples_of(metric("type: counter, labels: {a: {values: [x]}}, init: false"), {}) == "");
}

TEST_CASE("init: histograms have zero buckets, gauges their minimum, aliases the same") {
  CHECK(samples_of(metric("type: histogram, buckets: [1], labels: [a], init: {a: [x]}, "
                          "aliases: [old]"),
                   {}) ==
        "m_bucket{a=\"x\",le=\"1\"} 0\nm_bucket{a=\"x\",le=\"+Inf\"} 0\nm_sum{a=\"x\"} 0\n"
        "m_count{a=\"x\"} 0\n"
        "old_bucket{a=\"x\",le=\"1\"} 0\nold_bucket{a=\"x\",le=\"+Inf\"} 0\nold_sum{a=\"x\"} 0\n"
        "old_count{a=\"x\"} 0\n");
  CHECK(samples_of(metric("type: gauge, min: 2.5, init: true"), {}) == "m 2.5\n");
}

TEST_CASE("init: the first line adds to the zero, and the values have their place under max") {
  CHECK(samples_of(metric("type: counter, labels: {a: {max: 2}}, init: {a: [x, y]}") +
                       "rules: {r: {do: [inc: m]}}\n",
                   {R"({"a":"z"})", R"({"a":"x"})"}) ==
        "m{a=\"other\"} 1\nm{a=\"x\"} 1\nm{a=\"y\"} 0\n");
}

TEST_CASE("init: what is wrong is shown at its place") {
  struct Case {
    std::string body;
    std::string want;
  };
  const Case cases[] = {
      {"type: counter, labels: [a, b], init: {a: [x]}", "2:53 E011\n"},
      {"type: counter, labels: [a], init: true", "2:50 E011\n"},
      {"type: counter, labels: [a], init: {b: [x]}", "2:50 E011\n2:51 E034\n"},
      {"type: counter, labels: [a], init: {a: []}", "2:54 E010\n"},
      {"type: counter, labels: [a], init: {a: [x, y, x]}", "2:61 E004\n"},
      {"type: counter, labels: [a], init: {a: [[x]]}", "2:55 E010\n"},
      {"type: counter, labels: [a], init: {a: {x: 1}}", "2:54 E010\n"},
      {"type: counter, labels: [a], init: [x]", "2:50 E010\n"},
      {"type: counter, labels: [a], init: maybe", "2:50 E010\n"},
      {"type: counter, labels: {a: {values: [x]}}, init: {a: [y]}", "2:70 E013\n"},
      {"type: counter, labels: {a: {max: 1}}, init: {a: [x, y]}", "2:64 E038\n"},
      {"type: counter, labels: [a, b], max_series: 3, init: {a: [1, 2], b: [1, 2]}", "2:68 E038\n"},
      {"type: counter, labels: [a, b], max_series: 4, init: {a: [1, 2], b: [1, 2]}", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.body);
    CHECK(faults_of(metric(c.body)) == c.want);
  }
  // A product that no number holds.
  std::string labels = "labels: [";
  std::string init = "init: {";
  for (char name = 'a'; name < 'a' + 16; ++name) {
    labels += std::string(1, name) + ", ";
    init += std::string(1, name) + ": [";
    for (int i = 0; i < 100; ++i) init += std::to_string(i) + ", ";
    init += "], ";
  }
  CHECK(holds(rendered(metric("type: counter, " + labels + "], " + init + "}")),
              "more than 2000 series"));
  CHECK(holds(rendered(metric("type: counter, labels: [model, b], init: {}")), "`model`, `b`"));
}

TEST_CASE("max_series and ttl: what is no limit is refused at its place") {
  struct Case {
    std::string body;
    std::string want;
  };
  const Case cases[] = {
      {"type: counter, max_series: 0", "2:43 E013\n"},
      {"type: counter, max_series: -1", "2:43 E013\n"},
      {"type: counter, max_series: many", "2:43 E013\n"},
      {"type: counter, max_series: 1000001", "2:43 E013\n"},
      {"type: counter, ttl: 0", "2:36 E013\n"},
      {"type: counter, ttl: 0s", "2:36 E013\n"},
      {"type: counter, ttl: -5s", "2:36 E013\n"},
      {"type: counter, ttl: soon", "2:36 E013\n"},
      {"type: counter, ttl: [1h]", "2:36 E010\n"},
      {"type: counter, ttl: 1h30m", ""},
      {"type: counter, max_serie: 5", "2:31 E012\n"},
      {"type: counter, tll: 5m", "2:31 E012\n"},
      {"type: counter, min: 0", "2:36 E035\n"},
      {"type: histogram, buckets: [1], min: 0", "2:52 E035\n"},
      {"type: gauge, min: low", "2:34 E013\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.body);
    CHECK(faults_of(metric(c.body)) == c.want);
  }
}

TEST_CASE("max_series: stands above the limit of all metrics, and the process has its own") {
  const std::string rules =
      "metrics:\n"
      "  a: {type: counter, help: h, labels: [x], max_series: 4}\n"
      "  b: {type: counter, help: h, labels: [x]}\n"
      "rules: {r: {do: [inc: a, {inc: b}]}}\n";
  const auto set = compile_or_fail({rules});
  const auto count = [&](metrics::SeriesLimits limits) {
    Engine engine(set);
    engine.delta().series.limit(limits);
    for (int i = 0; i < 10; ++i) engine.line(R"({"x":)" + std::to_string(i) + "}");
    return std::vector<std::size_t>{engine.delta().series.size(0), engine.delta().series.size(1)};
  };
  CHECK(count({.family = 2, .all = 50}) == std::vector<std::size_t>{4 + 1, 2 + 1});
  CHECK(count({.family = 100, .all = 5}) == std::vector<std::size_t>{3 + 1, 2 + 1});
}

TEST_CASE("limits: hold for what is there from the start") {
  const auto set =
      compile_or_fail({metric("type: counter, labels: {a: {values: [1, 2, 3, 4, 5]}}")});
  const rules::Delta delta(*set, {.family = 3, .all = 100});
  CHECK(delta.series.size(0) == 3 + 1);
}

TEST_CASE("aliases: no name is given twice, by whatever way") {
  CHECK(faults_of("metrics:\n"
                  "  a: {type: counter, help: h, aliases: [b]}\n"
                  "  b: {type: counter, help: h}\n") == "2:40 E031\n");
  CHECK(faults_of("metrics:\n  a: {type: counter, help: h, aliases: [a]}\n") == "2:40 E031\n");
  CHECK(faults_of("metrics:\n"
                  "  a: {type: counter, help: h, aliases: [old]}\n"
                  "  b: {type: counter, help: h, aliases: [old]}\n") == "3:40 E031\n");
  // A histogram has three more names.
  CHECK(faults_of("metrics:\n"
                  "  a: {type: histogram, help: h, buckets: [1]}\n"
                  "  a_count: {type: counter, help: h}\n") == "3:3 E031\n");
  CHECK(faults_of("metrics:\n"
                  "  a: {type: histogram, help: h, buckets: [1], aliases: [old]}\n"
                  "  b: {type: counter, help: h, aliases: [old_sum]}\n") == "3:40 E031\n");
  CHECK(faults_of("metrics:\n"
                  "  a: {type: counter, help: h}\n"
                  "  a_count: {type: counter, help: h}\n") == "");
}

TEST_CASE("rules: more than a rule's number holds are refused at the first one too many") {
  Texts files = {"metrics: {c: {type: counter, help: h}}\n"};
  std::string text;
  const auto file = [&](int from, int to) {
    text = "rules:\n";
    for (int i = from; i < to; ++i) text += " r" + std::to_string(i) + ": {}\n";
    return text;
  };
  for (int from = 0; from < 65'535; from += 16'384)
    files.push_back(file(from, std::min(from + 16'384, 65'535)));
  files.push_back("rules:\n one_too_many: {}\n and_another: {}\n");
  config::Diagnostics found;
  CHECK(compile(files, found) == nullptr);
  bool told = false;
  for (const config::Diagnostic& d : found.all()) {
    if (d.code != "E038") continue;
    told = true;
    CHECK(d.place.file->name == "rules6.yaml");
    CHECK(config::line_column(*d.place.file, d.place.span.begin).line == 2);
    CHECK(d.message == "there are 65537 rules, 65535 at most");
  }
  CHECK(told);
}

}  // namespace logtally::cases
