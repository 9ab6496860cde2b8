// The built-in redactions: what secrets and personal data look like, wherever they stand. Each is
// one regular expression, which decides, and the needles without one of which it never matches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "rules/needle_scan.h"

namespace logtally::rules {

// How a text that may hold it is recognised without needles.
enum class ShapeScan : std::uint8_t { needles, dotted_digits, colons, digit_groups };

struct SecretShape {
  std::string_view name;
  std::string_view doc;
  // RE2, over bytes (Latin-1). A group is what is replaced; without one, all of the match.
  std::string_view regex;
  ShapeScan scan = ShapeScan::needles;
  // How much of what the regex found it is, from its beginning; 0: it is none. Null: all of it.
  std::size_t (*accepts)(std::string_view found) = nullptr;
  struct Anchor {
    std::string_view text;
    NeedleCheck check;
    NeedlePlace place{};
  };
  std::span<const Anchor> anchors{};
};

// In the order of the reference page.
std::span<const SecretShape> secret_shapes();
const SecretShape* find_shape(std::string_view name);

// The length of the longest payment card's number that the text begins with: 13 to 19 digits,
// perhaps in groups, of which the last is the check digit of the others (ISO/IEC 7812). 0: none.
std::size_t card_number(std::string_view text);
// An IPv6 address, RFC 4291 §2.2, with a zone or without.
bool is_ipv6(std::string_view text);

// Whether text that holds no needle may hold a shape of this kind.
bool may_hold(ShapeScan scan, std::string_view text);

}  // namespace logtally::rules
