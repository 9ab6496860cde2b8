// Event: one decoded record. Its slots hold raw tokens of the record; nothing is unescaped or
// parsed until a rule asks. Everything in it is valid until the next record is decoded. Not
// thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "rules/field_plan.h"

namespace logtally::rules {

enum class TokenKind : std::uint8_t {
  missing,
  null,
  boolean_true,
  boolean_false,
  number,      // JSON number as written
  not_finite,  // NaN, Infinity, -Infinity
  string,      // without the quotes; `escaped`: with backslashes still in it
  object,      // raw text with its braces
  array,
};

// A value as it stands in the record.
struct Token {
  const char* data = nullptr;
  std::uint32_t size = 0;
  TokenKind kind = TokenKind::missing;
  bool escaped = false;

  std::string_view text() const { return {data, size}; }
  bool present() const { return kind > TokenKind::null; }
};

// What a container engine had put around a record.
enum class Wrapping : std::uint8_t { none, docker, cri };

// Where a record comes from; what `$_file`, `$_stream` and the winner among gauges need.
struct RecordOrigin {
  std::string_view file;
  std::string_view stream;  // of a container's wrapper: stdout, stderr; else empty
  std::int64_t time_ns =
      0;  // its wrapper's time, else its arrival: for records without a time of their own
  bool has_time = false;  // it is the wrapper's
  Wrapping wrapping = Wrapping::none;
  std::int64_t arrival_ns = 0;  // when it was read
  std::uint32_t generation = 0;
  std::uint64_t offset = 0;  // of the record in its generation
  std::uint64_t end = 0;     // behind its last line, in the generation that holds it
};

using RuleIndex = std::uint16_t;

class Event {
 public:
  explicit Event(const FieldPlan& plan)
      : slots_(plan.slot_count() + 1), present_((plan.slot_count() + 64) / 64) {}

  void clear() {
    present_[0] = 0;  // nearly always the only one
    for (std::size_t i = 1; i < present_.size(); ++i) present_[i] = 0;
    line = {};
    known_message = {};
    rest = {};
    format = kJsonFormat;
    header_rules = nullptr;
    time_ns.reset();
  }

  // Slots; a slot's token counts only while its bit is set.
  bool has(SlotId slot) const { return present_[slot / 64] >> (slot % 64) & 1; }
  const Token& slot(SlotId slot) const { return slots_[slot]; }
  void put(SlotId slot, const Token& token) {
    slots_[slot] = token;
    mark(slot);
  }
  // The slot's token has been put into slots().
  void mark(SlotId slot) { present_[slot / 64] |= std::uint64_t{1} << (slot % 64); }
  void mark_first(std::uint64_t slots) { present_[0] |= slots; }  // bits of the first 64
  void erase(SlotId slot) { present_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64)); }

  // The first of the candidates that is there and not null.
  const Token& field(const std::vector<SlotId>& candidates) const {
    static constexpr Token kMissing;
    for (const SlotId candidate : candidates) {
      if (has(candidate) && slots_[candidate].present()) return slots_[candidate];
    }
    return kMissing;
  }

  // Calls f(slot) for every slot that is set and in `mask` (as many words as present()).
  template <class F>
  void for_each(const std::vector<std::uint64_t>& mask, F&& f) const {
    for (std::size_t w = 0; w < present_.size(); ++w) {
      for (std::uint64_t bits = present_[w] & mask[w]; bits != 0; bits &= bits - 1) {
        f(static_cast<SlotId>(w * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
      }
    }
  }
  std::size_t words() const { return present_.size(); }

  Token* slots() { return slots_.data(); }
  std::uint64_t* present() { return present_.data(); }

  static constexpr std::string_view kJsonFormat = "json";

  std::string_view line;  // the whole record, without its newline
  // The message, where it is known without asking the slots: of a record that no format fits its
  // first line, of one whose header is known the text behind. Else without data.
  std::string_view known_message;
  std::string_view rest;                  // the lines that continue the first
  std::string_view format = kJsonFormat;  // name of the format that fits; empty: none
  std::optional<std::int64_t> time_ns;    // the record's own time, where the format has read it
  // The rules that Dispatch files under what a format's header gives, when that is known already;
  // what the message gives comes on top. Null: look at the slots.
  const std::vector<RuleIndex>* header_rules = nullptr;
  RecordOrigin origin;

 private:
  std::vector<Token> slots_;
  std::vector<std::uint64_t> present_;
};

}  // namespace logtally::rules
