// The little of markdown that the reference pages need.
#pragma once

#include <string>
#include <string_view>

namespace logtally::config {

// Text of a table's cell: a bar would end it.
inline std::string markdown_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace logtally::config
