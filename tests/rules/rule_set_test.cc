#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

const std::string kCounter = "metrics: {c: {type: counter, help: h}}\n";

bool matches(const std::string& match, const std::string& line) {
  Engine engine(kCounter + "rules: {r: {match: " + match + ", do: [inc: c]}}\n");
  const bool matched = engine.line(line);
  CHECK(engine.samples() == (matched ? "c 1\n" : ""));
  return matched;
}

// One metric with this declaration behind `help`, one rule.
std::string with(const std::string& name, const std::string& metric, const std::string& rule) {
  return "metrics: {" + name + ": {help: h, " + metric + "}}\nrules:\n  r: " + rule + "\n";
}

}  // namespace

TEST_CASE("rule_set: conditions of match") {
  struct Case {
    const char* match;
    const char* line;
    bool want;
  };
  const Case cases[] = {
      // equal
      {"{a: x}", R"({"a":"x"})", true},
      {"{a: x}", R"({"a":"X"})", false},
      {"{a: x}", R"({"a":"xx"})", false},
      {"{a: x}", R"({})", false},
      {"{a: x}", R"({"a":null})", false},
      {"{a: x}", R"({"a":"\u0078"})", true},
      {"{a: ''}", R"({"a":""})", true},
      {"{a: ''}", R"({})", false},
      {"{a: x, b: y}", R"({"a":"x","b":"y"})", true},
      {"{a: x, b: y}", R"({"a":"x"})", false},
      {"{a.b: x}", R"({"a":{"b":"x"}})", true},
      {"{\"'odd key'.b\": x}", R"({"odd key":{"b":"x"}})", true},
      // numbers and booleans in canonical text
      {"{a: 500}", R"({"a":500})", true},
      {"{a: 500}", R"({"a":500.0})", true},
      {"{a: 500}", R"({"a":5e2})", true},
      {"{a: 500}", R"({"a":"500"})", true},
      {"{a: 5e2}", R"({"a":500})", true},
      {"{a: 0.50}", R"({"a":0.5})", true},
      {"{a: -1}", R"({"a":-1})", true},
      {"{a: 500}", R"({"a":5000})", false},
      {"{a: 12345678901234567890123}", R"({"a":12345678901234567890123})", true},
      {"{a: true}", R"({"a":true})", true},
      {"{a: True}", R"({"a":true})", true},
      {"{a: true}", R"({"a":"true"})", true},
      {"{a: 'true'}", R"({"a":true})", true},
      {"{a: true}", R"({"a":false})", false},
      {"{a: false}", R"({"a":false})", true},
      // missing
      {"{a: null}", R"({})", true},
      {"{a: null}", R"({"a":null})", true},
      {"{a: ~}", R"({"a":""})", false},
      {"{a: null}", R"({"a":0})", false},
      {"{a: {exists: false}}", R"({})", true},
      {"{a: {exists: false}}", R"({"a":1})", false},
      {"{a: {exists: true}}", R"({"a":""})", true},
      {"{a: {exists: true}}", R"({"a":{}})", true},
      {"{a: {exists: true}}", R"({"a":null})", false},
      {"{a: {exists: true}}", R"({})", false},
      // lists
      {"{a: [x, y]}", R"({"a":"y"})", true},
      {"{a: [x, y]}", R"({"a":"z"})", false},
      {"{a: [x, x]}", R"({"a":"x"})", true},
      {"{a: [1, 2]}", R"({"a":2.0})", true},
      {"{a: [x, null]}", R"({})", true},
      {"{a: [x, null]}", R"({"a":"x"})", true},
      {"{a: [x, null]}", R"({"a":"y"})", false},
      {"{a: [{prefix: x}, {prefix: y}]}", R"({"a":"yes"})", true},
      {"{a: [{prefix: x}, z]}", R"({"a":"z"})", true},
      {"{a: [{prefix: x}, z]}", R"({"a":"zz"})", false},
      // not
      {"{a: {not: x}}", R"({"a":"y"})", true},
      {"{a: {not: x}}", R"({"a":"x"})", false},
      {"{a: {not: x}}", R"({})", true},
      {"{a: {not: null}}", R"({})", false},
      {"{a: {not: null}}", R"({"a":1})", true},
      {"{a: {not: [x, null]}}", R"({"a":"y"})", true},
      {"{a: {not: [x, null]}}", R"({"a":"x"})", false},
      {"{a: {not: [x, null]}}", R"({})", false},
      {"{a: {not: {prefix: x}}}", R"({"a":"xy"})", false},
      {"{a: {not: {not: x}}}", R"({"a":"x"})", true},
      // prefix, re
      {"{a: {prefix: ab}}", R"({"a":"abc"})", true},
      {"{a: {prefix: ab}}", R"({"a":"ab"})", true},
      {"{a: {prefix: ab}}", R"({"a":"a"})", false},
      {"{a: {prefix: 5}}", R"({"a":503})", true},
      {"{a: {re: b}}", R"({"a":"abc"})", true},
      {"{a: {re: '^b'}}", R"({"a":"abc"})", false},
      {"{a: {re: '^$'}}", R"({})", false},
      {"{a: {re: '^4..$'}}", R"({"a":404})", true},
      {"{a: {prefix: a, re: 'c$'}}", R"({"a":"abc"})", true},
      {"{a: {prefix: a, re: 'c$'}}", R"({"a":"ab"})", false},
      {"{a: {prefix: a, not: abc}}", R"({"a":"abc"})", false},
      // levels
      {"{level: warn}", R"({"level":"WARNING"})", true},
      {"{level: WARNING}", R"({"levelname":"warn"})", true},
      {"{level: [error, critical]}", R"({"severity":"FATAL"})", true},
      {"{level: [warn, warning, WARN]}", R"({"level":"warn"})", true},
      {"{level: 40}", R"({"level":"error"})", true},
      {"{level: error}", R"({"level":40})", true},
      {"{level: {not: WARN}}", R"({"level":"warning"})", false},
      {"{level: {prefix: warn}}", R"({"level":"W"})", true},
      {"{level: odd}", R"({"level":"odd"})", true},
      {"{level: error}", R"({"level":"odd"})", false},
      {"{level: null}", R"({})", true},
      {"{level: error}", R"({})", false},
      // what logtally sets
      {"{message: x}", R"({"msg":"x"})", true},
      {"{message: x}", "x", true},
      {"{message: {prefix: 'GET '}}", "GET /x", true},
      {"{message: null}", R"({"a":1})", true},
      {"{message: null}", "", false},
      {"{logger: {prefix: 'a.'}}", R"({"logger":"a.b"})", true},
      {"{_line: {re: odd}}", R"({"odd":1})", true},
      {"{_file: null}", "{}", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.match, c.line);
    CHECK(matches(c.match, c.line) == c.want);
  }
}

