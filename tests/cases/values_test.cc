// Section B of the cases: values, types and units.
#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

// A rule file with one metric `m` of this kind, and one rule.
std::string rules_of(const std::string& metric, const std::string& rule) {
  return "metrics: {m: {help: h, " + metric + "}}\nrules:\n  r: " + rule + "\n";
}
std::string gauge_of(const std::string& expression) {
  return rules_of("type: gauge", "{do: [{set: m, value: '" + expression + "'}]}");
}

}  // namespace

TEST_CASE("B1: a number in text is a number") {
  CHECK(samples_of(rules_of("type: counter", "{do: [{add: m, value: $amount}]}"),
                   {R"({"amount":"33.99"})"}) == "m 33.99\n");
}

TEST_CASE("B2: set on a counter follows the source's own count, and a smaller one is a reset") {
  const std::string rules = rules_of("type: counter", "{do: [{set: m, value: $amount}]}");
  CHECK(samples_of(rules, {R"({"amount":"33.99"})"}) == "m 33.99\n");
  CHECK(samples_of(rules, {R"({"amount":"33.99"})", R"({"amount":40})", R"({"amount":1.5})"}) ==
        "m 41.5\n");
}

TEST_CASE("B3: what is no number counts nothing but the skip") {
  const std::string rules = rules_of("type: counter", "{do: [{add: m, value: $status}]}");
  CHECK(samples_of(rules, {R"({"status":"not a number"})"}) == "");
  CHECK(skips_of(rules, {R"({"status":"not a number"})"}) == "r / add m / not_a_number 1\n");
}

TEST_CASE("B5: a gauge takes a number in text") {
  CHECK(samples_of(gauge_of("$duration"), {R"({"duration":"20"})"}) == "m 20\n");
}

TEST_CASE("B6: add honours its value") {
  CHECK(samples_of(rules_of("type: counter", "{do: [{add: m, value: $tok}]}"),
                   {R"({"tok":7})", R"({"tok":3})", R"({"tok":1})"}) == "m 11\n");
}

TEST_CASE("B7: booleans are true and false as labels, null is missing") {
  const std::string rules = rules_of("type: counter, labels: [success]", "{do: [inc: m]}");
  const Texts lines = {R"({"success":true})", R"({"success":false})", R"({"success":null})"};
  CHECK(samples_of(rules, lines) == "m{success=\"false\"} 1\nm{success=\"true\"} 1\n");
  CHECK(skips_of(rules, lines) == "r / inc m / missing_field 1\n");
}

TEST_CASE("B9: a bucket that is no number is refused") {
  CHECK(faults_of("metrics:\n  m: {type: histogram, help: h, buckets: [1abc, 2]}\n") ==
        "2:43 E013\n");
}

TEST_CASE("B11: a counter adds up values of the line") {
  CHECK(samples_of(rules_of("type: counter",
                            "{pattern: 'Rainfall <rainfall>', do: [{add: m, value: $rainfall}]}"),
                   {"Rainfall 32", "Rainfall 5"}) == "m 37\n");
}

TEST_CASE("B13: a gauge is added to") {
  CHECK(samples_of(rules_of("type: gauge", "{do: [{add: m, value: $rainfall}]}"),
                   {R"({"rainfall":32})", R"({"rainfall":5})"}) == "m 37\n");
}

TEST_CASE("B14: a gauge per label is what was set last") {
  CHECK(samples_of(rules_of("type: gauge, labels: [city]",
                            "{pattern: 'In <city> it is <t> degrees', do: [{set: m, value: $t}]}"),
                   {"In Berlin it is 32 degrees", "In Moscow it is -5 degrees",
                    "In Berlin it is 31 degrees"}) ==
        "m{city=\"Berlin\"} 31\nm{city=\"Moscow\"} -5\n");
}

TEST_CASE("B15: arithmetic takes numbers and numbers in text") {
  CHECK(samples_of(gauge_of("$a + $b"), {R"({"a":1,"b":"2"})"}) == "m 3\n");
  CHECK(samples_of(gauge_of("$a - $b"), {R"({"a":"2","b":3})"}) == "m -1\n");
  CHECK(samples_of(gauge_of("$a * $b"), {R"({"a":2.5,"b":"1.e2"})"}) == "m 250\n");
  CHECK(samples_of(gauge_of("$a / $b"), {R"({"a":"2.5","b":"2.5"})"}) == "m 1\n");
}

TEST_CASE("B17: a part of a text by a group, or by a rewrite") {
  const std::string line = R"({"url":"http://example.org/?user=7&id=42&x=1"})";
  CHECK(samples_of(gauge_of("$url =~ \"id=([^&]*)\""), {line}) == "m 42\n");
  CHECK(samples_of("maps: {id: {rewrite: [['.*id=([^&]*).*', '\\1']]}}\n" + gauge_of("id($url)"),
                   {line}) == "m 42\n");
}

