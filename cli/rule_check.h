// What `check` finds: faults, lints, expensive regular expressions, targets without a file, all
// sorted, those that are allowed in place taken out. A reload that fails answers with the same
// text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/rule_loading.h"
#include "config/diagnostics.h"
#include "config/settings.h"
#include "rules/rule_set.h"

namespace logtally::cli {

struct CheckSubject {
  std::string name;  // before the summary: "rules.d", "logtally.yaml"
  RuleSources rules;
  std::optional<config::Settings> settings;  // of rules.configuration
  std::vector<std::string> samples;          // log files to try the rules on
};

struct CheckResult {
  std::shared_ptr<const rules::RuleSet> rules;  // null: there are errors
  config::Diagnostics diagnostics;
  std::string note;          // what is no finding and yet worth saying; several: "\nnote: " between
  std::string introduction;  // with a sample: what was checked against what
  std::string summary;       // "rules.d: 4 files, 14 rules, 37 metrics: 2 errors, 1 warning"
};

// `found`: what reading the configuration has found already; it becomes part of the result.
CheckResult check_rules(const CheckSubject& subject, config::Diagnostics found = {});

void add_note(CheckResult& result, const std::string& note);  // nothing, if it is empty

// What `check` prints for people: findings and summary.
std::string checked_text(const CheckResult& result, bool colour = false, std::size_t limit = 20);

// "E012 rules.d/10.yaml:8" of the first error in order of places; empty: there is none.
std::string first_error(const config::Diagnostics& diagnostics);

// "1 error", "2,000 errors"
std::string counted(std::size_t number, std::string_view noun);
// "41 rules", "47 rules, 6 of them switched off"; `on`: without these.
std::string counted_rules(std::size_t on, std::size_t off);

}  // namespace logtally::cli
