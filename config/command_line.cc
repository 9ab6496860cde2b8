// Parsing of the command line: what was typed, checked against the tables, and what to type instead
// where it is wrong.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/diagnostics.h"
#include "config/option_table.h"
#include "config/suggest.h"

namespace logtally::config {

namespace {

const Option* find_flag(std::string_view name) {
  for (const Option& option : options()) {
    if (option.is_flag() && option.name == name) return &option;
  }
  return nullptr;
}

const Option* find_letter(char letter) {
  for (const Option& option : options()) {
    if (letter != 0 && option.letter == letter) return &option;
  }
  return nullptr;
}

// Flags of other collectors, and what does the same here. Written with one dash or two.
struct ForeignFlag {
  std::string_view name;
  std::string_view answer;
};
constexpr ForeignFlag kForeignFlags[] = {
    {"config.file", "the configuration file is `--config FILE`, and has a form of its own"},
    {"config.expand-env", "`${NAME}` in files is not in this version yet"},
    {"client.url", "shipping lines to Loki is not in this version yet"},
    {"dry-run", "`logtally run --once --print-metrics FILE` shows what the rules make of a log"},
    {"inspect", "`logtally explain LINE` shows what one line does"},
    {"check-syntax", "`logtally check` checks configuration and rules"},
    {"print-config-stderr", "`--print-config` prints every value with its origin"},
    {"log.level", "`-v` says more, `-q` less"},
    {"log-level", "`-v` says more, `-q` less"},
    {"server.http-listen-port", "`--listen :PORT`, or METRICS_PORT in the environment"},
    {"server.http-listen-address", "`--listen HOST:PORT`"},
    {"port", "`--listen :PORT`, or METRICS_PORT in the environment"},
    {"web.listen-address", "`--listen HOST:PORT`"},
    {"positions.file", "positions are not kept in this version yet"},
    {"deny-warnings", "`logtally check --strict`"},
    {"one_shot", "`--once`"},
    {"one-shot", "`--once`"},
    {"colour", "`--color`"},
    {"no-color", "`--color never`"},
    {"no-colour", "`--color never`"},
};

const ForeignFlag* find_foreign(std::string_view name) {
  for (const ForeignFlag& flag : kForeignFlags) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

std::string verbs_of(const Option& option) {
  std::string out;
  for (const VerbRow& row : verbs()) {
    if (row.verb && !row.hidden && option.belongs_to(*row.verb))
      out += fmt::format("{}`{}`", out.empty() ? "" : ", ", row.name);
  }
  return out;
}

// `flag` with its dashes.
UsageError unknown_flag(Verb verb, std::string_view flag) {
  std::vector<std::string> own, all;
  for (const Option& option : options()) {
    if (!option.is_flag()) continue;
    all.push_back(fmt::format("--{}", option.name));
    if (option.belongs_to(verb)) own.push_back(all.back());
  }
  std::string near = suggest(flag, own);
  if (!near.empty())
    return {fmt::format("unknown flag {}; did you mean `{}`?", in_ticks(flag), near)};
  near = suggest(flag, all);
  if (!near.empty())
    return {fmt::format("unknown flag {}; did you mean `{}`, a flag of {}?", in_ticks(flag), near,
                        verbs_of(*find_flag(near.substr(2))))};
  const bool is_run = verb == Verb::run;
  return {fmt::format("unknown flag {}; `logtally {}--help` lists all", in_ticks(flag),
                      is_run ? "" : fmt::format("{} ", verb_name(verb)))};
}

UsageError misplaced(Verb verb, std::string_view flag, const Option& option) {
  return {fmt::format("{} is no flag of `{}`, but of {}; `logtally {} --help` lists them",
                      in_ticks(flag), verb_name(verb), verbs_of(option), verb_name(verb))};
}

bool looks_like_code(std::string_view word) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return word.size() == 4 && std::string_view("EWew").find(word[0]) != std::string_view::npos &&
         std::all_of(word.begin() + 1, word.end(), is_digit);
}

// A first word that is neither verb nor file.
UsageError unknown_command(const std::string& word) {
  const std::string shown = fmt::format("unknown command {}", in_ticks(word));
  if (word.starts_with('{') || word.find(' ') != std::string::npos)
    return {shown + "; `logtally explain LINE` shows what a line does"};
  if (looks_like_code(word)) return {fmt::format("{}; did you mean `help {}`?", shown, word)};
  std::vector<std::string_view> names;
  for (const VerbRow& row : verbs()) {
    if (!row.hidden) names.push_back(row.name);
  }
  std::string near = suggest(word, std::span<const std::string_view>(names));
  if (near.empty()) {
    for (const Alias& alias : aliases()) {
      const std::string_view candidate[] = {alias.word};
      if (alias.word == word || !suggest(word, candidate).empty()) near = alias.meaning;
      if (!near.empty()) break;
    }
  }
  if (near.empty() && word.size() >= 2) {
    for (const std::string_view name : names) {
      if (!name.starts_with(word)) continue;
      near = near.empty() ? std::string(name) : "";
      if (near.empty()) break;  // it begins several
    }
  }
  return {near.empty() ? shown + ", and no file of that name; `logtally --help` lists all"
                       : fmt::format("{}; did you mean `{}`?", shown, near)};
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
    if (!args_.empty() && is_word(args_[0])) {
      if (auto error = verb(line)) return error;
    }
    if (row_of(line.verb).hidden) {
      line.files.assign(args_.begin() + 1, args_.end());
      return {};
    }
    const Verb typed = line.verb;
    bool flags_over = false;
    for (at_ = verb_was_typed_ ? 1 : 0; at_ < args_.size(); ++at_) {
      const std::string& arg = args_[at_];
      std::optional<UsageError> error;
      if (!flags_over && arg == "--") {
        flags_over = true;
      } else if (!flags_over && arg.starts_with("--")) {
        error = long_flag(line, arg.substr(2));
      } else if (!flags_over && arg.starts_with('-') && arg.size() > 1) {
        error = letters(line, arg);
      } else if (line.verb == Verb::exec) {  // the command, and all that is its own
        line.files.assign(args_.begin() + static_cast<std::ptrdiff_t>(at_), args_.end());
        return {};
      } else {
        file(line, arg, flags_over);
      }
      if (error) return error;
      if (help_asked_) {
        ask_for_help(line, typed);
        return {};
      }
    }
    return {};
  }

