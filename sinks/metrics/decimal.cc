#include "sinks/metrics/decimal.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace logtally::metrics {
namespace {

constexpr auto kPowersOfTen = [] {
  std::array<uint128, 39> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

constexpr uint128 kLimitMagnitude = static_cast<uint128>(Decimal::kLimit);

ParsedDecimal refused(NumberError error) { return {.value = {}, .error = error}; }

constexpr uint128 magnitude(Decimal d) {
  return d.negative() ? -static_cast<uint128>(d.units()) : static_cast<uint128>(d.units());
}

ParsedDecimal from_magnitude(uint128 magnitude, bool negative) {
  if (magnitude >= kLimitMagnitude) return refused(NumberError::over_limit);
  const int128 units = static_cast<int128>(magnitude);
  return {.value = Decimal::from_units(negative ? -units : units), .error = NumberError::none};
}

// mantissa * 10^exponent units; `inexact` says that digits behind the mantissa were cut off.
ParsedDecimal scale(uint128 mantissa, std::int64_t exponent, bool negative) {
  if (mantissa == 0) return {};
  if (exponent >= 0) {
    if (exponent > 37) return refused(NumberError::over_limit);
    const uint128 factor = kPowersOfTen[static_cast<std::size_t>(exponent)];
    if (mantissa > kLimitMagnitude / factor) return refused(NumberError::over_limit);
    return from_magnitude(mantissa * factor, negative);
  }
  if (exponent < -38) return {};
  const uint128 divisor = kPowersOfTen[static_cast<std::size_t>(-exponent)];
  uint128 quotient = mantissa / divisor;
  const uint128 rest = mantissa % divisor;
  if (rest >= divisor - rest) ++quotient;
  return from_magnitude(quotient, negative);
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

ParsedDecimal no_digits(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  for (const std::string_view word : {"nan", "inf", "infinity"}) {
    if (equals_ignoring_case(text, word)) return refused(NumberError::not_finite);
  }
  return refused(NumberError::not_a_number);
}

}  // namespace

ParsedDecimal parse_decimal(std::string_view text, int shift) {
  const char* p = text.data();
  const char* const end = p + text.size();
  bool negative = false;
  if (p != end && (*p == '-' || *p == '+')) negative = *p++ == '-';

  // The common number has few digits: they fit 64 bits, and nothing is checked for overflow.
  std::uint64_t small = 0;
  const char* const digits = p;
  while (p != end && static_cast<unsigned char>(*p - '0') < 10) {
    small = small * 10 + static_cast<unsigned char>(*p++ - '0');
  }
  std::ptrdiff_t count = p - digits;
  std::int64_t fraction = 0;
  if (p != end && *p == '.') {
    const char* const point = p++;
    while (p != end && static_cast<unsigned char>(*p - '0') < 10) {
      small = small * 10 + static_cast<unsigned char>(*p++ - '0');
    }
    fraction = p - point - 1;
    count += fraction;
  }
  if (count == 0) return no_digits(text);
  if (p == end && count <= 18) [[likely]] {
    const std::int64_t exponent = Decimal::kDigits + shift - fraction;
    if (exponent >= 0 && exponent <= 18) {
      return from_magnitude(
          static_cast<uint128>(small) *
              static_cast<std::uint64_t>(kPowersOfTen[static_cast<std::size_t>(exponent)]),
          negative);
    }
    return scale(small, exponent, negative);
  }

  // Many digits, or an exponent: once more, exactly, with up to 38 significant digits.
  uint128 mantissa = 0;
  std::int64_t dropped = 0;  // integer digits that no longer fit
  bool behind_point = false;
  fraction = 0;
  for (const char* q = digits; q != p; ++q) {
    if (*q == '.') {
      behind_point = true;
      continue;
    }
    if (mantissa < kPowersOfTen[37]) {
      mantissa = mantissa * 10 + static_cast<unsigned char>(*q - '0');
      fraction += behind_point;
    } else {
      dropped += !behind_point;
    }
  }
  std::int64_t exponent = 0;
  if (p != end) {
    if (*p != 'e' && *p != 'E') return refused(NumberError::not_a_number);
    ++p;
    bool minus = false;
    if (p != end && (*p == '-' || *p == '+')) minus = *p++ == '-';
    if (p == end) return refused(NumberError::not_a_number);
    for (; p != end; ++p) {
      const unsigned digit = static_cast<unsigned char>(*p - '0');
      if (digit > 9) return refused(NumberError::not_a_number);
      if (exponent < 1'000'000) exponent = exponent * 10 + digit;
    }
    if (minus) exponent = -exponent;
  }
  return scale(mantissa, exponent + dropped - fraction + Decimal::kDigits + shift, negative);
}

ParsedDecimal multiply(Decimal a, Decimal b) {
  // (ai + af)(bi + bf) with whole parts i and fractions f, so that nothing needs more than 128
  // bits.
  constexpr uint128 one = Decimal::kUnitsPerOne;
  const uint128 x = magnitude(a);
  const uint128 y = magnitude(b);
  uint128 product = 0;
  if (__builtin_mul_overflow(x / one, y, &product)) return refused(NumberError::over_limit);
  const uint128 low = (x % one) * (y % one);
  uint128 sum = 0;
  if (__builtin_add_overflow(product, (x % one) * (y / one), &sum) ||
      __builtin_add_overflow(sum, (low + one / 2) / one, &sum)) {
    return refused(NumberError::over_limit);
  }
  return from_magnitude(sum, a.negative() != b.negative());
}

ParsedDecimal divide(Decimal a, Decimal b) {
  if (b.units() == 0) return refused(NumberError::not_finite);
  const uint128 divisor = magnitude(b);
  uint128 quotient = magnitude(a) / divisor;
  uint128 rest = magnitude(a) % divisor;
  for (int i = 0; i < Decimal::kDigits; ++i) {
    if (quotient >= kLimitMagnitude) return refused(NumberError::over_limit);
    rest *= 10;
    quotient = quotient * 10 + rest / divisor;
    rest %= divisor;
  }
  if (rest >= divisor - rest) ++quotient;
  return from_magnitude(quotient, a.negative() != b.negative());
}

ParsedDecimal remainder(Decimal a, Decimal b) {
  if (b.units() == 0) return refused(NumberError::not_finite);
  return {.value = Decimal::from_units(a.units() % b.units()), .error = NumberError::none};
}

double Decimal::to_double() const {
  const uint128 units = magnitude(*this);
  if (units <
      (uint128{1} << 53)) {  // both operands are exact doubles, so one division rounds correctly
    const double value = static_cast<double>(static_cast<std::uint64_t>(units)) / 1e15;
    return negative() ? -value : value;
  }
  char digits[48];
  char* p = digits + sizeof digits;
  uint128 rest = units;
  for (int i = 0; rest != 0 || i <= kDigits; ++i) {
    if (i == kDigits) *--p = '.';
    *--p = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  double value = 0;
  std::from_chars(p, digits + sizeof digits, value);
  return negative() ? -value : value;
}

void append(std::string& out, Decimal value) {
  uint128 units = magnitude(value);
  if (units % Decimal::kUnitsPerOne != 0) return append(out, value.to_double());
  units /= Decimal::kUnitsPerOne;
  char digits[40];
  char* p = digits + sizeof digits;
  do {
    *--p = static_cast<char>('0' + static_cast<int>(units % 10));
    units /= 10;
  } while (units != 0);
  if (value.negative()) *--p = '-';
  out.append(p, digits + sizeof digits);
}

std::string to_string(Decimal value) {
  std::string text;
  append(text, value);
  return text;
}

void append(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Inf" : "+Inf";
  } else {
    // Shortest digits; an exponent only where Go's %g has one too, so that pages look as everywhere
    // else.
    char digits[64];
    const double size = std::fabs(value);
    const bool plain = value == 0 || (size >= 1e-4 && size < 1e21);
    const auto result =
        std::to_chars(digits, digits + sizeof digits, value,
                      plain ? std::chars_format::fixed : std::chars_format::scientific);
    out.append(digits, result.ptr);
  }
}

}  // namespace logtally::metrics
