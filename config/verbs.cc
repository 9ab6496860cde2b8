// What the verbs are for: the texts of `logtally help VERB`, of the manual page and of docs/cli.md.
#include "config/option_table.h"

namespace logtally::config {

namespace {

constexpr Example kRunExamples[] = {
    {"skillmeat-server 2>&1 | logtally", "metrics of what an engine prints, on :8081"},
    {"python -m aria_engine 2>&1 | METRICS_PORT=9091 logtally",
     "on another port, where 8081 is the engine's own"},
    {"engine 2>&1 | logtally --tee | tee engine.log", "the lines go on to the next program"},
    {"logtally run -c /etc/logtally/logtally.yaml",
     "a service: files, rules and port of that file"},
    {"logtally run --pack none --rules rules.d '/var/log/engine/*.log'",
     "own rules only, over files that are followed through rotation"},
    {"logtally run --once --print-metrics engine.log", "what a log comes to, printed, and out"},
    {"logtally run --print-config",
     "every value, and whether a flag, the environment or a file set it"},
};
constexpr Example kExecExamples[] = {
    {"logtally exec -- skillmeat-server", "metrics of what a command prints, on :8081"},
    {"logtally exec --tee -- python -m aria_engine",
     "its output is seen as before, and its exit status is ours"},
    {"logtally exec --streams labelled --rules rules.d -- ./engine --port 80",
     "rules can tell standard error: match: {_stream: stderr}"},
};
constexpr Example kCheckExamples[] = {
    {"logtally check", "the configuration that `run` would find, its rules and packs"},
    {"logtally check rules.d", "a directory of rule files"},
    {"logtally check --strict --format github rules.d", "in a build: warnings fail it too"},
    {"logtally check --sample engine.log rules.d", "also: which rules never match this log"},
};
constexpr Example kTestExamples[] = {
    {"logtally test rules.d", "all tests in and beside the rule files of a directory"},
    {"logtally test --coverage --pack aria", "what no test of a pack touches"},
    {"logtally test --update rules.d", "write what came out into the expectations"},
    {"logtally test --format junit rules.d", "a report for the build server"},
};
constexpr Example kExplainExamples[] = {
    {"logtally explain '{\"event\":\"llm_request\",\"model\":\"kimi\",\"status\":\"success\"}'",
     "one line"},
    {"tail -n 1 engine.log | logtally explain", "a line from a pipe"},
    {"logtally explain --file engine.log --format json", "every line of a file, for a program"},
    {"logtally explain --pack none --rules my.yaml 'Job 7 completed in 12ms'", "with own rules"},
};
constexpr Example kCompletionExamples[] = {
    {"source <(logtally completion bash)", "in ~/.bashrc"},
    {"logtally completion zsh > \"${fpath[1]}/_logtally\"", "zsh, once"},
    {"logtally completion fish > ~/.config/fish/completions/logtally.fish", "fish, once"},
};
constexpr Example kHelpExamples[] = {
    {"logtally help check", "a command: its flags, examples and exit codes"},
    {"logtally help E012", "what a code of a message means, with a wrong and a right example"},
    {"logtally help rules", "the rule file on one page"},
    {"logtally help pack aria", "the rules of a built-in pack, as they are loaded"},
    {"logtally help codes", "all codes"},
};
constexpr Example kVersionExamples[] = {
    {"logtally version", "the version, then compiler, libraries and features"},
    {"logtally --version --format json", "the same for a program"},
};

constexpr VerbRow kVerbs[] = {
    {"run", Verb::run, "read logs, serve metrics (the default)", "[run] [FLAGS] [FILE…]",
     "Reads lines from standard input, FILEs or the targets of the configuration file, counts by "
     "the rules, and serves the totals on /metrics.\n"
     "Standard input is read with FILE -, with --stdin, or when there is no FILE and no target in "
     "the file and it is a pipe or a file. FILE may be a glob in quotes. Without any "
     "logtally.yaml the built-in rules of all packs apply.\n"
     "The configuration file is the first of: --config, $LOGTALLY_CONFIG, ./logtally.yaml, "
     "$XDG_CONFIG_HOME/logtally/logtally.yaml (~/.config), /etc/logtally/logtally.yaml; the first "
     "line on standard error says which.\n"
     "Rules that change are loaded while it runs: by themselves, on SIGHUP, and on POST /-/reload "
     "from this machine; broken ones change nothing. `listen`, `targets`, `limits` and `state` "
     "wait "
     "for a restart.",
     kRunExamples,
     "0   end of input, or stopped by a signal, and everything counted\n"
     "1   a FILE of --once is missing, the port is in use\n"
     "2   wrong usage: an unknown flag, a bad value of a flag or of an environment variable\n"
     "78  the configuration or the rules are invalid\n",
     Arguments::logs},
    {"exec", Verb::exec, "run a command and read its output",
     "exec [FLAGS] [--] COMMAND [ARGUMENT…]",
     "Starts COMMAND and counts what it writes to standard output and standard error, as `run` "
     "counts a pipe; the targets of the configuration file are not read. What counts is a process "
     "of its own: should it crash, it is started again, while the pipe stays open and keeps what "
     "it holds. The command never notices.\n"
     "The command starts when everything is ready: with invalid rules or a port in use it is not "
     "started at all. Later it is held up at most while a full pipe waits to be read, and while "
     "--tee waits for a terminal that stands still.\n"
     "SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH and real-time signals go to the "
     "command; SIGHUP loads the rules anew. When the command has ended, all that it wrote is "
     "counted (for at most 5 s), then `exec` ends with its status.\n"
     "aria_memory_rss_bytes on /metrics is the command's resident memory.",
     kExecExamples,
     "N   the command's own; 128+N when signal N ended it\n"
     "1   the port is in use, nothing was started\n"
     "2   wrong usage, nothing was started\n"
     "78  the configuration or the rules are invalid, nothing was started\n"
     "126 the command cannot be executed\n"
     "127 the command was not found\n",
     Arguments::command},
    {"check", Verb::check, "check configuration and rules", "check [FLAGS] [FILE|DIR…]",
     "Reads the configuration and all rules as `run` would, and reports every problem with its "
     "place and what was probably meant; with FILEs or directories, those. Nothing is opened, "
     "bound or changed.\n"
     "Warnings are silenced in place by a comment: # logtally: allow W201.",
     kCheckExamples,
     "0   nothing wrong, or warnings only\n"
     "1   errors\n"
     "2   wrong usage: an unknown flag, a bad value of a flag or of an environment variable\n"
     "3   warnings only, and --strict\n",
     Arguments::rule_files},
    {"test", Verb::test, "run the tests of rule files", "test [FLAGS] [FILE|DIR…]",
     "Runs the `tests:` of rule files and of *_test.yaml files beside them: the lines of a test "
     "go through the very rules that `run` uses, and the metrics are compared with what is "
     "expected. Time is that of the lines.",
     kTestExamples,
     "0   all passed\n"
     "1   a test failed, or the rules are invalid\n"
     "2   wrong usage: an unknown flag, a bad value of a flag or of an environment variable\n",
     Arguments::rule_files},
    {"explain", Verb::explain, "show what one line does", "explain [FLAGS] [LINE…]",
     "Shows how a line is read, which rules it matches, why the others do not, and what every "
     "action does with which value. LINEs are arguments, or come from --file or standard input.",
     kExplainExamples,
     "0   explained, whatever the line does\n"
     "1   the rules are invalid, a file cannot be read\n"
     "2   wrong usage: an unknown flag, a bad value of a flag or of an environment variable\n",
     Arguments::line},
    {"completion", Verb::completion, "print a shell's completion script: bash, zsh, fish",
     "completion bash|zsh|fish",
     "Prints a script that makes the shell complete commands, flags, their values, files and the "
     "names of rules.",
     kCompletionExamples, "0   printed\n2   wrong usage\n", Arguments::shell},
    {"help", Verb::help, "print this help; `help E012`: what a code means",
     "help [COMMAND|CODE|TOPIC|pack NAME]",
     "Without an argument: commands and flags. Topics: rules, patterns, functions, fields, units, "
     "redaction, packs, config, environment, codes. `help pack NAME` prints the rule file of a "
     "built-in pack.",
     kHelpExamples, "0   printed\n2   there is no such topic\n", Arguments::topic},
    {"version", Verb::version, "print the version", "version [--format json]",
     "Prints what this binary is, and what it is made of.", kVersionExamples, "0   printed\n"},
    {"convert", {}, "convert another collector's configuration", "", "", {}, ""},
    {"init", {}, "write a configuration to begin with", "", "", {}, ""},
    {"unmatched", {}, "show lines that no rule matched", "", "", {}, ""},
    {"schema", {}, "print the schema of the configuration", "", "", {}, ""},
    {"__complete", Verb::complete, "", "", "", {}, "", Arguments::none, true},
    {"__reference", Verb::reference, "", "", "", {}, "", Arguments::none, true},
};

constexpr Alias kAliases[] = {
    {"validate", "check", true},
    {"lint", "check --strict", true},
    {"verify", "check", false},
    {"dry-run", "check", false},
    {"serve", "run", false},
    {"wrap", "exec", false},
    {"spawn", "exec", false},
    {"start", "run", false},
    {"daemon", "run", false},
    {"agent", "run", false},
    {"trace", "explain", false},
    {"why", "explain", false},
    {"completions", "completion", false},
    {"usage", "help", false},
    {"man", "help", false},
    {"helpme", "help", false},
    {"ver", "version", false},
};

constexpr Variable kVariables[] = {
    {"LOGTALLY_CONFIG", "the configuration file, where no --config is given"},
    {"METRICS_PORT", "the port of /metrics; the host stays as the file says"},
    {"NO_COLOR", "not empty: no colours, whatever the next two say"},
    {"CLICOLOR_FORCE", "not empty, 0 or false: colours even where there is no terminal"},
    {"FORCE_COLOR", "likewise"},
    {"TERM", "dumb: no colours"},
    {"XDG_CONFIG_HOME", "where logtally/logtally.yaml is looked for; without it ~/.config"},
    {"HOME", "~"},
};

}  // namespace

std::span<const VerbRow> verbs() { return kVerbs; }

const VerbRow& row_of(Verb verb) {
  for (const VerbRow& row : kVerbs) {
    if (row.verb == verb) return row;
  }
  return kVerbs[0];
}

std::span<const Alias> aliases() { return kAliases; }
std::span<const Variable> variables() { return kVariables; }

Words shells() { return {"bash", "zsh", "fish"}; }

}  // namespace logtally::config
