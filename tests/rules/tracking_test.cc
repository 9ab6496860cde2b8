// Tables, timers, deleted series, aliases, invocations: what rules remember from line to line.
#include <cstdio>

#include "tests/cases/harness.h"

namespace logtally::cases {
namespace {

// A line of kind `what` at this second of the hour; further members as JSON.
std::string at(int second, const std::string& what, const std::string& more = "") {
  char time[32];
  std::snprintf(time, sizeof time, "2026-02-28T14:%02d:%02dZ", second / 60, second % 60);
  return std::string(R"({"time":")") + time + R"(","what":")" + what + "\"" +
         (more.empty() ? "" : "," + more) + "}";
}
std::string timeless(const std::string& what, const std::string& more = "") {
  return R"({"what":")" + what + "\"" + (more.empty() ? "" : "," + more) + "}";
}
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTwoOClock = 1'772'287'200 * kSecond;  // 2026-02-28T14:00:00Z

// Everything that arrives is an hour late: no line's time lies in the future.
struct LateEngine : Engine {
  explicit LateEngine(const std::string& rules) : Engine(rules) {
    origin.arrival_ns = kTwoOClock + 3600 * kSecond;
    origin.time_ns = origin.arrival_ns;
  }
};
std::string run(const std::string& rules, const Texts& lines) {
  LateEngine engine(rules);
  engine.lines(lines);
  return engine.samples();
}

const std::string kPairs =
    "tables: {t: {key: $id, columns: [model], ttl: 60s, max: 3}}\n"
    "metrics:\n"
    "  took_seconds: {type: histogram, help: h, labels: [model], buckets: [10]}\n"
    "  done_total: {type: counter, help: h, labels: {model: {default: unknown}}}\n"
    "rules:\n"
    "  start: {match: {what: start}, do: [remember: t]}\n"
    "  end: {match: {what: end}, do: [take: t, {observe: took_seconds, value: $elapsed}, inc: "
    "done_total]}\n";

std::string took(const std::string& model, int sum, int count) {
  const std::string in = sum <= 10 * count ? std::to_string(count) : "0";
  return "took_seconds_bucket{model=\"" + model + "\",le=\"10\"} " + in +
         "\ntook_seconds_bucket{model=\"" + model + "\",le=\"+Inf\"} " + std::to_string(count) +
         "\ntook_seconds_sum{model=\"" + model + "\"} " + std::to_string(sum) +
         "\ntook_seconds_count{model=\"" + model + "\"} " + std::to_string(count) + "\n";
}

}  // namespace

TEST_CASE("tracking: take gives the row's columns and the time since, and removes it") {
  LateEngine engine(kPairs);
  engine.line(at(1, "start", R"("id":"a","model":"kimi")"));
  engine.line(at(8, "end", R"("id":"a","model":"of the line")"));
  CHECK(engine.samples() == "done_total{model=\"kimi\"} 1\n" + took("kimi", 7, 1));
  engine.line(at(9, "end", R"("id":"a")"));
  CHECK(engine.skips() ==
        "end / take t / unknown_key 1\nend / observe took_seconds / missing_field 1\n");
  CHECK(engine.delta().tables[0].missed() == 1);
  CHECK(engine.delta().tables[0].rows() == 0);
  CHECK(engine.samples() ==
        "done_total{model=\"kimi\"} 1\ndone_total{model=\"unknown\"} 1\n" + took("kimi", 7, 1));
}

TEST_CASE("tracking: $elapsed is there only if both lines had a time") {
  for (const bool first : {false, true}) {
    LateEngine engine(kPairs);
    const std::string more = R"("id":"a","model":"kimi")";
    engine.line(first ? at(1, "start", more) : timeless("start", more));
    engine.line(first ? timeless("end", more) : at(2, "end", more));
    CHECK(engine.samples() == "done_total{model=\"kimi\"} 1\n");
    CHECK(engine.skips() == "end / observe took_seconds / missing_field 1\n");
  }
  // The wrapper's time is one.
  LateEngine engine(kPairs);
  engine.origin.has_time = true;
  engine.origin.time_ns = kTwoOClock;
  engine.line(timeless("start", R"("id":"a","model":"kimi")"));
  engine.origin.time_ns = kTwoOClock + 3 * kSecond;
  engine.line(timeless("end", R"("id":"a")"));
  CHECK(engine.samples() == "done_total{model=\"kimi\"} 1\n" + took("kimi", 3, 1));
}

