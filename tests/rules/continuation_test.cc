#include "rules/continuation.h"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

using logtally::rules::Continuation;
using logtally::rules::LineFit;

namespace {

// A script, a line each: what is expected, what the formats say, the line itself.
//   expected: r record, c continues, u unsure;  fit: - none, f format, j joins, { complete
struct Step {
  std::string_view marks;
  std::string_view line;
};

LineFit fit(char mark) {
  switch (mark) {
    case 'f':
      return LineFit::format;
    case 'j':
      return LineFit::joins;
    case '{':
      return LineFit::complete;
    default:
      return LineFit::none;
  }
}

char name(Continuation::Line line) {
  switch (line) {
    case Continuation::Line::record:
      return 'r';
    case Continuation::Line::continues:
      return 'c';
    case Continuation::Line::unsure:
      return 'u';
  }
  return '?';
}

void check(const std::vector<Step>& steps) {
  Continuation continuation;
  for (const Step& step : steps) {
    CAPTURE(step.line);
    CHECK(name(continuation.next(step.line, fit(step.marks[1]))) == step.marks[0]);
  }
}

}  // namespace

TEST_CASE("continuation: indented lines continue the record above, whatever it is") {
  check({
      {"r-", "a bare message"},
      {"c-", "  more of it"},
      {"c-", "\tand more"},
      {"rf", "INFO: a record"},
      {"c-", " more of it"},
      {"r-", "another bare message"},
      {"rf", "  INFO: fits a format, so it is a record"},
  });
}

TEST_CASE("continuation: nothing continues a complete record or none") {
  check({
      {"r-", "  the first line of the stream"},
      {"c-", "  the second"},
      {"r{", "{\"a\": 1}"},
      {"r-", "  indented"},
      {"c-", "  and more"},
      {"r{", "{\"a\": 1}"},
      {"r-", ""},
      {"r{", "{\"a\": 1}"},
      {"r-", "Traceback (most recent call last):"},
      {"c-", "  File \"x.py\", line 1, in f"},
      {"c-", "ValueError: x"},
      {"r-", "the next message"},
  });
}

TEST_CASE("continuation: a traceback continues a bare message") {
  check({
      {"r-", "LLM call failed (failures=4): cannot connect"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"main.py\", line 612, in acompletion"},
      {"c-", "    response = await init_response"},
      {"c-", "               ^^^^^^^^^^^^^^^^^^^"},
      {"c-", "ConnectionRefusedError: [Errno 111] Connection refused"},
      {"r-", "Slow request: GET /goals took 131.3ms (status=200)"},
      {"r-", "ConnectionRefusedError: said by nobody's traceback"},
  });
}

TEST_CASE("continuation: chained tracebacks with their blank lines are one") {
  check({
      {"rf", "2026-11-21 21:04:00 [aria.api] ERROR Unhandled"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"memory.py\", line 94, in receive"},
      {"c-", "anyio.WouldBlock"},
      {"u-", ""},
      {"c-", "During handling of the above exception, another exception occurred:"},
      {"c-", ""},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"base.py\", line 78, in call_next"},
      {"c-", "  [Previous line repeated 990 more times]"},
      {"c-", "pkg.mod.Outer.<locals>.Error: with text"},
      {"u-", ""},
      {"c-", "The above exception was the direct cause of the following exception:"},
      {"c-", ""},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"base.py\", line 79, in f"},
      {"c-", "RuntimeError:"},
      {"u-", ""},
      {"rf", "2026-11-21 21:04:01 [aria.api] INFO next"},
      {"r-", ""},
  });
}

TEST_CASE("continuation: carriage returns are no part of a line") {
  check({
      {"rf", "ERROR: x\r"},
      {"c-", "Traceback (most recent call last):\r"},
      {"c-", "  File \"a.py\"\r"},
      {"c-", "KeyError\r"},
      {"u-", "\r"},
      {"c-", "During handling of the above exception, another exception occurred:\r"},
      {"c-", "\r"},
  });
}

TEST_CASE("continuation: a traceback may begin on the record's own line") {
  check({
      {"rf", "ERROR:    Traceback (most recent call last):"},
      {"c-", "  File \"a.py\", line 1, in lifespan"},
      {"c-", "sqlalchemy.exc.OperationalError: no such host"},
      {"u-", ""},
      {"rf", "ERROR:    Application startup failed. Exiting."},
  });
}

TEST_CASE("continuation: a crash under a record that has nothing to do with it") {
  check({
      {"rf", "2026-11-21 21:04:24 [aria_engine] INFO Phase 0"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"<string>\", line 3, in <module>"},
      {"c-", "ConnectionRefusedError: [Errno 111]"},
  });
}

TEST_CASE("continuation: another message within a traceback is a record") {
  check({
      {"r-", "Tool failed"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"a.py\""},
      {"r-", "Slow request: GET /goals took 131.3ms"},
      {"c-", "  File \"a.py\""},
      {"r-", "ValueError: orphaned by it"},
  });
}

TEST_CASE("continuation: further lines of an exception's message cannot be known") {
  check({
      {"r-", "x failed"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"a.py\""},
      {"c-", "pydantic_core.ValidationError: 1 validation error for M"},
      {"r-", "name"},
      {"c-", "  Field required"},
      {"r-", "The above exception is not that sentence"},
  });
}

