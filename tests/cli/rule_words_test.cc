// What `help functions` and the tables of docs/rules.md say is what the code reads.
#include "config/rule_words.h"

#include <set>

#include <catch2/catch.hpp>

#include "config/yaml_document.h"
#include "rules/durations.h"
#include "rules/rule_set.h"
#include "rules/secret_shapes.h"

namespace logtally::cli {
namespace {

using config::RuleWord;
using config::RuleWords;

config::Diagnostics compiled(const std::string& text) {
  config::Diagnostics found;
  std::vector<rules::RuleSet::Source> sources;
  sources.push_back(
      {.document = config::parse_yaml(std::make_shared<const config::SourceFile>(
                                          config::SourceFile{.name = "words.yaml", .text = text}),
                                      found),
       .configuration = false});
  if (sources[0].document != nullptr) rules::RuleSet::compile(sources, found);
  return found;
}

const RuleWords& words(std::string_view topic) {
  const RuleWords* found = config::find_rule_words(topic);
  REQUIRE(found != nullptr);
  return *found;
}

std::string rule(const std::string& value) {
  return "metrics: {a_total: {type: counter, help: h}}\ntables: {t: {key: $k}}\n"
         "rules:\n  r:\n    do:\n      - take: t\n      - {add: a_total, value: '" +
         value + "'}\n";
}

}  // namespace

TEST_CASE(
    "rule words: every function and field is taken as it is shown, and no function is left out") {
  for (const RuleWord& word : words("functions").words) {
    const config::Diagnostics found = compiled(rule(std::string(word.form)));
    INFO(found.render());
    CHECK(found.all().empty());
  }
  // An unknown one is answered with all there are.
  const config::Diagnostics unknown = compiled(rule("zzzzzzzzzz($a)"));
  REQUIRE(unknown.errors() == 1);
  std::string names = "there are: ";
  for (const RuleWord& word : words("functions").words)
    names += std::string(word.name) + (&word == &words("functions").words.back() ? "" : ", ");
  REQUIRE(unknown.all()[0].helps.size() == 1);
  CHECK(unknown.all()[0].helps[0] == names + ", t");
  for (const RuleWord& word : words("fields").words) {
    if (word.form.find('\'') != std::string_view::npos) continue;  // quoted once more here
    const config::Diagnostics found = compiled(rule(std::string(word.form)));
    INFO(found.render());
    CHECK(found.all().empty());
  }
}

TEST_CASE("rule words: units are those that are known") {
  for (const RuleWord& word : words("units").words) {
    CAPTURE(word.name);
    CHECK((word.name == "auto" || rules::find_unit(word.name).has_value()));
  }
}

TEST_CASE("rule words: the built-in redactions are all there are, in their order") {
  std::vector<std::string_view> there;
  for (const rules::SecretShape& shape : rules::secret_shapes()) there.push_back(shape.name);
  std::vector<std::string_view> told;
  for (const RuleWord& word : words("redaction").words) told.push_back(word.name);
  CHECK(std::set(told.begin(), told.end()) == std::set(there.begin(), there.end()));
}

TEST_CASE("rule words: patterns are taken as they are shown") {
  for (const RuleWord& word : words("patterns").words) {
    const std::string pattern(word.form);
    const bool of_format = word.meaning.starts_with("formats:");
    const config::Diagnostics found =
        compiled(of_format ? "formats: {f: {pattern: " + pattern + "}}\n"
                           : "metrics: {a_total: {type: counter, help: h}}\nrules: {r: {pattern: " +
                                 pattern + ", do: [inc: a_total]}}\n");
    INFO(found.render());
    CHECK(found.all().empty());
  }
}

}  // namespace logtally::cli