TEST_CASE(
    "tracking: rows expire by event time, and the fullest table drops what was used longest ago") {
  LateEngine engine(kPairs);
  engine.line(at(0, "start", R"("id":"a","model":"kimi")"));
  engine.line(timeless("other"));  // whenever it arrives, it moves nothing
  engine.line(at(60, "end", R"("id":"a")"));
  CHECK(engine.delta().tables[0].expired() == 1);
  CHECK(engine.skips().starts_with("end / take t / unknown_key 1\n"));
  for (const char* id : {"b", "c", "d", "e"}) {
    engine.line(at(61, "start", std::string(R"("id":")") + id + R"(","model":"m")"));
  }
  CHECK(engine.delta().tables[0].rows() == 3);
  CHECK(engine.delta().tables[0].evicted() == 1);
  engine.line(at(62, "end", R"("id":"b")"));
  engine.line(at(62, "end", R"("id":"e")"));
  CHECK(engine.samples().find("done_total{model=\"m\"} 1\n") != std::string::npos);
}

TEST_CASE("tracking: a queue gives the rows of one key first in, first out") {
  const std::string rules =
      "tables: {t: {key: [$file, $id], columns: [n], queue: true}}\n"
      "metrics: {g: {type: gauge, help: h}}\n"
      "rules:\n"
      "  start: {match: {what: start}, do: [remember: t]}\n"
      "  end: {match: {what: end}, do: [take: t, {set: g, value: $n}]}\n";
  LateEngine engine(rules);
  for (const char* n : {"1", "2", "3"}) {
    engine.line(at(1, "start", std::string(R"("file":"f","id":"x","n":)") + n));
  }
  engine.line(at(2, "start", R"("file":"fx","id":"","n":9)"));  // the parts do not run together
  for (const char* n : {"1", "2", "3"}) {
    engine.line(at(3, "end", R"("file":"f","id":"x")"));
    CHECK(engine.samples() == "g " + std::string(n) + "\n");
  }
  engine.line(at(3, "end", R"("file":"f","id":"x")"));
  CHECK(engine.skips() == "end / take t / unknown_key 1\nend / set g / missing_field 1\n");
  CHECK(engine.delta().tables[0].rows() == 1);
}

TEST_CASE("tracking: an open gauge is the number of rows, through replacing, expiry and eviction") {
  const std::string rules =
      "tables: {t: {key: $id, columns: [m], ttl: 10s, max: 2, open: g}}\n"
      "metrics: {g: {type: gauge, help: h, labels: {m: {values: [a, b], default: none}}}}\n"
      "rules:\n"
      "  start: {match: {what: start}, do: [remember: t]}\n"
      "  end: {match: {what: end}, do: [take: t]}\n";
  LateEngine engine(rules);
  const auto start = [&](int second, const std::string& id, const std::string& more) {
    engine.line(at(second, "start", "\"id\":\"" + id + "\"" + more));
  };
  const auto gauge = [&](int a, int b) {
    const std::string page = engine.samples();
    CHECK(page.find("g{m=\"a\"} " + std::to_string(a) + "\n") != std::string::npos);
    CHECK(page.find("g{m=\"b\"} " + std::to_string(b) + "\n") != std::string::npos);
  };
  start(1, "1", R"(,"m":"a")");
  gauge(1, 0);
  start(2, "1", R"(,"m":"b")");  // replaced, under another label
  gauge(0, 1);
  start(3, "2", R"(,"m":"b")");
  gauge(0, 2);
  start(4, "3", R"(,"m":"a")");  // the oldest goes
  gauge(1, 1);
  engine.line(at(5, "end", R"("id":"3")"));
  gauge(0, 1);
  engine.line(at(13, "other"));  // ten seconds
  gauge(0, 0);
  start(14, "4", "");
  start(14, "5", R"(,"m":"z")");
  CHECK(engine.samples().find("g{m=\"none\"} 1\n") != std::string::npos);
  CHECK(engine.samples().find("g{m=\"other\"} 1\n") != std::string::npos);
  engine.line(at(15, "end", R"("id":"5")"));
  CHECK(engine.samples().find("g{m=\"other\"} 0\n") != std::string::npos);
}

TEST_CASE("tracking: a table is called in labels, let, value and if") {
  const std::string rules =
      "tables: {t: {key: $s, columns: [agent, weight], ttl: 10s}}\n"
      "metrics:\n"
      "  by_label_total: {type: counter, help: h, labels: [agent]}\n"
      "  by_let_total: {type: counter, help: h, labels: [agent]}\n"
      "  sum_total: {type: counter, help: h}\n"
      "  heavy_total: {type: counter, help: h}\n"
      "rules:\n"
      "  open: {match: {what: open}, do: [remember: t]}\n"
      "  use:\n"
      "    match: {what: use}\n"
      "    let: {who: t($s).agent or 'nobody', loud: upper($who)}\n"
      "    do:\n"
      "      - {inc: by_label_total, labels: {agent: t($s).agent}}\n"
      "      - {inc: by_let_total, labels: {agent: $loud}}\n"
      "      - {add: sum_total, value: t($s).weight}\n"
      "      - {inc: heavy_total, if: t($s).weight > 5}\n";
  LateEngine engine(rules);
  engine.line(at(1, "open", R"("s":"x","agent":"aria","weight":3)"));
  engine.line(at(2, "use", R"("s":"x")"));
  engine.line(at(3, "open", R"("s":"x","agent":"nova","weight":8)"));
  engine.line(at(9, "use", R"("s":"x")"));
  engine.line(at(18, "use", R"("s":"x")"));  // a call is a use
  engine.line(at(30, "use", R"("s":"x")"));  // expired
  CHECK(engine.samples() ==
        "by_label_total{agent=\"aria\"} 1\nby_label_total{agent=\"nova\"} 2\n"
        "by_let_total{agent=\"ARIA\"} 1\nby_let_total{agent=\"NOBODY\"} "
        "1\nby_let_total{agent=\"NOVA\"} 2\n"
        "heavy_total 2\nsum_total 19\n");
  CHECK(engine.skips() ==
        "use / inc by_label_total / unknown_key 1\nuse / add sum_total / unknown_key 1\n");
}

TEST_CASE("tracking: a gauge that is set for a while falls back") {
  const std::string rules =
      "metrics: {g: {type: gauge, help: h}}\n"
      "rules:\n"
      "  then: {match: {what: then}, do: [{set: g, value: 1, for: 30s, then: 0}]}\n"
      "  was: {match: {what: was}, do: [{set: g, value: 5, for: $s}]}\n"
      "  plain: {match: {what: plain}, do: [{set: g, value: 7}]}\n"
      "  inc: {match: {what: inc}, do: [inc: g]}\n"
      "  delete: {match: {what: delete}, do: [delete: g]}\n";
  CHECK(run(rules, {at(0, "then"), at(29, "x")}) == "g 1\n");
  CHECK(run(rules, {at(0, "then"), at(30, "x")}) == "g 0\n");
  CHECK(run(rules, {at(0, "then"), at(20, "then"), at(49, "x")}) == "g 1\n");
  // Without `then`: what it was, which may be nothing; and not what a running timer hides.
  CHECK(run(rules, {at(0, "was", R"("s":10)"), at(10, "x")}).empty());
  CHECK(run(rules, {at(0, "plain"), at(1, "was", R"("s":10)"), at(11, "x")}) == "g 7\n");
  CHECK(run(rules, {at(0, "plain"), at(1, "was", R"("s":10)"), at(5, "was", R"("s":10)"),
                    at(14, "x")}) == "g 5\n");
  CHECK(run(rules, {at(0, "plain"), at(1, "was", R"("s":10)"), at(5, "was", R"("s":10)"),
                    at(15, "x")}) == "g 7\n");
  CHECK(run(rules, {at(0, "was", R"("s":"1m")"), at(59, "x")}) == "g 5\n");
  // Called off.
  CHECK(run(rules, {at(0, "then"), at(1, "plain"), at(60, "x")}) == "g 7\n");
  CHECK(run(rules, {at(0, "then"), at(1, "inc"), at(60, "x")}) == "g 2\n");
  CHECK(run(rules, {at(0, "then"), at(1, "delete"), at(60, "x")}).empty());
  // An older line does not set, and calls nothing off.
  CHECK(run(rules, {at(10, "then"), at(1, "plain"), at(60, "x")}) == "g 0\n");
  CHECK(skips_of(rules, {at(0, "was"), at(0, "was", R"("s":"soon")")}) ==
        "was / set g / missing_field 1\nwas / set g / not_a_number 1\n");
  CHECK(samples_of(rules, {at(0, "was"), at(0, "was", R"("s":"soon")")}).empty());
}

TEST_CASE("tracking: a date far ahead is no event time for what falls back later") {
  LateEngine engine(
      "metrics: {g: {type: gauge, help: h, labels: [a]}}\n"
      "rules: {r: {match: {what: set}, do: [{set: g, value: 1, for: 10s, then: 0}]}}\n");
  engine.line(at(0, "set", R"("a":"x")"));
  engine.line(R"({"time":"2099-01-01T00:00:00Z","what":"set","a":"y"})");
  engine.line(at(1, "set", R"("a":"z")"));
  CHECK(engine.samples() == "g{a=\"x\"} 1\ng{a=\"y\"} 1\ng{a=\"z\"} 1\n");
  engine.line(at(11, "x"));
  CHECK(engine.samples() == "g{a=\"x\"} 0\ng{a=\"y\"} 0\ng{a=\"z\"} 0\n");
}

TEST_CASE("tracking: a silent stream's time goes on by the clock") {
  LateEngine engine(
      "tables: {t: {key: $id, ttl: 10s, open: n}}\n"
      "metrics: {n: {type: gauge, help: h}, g: {type: gauge, help: h}}\n"
      "rules: {r: {match: {what: set}, do: [remember: t, {set: g, value: 1, for: 30s, then: "
      "0}]}}\n");
  const std::int64_t wall = kTwoOClock + 100 * kSecond;  // the stream lags
  engine.follow(wall);
  engine.origin.arrival_ns = wall;
  engine.line(at(0, "set", R"("id":1)"));
  CHECK(engine.samples() == "g 1\nn 1\n");
  CHECK_FALSE(engine.tick(wall + 9 * kSecond));
  CHECK(engine.tick(wall + 10 * kSecond));
  CHECK(engine.samples() == "g 1\nn 0\n");
  CHECK_FALSE(engine.tick(wall + 29 * kSecond));
  CHECK(engine.tick(wall + 30 * kSecond));
  CHECK(engine.samples() == "g 0\nn 0\n");
  CHECK_FALSE(engine.tick(wall + 1000 * kSecond));

  LateEngine once(
      "metrics: {g: {type: gauge, help: h}}\nrules: {r: {do: [{set: g, value: 1, for: 1s, then: "
      "0}]}}\n");
  once.line(at(0, "set"));
  CHECK_FALSE(once.tick(wall + 1000 * kSecond));
}

TEST_CASE("tracking: rows that come and go leave no memory behind") {
  const std::string rules =
      "tables: {t: {key: $id, columns: [text], ttl: 24h}}\n"
      "rules:\n"
      "  start: {match: {what: start}, do: [remember: t]}\n"
      "  end: {match: {what: end}, do: [take: t]}\n";
  for (const bool timed : {true, false}) {
    LateEngine engine(rules);
    const std::string text = R"(,"text":")" + std::string(400, 'x') + "\"";
    for (int i = 0; i < 5000; ++i) {
      const std::string id = "\"id\":" + std::to_string(i);
      engine.line(timed ? at(i / 10, "start", id + text) : timeless("start", id + text));
      engine.line(timed ? at(i / 10, "end", id) : timeless("end", id));
    }
    CHECK(engine.delta().tables[0].rows() == 0);
    CHECK(engine.delta().tables[0].bytes() < 300'000);
  }
}

TEST_CASE("tracking: a deleted series starts anew") {
  const std::string rules =
      "metrics:\n"
      "  c_total: {type: counter, help: h, labels: [a, b]}\n"
      "  h: {type: histogram, help: h, buckets: [1]}\n"
      "rules:\n"
      "  count: {match: {what: count}, do: [inc: c_total, {observe: h, value: 0.5}]}\n"
      "  all: {match: {what: all}, do: [delete: c_total, delete: h]}\n"
      "  some: {match: {what: some}, do: [{delete: c_total, labels: {a: $a}}]}\n";
  const auto count = [](const std::string& a, const std::string& b) {
    return timeless("count", R"("a":")" + a + R"(","b":")" + b + "\"");
  };
  LateEngine engine(rules);
  engine.lines({count("1", "x"), count("1", "x"), count("1", "y"), count("2", "x")});
  engine.line(timeless("some", R"("a":"1")"));
  const std::string page = engine.samples();
  CHECK(page.starts_with("c_total{a=\"2\",b=\"x\"} 1\nh_bucket"));
  engine.line(timeless("some"));  // without the field nothing is deleted
  CHECK(engine.samples() == page);
  CHECK(engine.skips() == "some / delete c_total / missing_field 1\n");
  engine.line(count("1", "x"));
  CHECK(engine.samples().starts_with("c_total{a=\"1\",b=\"x\"} 1\nc_total{a=\"2\",b=\"x\"} 1\n"));
  engine.line(timeless("all"));
  CHECK(engine.samples().empty());
  engine.line(count("2", "x"));
  CHECK(engine.samples() ==
        "c_total{a=\"2\",b=\"x\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum "
        "0.5\nh_count 1\n");
}

