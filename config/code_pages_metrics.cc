// E05x, E06x and E07x: units, buckets, tests.
#include "config/code_page_tables.h"

namespace logtally::config {

namespace {

constexpr CodePage kPages[] = {
    {"E050",
     "`unit` of an action says what the field is in: ns us ms s m min h d; B KB MB GB TB KiB "
     "MiB GiB TiB; % ratio; usd cents; or auto for text that says it itself (\"932ms\").",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 1]}\n"
     "rules:\n"
     "  call: {do: [{observe: call_seconds, value: $took, unit: msec}]}\n",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 1]}\n"
     "rules:\n"
     "  call: {do: [{observe: call_seconds, value: $took, unit: ms}]}\n"},
    {"E051",
     "The metric's name says what it counts in (_seconds, _bytes, _ratio, _usd), and the unit of "
     "the action is of another kind, or the name says nothing at all.",
     "metrics:\n"
     "  heap_bytes: {type: gauge, help: Heap}\n"
     "rules:\n"
     "  heap: {do: [{set: heap_bytes, value: $heap, unit: ms}]}\n",
     "metrics:\n"
     "  heap_bytes: {type: gauge, help: Heap}\n"
     "rules:\n"
     "  heap: {do: [{set: heap_bytes, value: $heap, unit: KiB}]}\n"},
    {"E060",
     "`buckets` is a list of upper bounds, numbers all of them, and not too many: every bucket "
     "of every series is a sample on the page. +Inf is there by itself.",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: fine}\n",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 0.5, 1, 5]}\n"},
    {"E061", "Upper bounds of buckets stand in increasing order, each once.",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 1, 0.5]}\n",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 0.5, 1]}\n"},
    {"E070",
     "`expect` is written as /metrics shows it, a sample a line: NAME{LABEL=\"value\"} NUMBER. A "
     "name alone says that the metric has no series. The metrics that are named are compared "
     "whole.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n"
     "tests:\n"
     "  - name: a job counts\n"
     "    lines: '{\"event\":\"job\"}'\n"
     "    expect: jobs_total = 1\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n"
     "tests:\n"
     "  - name: a job counts\n"
     "    lines: '{\"event\":\"job\"}'\n"
     "    expect: jobs_total 1\n"},
    {"E071",
     "The lines of the test came to other values than `expect` says. The message shows the "
     "difference; `logtally test` shows the rule and line that made it, and `logtally test "
     "--update` takes what came out as what is wanted. Rules whose own tests fail are not loaded.",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n"
     "tests:\n"
     "  - name: a job counts\n"
     "    lines: '{\"event\":\"jobs\"}'\n"
     "    expect: jobs_total 1\n",
     "metrics:\n"
     "  jobs_total: {type: counter, help: Jobs that ended}\n"
     "rules:\n"
     "  job: {match: {event: job}, do: [inc: jobs_total]}\n"
     "tests:\n"
     "  - name: a job counts\n"
     "    lines: '{\"event\":\"job\"}'\n"
     "    expect: jobs_total 1\n"},
    {"E072",
     "While the program ran, a rule file that had rules was emptied. Most often somebody is about "
     "to write it: an editor, a copy that stopped, a full disk. The rules of before stay at work "
     "and no value is lost. To take its rules away for good, remove the file, or leave a comment "
     "in it.",
     "(rules.d/10-jobs.yaml, 0 bytes)\n", "# the rules of jobs are in 20-engine.yaml now\n",
     ExampleKind::told},
};

}  // namespace

std::span<const CodePage> metric_code_pages() { return kPages; }

}  // namespace logtally::config
