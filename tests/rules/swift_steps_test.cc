#include "rules/swift_steps.h"

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/pattern.h"

namespace logtally::rules {
namespace {

using Outcome = SwiftSteps::Outcome;

SwiftSteps job() {
  const std::vector<SwiftSteps::Piece> pieces = {{.output = 0, .literal = " completed in "},
                                                 {.output = 1, .literal = "ms"}};
  return SwiftSteps("Job ", pieces);
}

struct Answer {
  Outcome outcome = Outcome::unsure;
  std::vector<std::string> captures;
};

Answer ask(const SwiftSteps& steps, std::string text, std::size_t captures, char behind) {
  const std::size_t size = text.size();
  text.append(Pattern::kReadableBehindText, behind);
  std::array<std::string_view, Pattern::kMaxCaptures> found;
  Answer answer{.outcome = steps.match({text.data(), size}, found), .captures = {}};
  if (answer.outcome == Outcome::fits) {
    for (std::size_t i = 0; i < captures; ++i) answer.captures.emplace_back(found[i]);
  }
  return answer;
}

// Pieces of literal text of all lengths, with and without blanks.
const std::vector<std::string> kLiterals = {" ",
                                            "=",
                                            ": ",
                                            " a ",
                                            "ms",
                                            " took ",
                                            "ms (status=",
                                            " completed in ",
                                            "abcdefgh",
                                            " abcdefg",
                                            " failed after a while ",
                                            ": in=",
                                            "-0123456789abcdef-0123456789",
                                            " x: a b c d e f g h i j",
                                            ")",
                                            "%"};

}  // namespace

TEST_CASE("swift_steps: fits words with literal text between them") {
  for (const char behind : {'\n', ' ', 'm', '\0'}) {
    const Answer answer = ask(job(), "Job work_cycle completed in 1834ms", 2, behind);
    REQUIRE(answer.outcome == Outcome::fits);
    CHECK(answer.captures == std::vector<std::string>{"work_cycle", "1834"});
  }
}

TEST_CASE("swift_steps: says what misfits, and what it cannot tell") {
  struct Case {
    std::string text;
    Outcome want;
  };
  const Case cases[] = {
      {"Jab work_cycle completed in 1834ms", Outcome::fails},
      {"Job work_cycle failed after 1834ms", Outcome::fails},
      {"Job work_cycle", Outcome::fails},
      {"Job work_cycle completed in 1834s", Outcome::fails},
      {"Job work_cycle completed in s", Outcome::fails},
      {"Job work_cycle completed in 1834ms.", Outcome::fails},
      {"Job work_cycle completed in 1834ms and more", Outcome::fails},
      {"", Outcome::unsure},
      {"Job", Outcome::unsure},
      {"Job  work_cycle completed in 1834ms", Outcome::unsure},
      {"Job work_cycle  completed in 1834ms", Outcome::unsure},
      {"Job work_cycle completed  in 1834ms", Outcome::unsure},
      {"Job work_cycle completed in\t1834ms", Outcome::unsure},
      {"Job work_cycle\tcompleted in 1834ms", Outcome::unsure},
      {"Job work\x01_cycle completed in 1834ms", Outcome::unsure},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(ask(job(), c.text, 2, '\n').outcome == c.want);
  }
}

TEST_CASE("swift_steps: looks no further behind a text than it may") {
  const std::string longer(300, 'x');
  const std::vector<SwiftSteps::Piece> pieces = {{.output = 0, .literal = " " + longer + " "},
                                                 {.output = 1, .literal = longer}};
  for (const std::string& head : {std::string("a "), longer}) {
    const SwiftSteps steps(head, pieces);
    for (const std::string& text :
         {head + "b x", head + "b " + longer, head + "b " + longer + " c"})
      CHECK(ask(steps, text, 2, 'x').outcome != Outcome::fits);
    CHECK(ask(steps, head + "b " + longer + " c" + longer, 2, 'x').captures ==
          std::vector<std::string>{"b", "c"});
  }
}

TEST_CASE("swift_steps: takes the first place of a literal between words, and goes no further") {
  const std::vector<SwiftSteps::Piece> pieces = {{.output = 0, .literal = "/"},
                                                 {.output = 1, .literal = " x"}};
  const SwiftSteps steps("", pieces);
  CHECK(ask(steps, "a/b/c x", 2, '\n').captures == std::vector<std::string>{"a", "b/c"});
  CHECK(ask(steps, "a/b/c y", 2, '\n').outcome == Outcome::unsure);
  CHECK(ask(steps, "abc x", 2, '\n').outcome == Outcome::fails);
}

TEST_CASE("swift_steps: is no way for text in the middle or control characters in literals") {
  std::vector<SwiftSteps::Piece> pieces = {{.output = 0, .any_text = true, .literal = " end"}};
  CHECK(ask(SwiftSteps("a ", pieces), "a b end", 1, '\n').outcome == Outcome::unsure);
  pieces = {{.output = 0, .literal = "\x01"}};
  CHECK(ask(SwiftSteps("a ", pieces), "a b\x01", 1, '\n').outcome == Outcome::unsure);
  CHECK(ask(SwiftSteps(), "a", 0, '\n').outcome == Outcome::unsure);
}

TEST_CASE("swift_steps: agrees with the matcher that tries everything, whatever is written") {
  std::mt19937 random(20261122);
  const auto below = [&](std::size_t n) { return random() % n; };
  std::size_t fits = 0;
  std::size_t sure = 0;
  for (int round = 0; round < 60'000; ++round) {
    // The head, then captures with literals behind; the text says the same, or nearly.
    std::string source = below(3) == 0 ? "" : kLiterals[below(kLiterals.size())];
    while (source.starts_with(' ')) source.erase(0, 1);
    std::string text = source;
    std::vector<SwiftSteps::Piece> pieces;
    const std::string head = source;
    const std::size_t count = 1 + below(5);
    for (std::size_t i = 0; i < count; ++i) {
      SwiftSteps::Piece piece{.output = static_cast<int>(i), .literal = {}};
      const bool last = i + 1 == count;
      piece.any_text = last && below(4) == 0;
      if (!piece.any_text && !(last && below(2) == 0))
        piece.literal = kLiterals[below(kLiterals.size())];
      source += "<c" + std::to_string(i) + (piece.any_text ? "...>" : ">") + piece.literal;
      for (std::size_t n = below(below(8) == 0 ? 90 : 9); n != 0; --n)
        text += "abm=:/-5%"[below(9)];
      if (below(6) == 0) text += kLiterals[below(kLiterals.size())];
      text += piece.literal;
      pieces.push_back(std::move(piece));
    }
    if (below(2) == 0 && !text.empty()) text[below(text.size())] = "  \t\nab=\x01"[below(8)];
    if (below(8) == 0) text.resize(below(text.size() + 1));
    auto compiled = Pattern::compile(source, PatternUse::message);
    REQUIRE(std::holds_alternative<Pattern>(compiled));
    std::array<std::string_view, Pattern::kMaxCaptures> captures;
    std::uint64_t steps = 0;
    const bool fits_really = std::get<Pattern>(compiled).match_counting(text, captures, steps);
    const Answer answer = ask(SwiftSteps(head, pieces), text, count, "\n a="[below(4)]);
    bool same =
        answer.outcome == Outcome::unsure || (answer.outcome == Outcome::fits) == fits_really;
    for (std::size_t i = 0; same && i < answer.captures.size(); ++i)
      same = answer.captures[i] == captures[i];
    if (!same) {
      CAPTURE(source, text, fits_really);
      FAIL();
    }
    fits += answer.outcome == Outcome::fits;
    sure += answer.outcome != Outcome::unsure;
  }
  CHECK(fits > 10'000);
  CHECK(sure > 30'000);
}

}  // namespace logtally::rules