 private:
  // Could this be meant as a verb?
  static bool is_word(std::string_view arg) {
    return !arg.empty() && !arg.starts_with('-') &&
           arg.find_first_of("/.*?[") == std::string_view::npos;
  }

  std::optional<UsageError> verb(CommandLine& line) {
    const std::string& word = args_[0];
    for (const VerbRow& row : verbs()) {
      if (row.name != word) continue;
      if (!row.verb) return UsageError{fmt::format("`{}` is not in this version yet", row.name)};
      line.verb = *row.verb;
      verb_was_typed_ = true;
      return {};
    }
    if (exists_(word)) return {};
    for (const Alias& alias : aliases()) {
      if (!alias.taken || alias.word != word) continue;
      const std::size_t blank = alias.meaning.find(' ');
      for (const VerbRow& row : verbs()) {
        if (row.name == alias.meaning.substr(0, blank)) line.verb = *row.verb;
      }
      verb_was_typed_ = true;
      if (blank == std::string_view::npos) return {};
      return long_flag(line, std::string(alias.meaning.substr(blank + 3)));
    }
    return unknown_command(word);
  }

  // `--help` ends the reading: what else is wrong does not matter. `--help check` is `help check`.
  void ask_for_help(CommandLine& line, Verb typed) const {
    line.files.clear();
    if (verb_was_typed_) {
      line.files.emplace_back(verb_name(typed));
    } else if (at_ + 1 < args_.size() && is_word(args_[at_ + 1])) {
      line.files.push_back(args_[at_ + 1]);
    }
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
    const std::string flag = "--" + name;
    const Option* option = find_flag(name);
    if (option == nullptr) {
      if (const ForeignFlag* foreign = find_foreign(name))
        return UsageError{fmt::format("unknown flag {}; {}", in_ticks(flag), foreign->answer)};
      return unknown_flag(line.verb, flag);
    }
    if (!option->belongs_to(line.verb)) return misplaced(line.verb, flag, *option);
    if (equals == std::string::npos) return take(line, *option, flag, {});
    if (option->value.empty()) return UsageError{fmt::format("{} takes no value", flag)};
    return take(line, *option, flag, text.substr(equals + 1));
  }

