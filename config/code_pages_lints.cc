// W2xx: what loads, and is probably not what was meant.
#include "config/code_page_tables.h"

namespace logtally::config {

namespace {

constexpr CodePage kPages[] = {
    {"W201",
     "A name that ends in _total is read as a counter's, by people and by promtool. Where a "
     "dashboard needs the name, it can stay as an alias, or the warning is allowed in place.",
     "metrics:\n"
     "  jobs_total: {type: gauge, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: jobs_total, value: $jobs}]}\n",
     "metrics:\n"
     "  jobs: {type: gauge, help: Jobs so far, aliases: [jobs_total]}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: jobs, value: $jobs}]}\n",
     ExampleKind::lint},
    {"W202",
     "The names of counters end in _total; Prometheus' own tools expect it, and OpenMetrics "
     "demands it.",
     "metrics:\n"
     "  jobs: {type: counter, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n",
     ExampleKind::lint},
    {"W203",
     "A histogram without `buckets` gets those that suit the seconds of web requests. State "
     "them: changing them later starts the metric anew.",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [{observe: call_seconds, value: $took, unit: ms}]}\n",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 0.5, 1, 5, 30]}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [{observe: call_seconds, value: $took, unit: ms}]}\n",
     ExampleKind::lint},
    {"W204",
     "Names of metrics are small letters and digits with single _ between the words. Colons "
     "belong to recording rules.",
     "metrics:\n"
     "  jobsDone_total: {type: counter, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobsDone_total]}\n",
     "metrics:\n"
     "  jobs_done_total: {type: counter, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_done_total]}\n",
     ExampleKind::lint},
    {"W205",
     "Prometheus' base units are seconds, bytes, ratios (0 to 1) and dollars, and the name "
     "says which. What unit the log has is said in the rule; the value is converted exactly.",
     "metrics:\n"
     "  wait_ms: {type: gauge, help: Time in the queue}\n"
     "rules:\n"
     "  wait: {match: {event: wait}, do: [{set: wait_ms, value: $ms}]}\n",
     "metrics:\n"
     "  wait_seconds: {type: gauge, help: Time in the queue}\n"
     "rules:\n"
     "  wait: {match: {event: wait}, do: [{set: wait_seconds, value: $ms, unit: ms}]}\n",
     ExampleKind::lint},
    {"W206",
     "Histograms have series that end in _bucket, _sum and _count; another metric with such a "
     "name is taken for one of them.",
     "metrics:\n"
     "  queue_count: {type: gauge, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: queue_count, value: $n}]}\n",
     "metrics:\n"
     "  queue_length: {type: gauge, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: queue_length, value: $n}]}\n",
     ExampleKind::lint},
    {"W207",
     "The help is empty, or repeats the name. It is the one line that people see beside the "
     "metric in Prometheus and Grafana.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: jobs_total}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n",
     ExampleKind::lint},
    {"W208",
     "The type of a metric is told with it; in the name it says nothing more, and is wrong "
     "when the type changes.",
     "metrics:\n"
     "  jobs_gauge: {type: gauge, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: jobs_gauge, value: $n}]}\n",
     "metrics:\n"
     "  jobs: {type: gauge, help: Jobs so far}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: jobs, value: $n}]}\n",
     ExampleKind::lint},
    {"W209", "Names of labels are small letters and digits with single _ between the words.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended, labels: [jobKind]}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{inc: jobs_total, labels: {jobKind: $kind}}]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended, labels: [job_kind]}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{inc: jobs_total, labels: {job_kind: $kind}}]}\n",
     ExampleKind::lint},
    {"W210",
     "Every combination of label values is a series, kept by Prometheus for weeks. A label "
     "that is new with every request makes one per request: leave it out, an exemplar can "
     "carry it. One per user or path wants a `max`, or a rewrite that folds the paths.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [model, trace_id]}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [model]}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n",
     ExampleKind::lint},
    {"W211",
     "The conditions of the rule exclude each other, or ask for a value that cannot be: no "
     "line will ever fit.",
     "metrics:\n"
     "  errors_total: {type: counter, help: Errors of the engine}\n"
     "rules:\n"
     "  failed: {match: {_stream: err}, do: [inc: errors_total]}\n",
     "metrics:\n"
     "  errors_total: {type: counter, help: Errors of the engine}\n"
     "rules:\n"
     "  failed: {match: {_stream: stderr}, do: [inc: errors_total]}\n",
     ExampleKind::lint},
    {"W212",
     "Two rules match the same lines and have an action in common, so that each line counts "
     "twice. All rules that match a line act; there is no first one that wins.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n"
     "  any_call: {match: {event: call}, do: [inc: calls_total]}\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n",
     ExampleKind::lint},
    {"W213",
     "The metric is declared, and nothing changes it: it shows HELP and TYPE and never a "
     "value.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls}\n"
     "  errors_total: {type: counter, help: Failed calls}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls}\n"
     "  errors_total: {type: counter, help: Failed calls}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n"
     "  failed: {match: {event: call, success: false}, do: [inc: errors_total]}\n",
     ExampleKind::lint},
    {"W214",
     "No expression calls the map. A map is used like a function, NAME($field), in `value`, "
     "`labels`, `let` or `if`.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [status]}\n"
     "maps:\n"
     "  outcome: {true: success, false: error}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [inc: calls_total]}\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [status]}\n"
     "maps:\n"
     "  outcome: {true: success, false: error}\n"
     "rules:\n"
     "  call: {match: {event: call}, let: {status: outcome($success)}, do: [inc: calls_total]}\n",
     ExampleKind::lint},
    {"W215",
     "A table is filled by `remember` and read by `take`, by TABLE($key).column or by its "
     "`open` gauge; here one of the two is missing.",
     "metrics:\n"
     "  turns_total: {type: counter, help: Turns}\n"
     "tables:\n"
     "  session: {key: $session, columns: [model], ttl: 1h, max: 1000}\n"
     "rules:\n"
     "  begin: {match: {event: begin}, do: [remember: session]}\n"
     "  turn: {match: {event: turn}, do: [inc: turns_total]}\n",
     "metrics:\n"
     "  turns_total: {type: counter, help: Turns, labels: [model]}\n"
     "tables:\n"
     "  session: {key: $session, columns: [model], ttl: 1h, max: 1000}\n"
     "rules:\n"
     "  begin: {match: {event: begin}, do: [remember: session]}\n"
     "  turn:\n"
     "    match: {event: turn}\n"
     "    do: [{inc: turns_total, labels: {model: session($session).model}}]\n",
     ExampleKind::lint},
    {"W216",
     "A path of a target fits no file, or every file that fits is excluded. It is no error, "
     "the file may come; most often it is a slip, or the engine writes somewhere else, for "
     "instance to its standard output.",
     "targets:\n"
     "  - {name: engine, path: /var/log/egnine/*.log}     # the directory is /var/log/engine\n",
     "targets:\n"
     "  - {name: engine, path: /var/log/engine/*.log}\n",
     ExampleKind::told},
    {"W217",
     "The regular expression is slow on text that is made to be hard for it: `check` measures "
     "it. Say more of the text literally, anchor it with ^ and $, ask for a smaller number in "
     "{m,n}; or use a pattern, which costs next to nothing.",
     "rules:\n"
     "  slow: {regex: '(.*?,){20}x', do: [inc: c_total]}\n",
     "rules:\n"
     "  fast: {pattern: '<_...>,x', do: [inc: c_total]}\n",
     ExampleKind::told},
    {"W218",
     "The name of the field says in what it is, the name of the metric says another unit of the "
     "same kind, and the action has no `unit`: milliseconds would be counted as seconds. Say "
     "`unit: ms`; `unit: s` says that the number is in seconds whatever the field is called.",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 1, 10]}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [{observe: call_seconds, value: $duration_ms}]}\n",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 1, 10]}\n"
     "rules:\n"
     "  call: {match: {event: call}, do: [{observe: call_seconds, value: $duration_ms, unit: "
     "ms}]}\n",
     ExampleKind::lint},
    {"W219",
     "The name stands nowhere else: no capture of the rule is called so, no other rule and no "
     "format speaks of such a field, and a capture is called nearly so. If lines do have a field "
     "of that name, allow the warning in place.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended, labels: [job]}\n"
     "rules:\n"
     "  job: {pattern: 'Job <name> ended', do: [{inc: jobs_total, labels: {job: $nmae}}]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended, labels: [job]}\n"
     "rules:\n"
     "  job: {pattern: 'Job <name> ended', do: [{inc: jobs_total, labels: {job: $name}}]}\n",
     ExampleKind::lint},
    {"W220",
     "A comment allows a warning that is not there: it was put right, or the comment stands on "
     "another line. It speaks of its own line, or alone on a line of the next one.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}    # logtally: allow W201\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n",
     ExampleKind::lint},
    {"W221",
     "A comment to logtally cannot be read. It is: # logtally: allow CODE, further codes, then "
     "for people a reason. Errors cannot be allowed.",
     "metrics:\n"
     "  jobs: {type: gauge, help: Jobs so far}    # logtally: alow W201\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: jobs, value: $n}]}\n",
     "metrics:\n"
     "  jobs_total: {type: gauge, help: Jobs so far}    # logtally: allow W201: the dashboard has "
     "it so\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [{set: jobs_total, value: $n}]}\n",
     ExampleKind::lint},
};

}  // namespace

std::span<const CodePage> lint_code_pages() { return kPages; }

}  // namespace logtally::config
