// JsonDecoder's pass for machines with AVX2, 32 bytes at a time. Only what stands between the
// pragmas is compiled for them, so that no inline function of a header ends up with instructions
// that other machines lack.
#include "rules/json_decoder.h"
#include "rules/json_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>
#include <cstdint>
#include <cstring>

#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt")

namespace logtally::rules {
namespace {

constexpr std::uint64_t kReconsiderAfter = 1 << 20;

struct Block {
  static constexpr std::size_t kBytes = 32;
  __m256i bytes;
  static Block load(const char* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  std::uint32_t quote_slash_control() const {
    const __m256i quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    const __m256i slash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
    const __m256i control =
        _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes);
    return static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quote, slash), control)));
  }
  std::uint32_t digits() const {
    const __m256i offset = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(_mm256_min_epu8(offset, _mm256_set1_epi8(9)), offset)));
  }
};

inline bool literal_fits(const char* p, const JsonShapes::Edge& edge) {
  const __m256i text = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const __m256i literal = _mm256_load_si256(reinterpret_cast<const __m256i*>(edge.literal));
  const auto equal =
      static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, literal)));
  return (~equal & edge.mask) == 0;
}

}  // namespace

#define KERNEL_FUNCTION decode_json_avx2
#include "rules/json_kernel.inc"

}  // namespace logtally::rules

#pragma GCC pop_options

#else

namespace logtally::rules {

const char* decode_json_avx2(JsonDecoder& decoder, const char* line, Event& event) {
  return decode_json_portable(decoder, line, event);
}

}  // namespace logtally::rules

#endif
