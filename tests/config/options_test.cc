#include "config/options.h"

#include <set>

#include <catch2/catch.hpp>

#include "config/usage.h"

using namespace logtally::config;

namespace {

using Args = std::vector<std::string>;

struct World {
  Environment environment;
  std::set<std::string> files;

  std::variant<CommandLine, UsageError> parse(const Args& args) const {
    return parse_command_line(args, environment,
                              [this](const std::string& path) { return files.count(path) > 0; });
  }
  CommandLine good(const Args& args) const {
    auto parsed = parse(args);
    if (const auto* error = std::get_if<UsageError>(&parsed)) FAIL(error->text);
    return std::get<CommandLine>(std::move(parsed));
  }
  std::string bad(const Args& args) const {
    auto parsed = parse(args);
    const auto* error = std::get_if<UsageError>(&parsed);
    return error == nullptr ? "(no error)" : error->text;
  }
};

Settings settings_of(std::string text) {
  Diagnostics found;
  const auto document = parse_yaml(
      std::make_shared<const SourceFile>(SourceFile{"logtally.yaml", std::move(text)}), found);
  REQUIRE(document != nullptr);
  Settings settings = load_settings(*document, found);
  INFO(found.render());
  REQUIRE(found.all().empty());
  return settings;
}

}  // namespace

TEST_CASE("options: flags with their values in every form") {
  const World world;
  const CommandLine line = world.good({"run",
                                       "-c",
                                       "a.yaml",
                                       "--rules=r1",
                                       "--rules",
                                       "r2",
                                       "--pack",
                                       "aria",
                                       "--pack=skillmeat",
                                       "--listen",
                                       ":9000",
                                       "--once",
                                       "--print-metrics",
                                       "--tee",
                                       "--from-beginning",
                                       "--state-dir",
                                       "none",
                                       "--print-config",
                                       "-vvq",
                                       "--color=never",
                                       "x.log",
                                       "-",
                                       "--",
                                       "--y",
                                       "-"});
  CHECK(line.verb == Verb::run);
  CHECK(line.config == "a.yaml");
  CHECK(line.config_required);
  CHECK(line.rules == Args{"r1", "r2"});
  CHECK(line.packs == Args{"aria", "skillmeat"});
  CHECK(line.listen == ListenAddress{"", 9000});
  CHECK(line.once);
  CHECK(line.print_metrics);
  CHECK(line.tee == true);
  CHECK(line.from_beginning);
  CHECK(line.state_dir == "none");
  CHECK(line.print_config);
  CHECK(line.verbosity == 1);
  CHECK(line.colour == Colour::never);
  CHECK(line.from_stdin);
  CHECK(line.files == Args{"x.log", "--y", "-"});
  CHECK(world.good({"-ca.yaml"}).config == "a.yaml");
  CHECK(world.good({"--tee", "--no-tee"}).tee == false);
  CHECK_FALSE(world.good({}).tee.has_value());
}

TEST_CASE("options: verbs, files and what is neither") {
  World world;
  world.files = {"engine", "a.log"};
  CHECK(world.good({"help"}).verb == Verb::help);
  CHECK(world.good({"-h"}).verb == Verb::help);
  CHECK(world.good({"version"}).verb == Verb::version);
  CHECK(world.good({"run", "--version"}).verb == Verb::version);
  CHECK(world.good({"engine"}).files == Args{"engine"});
  CHECK(world.good({"missing.log"}).files == Args{"missing.log"});
  CHECK(world.good({"run", "word"}).files == Args{"word"});
  CHECK(world.good({"--", "check"}).files == Args{"check"});
}

TEST_CASE("options: behind the command of exec all words are its own") {
  const World world;
  const CommandLine dashes = world.good({"exec", "--tee", "--", "--x", "--once", "--", "-"});
  CHECK(dashes.verb == Verb::exec);
  CHECK(dashes.tee == true);
  CHECK(dashes.files == Args{"--x", "--once", "--", "-"});
  const CommandLine bare = world.good({"exec", "-q", "engine", "--help", "-v", "-"});
  CHECK(bare.files == Args{"engine", "--help", "-v", "-"});
  CHECK(bare.verbosity == -1);
  CHECK_FALSE(bare.from_stdin);
  CHECK(world.good({"exec", "--streams", "labelled", "e"}).streams == Streams::labelled);
  CHECK(world.good({"exec", "--help"}).verb == Verb::help);
  CHECK(world.good({"--engine-pid", "12"}).engine_pid == 12);
}

