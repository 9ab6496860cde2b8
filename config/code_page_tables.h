// The pages of codes by subject; code_pages() joins them. A new code gets its page here.
#pragma once

#include <span>

#include "config/code_pages.h"

namespace logtally::config {

std::span<const CodePage> text_code_pages();    // E00x, E01x: the text of files, keys and values
std::span<const CodePage> rule_code_pages();    // E02x, E03x, E04x: expressions, names, patterns
std::span<const CodePage> metric_code_pages();  // E05x, E06x, E07x: units, buckets, tests
std::span<const CodePage> lint_code_pages();    // W2xx
std::span<const CodePage> sample_code_pages();  // W4xx, and E043: what trying them shows

}  // namespace logtally::config
