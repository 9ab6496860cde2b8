// What regular expressions cost: the thread's CPU time over texts that were made against them.
#pragma once

#include <chrono>
#include <span>

#include "config/diagnostics.h"
#include "rules/regexes.h"
#include "rules/rule_set.h"

namespace logtally::cli {

// Nanoseconds of CPU time a byte: per kind of text the best of `rounds`, of these the worst. Zero
// for what RE2 refuses. `longest`: bytes of a text; less when the expression is so slow that it
// would take long.
double regex_cost(const rules::PlacedRegex& regex, std::size_t longest, std::size_t rounds);

// How thorough: `check` measures well, and refuses; `run` looks for the worst ones, and warns. When
// the budget is used up, the rest is measured with short texts (check) or not at all (run).
enum class RegexCare { check, run };
void check_regexes(std::span<const rules::RuleSet::Source> sources, RegexCare care,
                   config::Diagnostics& diagnostics);

}  // namespace logtally::cli
