#include "sinks/http/negotiation.h"

#include <algorithm>
#include <optional>

namespace logtally::http {
namespace {

constexpr unsigned kMostQuality = 1000;  // a q of 1; three digits behind the point count

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes what is before the separator off the front of `text`; separators in quotes are none.
std::string_view take(std::string_view& text, char separator) {
  std::size_t end = 0;
  bool quoted = false;
  for (; end < text.size() && (quoted || text[end] != separator); ++end) {
    if (text[end] == '"') quoted = !quoted;
    if (quoted && text[end] == '\\' && end + 1 < text.size()) ++end;
  }
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim(front);
}

bool same_word(std::string_view a, std::string_view lower) {
  return std::ranges::equal(a, lower, [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

// `0`, `0.75`, `1.000`; digits beyond the third are dropped. Nothing for what is no number from 0
// to 1.
std::optional<unsigned> parse_quality(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  unsigned quality = text[0] == '1' ? kMostQuality : 0;
  text.remove_prefix(1);
  if (text.empty()) return quality;
  if (text[0] != '.') return std::nullopt;
  text.remove_prefix(1);
  unsigned unit = kMostQuality / 10;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    quality += static_cast<unsigned>(c - '0') * unit;
    unit /= 10;
  }
  return quality <= kMostQuality ? std::optional(quality) : std::nullopt;
}

// One element of a list: what is named, and the parameters that matter here.
struct Wish {
  std::string_view name;     // media range or coding
  std::string_view version;  // empty: none
  unsigned quality = kMostQuality;
};

// Nothing for an element whose q is none: whoever sent it, this is not what it asked for.
std::optional<Wish> parse_wish(std::string_view element) {
  Wish wish{.name = take(element, ';'), .version = {}};
  while (!element.empty()) {
    std::string_view value = take(element, ';');
    const std::string_view name = take(value, '=');
    value = trim(value);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (same_word(name, "version")) wish.version = value;
    if (!same_word(name, "q")) continue;
    const auto quality = parse_quality(value);
    if (!quality) return std::nullopt;
    wish.quality = *quality;
  }
  return wish;
}

// The q of something that several elements may speak of: the most specific one's; of two that are
// as specific, the higher.
class Quality {
 public:
  void heard(int specific, unsigned quality) {
    if (specific > specific_ || (specific == specific_ && quality > quality_)) quality_ = quality;
    specific_ = std::max(specific_, specific);
  }
  bool spoken_of() const { return specific_ >= 0; }
  unsigned value() const { return quality_; }

 private:
  int specific_ = -1;
  unsigned quality_ = 0;
};

}  // namespace

MetricsFormat preferred_format(std::string_view accept) {
  Quality text;
  Quality openmetrics;
  while (!accept.empty()) {
    const auto wish = parse_wish(take(accept, ','));
    if (!wish) continue;
    if (same_word(wish->name, "application/openmetrics-text")) {
      if (wish->version.empty() || wish->version == "1.0.0")
        openmetrics.heard(wish->version.empty() ? 0 : 1, wish->quality);
    } else if (same_word(wish->name, "text/plain")) {
      if (wish->version.empty() || wish->version == "0.0.4")
        text.heard(wish->version.empty() ? 2 : 3, wish->quality);
    } else if (same_word(wish->name, "text/*")) {
      text.heard(1, wish->quality);
    } else if (wish->name == "*/*") {
      text.heard(0, wish->quality);
    }
  }
  const bool wanted = openmetrics.value() > 0 && openmetrics.value() >= text.value();
  return wanted ? MetricsFormat::openmetrics : MetricsFormat::text;
}

bool accepts_gzip(std::string_view accept_encoding) {
  Quality gzip;
  Quality identity;
  while (!accept_encoding.empty()) {
    const auto wish = parse_wish(take(accept_encoding, ','));
    if (!wish) continue;
    if (same_word(wish->name, "gzip") || same_word(wish->name, "x-gzip")) {
      gzip.heard(1, wish->quality);
    } else if (wish->name == "*") {
      gzip.heard(0, wish->quality);
    } else if (same_word(wish->name, "identity")) {
      identity.heard(1, wish->quality);
    }
  }
  return gzip.value() > 0 && gzip.value() >= identity.value();
}

}  // namespace logtally::http
