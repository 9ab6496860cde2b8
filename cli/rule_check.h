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
  std::string note;          // what was not looked at thoroughly, or empty
  std::string introduction;  // with a sample: what was checked against what
  std::string summary;       // "rules.d: 4 files, 14 rules, 37 metrics: 2 errors, 1 warning"
};

// `found`: what reading the configuration has found already; it becomes part of the result.
CheckResult check_rules(const CheckSubject& subject, config::Diagnostics found = {});

// What `check` prints for people: findings and summary.
std::string checked_text(const CheckResult& result, bool colour = false, std::size_t limit = 20);

// "1 error", "2,000 errors"
std::string counted(std::size_t number, std::string_view noun);

}  // namespace logtally::cli
