#include "rules/formats.h"

#include "rules/record_decoder.h"
#include "tests/cases/harness.h"

namespace logtally::cases {
namespace {

// Counts every record by what is asked of it.
std::string probe(const std::string& formats, const std::string& value) {
  return formats +
         "metrics: {m_total: {type: counter, help: h, labels: {v: {default: none}}}}\n"
         "rules: {r: {do: [{inc: m_total, labels: {v: '" +
         value + "'}}]}}\n";
}

// The label values that the lines give, in the order of the page.
std::string values_of(const std::string& formats, const std::string& value, const Texts& lines) {
  const std::string samples = samples_of(probe(formats, value), lines);
  std::string out;
  for (std::size_t at = samples.find("v=\""); at != std::string::npos;
       at = samples.find("v=\"", at + 1)) {
    if (!out.empty()) out += '|';
    out += samples.substr(at + 3, samples.find("\"}", at) - at - 3);
  }
  return out;
}
std::string value_of(const std::string& formats, const std::string& value,
                     const std::string& line) {
  return values_of(formats, value, {line});
}

const std::string kPython =
    "formats: {python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}}\n";

const std::string kTraceback =
    "Traceback (most recent call last):\n"
    "  File \"/app/x.py\", line 1, in <module>\n"
    "    connect()\n";

}  // namespace

TEST_CASE("formats: of several that fit the one with most literal text counts, in any order") {
  const std::string loose = "  a_loose: {pattern: '<level>: <message>'}\n";
  const std::string close =
      "  z_close: {pattern: '<level>: <client> - \"<request...>\" <status>'}\n";
  const std::string line = "INFO: 10.0.0.1:80 - \"GET / HTTP/1.1\" 200";
  for (const std::string& formats : {loose + close, close + loose}) {
    CHECK(value_of("formats:\n" + formats, "$_format", line) == "z_close");
    CHECK(value_of("formats:\n" + formats, "$_format", "INFO: 10.0.0.1:80 up") == "a_loose");
  }
  // As much of it: the name decides, whatever the order.
  const std::string one = "  one: {pattern: '<a>=<b>'}\n";
  const std::string two = "  two: {pattern: '<c>=<d...>'}\n";
  CHECK(value_of("formats:\n" + one + two, "$_format", "x=y") == "one");
  CHECK(value_of("formats:\n" + two + one, "$_format", "x=y") == "one");
  CHECK(value_of("formats:\n" + two + one, "$_format", "x=y z") == "two");
}

TEST_CASE("formats: a format that does not fit leaves nothing behind for the one that does") {
  const std::string formats =
      "formats:\n"
      "  fields: {pattern: 'at <where> [[[ <fields> ]]]'}\n"
      "  plain: {pattern: 'at <_> <message>'}\n";
  CHECK(value_of(formats, "$where", "at home [[[ a=1 ]]]") == "home");
  CHECK(value_of(formats, "$_format", "at home [[[ a=1 ]]]") == "fields");
  CHECK(value_of(formats, "$where or $_format", "at home [[[ a=1 } ]]]") == "plain");
  CHECK(value_of(formats, "$a or $_format", "at home [[[ a=1 } ]]]") == "plain");
}

TEST_CASE("formats: a capture named time or level has its shape, or the format does not fit") {
  CHECK(value_of(kPython, "$_format", "2026-02-28 14:00:00,123 [a.b] INFO hello") == "python");
  CHECK(value_of(kPython, "$_format", "2026-02-28T14:00:00.5+01:00 [a.b] warn hello") == "python");
  CHECK(value_of(kPython, "$_format", "yesterday [a.b] INFO hello") == "none");
  CHECK(value_of(kPython, "$_format", "2026-02-28 14:00:00,123 [a.b] LOUD hello") == "none");
  CHECK(value_of(kPython, "$_format", "2026-02-30 14:00:00,123 [a.b] INFO hello") == "none");
  const std::string line = "2026-02-28 14:00:00,123 [a.b] WARNING  two  words ";
  CHECK(value_of(kPython, "$level", line) == "warning");
  CHECK(value_of(kPython, "$logger", line) == "a.b");
  CHECK(value_of(kPython, "$message", line) == "two  words ");
  CHECK(value_of(kPython, "$time", line) == "1772287200.123");
  CHECK(value_of(kPython, "$_line", line) == line);
}

TEST_CASE("formats: a blank of the pattern stands for any number of them, behind the time too") {
  const std::string padded = "formats: {f: {pattern: '<time>  [<level>]  <message>'}}\n";
  CHECK(value_of(padded, "$message", "2026-02-28 14:00:00 [info     ] hello") == "hello");
  CHECK(value_of(padded, "$message", "2026-02-28 14:00:00\t \t[info] hello") == "hello");
  CHECK(value_of(kPython, "$message", "2026-02-28 14:00:00   [x]   INFO   hello") == "hello");
}

TEST_CASE("formats: the literal text behind a time may hold an escaped bracket") {
  const std::string formats = "formats: {f: {pattern: '<time> \\<who> <message>'}}\n";
  CHECK(value_of(formats, "$message", "2026-02-28 14:00:00 <who> hello") == "hello");
  CHECK(value_of(formats, "$message", "2026-02-28 14:00:00 me hello") ==
        "2026-02-28 14:00:00 me hello");
}

TEST_CASE("formats: what is written for no value is missing") {
  const std::string formats = "formats: {f: {pattern: 'user <user> done'}}\n";
  for (const char* nothing : {"None", "null", "?", "n/a", ""}) {
    CAPTURE(nothing);
    CHECK(value_of(formats, "$user", "user " + std::string(nothing) + " done") == "none");
  }
  CHECK(value_of(formats, "$user", "user nobody done") == "nobody");
}

TEST_CASE("formats: <fields> reads JSON, a dict or pairs, and nothing else fits it") {
  const std::string formats =
      "formats: {f: {pattern: '<level>: <event> <fields>'}, g: {pattern: '<level>:<message>'}}\n";
  for (const char* fields :
       {R"({"skill": "memory", "n": 1})", "{'skill': 'memory', 'ok': True, 'who': None}",
        "skill=memory n=1", "n=1 skill='memory'"}) {
    CAPTURE(fields);
    const std::string line = std::string("INFO: call ") + fields;
    CHECK(value_of(formats, "$skill", line) == "memory");
    CHECK(value_of(formats, "$_format", line) == "f");
    CHECK(value_of(formats, "$message", line) == "call");
  }
  for (const char* other :
       {"plain words", R"({"skill": "memory")", "{'skill': }", "skill = memory", "a=1 b"}) {
    CAPTURE(other);
    CHECK(value_of(formats, "$_format", std::string("INFO: call ") + other) == "g");
    CHECK(value_of(formats, "$skill", std::string("INFO: call ") + other) == "none");
  }
}

TEST_CASE("formats: <fields> in a rule hides the line's fields, for this rule and this record") {
  const std::string rules =
      "formats: {f: {pattern: '<user> says <message>'}}\n"
      "metrics: {m_total: {type: counter, help: h, labels: {rule: {}, user: {default: none}, n: "
      "{default: none}}}}\n"
      "rules:\n"
      "  first: {pattern: 'set <fields>', do: [{inc: m_total, labels: {rule: first}}]}\n"
      "  other: {do: [{inc: m_total, labels: {rule: other}}]}\n";
  CHECK(
      samples_of(rules, {"me says set user=you n=1", "me says set user=you n=1",
                         "me says set nothing", R"({"message":"set {\"n\": 2}","user":"json"})"}) ==
      "m_total{n=\"1\",rule=\"first\",user=\"you\"} 2\n"
      "m_total{n=\"2\",rule=\"first\",user=\"json\"} 1\n"
      "m_total{n=\"none\",rule=\"other\",user=\"json\"} 1\n"
      "m_total{n=\"none\",rule=\"other\",user=\"me\"} 3\n");
}

TEST_CASE("formats: what <fields> of one record held is not there for the next") {
  // The time and the fields by which rules are picked are asked for before any rule is entered.
  const std::string rules =
      "tables: {t: {key: $k, ttl: 10s}}\n"
      "metrics: {m_total: {type: counter, help: h}, n_total: {type: counter, help: h, labels: "
      "[kind]}}\n"
      "rules:\n"
      "  remember: {match: {kind: start}, do: [remember: t]}\n"
      "  take: {match: {kind: end}, do: [take: t, inc: n_total]}\n"
      "  last: {pattern: 'set <fields>', do: [inc: m_total]}\n";
  Engine engine(rules);
  engine.line(R"({"kind":"start","k":"a","time":"2026-02-28T14:00:00Z"})");
  engine.line(R"(set kind=end k=b time=2026-02-28T14:00:30Z)");
  engine.line(R"({"k":"a","message":"no kind, no time"})");
  engine.line(R"({"kind":"end","k":"a"})");
  CHECK(engine.samples() == "m_total 1\nn_total{kind=\"end\"} 1\n");
  CHECK(engine.skips().empty());
}

TEST_CASE("formats: a time layout") {
  const std::string formats =
      "formats: {f: {pattern: '<ip> [<time>] <message>', time: {layout: '%d/%b/%Y:%H:%M:%S', zone: "
      "+01:00}}}\n";
  CHECK(value_of(formats, "$time", "::1 [28/Feb/2026:15:00:00] hello") == "1772287200");
  CHECK(value_of(formats, "$_format", "::1 [2026-02-28 15:00:00] hello") == "none");
  const std::string first =
      "formats: {f: {pattern: '<time> <message>', time: {layout: '%H:%M:%S %d.%m.%Y'}}}\n";
  CHECK(value_of(first, "$time", "14:00:00 28.02.2026 hello") == "1772287200");
}

TEST_CASE("formats: escapes and a carriage return are no part of a line") {
  CHECK(value_of(kPython, "$message", "2026-02-28 14:00:00,1 [a] \x1b[32mINFO\x1b[0m hello\r") ==
        "hello");
  CHECK(value_of(kPython, "$message", "\x1b[1mbare\x1b[0m words\r") == "bare words");
  CHECK(value_of(kPython, "$_line", "\x1b[1mbare\x1b[0m words\r") == "bare words");
  CHECK(value_of("", "$message",
                 "\xEF\xBB\xBF"
                 "behind a mark") == "behind a mark");
}

TEST_CASE("formats: the message of a joined record is its first line with text") {
  const std::string header = "2026-02-28 14:00:00,1 [a] ERROR ";
  CHECK(value_of(kPython, "$message", header + "broken\nmore") == "broken");
  CHECK(value_of(kPython, "$message", header + "\n\n  \nSELECT 1\nFROM t") == "SELECT 1");
  CHECK(value_of(kPython, "$message", header + "\n\n") == "none");
  CHECK(value_of(kPython, "$_rest", header + "broken\nmore") == "more");
  CHECK(value_of(kPython, "len($_line)", header + "broken\nmore") ==
        std::to_string(header.size() + 11));
  CHECK(value_of(kPython, "$_rest", header + "broken") == "none");
}

TEST_CASE("formats: the class of the last exception of a traceback") {
  const std::string header = "2026-02-28 14:00:00,1 [a] ERROR ";
  const auto exception = [&](const std::string& rest) {
    return value_of(kPython, "$_exception", header + "broken\n" + rest);
  };
  CHECK(exception(kTraceback + "ConnectionError: refused") == "ConnectionError");
  CHECK(exception(kTraceback + "httpx.ConnectError: refused\r\nmore: of it\r") == "ConnectError");
  CHECK(exception(kTraceback + "KeyboardInterrupt") == "KeyboardInterrupt");
  CHECK(exception(kTraceback + "__main__.f.<locals>.Odd: x") == "Odd");
  CHECK(exception(kTraceback +
                  "OSError: a\n\nDuring handling of the above exception, another exception "
                  "occurred:\n\n" +
                  kTraceback + "app.Wrapped: b") == "Wrapped");
  CHECK(exception("  + Exception Group Traceback (most recent call last):\n"
                  "  |   File \"x.py\", line 1, in <module>\n"
                  "  |     run()\n"
                  "  | app.BatchError: two (2 sub-exceptions)\n"
                  "  +-+---------------- 1 ----------------\n"
                  "    | Traceback (most recent call last):\n"
                  "    |   File \"x.py\", line 2, in <module>\n"
                  "    | ValueError: 1\n"
                  "    +---------------- 2 ----------------\n"
                  "    | KeyError: 2\n"
                  "    +------------------------------------") == "BatchError");
  CHECK(exception("Note: no traceback") == "none");
  CHECK(value_of(kPython, "$_exception",
                 header + "Traceback (most recent call last) was seen\nNote: x") == "none");
  CHECK(value_of(kPython, "$_exception", header + "broken") == "none");
  // It begins on the header's own line.
  CHECK(value_of(kPython, "$_exception", header + kTraceback + "a.ValueError: x") == "ValueError");
  CHECK(value_of("", "$_exception", kTraceback + "a.ValueError: x") == "ValueError");
  // A bare message with a traceback below.
  CHECK(value_of("", "$_exception", "it broke\n" + kTraceback + "a.ValueError: x") == "ValueError");
}

TEST_CASE("formats: the name of the format") {
  CHECK(value_of(kPython, "$_format", "2026-02-28 14:00:00,1 [a] INFO x") == "python");
  CHECK(value_of(kPython, "$_format", "bare") == "none");
  CHECK(value_of(kPython, "$_format", "{}") == "json");
}

TEST_CASE("formats: what begins as JSON and is none, and what holds NUL, fails") {
  Engine engine(probe(kPython, "$_format"));
  CHECK_FALSE(engine.line("{broken"));
  CHECK_FALSE(engine.line(std::string_view("a\0b", 3)));
  CHECK(engine.failed == 2);
  CHECK(engine.samples().empty());
}

TEST_CASE("formats: two files may know the same format, not two of one name") {
  CHECK(faults_of(Texts{kPython, kPython}).empty());
  CHECK(faults_of(Texts{kPython, "formats: {python: {pattern: '<time> <message>'}}\n"}) ==
        "rules2.yaml:1:11 E031\n");
  CHECK(
      faults_of(Texts{
          "formats: {f: {pattern: '<time> <message>', time: {layout: '%H:%M:%S %Y-%m-%d'}}}\n",
          "formats: {f: {pattern: '<time> <message>', time: {layout: '%H.%M.%S %Y-%m-%d'}}}\n"}) ==
      "rules2.yaml:1:11 E031\n");
}

TEST_CASE("formats: faulty declarations are refused with their place") {
  struct Row {
    const char* text;
    const char* fault;
  };
  const Row rows[] = {
      {"formats: []", "1:10 E010\n"},
      {"formats: {f: x}", "1:14 E010\n"},
      {"formats: {f: {}}", "1:11 E011\n"},
      {"formats: {f: {patern: '<a>'}}", "1:15 E012\n"},
      {"formats: {f: {pattern: ''}}", "1:24 E040\n"},
      {"formats: {f: {pattern: '<a><b>'}}", "1:25 E040\n"},
      {"formats: {f: {pattern: 'x <a> <a>'}}", "1:31 E040\n"},
      {"formats: {f: {pattern: 'x <a b>'}}", "1:27 E040\n"},
      {"formats: {f: {pattern: '<message>', continuation: glue}}", "1:51 E013\n"},
      {"formats: {f: {pattern: '<message>', time: x}}", "1:43 E010\n"},
      {"formats: {f: {pattern: '<time>', time: {}}}", "1:40 E011\n"},
      {"formats: {f: {pattern: '<time>', time: {layout: '%H:%Q'}}}", "1:53 E042\n"},
      {"formats: {f: {pattern: '<time>', time: {layout: '%Y-%m-%d', zone: Mars/One}}}",
       "1:67 E042\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(faults_of(row.text) == row.fault);
  }
}

}  // namespace logtally::cases
