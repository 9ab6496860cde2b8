// Text from log lines and rule files on its way into the exposition formats: whatever comes in,
// what goes out is valid UTF-8 without NUL and cannot end the line or the quotes it stands in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace logtally::metrics {

// Backslash and newline are escaped everywhere; the quote where the text stands in quotes, and in
// OpenMetrics everywhere.
enum class Escape : std::uint8_t { all_but_quote, with_quote };

void append_escaped(std::string& out, std::string_view text, Escape escape);

// Code points of the text once it is made valid: an invalid byte is one (U+FFFD), a NUL none.
std::size_t count_characters(std::string_view text);

}  // namespace logtally::metrics