TEST_CASE("rule_set: a rule without conditions takes every record, also one without fields") {
  CHECK(samples_of(kCounter + "rules: {r: {do: [inc: c]}}\n", {"{}", "bare", "", R"({"a":1})"}) ==
        "c 4\n");
}

TEST_CASE("rule_set: captures hide the fields of the line") {
  const std::string metric = "metrics: {c: {type: counter, help: h, labels: [id, v]}}\n";
  const std::string line = R"({"message":"Job 7 done in 12ms","id":"line","v":"line"})";
  CHECK(samples_of(metric + "rules: {r: {pattern: 'Job <id> done in <ms>ms', do: [inc: c]}}\n",
                   {line}) == "c{id=\"7\",v=\"line\"} 1\n");
  CHECK(samples_of(metric + "rules: {r: {regex: 'Job (?P<id>\\d+)', if: $id == 7, do: [inc: c]}}\n",
                   {line}) == "c{id=\"7\",v=\"line\"} 1\n");
  // Of several patterns the first that fits; what it does not capture is the line's.
  CHECK(samples_of(metric + "rules: {r: {pattern: ['Task <v>', 'Job <id> <_...>', 'Job <v...>'], "
                            "do: [inc: c]}}\n",
                   {line}) == "c{id=\"7\",v=\"line\"} 1\n");
  // A group that took no part captures nothing.
  CHECK(samples_of(metric + "rules: {r: {regex: 'Job(?P<id>x)? (?P<v>\\d)', do: [inc: c]}}\n",
                   {line}) == "c{id=\"line\",v=\"7\"} 1\n");
  // A capture of nothing, or of what stands for no value, hides the field all the same: it is
  // missing.
  for (const char* text : {"Job None done", "Job ? done", "Job n/a done"}) {
    CAPTURE(text);
    const std::string rules = metric + "rules: {r: {pattern: 'Job <id> done', do: [inc: c]}}\n";
    const std::string record = std::string(R"({"id":"line","v":"line","message":")") + text + "\"}";
    CHECK(samples_of(rules, {record}) == "");
    CHECK(skips_of(rules, {record}) == "r / inc c / missing_field 1\n");
  }
  // The captures of one rule are no fields of the next.
  CHECK(samples_of(metric + "rules:\n  a: {pattern: 'Job <id> <_...>', do: [inc: c]}\n"
                            "  b: {match: {id: line}, do: [inc: c]}\n",
                   {line}) == "c{id=\"7\",v=\"line\"} 1\nc{id=\"line\",v=\"line\"} 1\n");
}

