#include "cli/rule_loading.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/regex_cost.h"
#include "config/allowances.h"
#include "config/packs.h"
#include "config/settings.h"
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

std::vector<std::string> files_of(const std::string& path, const config::Place& named_at,
                                  config::Diagnostics& diagnostics) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (is_rule_file(at->path())) files.push_back(at->path().string());
  }
  if (error)
    diagnostics.add(
        "E009", named_at,
        "cannot read the directory " + config::printable(path, 200) + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// Where the configuration names `path` under `rules:`; no file when a flag does.
config::Place place_of(const std::string& path, const config::YamlDocument* configuration) {
  const config::Node* rules =
      configuration == nullptr ? nullptr : configuration->root.find("rules");
  if (rules == nullptr) return {};
  const auto is_it = [&](const config::Node& node) {
    return node.is_scalar() && config::path_from(*configuration, node.text) == path;
  };
  if (is_it(*rules)) return configuration->place(*rules);
  for (const config::Node& item : rules->items) {
    if (is_it(item)) return configuration->place(item);
  }
  return {};
}

// A node's meaning as a text: equal for what differs in layout alone.
std::string meaning_of(const config::Node& node, bool ordered) {
  switch (node.kind) {
    case config::Node::Kind::null:
      return "~";
    case config::Node::Kind::scalar:
      return (node.quoted ? "'" : "") + std::to_string(node.text.size()) + ":" + node.text;
    case config::Node::Kind::sequence: {
      std::string text = "[";
      for (const config::Node& item : node.items) text += meaning_of(item, ordered) + ",";
      return text + "]";
    }
    case config::Node::Kind::map:
      break;
  }
  std::vector<std::string> entries;
  for (const config::Node::Entry& entry : node.entries) {
    // The fields of a `let` are made one after another.
    entries.push_back(meaning_of(entry.key, false) + "=" +
                      meaning_of(entry.value, entry.key.text == "let"));
  }
  if (!ordered) std::sort(entries.begin(), entries.end());
  std::string text = "{";
  for (const std::string& entry : entries) text += entry + ",";
  return text + "}";
}

}  // namespace

RuleTexts texts_of(const RuleFiles& files) {
  constexpr std::pair<std::string_view, std::string_view> kParts[] = {
      {"rules", "rule"},   {"metrics", "metric"}, {"formats", "format"},
      {"tables", "table"}, {"maps", "map"},       {"redact", "redaction"}};
  RuleTexts texts;
  for (const rules::RuleSet::Source& source : files.sources) {
    const config::SourceFile& file = *source.document->file;
    if (file.text.find_first_not_of(" \t\r\n") != std::string::npos) texts.filled.insert(file.name);
    const config::Node& root = source.document->root;
    for (const auto& [key, what] : kParts) {
      const config::Node* part = root.find(key);
      if (part == nullptr) continue;
      for (const config::Node::Entry& entry : part->entries) {
        if (entry.value.is_scalar()) continue;  // a switch
        texts.parts.emplace(std::pair(std::string(what), entry.key.text),
                            meaning_of(entry.value, false));
      }
    }
    for (const std::string_view key : {"lift", "normalise"}) {
      // Of all files together; what the order within one file decides is part of it.
      if (const config::Node* part = root.find(key))
        texts.parts[{std::string(key), std::string()}] += meaning_of(*part, false) + ";";
    }
  }
  return texts;
}

RuleFiles read_rule_files(const RuleSources& sources, config::Diagnostics& diagnostics) {
  RuleFiles read;
  const auto parse = [&](std::shared_ptr<const config::SourceFile> file) {
    if (auto document = config::parse_yaml(std::move(file), diagnostics))
      read.sources.push_back({.document = std::move(document), .configuration = false});
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
  read.packs = read.sources.size();
  std::set<std::string> seen;
  const auto is_new = [&](const std::string& path) {
    std::error_code error;
    const fs::path canonical = fs::weakly_canonical(path, error);
    return seen.insert(error ? path : canonical.string()).second;
  };
  if (sources.configuration) {
    ++read.files;
    is_new(sources.configuration->file->name);
    read.sources.push_back({.document = sources.configuration, .configuration = true});
  }
  for (const std::string& path : sources.paths) {
    const config::Place named_at = place_of(path, sources.configuration.get());
    for (const std::string& name : files_of(path, named_at, diagnostics)) {
      if (!is_new(name)) continue;
      ++read.files;
      if (auto file = config::read_source_file(name, diagnostics, named_at)) parse(std::move(file));
    }
  }
  return read;
}

std::shared_ptr<const rules::RuleSet> load_rules(const RuleSources& sources,
                                                 config::Diagnostics& diagnostics,
                                                 RuleTexts* texts) {
  const RuleFiles files = read_rule_files(sources, diagnostics);
  if (texts != nullptr) *texts = texts_of(files);
  auto rules = rules::RuleSet::compile(files.sources, diagnostics);
  if (rules != nullptr) warn_as_run_does(files, diagnostics);
  return rules;
}

void warn_as_run_does(const RuleFiles& files, config::Diagnostics& diagnostics) {
  check_regexes(files.own(), RegexCare::run, regex_budget(RegexCare::run), diagnostics);
  config::Allowances allowances;
  config::Diagnostics of_comments;  // for `check`
  for (const rules::RuleSet::Source& source : files.sources)
    allowances.read(*source.document, of_comments);
  allowances.apply(diagnostics);
}

bool is_configuration(const config::YamlDocument& document) {
  const auto& rule_keys = config::rule_file_keys();
  bool has_rules = false;
  for (const config::Node::Entry& entry : document.root.entries) {
    const std::string& key = entry.key.text;
    for (const std::string_view known :
         {"listen", "packs", "targets", "state", "spool", "limits", "loki"}) {
      if (key == known) return true;
    }
    if (key == "rules" && (entry.value.is_sequence() || entry.value.is_scalar())) return true;
    has_rules = has_rules || std::find(rule_keys.begin(), rule_keys.end(), key) != rule_keys.end();
  }
  const std::string name = fs::path(document.file->name).filename().string();
  return !has_rules && (name == "logtally.yaml" || name == "logtally.yml");
}

}  // namespace logtally::cli
