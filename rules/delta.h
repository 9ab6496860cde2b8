// rules::Delta: all that counting records changes: series, and how often each rule matched and
// skipped. The memo of label values lives here too, since it points at the series. Lives on the
// worker thread; not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/dispatch.h"
#include "rules/event_clock.h"
#include "rules/expiry.h"
#include "rules/json_decoder.h"
#include "rules/table.h"
#include "rules/text_fields.h"
#include "rules/timers.h"
#include "rules/value.h"
#include "sinks/metrics/delta.h"
#include "sinks/metrics/totals.h"

namespace logtally::rules {

class RuleSet;
class TraceSink;

// What a rule's labels came to for certain inputs: one look-up finds the series of all its actions.
class LabelMemo {
 public:
  struct Cell {
    enum class State : std::uint8_t {
      unresolved,
      found,
      noted,    // found, and each use is counted: a limit or a cut had a say in it
      refused,  // a label is missing or the like: `reason`
    };
    metrics::Series* series = nullptr;  // of found and noted
    State state = State::unresolved;
    SkipReason reason = SkipReason::missing_field;
    metrics::LookUp look_up;
    std::uint16_t over_max = 0;  // labels, by bit, whose value was beyond their `max`
  };

  // A key in the making: what the labels depend on, in words.
  struct Key {
    std::uint64_t* next = nullptr;
    std::uint64_t hash = 0x9E3779B97F4A7C15ULL;

    void add(std::uint64_t word) {
      *next++ = word;
      hash = (hash ^ word) * 0xD6E8FEB86659FD93ULL;
      hash ^= hash >> 32;
    }
  };
  static constexpr std::size_t kMaxParts = 16;
  static constexpr std::size_t kMaxPartBytes = 512;

  // For a rule of so many actions, whose labels have so many inputs.
  LabelMemo(std::size_t actions, std::size_t inputs)
      : actions_(actions), key_(inputs <= kMaxParts ? inputs * (kMaxPartBytes / 8 + 2) : 0) {}

  // begin(), then add() for each input, at most kMaxParts of kMaxPartBytes; then find(). One key at
  // a time. Inputs are hashed and compared where they stand, in words.
  Key begin() { return {.next = key_.data()}; }
  // One input: the bytes, and what tells equal bytes of another meaning apart. Where `roomy`, eight
  // bytes behind the data may be read.
  static void add(Key& key, std::string_view bytes, std::uint32_t meaning, bool roomy) {
    key.add(std::uint64_t{meaning} << 32 | bytes.size());
    const char* p = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t word = 0;
    if (roomy && left - 1 < 8) [[likely]] {
      std::memcpy(&word, p, 8);
      key.add(word & ~std::uint64_t{0} >> (64 - 8 * left));
      return;
    }
    for (; left >= 8; p += 8, left -= 8) {
      std::memcpy(&word, p, 8);
      key.add(word);
    }
    if (left == 0) return;
    if (roomy) {
      std::memcpy(&word, p, 8);
      word &= ~std::uint64_t{0} >> (64 - 8 * left);
    } else {
      word = 0;
      std::memcpy(&word, p, left);
    }
    key.add(word);
  }
  // The cells of this key, unresolved when it is new. Valid until the next find().
  Cell* find(const Key& key) {
    for (std::size_t at = key.hash & mask_; entries_[at].cells != 0; at = (at + 1) & mask_) {
      const Entry& entry = entries_[at];
      if (entry.hash == key.hash && is_key(entry, key)) return &cells_[entry.cells - 1];
    }
    return make(key);
  }

 private:
  static constexpr std::size_t kMaxEntries = 4096;
  static constexpr std::size_t kMaxKeyWords = 32 * 1024;
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t key = 0;    // into words_
    std::uint32_t cells = 0;  // into cells_; + 1, 0 is free
  };
  // Keys of one rule have the same number of parts, and a part's first word tells its length:
  // different keys differ in a word before either ends.
  bool is_key(const Entry& entry, const Key& key) const {
    const std::uint64_t* stored = words_.data() + entry.key;
    for (const std::uint64_t* word = key_.data(); word != key.next; ++word, ++stored) {
      if (*word != *stored) return false;
    }
    return true;
  }
  Cell* make(const Key& key);
  void grow();

  std::size_t actions_;
  std::size_t used_ = 0;
  std::vector<Entry> entries_ = std::vector<Entry>(8);  // a power of two
  std::size_t mask_ = 7;                                // of the places in them
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> key_;  // the words of the key that is looked up
  std::vector<Cell> cells_;
};

// The values that a label with a `max` has had.
struct CappedValues {
  std::set<std::string, std::less<>> values;
  std::vector<const std::string*>
      unsaved;                   // those of them that came since who saves them emptied it
  std::uint64_t overflowed = 0;  // times that it was not to have one

  // Whether the label may have this value: it had it before, or has room for one more.
  bool admit(std::string_view value, std::size_t max) {
    if (values.find(value) != values.end()) return true;
    if (values.size() < max) {
      unsaved.push_back(&*values.emplace(value).first);
      return true;
    }
    return false;
  }
};

// A row of the skill statistics.
struct Invocation {
  std::uint32_t generation = 0;  // with the offset and the ordinal: what tells it from any other
  std::uint64_t offset = 0;
  std::uint32_t ordinal = 0;  // among those of one record
  std::int64_t time_ns = 0;
  std::array<std::optional<std::string>, 7> columns;  // by kInvocationColumns
};

struct Delta {
  // With the series that `set` declares to be there from the start.
  explicit Delta(const RuleSet& set, metrics::SeriesLimits limits = {});

  // Memos and working memory for these rules, empty.
  void prepare(const RuleSet& set);

  metrics::Delta series;
  std::vector<metrics::RuleTotals> rules;  // by rule; per action the skips
  std::vector<LabelMemo> memos;            // by rule
  std::vector<CappedValues> capped;        // by LabelPolicy::number
  std::vector<Table> tables;
  Timers timers;
  Expiry expiry;
  EventClock clock{Silence::stays, 0};
  bool time_moved = false;              // by the record that is counted now
  std::vector<Invocation> invocations;  // since the last commit

  bool waits_for_time() const {
    if (timers.size() != 0 || !expiry.empty()) return true;
    for (const Table& table : tables) {
      if (table.rows() != 0) return true;
    }
    return false;
  }

  TraceSink* trace = nullptr;  // of the record that is counted now; null: nobody listens

  // Working memory of count(), kept so that nothing is allocated per record.
  Scope scope;
  std::vector<RuleIndex> candidates;
  std::vector<LabelMemo::Cell> loose_cells;  // of labels too long to remember
  std::string table_key;
  std::vector<std::string> texts;  // columns on their way into a table
  // For `<fields>` in patterns of rules; null when no rule has any.
  struct FieldsReader {
    explicit FieldsReader(const FieldPlan& plan) : json(plan), text(plan), event(plan) {}
    JsonDecoder json;
    TextFields text;
    Event event;
  };
  std::unique_ptr<FieldsReader> fields;
};

}  // namespace logtally::rules
