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

struct Vectors {
  __m256i first;
  __m256i second;
  __m256i third;
  __m256i fourth;
  __m256i single;
  __m256i lift;  // 0xC0: what is below 0x40 gets its highest bit set, for which a shuffle gives 0

  // Non-zero bytes: candidates, from 32 bytes at p.
  __m256i at(const char* p) const {
    const __m256i bytes = load(p);
    const __m256i one = _mm256_shuffle_epi8(first, _mm256_add_epi8(bytes, lift));
    const __m256i two = _mm256_shuffle_epi8(second, load(p + 1));
    const __m256i three = _mm256_shuffle_epi8(third, load(p + 2));
    const __m256i four = _mm256_shuffle_epi8(fourth, load(p + 3));
    const __m256i all = _mm256_and_si256(_mm256_and_si256(two, three), _mm256_and_si256(one, four));
    return _mm256_or_si256(all, _mm256_cmpeq_epi8(bytes, single));
  }
};

__m256i table(const std::uint8_t* bytes) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
}

std::uint32_t places(__m256i found) {
  const __m256i none = _mm256_cmpeq_epi8(found, _mm256_setzero_si256());
  return ~static_cast<std::uint32_t>(_mm256_movemask_epi8(none));
}

}  // namespace

const char* scan_needles_avx2(const NeedleTables& tables, const char* at, const char* end) {
  const Vectors look{.first = table(tables.first),
                     .second = table(tables.second),
                     .third = table(tables.third),
                     .fourth = table(tables.fourth),
                     .single = _mm256_set1_epi8(tables.single),
                     .lift = _mm256_set1_epi8('\xC0')};
  while (end - at >= 128) {
    const __m256i a = look.at(at);
    const __m256i b = look.at(at + 32);
    const __m256i c = look.at(at + 64);
    const __m256i d = look.at(at + 96);
    const __m256i any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    if (_mm256_testz_si256(any, any) == 0) [[unlikely]] {
      const std::uint64_t low = places(a) | std::uint64_t{places(b)} << 32;
      if (low != 0) return at + std::countr_zero(low);
      const std::uint64_t high = places(c) | std::uint64_t{places(d)} << 32;
      return at + 64 + std::countr_zero(high);
    }
    at += 128;
  }
  for (; at < end; at += 32) {
    if (const std::uint32_t found = places(look.at(at)); found != 0) {
      const char* const place = at + std::countr_zero(found);
      return place < end ? place : end;
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
