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

Level one_of(std::string_view word, Level level, std::string_view a, std::string_view b = {},
             std::string_view c = {}, std::string_view d = {}) {
  return word == a || word == b || word == c || word == d ? level : Level::none;
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
  const std::string_view name = trimmed(text);
  if (name.empty() || name.size() > kLongestName) return Level::none;

  char lower[kLongestName];
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  const std::string_view word{lower, name.size()};

  switch (word.front()) {
    case 'i':
      return one_of(word, Level::info, "info", "i", "inf", "information");
    case 'd':
      return one_of(word, Level::debug, "debug", "d", "dbg");
    case 'w':
      return one_of(word, Level::warning, "warning", "warn", "w", "wrn");
    case 'e':
      if (word.starts_with("em")) return one_of(word, Level::critical, "emergency", "emerg");
      return one_of(word, Level::error, "error", "err", "e");
    case 'c':
      return one_of(word, Level::critical, "critical", "crit", "c");
    case 'f':
      return one_of(word, Level::critical, "fatal", "f");
    case 't':
      return one_of(word, Level::trace, "trace", "t", "trc");
    case 'n':
      return one_of(word, Level::info, "notice");
    case 'v':
      return one_of(word, Level::debug, "verbose");
    case 's':
      return one_of(word, Level::error, "severe");
    case 'p':
      return one_of(word, Level::critical, "panic");
    case 'a':
      return one_of(word, Level::critical, "alert");
    default:
      return numbered(word);
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