TEST_CASE("options: wrong usage says what to type") {
  const World world;
  struct Case {
    Args args;
    std::string want;
  };
  const Case cases[] = {
      {{"rnu"}, "unknown command `rnu`; did you mean `run`?"},
      {{"chekc"}, "unknown command `chekc`; did you mean `check`?"},
      {{"frobnicate"},
       "unknown command `frobnicate`, and no file of that name; `logtally --help` lists all"},
      {{"convret"}, "unknown command `convret`; did you mean `convert`?"},
      {{"completions"}, "unknown command `completions`; did you mean `completion`?"},
      {{"usage"}, "unknown command `usage`; did you mean `help`?"},
      {{"hlep"}, "unknown command `hlep`; did you mean `help`?"},
      {{"serve"}, "unknown command `serve`; did you mean `run`?"},
      {{"lnt"}, "unknown command `lnt`; did you mean `check --strict`?"},
      {{"validat"}, "unknown command `validat`; did you mean `check`?"},
      {{"compl"}, "unknown command `compl`; did you mean `completion`?"},
      {{"E012"}, "unknown command `E012`; did you mean `help E012`?"},
      {{"{\"event\":\"x\"}"},
       "unknown command `{\"event\":\"x\"}`; `logtally explain LINE` shows what a line does"},
      {{"exec"}, "exec needs a command: logtally exec -- COMMAND [ARGUMENT…]"},
      {{"exec", "--tee", "--"}, "exec needs a command: logtally exec -- COMMAND [ARGUMENT…]"},
      {{"exec", "--once", "x"},
       "`--once` is no flag of `exec`, but of `run`; `logtally exec --help` lists them"},
      {{"exec", "--streams", "labeled", "x"},
       "--streams: `labeled` is none of merged, labelled; did you mean `labelled`?"},
      {{"--engine-pid", "0"}, "--engine-pid: `0` is not the number of a process"},
      {{"--engine-pid", "12x"}, "--engine-pid: `12x` is not the number of a process"},
      {{"convert", "x"}, "`convert` is not in this version yet"},
      {{"--lisen", ":1"}, "unknown flag `--lisen`; did you mean `--listen`?"},
      {{"--ocne"}, "unknown flag `--ocne`; did you mean `--once`?"},
      {{"-x"}, "unknown flag `-x`; `logtally --help` lists all"},
      {{"check", "-x"}, "unknown flag `-x`; `logtally check --help` lists all"},
      {{"-?"}, "unknown flag `-?`; did you mean `--help`?"},
      {{"--strct"}, "unknown flag `--strct`; did you mean `--strict`, a flag of `check`, `test`?"},
      {{"run", "--strict"},
       "`--strict` is no flag of `run`, but of `check`, `test`; `logtally run --help` lists them"},
      {{"-config", "x.yaml"},
       "unknown flag `-config`; long flags begin with two dashes: `--config`"},
      {{"-listen=:1"}, "unknown flag `-listen`; long flags begin with two dashes: `--listen`"},
      {{"-help"}, "unknown flag `-help`; long flags begin with two dashes: `--help`"},
      {{"-config.file=p.yaml"},
       "unknown flag `-config.file`; the configuration file is `--config FILE`, and has a form of "
       "its own"},
      {{"--client.url", "http://x"},
       "unknown flag `--client.url`; shipping lines to Loki is not in this version yet"},
      {{"check", "--format", "jsn"},
       "--format: `jsn` is none of human, json, github; did you mean `json`?"},
      {{"test", "--format", "github"}, "--format: `github` is none of human, junit, tap"},
      {{"--listen"}, "--listen needs a value: --listen HOST:PORT"},
      {{"--listen", "--once"}, "--listen needs a value: --listen HOST:PORT"},
      {{"--listen="}, "--listen needs a value: --listen HOST:PORT"},
      {{"-c"}, "-c needs a value: -c FILE"},
      {{"--listen", "abc"}, "--listen: abc is not HOST:PORT or :PORT"},
      {{"--listen", ":99999"}, "--listen: 99999 is not a port (1–65535)"},
      {{"--once=yes"}, "--once takes no value"},
      {{"--pack", "arai"}, "--pack: there is no pack `arai`; did you mean `aria`?"},
      {{"--pack", "none", "--pack", "aria"}, "--pack: `auto` and `none` stand alone"},
      {{"--color", "blue"}, "--color: `blue` is none of auto, always, never"},
      {{"--color", "alwys"},
       "--color: `alwys` is none of auto, always, never; did you mean `always`?"},
      {{"--print-metrics"}, "--print-metrics needs --once"},
      {{"--state-dir", ""}, "--state-dir needs a value: --state-dir DIR"},
      {{"--\x1b"}, "unknown flag `--␛`; `logtally --help` lists all"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.args);
    CHECK(world.bad(c.args) == c.want);
  }
}

