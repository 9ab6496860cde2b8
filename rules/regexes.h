// The regular expressions of rule files, each with its place, and texts that make them work hard.
// RE2 is linear in the text, but not cheap: what it costs a byte depends on the expression, by a
// factor of ten thousand. Pure: who measures keeps the time (cli/regex_cost).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/yaml_document.h"

namespace logtally::rules {

struct PlacedRegex {
  enum class Use : std::uint8_t {
    find,     // found or not
    groups,   // found, with what its groups hold
    replace,  // every occurrence replaced
  };
  std::string text;
  Use use = Use::find;
  config::Place place;  // of the expression itself
};

// `regex:` of rules, `re:` of conditions, `=~` and `!~` in expressions, rewrites of maps,
// redaction.
std::vector<PlacedRegex> regexes_of(const config::YamlDocument& document);

// About `bytes` bytes of text without line breaks, against a regular expression: made of its own
// characters and of all but matches of it. `kind` below kHardTextKinds chooses how, the same `seed`
// gives the same text; another one gives the expression nothing that it has seen before.
inline constexpr std::size_t kHardTextKinds = 4;
std::string hard_text(std::string_view regex, std::size_t kind, std::uint64_t seed,
                      std::size_t bytes);

}  // namespace logtally::rules
