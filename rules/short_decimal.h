// Numbers of a few characters, as most in logs are, read as one word.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sinks/metrics/decimal.h"

namespace logtally::rules {

inline constexpr auto kPowersOfTen = [] {
  std::array<std::uint64_t, 19> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// Reads a text of up to eight characters, digits with or without a point, times 10^shift, into
// `value`: as metrics::parse_decimal does. False: it is something else, or longer; that one knows.
// Eight bytes behind `text` may be read.
inline bool read_short_decimal(const char* text, std::size_t size, int shift,
                               metrics::Decimal& value) {
  if constexpr (std::endian::native != std::endian::little) return false;
  constexpr std::uint64_t kEach = 0x0101010101010101ULL;
  if (size - 1 > 7) return false;
  std::uint64_t word;
  std::memcpy(&word, text, sizeof word);
  word <<= 64 - 8 * size;  // the last character is the highest byte, with zeros below the first
  std::size_t digits = size;
  int exponent = metrics::Decimal::kDigits + shift;
  const std::uint64_t no_point = word ^ kEach * '.';
  // The lowest bit that is set is the first point's; higher ones may be mistaken.
  const std::uint64_t points = (no_point - kEach) & ~no_point & kEach * 0x80;
  if (points != 0) {
    const int below = std::countr_zero(points) & ~7;  // bits
    exponent -= 7 - below / 8;
    const std::uint64_t upto = (std::uint64_t{1} << below) - 1;
    word = (word & ~upto & ~(std::uint64_t{0xff} << below)) | (word & upto) << 8;
    if (--digits == 0) return false;
  }
  word |= (kEach * '0' >> 1) >> (8 * digits - 1);
  const std::uint64_t high = kEach * 0xf0;
  if ((((word & high) ^ kEach * '0') | (((word + kEach * 6) & high) ^ kEach * '0')) != 0)
    return false;
  if (exponent < 0 || exponent >= static_cast<int>(kPowersOfTen.size())) return false;
  word -= kEach * '0';
  word = word * 10 + (word >> 8);  // pairs, in every other byte
  constexpr std::uint64_t kPair = 0x000000FF000000FFULL;
  word = ((word & kPair) * (100 + (1'000'000ULL << 32)) +
          ((word >> 16) & kPair) * (1 + (10'000ULL << 32))) >>
         32;
  value = metrics::Decimal::from_units(
      static_cast<metrics::int128>(word) *
      static_cast<metrics::int128>(kPowersOfTen[static_cast<std::size_t>(exponent)]));
  return true;
}

}  // namespace logtally::rules
