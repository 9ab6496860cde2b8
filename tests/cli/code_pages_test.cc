// Every code has a page, and the examples of a page are what they claim to be.
#include "config/code_pages.h"

#include <set>

#include <catch2/catch.hpp>

#include "cli/rule_check.h"
#include "config/diagnostics.h"
#include "config/settings.h"
#include "config/usage.h"
#include "config/yaml_document.h"
#include "pipeline/rule_test_run.h"
#include "rules/rule_set.h"

using namespace logtally;
using namespace logtally::config;

namespace {

// What loading the example as its kind of file finds.
Diagnostics findings(std::string_view text, ExampleKind kind) {
  Diagnostics found;
  auto document = parse_yaml(
      std::make_shared<const SourceFile>(SourceFile{"example.yaml", std::string(text)}), found);
  if (document == nullptr) return found;
  if (kind == ExampleKind::configuration) {
    static_cast<void>(load_settings(*document, found));
    return found;
  }
  if (kind == ExampleKind::lint) {
    cli::CheckSubject subject;
    subject.name = "example";
    subject.rules.configuration = std::move(document);
    return cli::check_rules(subject, std::move(found)).diagnostics;
  }
  std::vector<rules::RuleSet::Source> sources;
  sources.push_back({.document = std::move(document), .configuration = false});
  const auto rules = rules::RuleSet::compile(sources, found);
  if (rules != nullptr) pipeline::run_own_tests({.rules = rules, .sources = sources}, found);
  return found;
}

std::set<std::string> codes_of(const Diagnostics& found) {
  std::set<std::string> codes;
  for (const Diagnostic& d : found.all()) codes.insert(d.code);
  return codes;
}

}  // namespace

TEST_CASE("code pages: every code has one, and no other") {
  std::set<std::string> codes, pages;
  for (const CodeRow& row : diagnostic_codes()) codes.emplace(row.code);
  for (const CodePage& page : code_pages()) {
    CAPTURE(page.code);
    CHECK(pages.emplace(page.code).second);
    CHECK_FALSE(page.meaning.empty());
    CHECK(page.wrong.ends_with('\n'));
    CHECK(page.right.ends_with('\n'));
  }
  std::string without;  // named together, for who added them
  for (const std::string& code : codes) without += pages.count(code) > 0 ? "" : code + " ";
  CHECK(without == "");
  for (const std::string& page : pages) {
    CAPTURE(page);
    CHECK(codes.count(page) == 1);
  }
}

TEST_CASE("code pages: the wrong example gives the code, the right one nothing") {
  for (const CodePage& page : code_pages()) {
    if (page.kind == ExampleKind::told) continue;
    CAPTURE(page.code);
    const Diagnostics wrong = findings(page.wrong, page.kind);
    INFO(wrong.render());
    CHECK(codes_of(wrong) == std::set<std::string>{std::string(page.code)});
    const Diagnostics right = findings(page.right, page.kind);
    INFO(right.render());
    CHECK(right.all().empty());
  }
}

TEST_CASE("code pages: what no example shows is what the program says") {
  Diagnostics large;
  const std::string text = "version: 1\n" + std::string(kMaxYamlBytes, '#') + "\n";
  CHECK(parse_yaml(std::make_shared<const SourceFile>(SourceFile{"large.yaml", text}), large) ==
        nullptr);
  CHECK(codes_of(large) == std::set<std::string>{"E006"});

  std::string many =
      "metrics: {c: {type: counter, help: h}}\nrules:\n  r:\n    do: [inc: c]\n    match:\n";
  for (int i = 0; i < 5'000; ++i) many += "      field_" + std::to_string(i) + ": 1\n";
  CHECK(codes_of(findings(many, ExampleKind::rule_file)) == std::set<std::string>{"E022"});
}

TEST_CASE("code pages: are found by code in either case") {
  REQUIRE(code_page("E012"));
  CHECK(code_page("E012")->starts_with("E012 (error): unknown key\n"));
  CHECK(code_page("e012") == code_page("E012"));
  CHECK(code_page("W203")->starts_with("W203 (warning): "));
  CHECK_FALSE(code_page("E999"));
  CHECK_FALSE(code_page(""));
  CHECK_FALSE(code_page("E0122"));
}

TEST_CASE("help: the rule file it shows loads, and every word it offers is answered") {
  const Diagnostics found = findings(example_rule_file(), ExampleKind::rule_file);
  INFO(found.render());
  CHECK(found.all().empty());
  for (const std::string& word : help_words()) {
    CAPTURE(word);
    const auto answer = help_on(word);
    const auto* text = std::get_if<std::string>(&answer);
    REQUIRE(text != nullptr);
    CHECK(text->size() > 100);
    CHECK(text->ends_with('\n'));
    CHECK_FALSE(text->ends_with("\n\n"));
  }
  const auto wrong = help_on("ruels");
  REQUIRE(std::holds_alternative<UsageError>(wrong));
  CHECK(std::get<UsageError>(wrong).text == "there is no help on `ruels`; did you mean `rules`?");
}
