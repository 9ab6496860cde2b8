// Which rules a run has: the packs, the rule files and directories, the configuration file itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/yaml_document.h"
#include "rules/rule_set.h"

namespace logtally::cli {

struct RuleSources {
  std::vector<std::string> packs;                             // names; "auto" is all
  std::vector<std::string> paths;                             // files, or directories of *.yaml
  std::shared_ptr<const config::YamlDocument> configuration;  // null: none
};

// All faults of all files go to `diagnostics`; null when there is an error.
std::shared_ptr<const rules::RuleSet> load_rules(const RuleSources& sources,
                                                 config::Diagnostics& diagnostics);

}  // namespace logtally::cli
