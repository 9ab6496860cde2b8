// `check --sample FILE`: the rules tried on lines of a log, by the way that `run --once` goes. What
// never matched, and how near it came; how many series there would be; labels with too many values.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/settings.h"
#include "rules/rule_set.h"

namespace logtally::cli {

struct SampleTotals {
  std::uint64_t lines = 0;
  std::uint64_t series = 0;
  std::string note;  // redactions that found nothing
};

// Warnings W401 to W405, and E009 for a file that cannot be read. `packs`: so many of the sources
// are packs; of them nothing is told when there are other rules, or when none of their rules
// matches.
SampleTotals try_sample(std::shared_ptr<const rules::RuleSet> rules,
                        std::span<const rules::RuleSet::Source> sources, std::size_t packs,
                        const std::vector<std::string>& files, const config::Limits& limits,
                        config::Diagnostics& diagnostics);

// The keys of a JSON object, those of objects in it as `outer.inner`; nothing for what is none.
std::vector<std::string> json_keys(std::string_view line);

}  // namespace logtally::cli
