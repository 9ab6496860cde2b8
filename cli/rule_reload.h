// RuleReload: one load of configuration and rules while the worker goes on: read, compile, run the
// files' own tests, let the worker take them over. What the command line and the environment said
// at the start holds. A load that fails changes nothing.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "cli/reload.h"
#include "cli/rule_loading.h"
#include "config/options.h"
#include "pipeline/worker.h"

namespace logtally::cli {

class RuleReload {
 public:
  // Both outlive it. `own`: what the program's own metrics are to speak of. `at_work`: what `run`
  // decided at the start.
  using OwnSpec = std::function<metrics::OwnMetricsSpec(const rules::RuleSet&)>;
  // `texts`: what the rules at work were loaded from.
  RuleReload(const config::CommandLine& line, config::RunOptions at_work, pipeline::Worker& worker,
             RuleTexts texts, OwnSpec own);

  // The text of a failure is what `check` prints, without colour; of a success one line, then the
  // warnings that `run` begins with.
  ReloadOutcome load();

  // The files and directories that it reads: the configuration, and what that names now.
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  const config::CommandLine& line_;
  config::RunOptions at_work_;
  pipeline::Worker& worker_;
  OwnSpec own_;
  std::vector<std::string> paths_;
  RuleTexts texts_;  // of the rules at work
};

// The files and directories that `run` reads rules from.
std::vector<std::string> rule_paths(const config::CommandLine& line,
                                    const config::RunOptions& options);

// What a load made of the rules.
struct LoadedRules {
  std::size_t rules = 0;  // at work
  std::size_t switched_off = 0;
  std::size_t metrics = 0;
};
// "reloaded: 14 rules, 37 metrics; new rule x; started anew: metric a_total (labels)"
std::string described(const rules::Succession& succession, const LoadedRules& loaded,
                      const RuleTexts& before, const RuleTexts& now);

// Settings that the second has otherwise and that only a restart changes: "listen, targets"; empty:
// none.
std::string fixed_differences(const config::RunOptions& at_work, const config::RunOptions& now);

}  // namespace logtally::cli
