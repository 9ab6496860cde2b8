// Section D of the cases: series that expire, and limits of labels and series. Deleting (D2) stands
// with the tables.
#include <cstdio>

#include "tests/cases/harness.h"

namespace logtally::cases {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTwoOClock = 1'772'287'200 * kSecond;  // 2026-02-28T14:00:00Z

// A line at this second of the hour with these members behind.
std::string at(int second, const std::string& members) {
  char time[32];
  std::snprintf(time, sizeof time, "2026-02-28T14:%02d:%02dZ", second / 60, second % 60);
  return std::string(R"({"time":")") + time + "\"," + members + "}";
}
std::string user(int second, const std::string& name) {
  return at(second, R"("user":")" + name + "\"");
}

// A counter by user, and another line that only moves time.
std::string counter(const std::string& more, const std::string& labels = "[user]") {
  return "metrics: {c_total: {type: counter, help: h, labels: " + labels + ", " + more +
         "}}\nrules: {r: {match: {user: {exists: true}}, do: [inc: c_total]}}\n";
}
std::string series(const std::string& user, int value) {
  return "c_total{user=\"" + user + "\"} " + std::to_string(value) + "\n";
}

struct LateEngine : Engine {
  explicit LateEngine(const std::string& rules) : Engine(rules) {
    origin.arrival_ns = kTwoOClock + 3600 * kSecond;
    origin.time_ns = origin.arrival_ns;
  }
};

// The number of lines that went into the series of the page, whatever their labels.
std::int64_t sum(const std::string& samples) {
  std::int64_t total = 0;
  for (std::size_t at = 0; at < samples.size(); at = samples.find('\n', at) + 1)
    total += std::stoll(samples.substr(samples.find(' ', at)));
  return total;
}

}  // namespace

TEST_CASE("D1: of three series the two that nothing refreshed expire") {
  LateEngine engine(counter("ttl: 250ms"));
  engine.lines({user(0, "a"), user(0, "b"), user(0, "c")});
  engine.page();
  CHECK(engine.samples() == series("a", 1) + series("b", 1) + series("c", 1));
  engine.line(user(1, "b"));
  CHECK(engine.samples() == series("b", 2));
}

TEST_CASE("D3: a series that is idle for too long is shown once more before it goes, others stay") {
  LateEngine engine(counter("ttl: 1s"));
  engine.lines({user(0, "a"), user(0, "b"), user(2, "b")});
  CHECK(engine.scraped() == series("a", 1) + series("b", 2));
  CHECK(engine.scraped() == series("b", 2));
  // Whoever only asks how it stands changes nothing, and sees what is left.
  engine.lines({user(3, "c"), user(9, "b")});
  CHECK(engine.samples() == series("b", 3));
  CHECK(engine.samples() == series("b", 3));
  CHECK(engine.scraped() == series("b", 3) + series("c", 1));
  CHECK(engine.scraped() == series("b", 3));
}

TEST_CASE("D5: of two series an hour old only that of the metric with a ttl expires") {
  LateEngine engine(
      "metrics:\n"
      "  forever_total: {type: counter, help: h}\n"
      "  short_total: {type: counter, help: h, ttl: 1m}\n"
      "rules:\n"
      "  r: {match: {user: a}, do: [inc: forever_total, {inc: short_total}]}\n");
  engine.line(at(0, R"("user":"a")"));
  CHECK(engine.scraped() == "forever_total 1\nshort_total 1\n");
  engine.line(at(3599, R"("user":"nobody")"));
  CHECK(engine.scraped() == "forever_total 1\n");
}

TEST_CASE("D6: beyond the limit a new series is counted as other, and no old one goes") {
  Engine engine(counter("max_series: 1", "[user, verb, path]"));
  engine.line(R"({"user":"a","verb":"get","path":"/"})");
  engine.line(R"({"user":"b","verb":"get","path":"/"})");
  engine.line(R"({"user":"a","verb":"put","path":"/x"})");
  engine.line(R"({"user":"a","verb":"get","path":"/"})");
  CHECK(engine.samples() ==
        "c_total{path=\"/\",user=\"a\",verb=\"get\"} 2\n"
        "c_total{path=\"other\",user=\"other\",verb=\"other\"} 2\n");
}

