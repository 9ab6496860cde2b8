#include "cli/completion.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "cli/rule_loading.h"
#include "cli/run.h"
#include "config/option_table.h"
#include "config/settings.h"
#include "config/suggest.h"
#include "config/usage.h"

namespace logtally::cli {
namespace {

using config::Arguments;
using config::Option;
using config::VerbRow;
using config::Words;

// What a flag's value is completed with.
enum class Completes : std::uint8_t { nothing, words, files, directories, rules };

Completes completes(const Option& option) {
  if (option.words != nullptr) return Completes::words;
  if (option.value == "FILE" || option.value == "FILE|DIR") return Completes::files;
  if (option.value == "DIR") return Completes::directories;
  if (option.value == "RULE") return Completes::rules;
  return Completes::nothing;
}

template <class List>
std::string joined(const List& words, std::string_view between) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : std::string(between)) + std::string(word);
  return out;
}

std::vector<const VerbRow*> public_verbs() {
  std::vector<const VerbRow*> rows;
  for (const VerbRow& row : config::verbs()) {
    if (row.verb && !row.hidden) rows.push_back(&row);
  }
  return rows;
}

std::vector<const Option*> flags_of(const VerbRow& verb) {
  std::vector<const Option*> flags;
  for (const Option& option : config::options()) {
    if (option.listed_for(*verb.verb)) flags.push_back(&option);
  }
  return flags;
}

// Other names of a verb that work, for patterns of `case`: "check|validate|lint".
std::string names_of(const VerbRow& verb, std::string_view between) {
  std::string names(verb.name);
  for (const config::Alias& alias : config::aliases()) {
    if (alias.taken && alias.meaning.substr(0, alias.meaning.find(' ')) == verb.name)
      names += std::string(between) + std::string(alias.word);
  }
  return names;
}

// Bare words of a verb that can be listed.
std::string argument_words(const VerbRow& verb) {
  if (verb.arguments == Arguments::shell) return joined(config::shells(), " ");
  if (verb.arguments == Arguments::topic) return joined(config::help_words(), " ");
  return {};
}

bool takes_files(const VerbRow& verb) {
  return verb.arguments == Arguments::logs || verb.arguments == Arguments::rule_files;
}

// --- bash

std::string bash_value(const VerbRow& verb, const Option& option) {
  switch (completes(option)) {
    case Completes::words:
      return fmt::format("_logtally_words {}", joined(option.words(*verb.verb), " "));
    case Completes::files:
      return "_logtally_paths -f";
    case Completes::directories:
      return "_logtally_paths -d";
    case Completes::rules:
      return "_logtally_rules \"$1\"";
    case Completes::nothing:
      return "";
  }
  return "";
}