TEST_CASE("rule_set: lets in order, each sees those before it and hides what has its name") {
  const std::string metric = "metrics: {c: {type: counter, help: h, labels: [v]}}\n";
  struct Case {
    const char* let;
    const char* want;
  };
  const Case cases[] = {
      {"{v: constant}", "constant"},
      {"{v: $a + 1}", "2"},
      {"{b: $a + 1, v: $b * 10}", "20"},
      {"{v: $b * 10, b: $a + 1}", "70"},  // $b is the line's here
      {"{a: $a + 1, v: $a + 1}", "3"},    // its own name means the line's
      {"{v: $v}", "line"},
      {"{level: x, v: $level}", "x"},
      {"{v: $gone or 3}", "3"},
      {"{v: true}", "true"},
      {"{v: 1.0}", "1"},
      {"{v: '1.0'}", "1.0"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.let);
    CHECK(samples_of(metric + "rules: {r: {let: " + c.let + ", do: [inc: c]}}\n",
                     {R"({"a":1,"b":7,"v":"line","level":"info"})"}) ==
          "c{v=\"" + std::string(c.want) + "\"} 1\n");
  }
  CHECK(samples_of(metric + "rules: {r: {pattern: '<v>', let: {v: upper($v)}, do: [inc: c]}}\n",
                   {"abc"}) == "c{v=\"ABC\"} 1\n");
  CHECK(skips_of(metric + "rules: {r: {let: {v: $gone}, do: [inc: c]}}\n", {R"({"v":"line"})"}) ==
        "r / inc c / missing_field 1\n");
  CHECK(skips_of(metric + "rules: {r: {let: {v: $a / 0}, do: [inc: c]}}\n", {R"({"a":1})"}) ==
        "r / inc c / not_finite 1\n");
}

TEST_CASE("rule_set: an action's own if leaves the others alone") {
  const std::string rules =
      "metrics: {a: {type: counter, help: h}, b: {type: counter, help: h}, d: {type: counter, "
      "help: h}}\n"
      "rules: {r: {do: [{inc: a, if: $n > 1}, {inc: b, if: not ($n > 1)}, {inc: d, if: $n / 0 > "
      "1}]}}\n";
  const Texts lines = {R"({"n":1})", R"({"n":2})", R"({"n":3})", "{}"};
  CHECK(samples_of(rules, lines) == "a 2\nb 2\n");
  CHECK(skips_of(rules, lines) == "r / inc d / not_finite 3\n");
}

