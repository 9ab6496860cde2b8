#include "rules/record_decoder.h"

#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/ansi.h"

namespace logtally::rules {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Any of the characters of which NUL and ESC are two; a loop that compilers make vectors of.
bool has_control(std::string_view text) {
  unsigned char found = 0;
  for (const char c : text)
    found |= static_cast<unsigned char>(static_cast<unsigned char>(c) < 0x20);
  return found != 0;
}

bool has_nul(std::string_view text) {
  return !text.empty() && std::memchr(text.data(), '\0', text.size()) != nullptr;
}

}  // namespace

LineEnd find_line_end(const char* line) {
#if defined(__SSE2__)
  constexpr std::size_t kWidth = 32;
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const auto mask = [](__m128i low, __m128i high) {
    return static_cast<unsigned>(_mm_movemask_epi8(low)) |
           static_cast<unsigned>(_mm_movemask_epi8(high)) << 16;
  };
  unsigned controls = 0;
  for (const char* p = line;; p += kWidth) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16));
    const __m128i least = _mm_min_epu8(a, b);
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(least, last_control), least)) == 0) continue;
    const unsigned found = mask(_mm_cmpeq_epi8(_mm_min_epu8(a, last_control), a),
                                _mm_cmpeq_epi8(_mm_min_epu8(b, last_control), b));
    const __m128i newline = _mm_set1_epi8('\n');
    const unsigned newlines = mask(_mm_cmpeq_epi8(a, newline), _mm_cmpeq_epi8(b, newline));
    if (newlines == 0) {
      controls |= found;
      continue;
    }
    const unsigned before = newlines ^ (newlines - 1);  // as far as the newline
    controls |= found & before & ~newlines;
    return {p + std::countr_zero(newlines), controls == 0};
  }
#else
  const char* p = line;
  bool plain = true;
  for (; *p != '\n'; ++p) plain = plain && static_cast<unsigned char>(*p) >= 0x20;
  return {p, plain};
#endif
}

RecordDecoder::RecordDecoder(const RuleSet& rules)
    : rules_(rules), json_(rules.plan()), fields_(rules.plan()), memo_(rules.formats()) {}

LineKind RecordDecoder::decode(std::string_view line, Event& event, Scratch& scratch, bool plain) {
  event.clear();
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.starts_with('{')) {
    if (json_.decode(line.data(), event) == line.data() + line.size() + 1) return LineKind::json;
    return has_nul(line) ? LineKind::failed_nul : LineKind::failed_json;
  }
  if (!plain && has_control(line)) {
    if (has_nul(line)) return LineKind::failed_nul;
    line = strip_ansi(line, scratch);
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  event.line = line;
  if (const Format* format = rules_.formats().fit(line, event, fields_, json_, memo_, scratch)) {
    if (HeaderMemo::Header* const header = memo_.fresh()) {
      if (auto rules = rules_.header_rules(event)) header->rules = memo_.keep(std::move(*rules));
    }
    return format->joins ? LineKind::joining_format : LineKind::format;
  }
  event.format = {};
  event.known_message = line;
  return LineKind::bare;
}

}  // namespace logtally::rules
