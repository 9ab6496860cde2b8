// Section A of the cases: counting and labels.
#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

// A rule file with one counter `c` with these labels, and one rule.
std::string counter(const std::string& labels, const std::string& rule) {
  return "metrics: {c: {type: counter, help: h, labels: " + labels + "}}\nrules:\n  r: " + rule +
         "\n";
}

}  // namespace

TEST_CASE("A1: equal labels are one series") {
  CHECK(samples_of(counter("[color, direction]", "{do: [inc: c]}"),
                   times(5, R"({"color":"red","direction":"right","shape":"circle"})")) ==
        "c{color=\"red\",direction=\"right\"} 5\n");
}

TEST_CASE("A2: each combination of labels is a series of its own") {
  CHECK(samples_of(counter("[color, direction]", "{do: [inc: c]}"),
                   times(5, R"({"color":"red","direction":"right"})") +
                       times(3, R"({"color":"red","direction":"left"})")) ==
        "c{color=\"red\",direction=\"left\"} 3\nc{color=\"red\",direction=\"right\"} 5\n");
}

TEST_CASE("A3: a regular expression on the message selects") {
  for (const char* rule :
       {"{match: {message: {re: '.*el.*'}}, do: [inc: c]}", "{regex: '.*el.*', do: [inc: c]}",
        "{if: '$message =~ \".*el.*\"', do: [inc: c]}"}) {
    CAPTURE(rule);
    CHECK(samples_of(counter("[message]", rule),
                     times(3, R"({"message":"dummy"})") + times(3, R"({"message":"hello"})")) ==
          "c{message=\"hello\"} 3\n");
  }
}

TEST_CASE("A5: a nested path becomes a label of another name") {
  CHECK(samples_of(
            counter("[pod_name]", "{do: [{inc: c, labels: {pod_name: $kubernetes.pod_name}}]}"),
            times(2, R"({"kubernetes":{"pod_name":"testpod"}})")) == "c{pod_name=\"testpod\"} 2\n");
}

TEST_CASE("A6: a label name that no scrape could carry is refused at its place") {
  CHECK(faults_of("metrics:\n  c: {type: counter, help: h, labels: [app, "
                  "\"$kubernetes['labels']['app']\"]}\n") == "2:45 E033\n");
  CHECK(faults_of("metrics:\n  c:\n    type: counter\n    help: h\n    labels: {$a.b: {}}\n") ==
        "5:14 E033\n");
}

TEST_CASE("A7: a regular expression sees numbers in their canonical text") {
  for (const char* rule :
       {"{match: {status: {re: '^5'}}, do: [inc: c]}", "{if: '$status =~ \"^5\"', do: [inc: c]}"}) {
    CAPTURE(rule);
    CHECK(samples_of(counter("[status]", rule), {R"({"status":500})", R"({"status":5.02e2})",
                                                 R"({"status":"503"})", R"({"status":404})"}) ==
          "c{status=\"500\"} 1\nc{status=\"502\"} 1\nc{status=\"503\"} 1\n");
  }
}

TEST_CASE("A9: a missing label takes its default, and every series has the same labels") {
  CHECK(samples_of(
            counter("{method: {}, code: {}, host: {}, missing: {default: unknown}}",
                    "{do: [{inc: c, labels: {host: localhost, missing: $unknown}}]}"),
            {R"({"method":"post","code":200})", R"({"method":"post","code":200,"unknown":"x"})"}) ==
        "c{code=\"200\",host=\"localhost\",method=\"post\",missing=\"unknown\"} 1\n"
        "c{code=\"200\",host=\"localhost\",method=\"post\",missing=\"x\"} 1\n");
}

TEST_CASE("A11: a label is named once, so that no value silently wins over another") {
  CHECK(faults_of(
            counter("[l1_key1]",
                    "{do: [{inc: c, labels: {l1_key1: $map1.key1, l1_key1: $map2.l1_key1}}]}")) ==
        "3:51 E004\n");
  CHECK(faults_of("metrics: {c: {type: counter, help: h, labels: [a, b, a]}}\n") == "1:54 E004\n");
}

