// The words of the rule language as people look them up: functions, units, shapes of captures,
// fields, built-in redactions. `logtally help functions` and the tables of docs/rules.md are made
// from them; the tests hold them against the code that reads rules.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace logtally::config {

struct RuleWord {
  std::string_view name;     // "round"
  std::string_view form;     // as it is written: "round($a, 2)"
  std::string_view meaning;  // one line
};

struct RuleWords {
  std::string_view topic;  // of `help`: "functions"
  std::string_view title;  // in the list of topics
  std::string_view intro;  // paragraphs, each one line
  std::span<const RuleWord> words;
};

std::span<const RuleWords> rule_words();
const RuleWords* find_rule_words(std::string_view topic);

// `logtally help TOPIC`.
std::string rule_words_text(const RuleWords& words);

// The table of docs/rules.md, in markdown. None: there is no such topic.
std::optional<std::string> rule_words_table(std::string_view topic);

}  // namespace logtally::config