TEST_CASE("rule_set: what is skipped is counted by its reason, and creates no series") {
  struct Case {
    const char* type;
    const char* action;
    const char* line;
    const char* reason;
  };
  const Case cases[] = {
      {"counter", "{add: m, value: $v}", R"({})", "missing_field"},
      {"counter", "{add: m, value: $v}", R"({"v":null})", "missing_field"},
      {"counter", "{add: m, value: $v + 1}", R"({})", "missing_field"},
      {"counter", "{add: m, value: $v}", R"({"v":"x"})", "not_a_number"},
      {"counter", "{add: m, value: $v}", R"({"v":""})", "not_a_number"},
      {"counter", "{add: m, value: $v}", R"({"v":true})", "not_a_number"},
      {"counter", "{add: m, value: $v}", R"({"v":[1]})", "not_a_number"},
      {"counter", "{add: m, value: $v}", R"({"v":"1ms"})", "not_a_number"},
      {"counter", "{add: m, value: $v}", R"({"v":NaN})", "not_finite"},
      {"counter", "{add: m, value: $v}", R"({"v":-Infinity})", "not_finite"},
      {"counter", "{add: m, value: $v}", R"({"v":"nan"})", "not_finite"},
      {"counter", "{add: m, value: $v / 0}", R"({"v":1})", "not_finite"},
      {"counter", "{add: m, value: $v}", R"({"v":-1})", "negative"},
      {"counter", "{add: m, value: 0 - $v}", R"({"v":0.001})", "negative"},
      {"counter", "{set: m, value: $v}", R"({"v":-1})", "negative"},
      {"counter", "{add: m, value: price($v)}", R"({"v":"x"})", "unknown_key"},
      {"counter", "{add: m, value: $v}", R"({"v":1e300})", "over_limit"},
      {"counter", "{add: m, value: $v * $v}", R"({"v":1e20})", "over_limit"},
      {"gauge", "{set: m, value: $v}", R"({"v":"x"})", "not_a_number"},
      {"gauge", "{set: m, value: $v}", R"({"v":"Infinity"})", "not_finite"},
      {"gauge", "{add: m, value: $v}", R"({})", "missing_field"},
      {"histogram, buckets: [1]", "{observe: m, value: $v}", R"({"v":NaN})", "not_finite"},
      {"histogram, buckets: [1]", "{observe: m, value: $v}", R"({})", "missing_field"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.type, c.action, c.line);
    const std::string rules =
        "maps: {price: {a: 1}}\nmetrics: {m: {help: h, type: " + std::string(c.type) +
        "}, other: {type: counter, help: h}}\nrules: {r: {do: [" + c.action + ", inc: other]}}\n";
    Engine engine(rules);
    CHECK(engine.line(c.line));
    CHECK(engine.samples() == "other 1\n");
    CHECK(engine.skips().find(std::string(" / ") + c.reason + " 1\n") != std::string::npos);
    CHECK(engine.delta().series.size(0) == 0);
    CHECK(engine.delta().rules[0].matched == 1);
  }
}

TEST_CASE("rule_set: negative values are fine for gauges and histograms") {
  CHECK(samples_of(with("g", "type: gauge", "{do: [{add: g, value: $v}]}"), {R"({"v":-2})"}) ==
        "g -2\n");
  CHECK(samples_of(with("g", "type: histogram, buckets: [0]", "{do: [{observe: g, value: $v}]}"),
                   {R"({"v":-2})"}) ==
        "g_bucket{le=\"0\"} 1\ng_bucket{le=\"+Inf\"} 1\ng_sum -2\ng_count 1\n");
}

TEST_CASE("rule_set: a sum that would leave the range is refused and the value before stays") {
  const std::string rules = with("c", "type: counter", "{do: [{add: c, value: $v}]}");
  const Texts lines = {R"({"v":6e21})", R"({"v":6e21})", R"({"v":1})"};
  CHECK(samples_of(rules, lines) == "c 6000000000000000000001\n");
  CHECK(skips_of(rules, lines) == "r / add c / over_limit 1\n");
}

TEST_CASE("rule_set: labels by field, constant, expression, null and default") {
  const std::string rules =
      "metrics: {c: {type: counter, help: h, labels: {a: {}, b: {}, d: {default: none}, e: "
      "{default: null_or_none}, f: {}}}}\n"
      "rules: {r: {do: [{inc: c, labels: {b: fixed, e: $x.y, f: null}}]}}\n";
  CHECK(samples_of(rules,
                   {R"({"a":1,"b":"ignored","d":"D","x":{"y":true}})", R"({"a":"2","d":null})"}) ==
        "c{a=\"1\",b=\"fixed\",d=\"D\",e=\"true\",f=\"\"} 1\n"
        "c{a=\"2\",b=\"fixed\",d=\"none\",e=\"null_or_none\",f=\"\"} 1\n");
  // A default stands in for what is missing, not for what is refused.
  const std::string refused = with("c", "type: counter, labels: {a: {default: none}}",
                                   "{do: [{inc: c, labels: {a: $x / $y}}]}");
  const Texts lines = {R"({"x":1,"y":0})", R"({"x":1,"y":2})", "{}"};
  CHECK(samples_of(refused, lines) == "c{a=\"0.5\"} 1\nc{a=\"none\"} 1\n");
  CHECK(skips_of(refused, lines) == "r / inc c / not_finite 1\n");
  // So does it for what a map does not know.
  CHECK(samples_of("maps: {m: {a: b}}\n" + with("c", "type: counter, labels: {a: {default: none}}",
                                                "{do: [{inc: c, labels: {a: m($x)}}]}"),
                   {R"({"x":"a"})", R"({"x":"q"})"}) == "c{a=\"b\"} 1\nc{a=\"none\"} 1\n");
}

