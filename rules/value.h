// Value: what an expression yields. Text is borrowed from the record, the rule or the record's
// Scratch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "sinks/metrics/decimal.h"
#include "sinks/metrics/totals.h"

namespace logtally::rules {

using metrics::Decimal;

using metrics::SkipReason;

struct Value {
  enum class Kind : std::uint8_t {
    missing,  // `or` goes on with its right side
    refused,  // a division by zero and the like: whatever uses it is skipped
    boolean,
    number,
    text,
  };

  Kind kind = Kind::missing;
  SkipReason reason = SkipReason::missing_field;  // missing, refused
  bool truth = false;                             // boolean
  std::string_view text;                          // text
  Decimal number;                                 // number

  static Value of(bool truth) {
    Value v;
    v.kind = Kind::boolean;
    v.truth = truth;
    return v;
  }
  static Value of(Decimal number) {
    Value v;
    v.kind = Kind::number;
    v.number = number;
    return v;
  }
  static Value of(std::string_view text) {
    Value v;
    v.kind = Kind::text;
    v.text = text;
    return v;
  }
  static Value absent(SkipReason reason = SkipReason::missing_field) {
    Value v;
    v.reason = reason;
    return v;
  }
  static Value refuse(SkipReason reason) {
    Value v;
    v.kind = Kind::refused;
    v.reason = reason;
    return v;
  }

  bool usable() const { return kind > Kind::refused; }
};

// Memory for texts that are made while a record is evaluated; all of it is free again with the next
// record.
class Scratch {
 public:
  void clear() {
    block_ = 0;
    used_ = 0;
  }

  // A copy with kReadableBehind bytes behind it, valid until clear().
  std::string_view keep(std::string_view text) {
    char* const place = allocate(text.size());
    std::memcpy(place, text.data(), text.size());
    return {place, text.size()};
  }
  char* allocate(std::size_t size) {
    size += kReadableBehind;
    while (block_ < blocks_.size() && used_ + size > blocks_[block_].size) next_block();
    if (block_ == blocks_.size()) {
      const std::size_t capacity = std::max(size, kBlockBytes);
      blocks_.push_back({std::make_unique<char[]>(capacity), capacity});
      used_ = 0;
    }
    char* const place = blocks_[block_].bytes.get() + used_;
    used_ += size;
    return place;
  }

 private:
  static constexpr std::size_t kBlockBytes = 16 * 1024;
  static constexpr std::size_t kReadableBehind = 64;
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };
  void next_block() {
    ++block_;
    used_ = 0;
  }

  std::vector<Block> blocks_;
  std::size_t block_ = 0;
  std::size_t used_ = 0;
};

}  // namespace logtally::rules
