#include "config/options.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/suggest.h"

namespace logtally::config {

namespace {

using Fault = std::optional<std::string>;  // empty: all is well

// Sets of verbs, as bits.
using Verbs = unsigned;
constexpr Verbs only(Verb verb) { return 1U << static_cast<unsigned>(verb); }
constexpr Verbs kRun = only(Verb::run);
constexpr Verbs kCheck = only(Verb::check);
constexpr Verbs kTest = only(Verb::test);
constexpr Verbs kExplain = only(Verb::explain);
constexpr Verbs kWithRules = kRun | kCheck | kTest | kExplain;
constexpr Verbs kAnyVerb = ~0U;

// One option. A row with a flag is parsed, helped and, if it has a `show`, printed by
// --print-config; one without is set in the file only.
struct Option {
  std::string_view name;         // long, without the dashes; the key of RunOptions::origins
  char letter;                   // 0: none
  std::string_view value;        // what it takes, for people; empty: nothing
  std::string_view environment;  // empty: none
  std::string_view file_key;     // as in Settings::lines; empty: none
  std::string_view default_value;
  std::string_view help;
  Fault (*take)(CommandLine&, const std::string& value);
  std::string (*show)(const RunOptions&);
  Verbs verbs = kRun;
};

template <std::uint64_t Limits::*member>
std::string show_limit(const RunOptions& o) {
  return fmt::format("{}", o.limits.*member);
}

std::string show_bool(bool on) { return on ? "true" : "false"; }

std::string show_list(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& item : list) out += (out.empty() ? "" : ", ") + printable(item, 1000);
  return "[" + out + "]";
}

Fault take_listen(CommandLine& line, const std::string& value) {
  const auto address = parse_listen(value);
  if (!address) return address.error().text;
  line.listen = *address;
  return {};
}

Fault take_pack(CommandLine& line, const std::string& value) {
  static constexpr std::array<std::string_view, 4> kPacks = {"auto", "none", "aria", "skillmeat"};
  if (std::find(kPacks.begin(), kPacks.end(), value) == kPacks.end()) {
    const std::string near = suggest(value, kPacks);
    return fmt::format("there is no pack {}{}", in_ticks(value),
                       near.empty() ? " (auto, none, aria, skillmeat)"
                                    : fmt::format("; did you mean `{}`?", near));
  }
  const bool alone = value == "auto" || value == "none";
  const bool had_alone =
      !line.packs.empty() && (line.packs[0] == "auto" || line.packs[0] == "none");
  if (!line.packs.empty() && (alone || had_alone)) {
    return line.packs[0] == value ? Fault{} : Fault{"`auto` and `none` stand alone"};
  }
  line.packs.push_back(value);
  return {};
}

Fault take_state_dir(CommandLine& line, const std::string& value) {
  if (value != "none") {
    return fmt::format(
        "state in {} is not in this version yet: positions and totals will be kept there; only "
        "`none` is taken",
        in_ticks(value));
  }
  line.state_dir = value;
  return {};
}

// Which formats there are depends on the verb; who parses the line checks that.
Fault take_format(CommandLine& line, const std::string& value) {
  line.format = value;
  return {};
}

Fault take_colour(CommandLine& line, const std::string& value) {
  if (value == "auto") {
    line.colour = Colour::automatic;
  } else if (value == "always") {
    line.colour = Colour::always;
  } else if (value == "never") {
    line.colour = Colour::never;
  } else {
    return fmt::format("{} is none of auto, always, never", in_ticks(value));
  }
  return {};
}

std::string show_colour(const RunOptions& o) {
  return o.colour == Colour::always ? "always" : o.colour == Colour::never ? "never" : "auto";
}

template <bool CommandLine::*member>
Fault set(CommandLine& line, const std::string&) {
  line.*member = true;
  return {};
}

constexpr Option kOptions[] = {
    {"config", 'c', "FILE", "LOGTALLY_CONFIG", "", "",
     "configuration file (default: logtally.yaml here, in ~/.config/logtally, in /etc/logtally)",
     [](CommandLine& l, const std::string& v) -> Fault {
       l.config = v;
       return {};
     },
     [](const RunOptions& o) {
       return o.config_file ? printable(*o.config_file, 1000) : std::string("none");
     },
     kWithRules},
    {"rules", 0, "FILE|DIR", "", "rules", "[]",
     "rules to load besides those of the file; repeatable",
     [](CommandLine& l, const std::string& v) -> Fault {
       l.rules.push_back(v);
       return {};
     },
     [](const RunOptions& o) { return show_list(o.rules); }, kWithRules},
    {"pack", 0, "NAME", "", "packs", "[auto]", "auto (all), none, aria, skillmeat; repeatable",
     take_pack, [](const RunOptions& o) { return show_list(o.packs); }, kWithRules},
    {"listen", 0, "HOST:PORT", "METRICS_PORT", "listen", "127.0.0.1:8081",
     "address of /metrics; :PORT is all interfaces; METRICS_PORT changes the port alone",
     take_listen,
     [](const RunOptions& o) { return o.serve ? o.listen.text() : std::string("none"); }},
    {"once", 0, "", "", "", "false",
     "read everything to its end, print the summary, exit; opens no port without --listen",
     set<&CommandLine::once>, [](const RunOptions& o) { return show_bool(o.once); }},
    {"print-metrics", 0, "", "", "", "false", "with --once: print the metrics on standard output",
     set<&CommandLine::print_metrics>,
     [](const RunOptions& o) { return show_bool(o.print_metrics); }},
    {"tee", 0, "", "", "", "false", "copy every byte of standard input to standard output",
     [](CommandLine& l, const std::string&) -> Fault {
       l.tee = true;
       return {};
     },
     [](const RunOptions& o) { return show_bool(o.tee); }},
    {"no-tee", 0, "", "", "", "", "do not (undoes an earlier --tee)",
     [](CommandLine& l, const std::string&) -> Fault {
       l.tee = false;
       return {};
     },
     nullptr},
    {"stdin", 0, "", "", "", "false",
     "read standard input (so does FILE -, and a pipe when there is nothing else to read)",
     set<&CommandLine::from_stdin>, [](const RunOptions& o) { return show_bool(o.from_stdin); }},
    {"from-beginning", 0, "", "", "", "false",
     "read files that exist from their beginning, not from their end",
     set<&CommandLine::from_beginning>,
     [](const RunOptions& o) { return show_bool(o.from == From::beginning); }},
    {"state-dir", 0, "DIR", "", "state", "none",
     "where positions and totals are kept; only none in this version", take_state_dir,
     [](const RunOptions& o) { return o.state_dir; }},
    {"print-config", 0, "", "", "", "", "print every value with its origin, and exit",
     set<&CommandLine::print_config>, nullptr},
    {"format", 0, "FORMAT", "", "", "human",
     "check: human, json, github; test: human, junit, tap; explain: human, json", take_format,
     nullptr, kCheck | kTest | kExplain},
    {"strict", 0, "", "", "", "", "exit 3 when there are warnings only", set<&CommandLine::strict>,
     nullptr, kCheck},
    {"sample", 0, "FILE", "", "", "", "try the rules on the lines of this log; repeatable",
     [](CommandLine& l, const std::string& v) -> Fault {
       l.samples.push_back(v);
       return {};
     },
     nullptr, kCheck},
    {"update", 0, "", "", "", "", "write what came out into the expectations",
     set<&CommandLine::update>, nullptr, kTest},
    {"coverage", 0, "", "", "", "", "name the rules and metrics that no test touches",
     set<&CommandLine::coverage>, nullptr, kTest},
    {"all", 0, "", "", "", "", "show the rules that want something quite different too",
     set<&CommandLine::all>, nullptr, kExplain},
    {"file", 0, "FILE", "", "", "", "explain the lines of this file",
     [](CommandLine& l, const std::string& v) -> Fault {
       l.file = v;
       return {};
     },
     nullptr, kExplain},
    {"verbose", 'v', "", "", "", "", "say more; repeatable",
     [](CommandLine& l, const std::string&) -> Fault {
       ++l.verbosity;
       return {};
     },
     nullptr, kAnyVerb},
    {"quiet", 'q', "", "", "", "", "say less",
     [](CommandLine& l, const std::string&) -> Fault {
       --l.verbosity;
       return {};
     },
     nullptr, kAnyVerb},
    {"color", 0, "WHEN", "NO_COLOR", "", "auto", "auto, always, never", take_colour, show_colour,
     kAnyVerb},
    {"help", 'h', "", "", "", "", "print this help",
     [](CommandLine& l, const std::string&) -> Fault {
       l.verb = Verb::help;
       return {};
     },
     nullptr, kAnyVerb},
    {"version", 0, "", "", "", "", "print the version",
     [](CommandLine& l, const std::string&) -> Fault {
       l.verb = Verb::version;
       return {};
     },
     nullptr, kAnyVerb},
    {"limits.line_bytes", 0, "", "", "limits.line_bytes", "262144", "", nullptr,
     show_limit<&Limits::line_bytes>},
    {"limits.record_bytes", 0, "", "", "limits.record_bytes", "1048576", "", nullptr,
     show_limit<&Limits::record_bytes>},
    {"limits.record_lines", 0, "", "", "limits.record_lines", "1000", "", nullptr,
     show_limit<&Limits::record_lines>},
    {"limits.series", 0, "", "", "limits.series", "50000", "", nullptr,
     show_limit<&Limits::series>},
    {"limits.series_per_metric", 0, "", "", "limits.series_per_metric", "2000", "", nullptr,
     show_limit<&Limits::series_per_metric>},
};

struct VerbRow {
  std::string_view name;
  std::optional<Verb> verb;  // none: known, but not in this version yet
  std::string_view help;
};
constexpr VerbRow kVerbs[] = {
    {"run", Verb::run, "read logs, serve metrics (the default)"},
    {"check", Verb::check, "check configuration and rules"},
    {"test", Verb::test, "run the tests of rule files"},
    {"explain", Verb::explain, "show what one line does"},
    {"completion", Verb::completion, "print a shell's completion script: bash, zsh, fish"},
    {"help", Verb::help, "print this help; `help E012`: what a code means"},
    {"version", Verb::version, "print the version"},
    {"exec", {}, "run a command and read its output"},
    {"convert", {}, "convert another collector's configuration"},
    {"init", {}, "write a configuration to begin with"},
    {"unmatched", {}, "show lines that no rule matched"},
    {"schema", {}, "print the schema of the configuration"},
};

std::string_view verb_name(Verb verb) {
  for (const VerbRow& row : kVerbs) {
    if (row.verb == verb) return row.name;
  }
  return "run";
}

// The values of --format by verb.
std::span<const std::string_view> formats_of(Verb verb) {
  static constexpr std::array<std::string_view, 3> kOfCheck = {"human", "json", "github"};
  static constexpr std::array<std::string_view, 3> kOfTest = {"human", "junit", "tap"};
  static constexpr std::array<std::string_view, 2> kOfExplain = {"human", "json"};
  if (verb == Verb::check) return kOfCheck;
  if (verb == Verb::test) return kOfTest;
  return kOfExplain;
}

const Option* find_flag(std::string_view name) {
  for (const Option& option : kOptions) {
    if (option.take != nullptr && option.name == name) return &option;
  }
  return nullptr;
}

const Option* find_letter(char letter) {
  for (const Option& option : kOptions) {
    if (option.letter == letter) return &option;
  }
  return nullptr;
}

UsageError unknown_flag(std::string_view flag) {
  std::vector<std::string> flags;
  for (const Option& option : kOptions) {
    if (option.take != nullptr) flags.push_back(fmt::format("--{}", option.name));
  }
  const std::string near = suggest(flag, flags);
  return {fmt::format(
      "unknown flag {}{}", in_ticks(flag),
      near.empty() ? "; `logtally --help` lists all" : fmt::format("; did you mean `{}`?", near))};
}

std::string_view value_of(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string_view() : std::string_view(found->second);
}

// Goes over the arguments once.
class Parser {
 public:
  Parser(std::span<const std::string> args, const FileExists& exists)
      : args_(args), exists_(exists) {}