TEST_CASE("D7: the third value of a label that may have two becomes other, the other label stays") {
  Engine engine(counter("max_series: 10", "{user: {max: 2}, tag2: {}}"));
  for (const char* tag : {"val1", "val2", "val3"})
    engine.line(std::string(R"({"user":")") + tag + R"(","tag2":"val1"})");
  CHECK(engine.samples() ==
        "c_total{tag2=\"val1\",user=\"other\"} 1\n"
        "c_total{tag2=\"val1\",user=\"val1\"} 1\n"
        "c_total{tag2=\"val1\",user=\"val2\"} 1\n");
}

TEST_CASE("D9: the labels of a metric have their limits apart") {
  Engine engine(counter("max_series: 10", "{user: {max: 2}, tag2: {max: 2, overflow: rest}}"));
  engine.line(R"({"user":"a","tag2":"x"})");
  engine.line(R"({"user":"b","tag2":"x"})");
  engine.line(R"({"user":"c","tag2":"x"})");
  engine.line(R"({"user":"a","tag2":"y"})");  // a known value of one, a new one of the other
  engine.line(R"({"user":"a","tag2":"z"})");
  CHECK(engine.samples() ==
        "c_total{tag2=\"rest\",user=\"a\"} 1\n"
        "c_total{tag2=\"x\",user=\"a\"} 1\n"
        "c_total{tag2=\"x\",user=\"b\"} 1\n"
        "c_total{tag2=\"x\",user=\"other\"} 1\n"
        "c_total{tag2=\"y\",user=\"a\"} 1\n");
}

TEST_CASE("D10: what only asks for a value, or is left out, takes no place of a label's limit") {
  Engine engine(
      "metrics: {c_total: {type: counter, help: h, labels: {user: {max: 2}}}}\n"
      "rules:\n"
      "  gone: {match: {what: logout}, do: [{delete: c_total, labels: {user: $user}}]}\n"
      "  r: {match: {what: login}, do: [{add: c_total, value: $n}]}\n");
  engine.line(R"({"what":"login","user":"a","n":1})");
  for (const char* stranger : {"x", "y", "z"})
    engine.line(std::string(R"({"what":"logout","user":")") + stranger + "\"}");
  engine.line(R"({"what":"login","user":"w","n":"none"})");  // no number, no series
  engine.line(R"({"what":"login","user":"b","n":1})");
  engine.line(R"({"what":"login","user":"c","n":1})");
  CHECK(engine.samples() == series("a", 1) + series("b", 1) + series("other", 1));
  // A value that became other is not found under it: what others counted stays.
  engine.line(R"({"what":"logout","user":"c"})");
  CHECK(engine.samples() == series("a", 1) + series("b", 1) + series("other", 1));
  engine.line(R"({"what":"logout","user":"b"})");
  CHECK(engine.samples() == series("a", 1) + series("other", 1));
}

TEST_CASE("D11: a metric that floods a label takes nothing from another metric") {
  Engine engine(
      "metrics:\n"
      "  a_total: {type: counter, help: h, labels: {host: {max: 3}}}\n"
      "  b_total: {type: counter, help: h, labels: {host: {max: 3}}}\n"
      "rules:\n"
      "  a: {match: {what: a}, do: [inc: a_total]}\n"
      "  b: {match: {what: b}, do: [inc: b_total]}\n");
  for (int i = 0; i < 100; ++i) engine.line(R"({"what":"a","host":"h)" + std::to_string(i) + "\"}");
  engine.line(R"({"what":"b","host":"h77"})");
  CHECK(engine.samples() ==
        "a_total{host=\"h0\"} 1\na_total{host=\"h1\"} 1\na_total{host=\"h2\"} 1\n"
        "a_total{host=\"other\"} 97\nb_total{host=\"h77\"} 1\n");
}

TEST_CASE("D13: an expired counter goes on at its old value when it returns") {
  LateEngine engine(counter("ttl: 60s"));
  engine.lines(times(10, user(0, "a")));
  CHECK(engine.scraped() == series("a", 10));
  engine.line(at(600, R"("other":1)"));
  CHECK(engine.scraped() == "");
  engine.line(user(601, "a"));
  CHECK(engine.scraped() == series("a", 11));
}

