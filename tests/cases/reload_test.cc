// Reload: what goes on, what starts anew (RULES.md §8), and the cases F and C17.
#include "tests/cases/harness.h"

namespace logtally::cases {
namespace {

const std::string kMetrics = R"(
metrics:
  jobs_total: {type: counter, help: h, labels: [job]}
  lines_total: {type: counter, help: h}
  took_seconds: {type: histogram, help: h, labels: [job], buckets: [1, 10]}
  active: {type: gauge, help: h}
)";
const std::string kRules = R"(
rules:
  job:
    match: {event: job}
    do:
      - inc: jobs_total
      - {observe: took_seconds, value: $took}
      - {set: active, value: $active}
  any:
    do: [{inc: lines_total}]
)";

const Texts kLines = {R"({"event":"job","job":"a","took":0.5,"active":3})",
                      R"({"event":"job","job":"b","took":5})", R"({"event":"other"})"};

// What the page says of the names that begin like this.
std::string of(Engine& engine, std::string_view name) {
  std::string out;
  const std::string all = engine.samples();
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at) + 1;
    if (std::string_view(all).substr(at).starts_with(name)) out += all.substr(at, end - at);
    at = end;
  }
  return out;
}

bool nothing(const rules::Succession& s) {
  return s.new_rules.empty() && s.gone_rules.empty() && s.new_metrics.empty() &&
         s.gone_metrics.empty() && s.switched_on.empty() && s.switched_off.empty() &&
         s.crowded.empty() && s.restarted.empty() && s.emptied_tables.empty();
}

std::string totals(Engine& engine) {
  std::string out;
  for (std::size_t i = 0; i < engine.set().rules().size(); ++i) {
    out +=
        engine.set().rules()[i].name + "=" + std::to_string(engine.delta().rules[i].matched) + " ";
  }
  return out + engine.skips();
}

}  // namespace

TEST_CASE("F9: the same rules with comments, in another order, in other files change nothing") {
  const std::string reordered = R"(
rules:
  any:
    do: [{inc: lines_total}]
  job:
    match: {event: job}
    do:
      - inc: jobs_total
      - {observe: took_seconds, value: $took}
      - {set: active, value: $active}
metrics:
  took_seconds: {type: histogram, help: other words, labels: [job], buckets: [1, 10]}
  active: {type: gauge, help: h}
  lines_total: {type: counter, help: h}
  jobs_total: {type: counter, help: h, labels: [job]}
)";
  const Texts others[] = {{kMetrics + kRules + "# behind\n"},
                          {"# above\n# and above\n" + kMetrics + "# between\n" + kRules},
                          {kRules, kMetrics},
                          {kMetrics, kRules},
                          {reordered}};
  for (const Texts& other : others) {
    CAPTURE(other);
    Engine engine(kMetrics + kRules);
    engine.lines(kLines);
    const std::string before = engine.samples();
    const std::string counted = totals(engine);
    CHECK(nothing(engine.reload(other)));
    CHECK(engine.samples() == before);
    engine.reload(kMetrics + kRules);
    CHECK(engine.samples() == before);
    CHECK(totals(engine) == counted);
    // What comes is added to what was.
    engine.reload(other);
    engine.lines(kLines);
    CHECK(of(engine, "jobs_total") == "jobs_total{job=\"a\"} 2\njobs_total{job=\"b\"} 2\n");
    CHECK(of(engine, "lines_total") == "lines_total 6\n");
    CHECK(of(engine, "took_seconds_sum{job=\"b\"}") == "took_seconds_sum{job=\"b\"} 10\n");
    CHECK(of(engine, "took_seconds_bucket{job=\"a\",le=\"1\"}") ==
          "took_seconds_bucket{job=\"a\",le=\"1\"} 2\n");
    CHECK(of(engine, "active") == "active 3\n");
  }
}

