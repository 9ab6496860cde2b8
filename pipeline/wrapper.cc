#include "pipeline/wrapper.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace logtally::pipeline {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

std::uint64_t load(const char* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

std::uint64_t zero_bytes(std::uint64_t word) { return (word - kOnes) & ~word & kHighs; }

// Offset of the first quote or backslash within eight bytes, 8 if there is none. (Little-endian:
// the first byte is the lowest; the borrow of zero_bytes reaches only bytes above the first hit.)
unsigned first_special(const char* from) {
  static_assert(std::endian::native == std::endian::little);
  const std::uint64_t word = load(from);
  const std::uint64_t hit = zero_bytes(word ^ (kOnes * '"')) | zero_bytes(word ^ (kOnes * '\\'));
  return hit == 0 ? 8 : static_cast<unsigned>(std::countr_zero(hit)) / 8;
}

int hex4(const char* from, const char* end) {
  if (end - from < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = from[i];
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

char* put_utf8(char* to, int code) {
  const auto byte = [&](int value) { *to++ = static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
  return to;
}

// \uXXXX with `from` behind the u; a surrogate without its other half becomes U+FFFD. Null: no hex
// digits.
const char* unescape_unicode(const char* from, const char* end, char*& to) {
  int code = hex4(from, end);
  if (code < 0) return nullptr;
  from += 4;
  if (code >= 0xD800 && code < 0xE000) {
    const bool pair = code < 0xDC00 && end - from >= 6 && from[0] == '\\' && from[1] == 'u';
    const int low = pair ? hex4(from + 2, end) : -1;
    if (low >= 0xDC00 && low < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      from += 6;
    } else {
      code = 0xFFFD;
    }
  }
  to = put_utf8(to, code);
  return from;
}

// Unescapes the string whose first byte is at `from` to `to`, which has room for as many bytes and
// eight more. Returns the closing quote, null if there is none or an escape is wrong. Eight bytes
// behind `end` are readable.
const char* unescape(const char* from, const char* end, char*& to) {
  while (from < end) {
    const unsigned plain = first_special(from);
    std::memcpy(to, from, 8);
    from += plain;
    to += plain;
    if (from >= end) return nullptr;
    if (plain == 8) continue;
    if (*from == '"') return from;
    if (++from >= end) return nullptr;
    switch (*from++) {
      case '"':
        *to++ = '"';
        break;
      case '\\':
        *to++ = '\\';
        break;
      case '/':
        *to++ = '/';
        break;
      case 'b':
        *to++ = '\b';
        break;
      case 'f':
        *to++ = '\f';
        break;
      case 'n':
        *to++ = '\n';
        break;
      case 'r':
        *to++ = '\r';
        break;
      case 't':
        *to++ = '\t';
        break;
      case 'u':
        from = unescape_unicode(from, end, to);
        if (from == nullptr) return nullptr;
        break;
      default:
        return nullptr;
    }
  }
  return nullptr;
}

// The closing quote of the string whose first byte is at `from`; null without one.
const char* string_end(const char* from, const char* end) {
  for (; from < end; ++from) {
    if (*from == '"') return from;
    if (*from == '\\') ++from;
  }
  return nullptr;
}

const char* skip_space(const char* from, const char* end) {
  while (from < end && (*from == ' ' || *from == '\t' || *from == '\r')) ++from;
  return from;
}

// Behind the object that begins at `from`; null if it does not end.
const char* object_end(const char* from, const char* end) {
  int depth = 0;
  for (; from < end; ++from) {
    if (*from == '"') {
      from = string_end(from + 1, end);
      if (from == nullptr) return nullptr;
    } else if (*from == '{') {
      ++depth;
    } else if (*from == '}' && --depth == 0) {
      return from + 1;
    }
  }
  return nullptr;
}

std::optional<Stream> stream_of(std::string_view name) {
  if (name == "stdout") return Stream::standard_output;
  if (name == "stderr") return Stream::standard_error;
  return std::nullopt;
}

bool digit(char c) { return c >= '0' && c <= '9'; }

constexpr std::array<char, kReadableBehind> kNothing{};

}  // namespace

const Unwrapped* Unwrapper::feed(std::uint32_t generation, std::string_view line,
                                 std::uint64_t offset, std::uint64_t end) {
  Line taken;
  Wrapper wrapper = Wrapper::none;
  if (may_be_wrapped(line)) {
    if (wrapper_ != Wrapper::docker && take_cri(line, taken)) {
      wrapper = Wrapper::cri;
    } else if (wrapper_ != Wrapper::cri && take_docker(line, taken)) {
      wrapper = Wrapper::docker;
    }
  }
  if (wrapper == Wrapper::none) {
    out_ = {.text = line, .generation = generation, .offset = offset, .end = end};
    return &out_;
  }

  std::uint64_t key = 0;
  Pieces* pieces = pieces_.empty() ? nullptr : find(generation, taken.stream, key);
  if (pieces == nullptr && !taken.piece) {
    out_ = {.text = taken.text,
            .stream = taken.stream,
            .time = taken.time,
            .generation = generation,
            .offset = offset,
            .end = end,
            .wrapped = true,
            .taken_off = wrapper};
    return &out_;
  }
  if (pieces == nullptr) {
    key = key_of(generation, taken.stream);
    pieces = &pieces_[key];
    *pieces = {.time = std::string(taken.time),
               .generation = generation,
               .offset = offset,
               .wrapper = wrapper};
  }
  ++pieces->count;
  pieces->end = end;
  if (pieces->text.size() + taken.text.size() > record_bytes_) {
    pieces->too_long = true;
    pieces->text = {};
  } else if (!pieces->too_long) {
    pieces->text += taken.text;
  }
  if (taken.piece) return nullptr;
  Pieces whole = std::move(*pieces);
  pieces_.erase(key);
  return give(std::move(whole), taken.stream, end);
}

void Unwrapper::succeed(std::uint32_t predecessor, std::uint32_t generation) {
  predecessors_[generation] = predecessor;
}

const Unwrapped* Unwrapper::flush(std::uint32_t generation) {
  predecessors_.erase(generation);
  auto oldest = pieces_.end();
  for (const Stream stream : {Stream::none, Stream::standard_output, Stream::standard_error}) {
    const auto found = pieces_.find(key_of(generation, stream));
    if (found == pieces_.end()) continue;
    if (oldest == pieces_.end() || found->second.offset < oldest->second.offset) oldest = found;
  }
  if (oldest == pieces_.end()) return nullptr;
  const auto stream = static_cast<Stream>(oldest->first & 3);
  Pieces lone = std::move(oldest->second);
  pieces_.erase(oldest);
  const std::uint64_t end = lone.end;
  return give(std::move(lone), stream, end);
}

std::string_view name_of(Stream stream) {
  switch (stream) {
    case Stream::standard_output:
      return "stdout";
    case Stream::standard_error:
      return "stderr";
    case Stream::none:
      break;
  }
  return {};
}

void Unwrapper::save(std::uint32_t generation, ByteWriter& to) const {
  ByteWriter pieces;
  std::uint64_t count = 0;
  for (const Stream stream : {Stream::none, Stream::standard_output, Stream::standard_error}) {
    const auto found = pieces_.find(key_of(generation, stream));
    if (found == pieces_.end()) continue;
    const Pieces& some = found->second;
    ++count;
    pieces.number(static_cast<std::uint64_t>(stream));
    pieces.number(some.generation);
    pieces.number(some.offset);
    pieces.number(some.end);
    pieces.number(some.count);
    pieces.flag(some.too_long);
    pieces.number(static_cast<std::uint64_t>(some.wrapper));
    pieces.text(some.time);
    pieces.text(some.text);
  }
  to.number(count);
  to.raw(pieces.bytes());
}

bool Unwrapper::restore(std::uint32_t generation, ByteReader& from) {
  std::uint64_t count = from.number();
  if (count > 3) return false;
  for (; count > 0; --count) {
    const std::uint64_t stream = from.number();
    Pieces some;
    some.generation = static_cast<std::uint32_t>(from.number());
    some.offset = from.number();
    some.end = from.number();
    some.count = static_cast<std::uint32_t>(from.number());
    some.too_long = from.flag();
    const std::uint64_t wrapper = from.number();
    some.time = from.text();
    some.text = from.text();
    if (!from.good() || stream > static_cast<std::uint64_t>(Stream::standard_error) ||
        wrapper > static_cast<std::uint64_t>(Wrapper::cri) || some.count == 0)
      return false;
    some.wrapper = static_cast<Wrapper>(wrapper);
    if (!pieces_.emplace(key_of(generation, static_cast<Stream>(stream)), std::move(some)).second)
      return false;
  }
  return true;
}

std::optional<std::uint64_t> Unwrapper::position(std::uint32_t generation) const {
  std::optional<std::uint64_t> oldest;
  for (const auto& [key, pieces] : pieces_) {
    if (pieces.generation == generation && (!oldest || pieces.offset < *oldest))
      oldest = pieces.offset;
  }
  return oldest;
}

// The pieces before this line: of its own generation, or those that its predecessor left.
Unwrapper::Pieces* Unwrapper::find(std::uint32_t generation, Stream stream, std::uint64_t& key) {
  key = key_of(generation, stream);
  if (const auto found = pieces_.find(key); found != pieces_.end()) return &found->second;
  const auto before = predecessors_.find(generation);
  if (before == predecessors_.end()) return nullptr;
  auto left = pieces_.extract(key_of(before->second, stream));
  if (left.empty()) return nullptr;
  left.key() = key;
  return &pieces_.insert(std::move(left)).position->second;
}

const Unwrapped* Unwrapper::give(Pieces pieces, Stream stream, std::uint64_t end) {
  given_ = std::move(pieces);
  const std::size_t size = given_.text.size();
  given_.text += '\n';
  given_.text.append(kNothing.data(), kNothing.size());
  out_ = {.text = std::string_view(given_.text).substr(0, size),
          .stream = stream,
          .time = given_.time,
          .generation = given_.generation,
          .offset = given_.offset,
          .end = end,
          .joined = given_.count - 1,
          .too_long = given_.too_long,
          .wrapped = true,
          .taken_off = given_.wrapper};
  return &out_;
}

// {"log":"...","stream":"stderr","time":"..."}, in any order, perhaps with "attrs"; nothing else is
// docker's.
bool Unwrapper::take_docker(std::string_view line, Line& out) {
  const char* at = line.data();
  const char* const end = line.data() + line.size();
  if (*at != '{') return false;
  ++at;
  bool has_log = false;
  bool has_time = false;
  std::size_t size = 0;
  for (;;) {
    at = skip_space(at, end);
    if (at >= end || *at != '"') return false;
    const char* const name_end = string_end(at + 1, end);
    if (name_end == nullptr) return false;
    const std::string_view name(at + 1, static_cast<std::size_t>(name_end - at - 1));
    at = skip_space(name_end + 1, end);
    if (at >= end || *at != ':') return false;
    at = skip_space(at + 1, end);
    if (at >= end) return false;

    if (name == "attrs" && *at == '{') {
      at = object_end(at, end);
      if (at == nullptr) return false;
    } else {
      if (*at != '"') return false;
      const char* const value = at + 1;
      if (name == "log" && !has_log) {
        const std::size_t room = line.size() + 1 + kReadableBehind;
        if (scratch_.size() < room) scratch_.resize(std::max(room, scratch_.size() * 2));
        char* to = scratch_.data();
        at = unescape(value, end, to);
        size = static_cast<std::size_t>(to - scratch_.data());
        has_log = true;
      } else {
        at = string_end(value, end);
        if (at == nullptr) return false;
        const std::string_view text(value, static_cast<std::size_t>(at - value));
        if (name == "stream") {
          const std::optional<Stream> stream = stream_of(text);
          if (!stream) return false;
          out.stream = *stream;
        } else if (name == "time") {
          out.time = text;
          has_time = true;
        } else {
          return false;
        }
      }
      if (at == nullptr) return false;
      ++at;
    }

    at = skip_space(at, end);
    if (at >= end) return false;
    if (*at == '}') break;
    if (*at != ',') return false;
    ++at;
  }
  if (skip_space(at + 1, end) != end || !has_log || !(has_time || out.stream != Stream::none))
    return false;
  out.piece = size == 0 || scratch_[size - 1] != '\n';
  if (!out.piece) --size;
  scratch_[size] = '\n';
  out.text = std::string_view(scratch_).substr(0, size);
  return true;
}

// <RFC 3339 time> stdout|stderr P|F[:tags] text
bool Unwrapper::take_cri(std::string_view line, Line& out) {
  if (!digit(line[0]) || line[4] != '-' || line[7] != '-' || line[10] != 'T' || line[13] != ':')
    return false;
  const std::size_t time_end = line.substr(0, 40).find(' ');
  if (time_end == std::string_view::npos) return false;
  out.time = line.substr(0, time_end);
  line.remove_prefix(time_end + 1);
  const std::optional<Stream> stream = stream_of(line.substr(0, 6));
  if (!stream || line.size() < 8 || line[6] != ' ') return false;
  out.stream = *stream;
  line.remove_prefix(7);
  if (line[0] != 'F' && line[0] != 'P') return false;
  out.piece = line[0] == 'P';
  if (line.size() > 1 && line[1] != ' ' && line[1] != ':') return false;
  const std::size_t text = line.find(' ');
  out.text = text == std::string_view::npos ? line.substr(line.size()) : line.substr(text + 1);
  return true;
}

}  // namespace logtally::pipeline
