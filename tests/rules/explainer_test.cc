#include "rules/explainer.h"

#include <catch2/catch.hpp>

#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;
using rules::Explanation;
using Outcome = Explanation::Action::Outcome;

namespace {

// The explanations of a few lines.
struct Explained {
  explicit Explained(const std::string& rules)
      : engine(rules), explainer(engine.set(), [this](const Explanation& e) { all.push_back(e); }) {
    engine.origin.arrival_ns = 1'800'000'000'000'000'000;  // later than any line says it is
  }

  const Explanation& operator()(const std::string& line) {
    engine.line(line, &explainer);
    return all.back();
  }

  Engine engine;
  std::vector<Explanation> all;
  rules::Explainer explainer;
};

const Explanation::Rule& rule(const Explanation& e, std::string_view name) {
  for (const Explanation::Rule& rule : e.rules) {
    if (rule.name == name) return rule;
  }
  FAIL("no rule " << name);
  return e.rules.front();
}

std::string number(const std::optional<metrics::Decimal>& value) {
  return value ? metrics::to_string(*value) : "none";
}

constexpr const char* kRules = R"(version: 1
lift: [extra]
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
  dict:   {pattern: '<level>: <message> <fields>'}
metrics:
  calls_total:     {type: counter, help: C, labels: {model: {max: 2}, status: {values: [ok], default: unknown}}}
  took_seconds:    {type: histogram, help: T, buckets: [0.1, 1]}
  busy:            {type: gauge, help: B, min: 0}
  open:            {type: gauge, help: O}
maps:
  outcome: {true: ok}
tables:
  start: {key: $id, columns: [model], ttl: 1m, open: open}
rules:
  call:
    match: {event: call}
    let: {status: outcome($success)}
    do:
      - inc: calls_total
      - {observe: took_seconds, value: $ms, unit: ms}
      - {set: busy, value: 3, for: 30s}
      - {inc: busy, if: $success == false}
  begun:
    match: {event: begin}
    do: [remember: start]
  ended:
    match: {event: end}
    do:
      - take: start
      - {observe: took_seconds, value: $elapsed}
  stored:
    match: {event: skill}
    do: [store: skill_invocation, delete: calls_total]
  job:
    match: {logger: jobs}
    pattern: 'Job <id> done in <ms>ms'
    if: $ms > 5
    do: [{observe: took_seconds, value: $ms, unit: ms}]
)";

}  // namespace

TEST_CASE("explainer: tells labels, the value before and after its unit, and the bucket") {
  Explained explain(kRules);
  const Explanation& e = explain(
      R"({"event":"call","extra":{"model":"kimi"},"success":true,"ms":1500,"level":"WARN","timestamp":"2026-02-25T14:32:01.5Z"})");
  CHECK(e.kind == "json");
  CHECK(e.keys ==
        std::vector<std::string>{"event", "extra", "success", "ms", "level", "timestamp"});
  CHECK(e.time == "2026-02-25T14:32:01.500Z");
  CHECK(e.time_note == "from `timestamp` (RFC 3339)");
  CHECK(e.level.value == "warning");
  CHECK(e.level.note == "from `level` = \"WARN\"");
  CHECK(e.matched);
  const Explanation::Rule& call = rule(e, "call");
  CHECK(call.matched);
  REQUIRE(call.actions.size() == 4);
  CHECK(call.actions[0].series->text() == R"(calls_total{model="kimi",status="ok"})");
  CHECK(call.actions[1].value_read == "1500");
  CHECK(call.actions[1].unit == "ms");
  CHECK(number(call.actions[1].value) == "1.5");
  CHECK(call.actions[1].bucket == "+Inf");
  CHECK(call.actions[1].notes == std::vector<std::string>{"above the last bucket (1)"});
  CHECK(call.actions[2].notes == std::vector<std::string>{"for 30 s, then off the page"});
  CHECK(call.actions[3].outcome == Outcome::not_true);
  CHECK(call.actions[3].why == "$success == false");
  const auto model = std::find_if(call.fields.begin(), call.fields.end(),
                                  [](const auto& f) { return f.name == "model"; });
  REQUIRE(model != call.fields.end());
  CHECK(model->note == "key `model` absent, took `extra.model`");
  REQUIRE(call.lets.size() == 1);
  CHECK(call.lets[0].value == "ok");
}

TEST_CASE("explainer: names the field for which an action is skipped") {
  Explained explain(kRules);
  const Explanation& e = explain(R"({"event":"call","success":true,"ms":"soon"})");
  const Explanation::Rule& call = rule(e, "call");
  CHECK(call.actions[0].outcome == Outcome::skipped);
  CHECK(call.actions[0].reason == "missing_field");
  CHECK(call.actions[0].why == "label `model`: `model` is missing");
  CHECK(call.actions[1].reason == "not_a_number");
  CHECK(call.actions[1].why == "value $ms: $ms = \"soon\"");
  CHECK(call.actions[1].value_read == "soon");
  CHECK(call.actions[1].notes.empty());
  const auto later = rule(explain(R"({"event":"call","success":true,"ms":"12ms"})"), "call");
  CHECK(later.actions[1].notes == std::vector<std::string>{R"(`unit: auto` reads "12ms")"});
}

