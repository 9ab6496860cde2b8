// JsonDecoder: one JSON object on one line -> the slots of an Event, in one strict pass.
//
// Engines write the same few shapes over and over, so the decoder predicts. What stands between two
// values - the end of containers, a comma, a key, a colon, the quote that opens the next string -
// is learned as one literal (an edge), and the next time compared as one vector. An edge knows
// where its value goes and which edge followed it last. When no prediction fits, the text is parsed
// character by character, which is also how edges are learned; so predictions change the speed,
// never the result. Keys are only learned from what was parsed, and the table of edges is bounded.
//
// Accepted is RFC 8259 within one line, plus NaN, Infinity and -Infinity as Python writes them.
// Duplicate keys: the last counts, as in Python. Invalid UTF-8 passes (it is made fit where it
// becomes a label). Refused: anything else, nesting deeper than kMaxJsonDepth, text behind the
// object, control characters in strings.
//
// Not thread-safe: it learns.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/event.h"
#include "rules/field_plan.h"

namespace logtally::rules {

inline constexpr std::size_t kMaxJsonDepth = 1024;
inline constexpr std::size_t kReadableBehindLine =
    64;  // bytes behind the newline that may be read (never used)

// What the decoder has learned. One per decoder; laid out for the vectorised pass.
struct JsonShapes {
  // What a literal leads to. The quote of a string is part of the literal, so that much is certain;
  // anything else is a guess from the first time. other: a container, a value behind the opening of
  // a container, or one whose slot has children.
  enum class Value : std::uint8_t { none, string, scalar, other, end };
  static constexpr std::size_t kLiteralBytes = 32;

  struct alignas(64) Edge {
    char literal[kLiteralBytes];  // compared up to `length`
    std::uint64_t present = 0;    // bit of the slot in word `word` of Event::present()
    std::uint32_t mask = 0;       // `length` ones
    std::uint16_t word = 0;
    std::uint16_t next = 0;   // edge that followed last
    std::uint16_t state = 0;  // state behind the value
    SlotId slot = kNoSlot;    // of the value
    SlotId opens = kNoSlot;   // node of a container that the literal opens
    std::uint8_t length = 0;
    Value value = Value::none;
    bool clears = false;  // the slot's node has children that a duplicate key may have filled
    bool quoted = false;  // a string
  };
  using EdgeTable = std::array<std::uint16_t, 512>;
  struct State {
    std::uint16_t node = 0;   // container that it is in
    std::uint16_t depth = 0;  // containers that are open
    EdgeTable by_front8{};    // by hash of the first 8 bytes: edges with literals shorter than 16
    EdgeTable by_front16{};   // by hash of the first 16 bytes: the longer ones
    std::vector<std::uint16_t> edges;  // all that leave this state
  };

  std::vector<Edge> edges;  // 0 is no edge: it leads to nothing
  std::vector<State>
      states;  // 0: before the object; the others: behind a value in the container of a node
  std::uint64_t parsed_since_reset = 0;
  std::string key;  // scratch: an unescaped key
};

class JsonDecoder {
 public:
  explicit JsonDecoder(const FieldPlan& plan);

  // `line` begins with `{`; a newline ends it, and kReadableBehindLine bytes follow that. Fills
  // `event` (cleared before) and returns the place behind the newline, or null when the line is not
  // one JSON object; the event is unusable then.
  const char* decode(const char* line, Event& event) { return decode_(*this, line, event); }

  // For tests: the portable and the vectorised pass give the same results.
  enum class Kernel : std::uint8_t { best, portable };
  void use(Kernel kernel);

  const FieldPlan& plan() const { return plan_; }
  JsonShapes& shapes() { return shapes_; }

  // Slots in the subtree below a node, without the node.
  const std::vector<SlotId>& below(SlotId node) const { return below_[node]; }
  // The state behind a value in the container of a node with children.
  std::uint16_t state_of(SlotId node) const { return state_of_[node]; }
  void forget();  // what was learned

 private:
  using DecodeFunction = const char* (*)(JsonDecoder&, const char*, Event&);

  const FieldPlan& plan_;
  JsonShapes shapes_;
  std::vector<std::vector<SlotId>> below_;
  std::vector<std::uint16_t> state_of_;
  DecodeFunction decode_;
};

// The text of a JSON string between its quotes, escapes resolved, appended to `out`; lone
// surrogates become U+FFFD. The raw text is one that the decoder accepted.
void unescape_json(std::string_view raw, std::string& out);

}  // namespace logtally::rules
