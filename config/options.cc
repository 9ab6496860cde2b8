#include "config/options.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "config/option_table.h"
#include "config/packs.h"
#include "config/suggest.h"

namespace logtally::config {

namespace {

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

std::string listed(const Words& words) {
  std::string out;
  for (const std::string_view word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

// "`x` is none of a, b", with the nearest of them.
std::string none_of(const std::string& value, const Words& words) {
  const std::string near = suggest(value, std::span<const std::string_view>(words));
  return fmt::format("{} is none of {}{}", in_ticks(value), listed(words),
                     near.empty() ? "" : fmt::format("; did you mean `{}`?", near));
}

Words pack_words(Verb) {
  Words words = {"auto", "none"};
  for (const Pack& pack : shipped_packs()) words.push_back(pack.name);
  return words;
}

constexpr std::string_view kStreamWords[] = {"merged", "labelled"};
Words stream_words(Verb) { return {std::begin(kStreamWords), std::end(kStreamWords)}; }

Words colour_words(Verb) { return {"auto", "always", "never"}; }

Fault take_pack(CommandLine& line, const std::string& value) {
  const Words packs = pack_words(Verb::run);
  if (std::find(packs.begin(), packs.end(), value) == packs.end()) {
    const std::string near = suggest(value, std::span<const std::string_view>(packs));
    return fmt::format(
        "there is no pack {}{}", in_ticks(value),
        near.empty() ? " (" + listed(packs) + ")" : fmt::format("; did you mean `{}`?", near));
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
  line.state_dir = value;
  return {};
}

// The parser has set the verb before any flag is taken.
Fault take_format(CommandLine& line, const std::string& value) {
  const Words formats = formats_of(line.verb);
  if (std::find(formats.begin(), formats.end(), value) == formats.end())
    return none_of(value, formats);
  line.format = value;
  return {};
}

Fault take_streams(CommandLine& line, const std::string& value) {
  const auto found = std::find(std::begin(kStreamWords), std::end(kStreamWords), value);
  if (found == std::end(kStreamWords)) return none_of(value, stream_words(line.verb));
  line.streams = static_cast<Streams>(found - std::begin(kStreamWords));
  return {};
}

Fault take_engine_pid(CommandLine& line, const std::string& value) {
  std::int32_t pid = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), pid);
  if (error != std::errc() || end != value.data() + value.size() || pid <= 0)
    return fmt::format("{} is not the number of a process", in_ticks(value));
  line.engine_pid = pid;
  return {};
}

Fault take_colour(CommandLine& line, const std::string& value) {
  const Words words = colour_words(line.verb);
  const auto found = std::find(words.begin(), words.end(), value);
  if (found == words.end()) return none_of(value, words);
  line.colour = static_cast<Colour>(found - words.begin());
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

constexpr Verbs kPlain = kAnyVerb & ~kWithRules;  // verbs that only print

constexpr Sense kPackSenses[] = {
    {kCheck | kTest,
     "built-in rules to take: auto (all), none, aria, skillmeat; repeatable; where FILEs are "
     "named, "
     "none but these"},
};
constexpr Sense kFormatSenses[] = {
    {kCheck, "how findings are written: human, json, github"},
    {kTest, "how results are written: human, junit, tap"},
    {kExplain | kVersion, "human, or json for programs"},
};
constexpr Sense kStrictSenses[] = {
    {kCheck, "exit 3 when there are warnings only"},
    {kTest, "with --coverage: fail when a rule, action or metric is touched by no test"},
};
constexpr Sense kTeeSenses[] = {
    {kExec, "let the command's output go on to standard output and standard error too"},
};
constexpr Sense kVerboseSenses[] = {
    {kReading, "say which rules are loaded, and from where"},
    {kCheck, "show all findings, not the first 20"},
    {kTest, "name every test, those of the packs too"},
    {kExplain, "as --all"},
    {kPlain, ""},
};
constexpr Sense kQuietSenses[] = {
    {kReading, "say nothing but errors and the last line"},
    {kCheck, "show errors only, and no summary"},
    {kTest, "show failures only, and the count"},
    {kAnyVerb, ""},
};
constexpr Sense kColourSenses[] = {{kPlain, ""}};

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
     take_pack, [](const RunOptions& o) { return show_list(o.packs); }, kWithRules, pack_words,
     kPackSenses},
    {"listen", 0, "HOST:PORT", "METRICS_PORT", "listen", "127.0.0.1:8081",
     "address of /metrics; :PORT is all interfaces; METRICS_PORT changes the port alone",
     take_listen,
     [](const RunOptions& o) { return o.serve ? o.listen.text() : std::string("none"); }, kReading},
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
     [](const RunOptions& o) { return show_bool(o.tee); }, kReading, nullptr, kTeeSenses},
    {"no-tee", 0, "", "", "", "", "do not (undoes an earlier --tee)",
     [](CommandLine& l, const std::string&) -> Fault {
       l.tee = false;
       return {};
     },
     nullptr, kReading},
    {"streams", 0, "HOW", "", "", "merged",
     "standard output and standard error of the command: merged, or labelled (in rules: $_stream)",
     take_streams, nullptr, kExec, stream_words},
    {"stdin", 0, "", "", "", "false",
     "read standard input (so does FILE -, and a pipe when there is nothing else to read)",
     set<&CommandLine::from_stdin>, [](const RunOptions& o) { return show_bool(o.from_stdin); }},
    {"from-beginning", 0, "", "", "", "false",
     "read files that exist from their beginning, not from their end",
     set<&CommandLine::from_beginning>,
     [](const RunOptions& o) { return show_bool(o.from == From::beginning); }},
    {"state-dir", 0, "DIR", "", "state.dir", "auto, none with --once",
     "where positions and totals are kept: auto, none or a directory", take_state_dir,
     [](const RunOptions& o) { return o.state.dir; }, kReading},
    {"engine-pid", 0, "PID", "", "", "", "show this process' memory as aria_memory_rss_bytes",
     take_engine_pid, nullptr},
    {"print-config", 0, "", "", "", "", "print every value with its origin, and exit",
     set<&CommandLine::print_config>, nullptr, kReading},
    {"format", 0, "FORMAT", "", "", "human",
     "check: human, json, github; test: human, junit, tap; explain, version: human, json",
     take_format, nullptr, kCheck | kTest | kExplain | kVersion, formats_of, kFormatSenses},
    {"strict", 0, "", "", "", "",
     "check: exit 3 when there are warnings only; test: --coverage under 100 % fails",
     set<&CommandLine::strict>, nullptr, kCheck | kTest, nullptr, kStrictSenses},
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
    {"verbose", 'v', "", "", "", "", "say more",
     [](CommandLine& l, const std::string&) -> Fault {
       ++l.verbosity;
       return {};
     },
     nullptr, kAnyVerb, nullptr, kVerboseSenses},
    {"quiet", 'q', "", "", "", "", "say less",
     [](CommandLine& l, const std::string&) -> Fault {
       --l.verbosity;
       return {};
     },
     nullptr, kAnyVerb, nullptr, kQuietSenses},
    {"color", 0, "WHEN", "NO_COLOR", "", "auto", "auto (on terminals), always, never", take_colour,
     show_colour, kAnyVerb, colour_words, kColourSenses},
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
    {"exposition.created_timestamps", 0, "", "", "exposition.created_timestamps", "false", "",
     nullptr, [](const RunOptions& o) { return show_bool(o.exposition.created_timestamps); }},
    {"spool.max_bytes", 0, "", "", "spool.max_bytes", "1073741824", "", nullptr,
     [](const RunOptions& o) { return fmt::format("{}", o.spool.max_bytes); }},
    {"spool.when_full", 0, "", "", "spool.when_full", "drop_oldest, block with --once", "", nullptr,
     [](const RunOptions& o) {
       return std::string(o.spool.blocks.value_or(o.once) ? "block" : "drop_oldest");
     }},
    {"state.sync", 0, "", "", "state.sync", "full", "", nullptr,
     [](const RunOptions& o) { return std::string(o.state.sync_word()); }},
    {"state.on_corrupt", 0, "", "", "state.on_corrupt", "fail", "", nullptr,
     [](const RunOptions& o) { return std::string(o.state.on_corrupt_word()); }},
};

}  // namespace