TEST_CASE("tracking: an alias shows the same series under its name") {
  const std::string rules =
      "metrics: {new_total: {type: counter, help: h, labels: [a], aliases: [old_total, "
      "older_total]}}\n"
      "rules: {r: {do: [inc: new_total]}, gone: {match: {what: all}, do: [delete: new_total]}}\n";
  LateEngine engine(rules);
  engine.line(R"({"a":"x"})");
  engine.line(R"({"a":"x"})");
  CHECK(engine.page() ==
        "# HELP new_total h\n# TYPE new_total counter\nnew_total{a=\"x\"} 2\n"
        "# HELP old_total h\n# TYPE old_total counter\nold_total{a=\"x\"} 2\n"
        "# HELP older_total h\n# TYPE older_total counter\nolder_total{a=\"x\"} 2\n");
  engine.line(R"({"what":"all"})");
  CHECK(engine.samples().empty());
  CHECK(faults_of("metrics: {a_total: {type: counter, help: h, aliases: [b_total]}, b_total: "
                  "{type: counter, help: h}}") == "1:54 E031\n");
}

TEST_CASE("tracking: an invocation is kept with its place, and needs a skill") {
  const std::string rules =
      "rules: {r: {match: {what: skill}, let: {skill_name: $skill}, do: [store: skill_invocation, "
      "store: skill_invocation]}}\n";
  LateEngine engine(rules);
  engine.line(at(1, "skill", R"("skill":"memory","duration_ms":12,"success":true)"));
  engine.line(at(2, "skill", R"("tool_name":"x")"));
  REQUIRE(engine.delta().invocations.size() == 2);
  const rules::Invocation& one = engine.delta().invocations[1];
  CHECK(one.ordinal == 1);
  CHECK(one.time_ns == kTwoOClock + kSecond);
  CHECK(one.columns[0] == "memory");
  CHECK_FALSE(one.columns[1]);
  CHECK(one.columns[2] == "12");
  CHECK(one.columns[3] == "true");
  CHECK(engine.skips() ==
        "r / store skill_invocation / missing_field 1\nr / store skill_invocation / missing_field "
        "1\n");
}

