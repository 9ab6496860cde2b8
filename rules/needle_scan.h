// NeedleScan: many short texts looked for at once, at close to the speed of memory.
//
// Of every needle, four bytes that stand side by side (three, of a short one) are its fingerprint.
// Needles lie in eight buckets, a bit each; tables say for the low and for the high four bits of a
// byte in which buckets it may be the first to fourth byte of a fingerprint. Eight look-ups of a
// vector's shuffle and seven ANDs so tell for 32 places at once whether any needle may stand there.
// The first byte of a fingerprint is from 0x40 on (a letter, `_`, `\`), which keeps digits, blanks
// and most punctuation out: a time or a number is no candidate. One single byte more is compared as
// it is (`@`, which has company everywhere but in its own value). Letters match in either case.
// What the vectors find - some twenty places of a kilobyte of logs, as unlike texts share buckets -
// is looked up by a hash of its four bytes; what is left is compared with the needles' texts, eight
// bytes at once, and then judged by the needle's check.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace logtally::rules {

// How a place is judged where a needle's text stands: text[begin, end) is what may be looked at.
// True when in doubt: what stands there may be escaped for JSON.
using NeedleCheck = bool (*)(const char* begin, const char* place, const char* end);

// Where a needle's fingerprint begins, and its bucket: chosen beforehand, by search over megabytes
// of logs, such that the needles of a bucket share letters. -1: chosen by the scan itself.
struct NeedlePlace {
  std::int8_t offset = -1;
  std::int8_t bucket = -1;
};

struct Needle {
  std::string text;  // small letters; see usable()
  std::uint8_t owner = 0;
  NeedleCheck check = nullptr;  // null: the text is enough
  NeedlePlace place{};
};

// What the vectors compare.
struct NeedleTables {
  // By a byte's place in the fingerprint, and its low and high four bits.
  alignas(16) std::uint8_t low[4][16] = {};
  alignas(16) std::uint8_t high[4][16] = {};
  // The same by the low six bits, exact for letters; the single byte is the highest bit.
  alignas(64) std::uint8_t wide[4][64] = {};
  char single = '\xFF';  // 0xFF: never in UTF-8
  // A bit for each fingerprint, by a hash of its four (three) bytes.
  std::uint64_t prints[256] = {};

  // Of a place that the vectors let through: whether some fingerprint may stand there after all.
  bool may_stand_at(const char* place) const {
    std::uint32_t bytes = 0;
    std::memcpy(&bytes, place, sizeof bytes);
    if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap32(bytes);
    const std::uint32_t four = hash(bytes);
    const std::uint32_t three = hash(bytes & kThree);
    return ((prints[four / 64] >> four % 64 | prints[three / 64] >> three % 64) & 1) != 0 ||
           *place == single;
  }
  void add_print(std::uint32_t bytes) { prints[hash(bytes) / 64] |= 1ULL << hash(bytes) % 64; }

 private:
  static constexpr std::uint32_t kThree = 0xFFFFFF;
  // Of four bytes, the first one lowest, or of three and a zero; letters in either case. 14 bits.
  static std::uint32_t hash(std::uint32_t bytes) {
    return (bytes | 0x20202020U) * 0x9E3779B1U >> 18;
  }
};

class NeedleScan {
 public:
  static constexpr std::size_t kReadableBehind = 64;
  static constexpr std::size_t kMaxOwners = 64;

  // Whether a text can be a needle: `@`, or a text with a place for a fingerprint.
  static bool usable(std::string_view text);

  NeedleScan() = default;
  explicit NeedleScan(std::vector<Needle> needles);

  bool empty() const { return needles_.empty(); }

  // The first place in [at, stop) of the text [begin, end) at which a needle was found, else
  // `stop`. It is the place of the fingerprint, somewhere within the needle. kReadableBehind bytes
  // behind `end` are read.
  const char* find(const char* begin, const char* at, const char* stop, const char* end) const;
  // The owners (a bit each) of all needles in the text, of which kReadableBehind more are readable.
  std::uint64_t owners(std::string_view text) const;

  // For tests: all passes find the same.
  enum class Kernel : std::uint8_t { best, avx2, portable };
  void use(Kernel kernel);

 private:
  struct Placed {
    Needle needle;
    std::uint8_t offset = 0;  // of the fingerprint
    // Its first eight bytes: (bytes | fold) & mask == head where they stand, in either case.
    std::uint64_t head = 0;
    std::uint64_t fold = 0;
    std::uint64_t mask = 0;
  };
  void add(Needle needle, std::size_t offset);
  std::uint64_t owners_at(const char* begin, const char* place, const char* end) const;

  NeedleTables tables_;
  std::vector<Placed> needles_;
  std::array<std::vector<std::uint16_t>, 9> buckets_;  // numbers of needles; the last: single
  const char* (*scan_)(const NeedleTables&, const char*, const char*) = nullptr;
};

// The passes: the first place in [at, end) at which a fingerprint may stand, else `end`.
const char* scan_needles_portable(const NeedleTables& tables, const char* at, const char* end);
const char* scan_needles_avx2(const NeedleTables& tables, const char* at, const char* end);
const char* scan_needles_avx512(const NeedleTables& tables, const char* at, const char* end);
bool has_avx512_vbmi();

}  // namespace logtally::rules
