#include "rules/pattern.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

using namespace logtally::rules;

namespace {

Pattern compiled(std::string_view source, PatternUse use = PatternUse::message) {
  CAPTURE(source);
  auto result = Pattern::compile(source, use);
  REQUIRE(std::holds_alternative<Pattern>(result));
  return std::get<Pattern>(std::move(result));
}

using Fields = std::map<std::string, std::string>;

// What a fit captures by name; {"": ""} if the text does not fit.
Fields fields(const Pattern& pattern, std::string_view text) {
  std::array<std::string_view, Pattern::kMaxCaptures> captures;
  if (!pattern.match(text, captures)) return {{"", ""}};
  Fields result;
  for (std::size_t i = 0; i < pattern.captures().size(); ++i)
    result[pattern.captures()[i].name] = std::string(captures[i]);
  return result;
}

const Fields kMisfit = {{"", ""}};

// ---- the obvious matcher: decides from left to right, tries everything ----

struct Token {
  char kind;  // 'l' literal, 'b' blank, 'w' word, 't' text
  std::string literal;
  int capture = -1;
};

bool blank(char c) { return c == ' ' || c == '\t'; }

bool reference(const std::vector<Token>& tokens, std::size_t token, std::string_view text,
               std::size_t at, std::vector<std::string>& captures) {
  if (token == tokens.size()) return at == text.size();
  const Token& t = tokens[token];
  if (t.kind == 'l') {
    return text.substr(at).starts_with(t.literal) &&
           reference(tokens, token + 1, text, at + t.literal.size(), captures);
  }
  if (t.kind == 'b') {
    std::size_t most = at;
    while (most < text.size() && blank(text[most])) ++most;
    for (; most > at; --most) {
      if (reference(tokens, token + 1, text, most, captures)) return true;
    }
    return false;
  }
  for (std::size_t end = at; end <= text.size(); ++end) {
    if (reference(tokens, token + 1, text, end, captures)) {
      captures[static_cast<std::size_t>(t.capture)] = std::string(text.substr(at, end - at));
      return true;
    }
    if (t.kind == 'w' && end < text.size() && (blank(text[end]) || text[end] == '\n')) return false;
  }
  return false;
}

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return engine_() % n; }

 private:
  std::mt19937 engine_;
};

std::string random_text(Random& random, std::size_t most, std::string_view alphabet) {
  std::string text;
  for (std::size_t n = random.below(most + 1); n > 0; --n)
    text += alphabet[random.below(alphabet.size())];
  return text;
}

struct RandomPattern {
  std::string source;
  std::vector<Token> tokens;
  std::size_t captures = 0;
};

RandomPattern random_pattern(Random& random, std::string_view letters, std::size_t most) {
  RandomPattern pattern;
  for (std::size_t n = 1 + random.below(most); n > 0; --n) {
    const char previous = pattern.tokens.empty() ? ' ' : pattern.tokens.back().kind;
    const bool capture_before = previous == 'w' || previous == 't';
    const std::size_t choice = random.below(10);
    if (choice < 3 && previous != 'b') {
      pattern.tokens.push_back({'b', "", -1});
      pattern.source += " ";
    } else if (choice < 7 && !capture_before) {
      const bool word = random.below(3) > 0;
      pattern.tokens.push_back({word ? 'w' : 't', "", static_cast<int>(pattern.captures)});
      pattern.source += "<c" + std::to_string(pattern.captures++) + (word ? ">" : "...>");
    } else if (previous != 'l') {
      std::string literal(1, letters[random.below(letters.size())]);
      if (random.below(3) == 0) literal += letters[random.below(letters.size())];
      pattern.tokens.push_back({'l', literal, -1});
      pattern.source += literal;
    }
  }
  return pattern;
}

// Text that fits, more or less: what the tokens say, with captures filled in.
std::string fitting_text(Random& random, const RandomPattern& pattern, std::string_view letters) {
  std::string text;
  const std::string with_blanks = std::string(letters) + " \t \n";
  for (const Token& t : pattern.tokens) {
    if (t.kind == 'l') text += t.literal;
    if (t.kind == 'b') text += std::string(1 + random.below(3), random.below(4) == 0 ? '\t' : ' ');
    if (t.kind == 'w') text += random_text(random, 3, letters);
    if (t.kind == 't') text += random_text(random, 6, with_blanks);
  }
  if (random.below(4) == 0 && !text.empty())
    text[random.below(text.size())] = with_blanks[random.below(with_blanks.size())];
  return text;
}

}  // namespace