  std::optional<UsageError> parse(CommandLine& line) {
    std::size_t first = 0;
    if (!args_.empty() && is_word(args_[0])) {
      if (auto error = verb(line, first)) return error;
    }
    bool flags_over = false;
    for (at_ = first; at_ < args_.size(); ++at_) {
      const std::string& arg = args_[at_];
      std::optional<UsageError> error;
      if (!flags_over && arg == "--") {
        flags_over = true;
      } else if (!flags_over && arg.starts_with("--")) {
        error = long_flag(line, arg.substr(2));
      } else if (!flags_over && arg.starts_with('-') && arg.size() > 1) {
        error = letters(line, arg);
      } else {
        file(line, arg, flags_over);
      }
      if (error) return error;
    }
    return {};
  }

 private:
  // Could this be meant as a verb?
  static bool is_word(std::string_view arg) {
    return !arg.empty() && !arg.starts_with('-') &&
           arg.find_first_of("/.*?[") == std::string_view::npos;
  }

  std::optional<UsageError> verb(CommandLine& line, std::size_t& first) const {
    const std::string& word = args_[0];
    for (const VerbRow& row : kVerbs) {
      if (row.name != word) continue;
      if (!row.verb) return UsageError{fmt::format("`{}` is not in this version yet", row.name)};
      line.verb = *row.verb;
      first = 1;
      return {};
    }
    if (exists_(word)) return {};
    std::vector<std::string_view> names;
    for (const VerbRow& row : kVerbs) names.push_back(row.name);
    const std::string near = suggest(word, std::span<const std::string_view>(names));
    return UsageError{fmt::format("unknown command {}{}", in_ticks(word),
                                  near.empty()
                                      ? ", and no file of that name; `logtally --help` lists all"
                                      : fmt::format("; did you mean `{}`?", near))};
  }