TEST_CASE("A13: a record without the field is not counted") {
  const std::string rules = counter("[]", "{match: {backtrace: {exists: true}}, do: [inc: c]}");
  CHECK(samples_of(rules, {R"({"message":"x"})"}) == "");
  CHECK(skips_of(rules, {R"({"message":"x"})"}) == "");
}

TEST_CASE("A14: null is missing") {
  const std::string rules = counter("[status]", "{do: [inc: c]}");
  CHECK(samples_of(rules, {R"({"status":null})"}) == "");
  CHECK(skips_of(rules, {R"({"status":null})"}) == "r / inc c / missing_field 1\n");
  CHECK(samples_of(counter("[]", "{match: {status: {exists: true}}, do: [inc: c]}"),
                   {R"({"status":null})"}) == "");
  CHECK(samples_of(counter("[]", "{match: {status: null}, do: [inc: c]}"),
                   {R"({"status":null})", "{}"}) == "c 2\n");
}

TEST_CASE("A15: a missing field counts nothing but the skip") {
  const std::string rules = counter("[status]", "{do: [inc: c]}");
  CHECK(samples_of(rules, {R"({"other":1})", R"({"other":2})"}) == "");
  CHECK(skips_of(rules, {R"({"other":1})", R"({"other":2})"}) == "r / inc c / missing_field 2\n");
}

TEST_CASE("A17: an action that is skipped takes no other along") {
  const std::string rules =
      "metrics:\n"
      "  one: {type: counter, help: h}\n"
      "  two: {type: counter, help: h, labels: [gone]}\n"
      "  three: {type: counter, help: h}\n"
      "rules:\n"
      "  r: {do: [inc: one, inc: two, {add: three, value: $n}]}\n";
  CHECK(samples_of(rules, {R"({"n":4})"}) == "one 1\nthree 4\n");
  CHECK(skips_of(rules, {R"({"n":4})"}) == "r / inc two / missing_field 1\n");
}

TEST_CASE("A18: the names of metrics are fixed") {
  CHECK(faults_of("metrics:\n  '{{host}}_{{worker}}_status_set': {type: counter, help: h}\n") ==
        "2:3 E032\n");
  CHECK(faults_of("rules:\n  r: {do: [inc: '{{host}}_status_set']}\n") == "2:17 E030\n");
  CHECK(faults_of("rules:\n  r: {do: [inc: $name]}\n") == "2:17 E030\n");
}

TEST_CASE("A19: lines that fit no pattern are nobody's") {
  const std::string rules =
      counter("[error_message]",
              "{regex: 'rejected RCPT <[^>]*>: (?P<error_message>[A-Za-z ]+)', do: [inc: c]}");
  CHECK(samples_of(rules, {"some unrelated line",
                           "10:00:01 rejected RCPT <a@example.org>: relay not permitted",
                           "10:00:02 rejected RCPT <b@example.org>: Unrouteable address",
                           "10:00:03 rejected RCPT <c@example.org>: relay not permitted"}) ==
        "c{error_message=\"Unrouteable address\"} 1\nc{error_message=\"relay not permitted\"} 2\n");
}

TEST_CASE("A21: $_file tells lines of several files apart") {
  Engine engine(counter(
      "[error_message, logfile]",
      "{pattern: 'rejected: <error_message...>', do: [{inc: c, labels: {logfile: $_file}}]}"));
  engine.origin.file = "/var/log/exim-1.log";
  engine.lines({"rejected: relay not permitted", "rejected: Unrouteable address"});
  engine.origin.file = "/var/log/exim-2.log";
  engine.line("rejected: relay not permitted");
  CHECK(engine.samples() ==
        "c{error_message=\"Unrouteable address\",logfile=\"/var/log/exim-1.log\"} 1\n"
        "c{error_message=\"relay not permitted\",logfile=\"/var/log/exim-1.log\"} 1\n"
        "c{error_message=\"relay not permitted\",logfile=\"/var/log/exim-2.log\"} 1\n");
}

