// UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace logtally::config {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 1;  // bytes
  bool valid = false;
};

// The code point that begins at text[at], at < text.size(); one invalid byte if none does.
CodePoint decode_utf8(std::string_view text, std::size_t at);

}  // namespace logtally::config
