#include "rules/lint.h"

#include <catch2/catch.hpp>

#include "config/yaml_document.h"

using namespace logtally;

namespace {

std::string lints(const std::vector<std::string>& texts) {
  config::Diagnostics found;
  std::vector<rules::RuleSet::Source> sources;
  int number = 0;
  for (const std::string& text : texts) {
    auto document =
        config::parse_yaml(std::make_shared<const config::SourceFile>(config::SourceFile{
                               texts.size() == 1 ? "" : std::string(1, char('a' + number)), text}),
                           found);
    REQUIRE(document != nullptr);
    sources.push_back({.document = std::move(document), .configuration = false});
    ++number;
  }
  rules::RuleSet::compile(sources, found, rules::RuleSet::Lints::all);
  std::string out;
  for (const config::Diagnostic* d : found.sorted()) {
    const config::LineColumn at = config::line_column(*d->place.file, d->place.span.begin);
    out += d->place.file->name + (d->place.file->name.empty() ? "" : ":") +
           std::to_string(at.line) + ":" + std::to_string(at.column) + " " + d->code + "\n";
  }
  return out;
}

// A metric, in use, alone in its file; line 2, column 3.
std::string metric(const std::string& name, const std::string& rest) {
  const std::string action = rest.find("type: histogram") != std::string::npos ? "observe" : "set";
  return lints({"metrics:\n  " + name + ": {help: h, " + rest + "}\nrules:\n  r: {do: [{" + action +
                ": " + name + ", value: $v}]}\n"});
}

// Behind a counter `c_total` in use and a map and a table: line 5, column 3.
std::string rule(const std::string& text) {
  return lints(
      {"metrics: {c_total: {type: counter, help: h}, d_total: {type: counter, help: h}}\n"
       "formats: {plain: {pattern: '<level> <message>'}}\nrules:\n"
       "  use: {do: [inc: c_total, inc: d_total]}\n" +
       text});
}

}  // namespace

TEST_CASE("lint: the unit that a pattern has behind a capture is not the metric's") {
  const auto pattern = [](const std::string& text, const std::string& action) {
    return lints(
        {"metrics: {wait_seconds: {type: histogram, help: h, buckets: [1]}}\nrules:\n  r: "
         "{pattern: '" +
         text + "', do: [{observe: wait_seconds, value: $took" + action + "}]}\n"});
  };
  CHECK(pattern("took <took>ms", "") == "3:69 W218\n");
  CHECK(pattern("took <took>ms now", "").ends_with(" W218\n"));
  CHECK(pattern("took <took> ms", "").ends_with(" W218\n"));
  CHECK(pattern("<took>us, <_...>", "").ends_with(" W218\n"));
  for (const std::string text :
       {"took <took>s", "took <took>", "took <took>msg", "took <took> m<x>", "took <took>ms_<x>",
        "took <took>MB", "took <other>ms <took>"}) {
    CAPTURE(text);
    CHECK(pattern(text, "").find("W218") == std::string::npos);
  }
  CHECK(pattern("took <took>ms", ", unit: ms").empty());
}

TEST_CASE("H1: a `$name` that nothing gives is told where a capture is called nearly so") {
  const auto of = [](const std::string& rule) {
    return lints(
        {"metrics: {c_total: {type: counter, help: h, labels: [v, worker]}}\nrules:\n" + rule});
  };
  CHECK(of("  r: {pattern: 'Job <name> ended', do: [{inc: c_total, labels: {v: $nmae}}]}\n") ==
        "3:68 W219\n");
  CHECK(of("  r: {regex: 'Job (?P<name>x)', do: [{inc: c_total, labels: {v: $nmae}}]}\n") ==
        "3:65 W219\n");
  CHECK(of("  r: {pattern: 'Job <name> ended', do: [{inc: c_total, labels: {v: $name}}]}\n") == "");
  // It may be a field: nothing is called nearly so, or another place knows the name.
  CHECK(of("  r: {pattern: 'Job <name> ended', do: [{inc: c_total, labels: {v: $host}}]}\n") == "");
  CHECK(of("  r: {pattern: 'Job <workers> ended', do: [{inc: c_total, labels: {v: $worker}}]}\n") ==
        "");
}

TEST_CASE("H6: a metric that no rule changes draws a warning at its name") {
  CHECK(lints({"metrics:\n  a_total: {type: counter, help: h}\n"
               "  b_total: {type: counter, help: h}\nrules: {r: {do: [inc: a_total]}}\n"}) ==
        "3:3 W213\n");
}

