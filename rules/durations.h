// Units of values: `unit: ms` in a rule, the base unit that a metric's name promises, and
// quantities with their unit in the text (`unit: auto`). All exact: units are powers of ten and
// whole multipliers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sinks/metrics/decimal.h"

namespace logtally::rules {

enum class Base : std::uint8_t { none, seconds, bytes, ratio, usd };

// One of the unit is multiplier * 10^shift10 of its base.
struct Unit {
  Base base = Base::none;
  int shift10 = 0;
  std::uint64_t multiplier = 1;

  bool operator==(const Unit&) const = default;
};

// ns us µs ms s m min h d; B kB KB MB GB TB KiB MiB GiB TiB; % percent ratio; usd cents. Exactly so
// written.
std::optional<Unit> find_unit(std::string_view name);

// The unit that people mean by a word, as find_unit() wants it: "ms" for `millis`, "MB" for `mb`;
// empty for a word that says none, or that says too little: one letter, `min`.
std::string_view unit_meant_by(std::string_view word);

// By the suffix of the metric's name, `_total` behind it allowed: _seconds, _bytes, _ratio, _usd.
Base base_of_metric(std::string_view name);

// `seconds`; nothing for none.
std::string_view base_name(Base base);

// A plain number in this unit, in its base.
metrics::ParsedDecimal parse_in_unit(std::string_view text, const Unit& unit);

// A number with its unit, blanks around and between allowed: `932ms`, `1.5s`, `12 KiB`, `22.5%`,
// `1m30s` (durations only), `42` (in the base already). A unit of another base is not_a_number.
metrics::ParsedDecimal parse_quantity(std::string_view text, Base base);

// How long something lasts (`ttl: 24h`, `for: 60s`, `for: $cooldown`), in nanoseconds, rounded half
// up. A number without a unit is seconds. Nothing for what is no duration, is negative, or longer
// than 64 bits hold (292 years).
std::optional<std::int64_t> parse_duration_ns(std::string_view text);
std::optional<std::int64_t> duration_ns(metrics::Decimal seconds);

}  // namespace logtally::rules