std::string bash_script() {
  std::string out =
      R"(# bash completion for logtally, from its table of flags: source <(logtally completion bash)

# Offers those of the arguments that begin like the word at the cursor; nothing is expanded.
_logtally_words() {
  local word
  for word in "$@"; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}

_logtally_paths() {
  compopt -o filenames 2>/dev/null
  local path
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$1" -- "$cur")
}

_logtally_rules() {
  local rule
  while IFS= read -r rule; do
    _logtally_words "$rule"
  done < <("$1" __complete rules "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
}

_logtally() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=run typed=no flags='' word
  COMPREPLY=()
  # --flag=value comes as three words
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = && COMP_CWORD -gt 2 ]]; then
    prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD > 1)); then
    case ${COMP_WORDS[1]} in
)";
  for (const VerbRow* verb : public_verbs())
    out += fmt::format("      {}) verb={} typed=yes ;;\n", names_of(*verb, "|"), verb->name);
  out += "    esac\n  fi\n  case $verb:$prev in\n";
  for (const VerbRow* verb : public_verbs()) {
    for (const Option* option : flags_of(*verb)) {
      if (option->value.empty()) continue;
      const std::string letter =
          option->letter != 0 ? fmt::format("{}:-{}|", verb->name, option->letter) : "";
      const std::string value = bash_value(*verb, *option);
      out += fmt::format("    {}{}:--{}) {}{}return ;;\n", letter, verb->name, option->name, value,
                         value.empty() ? "" : "; ");
    }
  }
  out += "  esac\n  case $verb in\n";
  for (const VerbRow* verb : public_verbs()) {
    std::string flags;
    for (const Option* option : flags_of(*verb)) {
      flags += fmt::format("{}--{}", flags.empty() ? "" : " ", option->name);
      if (option->letter != 0) flags += fmt::format(" -{}", option->letter);
    }
    out += fmt::format("    {}) flags='{}' ;;\n", verb->name, flags);
  }
  std::string names;
  for (const VerbRow* verb : public_verbs()) names += fmt::format(" {}", verb->name);
  out += fmt::format(R"(  esac
  if [[ $cur == -* ]]; then
    for word in $flags; do _logtally_words "$word"; done
    return
  fi
  if ((COMP_CWORD == 1)); then
    _logtally_words{}
    ((${{#COMPREPLY[@]}} > 0)) || _logtally_paths -f
    return
  fi
  case $verb in
)",
                     names);
  for (const VerbRow* verb : public_verbs()) {
    if (takes_files(*verb)) out += fmt::format("    {}) _logtally_paths -f ;;\n", verb->name);
    if (verb->arguments == Arguments::command)
      out += fmt::format("    {}) _logtally_paths -c; _logtally_paths -f ;;\n", verb->name);
    const std::string words = argument_words(*verb);
    if (!words.empty()) out += fmt::format("    {}) _logtally_words {} ;;\n", verb->name, words);
  }
  out += "  esac\n}\n\ncomplete -F _logtally logtally\n";
  return out;
}

// --- zsh

// Text inside '…[ ]:…' of _arguments and '…:…' of _describe.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == '[' || c == ']' || c == ':' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string zsh_value(const VerbRow& verb, const Option& option) {
  const std::string name = zsh_text(option.value);
  switch (completes(option)) {
    case Completes::words:
      return fmt::format(":{}:({})", name, joined(option.words(*verb.verb), " "));
    case Completes::files:
      return fmt::format(":{}:_files", name);
    case Completes::directories:
      return fmt::format(":{}:_files -/", name);
    case Completes::rules:
      return fmt::format(":{}:_logtally_rules", name);
    case Completes::nothing:
      return option.value.empty() ? "" : fmt::format(":{}: ", name);
  }
  return "";
}

bool repeats(const Option& option) {
  return option.help.find("repeatable") != std::string_view::npos;
}

std::string zsh_script() {
  std::string out =
      "#compdef logtally\n"
      "# zsh completion for logtally, from its table of flags: logtally completion zsh > "
      "\"${fpath[1]}/_logtally\"\n\n"
      "_logtally_rules() {\n"
      "  local -a rules\n"
      "  rules=(${(f)\"$($words[1] __complete rules ${(Q)words[2,CURRENT-1]} 2>/dev/null)\"})\n"
      "  compadd -a rules\n"
      "}\n\n"
      "_logtally() {\n"
      "  local verb=run\n"
      "  local -a verbs\n"
      "  verbs=(\n";
  for (const VerbRow* verb : public_verbs())
    out += fmt::format("    '{}:{}'\n", verb->name, zsh_text(verb->help));
  out +=
      "  )\n"
      "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
      "    _describe -t commands command verbs || _files\n"
      "    return\n"
      "  fi\n"
      "  case $words[2] in\n";
  for (const VerbRow* verb : public_verbs()) {
    out += fmt::format("    {}) verb={}; words=($words[1] $words[3,-1]); (( CURRENT-- )) ;;\n",
                       names_of(*verb, "|"), verb->name);
  }
  out += "  esac\n  case $verb in\n";
  for (const VerbRow* verb : public_verbs()) {
    out += fmt::format("    {})\n      _arguments -s -S", verb->name);
    for (const Option* option : flags_of(*verb)) {
      const std::string text = zsh_text(option->help_for(*verb->verb));
      const std::string value = zsh_value(*verb, *option);
      const std::string equals = option->value.empty() ? "" : "=";
      const std::string_view star = repeats(*option) ? "*" : "";
      if (option->letter != 0 && repeats(*option)) {
        out += fmt::format(" \\\n        '*-{}[{}]{}' '*--{}{}[{}]{}'", option->letter, text, value,
                           option->name, equals, text, value);
      } else if (option->letter != 0) {
        out += fmt::format(" \\\n        '(-{0} --{1})-{0}[{2}]{3}' '(-{0} --{1})--{1}{4}[{2}]{3}'",
                           option->letter, option->name, text, value, equals);
      } else {
        out +=
            fmt::format(" \\\n        '{}--{}{}[{}]{}'", star, option->name, equals, text, value);
      }
    }
    const std::string words = argument_words(*verb);
    if (takes_files(*verb)) out += " \\\n        '*:FILE:_files'";
    if (verb->arguments == Arguments::command)
      out += " \\\n        '(-)1:command:_command_names -e' '*::argument:_normal'";
    if (!words.empty()) out += fmt::format(" \\\n        '1:word:({})'", words);
    out += "\n      ;;\n";
  }
  out +=
      "  esac\n}\n\n"
      "if [[ $funcstack[1] == _logtally ]]; then\n  _logtally \"$@\"\nelse\n  compdef _logtally "
      "logtally\nfi\n";
  return out;
}

// --- fish

std::string fish_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_value(const VerbRow& verb, const Option& option) {
  switch (completes(option)) {
    case Completes::words:
      return fmt::format(" -x -a {}", fish_text(joined(option.words(*verb.verb), " ")));
    case Completes::files:
      return " -r -F";
    case Completes::directories:
      return " -x -a '(__fish_complete_directories)'";
    case Completes::rules:
      return " -x -a '(__logtally_rules)'";
    case Completes::nothing:
      return option.value.empty() ? "" : " -x";
  }
  return "";
}

std::string fish_script() {
  std::string names;
  for (const VerbRow* verb : public_verbs()) names += " " + names_of(*verb, " ");
  std::string out = fmt::format(
      "# fish completion for logtally, from its table of flags: logtally completion fish > "
      "~/.config/fish/completions/logtally.fish\n\n"
      "# The verb of the command line; `run` when there is none.\n"
      "function __logtally_verb\n"
      "  set -l words (commandline -opc)\n"
      "  if set -q words[2]; and contains -- $words[2]{0}\n"
      "    echo $words[2]\n"
      "  else\n"
      "    echo run\n"
      "  end\n"
      "end\n\n"
      "function __logtally_is\n"
      "  contains -- (__logtally_verb) $argv\n"
      "end\n\n"
      "function __logtally_first\n"
      "  test (count (commandline -opc)) -eq 1\n"
      "end\n\n"
      "function __logtally_rules\n"
      "  set -l words (commandline -opc)\n"
      "  $words[1] __complete rules $words[2..-1] 2>/dev/null\n"
      "end\n\n"
      "complete -c logtally -f\n",
      names);
  for (const VerbRow* verb : public_verbs())
    out += fmt::format("complete -c logtally -n __logtally_first -a {} -d {}\n", verb->name,
                       fish_text(verb->help));
  for (const VerbRow* verb : public_verbs()) {
    const std::string when = fmt::format("-n '__logtally_is {}'", names_of(*verb, " "));
    for (const Option* option : flags_of(*verb)) {
      const std::string letter = option->letter != 0 ? fmt::format(" -s {}", option->letter) : "";
      out += fmt::format("complete -c logtally {}{} -l {}{} -d {}\n", when, letter, option->name,
                         fish_value(*verb, *option), fish_text(option->help_for(*verb->verb)));
    }
    if (takes_files(*verb)) out += fmt::format("complete -c logtally {} -F\n", when);
    if (verb->arguments == Arguments::command)
      out += fmt::format("complete -c logtally {} -x -a '(__fish_complete_subcommand)'\n", when);
    const std::string words = argument_words(*verb);
    if (!words.empty())
      out += fmt::format("complete -c logtally {} -a {}\n", when, fish_text(words));
  }
  return out;
}

}  // namespace