std::string_view Option::help_for(Verb verb) const {
  for (const Sense& sense : senses) {
    if ((sense.verbs & only(verb)) != 0) return sense.help;
  }
  return help;
}

std::span<const Option> options() { return kOptions; }

Words formats_of(Verb verb) {
  switch (verb) {
    case Verb::check:
      return {"human", "json", "github"};
    case Verb::test:
      return {"human", "junit", "tap"};
    case Verb::explain:
    case Verb::version:
      return {"human", "json"};
    default:
      return {};
  }
}

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
    for (const auto& [key, line_number] : settings->lines) {
      if (key.starts_with("targets."))
        note(key, Origin::Kind::file, fmt::format("{}:{}", settings->file, line_number));
    }
    if (settings->listen) run.listen = *settings->listen;
    if (settings->packs) run.packs = *settings->packs;
    run.state = settings->state;
    run.spool = settings->spool;
    run.rules = settings->rules;
    run.targets = settings->targets;
    run.limits = settings->limits;
    run.exposition = settings->exposition;
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
  if (line.environment_colour) {
    run.colour = line.environment_colour->colour;
    note("color", Origin::Kind::environment, std::string(line.environment_colour->variable));
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
    run.state.dir = *line.state_dir;
    flag("state-dir");
  } else if (line.once) {
    run.state.dir = "none";
    note("state-dir", Origin::Kind::flag, "--once");
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
    const std::string by = line.from_beginning ? "--from-beginning" : "--once";
    note("from-beginning", Origin::Kind::flag, by);
    for (std::size_t i = 0; i < run.targets.size(); ++i) {
      run.targets[i].from = From::beginning;
      note(fmt::format("targets.{}.from", i), Origin::Kind::flag, by);
    }
  }
  run.serve = !line.once || line.listen.has_value();
  if (!run.serve) note("listen", Origin::Kind::flag, "--once");
  run.files = line.files;
  run.verbosity = line.verbosity;
  run.print_config = line.print_config;
  return run;
}

std::optional<EnvironmentColour> colour_of(const Environment& environment) {
  const auto value = [&](std::string_view name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string_view() : std::string_view(found->second);
  };
  if (!value("NO_COLOR").empty()) return EnvironmentColour{Colour::never, "NO_COLOR"};
  for (const std::string_view name : {"CLICOLOR_FORCE", "FORCE_COLOR"}) {
    const std::string_view forced = value(name);
    if (!forced.empty() && forced != "0" && forced != "false")
      return EnvironmentColour{Colour::always, name};
  }
  if (value("TERM") == "dumb") return EnvironmentColour{Colour::never, "TERM"};
  return {};
}

bool wants_colour(Colour colour, bool is_terminal, const Environment& environment) {
  if (colour == Colour::automatic) {
    if (const auto said = colour_of(environment)) colour = said->colour;
  }
  return colour == Colour::automatic ? is_terminal : colour == Colour::always;
}

}  // namespace logtally::config
