// Section H of the cases, as far as rule files of this version can hold the fault.
#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

std::string rendered(const std::string& rules) {
  config::Diagnostics found;
  CHECK(compile({rules}, found) == nullptr);
  return found.render();
}
bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "H3: an undeclared metric is refused at its place, with the nearest name and how to declare "
    "it") {
  const std::string text = rendered(
      "metrics: {lines_total: {type: counter, help: h}}\n"
      "rules:\n"
      "  r: {do: [inc: line_total]}\n");
  CHECK(holds(text, "rules.yaml:3:17"));
  CHECK(holds(text, "did you mean `lines_total`?"));
  CHECK(holds(text, "metrics: {line_total: {type: counter"));
}

TEST_CASE("H5: a metric declared twice is shown at both places") {
  const Texts files = {"metrics:\n  c: {type: counter, help: h}\n",
                       "\nmetrics: {c: {type: counter, help: h}}\n"};
  config::Diagnostics found;
  CHECK(compile(files, found) == nullptr);
  const std::string text = found.render();
  CHECK(holds(text, "E031"));
  CHECK(holds(text, "rules2.yaml:2:11"));
  CHECK(holds(text, "rules.yaml:2:3"));
}

TEST_CASE("H2: groups have names; `$2` is a field of that name, and mostly absent") {
  Engine engine(
      "metrics: {c: {type: counter, help: h, labels: {v: {default: none}}}}\n"
      "rules: {r: {regex: 'a (?P<x>[0-9]) ([0-9])', do: [{inc: c, labels: {v: $2}}]}}\n");
  engine.line("a 1 7");
  CHECK(engine.samples() == "c{v=\"none\"} 1\n");
  CHECK(holds(rendered("metrics: {c: {type: counter, help: h}}\n"
                       "rules: {r: {regex: 'a (?P<2>b)', do: [inc: c]}}\n"),
              "rules.yaml:2:"));
}

TEST_CASE("H7: labels are named, so none can lack; one that the metric has not is refused") {
  Engine engine(
      "metrics: {c: {type: counter, help: h, labels: [kind, tool]}}\n"
      "rules: {r: {match: {event: x}, do: [{inc: c, labels: {tool: hammer}}]}}\n");
  engine.line(R"({"event":"x","kind":"k"})");
  CHECK(engine.samples() == "c{kind=\"k\",tool=\"hammer\"} 1\n");
  const std::string text = rendered(
      "metrics: {c: {type: counter, help: h, labels: [kind, tool]}}\n"
      "rules: {r: {match: {event: x}, do: [{inc: c, labels: {tol: hammer}}]}}\n");
  CHECK(holds(text, "rules.yaml:2:"));
  CHECK(holds(text, "did you mean `tool`?"));
}

TEST_CASE("H11: a choice that there is not is quoted at its place") {
  const std::string text = rendered(
      "metrics: {h_seconds: {type: histogram, help: h, buckets: [1]}}\n"
      "rules:\n  r: {do: [{observe: h_seconds, value: $v, unit: dontknow}]}\n");
  CHECK(holds(text, "rules.yaml:3:"));
  CHECK(holds(text, "dontknow"));
  CHECK(
      holds(rendered("metrics:\n  c: {type: dontknow, help: h}\nrules: {}\n"), "rules.yaml:2:13"));
}

TEST_CASE("H9: a regular expression over 1,024 bytes is refused, and the limit named") {
  const std::string long_one(1025, 'a');
  const std::string long_enough(1024, 'a');
  const std::string metric = "metrics: {c: {type: counter, help: h}}\n";
  CHECK(holds(rendered(metric + "rules: {r: {regex: '" + long_one + "', do: [inc: c]}}\n"),
              "1,024 bytes"));
  CHECK(holds(rendered(metric + "rules: {r: {if: '$a =~ \"" + long_one + "\"', do: [inc: c]}}\n"),
              "1,024 bytes"));
  CHECK(faults_of(metric + "rules: {r: {regex: '" + long_enough + "', do: [inc: c]}}\n") == "");
  CHECK(faults_of(metric + "rules: {r: {if: '$a =~ \"" + long_enough + "\"', do: [inc: c]}}\n") ==
        "");
}

TEST_CASE("H10: a gauge that is set to nothing is refused at the action") {
  CHECK(faults_of("metrics: {g: {type: gauge, help: h}}\nrules:\n  r:\n    do: [set: g]\n") ==
        "4:10 E036\n");
}

TEST_CASE(
    "H14: unknown keys, unknown sections and regular expressions that do not compile are all "
    "errors") {
  CHECK(faults_of("mertics: {}\n") == "1:1 E012\n");
  CHECK(faults_of("metrics:\n  c: {type: counter, help: h, lables: [a]}\n") == "2:31 E012\n");
  CHECK(faults_of(
            "metrics: {c: {type: counter, help: h}}\nrules:\n  r: {pattren: x, do: [inc: c]}\n") ==
        "3:7 E012\n");
  CHECK(
      faults_of(
          "metrics: {c: {type: counter, help: h}}\nrules:\n  r: {regex: 'a(b', do: [inc: c]}\n") ==
      "3:16 E041\n");
}