TEST_CASE("rule_set: closed labels have their zeros, and other for the rest") {
  const std::string rules = with(
      "c",
      "type: counter, labels: {s: {values: [ok, failed, 1.0]}, k: {values: [a, b], default: b}}",
      "{do: [inc: c]}");
  CHECK(samples_of(rules, {}) ==
        "c{k=\"a\",s=\"1\"} 0\nc{k=\"a\",s=\"failed\"} 0\nc{k=\"a\",s=\"ok\"} 0\n"
        "c{k=\"b\",s=\"1\"} 0\nc{k=\"b\",s=\"failed\"} 0\nc{k=\"b\",s=\"ok\"} 0\n");
  CHECK(samples_of(rules, {R"({"s":"ok"})", R"({"s":"odd","k":"a"})", R"({"s":1,"k":"odd"})"}) ==
        "c{k=\"a\",s=\"1\"} 0\nc{k=\"a\",s=\"failed\"} 0\nc{k=\"a\",s=\"ok\"} "
        "0\nc{k=\"a\",s=\"other\"} 1\n"
        "c{k=\"b\",s=\"1\"} 0\nc{k=\"b\",s=\"failed\"} 0\nc{k=\"b\",s=\"ok\"} "
        "1\nc{k=\"other\",s=\"1\"} 1\n");
  // One open label: no zeros.
  CHECK(samples_of(with("c", "type: counter, labels: {s: {values: [ok]}, k: {}}", "{do: [inc: c]}"),
                   {}) == "");
  // A default outside of the values is a value.
  CHECK(samples_of(with("c", "type: counter, labels: {s: {values: [ok], default: none}}",
                        "{do: [inc: c]}"),
                   {"{}"}) == "c{s=\"none\"} 1\nc{s=\"ok\"} 0\n");
  // Levels are folded before they are looked for, in values too.
  CHECK(
      samples_of(with("c", "type: counter, labels: {level: {values: [warning]}}", "{do: [inc: c]}"),
                 {R"({"level":"WARN"})"}) == "c{level=\"warning\"} 1\n");
}

TEST_CASE("rule_set: gauges with a minimum, and values by event time") {
  CHECK(samples_of(with("g", "type: gauge, min: 0",
                        "{do: [{dec: g, if: $down}, {inc: g, if: not $down}]}"),
                   {R"({"down":true})", "{}", "{}", R"({"down":true})"}) == "g 1\n");
  CHECK(samples_of(with("g", "type: gauge, min: -1.5", "{do: [{set: g, value: $v}]}"),
                   {R"({"v":-2})"}) == "g -1.5\n");
  const std::string rules = with("g", "type: gauge", "{do: [{set: g, value: $v}]}");
  CHECK(samples_of(rules, {R"({"v":1,"time":"2026-01-01T00:00:02Z"})",
                           R"({"v":2,"time":"2026-01-01T00:00:01Z"})"}) == "g 1\n");
  CHECK(samples_of(rules, {R"({"v":1,"time":"2026-01-01T00:00:02Z"})",
                           R"({"v":2,"time":"2026-01-01T00:00:02Z"})"}) == "g 2\n");
  CHECK(samples_of(rules, {R"({"v":1,"ts":1767225602.5})", R"({"v":2,"ts":1767225602.25})"}) ==
        "g 1\n");
}

