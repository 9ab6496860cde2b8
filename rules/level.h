// Levels of log lines, folded from the spellings that engines use.
#pragma once

#include <cstdint>
#include <string_view>

namespace logtally::rules {

enum class Level : std::uint8_t { none, trace, debug, info, warning, error, critical };

// Any case, blanks around it, a colon behind it: `WARN`, `warning`, `info     `, `INFO:`; the
// numbers of Python's logging (10 to 50). `notice` is info; `fatal`, `panic`, `alert` and
// `emergency` are critical. Anything else is none.
Level parse_level(std::string_view text);

// `warning`; nothing for none.
std::string_view level_name(Level level);

}  // namespace logtally::rules
