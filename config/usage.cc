#include "config/usage.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/code_pages.h"
#include "config/diagnostics.h"
#include "config/option_table.h"
#include "config/packs.h"
#include "config/rule_words.h"
#include "config/suggest.h"

namespace logtally::config {

namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kFlagColumn = 26;

std::size_t cells(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string flag_of(const Option& option) {
  const std::string letter = option.letter != 0 ? fmt::format("-{}, ", option.letter) : "    ";
  return fmt::format("{}--{}{}{}", letter, option.name, option.value.empty() ? "" : " ",
                     option.value);
}

std::string meaning_of(const Option& option, Verb verb) {
  std::string text(option.help_for(verb));
  if (!option.value.empty() && !option.default_value.empty() && option.default_value != "[]")
    text += fmt::format(" (default {})", option.default_value);
  if (!option.environment.empty()) text += fmt::format(" [{}]", option.environment);
  return text;
}

// "  left   right", the right side in a column of its own.
std::string row(std::string_view left, std::string_view right, std::size_t column) {
  std::string out = fmt::format("  {}", left);
  const std::size_t used = cells(out);
  if (used + 1 > column) {
    out += fmt::format("\n{:{}}", "", column);
  } else {
    out += std::string(column - used, ' ');
  }
  return out + wrapped(right, kWidth - column, column) + "\n";
}

std::string flags_of(Verb verb) {
  std::string out;
  for (const Option& option : options()) {
    if (option.listed_for(verb)) out += row(flag_of(option), meaning_of(option, verb), kFlagColumn);
  }
  return out;
}

constexpr std::string_view kPrecedence =
    "A flag wins over the environment [NAME], that over the file, that over the default.\n";

struct Topic {
  std::string_view name;
  std::string_view title;
  std::string (*text)();
};

constexpr std::string_view kExampleRules = R"(version: 1
metrics:                                        # what is exposed, declared once
  llm_requests_total: {type: counter, help: LLM calls, labels: [model, status]}
  llm_request_duration_seconds:
    {type: histogram, help: LLM call time, labels: [model], buckets: [0.1, 0.5, 1, 5, 30]}
  jobs_running: {type: gauge, help: Jobs at work, min: 0}
maps:                                           # called in expressions: outcome($success)
  outcome: {true: success, false: error}
rules:
  llm_request:
    match: {event: llm_request, level: {not: debug}}   # v, null, a list, {not, prefix, re, exists}
    if: $duration_ms >= 0                              # any expression
    let: {status: outcome($success) or "unknown"}      # more fields of this rule
    do:
      - inc: llm_requests_total                        # labels are the fields of the same name
      - {observe: llm_request_duration_seconds, value: $duration_ms, unit: ms}
  job_started:
    pattern: 'Job <job_id> started<_...>'              # on the message; captures are fields
    do: [inc: jobs_running]
tests:                                                 # run by `logtally test` and at every load
  - name: a call counts
    lines: '{"event":"llm_request","model":"kimi","success":true,"duration_ms":1500}'
    expect: |
      llm_requests_total{model="kimi",status="success"} 1
)";

std::string topic_rules() {
  std::string out =
      "A rule file: metrics that are exposed, and rules that say what a line does to them.\n\n";
  for (std::size_t at = 0; at < kExampleRules.size();) {
    const std::size_t end = kExampleRules.find('\n', at);
    out += fmt::format("    {}\n", kExampleRules.substr(at, end - at));
    at = end + 1;
  }
  out +=
      "\nActions: inc, dec, add, set, observe, delete, remember, take, store.\n"
      "Fields: $name, $a.b, $'odd key'; $time $level $logger $message are known by many names.\n"
      "Levels are folded: warn, WARN and WARNING are all warning, in the log and in a rule.\n"
      "Text values in quotes stay as they are; quote patterns and regexes always.\n"
      "Try it: `logtally check FILE`, `logtally test FILE`, `logtally explain --rules FILE "
      "LINE`.\n"
      "More: `logtally help` patterns, functions, fields, units, redaction; `logtally help pack "
      "aria` "
      "prints rules\nthat are at work in practice. The whole language is in docs/rules.md.\n";
  return out;
}

std::string topic_config() {
  std::string out =
      "logtally.yaml; the file is the first of --config, $LOGTALLY_CONFIG, ./logtally.yaml,\n"
      "$XDG_CONFIG_HOME/logtally/logtally.yaml (~/.config), /etc/logtally/logtally.yaml.\n"
      "Rules may stand in it too. Relative paths start at the file that names them.\n\n";
  for (const DescribedKey& key : describe_settings()) out += row(key.name, key.help, kFlagColumn);
  return out + "\n" + std::string(kPrecedence);
}

std::string topic_environment() {
  std::string out = "Environment variables\n\n";
  for (const Variable& variable : variables())
    out += row(variable.name, variable.help, kFlagColumn);
  return out + "\nAn empty variable is as none. " + std::string(kPrecedence);
}

std::string topic_packs() {
  std::string out =
      "The built-in packs: rule files for engines, in the language of all rule files. `packs: "
      "auto`, "
      "the default,\nloads all of them; --pack NAME some, --pack none none.\n\n";
  for (const Pack& pack : shipped_packs()) {
    const std::string_view text = pack.text.substr(pack.text.find("# ") + 2);
    out += row(pack.name, text.substr(0, text.find(',')), 16);
  }
  return out +
         "\n`logtally help pack NAME` prints one. To go without one of its rules, write into a "
         "rule "
         "file\n`rules: {NAME: false}`; to count otherwise, add a rule of another name, which may "
         "use "
         "the pack's\nmetrics, maps and tables. Names are unique over packs and files.\n";
}

std::string topic_codes() {
  std::string out = "Codes of messages; `logtally help CODE` shows one with an example.\n\n";
  for (const CodeRow& code : diagnostic_codes()) out += row(code.code, code.title, 8);
  return out;
}

constexpr Topic kTopics[] = {
    {"rules", "the rule file on one page", topic_rules},
    {"packs", "the built-in packs; `help pack NAME` prints one", topic_packs},
    {"config", "the keys of logtally.yaml", topic_config},
    {"environment", "the variables that are read", topic_environment},
    {"codes", "all codes of messages", topic_codes},
};

// In the order in which they are listed: behind the rule file the words of its language.
std::vector<std::pair<std::string_view, std::string_view>> topics() {
  std::vector<std::pair<std::string_view, std::string_view>> all;
  for (const Topic& topic : kTopics) {
    all.emplace_back(topic.name, topic.title);
    if (topic.name != "rules") continue;
    for (const RuleWords& words : rule_words()) all.emplace_back(words.topic, words.title);
  }
  return all;
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t used = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find(' ', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view word = text.substr(at, end - at);
    const std::size_t length = cells(word);
    if (used > 0 && used + 1 + length > width) {
      out += "\n" + std::string(indent, ' ');
      used = 0;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += length;
    at = end + 1;
  }
  return out;
}

std::string_view example_rule_file() { return kExampleRules; }

std::string help_text() {
  std::string out =
      "logtally: metrics from the logs that a program already writes\n\n"
      "usage: logtally [run] [FLAGS] [FILE…]      FILE - is standard input\n"
      "       engine 2>&1 | logtally\n\ncommands:\n";
  for (const VerbRow& verb : verbs()) {
    if (verb.verb && !verb.hidden) out += row(verb.name, verb.help, 16);
  }
  out += "\nflags of run (`logtally help COMMAND` has the others, and examples):\n";
  out += flags_of(Verb::run);
  out += "\ntopics of help:\n";
  for (const auto& [name, title] : topics()) out += row(name, title, 16);
  return out + "\n" + std::string(kPrecedence);
}

std::string help_text(Verb verb) {
  const VerbRow& page = row_of(verb);
  std::string out =
      fmt::format("logtally {}: {}\n\nusage: logtally {}\n", page.name, page.help, page.usage);
  for (std::size_t at = 0; at < page.about.size();) {
    const std::size_t end = std::min(page.about.find('\n', at), page.about.size());
    out += "\n" + wrapped(page.about.substr(at, end - at), kWidth, 0) + "\n";
    at = end + 1;
  }
  out += "\nexamples:\n";
  for (const Example& example : page.examples)
    out += fmt::format("  {}\n      {}\n", example.command, example.what);
  out += "\nflags:\n" + flags_of(verb);
  out += "\nexit codes:\n";
  for (std::size_t at = 0; at < page.exits.size();) {
    const std::size_t end = page.exits.find('\n', at);
    out += fmt::format("  {}\n", page.exits.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::variant<std::string, UsageError> help_on(std::string_view word) {
  for (const VerbRow& verb : verbs()) {
    if (verb.name != word || verb.hidden) continue;
    if (!verb.verb) return UsageError{fmt::format("`{}` is not in this version yet", verb.name)};
    return help_text(*verb.verb);
  }
  for (const Alias& alias : aliases()) {
    if (!alias.taken || alias.word != word) continue;
    return help_on(alias.meaning.substr(0, alias.meaning.find(' ')));
  }
  for (const Topic& topic : kTopics) {
    if (topic.name == word) return topic.text();
  }
  if (const RuleWords* words = find_rule_words(word)) return rule_words_text(*words);
  if (auto page = code_page(word)) return *page;
  const std::string near = suggest(word, help_words());
  return UsageError{fmt::format("there is no help on {}{}", in_ticks(word),
                                near.empty() ? "; `logtally help` lists commands and topics, "
                                               "`logtally help codes` the codes"
                                             : fmt::format("; did you mean `{}`?", near))};
}

std::vector<std::string> help_words() {
  std::vector<std::string> words;
  for (const VerbRow& verb : verbs()) {
    if (verb.verb && !verb.hidden) words.emplace_back(verb.name);
  }
  for (const auto& [name, title] : topics()) words.emplace_back(name);
  for (const CodeRow& code : diagnostic_codes()) words.emplace_back(code.code);
  return words;
}

}  // namespace logtally::config
