// NeedleScan: many short texts looked for at once, at close to the speed of memory.
//
// Of every needle, four bytes that stand side by side (three, of a short one) are its fingerprint.
// Needles lie in eight buckets, a bit each; four tables say for the low four bits of a byte in
// which buckets it may be the first to fourth byte of a fingerprint. Four look-ups of a vector's
// shuffle and three ANDs so tell for 32 places at once whether any needle may stand there. The
// first byte of a fingerprint is from 0x40 on (a letter, `_`, `\`), which keeps digits, blanks and
// most punctuation out: a time or a number is no candidate. One single byte more is compared as it
// is (`@`, which has company everywhere but in its own value). Letters match in either case. What
// the vectors find is compared with the needles' texts, and then judged by the needle's check.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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
  alignas(16) std::uint8_t first[16] = {};
  alignas(16) std::uint8_t second[16] = {};
  alignas(16) std::uint8_t third[16] = {};
  alignas(16) std::uint8_t fourth[16] = {};
  // The same by the low six bits, exact for letters; the single byte is the highest bit.
  alignas(64) std::uint8_t wide[4][64] = {};
  char single = '\xFF';  // 0xFF: never in UTF-8
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
  };
  std::uint64_t owners_at(const char* begin, const char* place, const char* end) const;

  NeedleTables tables_;
  std::vector<Placed> needles_;
  std::array<std::vector<std::uint16_t>, 9> buckets_;  // numbers of needles; the last: single
  const char* (*scan_)(const NeedleTables&, const char*, const char*) = nullptr;
};

// The passes: the first place in [at, end) that the tables let through, else `end`.
const char* scan_needles_portable(const NeedleTables& tables, const char* at, const char* end);
const char* scan_needles_avx2(const NeedleTables& tables, const char* at, const char* end);
const char* scan_needles_avx512(const NeedleTables& tables, const char* at, const char* end);
bool has_avx512_vbmi();

}  // namespace logtally::rules
