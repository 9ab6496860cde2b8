#include "config/suggest.h"

#include <array>

#include <catch2/catch.hpp>

using logtally::config::edit_distance;
using logtally::config::suggest;

TEST_CASE("suggest: counts insertions, deletions, changes and swaps of neighbours as one edit") {
  struct Case {
    std::string_view a, b;
    std::size_t want;
  };
  const Case cases[] = {{"", "", 0},
                        {"", "abc", 3},
                        {"abc", "", 3},
                        {"labels", "labels", 0},
                        {"lables", "labels", 1},
                        {"rnu", "run", 1},
                        {"ca", "abc", 3},
                        {"kitten", "sitting", 3},
                        {"match", "mtach", 1}};
  for (const Case& c : cases) {
    CAPTURE(c.a, c.b);
    CHECK(edit_distance(c.a, c.b) == c.want);
    CHECK(edit_distance(c.b, c.a) == c.want);
  }
}

TEST_CASE("suggest: gives the nearest word within a third of the length, of ties the first") {
  constexpr std::array<std::string_view, 5> words = {"help", "labels", "type", "buckets", "tape"};
  struct Case {
    std::string_view word, want;
  };
  const Case cases[] = {{"lables", "labels"},
                        {"label", "labels"},
                        {"bukets", "buckets"},
                        {"typ", "type"},
                        {"t", ""},
                        {"xyz", ""},
                        {"", ""},
                        {"tpe", "type"}};
  for (const Case& c : cases) {
    CAPTURE(c.word);
    CHECK(suggest(c.word, std::span<const std::string_view>(words)) == c.want);
  }
  CHECK(suggest("txpe", std::span<const std::string_view>(words)) ==
        "type");  // tape is as far, but later
  CHECK(suggest(std::string(100000, 'a'), std::vector<std::string>{"aa"}).empty());
}
