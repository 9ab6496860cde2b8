#include "rules/level.h"

#include <string_view>

#include <catch2/catch.hpp>

using logtally::rules::Level;
using logtally::rules::level_name;
using logtally::rules::parse_level;

TEST_CASE("level: folds the spellings that engines use") {
  struct Case {
    std::string_view in;
    Level want;
  };
  const Case cases[] = {
      {"trace", Level::trace},
      {"TRACE", Level::trace},
      {"debug", Level::debug},
      {"DEBUG", Level::debug},
      {"D", Level::debug},
      {"10", Level::debug},
      {"verbose", Level::debug},
      {"info", Level::info},
      {"INFO", Level::info},
      {"INFO:", Level::info},
      {"info     ", Level::info},
      {"  Info", Level::info},
      {"INFO :", Level::info},
      {"information", Level::info},
      {"notice", Level::info},
      {"NOTICE", Level::info},
      {"20", Level::info},
      {"I", Level::info},
      {"warning", Level::warning},
      {"WARNING", Level::warning},
      {"warn", Level::warning},
      {"Warn:", Level::warning},
      {"W", Level::warning},
      {"30", Level::warning},
      {"error", Level::error},
      {"ERROR", Level::error},
      {"err", Level::error},
      {"E", Level::error},
      {"\terror ", Level::error},
      {"40", Level::error},
      {"critical", Level::critical},
      {"CRIT", Level::critical},
      {"fatal", Level::critical},
      {"FATAL:", Level::critical},
      {"emergency", Level::critical},
      {"emerg", Level::critical},
      {"alert", Level::critical},
      {"panic", Level::critical},
      {"50", Level::critical},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    CHECK(parse_level(c.in) == c.want);
  }
}

TEST_CASE("level: what is no level is none") {
  const std::string_view cases[] = {"",
                                    " ",
                                    ":",
                                    "::",
                                    "INFO::",
                                    "informations",
                                    "infos",
                                    "warnings",
                                    "Traceback",
                                    "200",
                                    "25",
                                    "0",
                                    "60",
                                    "é",
                                    "Exception",
                                    "info x",
                                    "very long word that is no level",
                                    "[INFO]"};
  for (const std::string_view in : cases) {
    CAPTURE(in);
    CHECK(parse_level(in) == Level::none);
  }
}

TEST_CASE("level: a NUL in front makes no level") {
  CHECK(parse_level(std::string_view("\0info", 5)) == Level::none);
}

TEST_CASE("level: every name reads back as its level") {
  for (const Level level :
       {Level::trace, Level::debug, Level::info, Level::warning, Level::error, Level::critical}) {
    CHECK(parse_level(level_name(level)) == level);
  }
  CHECK(level_name(Level::none).empty());
  CHECK(level_name(Level::warning) == "warning");
}
