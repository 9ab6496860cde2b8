// NeedleScan's pass for machines with AVX2; see json_kernel_avx2.cc on the pragmas.
#include "rules/needle_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>

#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt")

namespace logtally::rules {
namespace {

__m256i load(const char* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

__m256i table(const std::uint8_t* bytes) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
}

struct Vectors {
  __m256i low[4];
  __m256i high[4];
  __m256i single;
  __m256i half;

  explicit Vectors(const NeedleTables& tables)
      : low{table(tables.low[0]), table(tables.low[1]), table(tables.low[2]), table(tables.low[3])},
        high{table(tables.high[0]), table(tables.high[1]), table(tables.high[2]),
             table(tables.high[3])},
        single(_mm256_set1_epi8(tables.single)),
        half(_mm256_set1_epi8(0x0F)) {}

  // The buckets for which the bytes may be a fingerprint's `i`th. A shuffle gives 0 for what is
  // from 0x80 on, as no text has it; but anything may stand behind a short one.
  template <int i>
  __m256i look_up(__m256i bytes) const {
    const __m256i above = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half);
    const __m256i below = i == 3 ? _mm256_and_si256(bytes, half) : bytes;
    return _mm256_and_si256(_mm256_shuffle_epi8(low[i], below),
                            _mm256_shuffle_epi8(high[i], above));
  }

  // Non-zero bytes: candidates, from 32 bytes at p.
  __m256i at(const char* p) const {
    const __m256i bytes = load(p);
    const __m256i front = _mm256_and_si256(look_up<0>(bytes), look_up<1>(load(p + 1)));
    const __m256i back = _mm256_and_si256(look_up<2>(load(p + 2)), look_up<3>(load(p + 3)));
    return _mm256_or_si256(_mm256_and_si256(front, back), _mm256_cmpeq_epi8(bytes, single));
  }
};

std::uint32_t places(__m256i found) {
  const __m256i none = _mm256_cmpeq_epi8(found, _mm256_setzero_si256());
  return ~static_cast<std::uint32_t>(_mm256_movemask_epi8(none));
}

}  // namespace

const char* scan_needles_avx2(const NeedleTables& tables, const char* at, const char* end) {
  const Vectors look(tables);
  while (end - at >= 128) {
    const __m256i a = look.at(at);
    const __m256i b = look.at(at + 32);
    const __m256i c = look.at(at + 64);
    const __m256i d = look.at(at + 96);
    const __m256i any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    if (_mm256_testz_si256(any, any) == 0) [[unlikely]] {
      const std::uint64_t low = places(a) | std::uint64_t{places(b)} << 32;
      for (std::uint64_t left = low; left != 0; left &= left - 1) {
        const char* const place = at + std::countr_zero(left);
        if (tables.may_stand_at(place)) return place;
      }
      const std::uint64_t high = places(c) | std::uint64_t{places(d)} << 32;
      for (std::uint64_t left = high; left != 0; left &= left - 1) {
        const char* const place = at + 64 + std::countr_zero(left);
        if (tables.may_stand_at(place)) return place;
      }
    }
    at += 128;
  }
  for (; at < end; at += 32) {
    for (std::uint32_t left = places(look.at(at)); left != 0; left &= left - 1) {
      const char* const place = at + std::countr_zero(left);
      if (place >= end) return end;
      if (tables.may_stand_at(place)) return place;
    }
  }
  return end;
}

}  // namespace logtally::rules

#pragma GCC pop_options

#else

namespace logtally::rules {

const char* scan_needles_avx2(const NeedleTables& tables, const char* at, const char* end) {
  return scan_needles_portable(tables, at, end);
}

}  // namespace logtally::rules

#endif