TEST_CASE("B18: a value by case is a map with an alternative") {
  const std::string rules = "maps: {known: {alice: 1}}\n" + gauge_of("known($user) or 0");
  CHECK(samples_of(rules, {R"({"user":"alice"})"}) == "m 1\n");
  CHECK(samples_of(rules, {R"({"user":"alice"})", R"({"user":"bob"})"}) == "m 0\n");
}

TEST_CASE("B19: a counter refuses a negative value and goes on") {
  const std::string rules = rules_of("type: counter", "{do: [{add: m, value: $n}]}");
  const Texts lines = {R"({"n":5})", R"({"n":"-3"})", R"({"n":-0.5})", R"({"n":1})"};
  CHECK(samples_of(rules, lines) == "m 6\n");
  CHECK(skips_of(rules, lines) == "r / add m / negative 2\n");
}

TEST_CASE("B21: whole and broken numbers, as values and as labels") {
  CHECK(samples_of(rules_of("type: gauge, labels: [n]", "{do: [{set: m, value: $n}]}"),
                   {R"({"n":"37"})", R"({"n":"12.8"})"}) == "m{n=\"12.8\"} 12.8\nm{n=\"37\"} 37\n");
}

TEST_CASE("B22: a value worked out by let is set and compared") {
  CHECK(samples_of("metrics:\n  ms: {type: gauge, help: h}\n  hit: {type: counter, help: h}\n  "
                   "miss: {type: counter, help: h}\n"
                   "rules:\n"
                   "  r:\n"
                   "    let: {ms: $seconds * 1000}\n"
                   "    do:\n"
                   "      - {set: ms, value: $ms}\n"
                   "      - {inc: hit, if: $ms < 100000}\n"
                   "      - {inc: miss, if: not ($ms < 100000)}\n",
                   {R"({"seconds":100})", R"({"seconds":200})", R"({"seconds":50})"}) ==
        "hit 1\nmiss 2\nms 50000\n");
}

TEST_CASE("B23: num takes the commas out of a number") {
  CHECK(samples_of(
            "metrics:\n  sent: {type: counter, help: h}\n  received: {type: counter, help: h}\n"
            "rules:\n"
            "  r:\n"
            "    pattern: 'sent <sent> bytes  received <received> bytes'\n"
            "    do: [{add: sent, value: num($sent)}, {add: received, value: num($received)}]\n",
            {"sent 642,410,725 bytes  received 14,998,522,122 bytes"}) ==
        "received 14998522122\nsent 642410725\n");
}

TEST_CASE("B25: a dash alone is text") {
  CHECK(samples_of(rules_of("type: counter", "{pattern: '<x> <_>', if: $x == \"-\", do: [inc: m]}"),
                   {"123 a", "- b"}) == "m 1\n");
}

TEST_CASE("B26: a capture with its unit is observed in seconds") {
  CHECK(samples_of("metrics: {m_seconds: {type: histogram, help: h, buckets: [1, 2]}}\n"
                   "rules: {r: {pattern: 'Completed <_> <_...> in <ms>ms', do: [{observe: "
                   "m_seconds, value: $ms, unit: ms}]}}\n",
                   {"Completed 200 OK in 1500ms"}) ==
        "m_seconds_bucket{le=\"1\"} 0\nm_seconds_bucket{le=\"2\"} 1\nm_seconds_bucket{le=\"+Inf\"} "
        "1\nm_seconds_sum 1.5\n"
        "m_seconds_count 1\n");
}

TEST_CASE("B27: a duration in text says its own unit") {
  CHECK(
      samples_of("metrics: {m_seconds: {type: histogram, help: h, buckets: [0.5, 1, 2]}}\n"
                 "rules: {r: {do: [{observe: m_seconds, value: $response_time, unit: auto}]}}\n",
                 {R"({"response_time":"932ms"})"}) ==
      "m_seconds_bucket{le=\"0.5\"} 0\nm_seconds_bucket{le=\"1\"} 1\nm_seconds_bucket{le=\"2\"} 1\n"
      "m_seconds_bucket{le=\"+Inf\"} 1\nm_seconds_sum 0.932\nm_seconds_count 1\n");
}

TEST_CASE("B29: a gauge takes negative numbers") {
  CHECK(samples_of(gauge_of("$longitude"), {R"({"longitude":-10.1234})"}) == "m -10.1234\n");
  CHECK(samples_of(gauge_of("$longitude"), {R"({"longitude":"-10.1234"})"}) == "m -10.1234\n");
}

TEST_CASE("B30: a number inside of a text is captured") {
  CHECK(samples_of(
            rules_of("type: gauge", "{pattern: 'Memory usage <mb>MB', do: [{set: m, value: $mb}]}"),
            {R"({"body":"x","message":"Memory usage 600MB"})"}) == "m 600\n");
}

TEST_CASE("B31: a negative fraction is printed as it is") {
  CHECK(samples_of(gauge_of("$n"), {R"({"n":-1.1})"}) == "m -1.1\n");
}
