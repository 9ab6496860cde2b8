// Misfit: how far a pattern goes along with a text, and what it wants where it stops. For
// `explain`: it asks the pattern's own matcher about longer and longer beginnings of the pattern,
// so it cannot think otherwise than that.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "rules/pattern.h"

namespace logtally::rules {

struct Misfit {
  std::size_t fitted = 0;  // bytes of literal text that the text goes along with
  std::string wanted;  // what comes next in the pattern: literal text or `<name>`; empty: the end
  std::string seen;    // the text from there on; empty: the text ends there
  std::string why;     // one line for people: "`FOO` is no level"
};

// Nothing when the pattern fits. `layout`: as in Format::layout.
std::optional<Misfit> misfit(const Pattern& pattern, PatternUse use, std::string_view text,
                             std::string_view layout = {});

// Whether a text comes from a time as people would write one: "RFC 3339", "Unix seconds" ... of a
// text that parse_timestamp() reads.
std::string_view time_notation(std::string_view text);

}  // namespace logtally::rules
