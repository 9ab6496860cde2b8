// What `test` runs: which rule files are loaded together, and the tests that stand in them and
// beside them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/options.h"
#include "pipeline/rule_test_run.h"
#include "rules/rule_set.h"
#include "rules/rule_tests.h"

namespace logtally::cli {

// Rules, and tests that run on them.
struct TestSuite {
  std::string name;      // "rules.d", "pack aria"
  bool shipped = false;  // tests of packs: told in one line while they pass
  std::vector<rules::RuleSet::Source> sources;
  std::shared_ptr<const rules::RuleSet> rules;
  std::vector<rules::RuleTest> tests;  // by file, in order

  pipeline::TestedRules tested() const { return {.rules = rules, .sources = sources}; }
};

// Without arguments what `run` would load; the packs' own tests run on the packs alone, since
// nobody else's rules are their business. With arguments: rule files (and the `NAME_test.yaml`
// beside each), directories, `*_test.yaml` (the rule files of their directory). Faults of any file
// go to `diagnostics`; then the suites are not to be run.
std::vector<TestSuite> find_suites(const config::CommandLine& line,
                                   config::Diagnostics& diagnostics);

}  // namespace logtally::cli