TEST_CASE("pattern: agrees with a matcher that tries everything") {
  Random random(20261121);
  std::size_t fits = 0;
  for (int round = 0; round < 250'000; ++round) {
    const std::string_view letters = random.below(2) == 0 ? "a" : "ab";
    const RandomPattern written = random_pattern(random, letters, round % 3 == 0 ? 14 : 7);
    auto result = Pattern::compile(written.source, PatternUse::message);
    if (written.source.find_first_not_of(' ') == std::string::npos) {
      if (!std::holds_alternative<PatternFault>(result)) FAIL("an empty pattern compiles");
      continue;
    }
    if (!std::holds_alternative<Pattern>(result)) FAIL(written.source);
    const Pattern& pattern = std::get<Pattern>(result);
    const std::string text = random.below(3) == 0
                                 ? random_text(random, 14, std::string(letters) + "   \t\n")
                                 : fitting_text(random, written, letters);

    std::vector<std::string> want(written.captures);
    const bool should_fit = reference(written.tokens, 0, text, 0, want);
    std::array<std::string_view, Pattern::kMaxCaptures> captures;
    const bool does_fit = pattern.match(text, captures);
    std::uint64_t steps = 0;
    bool same = should_fit == does_fit;
    for (std::size_t i = 0; same && does_fit && i < want.size(); ++i) same = captures[i] == want[i];
    same = same && pattern.match_counting(text, captures, steps) == does_fit;
    // As rules ask: with room behind the text, and whatever stands there.
    std::string room = text;
    while (room.size() < text.size() + Pattern::kReadableBehindText)
      room += " a\nb"[random.below(4)];
    const std::string_view in_room = std::string_view(room).substr(0, text.size());
    same = same && pattern.match_roomy(in_room, captures) == does_fit;
    for (std::size_t i = 0; same && does_fit && i < want.size(); ++i) same = captures[i] == want[i];
    if (!same) {
      CAPTURE(written.source, text, should_fit, does_fit);
      for (std::size_t i = 0; i < want.size(); ++i)
        UNSCOPED_INFO("want '" << want[i] << "' got '" << captures[i] << "'");
      FAIL();
    }
    if (!does_fit) continue;
    ++fits;
    if (!text.starts_with(pattern.literal_prefix())) FAIL("literal_prefix " << written.source);
    if (!text.ends_with(pattern.literal_suffix())) FAIL("literal_suffix " << written.source);
    if (text.find(pattern.required_literal()) == std::string::npos)
      FAIL("required_literal " << written.source);
  }
  CHECK(fits > 80'000);
}

TEST_CASE("pattern: captures what the rules say") {
  struct Case {
    std::string_view pattern;
    std::string_view text;
    Fields want;
  };
  const Case cases[] = {
      {"Job <job_id> completed in <ms>ms",
       "Job work_cycle completed in 1834ms",
       {{"job_id", "work_cycle"}, {"ms", "1834"}}},
      {"Job <job_id> completed in <ms>ms",
       "Job  work_cycle\tcompleted   in 1834ms",
       {{"job_id", "work_cycle"}, {"ms", "1834"}}},
      {"Job <job_id> completed in <ms>ms",
       "Job  completed in 1834ms",
       {{"job_id", ""}, {"ms", "1834"}}},
      {"Job <job_id> completed in <ms>ms", "Job 77aa completed successfully", kMisfit},
      {"Job <job_id> completed in <ms>ms", "Job work_cycle completed in 1834ms.", kMisfit},
      {"Job <job_id> completed in <ms>ms", "Job a b completed in 1834ms", kMisfit},
      {"Job <job_id> completed in <ms>ms", " Job a completed in 1834ms", kMisfit},
      {"Request completed: <method> <path...> - <status>",
       "Request completed: GET /a - 200 - 404",
       {{"method", "GET"}, {"path", "/a - 200"}, {"status", "404"}}},
      {"Request completed: <method> <path...> - <status>",
       "Request completed: GET /health - 200",
       {{"method", "GET"}, {"path", "/health"}, {"status", "200"}}},
      {"Job <job_id>: completed (model=<model>, tokens=<tokens>, cost=$<cost>)",
       "Job work_cycle: completed (model=deepseek-free, tokens=1219, cost=$6.826400000000001e-05)",
       {{"job_id", "work_cycle"},
        {"model", "deepseek-free"},
        {"tokens", "1219"},
        {"cost", "6.826400000000001e-05"}}},
      {"Span completed: <name...> [<status>]",
       "Span completed: GET /a [b] [success]",
       {{"name", "GET /a [b]"}, {"status", "success"}}},
      {"Cache <found>: <_> (age=<_...>", "Cache hit: k (age=3 s)", {{"found", "hit"}}},
      {"GitHub API rate limit exceeded<_...>", "GitHub API rate limit exceeded", {}},
      {"GitHub API rate limit exceeded<_...>", "GitHub API rate limit exceeded. Reset at\n12", {}},
      {"Circuit breaker <model> half-open after <_>s — allowing probe",
       "Circuit breaker kimi half-open after 60s — allowing probe",
       {{"model", "kimi"}}},
      {"Circuit breaker <model> half-open after <_>s — allowing probe",
       "Circuit breaker kimi half-open after 60s - allowing probe", kMisfit},
      {"Agent <agent_id>: <result> (<_>ms) → score=<score>",
       "Agent aria: OK (12ms) → score=0.5",
       {{"agent_id", "aria"}, {"result", "OK"}, {"score", "0.5"}}},
      {"skill_execution", "skill_execution", {}},
      {"skill_execution", "skill_execution ", kMisfit},
      {"skill_execution <fields>", "skill_execution   a=1 b=2", {{"fields", "a=1 b=2"}}},
      {"<time> <level>", "now whatever", {{"time", "now"}, {"level", "whatever"}}},
      {"<a>", "", {{"a", ""}}},
      {"<a>", "x y", kMisfit},
      {"<a>", "x\ny", kMisfit},
      {"<a...>", "x\r\ny ", {{"a", "x\r\ny "}}},
      {"<a>x<b>", "1x2x3", {{"a", "1"}, {"b", "2x3"}}},
      {"if <a> <= <b> << 3 < 4 <-", "if 1 <= 2 << 3 < 4 <-", {{"a", "1"}, {"b", "2"}}},
      {"\\<b> <b>", "<b> x", {{"b", "x"}}},
      {"C:\\\\<b>", "C:\\x", {{"b", "x"}}},
      {"C:\\dir\\\\ <b>", "C:\\dir\\\\ x", {{"b", "x"}}},
      {"a <w> b <v...>c", "a  b  b c", {{"w", "b"}, {"v", ""}}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.pattern, c.text);
    CHECK(fields(compiled(c.pattern), c.text) == c.want);
  }
}

TEST_CASE("pattern: times and levels have their shape in formats") {
  struct Case {
    std::string_view pattern;
    std::string_view text;
    Fields want;
  };
  constexpr std::string_view kAria = "<time> [<logger>] <level> <message>";
  const Case cases[] = {
      {kAria,
       "2026-11-21 21:04:00 [aria.engine] INFO Job x completed in 225ms",
       {{"time", "2026-11-21 21:04:00"},
        {"logger", "aria.engine"},
        {"level", "INFO"},
        {"message", "Job x completed in 225ms"}}},
      {kAria,
       "2026-11-21 21:04:00 [LiteLLM] INFO \nLiteLLM completion()",
       {{"time", "2026-11-21 21:04:00"},
        {"logger", "LiteLLM"},
        {"level", "INFO"},
        {"message", "\nLiteLLM completion()"}}},
      {kAria,
       "2026-11-21 21:04:00 [LiteLLM] INFO ",
       {{"time", "2026-11-21 21:04:00"},
        {"logger", "LiteLLM"},
        {"level", "INFO"},
        {"message", ""}}},
      {kAria, "2026-11-21 21:04:00 [info     ] skill_execution", kMisfit},
      {kAria, "2026-11-41 21:04:00 [x] INFO y", kMisfit},
      {kAria,
       "2026-11-21 21:04:00 [x] Information: y z",
       {{"time", "2026-11-21 21:04:00"},
        {"logger", "x"},
        {"level", "Information"},
        {"message", "y z"}}},
      {kAria, "2026-11-21 21:04:00 [x] INFOS y", kMisfit},
      {kAria, "Traceback (most recent call last):", kMisfit},
      {"<time> [<level>] <message>",
       "2026-11-21T21:06:59.055071Z [info     ] skill_execution               latency_ms=6.7",
       {{"time", "2026-11-21T21:06:59.055071Z"},
        {"level", "info"},
        {"message", "skill_execution               latency_ms=6.7"}}},
      {"<time> - <logger> - <level> - <message>",
       "2026-11-21 21:09:44,835 - uvicorn.error - INFO - a - b",
       {{"time", "2026-11-21 21:09:44,835"},
        {"logger", "uvicorn.error"},
        {"level", "INFO"},
        {"message", "a - b"}}},
      {"<time> - <logger> - <level> - <message> [trace_id=<_...>]",
       "2026-11-21 21:09:41 - skillmeat.x - INFO - msg [success] [trace_id=1, request_id=2]",
       {{"time", "2026-11-21 21:09:41"},
        {"logger", "skillmeat.x"},
        {"level", "INFO"},
        {"message", "msg [success]"}}},
      {"<level>: <client> - \"<method> <path> HTTP/<_>\" <status> <_...>",
       "INFO:     10.9.0.2:0 - \"GET /health HTTP/1.1\" 200 OK",
       {{"level", "INFO"},
        {"client", "10.9.0.2:0"},
        {"method", "GET"},
        {"path", "/health"},
        {"status", "200"}}},
      {"<level>: <message>",
       "INFO:     Started server process [1]",
       {{"level", "INFO"}, {"message", "Started server process [1]"}}},
      {"<level>: <message>", "RuntimeError: no", kMisfit},
      {"<logger> <time>",
       "x 2026-11-21 21:09:41",
       {{"logger", "x"}, {"time", "2026-11-21 21:09:41"}}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.pattern, c.text);
    CHECK(fields(compiled(c.pattern, PatternUse::format), c.text) == c.want);
  }

  ShapedValues shaped;
  std::array<std::string_view, 4> captures;
  REQUIRE(compiled(kAria, PatternUse::format)
              .match("2026-11-21 21:04:00 [x] WARN y", captures, shaped));
  CHECK(shaped.time_ns == 1'795'295'040'000'000'000);
  CHECK(shaped.level == Level::warning);
}

TEST_CASE("pattern: a format's layout says what its times look like") {
  auto layout = TimeLayout::compile("%d/%b/%Y:%H:%M:%S %z");
  REQUIRE(std::holds_alternative<TimeLayout>(layout));
  auto result = Pattern::compile("<client> - - [<time>] \"<method> <_...>\" <status> <size>",
                                 PatternUse::format, std::get<TimeLayout>(layout));
  REQUIRE(std::holds_alternative<Pattern>(result));
  const Pattern& pattern = std::get<Pattern>(result);
  std::array<std::string_view, 5> captures;
  ShapedValues shaped;
  REQUIRE(pattern.match("10.0.0.1 - - [21/Nov/2026:21:04:00 +0000] \"GET / HTTP/1.1\" 200 17",
                        captures, shaped));
  CHECK(captures[1] == "21/Nov/2026:21:04:00 +0000");
  CHECK(shaped.time_ns == 1'795'295'040'000'000'000);
  CHECK_FALSE(pattern.match("10.0.0.1 - - [2026-11-21 21:04:00] \"GET / HTTP/1.1\" 200 17",
                            captures, shaped));
}

TEST_CASE("pattern: faults name their place") {
  struct Case {
    std::string_view pattern;
    std::size_t offset;
    std::size_t length;
    std::string_view says;
  };
  const Case cases[] = {
      {"", 0, 0, "empty"},
      {"  ", 0, 2, "empty"},
      {"Job <a><b> done", 4, 6, "side by side"},
      {"Job <a...><_> done", 4, 9, "side by side"},
      {"Job <job_id completed", 4, 7, "not closed"},
      {"Job <job", 4, 4, "not closed"},
      {"Job <> x", 4, 2, "needs a name"},
      {"Job <...> x", 4, 5, "needs a name"},
      {"Job <job-id> x", 5, 6, "letters"},
      {"Job <1st> x", 5, 3, "letters"},
      {"Job <a..> x", 5, 3, "letters"},
      {"<a> <b> <a>", 8, 3, "twice"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.pattern);
    auto result = Pattern::compile(c.pattern, PatternUse::message);
    REQUIRE(std::holds_alternative<PatternFault>(result));
    const PatternFault& fault = std::get<PatternFault>(result);
    CHECK(fault.offset == c.offset);
    CHECK(fault.length == c.length);
    CHECK_THAT(fault.text, Catch::Contains(std::string(c.says)));
  }
  std::string many;
  for (std::size_t i = 0; i < Pattern::kMaxCaptures; ++i) many += "<_>,";
  CHECK(std::holds_alternative<Pattern>(Pattern::compile(many, PatternUse::message)));
  CHECK(std::holds_alternative<PatternFault>(Pattern::compile(many + "<_>", PatternUse::message)));
}

TEST_CASE("pattern: says which literals every fit holds") {
  const Pattern job = compiled("Job <job_id> completed in <ms>ms");
  CHECK(job.literal_prefix() == "Job");
  CHECK(job.usual_prefix() == "Job ");
  CHECK(job.literal_suffix() == "ms");
  CHECK(job.required_literal() == "completed");
  CHECK(job.literal_bytes() == 3 + 1 + 1 + 9 + 1 + 2 + 1 + 2);
  const Pattern failed = compiled("LLM call failed (failures=<_>): <_...>");
  CHECK(failed.literal_prefix() == "LLM");
  CHECK(failed.usual_prefix() == "LLM call failed (failures=");
  CHECK(failed.literal_suffix().empty());
  const Pattern any = compiled("<a> x");
  CHECK(any.literal_prefix().empty());
  CHECK(any.usual_prefix().empty());
  CHECK(compiled("whole").literal_suffix() == "whole");
}

namespace {

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

void check_work(std::string_view source, std::string_view text) {
  const Pattern pattern = compiled(source, PatternUse::format);
  const auto captures_written =
      static_cast<std::uint64_t>(std::count(source.begin(), source.end(), '<'));
  std::array<std::string_view, Pattern::kMaxCaptures> captures;
  std::uint64_t steps = 0;
  (void)pattern.match_counting(text, captures, steps);
  CAPTURE(source, text.substr(0, 24), text.size(), steps);
  CHECK(steps <= 40 * captures_written * text.size());
}

}  // namespace

TEST_CASE("pattern: the work is bounded by the text's length times the pattern's captures") {
  const std::string_view patterns[] = {
      "<a...>x<b...>x<c...>x<d...>z",
      "<a...>x<b>x<c>x<d>x<e>z",
      "<a>x<b>x<c>x<d>x<e>x<f>z",
      "<a...> <b> <c> <d> <e> z",
      "<a...> <b...> <c...> <d...> z",
      "<a...>x <b> <c...>x <d> <e...>x <f> <g> z",
      "x <b> <c> <d> <e> <f> <g> <h> <i> <j> <k> <l> <m> <n> z",
      "<o...> <b> <c> <d> <e> <f> <g> <h> <i> <j> <k> <l> <m> <n> z",
      "<a...>x<b> y<c> <d...>x<e> <f>z",
      "<a...> - <b> [<c>] <d...> - <e> [<f>] z",
      "<a...>1<time>z",
      "<a...> <time> <b> <c> <d> <level> <e> <f> z",
      "<a...> <level> <b...> <c> <d> z",
  };
  const std::string_view units[] = {"x",
                                    "x ",
                                    "x  ",
                                    " ",
                                    "xy",
                                    "x y  ",
                                    "xxxxxxxx ",
                                    "1",
                                    "x\t \n",
                                    "x - y [z] ",
                                    "2026-11-21 21:04:00 x  ",
                                    "info   x",
                                    "x   y ",
                                    "x    "};
  for (const std::string_view source : patterns) {
    for (const std::string_view unit : units) {
      const std::string text = repeated(unit, 16 * 1024);
      check_work(source, text);
      check_work(source, text + " z");
    }
  }
  for (const std::string_view source :
       {patterns[0], patterns[1], patterns[2], patterns[3], patterns[8]}) {
    for (const std::string_view unit : {"x", "x ", "x  "})
      check_work(source, repeated(unit, 256 * 1024));
  }
}

TEST_CASE("pattern: reads no byte outside of the text") {
  const Pattern pattern = compiled("<a...>: <b>x<c> (<d...>)");
  const std::string whole = "aaaa bbbb: ccccxdddd (eeee ffff) : gggggggggxhhhhhhhhhhhh (iiiiii)";
  for (std::size_t begin = 0; begin < whole.size(); ++begin) {
    for (std::size_t end = begin; end <= whole.size(); ++end) {
      const std::vector<char> exact(whole.begin() + static_cast<std::ptrdiff_t>(begin),
                                    whole.begin() + static_cast<std::ptrdiff_t>(end));
      std::array<std::string_view, 4> captures;
      (void)pattern.match({exact.data(), exact.size()}, captures);
    }
  }
  CHECK(fields(pattern, whole)["a"] == "aaaa bbbb");
}

TEST_CASE("pattern: knows what stands for no value") {
  for (const std::string_view in : {"", " ", "None", "null", "?", "n/a", " None "}) {
    CAPTURE(in);
    CHECK(is_no_value(in));
  }
  for (const std::string_view in : {"0", "none", "nulls", "??", "nil", "a", "false", "-"}) {
    CAPTURE(in);
    CHECK_FALSE(is_no_value(in));
  }
}
