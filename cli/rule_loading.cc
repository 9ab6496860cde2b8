#include "cli/rule_loading.h"

#include <algorithm>
#include <filesystem>

#include "config/packs.h"
#include "config/suggest.h"

namespace logtally::cli {
namespace {

namespace fs = std::filesystem;

// `*_test.yaml` beside the rules are tests, not rules.
bool is_rule_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml")) &&
         !name.ends_with("_test.yaml");
}

std::vector<std::string> files_of(const std::string& path, config::Diagnostics& diagnostics) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (is_rule_file(at->path())) files.push_back(at->path().string());
  }
  if (error)
    diagnostics.add("E009", {}, "cannot read the directory " + path + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::shared_ptr<const rules::RuleSet> load_rules(const RuleSources& sources,
                                                 config::Diagnostics& diagnostics) {
  std::vector<rules::RuleSet::Source> documents;
  const auto parse = [&](std::shared_ptr<const config::SourceFile> file) {
    if (auto document = config::parse_yaml(std::move(file), diagnostics)) {
      documents.push_back({.document = std::move(document), .configuration = false});
    }
  };

  for (const std::string& name : sources.packs) {
    if (name == "none") continue;
    if (name == "auto") {
      for (const config::Pack& pack : config::shipped_packs()) parse(config::pack_source(pack));
    } else if (const config::Pack* pack = config::find_pack(name)) {
      parse(config::pack_source(*pack));
    } else {
      std::vector<std::string_view> names = {"auto", "none"};
      for (const config::Pack& shipped : config::shipped_packs()) names.push_back(shipped.name);
      const std::string near = config::suggest(name, names);
      diagnostics.add("E013", {},
                      "there is no pack `" + name + "`" +
                          (near.empty() ? "" : "; did you mean `" + near + "`?"));
    }
  }
  if (sources.configuration)
    documents.push_back({.document = sources.configuration, .configuration = true});
  for (const std::string& path : sources.paths) {
    for (const std::string& name : files_of(path, diagnostics)) {
      auto file = config::read_source_file(name);
      if (file) {
        parse(*file);
      } else {
        diagnostics.add("E009", {}, file.error().text);
      }
    }
  }
  return rules::RuleSet::compile(documents, diagnostics);
}

}  // namespace logtally::cli