  static void file(CommandLine& line, const std::string& arg, bool flags_over) {
    if (arg == "-" && !flags_over) {
      line.from_stdin = true;
    } else {
      line.files.push_back(arg);
    }
  }

  std::optional<UsageError> long_flag(CommandLine& line, const std::string& text) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const Option* option = find_flag(name);
    if (option == nullptr) return unknown_flag("--" + name);
    if ((option->verbs & only(line.verb)) == 0) return misplaced(line.verb, "--" + name);
    const std::string flag = "--" + name;
    if (equals == std::string::npos) return take(line, *option, flag, {});
    if (option->value.empty()) return UsageError{fmt::format("{} takes no value", flag)};
    return take(line, *option, flag, text.substr(equals + 1));
  }

  // -qv, -cFILE, -c FILE
  std::optional<UsageError> letters(CommandLine& line, const std::string& arg) {
    for (std::size_t i = 1; i < arg.size(); ++i) {
      const Option* option = find_letter(arg[i]);
      if (option == nullptr)
        return unknown_flag(i == 1 ? std::string_view(arg) : std::string_view(arg).substr(i));
      if ((option->verbs & only(line.verb)) == 0)
        return misplaced(line.verb, fmt::format("-{}", arg[i]));
      const bool has_rest = !option->value.empty() && i + 1 < arg.size();
      std::optional<std::string> value;
      if (has_rest) value = arg.substr(i + 1);
      if (auto error = take(line, *option, fmt::format("-{}", arg[i]), std::move(value)))
        return error;
      if (!option->value.empty()) break;
    }
    return {};
  }

