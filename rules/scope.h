// Scope: what the names of one rule mean for one record: fields of the line, what logtally itself
// knows of it, the rule's captures and its `let` values. Values are made when they are asked for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/event.h"
#include "rules/pattern.h"
#include "rules/value.h"

namespace logtally::rules {

class Expression;
class Table;

// A name, resolved at load.
struct Ref {
  enum class Source : std::uint8_t {
    field,  // index: FieldId
    level,  // folded: debug, info, warning ...
    time,   // Unix seconds
    message,
    line,       // $_line
    rest,       // $_rest
    exception,  // $_exception
    format,     // $_format
    file,       // $_file
    stream,     // $_stream
    capture,    // index: position among the rule's captures; falls back to `under`
    let,        // index: position among the rule's lets
    row,  // index: position among the columns that the rule's `take` actions give; falls back to
          // `under`
  };
  Source source = Source::field;
  std::uint16_t index = 0;
  std::uint16_t under =
      kNoField;           // capture, row: the field of the line that it hides where it has a value
  SlotId slot = kNoSlot;  // field: its place, when it has only one
  static constexpr std::uint16_t kNoField = 0xFFFF;
  bool operator==(const Ref&) const = default;
};

// The fields that have a meaning of their own; numbers in the FieldPlan.
struct WellKnownFields {
  FieldId time = 0;
  FieldId level = 0;
  FieldId logger = 0;
  FieldId message = 0;
  FieldId exception = 0;       // `exception`: text of a traceback
  FieldId exception_type = 0;  // `exception.type`
};

// One for all records of a worker, so that nothing is allocated per record. Not thread-safe.
class Scope {
 public:
  Scope(const FieldPlan& plan, const WellKnownFields& known) : plan_(&plan), known_(&known) {}

  // The record that is looked at from now on; borrowed until the next begin().
  void begin(const Event& event) {
    event_ = &event;
    overlay_ = nullptr;  // it was the record before's
    scratch_.clear();
    message_known_ = event.known_message.data() != nullptr && event.rest.empty();
    message_there_ = message_known_;
    message_ = event.known_message;
  }
  // The rule that is looked at now.
  void enter(std::span<const Expression> lets) {
    captured_ = 0;
    rows_.clear();
    overlay_ = nullptr;
    lets_ = lets;
    if (lets.size() > let_known_.size()) make_room_for_lets();
    for (std::size_t i = 0; i < lets.size(); ++i) let_known_[i] = 0;
  }
  // The rule's captures, for its patterns to fill; data() == null: not captured.
  std::span<std::string_view> captures(std::size_t count) {
    const std::span<std::string_view> places = all_captures(count);
    for (std::string_view& place : places) place = {};
    return places;
  }
  // The same for who fills every one of them, or the rule does not match.
  std::span<std::string_view> all_captures(std::size_t count) {
    if (captures_.size() < count) captures_.resize(count);
    captured_ = count;
    return {captures_.data(), count};
  }

  Value value(const Ref& ref);
  // The same as a token: raw where it stands in the record, else text.
  Token token(const Ref& ref) {
    if (ref.source == Ref::Source::field && ref.slot != kNoSlot && overlay_ == nullptr) {
      return event_->has(ref.slot) ? event_->slot(ref.slot) : Token{};
    }
    if (ref.source == Ref::Source::capture && ref.index < captured_ &&
        captures_[ref.index].data() != nullptr) {
      const std::string_view captured = captures_[ref.index];
      if (is_no_value(captured)) return {};
      return {.data = captured.data(),
              .size = static_cast<std::uint32_t>(captured.size()),
              .kind = TokenKind::string,
              .escaped = false};
    }
    return find_token(ref);
  }
  // The text of a capture that has a value; null: ask token().
  const std::string_view* captured_text(const Ref& ref) const {
    if (ref.source != Ref::Source::capture || ref.index >= captured_) return nullptr;
    const std::string_view& captured = captures_[ref.index];
    return captured.data() == nullptr || is_no_value(captured) ? nullptr : &captured;
  }
  Value to_value(const Token& token);
  // A token as text: unescaped, numbers in canonical form. Missing tokens have none.
  std::string_view text(const Token& token) {
    if (token.kind == TokenKind::string && !token.escaped) return token.text();
    return make_text(token);
  }

  // Fields of the line that hide the event's for this rule: those of its `<fields>` capture. Until
  // the next enter().
  void overlay(const Event* fields) { overlay_ = fields; }
  // What a `take` found, for the actions behind it.
  void set_row(std::uint16_t index, const Value& value);
  // The tables that expressions may call, and the event time at which they are.
  void use_tables(std::vector<Table>* tables, std::int64_t now_ns) {
    tables_ = tables;
    now_ns_ = now_ns;
  }
  std::vector<Table>* tables() const { return tables_; }
  std::int64_t now_ns() const { return now_ns_; }

  bool has_message() {
    if (!message_known_) find_message();
    return message_there_;
  }
  std::string_view message() {  // empty when there is none
    if (!message_known_) find_message();
    return message_;
  }
  std::optional<std::int64_t> own_time_ns() {  // the record's, else its wrapper's
    return event_->time_ns ? event_->time_ns : find_time_ns();
  }
  std::int64_t time_ns();  // that, else its arrival

  const Event& event() const { return *event_; }

  // For who shows what a rule saw: as it is now, nothing is made for it.
  const Event* overlay() const { return overlay_; }
  std::span<const std::string_view> captured() const { return captures_; }  // data() == null: not
  std::optional<Value> known_let(std::size_t index) const {  // nothing: nobody has asked for it
    return let_known_[index] != 0 ? std::optional(let_values_[index]) : std::nullopt;
  }
  Scratch& scratch() { return scratch_; }

 private:
  const Token& field(FieldId id) {
    if (overlay_ != nullptr) {
      const Token& over = overlay_->field(plan_->candidates(id));
      if (over.present()) return over;
    }
    return event_->field(plan_->candidates(id));
  }
  Token find_token(const Ref& ref);
  const Value& let_value(std::size_t index);
  std::string_view make_text(const Token& token);
  void make_room_for_lets();
  void find_message();
  std::optional<std::int64_t> find_time_ns();
  Value exception();

  const FieldPlan* plan_;
  const WellKnownFields* known_;
  const Event* event_ = nullptr;
  const Event* overlay_ = nullptr;
  std::vector<Table>* tables_ = nullptr;
  std::int64_t now_ns_ = 0;
  std::vector<Value> rows_;
  Scratch scratch_;
  std::span<const Expression> lets_;
  std::vector<std::string_view> captures_;  // the first captured_ of them are this rule's
  std::size_t captured_ = 0;
  std::vector<Value> let_values_;
  std::vector<std::uint8_t> let_known_;
  bool message_known_ = false;
  bool message_there_ = false;
  std::string_view message_;
};

// Class of the last exception of a traceback, without its module: "ConnectionError"; empty when
// there is none.
std::string_view exception_class(std::string_view traceback);

}  // namespace logtally::rules