int completion(const config::CommandLine& line) {
  const Words shells = config::shells();
  if (line.files.size() != 1) {
    std::fprintf(stderr, "error: completion for which shell? `logtally completion %s`\n",
                 joined(shells, "|").c_str());
    return kExitUsage;
  }
  const std::string& shell = line.files[0];
  if (shell == "bash") {
    std::fputs(bash_script().c_str(), stdout);
  } else if (shell == "zsh") {
    std::fputs(zsh_script().c_str(), stdout);
  } else if (shell == "fish") {
    std::fputs(fish_script().c_str(), stdout);
  } else {
    const std::string near = config::suggest(shell, std::span<const std::string_view>(shells));
    std::fprintf(stderr, "error: no completion for %s%s\n", config::in_ticks(shell).c_str(),
                 near.empty() ? (", only for " + joined(shells, ", ")).c_str()
                              : ("; did you mean `" + near + "`?").c_str());
    return kExitUsage;
  }
  return kExitSuccess;
}

int complete(const config::CommandLine& line, const config::Environment& environment) {
  if (line.files.empty() || line.files[0] != "rules") return kExitUsage;
  // The words behind the cursor are unfinished: a line that cannot be read is taken without flags.
  const auto exists = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
  std::vector<std::string> words(line.files.begin() + 1, line.files.end());
  auto parsed = config::parse_command_line(words, environment, exists);
  while (!words.empty() && std::holds_alternative<config::UsageError>(parsed)) {
    words.pop_back();
    parsed = config::parse_command_line(words, environment, exists);
  }
  if (std::holds_alternative<config::UsageError>(parsed)) return kExitSuccess;
  const auto& wanted = std::get<config::CommandLine>(parsed);

  config::Diagnostics ignored;
  std::shared_ptr<const config::YamlDocument> document;
  std::optional<config::Settings> settings;
  if (wanted.config) {
    if (auto file = config::read_source_file(*wanted.config))
      document = config::parse_yaml(*file, ignored);
    if (document) settings = config::load_settings(*document, ignored);
  }
  const config::RunOptions options = config::resolve(wanted, settings);
  const auto rules = load_rules(
      {.packs = options.packs, .paths = options.rules, .configuration = document}, ignored);
  if (rules == nullptr) return kExitSuccess;
  for (const rules::Rule& rule : rules->rules()) std::printf("%s\n", rule.name.c_str());
  return kExitSuccess;
}

}  // namespace logtally::cli
