// W4xx: what a sample shows; and what measuring a regular expression shows.
#include "config/code_page_tables.h"

namespace logtally::config {

namespace {

constexpr CodePage kPages[] = {
    {"E043",
     "The regular expression is so slow on text that is made to be hard for it that one log "
     "line could hold up all others: `check` refuses it, `run` warns. Say more of the text "
     "literally, anchor it, ask for a smaller number in {m,n}; or use a pattern.",
     "rules:\n"
     "  slow: {regex: '((a{0,100}){0,100}b?)+x', do: [inc: c_total]}\n",
     "rules:\n"
     "  fast: {pattern: '<_...>bx', do: [inc: c_total]}\n",
     ExampleKind::told},
    {"W401",
     "On no line of the sample did the rule match; the message shows the condition that failed "
     "on the lines that came nearest. The sample may simply not hold such a line.",
     "rules:\n"
     "  call: {match: {event: llm_request, status: success}, do: [inc: calls_total]}\n"
     "# sample: {\"event\":\"llm_request\",\"success\":true}\n",
     "rules:\n"
     "  call: {match: {event: llm_request, success: true}, do: [inc: calls_total]}\n",
     ExampleKind::told},
    {"W402",
     "The label had more values in the sample than its `max`; those beyond it count as "
     "`other`. Raise the `max`, fold the values with a map, or leave the label out.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: {path: {max: 20}}}\n"
     "# sample: 4,812 paths\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: {path: {max: 200}}}\n"
     "maps:\n"
     "  endpoint: {rewrite: [['/\\d+', '/{id}']]}\n"
     "rules:\n"
     "  call: {do: [{inc: calls_total, labels: {path: endpoint($path)}}]}\n",
     ExampleKind::told},
    {"W403",
     "Rules changed the metric on no line of the sample, though some may have matched: the "
     "value or a label was missing, or the `if` of the action was false.",
     "rules:\n"
     "  call: {match: {event: call}, do: [{add: tokens_total, value: $token}]}\n"
     "# sample: {\"event\":\"call\",\"tokens\":7}\n",
     "rules:\n"
     "  call: {match: {event: call}, do: [{add: tokens_total, value: $tokens}]}\n",
     ExampleKind::told},
    {"W404",
     "The sample alone makes more series than a metric, or the whole process, may have; beyond "
     "the limit all labels become `other`. Look for the label with the most values.",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: [user, path]}\n"
     "# sample: 31,000 pairs of user and path\n",
     "metrics:\n"
     "  calls_total: {type: counter, help: Calls, labels: {path: {max: 200}}}\n",
     ExampleKind::told},
    {"W405",
     "The rule matched, and this action was skipped every time: a field that its value or a "
     "label needs is missing on all these lines, or is no number.",
     "rules:\n"
     "  call: {match: {event: call}, do: [{observe: call_seconds, value: $duration, unit: ms}]}\n"
     "# sample: {\"event\":\"call\",\"duration_ms\":12}\n",
     "rules:\n"
     "  call: {match: {event: call}, do: [{observe: call_seconds, value: $duration_ms, unit: "
     "ms}]}\n",
     ExampleKind::told},
    {"W406",
     "More than half of the records are lines of text that no format fits, and no rule matched "
     "them: each is a bare message without time, level and logger. Formats come with packs, or "
     "stand in a rule file; the message shows which would fit.",
     "rules:\n"
     "  failed: {match: {level: error}, do: [inc: errors_total]}\n"
     "# sample: 2026-01-05 10:00:00,123 [engine] ERROR no answer\n",
     "formats:\n"
     "  mine: {pattern: '<time> [<logger>] <level> <message>'}\n"
     "rules:\n"
     "  failed: {match: {level: error}, do: [inc: errors_total]}\n",
     ExampleKind::told},
    {"W407",
     "All values that the sample gave a histogram lie above its last bucket, or below its first: "
     "most often the field is in another unit than the metric, and `unit:` is missing.",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 1, 10]}\n"
     "rules:\n"
     "  call: {pattern: 'call took <took>', do: [{observe: call_seconds, value: $took}]}\n"
     "# sample: call took 1500\n",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 1, 10]}\n"
     "rules:\n"
     "  call: {pattern: 'call took <took>', do: [{observe: call_seconds, value: $took, unit: "
     "ms}]}\n",
     ExampleKind::told},
    {"W408",
     "Values of the label have the shape of a built-in redaction (`logtally help redaction`), so a "
     "page would show what nobody should see. Redact it: then rules, pages and messages have the "
     "redacted text alone.",
     "metrics:\n"
     "  logins_total: {type: counter, help: Logins, labels: {user: {max: 50}}}\n"
     "# sample: {\"event\":\"login\",\"user\":\"ann@example.com\"}\n",
     "redact: {mail: {builtin: email, with: hash}}\n"
     "metrics:\n"
     "  logins_total: {type: counter, help: Logins, labels: {user: {max: 50}}}\n",
     ExampleKind::told},
};

}  // namespace

std::span<const CodePage> sample_code_pages() { return kPages; }

}  // namespace logtally::config
