#include "rules/misfit.h"

#include <catch2/catch.hpp>

using namespace logtally::rules;

namespace {

std::optional<Misfit> misfit(const Pattern& pattern, PatternUse use, std::string_view text,
                             std::string_view layout = {}) {
  Misfits misfits;
  return misfits.find(pattern, use, text, layout);
}

Pattern pattern(std::string_view source, PatternUse use) {
  auto compiled = Pattern::compile(source, use);
  REQUIRE(std::holds_alternative<Pattern>(compiled));
  return std::move(std::get<Pattern>(compiled));
}

}  // namespace

TEST_CASE("misfit: names what a message pattern wants where the text leaves it") {
  struct Case {
    std::string_view pattern, text, wanted, why;
  };
  const Case cases[] = {
      {"Job <id> completed in <ms>ms", "Job a complete in 9ms", "completed in ",
       "`completed in ` is wanted, not `complete in 9ms`"},
      {"Job <id> completed in <ms>ms", "Task a completed in 9ms", "Job ",
       "`Job ` is wanted, not `Task a completed in 9ms`"},
      {"Job <id> completed in <ms>ms", "Job a completed in 9", "<ms>",
       "no `ms` behind <ms> in `9`"},
      {"Job <id> completed", "Job a completed twice", "",
       "nothing is to stand behind it, but ` twice` does"},
      {"Job <id>", "Job a b", "<id>", "<id> is one word, not `a b`"},
      {"took <ms>ms (<_>)", "took", "took ", "`took ` is wanted, not `took`"},
      {"a \\<b> <c>", "a <b>", "<b> ", "`<b> ` is wanted, not `<b>`"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.pattern, c.text);
    const auto found = misfit(pattern(c.pattern, PatternUse::message), PatternUse::message, c.text);
    REQUIRE(found);
    CHECK(found->wanted == c.wanted);
    CHECK(found->why == c.why);
  }
  CHECK_FALSE(misfit(pattern("Job <id>", PatternUse::message), PatternUse::message, "Job a"));
}

TEST_CASE("misfit: says of a format's time and level that they are none") {
  const Pattern python = pattern("<time> [<logger>] <level> <message>", PatternUse::format);
  const auto why = [&](std::string_view text) {
    const auto found = misfit(python, PatternUse::format, text);
    return found ? found->why : std::string("fits");
  };
  CHECK(why("2026-02-25 14:32:01 [a] INFO x") == "fits");
  CHECK(why("yesterday [a] INFO x") == "`yesterday [a] INFO x` begins with no time");
  CHECK(why("2026-02-25 14:32:01 [a] LOUD x") == "`LOUD` is no level");
  CHECK(why("2026-02-25 14:32:01 a INFO x") == "`[` is wanted, not `a INFO x`");
  CHECK(why("") == "the text ends before the time");
}

TEST_CASE("misfit: reads times by the layout of the format") {
  const std::string_view layout = "%d/%b/%Y\nUTC";
  auto compiled = TimeLayout::compile("%d/%b/%Y", "UTC");
  auto apache = Pattern::compile("<time> - <message>", PatternUse::format,
                                 std::get<TimeLayout>(std::move(compiled)));
  const Pattern& format = std::get<Pattern>(apache);
  CHECK_FALSE(misfit(format, PatternUse::format, "21/Nov/2026 - x", layout));
  CHECK(misfit(format, PatternUse::format, "2026-11-21 - x", layout)->why ==
        "`2026-11-21 - x` begins with no time");
  CHECK(misfit(format, PatternUse::format, "21/Nov/2026 x", layout)->why ==
        "`- ` is wanted, not `x`");
}

TEST_CASE("misfit: names the notation of a time") {
  CHECK(time_notation("2026-02-25T14:32:01.5Z") == "RFC 3339");
  CHECK(time_notation("2026-02-25 14:32:01,5") == "RFC 3339 without a zone: UTC");
  CHECK(time_notation("2026-02-25 14:32:01+02:00") == "RFC 3339");
  CHECK(time_notation("1772029921") == "Unix seconds");
  CHECK(time_notation("1772029921.25") == "Unix seconds");
  CHECK(time_notation("1772029921123") == "Unix milliseconds");
  CHECK(time_notation("1772029921123456") == "Unix microseconds");
  CHECK(time_notation("1772029921123456789") == "Unix nanoseconds");
}