TEST_CASE("rule_set: units") {
  struct Case {
    const char* metric;
    const char* action;  // of `value: $v`
    const char* value;
    const char* want;
  };
  const Case cases[] = {
      {"m_seconds", "unit: ms", "1500", "1.5"},
      {"m_seconds", "unit: ms", "\"1500\"", "1.5"},
      {"m_seconds", "unit: us", "1500", "0.0015"},
      {"m_seconds", "unit: ns", "1", "1e-09"},
      {"m_seconds", "unit: s", "1.5", "1.5"},
      {"m_seconds", "unit: m", "1.5", "90"},
      {"m_seconds", "unit: h", "0.5", "1800"},
      {"m_seconds_total", "unit: ms", "1500", "1.5"},
      {"m_bytes", "unit: KiB", "12", "12288"},
      {"m_bytes", "unit: kB", "12", "12000"},
      {"m_bytes", "unit: B", "12", "12"},
      {"m_ratio", "unit: '%'", "12.5", "0.125"},
      {"m_usd", "unit: cents", "250", "2.5"},
      {"m_seconds", "unit: auto", "\"932ms\"", "0.932"},
      {"m_seconds", "unit: auto", "\"1.5s\"", "1.5"},
      {"m_seconds", "unit: auto", "\"1m30s\"", "90"},
      {"m_seconds", "unit: auto", "2", "2"},
      {"m_seconds", "unit: auto", "\"2\"", "2"},
      {"m_bytes", "unit: auto", "\"12KiB\"", "12288"},
      {"m_ratio", "unit: auto", "\"22.5%\"", "0.225"},
  };
  for (const Case& c : cases) {
    for (const char* value : {"$v", "$v or 0", "$w"}) {
      CAPTURE(c.metric, c.action, c.value, value);
      const std::string rules = with(c.metric, "type: gauge",
                                     std::string("{let: {w: $v}, do: [{set: ") + c.metric +
                                         ", value: " + value + ", " + c.action + "}]}");
      CHECK(samples_of(rules, {std::string("{\"v\":") + c.value + "}"}) ==
            std::string(c.metric) + " " + c.want + "\n");
    }
  }
  CHECK(samples_of(with("m", "type: gauge, unit: seconds", "{do: [{set: m, value: $v, unit: ms}]}"),
                   {R"({"v":5})"}) == "m 0.005\n");
  CHECK(
      samples_of(with("m_seconds", "type: gauge", "{do: [{set: m_seconds, value: 250, unit: ms}]}"),
                 {"{}"}) == "m_seconds 0.25\n");
  CHECK(
      skips_of(with("m_seconds", "type: gauge", "{do: [{set: m_seconds, value: $v, unit: auto}]}"),
               {R"({"v":"12KiB"})"}) == "r / set m_seconds / not_a_number 1\n");
}

TEST_CASE("rule_set: rules are switched off, and on by another file") {
  const std::string off = kCounter + "rules:\n  r: {enabled: false, do: [inc: c]}\n";
  const std::string on = kCounter + "rules:\n  r: {enabled: true, do: [inc: c]}\n";
  const auto count = [](const Texts& files) {
    Engine engine(files);
    engine.line("{}");
    return engine.samples();
  };
  CHECK(count({off}) == "");
  CHECK(count({on}) == "c 1\n");
  CHECK(count({off, "rules: {r: true}\n"}) == "c 1\n");
  CHECK(count({"rules: {r: true}\n", off}) == "c 1\n");
  CHECK(count({on, "rules: {r: false}\n"}) == "");
  CHECK(count({off, "rules: {r: true}\n", "rules: {r: false}\n"}) == "");  // the last file's word
  CHECK(faults_of(Texts{on, "rules: {rr: false}\n"}) == "rules2.yaml:1:9 E037\n");
  CHECK(faults_of(Texts{on, "rules: {r: 'true'}\n"}) != "");
}

TEST_CASE("rule_set: names are unique over all files, lists are joined") {
  const std::string rule = "rules:\n  r: {do: [inc: c]}\n";
  CHECK(faults_of(Texts{kCounter, rule, rule}) == "rules3.yaml:2:3 E031\n");
  CHECK(faults_of(Texts{kCounter, kCounter}) == "rules2.yaml:1:11 E031\n");
  CHECK(faults_of(Texts{"maps: {m: {a: b}}\n", "maps: {m: {a: b}}\n"}) == "rules2.yaml:1:8 E031\n");
  Engine engine(Texts{
      "lift: [one]\nnormalise: {who: [a]}\n", "lift: two\nnormalise: {who: [b.c]}\n",
      "metrics: {c: {type: counter, help: h, labels: [v, who]}}\nrules: {r: {do: [inc: c]}}\n"});
  engine.lines({R"({"one":{"v":1},"a":"A"})", R"({"two":{"v":2},"b":{"c":"B"}})"});
  CHECK(engine.samples() == "c{v=\"1\",who=\"A\"} 1\nc{v=\"2\",who=\"B\"} 1\n");
}

