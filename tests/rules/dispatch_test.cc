// The dispatch is an index, so one property says all: counting with it is the same as trying every
// rule, which is what count() does when it is watched.
#include <random>

#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

class Silent : public rules::TraceSink {
 public:
  void rule_matched(const rules::Rule& rule) override {
    static_cast<void>(rule);
    ++matched;
  }
  void rule_failed(const rules::Rule&, std::string_view, std::string_view) override { ++failed; }
  void action_done(const rules::Rule&, const rules::Action&, const metrics::Series&,
                   metrics::Decimal) override {
    ++done;
  }
  void action_skipped(const rules::Rule&, const rules::Action&, metrics::SkipReason) override {
    ++skipped;
  }

  std::size_t matched = 0;
  std::size_t failed = 0;
  std::size_t done = 0;
  std::size_t skipped = 0;
};

// Random rules and records from a small stock of names and values, so that they meet often.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  std::string rules() {
    std::string text =
        "lift: [extra]\n"
        "formats:\n"
        "  console: {pattern: '[<level>] <message>'}\n"
        "  job: {pattern: 'job <a>: <message>'}\n"
        "  stamped: {pattern: '<time> <level> <message>'}\n"
        "metrics: {c: {type: counter, help: h, labels: {rule: {}, v: {default: none}}}}\n"
        "rules:\n";
    const std::size_t count = below(30) + 1;
    for (std::size_t i = 0; i < count; ++i) text += rule(i);
    return text;
  }

  std::string record() {
    if (below(6) == 0) return message();
    if (below(6) == 0) return "[" + pick({"info", "ERROR", "x"}) + "] " + message();
    if (below(4) == 0)  // a header that is known from the second time on
      return "2026-02-28 10:30:45 " + pick({"INFO", "ERROR"}) + " " + message();
    if (below(9) == 0) return "job " + pick({"x", "y", "500"}) + ": " + message();
    std::string text = "{";
    const std::size_t fields = below(7);
    for (std::size_t i = 0; i < fields; ++i) {
      text += (i == 0 ? "\"" : ",\"") +
              pick({"a", "b", "d", "level", "severity", "msg", "message", "logger"}) +
              "\":" + value();
    }
    if (below(3) == 0) {
      text += std::string(fields == 0 ? "" : ",") + "\"extra\":{\"" + pick({"a", "b", "level"}) +
              "\":" + value() + "}";
    }
    return text + "}";
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  std::string pick(std::initializer_list<const char*> of) { return of.begin()[below(of.size())]; }

  std::string plain() {
    return pick({"x", "y", "xy", "1", "1.0", "500", "5", "true", "false", "''", "warn", "ERROR",
                 "info", "'Job'", "a text of more than sixteen bytes",
                 "a text of more than sixteen bites"});
  }
  std::string test() {
    switch (below(10)) {
      case 0:
        return "null";
      case 1:
        return "[" + plain() + ", " + plain() + "]";
      case 2:
        return "[" + plain() + ", null, " + plain() + "]";
      case 3:
        return "{not: " + plain() + "}";
      case 4:
        return "{prefix: " + pick({"x", "5", "w", "a text"}) + "}";
      case 5:
        return "{re: '" + pick({"^x", "5", "r$", "."}) + "'}";
      case 6:
        return "{exists: " + pick({"true", "false"}) + "}";
      case 7:
        return "{prefix: x, not: " + plain() + "}";
      default:
        return plain();
    }
  }
  std::string format_test() {
    return pick({"null", "json", "console", "job", "stamped", "''", "other", "[json, job]",
                 "[null, console]", "{not: json}", "{prefix: j}", "{exists: true}",
                 "{exists: false}"});
  }
  std::string pattern() {
    return "'" +
           pick({"Job <id> done", "Job <id> failed", "Job <_...>", "Jo<x...>", "<a> <b...>",
                 "Task <id>", "Job 7 done", "<all...>"}) +
           "'";
  }
  std::string rule(std::size_t number) {
    const std::string name = "r" + std::to_string(number);
    std::string text = "  " + name + ": {";
    std::vector<std::string> fields = {"a",      "b",       "d",        "level",  "message",
                                       "logger", "extra.a", "severity", "_format"};
    const std::size_t conditions = below(4);
    if (conditions > 0) {
      text += "match: {";
      for (std::size_t i = 0; i < conditions; ++i) {
        const auto at = fields.begin() + static_cast<std::ptrdiff_t>(below(fields.size()));
        text += *at + ": " + (*at == "_format" ? format_test() : test()) + ", ";
        fields.erase(at);
      }
      text += "}, ";
    }
    switch (below(6)) {
      case 0:
        text += "pattern: " + pattern() + ", ";
        break;
      case 1:
        text += "pattern: [" + pattern() + ", " + pattern() + "], ";
        break;
      case 2:
        text += "regex: 'Job (?P<id>\\d+)', ";
        break;
      default:
        break;
    }
    if (below(5) == 0) text += "if: '$a != 1 or $b', ";
    if (below(8) == 0) text += "enabled: false, ";
    return text + "do: [{inc: c, labels: {rule: " + name +
           ", v: " + pick({"$a", "$id", "$level", "$b or $d"}) + "}}]}\n";
  }
  std::string message() {
    return pick({"Job 7 done", "Job 7 failed", "Job", "Job  8 done", "Task 1", "x", "", "Jo", "Tas",
                 "x y z"});
  }
  std::string value() {
    switch (below(8)) {
      case 0:
        return "null";
      case 1:
        return pick({"true", "false"});
      case 2:
        return pick({"1", "1.0", "500", "5e2", "5", "-1"});
      case 3:
        return pick({"{}", "[1]", "{\"a\":\"x\"}"});
      case 4:
        return pick({"\"\\u0078\"", "\"x\\u0079\"", "\"J\\u006fb 7 done\""});
      case 5:
        return "\"" + message() + "\"";
      default:
        return "\"" +
               pick({"x", "y", "xy", "1", "500", "true", "", "WARN", "warning", "error",
                     "a text of more than sixteen bytes", "a text of more than sixteen bites"}) +
               "\"";
    }
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("dispatch: finds exactly the rules that trying them all finds") {
  std::size_t matched = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    Maker make(seed);
    const std::string rules = make.rules();
    CAPTURE(seed, rules);
    const auto set = compile_or_fail({rules});
    Engine indexed(set);
    Engine watched(set);
    Silent trace;
    for (int i = 0; i < 60; ++i) {
      const std::string record = make.record();
      CAPTURE(record);
      const bool found = indexed.line(record);
      REQUIRE(found == watched.line(record, &trace));
      matched += found;
    }
    REQUIRE(indexed.samples() == watched.samples());
    REQUIRE(indexed.skips() == watched.skips());
    for (std::size_t rule = 0; rule < set->rules().size(); ++rule) {
      REQUIRE(indexed.delta().rules[rule].matched == watched.delta().rules[rule].matched);
    }
    CHECK(trace.matched + trace.failed == set->rules().size() * (60 - watched.failed));
    CHECK(trace.done + trace.skipped == trace.matched);
    CHECK(indexed.failed == 0);
  }
  CHECK(matched > 10'000);  // the rules and the records do meet
}

TEST_CASE("dispatch: a thousand values of one field, a thousand beginnings of messages") {
  std::string rules = "metrics: {c: {type: counter, help: h, labels: [rule]}}\nrules:\n";
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    rules += "  v" + n + ": {match: {a: value-of-some-length-" + n +
             "}, do: [{inc: c, labels: {rule: v" + n + "}}]}\n";
    rules += "  p" + n + ": {pattern: 'begins " + n +
             "<_> and <_...>', do: [{inc: c, labels: {rule: p" + n + "}}]}\n";
  }
  Engine engine(rules);
  CHECK(engine.line(R"({"a":"value-of-some-length-77"})"));
  CHECK(engine.line(R"({"a":"value-of-some-length-999","msg":"begins 123 and so on"})"));
  CHECK_FALSE(engine.line(R"({"a":"value-of-some-length-1000"})"));
  CHECK_FALSE(engine.line("begins here"));
  CHECK(engine.samples() ==
        "c{rule=\"p1\"} 1\nc{rule=\"p12\"} 1\nc{rule=\"p123\"} 1\nc{rule=\"v77\"} "
        "1\nc{rule=\"v999\"} 1\n");
}
