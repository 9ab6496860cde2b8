// Lints: what is no error, and yet hardly what its author means. Warnings only, each with a code of
// its own, so that a file can allow it in place (config/allowances.h). Part of the compiler:
// RuleSet::compile() with Lints::all runs them over all files together.
#pragma once

#include <span>
#include <string_view>

#include "config/diagnostics.h"
#include "rules/rule_set.h"

namespace logtally::rules {

// Names, units and help of metrics as Prometheus wants them; labels that make too many series.
void lint_metrics(std::span<const RuleSet::Source> sources, config::Diagnostics& diagnostics);

// Metrics, maps and tables that are declared and not used.
void lint_usage(std::span<const RuleSet::Source> sources, config::Diagnostics& diagnostics);

// A `$name` that no capture gives though one is called nearly so.
void lint_names(std::span<const RuleSet::Source> sources, config::Diagnostics& diagnostics);

// Rules that can never match, and rules that do the same on the same lines. `rules` may be compiled
// from faulty files: a rule in whose text `diagnostics` has an error is passed over.
void lint_rules(std::span<const RuleSet::Source> sources, const RuleSet& rules,
                config::Diagnostics& diagnostics);

// How many values a label of this name has, as names go.
enum class Spread {
  few,       // or nobody knows
  many,      // one per user, path, address: wants a `max`
  each_time  // one per request, session, message: never a label
};
Spread spread_of(std::string_view name);

}  // namespace logtally::rules
