// Which rules a run has: the packs, the rule files and directories, the configuration file itself.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
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

// The files, read and parsed, not compiled yet. Packs come first, then the configuration.
struct RuleFiles {
  std::vector<rules::RuleSet::Source> sources;           // of which a tree could be made
  std::size_t packs = 0;                                 // sources that are packs
  std::size_t files = 0;                                 // files read, the configuration too
  std::span<const rules::RuleSet::Source> own() const {  // the operator's
    return std::span(sources).subspan(packs);
  }
};

// All faults of form of all files go to `diagnostics`. A file that is named twice is read once.
RuleFiles read_rule_files(const RuleSources& sources, config::Diagnostics& diagnostics);

// What stands in rule files, so that two loads can be compared: comments, order, layout and the
// names of files are no part of it.
struct RuleTexts {
  // "rule", "pattern" ... and name -> what is written there
  std::map<std::pair<std::string, std::string>, std::string> parts;
  std::set<std::string> filled;  // files that hold more than blanks
};
RuleTexts texts_of(const RuleFiles& files);

// All faults of all files go to `diagnostics`; null when there is an error. Warnings that a file
// allows (`# logtally: allow W203`) are not among them. `texts`: filled, if there is one.
std::shared_ptr<const rules::RuleSet> load_rules(const RuleSources& sources,
                                                 config::Diagnostics& diagnostics,
                                                 RuleTexts* texts = nullptr);

// What follows a compilation without errors: costly regular expressions are warned of, and what a
// file allows is taken out.
void warn_as_run_does(const RuleFiles& files, config::Diagnostics& diagnostics);

// Is this a logtally.yaml, not a file of rules? By what stands in it, then by its name.
bool is_configuration(const config::YamlDocument& document);

}  // namespace logtally::cli
