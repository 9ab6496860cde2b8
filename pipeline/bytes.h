// Plain data into bytes and back: what the state keeps in blobs. Numbers are little-endian or, most
// of them, in base 128; texts come with their length. Reading never goes beyond the bytes: a reader
// that ran out says so, and gives zeros.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace logtally::pipeline {

class ByteWriter {
 public:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  void signed_number(std::int64_t value) {  // small ones of either sign are short
    number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void fixed(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(value >> shift);
  }
  void flag(bool value) { bytes_ += static_cast<char>(value); }
  void text(std::string_view value) {
    number(value.size());
    bytes_ += value;
  }

  void raw(std::string_view bytes) { bytes_ += bytes; }

  std::string_view bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }
  void clear() { bytes_.clear(); }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = next();
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    good_ = false;
    return 0;
  }
  std::int64_t signed_number() {
    const std::uint64_t value = number();
    return static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1)));
  }
  std::uint64_t fixed() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 8) value |= std::uint64_t{next()} << shift;
    return value;
  }
  bool flag() { return next() != 0; }
  std::string_view text() {
    const std::uint64_t size = number();
    if (size > left_.size()) {
      good_ = false;
      left_ = {};
      return {};
    }
    const std::string_view value = left_.substr(0, size);
    left_.remove_prefix(size);
    return value;
  }

  bool good() const { return good_; }  // nothing was asked for that is not there
  bool at_end() const { return left_.empty(); }
  bool complete() const { return good_ && left_.empty(); }

 private:
  std::uint8_t next() {
    if (left_.empty()) {
      good_ = false;
      return 0;
    }
    const auto byte = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return byte;
  }

  std::string_view left_;
  bool good_ = true;
};

}  // namespace logtally::pipeline
