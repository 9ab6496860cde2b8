// NeedleScan's pass for machines with AVX-512 VBMI: 64 bytes at a time, and look-ups by the low six
// bits of a byte, which tell letters from digits and from each other. See json_kernel_avx2.cc on
// the pragmas.
#include "rules/needle_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vbmi,bmi,bmi2,lzcnt")

namespace logtally::rules {
namespace {

// (GCC 12 warns of the form without a mask: its own header's undefined value.)
__m512i look_up(const __m512i& table, const char* p) {
  return _mm512_maskz_permutexvar_epi8(~__mmask64{0}, _mm512_loadu_si512(p), table);
}

struct Vectors {
  __m512i first;
  __m512i second;
  __m512i third;
  __m512i fourth;

  // Non-zero bytes: candidates, from 64 bytes at p.
  __m512i at(const char* p) const {
    const __m512i one = look_up(first, p);
    const __m512i two = look_up(second, p + 1);
    const __m512i three = look_up(third, p + 2);
    const __m512i four = look_up(fourth, p + 3);
    constexpr int kAll = 0x80;  // the AND of three
    return _mm512_and_si512(_mm512_ternarylogic_epi64(one, two, three, kAll), four);
  }
};

}  // namespace

const char* scan_needles_avx512(const NeedleTables& tables, const char* at, const char* end) {
  const Vectors look{.first = _mm512_load_si512(tables.wide[0]),
                     .second = _mm512_load_si512(tables.wide[1]),
                     .third = _mm512_load_si512(tables.wide[2]),
                     .fourth = _mm512_load_si512(tables.wide[3])};
  while (end - at >= 128) {
    const __m512i a = look.at(at);
    const __m512i b = look.at(at + 64);
    const __m512i any = _mm512_or_si512(a, b);
    if (_mm512_test_epi8_mask(any, any) != 0) [[unlikely]] {
      for (std::uint64_t left = _mm512_test_epi8_mask(a, a); left != 0; left &= left - 1) {
        const char* const place = at + std::countr_zero(left);
        if (tables.may_stand_at(place)) return place;
      }
      for (std::uint64_t left = _mm512_test_epi8_mask(b, b); left != 0; left &= left - 1) {
        const char* const place = at + 64 + std::countr_zero(left);
        if (tables.may_stand_at(place)) return place;
      }
    }
    at += 128;
  }
  return scan_needles_avx2(tables, at, end);
}

bool has_avx512_vbmi() {
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vbmi") != 0;
}

}  // namespace logtally::rules

#pragma GCC pop_options

#else

namespace logtally::rules {

const char* scan_needles_avx512(const NeedleTables& tables, const char* at, const char* end) {
  return scan_needles_portable(tables, at, end);
}
bool has_avx512_vbmi() { return false; }

}  // namespace logtally::rules

#endif
