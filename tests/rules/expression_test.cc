#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

constexpr const char* kMaps =
    "maps:\n"
    "  outcome: {true: success, false: error, 1: one, 0.5: half, 'yes': y, '': empty}\n"
    "  usd: {kimi: {input: 0.6, output: 2.5}, 'qwen 3': {input: 0}, plain: 7}\n"
    "  endpoint: {rewrite: [['(?i)/[0-9a-f]{6,}', '/{id}'], ['/\\d+', '/{id}'], ['^(\\w+) ', "
    "'\\1:']]}\n";

std::string quoted(const std::string& expression) {
  std::string out = "'";
  for (const char c : expression) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

// What the expression gives, as a label's text; <reason> when it gives nothing.
std::string result(const std::string& expression, const std::string& line) {
  Engine engine(std::string(kMaps) +
                "metrics: {c: {type: counter, help: h, labels: [v]}}\nrules: {r: {do: [{inc: c, "
                "labels: {v: " +
                quoted(expression) + "}}]}}\n");
  engine.line(line);
  const std::string skips = engine.skips();
  if (!skips.empty()) {
    const std::size_t reason = skips.rfind('/') + 2;
    return "<" + skips.substr(reason, skips.rfind(' ') - reason) + ">";
  }
  const std::string samples = engine.samples();
  REQUIRE(samples.size() > 9);
  return samples.substr(5, samples.size() - 5 - 5);  // c{v=" and "} 1\n
}

bool holds(const std::string& condition, const std::string& line) {
  return samples_of(
             std::string(kMaps) +
                 "metrics: {c: {type: counter, help: h}}\nrules: {r: {let: {off: false}, if: " +
                 condition + ", do: [inc: c]}}\n",
             {line}) == "c 1\n";
}

}  // namespace

TEST_CASE("expression: a level is compared as match compares it") {
  struct Case {
    const char* condition;
    const char* line;
    bool want;
  };
  const Case cases[] = {
      {"'$level == \"WARN\"'", R"({"level":"warning"})", true},
      {"'$level == \"warning\"'", R"({"level":"WARN"})", true},
      {"'\"Warn\" == $level'", R"({"levelname":"W"})", true},
      {"'$level == \"FATAL\"'", R"({"severity":"critical"})", true},
      {"'$level == 40'", R"({"level":"error"})", true},
      {"'$level == \"error\"'", R"({"level":40})", true},
      {"'$level != \"WARN\"'", R"({"level":"warn"})", false},
      {"'$level != \"WARN\"'", R"({"level":"info"})", true},
      {"'$level == \"WARN\" or $level == \"ERROR\"'", R"({"level":"error"})", true},
      {"'not $level == \"INFO\"'", R"({"level":"info"})", false},
      {"'$level == \"odd\"'", R"({"level":"odd"})", true},
      {"'$level == \"WARN\"'", R"({})", false},
      // other fields and other operators are as they are
      {"'$other == \"WARN\"'", R"({"other":"warning"})", false},
      {"'$other == 40'", R"({"other":40})", true},
      {"'$level =~ \"^warning$\"'", R"({"level":"WARN"})", true},
      {"'$level + \"\" == \"WARN\"'", R"({"level":"warn"})", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.condition, c.line);
    CHECK(holds(c.condition, c.line) == c.want);
  }
}