TEST_CASE("A22: a capture of a bare line becomes a label") {
  CHECK(samples_of(counter("[user]", "{pattern: '<_> <_> <user> <val>', do: [inc: c]}"),
                   {"30.07.2016 14:37:03 alice 1.5", "30.07.2016 14:37:33 alice 2.5",
                    "30.07.2016 14:43:02 bob 2.5", "30.07.2016 14:45:59 alice 2.5"}) ==
        "c{user=\"alice\"} 3\nc{user=\"bob\"} 1\n");
}

TEST_CASE("A23: the text of one field is matched, siblings are labels") {
  CHECK(samples_of(counter("[user, ip]", "{regex: 'Login', do: [inc: c]}"),
                   {R"({"message":"Login occured","user":"Skeen","ip":"1.1.1.1"})",
                    R"({"message":"Logout","user":"Skeen","ip":"1.1.1.1"})"}) ==
        "c{ip=\"1.1.1.1\",user=\"Skeen\"} 1\n");
}

TEST_CASE("A25: what another rule leaves is asked for by its opposite") {
  CHECK(samples_of("metrics: {c: {type: counter, help: h, labels: [answer]}}\n"
                   "rules:\n"
                   "  yes:   {if: '$message =~ \"1\" and $message == \"1\"', do: [{inc: c, labels: "
                   "{answer: 'yes'}}]}\n"
                   "  maybe: {if: '$message =~ \"1\" and $message != \"1\"', do: [{inc: c, labels: "
                   "{answer: maybe}}]}\n"
                   "  no:    {if: '$message !~ \"1\"', do: [{inc: c, labels: {answer: 'no'}}]}\n",
                   {"1", "2", "12", "3", "4", "991"}) ==
        "c{answer=\"maybe\"} 2\nc{answer=\"no\"} 3\nc{answer=\"yes\"} 1\n");
}

TEST_CASE("A26: or is inside of an expression, and rules are independent") {
  CHECK(samples_of("metrics:\n  foo: {type: counter, help: h}\n  bar: {type: counter, help: h}\n"
                   "rules:\n"
                   "  both: {if: '$message =~ \"foo\" or $message =~ \"bar\"', do: [inc: foo]}\n"
                   "  bar:  {match: {message: {re: bar}}, do: [inc: bar]}\n",
                   {"foo", "foo", "bar", "bar", "quux", "12.8", ""}) == "bar 2\nfoo 4\n");
}

TEST_CASE("A27: =~ and !~ share the lines between them") {
  CHECK(samples_of("metrics: {c: {type: counter, help: h, labels: [which]}}\n"
                   "rules:\n"
                   "  fits:  {if: '$message =~ \"a\"', do: [{inc: c, labels: {which: fits}}]}\n"
                   "  not:   {if: '$message !~ \"a\"', do: [{inc: c, labels: {which: 'not'}}]}\n"
                   "  total: {if: '$message =~ \"a\" or $message !~ \"a\"', do: [{inc: c, labels: "
                   "{which: total}}]}\n",
                   {"a", "b", "abba", "baba", "cdf"}) ==
        "c{which=\"fits\"} 3\nc{which=\"not\"} 2\nc{which=\"total\"} 5\n");
}

TEST_CASE("A29: let is worked out before the actions of the same line") {
  CHECK(samples_of(counter("[foo]", "{regex: b, let: {foo: $message}, do: [inc: c]}"),
                   {"1.1", "c", "b", "a"}) == "c{foo=\"b\"} 1\n");
}

TEST_CASE("A30: every line of a file is counted by its name") {
  Engine engine(counter("[file]", "{do: [{inc: c, labels: {file: $_file}}]}"));
  engine.origin.file = "filename";
  engine.lines({"1", "2", "12", "3", "4", "991"});
  CHECK(engine.samples() == "c{file=\"filename\"} 6\n");
}

