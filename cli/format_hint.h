// What to say where lines of text fit no format: which built-in pack reads such lines, or what a
// format for them looks like. Both are found by trying.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule_set.h"

namespace logtally::cli {

struct FormatHint {
  std::string note;  // how it is: "no format is declared: lines of text are bare messages"
  std::string help;  // what to do about it, in one line
};

// `lines`: some that fit no format of `rules`, as they were read, each with a newline; none:
// nothing can be tried. Reads and compiles the packs: not for a hot path. Nothing of it outlives
// the call.
FormatHint format_hint(const rules::RuleSet& rules, std::string_view lines);

// The beginning of the first of these files that begins as text, whole lines, at most 64 KiB;
// empty: none does. Compressed ones are passed over.
std::string first_lines(const std::vector<std::string>& files);

}  // namespace logtally::cli
