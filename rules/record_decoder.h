// RecordDecoder: the text of a line or record -> Event, whatever it is: a JSON object, a text line
// that fits a format, a bare message. One per worker; not thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/continuation.h"
#include "rules/event.h"
#include "rules/formats.h"
#include "rules/json_decoder.h"
#include "rules/rule_set.h"
#include "rules/text_fields.h"
#include "rules/value.h"

namespace logtally::rules {

// What a physical line is; see CONFIG.md on the summary. `bare` may still turn out to continue the
// record above.
enum class LineKind : std::uint8_t { json, format, joining_format, bare, failed_json, failed_nul };

class RecordDecoder {
 public:
  // The rules outlive it.
  explicit RecordDecoder(const RuleSet& rules);

  // The common case: a JSON object on a line of which only the beginning is known. Returns the
  // place behind its newline, null when it is none. See JsonDecoder::decode.
  const char* decode_json(const char* line, Event& event) {
    event.clear();
    return json_.decode(line, event);
  }

  // A whole line, without its newline; a newline and kReadableBehindLine bytes stand behind it.
  // Clears the event. `scratch` holds what had to be copied. `plain`: who found its end has seen
  // that it has no control characters, see find_line_end().
  LineKind decode(std::string_view line, Event& event, Scratch& scratch, bool plain = false) {
    event.clear();
    if (plain) {
      if (const Format* const format = rules_.formats().fit_known(line, event, memo_)) {
        event.line = line;
        return format->joins ? LineKind::joining_format : LineKind::format;
      }
    }
    return decode_closely(line, event, scratch, plain);
  }

 private:
  LineKind decode_closely(std::string_view line, Event& event, Scratch& scratch, bool plain);

  const RuleSet& rules_;
  JsonDecoder json_;
  TextFields fields_;
  FormatMemo memo_;
};

// The newline that ends the line, and whether there are control characters before it (maybe: tabs
// are none that matter, yet count). A newline stands at or behind `line`, and 128
// bytes behind that.
struct LineEnd {
  const char* newline = nullptr;
  bool plain = true;
};
inline LineEnd find_line_end(const char* line) {
#if defined(__SSE2__)
  // A bit for each of 64 bytes: it is a control character, of which a newline is one.
  const auto controls = [](const char* p) {
    std::uint64_t bits = 0;
    for (int i = 0; i < 4; ++i) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
      const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
      bits |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(low))) << (16 * i);
    }
    return bits;
  };
  // Where lines end is what nobody can predict: two steps without asking, which is most lines.
  bool plain = true;
  const char* p = line;
  std::uint64_t first = controls(p);
  const std::uint64_t second = controls(p + 64);
  if ((first | second) != 0) [[likely]] {
    const bool late = first == 0;
    const char* const found = p + (late ? 64 : 0) + std::countr_zero(late ? second : first);
    if (*found == '\n') [[likely]]
      return {found, true};
    plain = false;
  }
  for (;; p += 64, first = controls(p)) {
    for (; first != 0; first &= first - 1) {
      const char* const found = p + std::countr_zero(first);
      if (*found == '\n') return {found, plain};
      plain = false;
    }
  }
#else
  const char* p = line;
  bool plain = true;
  for (; *p != '\n'; ++p) plain = plain && static_cast<unsigned char>(*p) >= 0x20;
  return {p, plain};
#endif
}

// What Continuation wants to know of a line.
constexpr LineFit fit_of(LineKind kind) {
  switch (kind) {
    case LineKind::json:
      return LineFit::complete;
    case LineKind::format:
      return LineFit::format;
    case LineKind::joining_format:
      return LineFit::joins;
    default:
      return LineFit::none;
  }
}

}  // namespace logtally::rules