TEST_CASE("rule_set: lifted fields, the top level first, null counts as missing") {
  const std::string rules =
      "lift: [extra, more]\n" +
      with("c", "type: counter, labels: [v]", "{match: {v: {exists: true}}, do: [inc: c]}");
  CHECK(samples_of(rules, {R"({"v":"top","extra":{"v":"e"}})"}) == "c{v=\"top\"} 1\n");
  CHECK(samples_of(rules, {R"({"extra":{"v":"e"},"v":"top"})"}) == "c{v=\"top\"} 1\n");
  CHECK(samples_of(rules, {R"({"v":null,"extra":{"v":"e"}})"}) == "c{v=\"e\"} 1\n");
  CHECK(samples_of(rules, {R"({"more":{"v":"m"},"extra":{"v":"e"}})"}) == "c{v=\"e\"} 1\n");
  CHECK(samples_of(rules, {R"({"more":{"v":"m"},"extra":{"v":null}})"}) == "c{v=\"m\"} 1\n");
  CHECK(samples_of(rules, {R"({"extra":"v","v":null})"}) == "");
  CHECK(samples_of("lift: extra\n" +
                       with("c", "type: counter, labels: [v]", "{match: {a.b: x}, do: [inc: c]}"),
                   {R"({"v":1,"extra":{"a":{"b":"x"}}})",
                    R"({"v":1,"extra":{"a":{"b":"y"}},"a":{"b":null}})"}) == "c{v=\"1\"} 1\n");
}

TEST_CASE("rule_set: well-known names, the files' spellings before the built-in ones") {
  const std::string rules = "normalise: {level: [lvl], user: [uid, user.name]}\n" +
                            with("c", "type: counter, labels: [level, user]", "{do: [inc: c]}");
  CHECK(samples_of(rules, {R"({"lvl":"WARN","level":"info","user":{"name":"n"}})",
                           R"({"level":"info","uid":7,"user":{"name":"n"}})"}) ==
        "c{level=\"info\",user=\"7\"} 1\nc{level=\"warning\",user=\"n\"} 1\n");
}

TEST_CASE("rule_set: actions of one rule on one metric are told apart") {
  const std::string rules = with("c", "type: counter, labels: [k]",
                                 "{do: [{inc: c, labels: {k: $a}}, {inc: c, labels: {k: $b}}, "
                                 "{add: c, value: $n, labels: {k: x}}]}");
  const Texts lines = {R"({"a":"one","b":"two","n":5})", R"({"b":"two"})"};
  CHECK(samples_of(rules, lines) == "c{k=\"one\"} 1\nc{k=\"two\"} 2\nc{k=\"x\"} 5\n");
  CHECK(skips_of(rules, lines) == "r / inc c / missing_field 1\nr / add c / missing_field 1\n");
  CHECK(skips_of(rules, {R"({"a":"one","n":1})"}) == "r / inc c #2 / missing_field 1\n");
}

TEST_CASE("rule_set: labels of any number and length are told apart") {
  Engine engine(with("c", "type: counter, labels: [a, b]", "{do: [inc: c]}"));
  engine.delta().series.limit({.family = 20'000, .all = 20'000});
  const std::string long_text(600, 'x');
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i) {
      engine.line("{\"a\":\"v" + std::to_string(i) + "\",\"b\":\"" +
                  std::string(static_cast<std::size_t>(i % 100), 'b') + "\"}");
    }
    engine.line("{\"a\":\"" + long_text + "1\",\"b\":\"\"}");
    engine.line("{\"a\":\"" + long_text + "2\",\"b\":\"\"}");
    engine.line(R"({"a":"x","b":"yz"})");
    engine.line(R"({"a":"xy","b":"z"})");
    engine.line(R"({"a":"1","b":""})");
    engine.line(R"({"a":1,"b":""})");  // the same label values by another kind of token
    engine.line(R"({"a":"\u0031","b":""})");
  }
  CHECK(engine.delta().series.size(0) == 10'000 + 5);
  const std::string samples = engine.samples();
  CHECK(samples.find("c{a=\"1\",b=\"\"} 9\n") != std::string::npos);
  CHECK(samples.find("c{a=\"v77\",b=\"" + std::string(77, 'b') + "\"} 3\n") != std::string::npos);
  CHECK(samples.find("c{a=\"xy\",b=\"z\"} 3\n") != std::string::npos);
}