TEST_CASE("A31: counters, gauges, bytes and a histogram from the same lines") {
  const std::string one =
      R"({"time":"2026-01-01T00:00:00+00:00","app":"loki","payload":10,"component":["parser","type"],"level":"WARN"})";
  const std::string two =
      R"({"time":"2026-01-01T00:00:00+00:00","app":"bloki","payload":20,"component":["parser","type"],"level":"WARN", "padding":"xxxxxxxxxxxxxxxxxxxxxxxxxx"})";
  REQUIRE(one.size() + two.size() == 255);
  CHECK(samples_of("metrics:\n"
                   "  loki_count: {type: counter, help: h}\n"
                   "  bloki_count: {type: gauge, help: h}\n"
                   "  total_lines: {type: counter, help: h}\n"
                   "  total_size: {type: counter, help: h}\n"
                   "  payload: {type: histogram, help: h, buckets: [10, 20]}\n"
                   "rules:\n"
                   "  loki:  {match: {app: loki}, do: [inc: loki_count]}\n"
                   "  bloki: {match: {app: bloki}, do: [dec: bloki_count]}\n"
                   "  all:   {do: [inc: total_lines, {add: total_size, value: len($_line)}, "
                   "{observe: payload, value: $payload}]}\n",
                   {one, two}) ==
        "bloki_count -1\n"
        "loki_count 1\n"
        "payload_bucket{le=\"10\"} 1\npayload_bucket{le=\"20\"} 2\npayload_bucket{le=\"+Inf\"} "
        "2\npayload_sum 30\npayload_count 2\n"
        "total_lines 2\n"
        "total_size 255\n");
}

TEST_CASE("A33: only declared labels are kept, and __ is not to be declared") {
  const std::string line = R"({"__bad_label__":"2","good_label":"1"})";
  CHECK(samples_of(counter("[good_label]", "{do: [inc: c]}"), {line}) == "c{good_label=\"1\"} 1\n");
  CHECK(faults_of("metrics: {c: {type: counter, help: h, labels: [__bad_label__]}}\n") ==
        "1:48 E033\n");
}

TEST_CASE(
    "A34: a record without the label's field is counted under the default, or skipped and counted "
    "so") {
  const Texts lines = {R"({"log":{"foo":"foo"}})", R"({"log":{"foo":"foo"}})",
                       R"({"log":{"foo":"notfoo"}})", R"({"log":{}})"};
  const std::string rule = "{do: [{inc: c, labels: {foo: $log.foo}}]}";
  CHECK(samples_of(counter("{foo: {default: unknown}}", rule), lines) ==
        "c{foo=\"foo\"} 2\nc{foo=\"notfoo\"} 1\nc{foo=\"unknown\"} 1\n");
  CHECK(samples_of(counter("[foo]", rule), lines) == "c{foo=\"foo\"} 2\nc{foo=\"notfoo\"} 1\n");
  CHECK(skips_of(counter("[foo]", rule), lines) == "r / inc c / missing_field 1\n");
}

TEST_CASE(
    "A35: the conditions of match are joined by and; or is a list of values, or an expression") {
  const Texts lines = {R"({"a":1,"b":2})", R"({"a":1,"b":3})", R"({"a":9,"b":2})",
                       R"({"a":9,"b":9})"};
  CHECK(samples_of(counter("[]", "{match: {a: 1, b: 2}, do: [inc: c]}"), lines) == "c 1\n");
  CHECK(samples_of(counter("[]", "{match: {a: [1, 9]}, do: [inc: c]}"), lines) == "c 4\n");
  CHECK(samples_of(counter("[]", "{if: $a == 1 or $b == 2, do: [inc: c]}"), lines) == "c 3\n");
}

TEST_CASE("A37: every condition counts, not the first alone") {
  const Texts lines = {R"({"event":"skill","level":"info"})",
                       R"({"event":"skill","level":"error"})",
                       R"({"event":"other","level":"error"})"};
  CHECK(
      samples_of(counter("[event, level]",
                         "{match: {event: {re: '^skill$'}, level: {re: '^error$'}}, do: [inc: c]}"),
                 lines) == "c{event=\"skill\",level=\"error\"} 1\n");
}