TEST_CASE("options: other tools' words for a verb work, and help is found from everywhere") {
  const World world;
  CHECK(world.good({"validate", "x.yaml"}).verb == Verb::check);
  CHECK_FALSE(world.good({"validate"}).strict);
  CHECK(world.good({"lint", "x.yaml"}).verb == Verb::check);
  CHECK(world.good({"lint", "x.yaml"}).strict);
  CHECK(world.good({"lint", "x.yaml"}).files == Args{"x.yaml"});
  World with_file;
  with_file.files = {"lint"};
  CHECK(with_file.good({"lint"}).files == Args{"lint"});

  CHECK(world.good({"--help"}).files.empty());
  CHECK(world.good({"check", "--help"}).files == Args{"check"});
  CHECK(world.good({"check", "x.yaml", "-h", "--bogus"}).files == Args{"check"});
  CHECK(world.good({"validate", "--help"}).files == Args{"check"});
  CHECK(world.good({"--help", "check"}).files == Args{"check"});
  CHECK(world.good({"help", "--help"}).files == Args{"help"});
  CHECK(world.good({"help", "E012"}).files == Args{"E012"});
  CHECK(world.good({"--version", "--format", "json"}).format == "json");
  CHECK(world.good({"-cx", "-vq"}).config == "x");
}

TEST_CASE("options: the environment's values are checked under their own name") {
  for (const char* port : {"abc", "0", "65536", "-1", "80 ", "8e3"}) {
    World world;
    world.environment["METRICS_PORT"] = port;
    CHECK(world.bad({}) == std::string("METRICS_PORT=") + port + " is not a port (1–65535)");
    CHECK(world.good({"--help"}).verb == Verb::help);
  }
  World world;
  world.environment = {{"METRICS_PORT", "9091"}, {"NO_COLOR", "1"}};
  const CommandLine line = world.good({});
  CHECK(line.metrics_port == 9091);
  REQUIRE(line.environment_colour);
  CHECK(line.environment_colour->variable == "NO_COLOR");
}

TEST_CASE("options: the configuration file is looked for in order") {
  World world;
  CHECK_FALSE(world.good({}).config);
  world.environment["HOME"] = "/h";
  world.files.insert("/etc/logtally/logtally.yaml");
  CHECK(world.good({}).config == "/etc/logtally/logtally.yaml");
  world.files.insert("/h/.config/logtally/logtally.yaml");
  CHECK(world.good({}).config == "/h/.config/logtally/logtally.yaml");
  world.files.insert("/x/logtally/logtally.yaml");
  world.environment["XDG_CONFIG_HOME"] = "/x";
  CHECK(world.good({}).config == "/x/logtally/logtally.yaml");
  world.files.insert("logtally.yaml");
  CHECK(world.good({}).config == "logtally.yaml");
  CHECK_FALSE(world.good({}).config_required);
  world.environment["LOGTALLY_CONFIG"] = "env.yaml";
  CHECK(world.good({}).config == "env.yaml");
  CHECK(world.good({}).config_required);
  CHECK(world.good({"-c", "flag.yaml"}).config == "flag.yaml");
}

