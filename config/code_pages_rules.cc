// E02x, E03x and E04x: expressions, names, patterns.
#include "config/code_page_tables.h"

namespace logtally::config {

namespace {

constexpr CodePage kPages[] = {
    {"E020",
     "A value with a $ in it is an expression, and this one cannot be read: an operator or a "
     "value is missing, a bracket is not closed, or a sign is none. Equality is ==, and the "
     "words are `and`, `or`, `not`.",
     "metrics:\n"
     "  slow_total: {type: counter, help: Slow calls}\n"
     "rules:\n"
     "  slow: {if: $ms > 100 && $ok, do: [inc: slow_total]}\n",
     "metrics:\n"
     "  slow_total: {type: counter, help: Slow calls}\n"
     "rules:\n"
     "  slow: {if: $ms > 100 and $ok, do: [inc: slow_total]}\n"},
    {"E021",
     "Text in an expression stands in \"…\" or '…' and has no escapes; this one has no end. In "
     "YAML, put the whole expression into the other kind of quotes.",
     "metrics:\n"
     "  errors_total: {type: counter, help: Errors}\n"
     "rules:\n"
     "  failed: {if: '$status == \"error', do: [inc: errors_total]}\n",
     "metrics:\n"
     "  errors_total: {type: counter, help: Errors}\n"
     "rules:\n"
     "  failed: {if: '$status == \"error\"', do: [inc: errors_total]}\n"},
    {"E022",
     "All rules, formats and labels together may ask for 4,000 different fields. "
     "Rules that count every key of a log one by one want labels instead.",
     "rules:\n"
     "  a: {match: {field_1: 1}, do: [inc: c]}\n"
     "  b: {match: {field_2: 1}, do: [inc: c]}\n"
     "  …                                # and so on for thousands\n",
     "rules:\n"
     "  all: {match: {event: changed}, do: [{inc: c, labels: {field: $field}}]}\n",
     ExampleKind::told},
    {"E023",
     "A bare word in an expression is neither a field nor a text, or an `if` names no field at "
     "all. A field has a $, a text has quotes.",
     "metrics:\n"
     "  errors_total: {type: counter, help: Errors}\n"
     "rules:\n"
     "  failed: {if: $status == error, do: [inc: errors_total]}\n",
     "metrics:\n"
     "  errors_total: {type: counter, help: Errors}\n"
     "rules:\n"
     "  failed: {if: '$status == \"error\"', do: [inc: errors_total]}\n"},
    {"E024",
     "A function, a map or a table was called with more or fewer values than it takes. Maps take "
     "one; a table takes as many as its key has.",
     "metrics:\n"
     "  size_bytes: {type: gauge, help: Size}\n"
     "rules:\n"
     "  size: {do: [{set: size_bytes, value: 'max($bytes)'}]}\n",
     "metrics:\n"
     "  size_bytes: {type: gauge, help: Size}\n"
     "rules:\n"
     "  size: {do: [{set: size_bytes, value: 'max($bytes, 0)'}]}\n"},
    {"E025",
     "The name that is called is neither a function, nor a map or table of these files. "
     "Functions: len lower upper trim replace num round min max.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [status]}\n"
     "maps:\n"
     "  outcome: {true: success, false: error}\n"
     "rules:\n"
     "  call: {do: [{inc: calls_total, labels: {status: outcom($ok)}}]}\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [status]}\n"
     "maps:\n"
     "  outcome: {true: success, false: error}\n"
     "rules:\n"
     "  call: {do: [{inc: calls_total, labels: {status: outcome($ok)}}]}\n"},
    {"E026",
     "The table has no column of that name. Its columns are those of `columns`, and hold what "
     "the remembered line said.",
     "metrics:\n"
     "  turns_total: {type: counter, help: Turns, labels: [model]}\n"
     "tables:\n"
     "  session: {key: $session, columns: [model], ttl: 1h, max: 1000}\n"
     "rules:\n"
     "  begin: {match: {event: begin}, do: [remember: session]}\n"
     "  turn:\n"
     "    match: {event: turn}\n"
     "    do: [{inc: turns_total, labels: {model: session($session).modell}}]\n",
     "metrics:\n"
     "  turns_total: {type: counter, help: Turns, labels: [model]}\n"
     "tables:\n"
     "  session: {key: $session, columns: [model], ttl: 1h, max: 1000}\n"
     "rules:\n"
     "  begin: {match: {event: begin}, do: [remember: session]}\n"
     "  turn:\n"
     "    match: {event: turn}\n"
     "    do: [{inc: turns_total, labels: {model: session($session).model}}]\n"},
    {"E030",
     "An action names a metric or a table that no file declares. Metrics are declared once, "
     "under `metrics:`, in any of the files that are loaded together.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: job_total]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n"},
    {"E031",
     "Names are unique over all files and packs that are loaded together: of metrics and their "
     "aliases, rules, formats, maps and tables.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "  tasks_total: {type: counter, help: Tasks, aliases: [jobs_total]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "  tasks_total: {type: counter, help: Tasks, aliases: [task_count]}\n"},
    {"E032",
     "A name holds what it may not. Metrics: letters, digits, _ and :, no digit in front. Maps, "
     "tables and fields of `let`: letters, digits and _.",
     "metrics:\n"
     "  jobs-total: {type: counter, help: Jobs}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"},
    {"E033",
     "A label is letters, digits and _, no digit in front and no __; `le` and "
     "`quantile` are Prometheus' own. A metric has few labels: every combination of values is a "
     "series.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs, labels: [job-name]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs, labels: [job_name]}\n"},
    {"E034",
     "An action gives a label that its metric does not declare. All series of a metric have the "
     "same labels; those that an action does not write are the fields of the same name.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [model]}\n"
     "rules:\n"
     "  call: {do: [{inc: calls_total, labels: {modle: $model_used}}]}\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [model]}\n"
     "rules:\n"
     "  call: {do: [{inc: calls_total, labels: {model: $model_used}}]}\n"},
    {"E035",
     "The action or key does not go with the type of the metric: a counter only grows (inc, add, "
     "set), a gauge goes both ways (inc, dec, add, set), a histogram observes. Buckets belong to "
     "histograms, `min` to gauges.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [dec: jobs_total]}\n",
     "metrics:\n"
     "  jobs_running: {type: gauge, help: Jobs at work}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [dec: jobs_running]}\n"},
    {"E036",
     "`add`, `set` and `observe` need a `value`: a number, or an expression that gives one.",
     "metrics:\n"
     "  queue_length: {type: gauge, help: Jobs that wait}\n"
     "rules:\n"
     "  queue: {match: {event: queue}, do: [set: queue_length]}\n",
     "metrics:\n"
     "  queue_length: {type: gauge, help: Jobs that wait}\n"
     "rules:\n"
     "  queue: {match: {event: queue}, do: [{set: queue_length, value: $waiting}]}\n"},
    {"E037",
     "`rules: {NAME: false}` switches a rule of another file or pack off, `true` on again; here "
     "no file that is loaded has a rule of that name.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job_end: {match: {event: job}, do: [inc: jobs_total]}\n"
     "  job_start: false\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job_end: {match: {event: job}, enabled: false, do: [inc: jobs_total]}\n"},
    {"E038",
     "`init` asks for more series than the metric may have (`max_series`, or 2,000), or for more "
     "values than the `max` of a label lets in; or there are more than 65,535 rules. Values that "
     "are known beforehand are few: list those that a dashboard needs at 0.",
     "metrics:\n"
     "  calls_total:\n"
     "    type: counter\n"
     "    help: Calls\n"
     "    labels: {status: {max: 2}}\n"
     "    init: {status: [success, error, timeout]}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n",
     "metrics:\n"
     "  calls_total:\n"
     "    type: counter\n"
     "    help: Calls\n"
     "    labels: {status: {max: 10}}\n"
     "    init: {status: [success, error, timeout]}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n"},
    {"E040",
     "A pattern is literal text and captures: <name> is one word, <name...> any text, <_> and "
     "<_...> are dropped. Two captures need text between them, or nobody knows where the one "
     "ends.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs, labels: [job]}\n"
     "rules:\n"
     "  job: {pattern: 'Job <job><state> done', do: [inc: jobs_total]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs, labels: [job]}\n"
     "rules:\n"
     "  job: {pattern: 'Job <job>/<state> done', do: [inc: jobs_total]}\n"},
    {"E041",
     "The regular expression, or the replacement of a rewrite, is refused. The syntax is RE2's, "
     "which is linear in time: no look-ahead, no back-references; at most 1,024 bytes and 16 "
     "groups, whose names are names of fields and differ; all together at most 500,000 "
     "instructions of RE2's, of which a usual one has 50 and .{0,300} some 3,000.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job: {regex: 'Job (\\d+', do: [inc: jobs_total]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs}\n"
     "rules:\n"
     "  job: {regex: 'Job (\\d+)', do: [inc: jobs_total]}\n"},
    {"E042",
     "The layout of a time uses what is not known, or the zone is none. Layouts are written with "
     "%Y %m %d %H %M %S and the like, zones are UTC or an offset such as +02:00. RFC 3339 and "
     "Unix times need no layout.",
     "formats:\n"
     "  access: {pattern: '<time> <message>', time: {layout: '%d/%b/%Y:%H:%M:%Q'}}\n",
     "formats:\n"
     "  access: {pattern: '<time> <message>', time: {layout: '%d/%b/%Y:%H:%M:%S'}}\n"},
};

}  // namespace

std::span<const CodePage> rule_code_pages() { return kPages; }

}  // namespace logtally::config
