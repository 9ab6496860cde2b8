// Dispatch: which rules may match a record. Each rule is filed under one thing that every matching
// record has: a field's value, the text that its message begins with, the format that it is in, or
// a field being there at all. A record meets only the rules that are filed under what it has, so a
// thousand rules cost about what ten do.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/event.h"
#include "rules/level.h"
#include "rules/scope.h"

namespace logtally::rules {

class Dispatch {
 public:
  explicit Dispatch(const FieldPlan& plan);

  // Filing, before the first candidates(). `rule` in ascending order.
  void under_value(FieldId field, std::string_view text, RuleIndex rule);
  void under_level(Level level, RuleIndex rule);
  // `prefix`: literal text of a pattern, in which a blank stands for one or more.
  void under_message_prefix(std::string_view prefix, RuleIndex rule);
  void under_presence(FieldId field, RuleIndex rule);
  void under_format(std::string_view format, RuleIndex rule);  // empty: records that none fits
  void always(RuleIndex rule) { always_.push_back(rule); }
  void finish(const WellKnownFields& known);

  // Whether what of_header() finds holds for every message under that header.
  bool header_decides() const { return header_decides_; }
  // Those of the candidates that depend on nothing of the record but the slots that are filled now,
  // all but the message's, and on the level: Event::header_rules.
  std::vector<RuleIndex> of_header(Scope& scope, const WellKnownFields& known) const;

  // The rules that may match, in ascending order; valid until the next call with the same buffer.
  std::span<const RuleIndex> candidates(Scope& scope, const WellKnownFields& known,
                                        std::vector<RuleIndex>& buffer) const {
    // Where the header is known and the message begins no prefix, what the header gives is all.
    const std::vector<RuleIndex>* const of_header = scope.event().header_rules;
    if (of_header != nullptr && !files_message_ && !may_begin_prefix(scope)) return *of_header;
    return gather(scope, known, buffer);
  }

 private:
  struct Values {  // of one field
    struct Entry {
      std::uint64_t low = 0;  // first and last 8 bytes of the text (overlapping when it is short)
      std::uint64_t high = 0;
      std::string text;
      std::vector<RuleIndex> rules;
    };
    FieldId field = 0;
    std::uint64_t lengths = 0;  // bit min(length, 63): some entry has it
    std::vector<Entry> entries;
    std::vector<std::uint32_t> slots;                      // open addressing: index + 1
    std::unordered_map<std::string, std::size_t> by_text;  // the entries' places, until build()
    const std::vector<RuleIndex>* find(std::string_view text) const;
    void build();
  };
  struct PrefixNode {  // of a radix tree over the prefixes
    std::string label;
    std::vector<RuleIndex> rules;
    std::vector<std::uint32_t> children;
  };
  struct OnSlot {  // what to look at when a slot is filled
    FieldId field;
    std::int16_t values;    // index into values_, -1: none
    std::int16_t presence;  // index into presence_, -1: none
    std::uint32_t before;   // the field's candidates before this one, in candidates_before_
    std::uint16_t befores;  // how many they are
  };

  bool may_begin_prefix(Scope& scope) const {
    if (prefixes_.size() == 1 || !scope.has_message()) return false;
    const std::string_view message = scope.message();
    return !message.empty() && begins_prefix_[static_cast<unsigned char>(message.front())];
  }
  std::span<const RuleIndex> gather(Scope& scope, const WellKnownFields& known,
                                    std::vector<RuleIndex>& buffer) const;
  // Calls take(rules) for the lists that a filled slot leads to.
  template <class Take>
  void of_slot(SlotId slot, Scope& scope, Take&& take) const;
  const std::vector<RuleIndex>& of_format(const Event& event) const;
  void insert_prefix(std::uint32_t node, std::string_view rest, RuleIndex rule);

  const FieldPlan& plan_;
  std::vector<Values> values_;
  std::vector<std::pair<FieldId, std::vector<RuleIndex>>> presence_;
  std::array<std::vector<RuleIndex>, 7> by_level_;
  std::vector<std::pair<std::string, std::vector<RuleIndex>>> by_format_;  // 0: JSON
  bool uses_level_ = false;
  bool header_decides_ = true;        // no field is the message or else something of the header
  bool files_message_ = false;        // some slot of the message has an entry in on_slot_
  std::vector<PrefixNode> prefixes_;  // 0 is the root
  std::array<bool, 256> begins_prefix_{};  // some prefix begins with the byte
  std::vector<RuleIndex> always_;
  std::vector<std::vector<OnSlot>> on_slot_;
  std::vector<SlotId> candidates_before_;
  std::vector<std::uint64_t> mask_;  // slots with an entry in on_slot_
};

}  // namespace logtally::rules
