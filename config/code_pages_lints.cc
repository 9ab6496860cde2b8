// Wxxx: what loads, and is probably not what was meant.
#include "config/code_page_tables.h"

namespace logtally::config {

namespace {

constexpr CodePage kPages[] = {
    {"W203",
     "A histogram without `buckets` gets those that suit seconds of web requests. State them: "
     "changing them later starts the metric anew.",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time}\n",
     "metrics:\n"
     "  call_seconds: {type: histogram, help: Call time, buckets: [0.1, 0.5, 1, 5, 30]}\n"},
};

}  // namespace

std::span<const CodePage> lint_code_pages() { return kPages; }

}  // namespace logtally::config
