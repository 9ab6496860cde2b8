// The tables of options, verbs and environment variables: the one place from which parsing, --help,
// --print-config, completion, the manual page and docs/cli.md come. A new flag is a row of
// options.cc, a new verb a row of verbs.cc; nothing else has to be told of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.h"

namespace logtally::config {

// Sets of verbs, as bits.
using Verbs = unsigned;
constexpr Verbs only(Verb verb) { return 1U << static_cast<unsigned>(verb); }
inline constexpr Verbs kRun = only(Verb::run);
inline constexpr Verbs kExec = only(Verb::exec);
inline constexpr Verbs kReading = kRun | kExec;
inline constexpr Verbs kCheck = only(Verb::check);
inline constexpr Verbs kTest = only(Verb::test);
inline constexpr Verbs kExplain = only(Verb::explain);
inline constexpr Verbs kVersion = only(Verb::version);
inline constexpr Verbs kWithRules = kReading | kCheck | kTest | kExplain;
inline constexpr Verbs kAnyVerb = ~0U;

using Fault = std::optional<std::string>;  // empty: all is well
using Words = std::vector<std::string_view>;

// What an option says in the help of some verbs, where that is not its `help`. Empty: it is taken
// there, as by every command, and changes nothing, so it is not listed.
struct Sense {
  Verbs verbs;
  std::string_view help;
};

// One option. A row with a flag is parsed, helped and, if it has a `show`, printed by
// --print-config; one without is set in the file only.
struct Option {
  std::string_view name;  // long, without the dashes; the key of RunOptions::origins
  char letter;            // 0: none
  // What it takes, for people and for completion: FILE, DIR and FILE|DIR are completed with
  // paths, RULE with the names of rules; empty: nothing.
  std::string_view value;
  std::string_view environment;  // empty: none
  std::string_view file_key;     // as in Settings::lines; empty: none
  std::string_view default_value;
  std::string_view help;
  Fault (*take)(CommandLine&, const std::string& value);
  std::string (*show)(const RunOptions&);
  Verbs verbs = kRun;
  Words (*words)(Verb) = nullptr;  // the values there are, where they can be listed
  std::span<const Sense> senses = {};

  bool is_flag() const { return take != nullptr; }
  bool belongs_to(Verb verb) const { return is_flag() && (verbs & only(verb)) != 0; }
  std::string_view help_for(Verb verb) const;
  // Does it change anything there? What does not is taken and not listed.
  bool listed_for(Verb verb) const { return belongs_to(verb) && !help_for(verb).empty(); }
};
std::span<const Option> options();

struct Example {
  std::string_view command;
  std::string_view what;
};

// What the bare words behind a verb are.
enum class Arguments : std::uint8_t { none, logs, rule_files, line, shell, topic, command };

struct VerbRow {
  std::string_view name;
  std::optional<Verb> verb;  // none: known, but not in this version yet
  std::string_view help;     // one line
  std::string_view usage;    // behind "logtally "
  std::string_view about;    // paragraphs, each one line of text
  std::span<const Example> examples;
  std::string_view exits;  // "0  what it means", one a line
  Arguments arguments = Arguments::none;
  bool hidden = false;  // not for people: completion and the build call it
};
std::span<const VerbRow> verbs();
const VerbRow& row_of(Verb verb);
inline std::string_view verb_name(Verb verb) { return row_of(verb).name; }

// A word that people type for a verb.
struct Alias {
  std::string_view word;
  std::string_view meaning;  // "check", "check --strict"
  bool taken;  // works as typed; otherwise the word is only answered with what to type
};
std::span<const Alias> aliases();

// An environment variable that is read.
struct Variable {
  std::string_view name;
  std::string_view help;
};
std::span<const Variable> variables();

// The values of --format by verb; none for a verb without that flag.
Words formats_of(Verb verb);

// Shells that `completion` knows.
Words shells();

}  // namespace logtally::config
