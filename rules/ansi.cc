// ECMA-48, 5.3-5.6 and ECMA-35, 13.2.1: what follows ESC.
#include "rules/ansi.h"

#include <cstddef>
#include <cstring>

namespace logtally::rules {
namespace {

constexpr char kEscape = '\x1b';

bool between(char c, unsigned char first, unsigned char last) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= first && byte <= last;
}

// `p` is behind the introducer; the place behind the final byte, or `p` when there is none.
const char* skip_control_sequence(const char* p, const char* end) {
  const char* q = p;
  while (q != end && between(*q, 0x30, 0x3F)) ++q;
  while (q != end && between(*q, 0x20, 0x2F)) ++q;
  return q != end && between(*q, 0x40, 0x7E) ? q + 1 : p;
}

const char* skip_string(const char* p, const char* end) {
  for (const char* q = p; q != end; ++q) {
    if (*q == '\a') return q + 1;
    if (*q == kEscape) return end - q > 1 && q[1] == '\\' ? q + 2 : p;
    if (*q == '\n') return p;
  }
  return p;
}

// `p` is behind ESC.
const char* skip_sequence(const char* p, const char* end) {
  if (p == end) return p;
  switch (*p) {
    case '[':
      return skip_control_sequence(p + 1, end);
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
      return skip_string(p + 1, end);
    default:
      break;
  }
  const char* q = p;
  while (q != end && between(*q, 0x20, 0x2F)) ++q;
  if (q != end && between(*q, 0x30, 0x7E)) return q + 1;
  return p;  // a stray ESC
}

}  // namespace

std::string_view strip_ansi(std::string_view text, Scratch& scratch) {
  if (text.empty()) return text;
  const auto* escape = static_cast<const char*>(std::memchr(text.data(), kEscape, text.size()));
  if (escape == nullptr) return text;

  char* const begin = scratch.allocate(text.size() + 1);
  char* out = begin;
  const char* const end = text.data() + text.size();
  const char* from = text.data();
  while (escape != nullptr) {
    const auto size = static_cast<std::size_t>(escape - from);
    std::memcpy(out, from, size);
    out += size;
    from = skip_sequence(escape + 1, end);
    // Sequences stand close together; a loop finds the next one sooner than a call.
    escape = from;
    const char* const near = end - from > 16 ? from + 16 : end;
    while (escape != near && *escape != kEscape) ++escape;
    if (escape == end) {
      escape = nullptr;
    } else if (escape == near) {
      escape = static_cast<const char*>(
          std::memchr(escape, kEscape, static_cast<std::size_t>(end - escape)));
    }
  }
  const auto size = static_cast<std::size_t>(end - from);
  std::memcpy(out, from, size);
  out += size;
  *out = '\n';
  return {begin, static_cast<std::size_t>(out - begin)};
}

}  // namespace logtally::rules
