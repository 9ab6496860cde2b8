// TextFields: what a `<fields>` capture holds -> slots of an event. Three notations are read, each
// strictly from end to end:
//
//   a JSON object      `{"skill": "memory", "n": 1}`, by JsonDecoder
//   a Python dict      `{'skill': 'memory', 'ok': True, 'error': None, 'at':
//   datetime.datetime(2026, 1, 1), 'who': <Foo at 0x7f>}`
//                      as repr() writes it; lists, tuples, sets and other objects are checked for
//                      balance and kept as text
//   pairs              `skill=memory ok=True msg='two words' n=None`: keys of [\w.@-], values as
//   Python literals, quoted, or up
//                      to the next blank; structlog's console and logfmt. `a.b=1` is found at $a.b
//                      and at $'a.b'
//
// In pairs `None`, `null`, `?`, `n/a` and nothing are no value, true and false may be written
// small. In quoted text Python's escapes are resolved (JSON's are the same), lone surrogates become
// U+FFFD, unknown escapes stay. Of two equal keys the last counts. Nesting deeper than kMaxDepth is
// refused (in JSON, than its decoder's). Linear in the text's length, and without allocations once
// it has seen texts of that size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/event.h"
#include "rules/field_plan.h"
#include "rules/json_decoder.h"
#include "rules/value.h"

namespace logtally::rules {

// Keys of a plan -> slots, for keys that are met in a text. The plan is borrowed and complete.
class KeyTable {
 public:
  // A container of which nobody wants anything.
  static constexpr SlotId kNowhere = 0xFFFF;

  explicit KeyTable(const FieldPlan& plan);

  // The node of `key` in the container `node` (0: the root), or kNowhere.
  SlotId find(SlotId node, std::string_view key) const;
  bool has_children(SlotId node) const { return has_children_[node] != 0; }

 private:
  struct Entry {
    const char* key = nullptr;
    std::uint32_t size = 0;
    SlotId node = 0;
    SlotId slot = kNoSlot;  // kNoSlot: a free entry
  };
  std::vector<Entry> entries_;  // open addressing; a power of two
  std::vector<std::uint8_t> has_children_;
};

// One per worker, beside its JsonDecoder; not thread-safe.
class TextFields {
 public:
  static constexpr unsigned kMaxDepth = 64;

  // The plan is complete, and outlives this.
  explicit TextFields(const FieldPlan& plan) : keys_(plan), found_(plan) {}

  // `text`, with or without blanks around it, lies within a line as JsonDecoder takes it:
  // kReadableBehindLine bytes behind it may be read, and a newline right behind it spares a copy.
  // `json` is a decoder of the same plan. True: the fields that the plan wants are put into
  // `event`, over what was there (but null hides nothing), as views into `text` or `scratch`.
  // False: it is none of the three, and `event` is as before.
  bool parse(std::string_view text, Event& event, JsonDecoder& json, Scratch& scratch);

 private:
  bool parse_json(std::string_view text, JsonDecoder& json, Scratch& scratch);
  enum class Escapes : std::uint8_t { json, python };
  void hand_over(Event& event, Escapes escapes, Scratch& scratch);

  KeyTable keys_;
  Event found_;      // collected here, so that a text that turns out to be none leaves the caller's
                     // event alone
  std::string key_;  // with its escapes resolved
};

}  // namespace logtally::rules
