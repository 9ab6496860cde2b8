// Misfit: how far a pattern goes along with a text, and what it wants where it stops. For
// `explain`: it asks the pattern's own matcher about longer and longer beginnings of the pattern,
// so it cannot think otherwise than that.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/pattern.h"

namespace logtally::rules {

struct Misfit {
  std::size_t fitted = 0;  // bytes of literal text that the text goes along with
  std::string wanted;  // what comes next in the pattern: literal text or `<name>`; empty: the end
  std::string seen;    // the text from there on; empty: the text ends there
  std::string why;     // one line for people: "`FOO` is no level"
};

// Keeps the beginnings of the patterns that it was asked about. Not thread-safe.
class Misfits {
 public:
  // Nothing when the pattern fits. The pattern outlives this; `layout`: as in Format::layout.
  std::optional<Misfit> find(const Pattern& pattern, PatternUse use, std::string_view text,
                             std::string_view layout = {});

 private:
  // Places in a pattern's source: where captures stand, and where it may be cut.
  struct Known {
    struct Span {
      std::size_t begin = 0;
      std::size_t end = 0;
    };
    std::vector<Span> captures;
    std::vector<std::size_t> cuts;  // behind literal text; the first is 0
    std::map<std::size_t, std::optional<Pattern>> beginnings;  // by cut
  };
  static Known look_at(std::string_view source);

  std::map<const Pattern*, Known> known_;
};

// Whether a text comes from a time as people would write one: "RFC 3339", "Unix seconds" ... of a
// text that parse_timestamp() reads.
std::string_view time_notation(std::string_view text);

}  // namespace logtally::rules