TEST_CASE("continuation: exception groups") {
  check({
      {"r-", "group"},
      {"c-", "  + Exception Group Traceback (most recent call last):"},
      {"c-", "  |   File \"x.py\", line 1, in <module>"},
      {"c-", "  | ExceptionGroup: eg (2 sub-exceptions)"},
      {"c-", "  +-+---------------- 1 ----------------"},
      {"c-", "    | ValueError: 1"},
      {"c-", "    +------------------------------------"},
      {"u-", ""},
      {"c-", "During handling of the above exception, another exception occurred:"},
      {"c-", ""},
      {"c-", "  + Exception Group Traceback (most recent call last):"},
      {"c-", "  | ExceptionGroup: eg (1 sub-exception)"},
      {"r-", "Done"},
      {"rf", "ERROR: + Exception Group Traceback (most recent call last):"},
      {"c-", "  | ExceptionGroup: eg (1 sub-exception)"},
      {"r-", "Done"},
  });
}

TEST_CASE("continuation: under a record that joins everything continues that fits nothing") {
  check({
      {"rj", "2026-11-21 21:04:00 [db] INFO SELECT a"},
      {"c-", "FROM t"},
      {"c-", ""},
      {"c-", "WHERE x = 1"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"a.py\""},
      {"c-", "two words that are no exception"},
      {"c-", "ValueError: x"},
      {"c-", ""},
      {"c-", "[SQL: SELECT 1]"},
      {"rf", "INFO: a record that does not join"},
      {"r-", "so this is bare"},
      {"rj", "2026-11-21 21:04:00 [db] INFO"},
      {"r{", "{\"a\": 1}"},
      {"r-", "nothing joins that"},
  });
}

TEST_CASE("continuation: a logging error is a record of its own") {
  check({
      {"rj", "2026-11-21 21:04:00 [db] INFO a record that joins"},
      {"r-", "--- Logging error ---"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"logging/__init__.py\", line 1110, in emit"},
      {"c-", "TypeError: not all arguments converted during string formatting"},
      {"c-", "Call stack:"},
      {"c-", "  File \"a.py\", line 3, in <module>"},
      {"c-", "Message: 'hello %s'"},
      {"c-", "Arguments: ('a', 'b')"},
      {"r-", "Message: of somebody else"},
      {"r-", "--- Logging error ---"},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"logging/__init__.py\", line 1110, in emit"},
      {"c-", "ValueError: Circular reference detected"},
      {"u-", ""},
      {"c-", "During handling of the above exception, another exception occurred:"},
      {"c-", ""},
      {"c-", "Traceback (most recent call last):"},
      {"c-", "  File \"logging/__init__.py\", line 1111, in emit"},
      {"c-", "ValueError: again"},
      {"c-", "Call stack:"},
      {"c-", "  File \"a.py\", line 3, in <module>"},
      {"c-", "Unable to print the message and arguments - possible formatting error."},
      {"c-", "Use the traceback above to help find the error."},
      {"rf", "INFO: the next"},
      {"r-", "Call stack: of nothing"},
  });
}

TEST_CASE("continuation: the stack that logging prints on request") {
  check({
      {"rf", "INFO: where am I"},
      {"c-", "Stack (most recent call last):"},
      {"c-", "  File \"a.py\", line 3, in <module>"},
      {"c-", "    f()"},
      {"r-", "next"},
  });
}

TEST_CASE("continuation: a closed record is continued by nothing") {
  Continuation continuation;
  CHECK_FALSE(continuation.open());
  continuation.next("INFO: x", LineFit::joins);
  CHECK(continuation.open());
  continuation.close();
  CHECK_FALSE(continuation.open());
  CHECK(continuation.next("  more", LineFit::none) == Continuation::Line::record);
  continuation.next("{}", LineFit::complete);
  CHECK_FALSE(continuation.open());
}

TEST_CASE("continuation: a copy goes on from where it was taken") {
  Continuation one;
  one.next("x", LineFit::none);
  one.next("Traceback (most recent call last):", LineFit::none);
  Continuation two = one;
  one.close();
  CHECK(two.next("ValueError", LineFit::none) == Continuation::Line::continues);
  CHECK(one.next("ValueError", LineFit::none) == Continuation::Line::record);
}

TEST_CASE("continuation: a line that fits a format is a record in every state") {
  const std::string_view lines[] = {
      "",
      " ",
      "\r",
      "  x",
      "  + Exception Group Traceback (most recent call last):",
      "Traceback (most recent call last):",
      "ValueError: x",
      "During handling of the above exception, another exception occurred:",
      "--- Logging error ---",
      "Call stack:",
      "Arguments: ()",
      "bare"};
  const LineFit fits[] = {LineFit::none,   LineFit::none,  LineFit::none,
                          LineFit::format, LineFit::joins, LineFit::complete};
  std::mt19937 random(3);
  Continuation continuation;
  for (int i = 0; i < 20000; ++i) {
    const LineFit f = fits[random() % std::size(fits)];
    std::string line{lines[random() % std::size(lines)]};
    if (random() % 8 == 0) line.resize(random() % (line.size() + 1));
    const bool was_open = continuation.open();
    const Continuation::Line answer = continuation.next(line, f);
    if (f != LineFit::none || !was_open) REQUIRE(answer == Continuation::Line::record);
    REQUIRE(continuation.open() == (f != LineFit::complete));
  }
}