TEST_CASE("options: flag over environment over file over default, each with its origin") {
  World world;
  const RunOptions bare = resolve(world.good({}), std::nullopt);
  CHECK(bare.listen == ListenAddress{"127.0.0.1", 8081});
  CHECK(bare.packs == Args{"auto"});
  CHECK(bare.serve);
  CHECK(bare.from == From::end);
  CHECK(bare.origins.empty());

  const Settings file = settings_of(
      "version: 1\nlisten: 0.0.0.0:7000\npacks: none\nrules: [a.yaml]\nlimits: {series: "
      "7}\ntargets: [{name: t, path: t.log}]\n");
  const RunOptions from_file = resolve(world.good({}), file);
  CHECK(from_file.listen == ListenAddress{"0.0.0.0", 7000});
  CHECK(from_file.origins.at("listen").text() == "file logtally.yaml:2");
  CHECK(from_file.packs.empty());
  CHECK(from_file.limits.series == 7);
  CHECK(from_file.origins.at("limits.series").text() == "file logtally.yaml:5");
  CHECK(from_file.origins.count("limits.line_bytes") == 0);
  CHECK(from_file.targets.size() == 1);

  world.environment["METRICS_PORT"] = "9091";
  const RunOptions env = resolve(world.good({}), file);
  CHECK(env.listen == ListenAddress{"0.0.0.0", 9091});
  CHECK(env.origins.at("listen").text() == "environment METRICS_PORT");

  const RunOptions flags = resolve(
      world.good({"--listen", ":1", "--pack", "aria", "--rules", "b.yaml", "--from-beginning"}),
      file);
  CHECK(flags.listen == ListenAddress{"", 1});
  CHECK(flags.origins.at("listen").text() == "flag --listen");
  CHECK(flags.packs == Args{"aria"});
  CHECK(flags.rules == Args{"a.yaml", "b.yaml"});
  CHECK(flags.from == From::beginning);
  CHECK(flags.targets[0].from == From::beginning);
  CHECK(resolve(world.good({"--pack", "none"}), std::nullopt).packs.empty());
}

TEST_CASE("options: --once opens a port only when told to") {
  World world;
  CHECK_FALSE(resolve(world.good({"--once"}), std::nullopt).serve);
  CHECK(resolve(world.good({"--once"}), std::nullopt).from == From::beginning);
  CHECK(resolve(world.good({"--once", "--listen", ":1"}), std::nullopt).serve);
  CHECK_FALSE(resolve(world.good({"--once"}), settings_of("listen: :1\n")).serve);
}