TEST_CASE("F3: other labels, type or buckets start that metric anew, alone") {
  Engine engine(kMetrics + kRules);
  engine.lines(kLines);
  const auto swap = [](std::string text, std::string_view from, std::string_view to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string lines = of(engine, "lines_total");
  const std::string took = of(engine, "took_seconds");

  auto told = engine.reload(
      swap(kMetrics, "labels: [job]}", "labels: {job: {}, status: {default: none}}}") + kRules);
  REQUIRE(told.restarted.size() == 1);
  CHECK(told.restarted[0].metric == "jobs_total");
  CHECK(told.restarted[0].why == "labels");
  CHECK(of(engine, "jobs_total").empty());
  CHECK(of(engine, "lines_total") == lines);
  CHECK(of(engine, "took_seconds") == took);
  engine.lines(kLines);
  CHECK(of(engine, "jobs_total") ==
        "jobs_total{job=\"a\",status=\"none\"} 1\njobs_total{job=\"b\",status=\"none\"} 1\n");
  CHECK(of(engine, "lines_total") == "lines_total 6\n");

  told = engine.reload(swap(kMetrics, "buckets: [1, 10]", "buckets: [1, 5]") + kRules);
  REQUIRE(told.restarted.size() == 2);
  CHECK(told.restarted[1].metric == "took_seconds");
  CHECK(told.restarted[1].why == "buckets");
  CHECK(of(engine, "took_seconds").empty());

  told = engine.reload(swap(kMetrics, "active: {type: gauge", "active: {type: counter") + kRules);
  REQUIRE(told.restarted.size() == 2);
  CHECK(told.restarted[1].metric == "active");
  CHECK(told.restarted[1].why == "type");
  CHECK(of(engine, "active").empty());
  CHECK(of(engine, "lines_total") == "lines_total 6\n");
}

TEST_CASE("F10: a metric that goes leaves the page, and one that returns starts anew") {
  Engine engine(kMetrics + kRules);
  engine.lines(kLines);
  const std::string fewer = R"(
metrics:
  lines_total: {type: counter, help: h}
rules:
  any:
    do: [{inc: lines_total}]
)";
  const auto told = engine.reload(fewer);
  CHECK(told.gone_metrics == Texts{"jobs_total", "took_seconds", "active"});
  CHECK(told.gone_rules == Texts{"job"});
  CHECK(engine.samples() == "lines_total 3\n");
  engine.lines(kLines);
  const auto back = engine.reload(kMetrics + kRules);
  CHECK(back.new_metrics == Texts{"jobs_total", "took_seconds", "active"});
  CHECK(back.new_rules == Texts{"job"});
  CHECK(of(engine, "jobs_total").empty());
  engine.lines(kLines);
  CHECK(of(engine, "jobs_total") == "jobs_total{job=\"a\"} 1\njobs_total{job=\"b\"} 1\n");
  CHECK(of(engine, "lines_total") == "lines_total 9\n");
  CHECK(totals(engine).starts_with("job=2 any=9 "));
}

TEST_CASE("F6: rows and timers that wait go on while their table is the same") {
  const std::string metrics = R"(
metrics:
  wait_seconds: {type: histogram, help: h, buckets: [1]}
  open_spans: {type: gauge, help: h}
  open_by_kind: {type: gauge, help: h, labels: [kind]}
  busy: {type: gauge, help: h}
)";
  const auto tables = [](const std::string& table) { return "tables:\n  span: " + table + "\n"; };
  const std::string same = "{key: $id, columns: [kind], ttl: 10m, max: 100, open: open_spans}";
  const std::string rules = R"(
