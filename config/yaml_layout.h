// Reads the layout of a YAML file before the parser does: where every scalar begins and ends, and
// the first fault of form, in our words and at its own place. The parser behind it takes some
// faults of form for what nobody meant, and names the others by where it gave up.
//
// The subset is that of configuration files: one document of block and flow maps and sequences,
// plain, quoted and block scalars, comments. Every rule here is also one of YAML 1.2 except that a
// line of flow text may close brackets at its parent's indentation, as everybody writes it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "config/diagnostics.h"

namespace logtally::config {

inline constexpr std::size_t kMaxYamlDepth = 32;
inline constexpr std::size_t kMaxYamlNodes = 50'000;

// The tokens of all scalars, with their quotes, in order; spans of flow collections reach from
// bracket to bracket.
struct YamlLayout {
  std::vector<Span> scalars;
  std::vector<Span> brackets;  // in order of their ends
  std::size_t end = 0;         // of the document: where `...` stands, or the text ends

  // What the parser takes otherwise than YAML 1.2 and everybody does, unless it is shown otherwise:
  // Tabs of block text that are alone on their lines and before the text's indentation.
  std::vector<std::size_t> idle_tabs;
  // A character more at a place, in order: how deep block text is, behind its `|`, if its first
  // line begins with a tab; a blank behind the colon of `{a:}`.
  struct Addition {
    std::size_t at;
    char character;
  };
  std::vector<Addition> additions;
};

// Adds at most one fault to `diagnostics` (all that follows from it would be noise) and gives
// false, or true and the layout. `file` is valid UTF-8 without control characters but tab and line
// breaks.
bool read_yaml_layout(const std::shared_ptr<const SourceFile>& file, YamlLayout& layout,
                      Diagnostics& diagnostics);

}  // namespace logtally::config
