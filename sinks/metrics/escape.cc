#include "sinks/metrics/escape.h"

#include <array>

#include "config/utf8.h"

namespace logtally::metrics {
namespace {

constexpr bool plain(unsigned char c) {
  return c < 0x80 && c != '\0' && c != '\n' && c != '\\' && c != '"';
}

constexpr auto kPlain = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c) table[c] = plain(static_cast<unsigned char>(c));
  return table;
}();

}  // namespace

// NUL is left out: Prometheus' lexer takes one at the start of a line as the end of the page.
void append_escaped(std::string& out, std::string_view text, Escape escape) {
  std::size_t written = 0;
  std::size_t at = 0;
  const auto replace = [&](std::string_view by) {
    out.append(text, written, at - written);
    out += by;
    written = ++at;
  };
  while (at < text.size()) {
    if (kPlain[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    switch (text[at]) {
      case '\\':
        replace("\\\\");
        break;
      case '\n':
        replace("\\n");
        break;
      case '\0':
        replace("");
        break;
      case '"':
        if (escape == Escape::with_quote) {
          replace("\\\"");
        } else {
          ++at;
        }
        break;
      default:
        if (const auto point = config::decode_utf8(text, at); point.valid) {
          at += point.length;
        } else {
          replace("\xEF\xBF\xBD");
        }
    }
  }
  out.append(text, written);
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    count += byte != 0;
    if (byte < 0x80) {
      ++at;
      continue;
    }
    const auto point = config::decode_utf8(text, at);
    at += point.valid ? point.length : 1;
  }
  return count;
}

}  // namespace logtally::metrics
