#include "pipeline/generation.h"

#include <bit>
#include <cassert>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace logtally::pipeline {
namespace {

constexpr std::uint8_t kVersion = 2;  // 1: without size and time of what was seen

class Writer {
 public:
  template <class T>
  void number(T value) {
    auto bits = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i, bits >>= 8)
      out.push_back(static_cast<char>(bits & 0xFF));
  }
  void text(std::string_view text) {
    number(static_cast<std::uint32_t>(text.size()));
    out += text;
  }
  void digest(const Digest& digest) {
    number(digest.high);
    number(digest.low);
  }
  void mark(const Mark& mark) {
    number(mark.offset);
    digest(mark.digest);
  }
  void marks(const Marks& marks) {
    number(marks.head.length);
    digest(marks.head.digest);
    mark(marks.tail);
    number(static_cast<std::uint8_t>(marks.ladder.size()));
    for (const Mark& rung : marks.ladder) mark(rung);
    number(marks.size);
    number(marks.modified_ns);
  }

  std::string out;
};

// Once it has run out of bytes everything is 0 and good() is false.
class Parser {
 public:
  explicit Parser(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number() {
    if (bytes_.size() < sizeof(T)) {
      good_ = false;
      bytes_ = {};
      return {};
    }
    std::uint64_t bits = 0;
    for (std::size_t i = sizeof(T); i-- > 0;)
      bits = bits << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(sizeof(T));
    return static_cast<T>(bits);
  }
  std::string text() {
    const auto size = number<std::uint32_t>();
    if (size > bytes_.size()) {
      good_ = false;
      bytes_ = {};
      return {};
    }
    std::string text(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return text;
  }
  template <class E>
  E one_of(E last) {
    const auto value = number<std::uint8_t>();
    require(value <= static_cast<std::uint8_t>(last));
    return static_cast<E>(value);
  }
  Digest digest() {
    Digest digest;
    digest.high = number<std::uint64_t>();
    digest.low = number<std::uint64_t>();
    return digest;
  }
  Mark mark() {
    Mark mark;
    mark.offset = number<std::uint64_t>();
    mark.digest = digest();
    return mark;
  }
  std::uint8_t version() {
    const auto version = number<std::uint8_t>();
    require(version >= 1 && version <= kVersion);
    return version;
  }
  Marks marks(std::uint8_t version) {
    Marks marks;
    marks.head.length = number<std::uint32_t>();
    require(marks.head.length <= kHeadBytes);
    marks.head.digest = digest();
    marks.tail = mark();
    const auto rungs = number<std::uint8_t>();
    require(rungs <= kRungs);
    for (std::size_t i = 0; good_ && i < rungs; ++i) {
      const Mark rung = mark();
      require(std::has_single_bit(rung.offset) && rung.offset >= kMarkBytes &&
              (marks.ladder.empty() || marks.ladder.back().offset < rung.offset));
      marks.ladder.push_back(rung);
    }
    if (version >= 2) {
      marks.size = number<std::uint64_t>();
      marks.modified_ns = number<std::int64_t>();
    }
    return marks;
  }
  void require(bool valid) { good_ = good_ && valid; }
  bool good() const { return good_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool good_ = true;
};

}  // namespace

Digest digest_of(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {.high = hash.high64, .low = hash.low64};
}

Mark mark_of(std::uint64_t offset, std::string_view bytes) {
  assert(bytes.size() == mark_length(offset));
  return {.offset = offset, .digest = digest_of(bytes)};
}

Head head_of(std::string_view begin_of_file) {
  const std::string_view head = begin_of_file.substr(0, kHeadBytes);
  return {.length = static_cast<std::uint32_t>(head.size()), .digest = digest_of(head)};
}

void climb(std::vector<Mark>& ladder, std::uint64_t begin, std::string_view bytes) {
  const std::uint64_t end = begin + bytes.size();
  std::uint64_t rung = begin < kMarkBytes ? kMarkBytes : std::bit_floor(begin) * 2;
  for (; rung != 0 && rung <= end; rung *= 2) {
    const char* const behind = bytes.data() + (rung - begin);
    if (!ladder.empty() && ladder.back().offset >= rung) continue;
    if (ladder.size() == kRungs) ladder.erase(ladder.begin());
    ladder.push_back(mark_of(rung, {behind - kMarkBytes, kMarkBytes}));
  }
}

std::string to_bytes(const Marks& marks) {
  Writer writer;
  writer.number(kVersion);
  writer.marks(marks);
  return std::move(writer.out);
}

std::optional<Marks> marks_from_bytes(std::string_view bytes) {
  Parser parser(bytes);
  Marks marks = parser.marks(parser.version());
  if (!parser.good()) return std::nullopt;
  return marks;
}

std::string to_bytes(const StoredGeneration& generation) {
  assert(generation.path.size() <= std::numeric_limits<std::uint32_t>::max());
  Writer writer;
  writer.number(kVersion);
  writer.number(generation.number);
  writer.text(generation.target);
  writer.text(generation.path);
  writer.number(generation.id.device);
  writer.number(generation.id.inode);
  writer.number(generation.id.born_ns);
  writer.number(static_cast<std::uint8_t>(generation.container));
  writer.number(static_cast<std::uint8_t>(generation.life));
  writer.number(static_cast<std::uint8_t>(generation.in_overlong ? 1 : 0));
  writer.number(generation.predecessor);
  writer.number(generation.counted);
  writer.number(generation.shipped);
  writer.number(generation.seen_ns);
  writer.marks(generation.marks);
  return std::move(writer.out);
}

std::optional<StoredGeneration> generation_from_bytes(std::string_view bytes) {
  Parser parser(bytes);
  const std::uint8_t version = parser.version();
  StoredGeneration generation;
  generation.number = parser.number<std::uint32_t>();
  generation.target = parser.text();
  generation.path = parser.text();
  generation.id.device = parser.number<std::uint64_t>();
  generation.id.inode = parser.number<std::uint64_t>();
  generation.id.born_ns = parser.number<std::int64_t>();
  generation.container = parser.one_of(Container::zstd);
  generation.life = parser.one_of(Life::finished);
  const auto overlong = parser.number<std::uint8_t>();
  parser.require(overlong <= 1);
  generation.in_overlong = overlong == 1;
  generation.predecessor = parser.number<std::uint32_t>();
  generation.counted = parser.number<std::uint64_t>();
  generation.shipped = parser.number<std::uint64_t>();
  generation.seen_ns = parser.number<std::int64_t>();
  generation.marks = parser.marks(version);
  if (!parser.good()) return std::nullopt;
  return generation;
}

}  // namespace logtally::pipeline
