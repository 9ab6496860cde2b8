// Reads what a person writes when he says how a page should look: lines of the text exposition
// format 0.0.4 (`aria_x_total{model="kimi"} 3`), made comparable with what append_text() prints.
// The program's own pages read the same way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/result.h"

namespace logtally::metrics {

struct ExpositionSample {
  std::string name;                                         // `aria_x_seconds_bucket`
  std::vector<std::pair<std::string, std::string>> labels;  // sorted by name; values unescaped
  std::string value;  // as append() prints it, so that equal numbers are equal texts

  bool operator==(const ExpositionSample&) const = default;
  auto operator<=>(const ExpositionSample&) const = default;
};

// `aria_x_total{model="kimi"} 3`, labels sorted, le last.
std::string to_string(const ExpositionSample& sample);

// What stands on one line.
struct ExpositionLine {
  enum class Kind : std::uint8_t {
    blank,  // nothing, or a comment
    name,   // a name alone: sample.name
    sample,
  };
  Kind kind = Kind::blank;
  ExpositionSample sample;
  // Where its parts stand on the line, for who has something to say about them.
  struct Part {
    std::size_t offset = 0;
    std::size_t length = 0;
  };
  Part name;
  Part value;
  std::vector<Part> labels;  // names, in the order of sample.labels
};

struct ExpositionFault {
  std::size_t offset = 0;  // bytes into the line
  std::size_t length = 1;
  std::string message;
};

// `line` without its newline. NaN, infinities and timestamps are faults: no page of counted lines
// has any.
std::variant<ExpositionLine, ExpositionFault> read_exposition_line(std::string_view line);

}  // namespace logtally::metrics