TEST_CASE("options: --print-config names the origin of each value") {
  World world;
  world.environment["METRICS_PORT"] = "9091";
  world.files = {"logtally.yaml"};
  const std::string text = print_config(
      resolve(world.good({"--tee"}), settings_of("version: 1\npacks: [aria]\nlimits: {series: 9}\n"
                                                 "exposition: {created_timestamps: true}\n")));
  const auto has = [&](const std::string& value, const std::string& origin) {
    const std::size_t at = text.find(value);
    if (at == std::string::npos) return false;
    return text.substr(at, text.find('\n', at) - at).ends_with("# " + origin);
  };
  INFO(text);
  CHECK(has("config: logtally.yaml", "default"));
  CHECK(has("listen: 127.0.0.1:9091", "environment METRICS_PORT"));
  CHECK(has("pack: [aria]", "file logtally.yaml:2"));
  CHECK(has("tee: true", "flag --tee"));
  CHECK(has("limits.series: 9", "file logtally.yaml:3"));
  CHECK(has("limits.record_lines: 1000", "default"));
  CHECK(has("exposition.created_timestamps: true", "file logtally.yaml:4"));
  CHECK(has("state-dir: auto", "default"));
  CHECK(has("state.sync: full", "default"));

  world.environment = {{"FORCE_COLOR", "1"}, {"LOGTALLY_CONFIG", "/x.yaml"}};
  const std::string more = print_config(resolve(
      world.good({"--once", "a.log"}),
      settings_of(
          "state: {dir: kept, on_corrupt: end}\ntargets:\n  - name: aria\n    path: /a/*.log\n    "
          "exclude: /a/b.log\n    wrapper: cri\n")));
  INFO(more);
  const auto line_of = [&](const std::string& value) {
    const std::size_t at = more.find(value + " ");
    return at == std::string::npos ? "" : more.substr(at, more.find('\n', at) - at);
  };
  CHECK(line_of("config: /x.yaml").ends_with("# environment LOGTALLY_CONFIG"));
  CHECK(line_of("color: always").ends_with("# environment FORCE_COLOR"));
  CHECK(line_of("state-dir: none").ends_with("# flag --once"));
  CHECK(line_of("state.on_corrupt: end").ends_with("# file logtally.yaml:1"));
  CHECK(line_of("targets.aria.path: [/a/*.log]").ends_with("# file logtally.yaml:4"));
  CHECK(line_of("targets.aria.exclude: [/a/b.log]").ends_with("# file logtally.yaml:5"));
  CHECK(line_of("targets.aria.wrapper: cri").ends_with("# file logtally.yaml:6"));
  CHECK(line_of("targets.aria.from: beginning").ends_with("# flag --once"));
  CHECK(line_of("files: [a.log]").ends_with("# argument"));
  CHECK(line_of("listen: none").ends_with("# flag --once"));
}

TEST_CASE("options: the help names every flag and every verb of this version") {
  const std::string help = help_text();
  for (const char* word : {"-c, --config FILE",
                           "--rules FILE|DIR",
                           "--pack NAME",
                           "--listen HOST:PORT",
                           "--once",
                           "--print-metrics",
                           "--tee",
                           "--no-tee",
                           "--stdin",
                           "--from-beginning",
                           "--state-dir DIR",
                           "--print-config",
                           "-v, --verbose",
                           "-q, --quiet",
                           "--color WHEN",
                           "-h, --help",
                           "--version",
                           "[METRICS_PORT]",
                           "  run ",
                           "  version "}) {
    CAPTURE(word);
    CHECK(help.find(word) != std::string::npos);
  }
  CHECK(help.find("limits") == std::string::npos);
}

TEST_CASE("options: colour on terminals, unless said otherwise") {
  CHECK(wants_colour(Colour::automatic, true, {}));
  CHECK_FALSE(wants_colour(Colour::automatic, false, {}));
  CHECK_FALSE(wants_colour(Colour::automatic, true, {{"NO_COLOR", "1"}}));
  CHECK_FALSE(wants_colour(Colour::automatic, true, {{"TERM", "dumb"}}));
  CHECK(wants_colour(Colour::always, false, {{"NO_COLOR", "1"}}));
  CHECK_FALSE(wants_colour(Colour::never, true, {}));

  // The flag over NO_COLOR, NO_COLOR over what forces, that over TERM, that over the terminal.
  for (const std::string no_color : {"", "1"}) {
    for (const std::string forced : {"", "0", "false", "1", "yes"}) {
      for (const std::string variable : {"CLICOLOR_FORCE", "FORCE_COLOR"}) {
        for (const std::string term : {"", "dumb", "xterm"}) {
          for (const bool terminal : {false, true}) {
            const Environment environment = {
                {"NO_COLOR", no_color}, {variable, forced}, {"TERM", term}};
            CAPTURE(no_color, variable, forced, term, terminal);
            const bool by_default = term == "dumb" ? false : terminal;
            const bool by_force = forced == "1" || forced == "yes" ? true : by_default;
            const bool wanted = no_color.empty() ? by_force : false;
            CHECK(wants_colour(Colour::automatic, terminal, environment) == wanted);
            CHECK(wants_colour(Colour::always, terminal, environment));
            CHECK_FALSE(wants_colour(Colour::never, terminal, environment));
          }
        }
      }
    }
  }
}