TEST_CASE("explainer: tells which label values were replaced, and why") {
  Explained explain(kRules);
  explain(R"({"event":"call","model":"a","success":true})");
  explain(R"({"event":"call","model":"b","success":true})");
  const auto labels = rule(explain(R"({"event":"call","model":"c","success":true})"), "call")
                          .actions[0]
                          .series->labels;
  CHECK(labels[0].value == "other");
  CHECK(labels[0].note == "\"c\" is beyond its 2 values (max)");
  const auto later =
      rule(explain(R"({"event":"call","model":"a"})"), "call").actions[0].series->labels;
  CHECK(later[1].value == "unknown");
  CHECK(later[1].note.find("its default") != std::string::npos);
}

TEST_CASE("explainer: tells the condition that failed, and the value it saw") {
  Explained explain(kRules);
  const Explanation& e = explain(R"({"event":"cal","level":"info"})");
  CHECK_FALSE(e.matched);
  const Explanation::Rule& call = rule(e, "call");
  REQUIRE(call.conditions.size() == 1);
  CHECK(call.conditions[0].text == "event = \"call\"");
  CHECK(call.conditions[0].seen == "cal");
  CHECK(call.failed == "event");
  CHECK(call.nearness >= Explanation::kNear);
  CHECK(rule(e, "begun").nearness == 0);
  CHECK(rule(e, "job").conditions[0].why == "is missing");
  const Explanation& text = explain("2026-02-25 14:32:01 [jobs] INFO Job a done in 9 ms");
  const Explanation::Condition pattern = rule(text, "job").conditions.back();
  CHECK(pattern.key == "pattern");
  CHECK(pattern.why == "no `ms` behind <ms> in `9 ms`");
  const Explanation& small = explain("2026-02-25 14:32:01 [jobs] INFO Job a done in 4ms");
  CHECK(rule(small, "job").failed == "if");
  CHECK(rule(small, "job").conditions.back().why == "$ms = \"4\"");
}

TEST_CASE("explainer: tells the format, its captures, and why the others do not fit") {
  Explained explain(kRules);
  const Explanation& e = explain(
      "2026-02-25 14:32:01 [jobs] ERROR Job a done in 9ms\nTraceback (most recent call last):\n  "
      "x\nm.OhNo: z");
  CHECK(e.kind == "text");
  CHECK(e.format == "python");
  CHECK(e.lines == 4);
  CHECK(e.keys == std::vector<std::string>{"time", "logger", "level", "message"});
  REQUIRE(e.others.size() == 1);
  CHECK(e.others[0].name == "dict");
  CHECK(e.others[0].why == "`2026` is no level");
  CHECK(e.exception.value == "OhNo");
  const Explanation::Rule& job = rule(e, "job");
  REQUIRE(job.captures.size() == 2);
  CHECK(job.captures[1].name == "ms");
  CHECK(job.captures[1].value == "9");
  CHECK(number(job.actions[0].value) == "0.009");
  CHECK(job.actions[0].bucket == "0.1");
  CHECK(explain("INFO: a b").others.back().why.find("<fields>") != std::string::npos);
}

TEST_CASE("explainer: tells rows that are remembered, taken and missed") {
  Explained explain(kRules);
  const auto begun =
      rule(explain(R"({"event":"begin","id":7,"model":"kimi","timestamp":"2026-02-25T14:32:00Z"})"),
           "begun")
          .actions;
  REQUIRE(begun.size() == 1);
  CHECK(begun[0].target == "start");
  CHECK(begun[0].key == "7");
  CHECK(begun[0].columns[0].value == "kimi");
  CHECK(begun[0].notes == std::vector<std::string>{"open  +1 → 1"});
  const auto ended =
      rule(explain(R"({"event":"end","id":7,"timestamp":"2026-02-25T14:32:02Z"})"), "ended")
          .actions;
  CHECK(ended[0].outcome == Outcome::done);
  CHECK(number(ended[0].elapsed) == "2");
  CHECK(number(ended[1].value) == "2");
  const auto again = rule(explain(R"({"event":"end","id":7})"), "ended").actions;
  CHECK(again[0].outcome == Outcome::skipped);
  CHECK(again[0].why == "no row of \"7\"");
  CHECK(again[1].reason == "missing_field");
}

TEST_CASE("explainer: tells what a record's time did before any rule") {
  Explained explain(kRules);
  explain(R"({"event":"begin","id":7,"timestamp":"2026-02-25T14:32:00Z"})");
  const Explanation& e = explain(R"({"event":"x","timestamp":"2026-02-25T14:40:00Z"})");
  REQUIRE(e.due.size() == 2);
  CHECK(e.due[0] == "row \"7\" of table `start` is over (ttl)");
  CHECK(e.due[1] == "open  -1 → 0");
}

TEST_CASE("explainer: tells stored rows and deleted series") {
  Explained explain(kRules);
  explain(R"({"event":"call","model":"a","success":true})");
  const auto actions =
      rule(explain(R"({"event":"skill","skill_name":"browser","duration_ms":3})"), "stored")
          .actions;
  REQUIRE(actions.size() == 2);
  CHECK(actions[0].kind == "store");
  CHECK(actions[0].columns[0].value == "browser");
  CHECK(actions[1].kind == "delete");
  CHECK(actions[1].deleted == 1);
}

TEST_CASE("explainer: writes times with the digits they need") {
  CHECK(rules::rfc3339(0) == "1970-01-01T00:00:00Z");
  CHECK(rules::rfc3339(1'500'000'000) == "1970-01-01T00:00:01.500Z");
  CHECK(rules::rfc3339(1'000'001'000) == "1970-01-01T00:00:01.000001Z");
  CHECK(rules::rfc3339(-1) == "1969-12-31T23:59:59.999999999Z");
}