  // -config FILE, as programs in Go write it: here these would be seven letters.
  static std::optional<UsageError> one_dash(const std::string& arg) {
    const std::string name = arg.substr(1, arg.find('=') - 1);
    if (name.size() < 2) return {};
    if (find_flag(name) != nullptr)
      return UsageError{fmt::format("unknown flag {}; long flags begin with two dashes: `--{}`",
                                    in_ticks("-" + name), name)};
    if (const ForeignFlag* foreign = find_foreign(name))
      return UsageError{fmt::format("unknown flag {}; {}", in_ticks("-" + name), foreign->answer)};
    return {};
  }

  // -qv, -cFILE, -c FILE
  std::optional<UsageError> letters(CommandLine& line, const std::string& arg) {
    if (auto error = one_dash(arg)) return error;
    for (std::size_t i = 1; i < arg.size(); ++i) {
      const Option* option = find_letter(arg[i]);
      if (option == nullptr) {
        if (arg[i] == '?') return UsageError{"unknown flag `-?`; did you mean `--help`?"};
        return unknown_flag(line.verb,
                            i == 1 ? std::string_view(arg) : std::string_view(arg).substr(i));
      }
      if (!option->belongs_to(line.verb))
        return misplaced(line.verb, fmt::format("-{}", arg[i]), *option);
      const bool has_rest = !option->value.empty() && i + 1 < arg.size();
      std::optional<std::string> value;
      if (has_rest) value = arg.substr(i + 1);
      if (auto error = take(line, *option, fmt::format("-{}", arg[i]), std::move(value)))
        return error;
      if (!option->value.empty()) break;
    }
    return {};
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
    if (!option.value.empty() && value.value_or("").empty())
      return UsageError{fmt::format("{} needs a value: {} {}", flag, flag, option.value)};
    const Fault fault = option.take(line, value.value_or(""));
    if (fault) return UsageError{fmt::format("{}: {}", flag, *fault)};
    help_asked_ = option.name == "help";
    return {};
  }

  std::span<const std::string> args_;
  const FileExists& exists_;
  std::size_t at_ = 0;
  bool verb_was_typed_ = false;
  bool help_asked_ = false;
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

std::variant<CommandLine, UsageError> parse_command_line(std::span<const std::string> args,
                                                         const Environment& environment,
                                                         const FileExists& exists) {
  CommandLine line;
  if (auto error = Parser(args, exists).parse(line)) return *error;
  line.environment_colour = colour_of(environment);
  const bool reads_rules = (kWithRules & only(line.verb)) != 0;
  if (!reads_rules) return line;
  if (line.verb == Verb::exec && line.files.empty() && !line.print_config)
    return UsageError{"exec needs a command: logtally exec -- COMMAND [ARGUMENT…]"};
  if (line.print_metrics && !line.once) return UsageError{"--print-metrics needs --once"};
  if (const auto port = value_of(environment, "METRICS_PORT"); !port.empty()) {
    const auto parsed = parse_port(port);
    if (!parsed) return UsageError{fmt::format("METRICS_PORT={}", parsed.error().text)};
    line.metrics_port = *parsed;
  }
  look_up_config(line, environment, exists);
  return line;
}

}  // namespace logtally::config