  static UsageError misplaced(Verb verb, std::string_view flag) {
    return {fmt::format("{} is no flag of `{}`; `logtally {} --help` lists them", in_ticks(flag),
                        verb_name(verb), verb_name(verb))};
  }

  std::optional<UsageError> take(CommandLine& line, const Option& option, const std::string& flag,
                                 std::optional<std::string> value) {
    if (!option.value.empty() && !value) {
      const bool there_is =
          at_ + 1 < args_.size() && (!args_[at_ + 1].starts_with('-') || args_[at_ + 1] == "-");
      if (!there_is)
        return UsageError{fmt::format("{} needs a value: {} {}", flag, flag, option.value)};
      value = args_[++at_];
    }
    if (!option.value.empty() && value->empty())
      return UsageError{fmt::format("{} needs a value: {} {}", flag, flag, option.value)};
    const Fault fault = option.take(line, value.value_or(""));
    if (fault) return UsageError{fmt::format("{}: {}", flag, *fault)};
    return {};
  }

  std::span<const std::string> args_;
  const FileExists& exists_;
  std::size_t at_ = 0;
};

// -c > LOGTALLY_CONFIG > ./logtally.yaml > $XDG_CONFIG_HOME/logtally (or ~/.config/logtally) >
// /etc/logtally
void look_up_config(CommandLine& line, const Environment& environment, const FileExists& exists) {
  if (line.config) {
    line.config_origin = {Origin::Kind::flag, "--config"};
    line.config_required = true;
    return;
  }
  if (const auto named = value_of(environment, "LOGTALLY_CONFIG"); !named.empty()) {
    line.config = std::string(named);
    line.config_origin = {Origin::Kind::environment, "LOGTALLY_CONFIG"};
    line.config_required = true;
    return;
  }
  std::vector<std::string> places = {"logtally.yaml"};
  const std::string_view xdg = value_of(environment, "XDG_CONFIG_HOME");
  const std::string_view home = value_of(environment, "HOME");
  if (xdg.starts_with('/')) {
    places.push_back(fmt::format("{}/logtally/logtally.yaml", xdg));
  } else if (!home.empty()) {
    places.push_back(fmt::format("{}/.config/logtally/logtally.yaml", home));
  }
  places.push_back("/etc/logtally/logtally.yaml");
  const auto found = std::find_if(places.begin(), places.end(), exists);
  if (found != places.end()) line.config = *found;
}

}  // namespace

