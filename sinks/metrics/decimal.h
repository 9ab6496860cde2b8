// Decimal: an exact number, held as a 128-bit integer of units of 10^-15. Sums of decimals are
// exact, so the order in which lines are counted, and restarts, never change a total. Range:
// |value| < 10^22; what is larger is refused, never wrapped.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace logtally::metrics {

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

class Decimal {
 public:
  static constexpr int kDigits = 15;                                    // digits behind the point
  static constexpr std::uint64_t kUnitsPerOne = 1'000'000'000'000'000;  // 10^15

  constexpr Decimal() = default;
  static constexpr Decimal from_units(int128 units) {
    Decimal d;
    d.units_ = units;
    return d;
  }
  static constexpr Decimal of(std::int64_t whole) {
    return from_units(int128{whole} * kUnitsPerOne);
  }
  static constexpr Decimal of_u64(std::uint64_t whole) {
    return from_units(static_cast<int128>(whole) * kUnitsPerOne);
  }

  constexpr int128 units() const { return units_; }
  constexpr bool negative() const { return units_ < 0; }
  constexpr bool in_range() const { return units_ < kLimit && units_ > -kLimit; }

  // Wraps never: each addend is in range, and the registry refuses a sum that leaves it.
  constexpr Decimal operator+(Decimal o) const { return from_units(units_ + o.units_); }
  constexpr Decimal operator-(Decimal o) const { return from_units(units_ - o.units_); }
  constexpr Decimal operator-() const { return from_units(-units_); }
  constexpr Decimal& operator+=(Decimal o) {
    units_ += o.units_;
    return *this;
  }
  constexpr auto operator<=>(const Decimal&) const = default;

  // The nearest double, correctly rounded.
  double to_double() const;

  // 10^37 units = 10^22: two values in range add without overflow of the 128 bits.
  static constexpr int128 kLimit =
      static_cast<int128>(10'000'000'000'000'000'000ULL) * 1'000'000'000'000'000'000LL;

 private:
  int128 units_ = 0;
};

enum class NumberError : std::uint8_t { none, not_a_number, not_finite, over_limit };

struct ParsedDecimal {
  Decimal value;
  NumberError error = NumberError::none;
};

// Reads a decimal: sign, digits with or without a point, exponent (`12`, `-3.5`, `.5`, `6.8e-05`);
// the whole text, no blanks. The value is multiplied by 10^shift on the way, so that units change
// without loss. Digits beyond 10^-15 round half away from zero. NaN, Infinity and inf in any case
// are not_finite; anything else that is no number is not_a_number.
ParsedDecimal parse_decimal(std::string_view text, int shift = 0);

// Product and quotient, rounded half away from zero to 10^-15; over_limit outside the range,
// not_finite for x / 0.
ParsedDecimal multiply(Decimal a, Decimal b);
ParsedDecimal divide(Decimal a, Decimal b);
ParsedDecimal remainder(Decimal a, Decimal b);  // sign of a, as fmod

// Shortest text that a double parser reads back as the same number: `3`, `1.5`, `0.13486`, `1e-07`.
// Whole numbers print all their digits, beyond 2^53 too. Locale-proof.
void append(std::string& out, Decimal value);
std::string to_string(Decimal value);

// The same for a double (the program's own metrics): NaN, +Inf, -Inf as the exposition formats
// write them.
void append(std::string& out, double value);

}  // namespace logtally::metrics
