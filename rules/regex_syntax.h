// One way from text to RE2 for every place where a regular expression stands: the same limits, and
// faults with the part of the text that is at fault.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace re2 {
class RE2;
}

namespace logtally::rules {

inline constexpr std::size_t kMaxRegexBytes = 1024;
// Of RE2's programs, those of all rules together: 1,000 of the usual ones have some 50,000. What
// this many cost to compile is half a second at most, and some megabytes.
inline constexpr std::size_t kMaxRegexInstructions = 500'000;
// What one costs that RE2 gives up because it grows too large.
inline constexpr std::size_t kInstructionsOfTooLarge = 150'000;

struct RegexFault {
  std::string text;        // what is wrong, one line
  std::string label;       // beside the caret, or empty
  std::size_t offset = 0;  // in the expression
  std::size_t length = 0;  // at least 1 but for an empty expression
  bool syntax = false;     // RE2 refuses it: which syntax there is helps
  bool too_large = false;  // RE2 gave up after kInstructionsOfTooLarge or so
};

// Refuses what RE2 does, what is longer than kMaxRegexBytes, and what RE2 takes in silence: a name
// that two groups have, a name that is none of a field.
std::variant<std::shared_ptr<const re2::RE2>, RegexFault> compile_regex(std::string_view regex);

}  // namespace logtally::rules