TEST_CASE("lint: names and units of metrics as Prometheus wants them") {
  CHECK(metric("jobs", "type: gauge").empty());
  CHECK(metric("jobs_total", "type: gauge") == "2:3 W201\n");
  CHECK(metric("jobs_total", "type: counter").empty());
  CHECK(metric("jobs", "type: counter") == "2:3 W202\n");
  CHECK(metric("wait_seconds_total", "type: histogram, buckets: [1]") == "2:3 W201\n");
  CHECK(metric("jobsDone", "type: gauge") == "2:3 W204\n");
  CHECK(metric("job:rate", "type: gauge") == "2:3 W204\n");
  CHECK(metric("jobs__done", "type: gauge") == "2:3 W204\n");
  CHECK(metric("wait_ms", "type: gauge") == "2:3 W205\n");
  CHECK(metric("wait_ms_total", "type: counter") == "2:3 W205\n");
  CHECK(metric("size_megabytes", "type: gauge") == "2:3 W205\n");
  CHECK(metric("used_percent", "type: gauge") == "2:3 W205\n");
  CHECK(metric("run_timestamp", "type: gauge") == "2:3 W205\n");
  CHECK(metric("run_timestamp_seconds", "type: gauge").empty());
  CHECK(metric("wait", "type: gauge, unit: seconds") == "2:3 W205\n");
  CHECK(metric("wait_seconds", "type: gauge, unit: seconds").empty());
  CHECK(metric("ms", "type: gauge").empty());
  CHECK(metric("jobs_count", "type: gauge") == "2:3 W206\n");
  CHECK(metric("jobs_bucket", "type: gauge") == "2:3 W206\n");
  CHECK(metric("jobs_gauge", "type: gauge") == "2:3 W208\n");
  CHECK(
      lints(
          {"metrics:\n  a: {type: gauge, help: ' '}\nrules: {r: {do: [{set: a, value: 1}]}}\n"}) ==
      "2:26 W207\n");
  CHECK(
      lints({"metrics:\n  a: {type: gauge, help: a}\nrules: {r: {do: [{set: a, value: 1}]}}\n"}) ==
      "2:26 W207\n");
}

TEST_CASE("lint: labels that make a series each time, or any number of them") {
  CHECK(metric("a", "type: gauge, labels: [method, status]").empty());
  CHECK(metric("a", "type: gauge, labels: [trace_id]") == "2:38 W210\n");
  CHECK(metric("a", "type: gauge, labels: [traceId]") == "2:38 W209\n2:38 W210\n");
  CHECK(metric("a", "type: gauge, labels: {session_id: {max: 5}}") == "2:38 W210\n");
  CHECK(metric("a", "type: gauge, labels: {session_id: {values: [x]}}").empty());
  CHECK(metric("a", "type: gauge, labels: [user_id]") == "2:38 W210\n");
  CHECK(metric("a", "type: gauge, labels: {user_id: {max: 5}}").empty());
  CHECK(metric("a", "type: gauge, labels: [agent_id]") == "2:38 W210\n");
  CHECK(metric("a", "type: gauge, labels: [path]") == "2:38 W210\n");
  CHECK(metric("a", "type: gauge, labels: [userName]") == "2:38 W209\n2:38 W210\n");
  CHECK(lints({"metrics: {a: {type: gauge, help: h, labels: [who]}}\n"
               "rules:\n  r: {do: [{set: a, value: 1, labels: {who: $extra.trace_id}}]}\n"}) ==
        "3:45 W210\n");
}

TEST_CASE("lint: what is declared and not used") {
  CHECK(lints({"metrics:\n  a: {type: gauge, help: h}\n"}) == "2:3 W213\n");
  CHECK(
      lints({"metrics:\n  a: {type: gauge, help: h}\n", "rules: {r: {do: [{set: a, value: 1}]}}\n"})
          .empty());
  CHECK(lints({"metrics:\n  a: {type: gauge, help: h}\nrules: {r: {enabled: false, do: [{set: a, "
               "value: 1}]}}\n"})
            .empty());
  CHECK(lints({"maps:\n  m: {a: b}\n"}) == "2:3 W214\n");
  const std::string table = "metrics: {a: {type: gauge, help: h}}\ntables:\n  t: {key: $k, ttl: 1m";
  CHECK(lints({table + "}\nrules: {r: {do: [{set: a, value: 1}]}}\n"}) == "3:3 W215\n");
  CHECK(lints({table + "}\nrules: {r: {do: [{set: a, value: 1}, remember: t]}}\n"}) ==
        "3:3 W215\n");
  CHECK(lints({table + "}\nrules: {r: {do: [{set: a, value: 1}, take: t]}}\n"}) == "3:3 W215\n");
  CHECK(
      lints({table + "}\nrules: {r: {do: [{set: a, value: 1}, remember: t, take: t]}}\n"}).empty());
  CHECK(lints({table + ", open: a}\nrules: {r: {do: [remember: t]}}\n"}).empty());
}

