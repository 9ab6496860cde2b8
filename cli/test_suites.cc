#include "cli/test_suites.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "cli/rule_loading.h"
#include "config/packs.h"
#include "config/settings.h"
#include "config/yaml_document.h"

namespace logtally::cli {
namespace {

namespace fs = std::filesystem;

bool is_test_file(const std::string& path) {
  return path.ends_with("_test.yaml") || path.ends_with("_test.yml");
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// What the arguments or the configuration name.
struct Subject {
  RuleSources rules;
  std::vector<std::string> test_files;
  std::optional<config::Settings> settings;
};

void add_test_file(const std::string& path, Subject& subject) {
  std::vector<std::string>& files = subject.test_files;
  if (std::find(files.begin(), files.end(), path) == files.end()) files.push_back(path);
}

// The `*_test.yaml` that go with a rule file or a directory of them.
void add_tests_beside(const std::string& path, Subject& subject) {
  if (!is_directory(path)) {
    const fs::path file(path);
    const std::string beside =
        (file.parent_path() / (file.stem().string() + "_test" + file.extension().string()))
            .string();
    if (is_file(beside)) add_test_file(beside, subject);
    return;
  }
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!name.starts_with('.') && is_test_file(name)) found.push_back(at->path().string());
  }
  std::sort(found.begin(), found.end());
  for (const std::string& file : found) add_test_file(file, subject);
}

void read_configuration(const std::string& path, Subject& subject,
                        config::Diagnostics& diagnostics) {
  const auto file = config::read_source_file(path);
  if (!file) {
    diagnostics.add("E009", {}, file.error().text);
    return;
  }
  subject.rules.configuration = config::parse_yaml(*file, diagnostics);
  if (!subject.rules.configuration) return;
  subject.settings = config::load_settings(*subject.rules.configuration, diagnostics);
  add_tests_beside(path, subject);
}

bool is_configuration_file(const std::string& path) {
  const auto file = config::read_source_file(path);
  if (!file) return false;
  config::Diagnostics unheard;
  const auto document = config::parse_yaml(*file, unheard);
  return document != nullptr && is_configuration(*document);
}

Subject choose(const config::CommandLine& line, config::Diagnostics& diagnostics) {
  Subject subject;
  std::optional<std::string> configuration;
  if (line.files.empty() || line.config_required) configuration = line.config;
  std::vector<std::string> homes;  // directories of the tests that were named
  for (const std::string& argument : line.files) {
    std::string path = argument;
    const std::string inside = (fs::path(path) / "logtally.yaml").string();
    if (is_directory(path) && is_file(inside)) path = inside;
    if (is_test_file(path)) {
      add_test_file(path, subject);
      const std::string home = fs::path(path).parent_path().string();
      homes.push_back(home.empty() ? "." : home);
    } else if (!is_directory(path) && is_configuration_file(path)) {
      configuration = path;
    } else {
      subject.rules.paths.push_back(path);
      add_tests_beside(path, subject);
    }
  }
  if (subject.rules.paths.empty() && !configuration && line.rules.empty())
    subject.rules.paths = homes;  // a file twice named is read once
  if (configuration) read_configuration(*configuration, subject, diagnostics);
  const config::RunOptions options = config::resolve(line, subject.settings);
  for (const std::string& path : options.rules) {
    subject.rules.paths.push_back(path);
    add_tests_beside(path, subject);
  }
  // Rule files that are named are tested as they are; a configuration, or nothing, as `run` does.
  if (configuration || line.files.empty() || !line.packs.empty())
    subject.rules.packs = options.packs;
  return subject;
}

TestSuite user_suite(const Subject& subject, config::Diagnostics& diagnostics) {
  TestSuite suite;
  suite.name = "the rules";
  RuleFiles files = read_rule_files(subject.rules, diagnostics);
  suite.sources = std::move(files.sources);
  suite.rules = rules::RuleSet::compile(suite.sources, diagnostics);
  for (const rules::RuleSet::Source& source : suite.sources) {
    for (rules::RuleTest& test : rules::read_tests(source.document, suite.rules.get(), diagnostics))
      suite.tests.push_back(std::move(test));
  }
  for (const std::string& path : subject.test_files) {
    const auto file = config::read_source_file(path);
    if (!file) {
      diagnostics.add("E009", {}, file.error().text);
      continue;
    }
    const std::shared_ptr<const config::YamlDocument> document =
        config::parse_yaml(*file, diagnostics);
    if (document == nullptr) continue;
    for (rules::RuleTest& test : rules::read_test_file(document, suite.rules.get(), diagnostics))
      suite.tests.push_back(std::move(test));
  }
  return suite;
}

TestSuite pack_suite(std::vector<std::string> packs, config::Diagnostics& diagnostics) {
  TestSuite suite;
  suite.shipped = true;
  if (std::find(packs.begin(), packs.end(), "auto") != packs.end()) {
    packs.clear();
    for (const config::Pack& pack : config::shipped_packs()) packs.emplace_back(pack.name);
  }
  suite.name = packs.size() == 1 ? "pack" : "packs";
  suite.sources =
      read_rule_files({.packs = packs, .paths = {}, .configuration = {}}, diagnostics).sources;
  suite.rules = rules::RuleSet::compile(suite.sources, diagnostics);
  for (const std::string& name : packs) {
    const config::Pack* pack = config::find_pack(name);
    if (pack == nullptr) continue;  // read_rule_files() has told so
    suite.name += " " + name;
    for (const auto& file : config::pack_tests(*pack)) {
      const std::shared_ptr<const config::YamlDocument> document =
          config::parse_yaml(file, diagnostics);
      if (document == nullptr) continue;
      for (rules::RuleTest& test : rules::read_test_file(document, suite.rules.get(), diagnostics))
        suite.tests.push_back(std::move(test));
    }
  }
  return suite;
}

}  // namespace

std::vector<TestSuite> find_suites(const config::CommandLine& line,
                                   config::Diagnostics& diagnostics) {
  const Subject subject = choose(line, diagnostics);
  std::vector<TestSuite> suites;
  const bool has_packs = !subject.rules.packs.empty() && subject.rules.packs[0] != "none";
  if (subject.rules.configuration || !subject.rules.paths.empty() || !subject.test_files.empty())
    suites.push_back(user_suite(subject, diagnostics));
  if (has_packs) suites.push_back(pack_suite(subject.rules.packs, diagnostics));
  return suites;
}

}  // namespace logtally::cli
