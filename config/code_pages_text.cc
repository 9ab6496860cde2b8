// E00x and E01x: the text of files, their keys and values.
#include "config/code_page_tables.h"

namespace logtally::config {

namespace {

constexpr CodePage kPages[] = {
    {"E001",
     "YAML is indented by blanks; how wide a tab is, nobody can know. Tabs inside a value do no "
     "harm.",
     "metrics:\n"
     "\tjobs_total: {type: counter, help: Jobs}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"},
    {"E002",
     "The text is not YAML at this place. Most often: a value that holds `: ` or begins with one "
     "of ! & * % @ [ { and needs quotes, a bracket that is never closed, or a line that is "
     "indented unlike its neighbours. What follows such a fault is not looked at, so it is "
     "reported alone.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs: all of them}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: 'Jobs: all of them'}\n"},
    {"E003",
     "A quote was opened and its partner is missing; the message points at the first one. Inside "
     "'single quotes' a quote is written twice: 'it''s'.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: 'Jobs}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: 'Jobs'}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n"},
    {"E004",
     "A key may stand once in a map, a label once in a list of labels. Of two, one would be "
     "lost in silence.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs, help: All jobs}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: All jobs}\n"},
    {"E005",
     "Anchors (&a), aliases (*a), merge keys (<<), tags (!x), directives (%YAML) and a second "
     "document are not taken: a file means what it says at the place where it says it. A text "
     "that begins with such a character stands in quotes.",
     "metrics:\n"
     "  jobs_total: &shared {type: counter, help: Jobs}\n"
     "  tasks_total: *shared\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "  tasks_total: {type: counter, help: Tasks}\n"},
    {"E006",
     "A file may have 256 KiB. A directory of rule files may have as many files as it likes: "
     "split by subject.",
     "rules: [everything.yaml]           # 300 KiB\n",
     "rules: [rules.d]                   # 10-requests.yaml, 20-llm.yaml, …\n", ExampleKind::told},
    {"E007",
     "The file is not UTF-8, or holds a NUL character. The message names the byte. An editor "
     "that saved it as Latin-1 is the usual cause: `iconv -f latin1 -t utf8 FILE`.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: \"Jobs\\0\"}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: \"Jobs\"}\n"},
    {"E008",
     "A file may be 32 levels deep and hold 50,000 values. Nothing that a person writes comes "
     "near that.",
     "rules: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
     "rules: {}\n"},
    {"E009",
     "The file or directory that is named could not be read; the message says why: it is not "
     "there, is a directory, or may not be read by this user. Relative paths in a file start at "
     "that file.",
     "rules: [rule.d]                    # the directory is rules.d\n", "rules: [rules.d]\n",
     ExampleKind::told},
    {"E010",
     "A text stands where a list or a map has to be, or the other way round. A map is `key: "
     "value` lines or { }, a list is `- item` lines or [ ].",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: {inc: jobs_total}}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n"},
    {"E011",
     "Something that is needed is not there: a metric has a `type` and a `help`, a rule a `do`, "
     "a format a `pattern`, a table a `key`, a target a `name` and a `path`.",
     "metrics:\n"
     "  jobs_total: {type: counter}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}\n"},
    {"E012",
     "Nothing here reads a key of that name. It is mostly a slip of the pen, and the message "
     "suggests what was meant; otherwise it lists the keys of this place.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs, lables: [status]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs, labels: [status]}\n"},
    {"E013",
     "The value is of the right kind but not one that this key takes; the label beside it says "
     "what would be.",
     "limits: {series: many}\n", "limits: {series: 20000}\n", ExampleKind::configuration},
    {"E014",
     "The key or value is part of the language, but this version cannot do it yet. It is "
     "refused, so that nobody believes it works.",
     "loki:\n"
     "  url: http://loki:3100\n",
     "listen: 127.0.0.1:8081\n", ExampleKind::configuration},
    {"E015",
     "An environment variable has a value that cannot be used. The message names the variable, "
     "and the exit code is 2.",
     "METRICS_PORT=abc logtally\n", "METRICS_PORT=9091 logtally\n", ExampleKind::told},
};

}  // namespace

std::span<const CodePage> text_code_pages() { return kPages; }

}  // namespace logtally::config
