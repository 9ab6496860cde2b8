// What regular expressions cost: the thread's CPU time over texts that were made against them.
//
// Hundreds of expensive ones must not make `check` take long, so all of them together have a
// budget. First each is tried with short texts, the largest programs first: an expression that is
// far beyond what is refused shows it at once. What short texts do not clear is then measured
// thoroughly, best of five over some thousand bytes, the doubtful before those that are far beyond.
// What the budget did not reach is counted, for a note.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "config/diagnostics.h"
#include "rules/regexes.h"
#include "rules/rule_set.h"

namespace logtally::cli {

// `check` measures well, warns and refuses; `run` and a reload look for the worst with short texts
// alone, and warn.
enum class RegexCare { check, run };

struct RegexBudget {
  double short_ns = 0;  // CPU time for the short texts
  double all_ns = 0;    // for everything
};
// `spent_ns`: CPU time that the load has taken so far; all of `check` is to stay below a second.
RegexBudget regex_budget(RegexCare care, double spent_ns = 0);

// CPU time of this thread, whatever else the machine does.
double thread_cpu_ns();

// How many regular expressions were measured. The same text in several places is one.
struct RegexMeasures {
  std::size_t all = 0;
  std::size_t briefly = 0;  // with short texts only, which did not clear them
  std::size_t never = 0;

  // "40 of 500 regular expressions were measured briefly, 12 not at all: …"; empty if there is
  // nothing to tell.
  std::string note() const;
};

// Adds E043 and W217 at every place of what is too expensive.
RegexMeasures check_regexes(std::span<const rules::RuleSet::Source> sources, RegexCare care,
                            RegexBudget budget, config::Diagnostics& diagnostics);

}  // namespace logtally::cli
