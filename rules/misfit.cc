#include "rules/misfit.h"

#include <algorithm>
#include <array>
#include <vector>

#include "config/diagnostics.h"
#include "rules/characters.h"
#include "rules/level.h"

namespace logtally::rules {
namespace {

constexpr std::size_t kShown = 40;  // characters of a text that a message quotes
constexpr std::string_view kRest = "<logtally_rest...>";

std::optional<TimeLayout> time_layout(std::string_view written) {
  if (written.empty()) return std::nullopt;
  const std::size_t newline = std::min(written.find('\n'), written.size());
  auto compiled = TimeLayout::compile(
      written.substr(0, newline),
      newline == written.size() ? std::string_view() : written.substr(newline + 1));
  if (auto* layout = std::get_if<TimeLayout>(&compiled)) return std::move(*layout);
  return std::nullopt;
}

std::string quoted(std::string_view text) { return "`" + config::printable(text, kShown) + "`"; }

}  // namespace

Misfits::Known Misfits::look_at(std::string_view source) {
  Known known;
  known.cuts.push_back(0);
  std::size_t backslashes = 0;
  for (std::size_t i = 0; i < source.size();) {
    const char c = source[i];
    const bool capture = c == '<' && backslashes % 2 == 0 && i + 1 < source.size() &&
                         is_name(source[i + 1]) && source[i + 1] > '9';
    if (capture) {
      const std::size_t close = std::min(source.find('>', i), source.size() - 1);
      known.captures.push_back({i, close + 1});
      i = close + 1;
      backslashes = 0;
      continue;
    }
    backslashes = c == '\\' ? backslashes + 1 : 0;
    ++i;
    if (c != '\\') known.cuts.push_back(i);
  }
  return known;
}

std::optional<Misfit> Misfits::find(const Pattern& pattern, PatternUse use, std::string_view text,
                                    std::string_view layout) {
  std::array<std::string_view, Pattern::kMaxCaptures> captures;
  if (pattern.match(text, captures)) return std::nullopt;
  const std::string& source = pattern.source();
  const auto [at_known, born] = known_.try_emplace(&pattern);
  Known& places = at_known->second;
  if (born) places = look_at(source);

  // The text behind what the beginning of the pattern takes; nothing when that does not fit.
  const auto behind = [&](std::size_t cut) -> std::optional<std::string_view> {
    if (cut == 0) return text;
    const auto [found, fresh] = places.beginnings.try_emplace(cut);
    if (fresh) {
      auto compiled =
          Pattern::compile(source.substr(0, cut) + std::string(kRest), use, time_layout(layout));
      if (auto* beginning = std::get_if<Pattern>(&compiled)) found->second = std::move(*beginning);
    }
    const std::optional<Pattern>& beginning = found->second;
    if (!beginning || !beginning->match(text, captures)) return std::nullopt;
    return captures[beginning->captures().size() - 1];
  };
  // A longer beginning fits only if the shorter ones do.
  const auto last = std::partition_point(places.cuts.begin() + 1, places.cuts.end(),
                                         [&](std::size_t cut) { return behind(cut).has_value(); }) -
                    1;
  Misfit found;
  std::string_view rest = behind(*last).value_or(text);
  found.seen = rest;
  const auto captured = [&](std::size_t at) {
    return std::any_of(places.captures.begin(), places.captures.end(),
                       [&](const Known::Span& span) { return at >= span.begin && at < span.end; });
  };
  for (std::size_t at = 0; at < *last; ++at) found.fitted += !captured(at) && !is_blank(source[at]);
  const auto capture = std::find_if(places.captures.begin(), places.captures.end(),
                                    [&](const Known::Span& span) { return span.begin >= *last; });
  const bool at_capture = capture != places.captures.end() && capture->begin == *last;
  const std::size_t literal = at_capture ? capture->end : *last;
  const auto next = std::find_if(places.captures.begin(), places.captures.end(),
                                 [&](const Known::Span& span) { return span.begin >= literal; });
  std::string wanted = source.substr(
      literal, (next == places.captures.end() ? source.size() : next->begin) - literal);
  if (!at_capture) {
    // From the beginning of the word on: `completed` is wanted, not `complete`.
    std::string word;
    for (std::size_t at = *last;
         !wanted.empty() && at > 0 && !is_blank(source[at - 1]) && !captured(at - 1) &&
         rest.data() > text.data() && rest.data()[-1] == source[at - 1];
         --at) {
      word.insert(word.begin(), source[at - 1]);
      rest = {rest.data() - 1, rest.size() + 1};
    }
    if (!wanted.empty()) wanted = word + wanted;
    found.wanted = wanted;
    found.seen = rest;
    if (wanted.empty()) {
      found.why = "nothing is to stand behind it, but " + quoted(rest) + " does";
    } else if (rest.empty()) {
      found.why = "the text ends before " + quoted(wanted);
    } else {
      found.why = quoted(wanted) + " is wanted, not " + quoted(rest);
    }
    return found;
  }
  const std::string name = source.substr(capture->begin, capture->end - capture->begin);
  found.wanted = name;
  if (use == PatternUse::format && name.starts_with("<time")) {
    const bool time = layout.empty() ? parse_timestamp_prefix(rest).has_value()
                                     : time_layout(layout)->parse_prefix(rest).has_value();
    if (!time) {
      found.why =
          rest.empty() ? "the text ends before the time" : quoted(rest) + " begins with no time";
      return found;
    }
  } else if (use == PatternUse::format && name.starts_with("<level")) {
    std::string_view word = rest;
    while (!word.empty() && is_blank(word[0])) word.remove_prefix(1);
    std::size_t end = 0;
    while (end < word.size() && is_name(word[end])) ++end;
    if (parse_level(word.substr(0, end)) == Level::none) {
      found.why = end == 0 ? "no level stands before " + quoted(rest)
                           : quoted(word.substr(0, end)) + " is no level";
      return found;
    }
  }
  if (wanted.empty()) {
    found.why = name + " is one word, not " + quoted(rest);
  } else {
    found.why = "no " + quoted(wanted) + " behind " + name + " in " + quoted(rest);
  }
  return found;
}

std::string_view time_notation(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == text.size()) {
    // As parse_timestamp() tells them apart.
    if (digits <= 11) return "Unix seconds";
    if (digits <= 14) return "Unix milliseconds";
    return digits <= 17 ? "Unix microseconds" : "Unix nanoseconds";
  }
  if (digits >= 5) return "Unix seconds";
  const std::size_t time = text.find_first_of("T ", digits);
  const bool zone =
      time != std::string_view::npos && text.find_first_of("Zz+-", time) != std::string_view::npos;
  return zone ? "RFC 3339" : "RFC 3339 without a zone: UTC";
}

}  // namespace logtally::rules