TEST_CASE("ttl: gauges and histograms go on at their old value too, and fall out again") {
  LateEngine engine(
      "metrics:\n"
      "  g: {type: gauge, help: h, ttl: 10s}\n"
      "  h: {type: histogram, help: h, buckets: [5], ttl: 10s}\n"
      "rules: {r: {match: {n: {exists: true}}, do: [{add: g, value: $n}, {observe: h, value: "
      "$n}]}}\n");
  engine.line(at(0, R"("n":3)"));
  CHECK(engine.scraped() ==
        "g 3\nh_bucket{le=\"5\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 3\nh_count 1\n");
  engine.line(at(9, R"("x":1)"));
  CHECK(engine.scraped() != "");
  engine.line(at(10, R"("x":1)"));
  CHECK(engine.scraped() == "");
  engine.line(at(60, R"("n":4)"));
  CHECK(engine.scraped() ==
        "g 7\nh_bucket{le=\"5\"} 2\nh_bucket{le=\"+Inf\"} 2\nh_sum 7\nh_count 2\n");
  engine.line(at(70, R"("x":1)"));
  CHECK(engine.scraped() == "");
}

TEST_CASE("ttl: on a silent stream the clock stands in, as a tick that is committed") {
  LateEngine engine(counter("ttl: 60s"));
  std::int64_t wall = engine.origin.arrival_ns;
  engine.follow(wall);
  CHECK_FALSE(engine.tick(wall + 3600 * kSecond));  // nothing waits: no tick
  engine.line(user(0, "a"));
  CHECK(engine.scraped() == series("a", 1));
  CHECK_FALSE(engine.tick(wall + 59 * kSecond));
  CHECK(engine.tick(wall + 60 * kSecond));
  CHECK(engine.scraped() == "");
  CHECK_FALSE(engine.tick(wall + 3600 * kSecond));
}

TEST_CASE("ttl: a stream without times ages by the clock alone") {
  LateEngine engine(counter("ttl: 60s"));
  const std::int64_t wall = engine.origin.arrival_ns;
  engine.follow(wall);
  engine.line(R"({"user":"a"})");
  CHECK(engine.scraped() == series("a", 1));
  CHECK(engine.tick(wall + 2 * kSecond));  // the first event time
  CHECK_FALSE(engine.tick(wall + 61 * kSecond));
  CHECK(engine.scraped() == series("a", 1));
  CHECK(engine.tick(wall + 62 * kSecond));
  CHECK(engine.scraped() == "");
}

TEST_CASE("ttl: kept values count against max_series, and a series that returns is never refused") {
  LateEngine engine(counter("ttl: 10s, max_series: 2"));
  engine.lines({user(0, "a"), user(0, "b"), user(100, "c"), user(101, "a")});
  engine.scraped();
  CHECK(engine.scraped() == series("a", 2) + series("other", 1));
  CHECK(engine.delta().series.size(0) == 3);
}

TEST_CASE(
    "ttl: deleting forgets what was kept, and a zero that init gave waits for its first line") {
  LateEngine engine(
      "metrics: {c_total: {type: counter, help: h, labels: [user], init: {user: [a, b]}, ttl: "
      "10s}}\n"
      "rules:\n"
      "  gone: {match: {what: gone}, do: [delete: c_total]}\n"
      "  r: {match: {user: {exists: true}}, do: [inc: c_total]}\n");
  engine.lines({user(0, "a"), user(100, "c")});
  engine.scraped();
  CHECK(engine.scraped() == series("b", 0) + series("c", 1));
  engine.line(at(101, R"("what":"gone")"));
  engine.line(user(102, "a"));
  CHECK(engine.scraped() == series("a", 1));
}

TEST_CASE("ttl: a gauge that falls back ages from then, however late that is noticed") {
  const std::string rules =
      "metrics: {g: {type: gauge, help: h, ttl: 60s}}\n"
      "rules: {r: {match: {n: {exists: true}}, do: [{set: g, value: $n, for: 30s, then: 0}]}}\n";
  for (const std::vector<int>& seconds :
       {std::vector<int>{0, 89, 90}, std::vector<int>{0, 30, 89, 90}, std::vector<int>{0, 90}}) {
    LateEngine engine(rules);
    for (const int second : seconds) engine.line(at(second, second == 0 ? R"("n":5)" : R"("x":1)"));
    CHECK(engine.samples() == "");
    engine.line(at(100, R"("n":6)"));
    CHECK(engine.samples() == "g 6\n");
    engine.line(at(130, R"("x":1)"));
    CHECK(engine.samples() == "g 0\n");
  }
}

