#include "rules/durations.h"

#include <cstddef>
#include <limits>
#include <string>

namespace logtally::rules {
namespace {

using metrics::Decimal;
using metrics::NumberError;
using metrics::ParsedDecimal;

struct NamedUnit {
  std::string_view name;
  Unit unit;
};

constexpr NamedUnit kUnits[] = {
    {"ns", {Base::seconds, -9, 1}},
    {"us", {Base::seconds, -6, 1}},
    {"\u00b5s", {Base::seconds, -6, 1}},  // micro sign
    {"\u03bcs", {Base::seconds, -6, 1}},  // Greek mu
    {"ms", {Base::seconds, -3, 1}},
    {"s", {Base::seconds, 0, 1}},
    {"m", {Base::seconds, 0, 60}},
    {"min", {Base::seconds, 0, 60}},
    {"h", {Base::seconds, 0, 3'600}},
    {"d", {Base::seconds, 0, 86'400}},
    {"B", {Base::bytes, 0, 1}},
    {"kB", {Base::bytes, 3, 1}},
    {"KB", {Base::bytes, 3, 1}},
    {"MB", {Base::bytes, 6, 1}},
    {"GB", {Base::bytes, 9, 1}},
    {"TB", {Base::bytes, 12, 1}},
    {"KiB", {Base::bytes, 0, 1ULL << 10}},
    {"MiB", {Base::bytes, 0, 1ULL << 20}},
    {"GiB", {Base::bytes, 0, 1ULL << 30}},
    {"TiB", {Base::bytes, 0, 1ULL << 40}},
    {"%", {Base::ratio, -2, 1}},
    {"percent", {Base::ratio, -2, 1}},
    {"ratio", {Base::ratio, 0, 1}},
    {"usd", {Base::usd, 0, 1}},
    {"cents", {Base::usd, -2, 1}},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_sign(char c) { return c == '+' || c == '-'; }

std::string_view without_blanks_before(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view without_blanks(std::string_view text) {
  text = without_blanks_before(text);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// How much of the text is an unsigned number: digits, a point, an exponent. An `e` without digits
// behind it is a unit's.
std::size_t number_length(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && (is_digit(text[end]) || text[end] == '.')) ++end;
  if (end == 0 || end == text.size() || (text[end] != 'e' && text[end] != 'E')) return end;
  std::size_t exponent = end + 1;
  if (exponent < text.size() && is_sign(text[exponent])) ++exponent;
  if (exponent == text.size() || !is_digit(text[exponent])) return end;
  while (exponent < text.size() && is_digit(text[exponent])) ++exponent;
  return exponent;
}

std::size_t unit_length(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && !is_digit(text[end]) && !is_blank(text[end]) && text[end] != '.')
    ++end;
  return end;
}

constexpr ParsedDecimal kNotANumber{Decimal{}, NumberError::not_a_number};

// One or more of number and unit, as `1m30s`; the text begins with a digit or a point.
ParsedDecimal parse_terms(std::string_view text, Base base) {
  Decimal sum;
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view number = text.substr(0, number_length(text));
    if (number.empty()) return kNotANumber;
    text = without_blanks_before(text.substr(number.size()));
    const std::string_view name = text.substr(0, unit_length(text));
    text = without_blanks_before(text.substr(name.size()));

    const bool last = text.empty();
    if (name.empty() && first && last) return metrics::parse_decimal(number);
    const std::optional<Unit> unit = find_unit(name);
    if (!unit || unit->base != base) return kNotANumber;
    if (!(first && last) && base != Base::seconds) return kNotANumber;
    const ParsedDecimal term = parse_in_unit(number, *unit);
    if (term.error != NumberError::none) return term;
    sum += term.value;
    if (!sum.in_range()) return {Decimal{}, NumberError::over_limit};
  }
  return {sum, NumberError::none};
}

}  // namespace

std::optional<Unit> find_unit(std::string_view name) {
  for (const NamedUnit& known : kUnits) {
    if (known.name == name) return known.unit;
  }
  return std::nullopt;
}

std::string_view unit_meant_by(std::string_view word) {
  struct Row {
    std::string_view unit;
    std::string_view words;  // small letters, a blank on both sides of each
  };
  static constexpr Row kRows[] = {
      {"ns", " ns nsec nsecs nanos nanosecond nanoseconds "},
      {"us", " us usec usecs micros microsecond microseconds "},
      {"ms", " ms msec msecs millis milli millisecond milliseconds "},
      {"s", " sec secs second seconds "},
      {"min", " mins minute minutes "},
      {"h", " hr hrs hour hours "},
      {"d", " day days "},
      {"B", " byte bytes "},
      {"KB", " kb kilobyte kilobytes "},
      {"MB", " mb megabyte megabytes "},
      {"GB", " gb gigabyte gigabytes "},
      {"TB", " tb terabyte terabytes "},
      {"KiB", " kib kibibytes "},
      {"MiB", " mib mebibytes "},
      {"GiB", " gib gibibytes "},
      {"TiB", " tib tebibytes "},
      {"percent", " percent pct percentage "},
      {"usd", " usd dollar dollars "},
      {"cents", " cent cents "},
  };
  std::string wanted = " ";
  for (const char c : word) wanted += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (word.size() < 2 || word.find(' ') != std::string_view::npos) return {};
  wanted += ' ';
  for (const Row& row : kRows) {
    if (row.words.find(wanted) != std::string_view::npos) return row.unit;
  }
  return {};
}

Base base_of_metric(std::string_view name) {
  constexpr std::string_view kTotal = "_total";
  if (name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
  if (name.ends_with("_seconds")) return Base::seconds;
  if (name.ends_with("_bytes")) return Base::bytes;
  if (name.ends_with("_ratio")) return Base::ratio;
  if (name.ends_with("_usd")) return Base::usd;
  return Base::none;
}

std::string_view base_name(Base base) {
  switch (base) {
    case Base::none:
      return {};
    case Base::seconds:
      return "seconds";
    case Base::bytes:
      return "bytes";
    case Base::ratio:
      return "ratio";
    case Base::usd:
      return "usd";
  }
  return {};
}

ParsedDecimal parse_in_unit(std::string_view text, const Unit& unit) {
  const ParsedDecimal number = metrics::parse_decimal(text, unit.shift10);
  if (number.error != NumberError::none || unit.multiplier == 1) return number;
  return metrics::multiply(number.value, Decimal::of_u64(unit.multiplier));
}

ParsedDecimal parse_quantity(std::string_view text, Base base) {
  text = without_blanks(text);
  const bool is_signed = !text.empty() && is_sign(text.front());
  const std::string_view terms = text.substr(is_signed ? 1 : 0);
  if (terms.empty() || (!is_digit(terms.front()) && terms.front() != '.'))
    return metrics::parse_decimal(text);  // NaN, inf
  ParsedDecimal result = parse_terms(terms, base);
  if (is_signed && text.front() == '-') result.value = -result.value;
  return result;
}

std::optional<std::int64_t> parse_duration_ns(std::string_view text) {
  const ParsedDecimal seconds = parse_quantity(text, Base::seconds);
  if (seconds.error != NumberError::none) return std::nullopt;
  return duration_ns(seconds.value);
}

std::optional<std::int64_t> duration_ns(Decimal seconds) {
  constexpr metrics::int128 kUnitsPerNs = Decimal::kUnitsPerOne / 1'000'000'000;
  if (seconds.negative()) return std::nullopt;
  const metrics::int128 ns = (seconds.units() + kUnitsPerNs / 2) / kUnitsPerNs;
  if (ns > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(ns);
}

}  // namespace logtally::rules