TEST_CASE("tracking: faulty tables and actions on them are refused with their place") {
  struct Row {
    const char* text;
    const char* fault;
  };
  const Row rows[] = {
      {"tables: {t: {ttl: 1m}}", "1:10 E011\n"},
      {"tables: {t: {key: $a, ttl: soon}}", "1:28 E013\n"},
      {"tables: {t: {key: $a, queue: 1}}", "1:30 E013\n"},
      {"tables: {t: {key: $a, open: g}}", "1:29 E030\n"},
      {"metrics: {c: {type: counter, help: h}}\ntables: {t: {key: $a, open: c}}", "2:29 E035\n"},
      {"metrics: {g: {type: gauge, help: h, labels: [b]}}\ntables: {t: {key: $a, open: g}}",
       "2:29 E034\n"},
      {"tables: {t: {key: $a}}\nrules: {r: {do: [take: tt]}}", "2:24 E030\n"},
      {"tables: {t: {key: $a}}\nrules: {r: {do: [{take: t, value: 1}]}}", "2:28 E012\n"},
      {"rules: {r: {do: [store: skills]}}", "1:25 E013\n"},
      {"maps: {t: {a: b}}\ntables: {t: {key: $a}}", "2:10 E031\n"},
      {"metrics: {g: {type: gauge, help: h}}\nrules: {r: {do: [{set: g, value: 1, then: 0}]}}",
       "2:19 E011\n"},
      {"metrics: {g: {type: gauge, help: h}}\nrules: {r: {do: [{set: g, value: 1, for: soon}]}}",
       "2:42 E013\n"},
      {"metrics: {g: {type: gauge, help: h}}\nrules: {r: {do: [{inc: g, for: 1m}]}}",
       "2:32 E035\n"},
      {"metrics: {g: {type: gauge, help: h}}\nrules: {r: {do: [{delete: g, labels: {a: 1}}]}}",
       "2:39 E034\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(faults_of(row.text) == row.fault);
  }
}

}  // namespace logtally::cases
