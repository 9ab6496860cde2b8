// ANSI escape sequences: terminal colours and the like, which some engines write whether or not
// anybody sees them.
#pragma once

#include <string_view>

#include "rules/value.h"

namespace logtally::rules {

// The text without escape sequences: itself when it has none, else a copy in `scratch` with a
// newline and kReadableBehindLine bytes behind it, as JsonDecoder wants a line.
//
// Removed are control sequences (`ESC [` ... letter), strings (`ESC ]`, `P`, `X`, `^`, `_` up to
// BEL or `ESC \`) and the short ones. Of what is cut short only the introducer goes, its text
// stays: a line may be odd, but nothing of it is lost.
std::string_view strip_ansi(std::string_view text, Scratch& scratch);

}  // namespace logtally::rules
