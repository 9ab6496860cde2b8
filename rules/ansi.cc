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
  std::memcpy(out, from, static_cast<std::size_t>(escape - from));
  out += escape - from;
  from = escape;
  // Sequences stand close together: byte by byte is faster than a call for each piece.
  while (from != end) {
    if (*from == kEscape) {
      from = skip_sequence(from + 1, end);
    } else {
      *out++ = *from++;
    }
  }
  *out = '\n';
  return {begin, static_cast<std::size_t>(out - begin)};
}

}  // namespace logtally::rules
