// JsonDecoder's pass for any machine: 8 bytes at a time in an integer register, or 16 with SSE2.
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/json_decoder.h"
#include "rules/json_kernels.h"

namespace logtally::rules {
namespace {

constexpr std::uint64_t kReconsiderAfter = 1 << 20;

#if defined(__SSE2__)
struct Block {
  static constexpr std::size_t kBytes = 16;
  __m128i bytes;
  static Block load(const char* p) {
    return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))};
  }
  std::uint32_t quote_slash_control() const {
    const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    const __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    return static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control)));
  }
  std::uint32_t digits() const {
    const __m128i offset = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    return static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(9)), offset)));
  }
};
#else
struct Block {
  static constexpr std::size_t kBytes = 8;
  const char* bytes;
  static Block load(const char* p) { return {p}; }
  std::uint32_t quote_slash_control() const {
    std::uint32_t mask = 0;
    for (std::size_t i = 0; i < kBytes; ++i) {
      const auto c = static_cast<unsigned char>(bytes[i]);
      mask |= static_cast<std::uint32_t>(c == '"' || c == '\\' || c < 0x20) << i;
    }
    return mask;
  }
  std::uint32_t digits() const {
    std::uint32_t mask = 0;
    for (std::size_t i = 0; i < kBytes; ++i) {
      mask |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i] - '0') < 10) << i;
    }
    return mask;
  }
};
#endif

inline bool literal_fits(const char* p, const JsonShapes::Edge& edge) {
  return edge.length != 0 && std::memcmp(p, edge.literal, edge.length) == 0;
}

}  // namespace

bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt");
#else
  return false;
#endif
}

#define KERNEL_FUNCTION decode_json_portable
#include "rules/json_kernel.inc"

}  // namespace logtally::rules