rules:
  start:
    match: {event: start}
    do:
      - remember: span
      - {set: busy, value: 1, for: 30s, then: 0}
  end:
    match: {event: end}
    do:
      - take: span
      - {observe: wait_seconds, value: $elapsed}
)";
  const auto start = [](int id, int second) {
    return R"({"event":"start","kind":"k","id":)" + std::to_string(id) +
           R"(,"time":"2026-02-28T15:00:0)" + std::to_string(second) + R"(Z"})";
  };
  const auto end = [](int id, const std::string& time) {
    return R"({"event":"end","id":)" + std::to_string(id) + R"(,"time":"2026-02-28T15:)" + time +
           R"(Z"})";
  };
  Engine engine(metrics + tables(same) + rules);
  engine.origin.arrival_ns = 1'772'290'900'000'000'000;
  engine.lines({start(1, 0), start(2, 1), start(3, 2)});
  CHECK(of(engine, "open_spans") == "open_spans 3\n");

  CHECK(nothing(engine.reload("# a comment\n" + rules + tables(same) + metrics)));
  engine.line(end(1, "00:05"));
  CHECK(of(engine, "open_spans") == "open_spans 2\n");
  CHECK(of(engine, "wait_seconds_sum") == "wait_seconds_sum 5\n");
  CHECK(of(engine, "busy") == "busy 1\n");

  // Another ttl; the timer and the clock have gone on too.
  engine.reload(metrics +
                tables("{key: $id, columns: [kind], ttl: 5m, max: 100, open: open_spans}") + rules);
  engine.line(end(7, "00:40"));
  CHECK(of(engine, "busy") == "busy 0\n");
  CHECK(of(engine, "open_spans") == "open_spans 2\n");

  // Another gauge counts the rows; the old one no longer does.
  engine.reload(metrics +
                tables("{key: $id, columns: [kind], ttl: 5m, max: 100, open: open_by_kind}") +
                rules);
  CHECK(of(engine, "open") == "open_by_kind{kind=\"k\"} 2\nopen_spans 0\n");

  // A smaller max: the row used longest ago leaves.
  engine.reload(metrics +
                tables("{key: $id, columns: [kind], ttl: 5m, max: 1, open: open_by_kind}") + rules);
  CHECK(of(engine, "open") == "open_by_kind{kind=\"k\"} 1\nopen_spans 0\n");
  engine.line(end(3, "00:42"));
  CHECK(of(engine, "wait_seconds_sum") == "wait_seconds_sum 45\n");
  CHECK(of(engine, "open") == "open_by_kind{kind=\"k\"} 0\nopen_spans 0\n");

  // Other columns, another key: the rows are no rows of the new table.
  engine.line(start(4, 0));
  CHECK(of(engine, "open_by") == "open_by_kind{kind=\"k\"} 1\n");
  const auto told = engine.reload(
      metrics + tables("{key: $kind, columns: [kind], ttl: 5m, max: 9, open: open_by_kind}") +
      rules);
  CHECK(told.emptied_tables == Texts{"span"});
  CHECK(of(engine, "open_by") == "open_by_kind{kind=\"k\"} 0\n");
  CHECK(engine.delta().tables[0].rows() == 0);
}

TEST_CASE("reload: a gauge that falls back does so though its rule is gone") {
  const std::string metrics =
      "metrics: {busy: {type: gauge, help: h}, other: {type: gauge, help: h}}\n";
  Engine engine(metrics + R"(
rules:
  on:
    match: {event: "on"}
    do: [{set: busy, value: 1, for: 30s, then: 0}]
  off:
    match: {event: "on"}
    do: [{set: other, value: 1, for: 30s, then: 0}]
)");
  engine.line(R"({"event":"on","time":"2026-02-28T15:00:00Z"})");
  CHECK(of(engine, "busy") == "busy 1\n");
  engine.reload(
      "metrics: {busy: {type: gauge, help: h}}\nrules: {any: {match: {a: 1}, do: [{inc: "
      "busy}]}}\n");
  CHECK(engine.delta().timers.size() == 1);  // the other's series is gone
  constexpr std::int64_t kHour = 3'600'000'000'000;
  engine.follow(1'772'290'800'000'000'000);
  engine.tick(1'772'290'800'000'000'000 + kHour);
  engine.tick(1'772'290'800'000'000'000 + 2 * kHour);
  CHECK(of(engine, "busy") == "busy 0\n");
}

TEST_CASE("reload: values of a label with a max stay admitted") {
  const auto rules = [](const std::string& labels) {
    return "metrics: {a_total: {type: counter, help: h, labels: " + labels +
           "}}\nrules: {any: {do: [{inc: a_total}]}}\n";
  };
  const auto line = [](const std::string& user) { return R"({"x":1,"user":")" + user + "\"}"; };
  Engine engine(rules("{user: {max: 2}}"));
  engine.lines({line("a"), line("b"), line("c")});
  const std::string capped =
      "a_total{user=\"a\"} 1\na_total{user=\"b\"} 1\na_total{user=\"other\"} 1\n";
  CHECK(engine.samples() == capped);
  engine.reload("# x\n" + rules("{user: {max: 2}}"));
  engine.lines({line("d"), line("a")});
  CHECK(engine.samples() ==
        "a_total{user=\"a\"} 2\na_total{user=\"b\"} 1\na_total{user=\"other\"} 2\n");
  CHECK(engine.delta().capped[0].overflowed == 2);
  engine.reload(rules("{user: {max: 3}}"));
  engine.lines({line("d"), line("e")});
  CHECK(engine.samples() ==
        "a_total{user=\"a\"} 2\na_total{user=\"b\"} 1\na_total{user=\"d\"} "
        "1\na_total{user=\"other\"} 3\n");
  engine.reload(rules("{user: {max: 1}}"));  // who has a series keeps it
  engine.lines({line("b"), line("f")});
  CHECK(engine.samples() ==
        "a_total{user=\"a\"} 2\na_total{user=\"b\"} 2\na_total{user=\"d\"} "
        "1\na_total{user=\"other\"} 4\n");
  // A max where there was none: the series that are there count.
  engine.reload(rules("[user]"));
  engine.line(line("g"));
  engine.reload(rules("{user: {max: 4}}"));
  engine.lines({line("g"), line("h")});
  CHECK(of(engine, "a_total{user=\"g\"}") == "a_total{user=\"g\"} 2\n");
  CHECK(of(engine, "a_total{user=\"other\"}") == "a_total{user=\"other\"} 5\n");
}