std::string Origin::text() const {
  switch (kind) {
    case Kind::flag:
      return "flag " + detail;
    case Kind::environment:
      return "environment " + detail;
    case Kind::file:
      return "file " + detail;
    case Kind::default_value:
      return "default";
  }
  return {};
}

std::variant<CommandLine, UsageError> parse_command_line(std::span<const std::string> args,
                                                         const Environment& environment,
                                                         const FileExists& exists) {
  CommandLine line;
  if (auto error = Parser(args, exists).parse(line)) return *error;
  line.no_colour = !value_of(environment, "NO_COLOR").empty();
  if (line.verb == Verb::help || line.verb == Verb::version || line.verb == Verb::completion)
    return line;
  if (line.verb != Verb::run) {
    const auto formats = formats_of(line.verb);
    if (std::find(formats.begin(), formats.end(), line.format) == formats.end()) {
      std::string all;
      for (const std::string_view format : formats)
        all += (all.empty() ? "" : ", ") + std::string(format);
      return UsageError{fmt::format("--format: {} is none of {}", in_ticks(line.format), all)};
    }
  }
  if (line.print_metrics && !line.once) return UsageError{"--print-metrics needs --once"};
  if (const auto port = value_of(environment, "METRICS_PORT"); !port.empty()) {
    const auto parsed = parse_port(port);
    if (!parsed) return UsageError{fmt::format("METRICS_PORT={}", parsed.error().text)};
    line.metrics_port = *parsed;
  }
  look_up_config(line, environment, exists);
  return line;
}

