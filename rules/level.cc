#include "rules/level.h"

#include <cstddef>

namespace logtally::rules {
namespace {

constexpr std::size_t kLongestName = 11;  // information

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  if (!text.empty() && text.back() == ':') text.remove_suffix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

constexpr char lowered(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// Up to eight bytes as one number, letters in lower case.
constexpr std::uint64_t packed(std::string_view word) {
  std::uint64_t number = 0;
  for (const char c : word) {
    number = number << 8 | static_cast<unsigned char>(lowered(c));
  }
  return number;
}

// Is the name, from its ninth byte on, this?
Level rest_is(std::string_view name, std::string_view rest, Level level) {
  name.remove_prefix(sizeof(std::uint64_t));
  if (name.size() != rest.size()) return Level::none;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (lowered(name[i]) != rest[i]) return Level::none;
  }
  return level;
}

Level numbered(std::string_view word) {
  if (word.size() != 2 || word[1] != '0') return Level::none;
  switch (word[0]) {
    case '1':
      return Level::debug;
    case '2':
      return Level::info;
    case '3':
      return Level::warning;
    case '4':
      return Level::error;
    case '5':
      return Level::critical;
    default:
      return Level::none;
  }
}

}  // namespace

Level parse_level(std::string_view text) {
  // As most engines write them.
  if (text == "INFO") return Level::info;
  if (text == "DEBUG") return Level::debug;
  if (text == "WARNING") return Level::warning;
  if (text == "ERROR") return Level::error;
  const std::string_view name = trimmed(text);
  if (name.empty() || name.size() > kLongestName || name.front() == '\0') return Level::none;
  switch (packed(name.substr(0, sizeof(std::uint64_t)))) {
    case packed("info"):
    case packed("i"):
    case packed("inf"):
    case packed("notice"):
      return Level::info;
    case packed("informat"):
      return rest_is(name, "ion", Level::info);
    case packed("debug"):
    case packed("d"):
    case packed("dbg"):
    case packed("verbose"):
      return Level::debug;
    case packed("warning"):
    case packed("warn"):
    case packed("w"):
    case packed("wrn"):
      return Level::warning;
    case packed("error"):
    case packed("err"):
    case packed("e"):
    case packed("severe"):
      return Level::error;
    case packed("critical"):
      return rest_is(name, "", Level::critical);
    case packed("emergenc"):
      return rest_is(name, "y", Level::critical);
    case packed("crit"):
    case packed("c"):
    case packed("fatal"):
    case packed("f"):
    case packed("panic"):
    case packed("alert"):
    case packed("emerg"):
      return Level::critical;
    case packed("trace"):
    case packed("t"):
    case packed("trc"):
      return Level::trace;
    default:
      return numbered(name);
  }
}

std::string_view level_name(Level level) {
  switch (level) {
    case Level::none:
      return {};
    case Level::trace:
      return "trace";
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
    case Level::critical:
      return "critical";
  }
  return {};
}

}  // namespace logtally::rules