TEST_CASE("expression: what it gives") {
  struct Case {
    const char* expression;
    const char* line;
    const char* want;
  };
  const Case cases[] = {
      // names
      {"$a", R"({"a":"x"})", "x"},
      {"$a", R"({})", "<missing_field>"},
      {"$a", R"({"a":null})", "<missing_field>"},
      {"$a.b", R"({"a":{"b":"x"}})", "x"},
      {"$a.b", R"({"a":"x"})", "<missing_field>"},
      {"$'odd key'", R"({"odd key":"x"})", "x"},
      {"$'odd key'.x", R"({"odd key":{"x":1}})", "1"},
      {"$a.'b.c'.d", R"({"a":{"b.c":{"d":"x"}}})", "x"},
      {"$@t", R"({"@t":"x"})", "x"},
      {"$a1_b", R"({"a1_b":"x"})", "x"},
      // texts and constants
      {"$a", R"({"a":"\u00e9\n"})", "é\\n"},
      {"plain text, no expression", "{}", "plain text, no expression"},
      {"1 + 1", "{}", "1 + 1"},
      {"$a + 1", R"({"a":1.0})", "2"},
      {"$a", R"({"a":1.50})", "1.5"},
      {"$a", R"({"a":1e3})", "1000"},
      {"$a", R"({"a":"1.50"})", "1.50"},
      // precedence
      {"$a + $b * 2", R"({"a":1,"b":3})", "7"},
      {"($a + $b) * 2", R"({"a":1,"b":3})", "8"},
      {"$a - $b - 1", R"({"a":10,"b":3})", "6"},
      {"$a / $b * 2", R"({"a":8,"b":4})", "4"},
      {"$a * 2 % 5", R"({"a":4})", "3"},
      {"-$a + 1", R"({"a":4})", "-3"},
      {"$a - -1", R"({"a":4})", "5"},
      {"- - $a", R"({"a":4})", "4"},
      {"$a*-2", R"({"a":4})", "-8"},
      {"$a -1", R"({"a":4})", "3"},
      {"$a + 1 == 5", R"({"a":4})", "true"},
      {"not $a == 1", R"({"a":1})", "false"},
      {"not $a == 1", R"({"a":2})", "true"},
      {"$a or $b and $c", R"({"a":"x"})", "x"},
      {"$a or $b and $c", R"({"b":1,"c":"z"})", "z"},
      {"($a or $b) and $c", R"({"a":"x","c":"z"})", "z"},
      {"($a or $b) and $c", R"({"c":"z"})", "false"},
      {"$a == 1 or $b == 2 and $c == 3", R"({"a":1,"b":0,"c":0})", "true"},
      // or, and, not with what is missing
      {"$a or $b", R"({"b":"y"})", "y"},
      {"$a or $b", R"({"a":null,"b":"y"})", "y"},
      {"$a or $b", R"({"a":false,"b":"y"})", "y"},
      {"$a or $b", R"({"a":0,"b":"y"})", "0"},
      {"$a or $b", R"({"a":"","b":"y"})", ""},
      {"$a or $b", R"({})", "<missing_field>"},
      {"$a or \"none\"", R"({})", "none"},
      {"$a or 'none'", R"({})", "none"},
      {"$a or $b or $c or 3", R"({})", "3"},
      {"$a and $b", R"({"a":1})", "<missing_field>"},
      {"not $a", R"({})", "true"},
      {"not $a", R"({"a":false})", "true"},
      {"not $a", R"({"a":"x"})", "false"},
      {"not not $a", R"({"a":"x"})", "true"},
      {"$a or null", R"({})", "<missing_field>"},
      // comparisons
      {"$a == 1", R"({})", "false"},
      {"$a != 1", R"({})", "false"},
      {"$a < 1", R"({})", "false"},
      {"$a >= 1", R"({})", "false"},
      {"1 != $a", R"({"b":1})", "false"},
      {"$a == null", R"({})", "false"},
      {"$a == 5", R"({"a":"5"})", "true"},
      {"$a == 5", R"({"a":"5.0"})", "true"},
      {"$a == \"5\"", R"({"a":5})", "true"},
      {"$a == 5", R"({"a":"abc"})", "false"},
      {"$a != 5", R"({"a":"abc"})", "true"},
      {"$a < 5", R"({"a":"abc"})", "false"},
      {"$a > 5", R"({"a":"abc"})", "false"},
      {"$a >= 5", R"({"a":"abc"})", "false"},
      {"$a > \"a\"", R"({"a":"b"})", "true"},
      {"$a > $b", R"({"a":"10","b":"9"})", "true"},
      {"$a > $b", R"({"a":10,"b":"9"})", "true"},
      {"$a <= $b", R"({"a":-2,"b":-1.5})", "true"},
      {"$a == -2", R"({"a":-2})", "true"},
      {"$a == true", R"({"a":true})", "true"},
      {"$a == true", R"({"a":"true"})", "true"},
      {"$a == false", R"({"a":false})", "true"},
      {"$a == 1", R"({"a":true})", "false"},
      {"$a == 9007199254740993", R"({"a":9007199254740992})", "false"},
      // regular expressions
      {"$a =~ \"^x\"", R"({"a":"xyz"})", "true"},
      {"$a =~ \"^y\"", R"({"a":"xyz"})", "false"},
      {"$a !~ \"^y\"", R"({"a":"xyz"})", "true"},
      {"$a !~ \"^x\"", R"({"a":"xyz"})", "false"},
      {"$a =~ \"^x\"", R"({})", "false"},
      {"$a !~ \"^x\"", R"({})", "false"},
      {"$a =~ \"x(.)\"", R"({"a":"xyz"})", "y"},
      {"$a =~ \"x(?:.)\"", R"({"a":"xyz"})", "true"},
      {"$a =~ \"q(.)\"", R"({"a":"xyz"})", "<missing_field>"},
      {"$a =~ \"q(.)\" or \"none\"", R"({"a":"xyz"})", "none"},
      {"$a !~ \"x(.)\"", R"({"a":"xyz"})", "false"},
      {"$a =~ \"(\\d+)ms\"", R"({"a":"took 42ms"})", "42"},
      {"$a =~ \"^5\"", R"({"a":500})", "true"},
      // arithmetic
      {"$a / $b", R"({"a":1,"b":3})", "0.333333333333333"},
      {"$a / 0", R"({"a":1})", "<not_finite>"},
      {"$a % 0", R"({"a":1})", "<not_finite>"},
      {"$a / 0 or 5", R"({"a":1})", "<not_finite>"},
      {"$a / 0 == 5", R"({"a":1})", "<not_finite>"},
      {"not ($a / 0)", R"({"a":1})", "<not_finite>"},
      {"$a % 3", R"({"a":-7})", "-1"},
      {"$a % 0.3", R"({"a":1})", "0.1"},
      {"$a + 0.2", R"({"a":0.1})", "0.3"},
      {"$a * $a", R"({"a":1e20})", "<over_limit>"},
      {"$a + 1", R"({"a":"x"})", "<not_a_number>"},
      {"$a + 1", R"({"a":true})", "<not_a_number>"},
      {"$a + 1", R"({"a":{"b":1}})", "<not_a_number>"},
      {"$a + 1", R"({"a":NaN})", "<not_finite>"},
      {"$a + 1", R"({"a":"Infinity"})", "<not_finite>"},
      {"$a + 1", R"({"a":1e30})", "<over_limit>"},
      {"$a + 1", R"({})", "<missing_field>"},
      {"$a + $b or 9", R"({"a":1})", "9"},
      {"-$a", R"({"a":"x"})", "<not_a_number>"},
      {"$a + 1", R"({"a":"6.8e-05"})", "1.000068"},
      // functions
      {"len($a)", R"({"a":"h\u00e9llo"})", "5"},
      {"len($a)", R"({"a":""})", "0"},
      {"len($a)", R"({"a":12.50})", "4"},
      {"lower($a)", R"({"a":"ÄBc[Z"})", "Äbc[z"},
      {"upper($a)", R"({"a":"abz{"})", "ABZ{"},
      {"trim($a)", R"({"a":" \t x y \n"})", "x y"},
      {"trim($a)", R"({"a":"  "})", ""},
      {"replace($a, \"aa\", \"b\")", R"({"a":"aaaaa"})", "bba"},
      {"replace($a, \"\", \"b\")", R"({"a":"aa"})", "aa"},
      {"replace($a, 1, 2)", R"({"a":"1x1"})", "2x2"},
      {"num($a)", R"({"a":"1,234,567.5"})", "1234567.5"},
      {"num($a)", R"({"a":"abc"})", "<not_a_number>"},
      {"num($a)", R"({"a":""})", "<not_a_number>"},
      {"num($a)", R"({"a":7})", "7"},
      {"round($a)", R"({"a":2.5})", "3"},
      {"round($a)", R"({"a":-2.5})", "-3"},
      {"round($a)", R"({"a":2.4999})", "2"},
      {"round($a, 2)", R"({"a":1.005})", "1.01"},
      {"round($a, 20)", R"({"a":1.005})", "1.005"},
      {"min($a, 3, \"2\")", R"({"a":5})", "2"},
      {"max($a, 3, \"2\")", R"({"a":5})", "5"},
      {"max($a, -3)", R"({"a":-5})", "-3"},
      {"min($a, $b)", R"({"a":5})", "<missing_field>"},
      {"max($a, \"x\")", R"({"a":5})", "<not_a_number>"},
      {"lower(trim($a) or \"X\")", R"({})", "x"},
      // maps
      {"outcome($a)", R"({"a":true})", "success"},
      {"outcome($a)", R"({"a":"false"})", "error"},
      {"outcome($a)", R"({"a":1})", "one"},
      {"outcome($a)", R"({"a":1.0})", "one"},
      {"outcome($a)", R"({"a":5e-1})", "half"},
      {"outcome($a)", R"({"a":"yes"})", "y"},
      {"outcome($a)", R"({"a":""})", "empty"},
      {"outcome($a)", R"({"a":"maybe"})", "<unknown_key>"},
      {"outcome($a)", R"({})", "<missing_field>"},
      {"outcome($a) or \"other\"", R"({"a":"maybe"})", "other"},
      {"usd($m).input * 2", R"({"m":"kimi"})", "1.2"},
      {"usd($m).output", R"({"m":"kimi"})", "2.5"},
      {"usd($m).input or 1", R"({"m":"qwen 3"})", "0"},
      {"usd($m).output or 1", R"({"m":"qwen 3"})", "1"},
      {"usd($m).input", R"({"m":"unknown"})", "<unknown_key>"},
      {"usd($m).none", R"({"m":"kimi"})", "<unknown_key>"},
      {"usd($m)", R"({"m":"kimi"})", "<unknown_key>"},
      {"usd($m)", R"({"m":"plain"})", "7"},
      {"usd($m).input", R"({"m":"plain"})", "<unknown_key>"},
      {"endpoint($p)", R"({"p":"/user/0123abCD/order/12/13"})", "/user/{id}/order/{id}/{id}"},
      {"endpoint($p)", R"({"p":"GET /a/1"})", "GET:/a/{id}"},
      {"endpoint($p)", R"({"p":""})", ""},
      {"endpoint(lower($p))", R"({"p":"/A"})", "/a"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expression, c.line);
    CHECK(result(c.expression, c.line) == c.want);
  }
}

TEST_CASE("expression: conditions written as values") {
  CHECK(holds("true", "{}"));
  CHECK_FALSE(holds("false", "{}"));
  CHECK_FALSE(holds("False", "{}"));
  CHECK_FALSE(holds("$off", "{}"));
  CHECK(holds("$a", R"({"a":"x"})"));
  CHECK_FALSE(holds("$a", R"({"a":false})"));
  CHECK_FALSE(holds("$a", "{}"));
  CHECK_FALSE(holds("$a / 0", R"({"a":1})"));
  CHECK(holds("$status >= 100 and $path !~ \"^/healthz\"", R"({"status":200,"path":"/x"})"));
  CHECK_FALSE(
      holds("$status >= 100 and $path !~ \"^/healthz\"", R"({"status":200,"path":"/healthz"})"));
  CHECK_FALSE(holds("$status >= 100 and $path !~ \"^/healthz\"", R"({"status":200})"));
}

TEST_CASE("expression: the names that logtally sets") {
  const std::string rules =
      "metrics: {c: {type: counter, help: h, labels: [v]}}\nrules: {r: {do: [{inc: c, labels: {v: "
      "$NAME}}]}}\n";
  struct Case {
    const char* name;
    const char* line;
    const char* want;
  };
  const Case cases[] = {
      {"$_line", R"({"a": 1})", "c{v=\"{\\\"a\\\": 1}\"} 1\n"},
      {"$_line", "bare text", "c{v=\"bare text\"} 1\n"},
      {"$message", "bare text", "c{v=\"bare text\"} 1\n"},
      {"$message", R"({"msg":"x"})", "c{v=\"x\"} 1\n"},
      {"$message", R"({"message":null,"event":"x"})", "c{v=\"x\"} 1\n"},
      {"$level", R"({"severity":"WARN"})", "c{v=\"warning\"} 1\n"},
      {"$level", R"({"level":"odd"})", "c{v=\"odd\"} 1\n"},
      {"$level", R"({"level":40})", "c{v=\"error\"} 1\n"},
      {"$logger", R"({"logger_name":"a.b"})", "c{v=\"a.b\"} 1\n"},
      {"$time", R"({"timestamp":"1970-01-01T00:01:00.5Z"})", "c{v=\"60.5\"} 1\n"},
      {"$time", R"({"timestamp":"no time"})", "c{v=\"7.000000001\"} 1\n"},
      {"$time", R"({})", "c{v=\"7.000000001\"} 1\n"},
      {"$_file", "{}", "c{v=\"/log/a\"} 1\n"},
      {"$_stream", "{}", "c{v=\"stderr\"} 1\n"},
      {"$_exception",
       R"({"exception":"Traceback (most recent call last):\n  File \"x\"\na.b.ConnectionError: no\nmore: text"})",
       "c{v=\"ConnectionError\"} 1\n"},
      {"$_exception", R"({"exception":{"type":"a.TimeoutError"}})", "c{v=\"TimeoutError\"} 1\n"},
      {"$_exception", "{}", ""},
      {"$_format", "{}", "c{v=\"json\"} 1\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name, c.line);
    std::string text = rules;
    text.replace(text.find("$NAME"), 5, c.name);
    Engine engine(text);
    engine.origin.file = "/log/a";
    engine.origin.stream = "stderr";
    engine.origin.time_ns = 7'000'000'001;
    engine.line(c.line);
    CHECK(engine.samples() == c.want);
  }
}

TEST_CASE("expression: faults name their code and place") {
  struct Case {
    const char* expression;
    const char* want;  // in a file where the expression begins at 3:19
  };
  const Case cases[] = {
      {"$a +", "E020"},
      {"$a 1", "E020"},
      {"$a = 1", "E020"},
      {"$a && $b", "E020"},
      {"$", "E020"},
      {"$a ~ $b", "E020"},
      {"($a", "E020"},
      {"$a)", "E020"},
      {"$a =~ $b", "E020"},
      {"$a + 1.2.3", "E020"},
      {"usd($a).", "E020"},
      {"$a < 1 < 2", "E020"},
      {"$a + \"x", "E021"},
      {"$''x", "E020"},
      {"$'x", "E021"},
      {"$a + word", "E023"},
      {"$a == error", "E023"},
      {"len($a, 1)", "E024"},
      {"round()+$a", "E024"},
      {"usd($a, 1)", "E024"},
      {"replace($a, 1)", "E024"},
      {"lenn($a)", "E025"},
      {"outcom($a)", "E025"},
      {"$a =~ \"(\"", "E041"},
      {"$a !~ \"(?<x\"", "E041"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expression);
    const std::string faults =
        faults_of(std::string(kMaps) + "rules:\n  r: {if: " + quoted(c.expression) + ", do: []}\n");
    CHECK(faults.find(std::string(" ") + c.want + "\n") != std::string::npos);
  }
}

TEST_CASE("expression: one that is deep or long is refused, not followed") {
  const std::string metric =
      "metrics: {c: {type: counter, help: h}}\nrules: {r: {do: [inc: c], if: ";
  const auto repeat = [](const std::string& text, std::size_t n) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += text;
    return out;
  };
  CHECK(faults_of(metric + "'" + repeat("(", 60) + "$a" + repeat(")", 60) + "'}}\n") == "");
  CHECK(faults_of(metric + "'" + repeat("(", 5000) + "$a" + repeat(")", 5000) + "'}}\n")
            .ends_with(" E020\n"));
  CHECK(faults_of(metric + "'" + repeat("not ", 5000) + "$a'}}\n").ends_with(" E020\n"));
  CHECK(faults_of(metric + "'" + repeat("-", 5000) + "$a'}}\n").ends_with(" E020\n"));
  CHECK(faults_of(metric + "'$a" + repeat(" + 1", 100) + " == 3'}}\n") == "");
  CHECK(faults_of(metric + "'$a" + repeat("+1", 100'000) + "'}}\n").ends_with(" E020\n"));
}