TEST_CASE("ttl: series that move into another delta age on where they were") {
  LateEngine engine(counter("ttl: 60s"));
  engine.lines({user(0, "a"), user(30, "b")});
  engine.delta().expiry.clear();  // what a new delta has
  engine.set().resume_expiry(engine.delta());
  engine.line(at(60, R"("x":1)"));
  CHECK(engine.samples() == series("b", 1));
  engine.line(at(90, R"("x":1)"));
  CHECK(engine.samples() == "");
}

TEST_CASE("limits: totals stay right, and the counters of other tell every line") {
  // Far more values than any memo remembers, each of them several times.
  Engine engine(counter("max_series: 50", "{user: {max: 20}, verb: {}}"));
  std::uint64_t beyond_label = 0;
  for (int i = 0; i < 30'000; ++i) {
    const int who = i % 10'000;
    engine.line(R"({"user":"u)" + std::to_string(who) + R"(","verb":"v)" + std::to_string(i % 7) +
                "\"}");
    beyond_label += who >= 20;
  }
  CHECK(sum(engine.samples()) == 30'000);
  CHECK(engine.delta().capped[0].values.size() == 20);
  CHECK(engine.delta().capped[0].overflowed == beyond_label);
  CHECK(engine.delta().series.size(0) == 51);
  const std::string samples = engine.samples();
  const std::string other = "c_total{user=\"other\",verb=\"other\"} ";
  const auto place = samples.find(other);
  REQUIRE(place != std::string::npos);
  CHECK(engine.delta().series.overflowed(0) == std::stoull(samples.substr(place + other.size())));
}

TEST_CASE(
    "limits: values are closed, the default is one of them, and both kinds of other are told "
    "apart") {
  Engine engine(
      counter("max_series: 9", "{user: {values: [a, b], default: unknown, overflow: stranger}}"));
  for (const char* line :
       {R"({"user":"a"})", R"({"user":"zz"})", R"({"user":null})", R"({"user":"b"})"})
    engine.line(line);
  CHECK(engine.samples() == series("a", 1) + series("b", 1) + series("stranger", 1));
}

TEST_CASE(
    "limits: long label values are cut, stay apart, and count as values of max by what they are") {
  Engine engine(counter("max_series: 9", "{user: {max: 2}}"));
  const std::string long_name(400, 'x');
  for (int round = 0; round < 2; ++round) {
    engine.line(R"({"user":")" + long_name + "1\"}");
    engine.line(R"({"user":")" + long_name + "2\"}");
    engine.line(R"({"user":")" + long_name + "3\"}");
  }
  CHECK(engine.delta().series.size(0) == 3);
  CHECK(engine.delta().series.labels_cut(0) == 4);
  CHECK(engine.samples().starts_with(series("other", 2)));
}

TEST_CASE("limits: a full table loses the row used longest ago, and counts it") {
  LateEngine engine(
      "tables: {t: {key: $id, ttl: 1h, max: 2}}\n"
      "metrics: {c_total: {type: counter, help: h, labels: [id]}}\n"
      "rules:\n"
      "  start: {match: {what: start}, do: [remember: t]}\n"
      "  end: {match: {what: end}, do: [take: t, {inc: c_total, if: '$elapsed >= 0'}]}\n");
  for (const char* id : {"1", "2", "3"})
    engine.line(at(1, std::string(R"("what":"start","id":")") + id + "\""));
  CHECK(engine.delta().tables[0].rows() == 2);
  CHECK(engine.delta().tables[0].evicted() == 1);
  CHECK(engine.delta().tables[0].expired() == 1);
  for (const char* id : {"1", "2", "3"})
    engine.line(at(2, std::string(R"("what":"end","id":")") + id + "\""));
  CHECK(engine.samples() == "c_total{id=\"2\"} 1\nc_total{id=\"3\"} 1\n");
  CHECK(engine.delta().tables[0].missed() == 1);
}

}  // namespace logtally::cases