TEST_CASE("reload: labels in another order are the same labels") {
  const auto rules = [](const std::string& labels) {
    return "metrics:\n  a_total: {type: counter, help: h, labels: " + labels +
           "}\nrules: {any: {do: [{inc: a_total}]}}\n";
  };
  Engine engine(rules("[x, y]"));
  for (int i = 0; i < 40; ++i) engine.line(R"({"x":)" + std::to_string(i) + R"(,"y":"same"})");
  const std::string before = engine.samples();
  CHECK(nothing(engine.reload(rules("[y, x]"))));
  CHECK(engine.samples() == before);
  engine.line(R"({"x":7,"y":"same"})");
  engine.line(R"({"x":"same","y":"7"})");
  CHECK(of(engine, "a_total{x=\"7\"") == "a_total{x=\"7\",y=\"same\"} 2\n");
  CHECK(of(engine, "a_total{x=\"same\"") == "a_total{x=\"same\",y=\"7\"} 1\n");
  engine.reload(rules("[x, y]"));
  engine.line(R"({"x":7,"y":"same"})");
  CHECK(of(engine, "a_total{x=\"7\"") == "a_total{x=\"7\",y=\"same\"} 3\n");
}

TEST_CASE("reload: zeros of closed sets come for new values, and change no old one") {
  const auto rules = [](const std::string& values) {
    return "metrics:\n  a_total: {type: counter, help: h, labels: {s: {values: " + values +
           "}}}\nrules: {any: {match: {s: {exists: true}}, do: [{inc: a_total}]}, "
           "gone: {match: {wipe: 1}, do: [{delete: a_total, labels: {s: ok}}]}}\n";
  };
  Engine engine(rules("[ok, error]"));
  engine.lines({R"({"s":"ok"})", R"({"s":"error"})"});
  engine.reload(rules("[ok, error, late]"));
  CHECK(engine.samples() == "a_total{s=\"error\"} 1\na_total{s=\"late\"} 0\na_total{s=\"ok\"} 1\n");
  engine.line(R"({"wipe":1})");
  engine.reload("# x\n" + rules("[ok, error, late]"));
  CHECK(engine.samples() == "a_total{s=\"error\"} 1\na_total{s=\"late\"} 0\n");
}

TEST_CASE("reload: an alias comes and goes with its metric's values") {
  const auto rules = [](const std::string& more) {
    return "metrics: {a_total: {type: counter, help: h" + more +
           "}}\nrules: {any: {do: [{inc: a_total}]}}\n";
  };
  Engine engine(rules(""));
  engine.line("{\"x\":1}");
  engine.reload(rules(", aliases: [old_total]"));
  CHECK(engine.samples() == "a_total 1\nold_total 1\n");
  engine.reload(rules(""));
  CHECK(engine.samples() == "a_total 1\n");
}

TEST_CASE("reload: rules keep what they have counted about themselves, by name") {
  const std::string metrics = "metrics: {a_total: {type: counter, help: h}}\n";
  Engine engine(metrics + R"(
rules:
  one:
    match: {event: x}
    do:
      - {add: a_total, value: $n}
      - {add: a_total, value: $m}
)");
  engine.lines({R"({"event":"x"})", R"({"event":"x","n":1})"});
  CHECK(engine.skips() ==
        "one / add a_total / missing_field 1\none / add a_total #2 / missing_field 2\n");
  engine.reload(metrics + R"(
rules:
  two: {match: {event: y}, do: [{inc: a_total}]}
  one:
    match: {event: x}
    do:
      - {inc: a_total}
      - {add: a_total, value: $n}
)");
  CHECK(engine.skips() == "one / add a_total / missing_field 1\n");
  CHECK(engine.delta().rules[1].matched == 2);
  CHECK(engine.delta().rules[0].matched == 0);
}

