#include "rules/ansi.h"

#include <cstddef>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "rules/value.h"

using logtally::rules::Scratch;
using logtally::rules::strip_ansi;

using namespace std::string_view_literals;

TEST_CASE("ansi: takes escape sequences out and leaves the text") {
  struct Case {
    std::string_view in;
    std::string_view want;
  };
  const Case cases[] = {
      {"\x1b[2m2026-11-21T21:06:59Z\x1b[0m [\x1b[32m\x1b[1minfo     \x1b[0m] \x1b[1mrun\x1b[0m "
       "\x1b[36mms\x1b[0m=\x1b[35m6.7\x1b[0m",
       "2026-11-21T21:06:59Z [info     ] run ms=6.7"},
      {"\x1b[31m", ""},
      {"\x1b[m", ""},
      {"\x1b[38;5;208mx\x1b[38:2::1:2:3my", "xy"},
      {"a\x1b[2K\x1b[1Gb", "ab"},
      {"a\x1b[?25lb\x1b[0 qc", "abc"},
      {"\x1b]0;title\ax", "x"},
      {"\x1b]8;;http://e.org\x1b\\link\x1b]8;;\x1b\\.", "link."},
      {"\x1bP1$r0m\x1b\\x\x1b_app\x1b\\y", "xy"},
      {"\x1b(B\x1b[mtput", "tput"},
      {"\x1b"
       "7a\x1b"
       "8b\x1b=c\x1b>d\x1b"
       "ce",
       "abcde"},
      {"caf\xc3\xa9 \x1b[1m\xf0\x9f\x9a\x80\x1b[0m \x1b\xc3\xa9",
       "caf\xc3\xa9 \xf0\x9f\x9a\x80 \xc3\xa9"},
      // Cut short: the introducer goes, the text stays.
      {"end\x1b", "end"},
      {"end\x1b[", "end"},
      {"end\x1b[12;3", "end12;3"},
      {"\x1b[1\nm", "1\nm"},
      {"\x1b]0;title and the line", "0;title and the line"},
      {"\x1b]0;a\x1b[1mb\x1b]0;\nc", "0;ab0;\nc"},
      {"a\x1b\x1b[1mb", "ab"},
      {"a\0b\x1b[1mc"sv, "a\0bc"sv},
      {"a run of text that is longer than sixteen bytes\x1b[0m, and one more of them\x1b[0m",
       "a run of text that is longer than sixteen bytes, and one more of them"},
  };
  Scratch scratch;
  for (const Case& c : cases) {
    CAPTURE(c.in);
    const std::string_view out = strip_ansi(c.in, scratch);
    CHECK(out == c.want);
    CHECK(out.data()[out.size()] == '\n');
  }
}

TEST_CASE("ansi: a text without escapes is returned as it is") {
  Scratch scratch;
  for (const std::string_view text : {""sv, "plain [31m text"sv}) {
    const std::string_view out = strip_ansi(text, scratch);
    CHECK(out.data() == text.data());
    CHECK(out == text);
  }
}

TEST_CASE("ansi: whatever it is given, nothing is left to strip but what was text") {
  std::mt19937 random(7);
  const std::string_view pieces[] = {"\x1b", "[",    "]",  "\\", "\a", "1",        ";",
                                     "m",    "text", "\n", "(",  "P",  "\xc3\xa9", " "};
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (std::size_t n = random() % 30; n > 0; --n) text += pieces[random() % std::size(pieces)];
    const std::unique_ptr<char[]> exact(
        new char[text.size()]);  // so that the sanitizer sees a read beyond it
    if (!text.empty()) std::memcpy(exact.get(), text.data(), text.size());
    Scratch scratch;
    const std::string_view out = strip_ansi({exact.get(), text.size()}, scratch);
    CAPTURE(text);
    REQUIRE(out.find('\x1b') == out.npos);
    REQUIRE(out.size() <= text.size());
  }
}
