// The command line: one table of options drives parsing, --help, --print-config and the
// environment's names, one table of verbs the first word. Parsing is a function of its arguments:
// the environment and the files that exist are passed in.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.h"

namespace logtally::config {

using Environment = std::map<std::string, std::string, std::less<>>;
using FileExists = std::function<bool(const std::string& path)>;

// `complete` and `reference` are hidden: completion scripts and the build call them.
enum class Verb : std::uint8_t {
  run,
  exec,
  check,
  test,
  explain,
  completion,
  help,
  version,
  complete,
  reference
};
// How `exec` hands over what its command writes to standard output and to standard error.
enum class Streams : std::uint8_t { merged, labelled };
enum class Colour : std::uint8_t { automatic, always, never };

// Wrong usage: exit 2. The text has no "error: " before it and may have several lines; for nothing
// to do it is the help.
struct UsageError {
  std::string text;
};

// Where a value came from, for --print-config.
struct Origin {
  enum class Kind : std::uint8_t { default_value, file, environment, flag };
  Kind kind = Kind::default_value;
  std::string detail;  // "logtally.yaml:7", "METRICS_PORT", "--listen"

  std::string text() const;  // "file logtally.yaml:7", "default"
};

// What NO_COLOR and its like ask for.
struct EnvironmentColour {
  Colour colour = Colour::automatic;
  std::string_view variable;  // static text
};

// What was typed and what the environment says; nothing is decided yet.
struct CommandLine {
  Verb verb = Verb::run;
  std::optional<std::string> config;  // the file to read, by -c, LOGTALLY_CONFIG or the lookup
  Origin config_origin;
  bool config_required =
      false;  // named by -c or LOGTALLY_CONFIG: it is a fault if it cannot be read
  std::vector<std::string> rules;
  std::vector<std::string> packs;
  std::optional<ListenAddress> listen;
  std::optional<std::uint16_t> metrics_port;  // METRICS_PORT: the port alone
  bool once = false;
  bool print_metrics = false;
  std::optional<bool> tee;
  bool from_stdin = false;  // --stdin or FILE `-`
  bool from_beginning = false;
  std::optional<std::int32_t> engine_pid;  // whose memory is shown
  Streams streams = Streams::merged;       // exec
  std::optional<std::string> state_dir;
  bool print_config = false;
  int verbosity = 0;  // -v counts up, -q down
  Colour colour = Colour::automatic;
  std::optional<EnvironmentColour> environment_colour;
  std::vector<std::string> files;  // arguments but `-`, in order: FILEs of run, check and test, the
                                   // LINE of explain, the shell of completion, the topic of help
                                   // (of `check --help`: "check"), the words of hidden verbs, the
                                   // command of exec with its arguments
  std::string format = "human";    // --format of check, test, explain; one of the verb's own
  bool strict = false;             // check: warnings are wrong too (exit 3)
  std::vector<std::string> samples;  // check: log files to try the rules on
  bool update = false;               // test: rewrite the expectations
  bool coverage = false;             // test: name what no test touches
  bool all = false;                  // explain: show rules that want another event too
  std::optional<std::string> file;   // explain: read the lines of this file
};

// `args` without the program's name.
std::variant<CommandLine, UsageError> parse_command_line(std::span<const std::string> args,
                                                         const Environment& environment,
                                                         const FileExists& exists);

// What `run` does, decided: flag > environment > file > default.
struct RunOptions {
  std::optional<std::string> config_file;
  ListenAddress listen;
  bool serve = true;                          // false: --once without --listen opens no port
  std::vector<std::string> packs = {"auto"};  // empty: none
  std::vector<std::string> rules;             // those of the file, then those of the flags
  std::vector<Target>
      targets;  // of the file; without FILE arguments and standard input these are read
  std::vector<std::string> files;
  bool from_stdin = false;
  bool once = false;
  bool print_metrics = false;
  bool tee = false;
  From from = From::end;  // of FILE arguments; --from-beginning overrides the targets' too, and so
                          // does --once
  Limits limits;
  Exposition exposition;
  StateSettings state;
  SpoolSettings spool;
  int verbosity = 0;
  Colour colour = Colour::automatic;
  bool print_config = false;
  std::map<std::string, Origin, std::less<>> origins;  // by the option's name in the table
};

RunOptions resolve(const CommandLine& line, const std::optional<Settings>& settings);

// --print-config: each value with its origin, one a line.
std::string print_config(const RunOptions& run);

// NO_COLOR wins over CLICOLOR_FORCE and FORCE_COLOR (which "0" and "false" do not set), these over
// TERM=dumb.
std::optional<EnvironmentColour> colour_of(const Environment& environment);

// Is coloured text wanted on a stream that is a terminal or not? A flag wins over the environment.
bool wants_colour(Colour colour, bool is_terminal, const Environment& environment);

}  // namespace logtally::config
