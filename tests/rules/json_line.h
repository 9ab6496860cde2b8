// A line for JsonDecoder as its contract has it and not a byte more: the text, a newline, and
// kReadableBehindLine bytes. Each is an allocation of its own, so that the address sanitizer sees
// any read beyond it.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "rules/json_decoder.h"

namespace logtally::rules {

class JsonLine {
 public:
  // `behind` stands over and over behind the newline: whatever is there must not matter.
  explicit JsonLine(std::string_view text, std::string_view behind = "\n")
      : size_(text.size()), bytes_(new char[text.size() + 1 + kReadableBehindLine]) {
    if (!text.empty()) std::memcpy(bytes_.get(), text.data(), text.size());
    bytes_[size_] = '\n';
    for (std::size_t i = 0; i < kReadableBehindLine; ++i) {
      bytes_[size_ + 1 + i] = behind[i % behind.size()];
    }
  }

  const char* begin() const { return bytes_.get(); }
  const char* end() const { return bytes_.get() + size_ + 1; }  // behind the newline

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

}  // namespace logtally::rules