TEST_CASE("lint: rules that can never match") {
  CHECK(rule("  r: {match: {a: x}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {a: {not: 1, exists: false}}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {a: {exists: false, prefix: x}}, do: [inc: c_total]}\n") ==
        "5:18 W211\n");
  CHECK(rule("  r: {match: {a: {prefix: x, re: '^y'}}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {a: [{not: x}, x]}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {level: warn, severity: error}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {a: x, 'a': y}, do: [inc: c_total]}\n") == "5:21 E004\n");
  CHECK(rule("  r: {match: {a.b: x, 'a.''b''': y}, do: [inc: c_total]}\n") == "5:34 W211\n");
  CHECK(rule("  r: {match: {_format: plian}, do: [inc: c_total]}\n") == "5:24 W211\n");
  CHECK(rule("  r: {match: {_format: [plian, json]}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {_format: {not: plian}}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {_format: null}, do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {_stream: out}, do: [inc: c_total]}\n") == "5:24 W211\n");
  CHECK(rule("  r: {match: {message: done}, pattern: 'done <n>', do: [inc: c_total]}\n") ==
        "5:24 W211\n");
  CHECK(rule("  r: {match: {message: done 5}, pattern: 'done <n>', do: [inc: c_total]}\n").empty());
  CHECK(rule("  r: {match: {message: done}, regex: '^d.*x', do: [inc: c_total]}\n") ==
        "5:24 W211\n");
  CHECK(rule("  r: {if: 1 > 2, do: [inc: c_total]}\n") == "5:11 E023\n");  // no `$`
  CHECK(rule("  r: {if: false, do: [inc: c_total]}\n") == "5:11 W211\n");
}

TEST_CASE("lint: rules that do the same on the same lines") {
  const std::string first = "  r: {match: {a: x, b: 1}, do: [inc: c_total]}\n";
  CHECK(rule(first + "  s: {match: {b: 1.0, a: x}, do: [inc: c_total]}\n") == "6:35 W212\n");
  CHECK(rule(first + "  s: {match: {b: 1, a: x}, do: [inc: d_total, inc: c_total]}\n") ==
        "6:47 W212\n");
  CHECK(rule(first + "  s: {match: {b: 1, a: x}, do: [inc: d_total]}\n").empty());
  CHECK(rule(first + "  s: {match: {b: 1, a: y}, do: [inc: c_total]}\n").empty());
  CHECK(rule(first + "  s: {match: {b: 1, a: x}, if: $c, do: [inc: c_total]}\n").empty());
  CHECK(rule(first + "  s: {enabled: false, match: {b: 1, a: x}, do: [inc: c_total]}\n").empty());
}

TEST_CASE("lint: a faulty rule is not judged by what is left of it") {
  CHECK(rule("  r: {pattern: '<a><b>', do: [inc: c_total]}\n") == "5:17 E040\n");
}

TEST_CASE("lint: a field that says its unit, without `unit`") {
  const auto value = [](const std::string& name, const std::string& what) {
    return lints({"metrics:\n  " + name + ": {help: h, type: gauge}\nrules:\n  r: {do: [{set: " +
                  name + ", value: " + what + "}]}\n"});
  };
  CHECK(value("wait_seconds", "$wait_ms").ends_with(" W218\n"));
  CHECK(value("wait_seconds", "$ms").ends_with(" W218\n"));
  CHECK(value("wait_seconds", "$a.waitMillis").ends_with(" W218\n"));
  CHECK(value("memory_bytes", "$mem_mb").ends_with(" W218\n"));
  CHECK(value("used_ratio", "$used_percent").ends_with(" W218\n"));
  CHECK(value("wait_seconds", "$wait_ms, unit: ms").empty());
  CHECK(value("wait_seconds", "$wait_ms, unit: s").empty());
  CHECK(value("wait_seconds", "$wait_seconds").empty());
  CHECK(value("wait_seconds", "$wait").empty());
  CHECK(value("wait_seconds", "$mem_mb").empty());    // another kind: who knows
  CHECK(value("wait_seconds", "$wait_min").empty());  // the least, most likely
  CHECK(value("wait_seconds", "$wait_ms / 1000").empty());
  CHECK(value("waiting", "$wait_ms").empty());
  CHECK(value("wait_seconds", "$wait_ms, unti: ms").ends_with(" E012\n"));  // told once
}
