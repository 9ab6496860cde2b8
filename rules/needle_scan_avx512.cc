// NeedleScan's pass for machines with AVX-512 VBMI and VBMI2: 64 bytes at a time, and look-ups by
// the low six bits of a byte, which tell letters from digits and from each other. See
// json_kernel_avx2.cc on the pragmas.
#include "rules/needle_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <bit>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt")

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

// 0 to 63.
struct Count {
  std::uint8_t byte[64];
};
constexpr Count counted() {
  Count count{};
  for (std::uint8_t i = 0; i < 64; ++i) count.byte[i] = i;
  return count;
}
alignas(64) constexpr Count kCounted = counted();

}  // namespace

const char* scan_needles_avx512(const NeedleTables& tables, const char* at, const char* end) {
  const Vectors look{.first = _mm512_load_si512(tables.wide[0]),
                     .second = _mm512_load_si512(tables.wide[1]),
                     .third = _mm512_load_si512(tables.wide[2]),
                     .fourth = _mm512_load_si512(tables.wide[3])};
  // Some five places of 256 bytes are candidates. Their numbers are gathered without a branch; what
  // then asks for each is nearly always told no, and a branch like that costs nothing.
  constexpr std::ptrdiff_t kWindow = 256;
  alignas(64) std::uint8_t places[kWindow + 64];
  const __m512i step = _mm512_set1_epi8(64);
  const __m512i count = _mm512_load_si512(kCounted.byte);
  while (end - at >= kWindow) {
    std::size_t found = 0;
    __m512i numbers = count;
    for (std::ptrdiff_t from = 0; from < kWindow; from += 64) {
      const __m512i let = look.at(at + from);
      const __mmask64 mask = _mm512_test_epi8_mask(let, let);
      _mm512_storeu_si512(places + found, _mm512_maskz_compress_epi8(mask, numbers));
      found += static_cast<std::size_t>(std::popcount(std::uint64_t{mask}));
      numbers = _mm512_add_epi8(numbers, step);
    }
    for (std::size_t i = 0; i < found; ++i) {
      if (tables.may_stand_at(at + places[i])) return at + places[i];
    }
    at += kWindow;
  }
  return scan_needles_avx2(tables, at, end);
}

bool has_avx512_vbmi() {
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vbmi") != 0 &&
         __builtin_cpu_supports("avx512vbmi2") != 0;
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