RunOptions resolve(const CommandLine& line, const std::optional<Settings>& settings) {
  RunOptions run;
  const auto note = [&](std::string_view name, Origin::Kind kind, std::string detail) {
    run.origins.insert_or_assign(std::string(name), Origin{kind, std::move(detail)});
  };
  const auto flag = [&](std::string_view name) {
    note(name, Origin::Kind::flag, fmt::format("--{}", name));
  };

  run.listen = {"127.0.0.1", 8081};
  if (settings) {
    for (const Option& option : kOptions) {
      const auto at = settings->lines.find(option.file_key);
      if (!option.file_key.empty() && at != settings->lines.end()) {
        note(option.name, Origin::Kind::file, fmt::format("{}:{}", settings->file, at->second));
      }
    }
    if (settings->listen) run.listen = *settings->listen;
    if (settings->packs) run.packs = *settings->packs;
    if (settings->state_dir) run.state_dir = *settings->state_dir;
    run.rules = settings->rules;
    run.targets = settings->targets;
    run.limits = settings->limits;
  }

  if (line.config) run.config_file = line.config;
  if (line.config && line.config_origin.kind != Origin::Kind::default_value)
    run.origins["config"] = line.config_origin;
  if (line.metrics_port) {
    run.listen.port = *line.metrics_port;
    note("listen", Origin::Kind::environment, "METRICS_PORT");
  }
  if (line.listen) {
    run.listen = *line.listen;
    flag("listen");
  }
  if (line.no_colour) {
    run.colour = Colour::never;
    note("color", Origin::Kind::environment, "NO_COLOR");
  }
  if (line.colour != Colour::automatic) {
    run.colour = line.colour;
    flag("color");
  }
  if (!line.packs.empty()) {
    run.packs = line.packs;
    if (run.packs[0] == "none") run.packs.clear();
    flag("pack");
  }
  if (!line.rules.empty()) {
    run.rules.insert(run.rules.end(), line.rules.begin(), line.rules.end());
    flag("rules");
  }
  if (line.state_dir) {
    run.state_dir = *line.state_dir;
    flag("state-dir");
  }
  if (line.tee) {
    run.tee = *line.tee;
    flag("tee");
  }
  const auto take_switch = [&](std::string_view name, bool given, bool& into) {
    into = given;
    if (given) flag(name);
  };
  take_switch("once", line.once, run.once);
  take_switch("print-metrics", line.print_metrics, run.print_metrics);
  take_switch("stdin", line.from_stdin, run.from_stdin);
  if (line.from_beginning || line.once) {
    run.from = From::beginning;
    for (Target& target : run.targets) target.from = From::beginning;
    note("from-beginning", Origin::Kind::flag, line.from_beginning ? "--from-beginning" : "--once");
  }
  run.serve = !line.once || line.listen.has_value();
  run.files = line.files;
  run.verbosity = line.verbosity;
  run.print_config = line.print_config;
  return run;
}

std::string print_config(const RunOptions& options) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Option& option : kOptions) {
    if (option.show == nullptr) continue;
    const auto origin = options.origins.find(option.name);
    rows.emplace_back(fmt::format("{}: {}", option.name, option.show(options)),
                      origin == options.origins.end() ? Origin{}.text() : origin->second.text());
  }
  for (const Target& target : options.targets) {
    const auto origin =
        options.config_file ? "file " + *options.config_file : std::string("default");
    rows.emplace_back(fmt::format("target {}: {}", printable(target.name), show_list(target.paths)),
                      origin);
  }
  if (!options.files.empty()) rows.emplace_back("files: " + show_list(options.files), "argument");
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, std::min<std::size_t>(row.first.size(), 48));
  std::string out;
  for (const auto& row : rows)
    out += fmt::format("{:{}}  # {}\n", row.first, width, printable(row.second, 1000));
  return out;
}

std::string help_text() {
  std::string out =
      "logtally: metrics from the logs that a program already writes\n\nusage: logtally [run] "
      "[FLAGS] [FILE…]      FILE - is standard input\n\ncommands:\n";
  for (const VerbRow& row : kVerbs) {
    if (row.verb) out += fmt::format("  {:<10} {}\n", row.name, row.help);
  }
  out += "\nflags of run:\n";
  for (const Option& option : kOptions) {
    if (option.take == nullptr) continue;
    const std::string letter = option.letter != 0 ? fmt::format("-{}, ", option.letter) : "    ";
    const std::string flag = fmt::format("{}--{}{}{}", letter, option.name,
                                         option.value.empty() ? "" : " ", option.value);
    std::string more;
    if (!option.value.empty() && !option.default_value.empty())
      more = fmt::format(" (default {})", option.default_value);
    if (!option.environment.empty()) more += fmt::format(" [{}]", option.environment);
    if ((option.verbs & kRun) == 0) continue;
    out += fmt::format("  {:<24} {}{}\n", flag, option.help, more);
  }
  out += "\nA flag wins over the environment [NAME], that over the file, that over the default.\n";
  return out;
}

bool wants_colour(Colour colour, bool is_terminal, const Environment& environment) {
  if (colour != Colour::automatic) return colour == Colour::always;
  if (!value_of(environment, "NO_COLOR").empty()) return false;
  return is_terminal && value_of(environment, "TERM") != "dumb";
}

}  // namespace logtally::config
