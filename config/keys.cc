#include "config/keys.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include <fmt/format.h>

#include "config/suggest.h"

namespace logtally::config {

std::string join(const std::vector<std::string_view>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

namespace {

// What a key is called elsewhere, or in full.
std::string other_word_for(std::string_view word, const std::vector<std::string_view>& allowed) {
  struct Row {
    std::string_view key;
    std::string_view words;  // a blank on both sides of each
  };
  static constexpr Row kRows[] = {
      {"inc", " increment incr increase count counter "},
      {"dec", " decrement decr decrease "},
      {"add", " sum plus increase_by "},
      {"set", " gauge assign "},
      {"observe", " histogram record timing measure "},
      {"delete", " remove unset "},
      {"help", " description desc doc "},
      {"match", " where when filter selector "},
      {"if", " condition expr only_if "},
      {"do", " actions action then "},
      {"pattern", " grok parse "},
      {"ttl", " expire expires idle_timeout max_idle_duration "},
      {"with", " replacement replace "},
  };
  const std::string wanted = " " + std::string(word) + " ";
  for (const Row& row : kRows) {
    if (row.words.find(wanted) != std::string_view::npos &&
        std::find(allowed.begin(), allowed.end(), row.key) != allowed.end())
      return std::string(row.key);
  }
  return {};
}

}  // namespace

std::string unknown_key(const Reading& reading, const Node& key, std::string_view owner,
                        const std::vector<std::string_view>& allowed) {
  std::string near = suggest(key.text, std::span<const std::string_view>(allowed));
  if (near.empty()) near = other_word_for(key.text, allowed);
  auto& d = reading.fault("E012", key, fmt::format("unknown key {}", in_ticks(key.text)),
                          near.empty() ? std::string() : fmt::format("did you mean `{}`?", near));
  d.lines_above = 1;
  d.notes.push_back(fmt::format("{} takes: {}", owner, join(allowed)));
  return near;
}

std::string truth_meant(const Node& value) {
  std::string word;
  for (const char c : value.text) word += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  const auto is = [&](std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (value.is_scalar() && is({"true", "yes", "on", "y", "1"}))
    return "write `true`, without quotes";
  if (value.is_scalar() && is({"false", "no", "off", "n", "0"}))
    return "write `false`, without quotes";
  return "true or false";
}

void not_yet(const Reading& reading, const Node& key) {
  reading.fault("E014", key, fmt::format("{} is not in this version yet", in_ticks(key.text)),
                "take it out");
}

bool expect_map(const Reading& reading, const Node& node, std::string_view owner) {
  if (node.is_map()) return true;
  reading.fault("E010", node, fmt::format("{} is a map", owner),
                "write `key: value` lines or {key: value}");
  return false;
}

bool read_text(const Reading& reading, const Node& value, std::string& into) {
  if (!value.is_scalar() || value.text.empty()) {
    reading.fault("E010", value, "a text is expected here",
                  value.is_sequence() ? "this is a list"
                  : value.is_map()    ? "this is a map"
                                      : "nothing here");
    return false;
  }
  if (value.text.find("${") != std::string::npos) {
    reading.fault("E014", value, "`${…}` is not in this version yet", "write the value itself");
    return false;
  }
  into = value.text;
  return true;
}

bool read_texts(const Reading& reading, const Node& value, std::vector<std::string>& into) {
  if (!value.is_sequence()) {
    std::string text;
    if (!read_text(reading, value, text)) return false;
    into = {std::move(text)};
    return true;
  }
  std::vector<std::string> texts;
  bool good = true;
  for (const Node& item : value.items) {
    std::string text;
    if (read_text(reading, item, text)) {
      texts.push_back(std::move(text));
    } else {
      good = false;
    }
  }
  if (good) into = std::move(texts);
  return good;
}

namespace {

// The digits at the beginning of `text`, which they leave. False without any, or above 2^64-1.
bool take_number(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool in_range(const Reading& reading, const Node& value, std::uint64_t number, std::uint64_t least,
              std::uint64_t most) {
  if (number >= least && number <= most) return true;
  reading.fault("E013", value, fmt::format("{} is out of range", in_ticks(value.text)),
                fmt::format("{} to {}", least, most));
  return false;
}

}  // namespace

bool read_count(const Reading& reading, const Node& value, std::uint64_t least, std::uint64_t most,
                std::uint64_t& into) {
  std::string text;
  if (!read_text(reading, value, text)) return false;
  std::string_view rest = text;
  std::uint64_t number = 0;
  if (!take_number(rest, number) || !rest.empty()) {
    reading.fault("E013", value, fmt::format("{} is not a whole number", in_ticks(text)),
                  "digits only");
    return false;
  }
  if (!in_range(reading, value, number, least, most)) return false;
  into = number;
  return true;
}

bool read_size(const Reading& reading, const Node& value, std::uint64_t least, std::uint64_t most,
               std::uint64_t& into) {
  struct Unit {
    std::string_view name;
    std::uint64_t bytes;
  };
  static constexpr Unit kUnits[] = {{"", 1},           {"B", 1},          {"KiB", 1U << 10},
                                    {"MiB", 1U << 20}, {"GiB", 1U << 30}, {"KB", 1'000},
                                    {"kB", 1'000},     {"MB", 1'000'000}, {"GB", 1'000'000'000}};
  std::string text;
  if (!read_text(reading, value, text)) return false;
  std::string_view rest = text;
  std::uint64_t number = 0;
  const bool has_number = take_number(rest, number);
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [&](const Unit& u) { return u.name == rest; });
  if (!has_number || unit == std::end(kUnits)) {
    reading.fault("E013", value, fmt::format("{} is not a size", in_ticks(text)),
                  "such as 262144, 256KiB, 1MB, 1GiB");
    return false;
  }
  const bool fits = number <= UINT64_MAX / unit->bytes;
  if (!in_range(reading, value, fits ? number * unit->bytes : UINT64_MAX, least, most))
    return false;
  into = number * unit->bytes;
  return true;
}

bool read_word(const Reading& reading, const Node& value, std::span<const std::string_view> words,
               std::size_t& into) {
  std::string text;
  if (!read_text(reading, value, text)) return false;
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) {
    const std::string near = suggest(text, words);
    const bool truth = std::find(words.begin(), words.end(), "true") != words.end();
    auto& d =
        reading.fault("E013", value, fmt::format("{} is not a value of this key", in_ticks(text)),
                      truth          ? truth_meant(value)
                      : near.empty() ? std::string()
                                     : fmt::format("did you mean `{}`?", near));
    d.notes.push_back(fmt::format("it is one of: {}", join({words.begin(), words.end()})));
    return false;
  }
  into = static_cast<std::size_t>(found - words.begin());
  return true;
}

}  // namespace logtally::config