TEST_CASE("F1: a comment at the end keeps the count") {
  Engine engine(kMetrics + kRules);
  engine.lines(kLines);
  engine.reload(kMetrics + kRules + "# a comment\n");
  CHECK(of(engine, "lines_total") == "lines_total 3\n");
}

TEST_CASE("F2: comments above a metric keep it on the page, once") {
  Engine engine(kMetrics + kRules);
  engine.lines(kLines);
  const std::string page = engine.page();
  engine.reload("# one\n# two\n" + kMetrics + kRules);
  CHECK(engine.page() == page);
}

TEST_CASE("F5: what the rules no longer name is gone at the next scrape") {
  Engine engine(kMetrics + kRules);
  engine.lines(kLines);
  engine.reload(
      "metrics: {lines_total: {type: counter, help: h}}\nrules: {any: {do: [{inc: "
      "lines_total}]}}\n");
  CHECK(engine.page() == "# HELP lines_total h\n# TYPE lines_total counter\nlines_total 3\n");
}

TEST_CASE("F7: a hundred reloads lose nothing") {
  Engine engine(kMetrics + kRules);
  for (int i = 0; i < 100; ++i) {
    engine.lines(kLines);
    engine.reload(i % 2 == 0 ? Texts{kRules, kMetrics} : Texts{kMetrics + kRules});
  }
  CHECK(of(engine, "lines_total") == "lines_total 300\n");
  CHECK(of(engine, "jobs_total") == "jobs_total{job=\"a\"} 100\njobs_total{job=\"b\"} 100\n");
}

TEST_CASE("F11: rules with a fault are refused before anything is touched") {
  Engine engine(kMetrics + kRules);
  engine.lines(kLines);
  const std::string before = engine.samples();
  config::Diagnostics found;
  CHECK(compile({kMetrics + kRules + "  bad: {do: [{inc: nothing_total}]}\n"}, found) == nullptr);
  CHECK(found.has_errors());
  CHECK(engine.samples() == before);
  engine.line(kLines[0]);
  CHECK(of(engine, "lines_total") == "lines_total 4\n");
}

TEST_CASE("F9: a rule that is switched off is not gone, and one that is switched on not new") {
  Engine engine(kMetrics + kRules);
  const rules::Succession off = engine.reload({kMetrics + kRules, "rules: {any: false}\n"});
  CHECK(off.switched_off == Texts{"any"});
  CHECK(off.gone_rules.empty());
  CHECK(engine.set().switched_off() == Texts{"any"});
  const rules::Succession on = engine.reload(kMetrics + kRules);
  CHECK(on.switched_on == Texts{"any"});
  CHECK(on.new_rules.empty());
  CHECK(engine
            .reload("rules: {any: {enabled: false, do: [{inc: a_total}]}}\n"
                    "metrics: {a_total: {type: counter, help: h}}\n")
            .gone_rules == Texts{"job"});
}

TEST_CASE("F9: a max below the values there are is told once") {
  const auto rules = [](int max) {
    return "metrics: {a_total: {type: counter, help: h, labels: {x: {max: " + std::to_string(max) +
           "}}}}\nrules: {any: {do: [{inc: a_total}]}}\n";
  };
  Engine engine(rules(5));
  engine.lines({R"({"x":1})", R"({"x":2})", R"({"x":3})"});
  CHECK(engine.reload(rules(3)).crowded.empty());
  const rules::Succession told = engine.reload(rules(2));
  REQUIRE(told.crowded.size() == 1);
  CHECK(told.crowded[0].metric == "a_total");
  CHECK(told.crowded[0].label == "x");
  CHECK(told.crowded[0].values == 3);
  CHECK(told.crowded[0].max == 2);
  CHECK(engine.reload(rules(2)).crowded.empty());
}

TEST_CASE("C17: a family of the same name with other labels replaces the old one") {
  const auto rules = [](const std::string& label) {
    return "metrics: {a_total: {type: counter, help: h, labels: [" + label +
           "]}}\nrules: {any: {do: [{inc: a_total}]}}\n";
  };
  Engine engine(rules("x"));
  engine.line(R"({"x":1,"y":2})");
  engine.reload(rules("y"));
  engine.line(R"({"x":1,"y":2})");
  CHECK(engine.samples() == "a_total{y=\"2\"} 1\n");
}

}  // namespace logtally::cases
