// Table: what earlier lines said, by key (`tables:`, RULES.md §6). A row leaves by take(), when a
// newer one of its key replaces it, when it was not used for the ttl, or, of a full table, as the
// one used longest ago.
//
// Everything follows from the calls and their event times alone: no clock; hashes are seeded but
// nothing is ever visited in their order. Every birth and every use of a row takes the next number
// of one sequence. So rows are always in order of last use, and because event time never goes back,
// in order of expiry too: expiry and eviction look at one end of a list. What changed since the
// last save is the other end of that list: the rows whose number is newer; only the numbers of rows
// that went are kept apart. Saving so costs nothing until it happens.
//
// Memory: nodes in one array, reused; texts one behind another in chunks, which advance() packs
// when more than half of them is of rows that are gone. At most max rows of kMaxTextBytes per text,
// twice; once grown, nothing is allocated any more.
//
// Lives on the worker thread; not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/event_clock.h"

namespace logtally::rules {

struct TableSpec {
  std::string name;
  std::vector<std::string> columns;
  std::int64_t ttl_ns = 0;  // since last use; <= 0: for ever
  std::size_t max = 0;      // rows; at least one
  bool queue = false;       // several rows a key, first in, first out
  std::string key{};  // as declared; tells whether the rows of another load have the same keys
  bool operator==(const TableSpec&) const = default;
};

// A row as it stands in its table. The texts stay where they are until the next Table::advance(),
// even when the row goes.
class Row {
 public:
  std::string_view key;
  std::optional<std::int64_t> time_ns{};  // of the line that was remembered
  std::int64_t last_use_ns = 0;           // event time
  std::uint64_t id = 0;   // of its birth; in a queue rows leave by it. Unique in its table
  std::uint64_t use = 0;  // of its last use; unique in its table

  std::size_t columns() const { return columns_; }
  std::optional<std::string_view> column(std::size_t index) const;

 private:
  friend class Table;
  const char* sizes_ = nullptr;  // of the columns, kNoText for none
  std::uint16_t columns_ = 0;
};

class Table {
 public:
  enum class Gone : std::uint8_t { replaced, expired, evicted };
  // The functions below call gone(const Row&, Gone) for every row that leaves without being asked
  // for: what `open:` needs to know. It must not call the table.
  struct Ignore {
    void operator()(const Row&, Gone) const {}
  };
  static constexpr std::size_t kMaxTextBytes = 512;

  explicit Table(TableSpec spec);
  Table(Table&&) noexcept = default;
  Table& operator=(Table&&) noexcept = default;

  const TableSpec& spec() const { return spec_; }

  // `now_ns` is event time everywhere; one that goes back counts as the latest seen.

  // A new row, as many columns as the spec's. Texts over kMaxTextBytes are cut and get a hash, so
  // that two stay two.
  template <class F = Ignore>
  Row remember(std::string_view key, std::span<const std::optional<std::string_view>> columns,
               std::optional<std::int64_t> time_ns, std::int64_t now_ns, F&& gone = {}) {
    expire(now_ns, gone);
    key = fit_key(key);
    const std::uint32_t hash = hash_of(key);
    std::uint32_t node = find_node(hash, key);
    if (node != kNone && !spec_.queue) {
      gone(row(node), Gone::replaced);
    } else {
      if (rows_ >= spec_.max) {
        gone(row(oldest_), Gone::evicted);
        ++evicted_;
        ++expired_;
        drop(oldest_);
        if (node != kNone) node = find_node(hash, key);  // it may have been that one
      }
      node = add_node(hash, node);
    }
    fill(node, key, columns, time_ns);
    return row(node);
  }

  // The row of the key, of several the first. A use.
  std::optional<Row> find(std::string_view key, std::int64_t now_ns);

  // The same, and removes it; counts a miss when there is none.
  template <class F = Ignore>
  std::optional<Row> take(std::string_view key, std::int64_t now_ns, F&& gone = {}) {
    expire(now_ns, gone);
    key = fit_key(key);
    const std::uint32_t node = find_node(hash_of(key), key);
    if (node == kNone) {
      ++missed_;
      return std::nullopt;
    }
    const Row taken = row(node);
    drop(node);
    return taken;
  }

  // Call before the rules of a line, with its event time, unless next_due_ns() is later and
  // wants_packing() false: rows whose ttl is over go, the one used longest ago first. A row is over
  // when `ttl` has passed since its last use, at that very moment already. Rows that are over are
  // never seen by find() and take(), but counted and told about only here, by take() and by
  // remember(). Ends the life of all texts of Rows.
  template <class F = Ignore>
  void advance(std::int64_t now_ns, F&& gone = {}) {
    expire(now_ns, gone);
    if (wants_packing()) pack();
  }

  // Another ttl and max (a reload). Rows beyond the new max leave, the one used longest ago first.
  template <class F = Ignore>
  void limit(std::int64_t ttl_ns, std::size_t max, F&& gone = {}) {
    spec_.ttl_ns = ttl_ns;
    spec_.max = std::clamp(max, std::size_t{1}, kMostRows);
    while (rows_ > spec_.max) {
      gone(row(oldest_), Gone::evicted);
      ++evicted_;
      ++expired_;
      drop(oldest_);
    }
  }

  // No row goes before this event time; kNoEventTime while rows wait for the first event time.
  std::int64_t next_due_ns() const {
    return oldest_ == kNone ? std::numeric_limits<std::int64_t>::max() : due_ns(nodes_[oldest_]);
  }
  // Whether advance() has memory to give back. Unlike a due row this is no reason for a tick.
  bool wants_packing() const { return text_bytes_ > 2 * live_bytes_ + 2 * chunk_bytes_; }

  std::size_t rows() const { return rows_; }
  std::uint64_t expired() const { return expired_; }  // evicted ones too
  std::uint64_t evicted() const { return evicted_; }  // because the table was full
  std::uint64_t missed() const { return missed_; }
  std::uint64_t cut() const { return cut_; }  // columns over kMaxTextBytes
  std::size_t bytes() const;                  // of memory

  // Saving. All rows, the one used longest ago first; restore() wants them in this order (that of
  // `use`) and in an empty table.
  template <class F>
  void visit(F&& f) const {
    for (std::uint32_t node = oldest_; node != kNone; node = nodes_[node].newer) f(row(node));
  }
  struct SavedRow {
    std::string_view key;
    std::span<const std::optional<std::string_view>> columns;
    std::optional<std::int64_t> time_ns;
    std::int64_t last_use_ns = 0;
    std::uint64_t id = 0;
    std::uint64_t use = 0;
  };
  // False, and nothing done, for a row that no table of this spec can have saved here. Of more than
  // max rows the last stay.
  bool restore(const SavedRow& saved);

  // What changed since clear_dirty() (a restored row is as it was saved): first the ids of rows to
  // remove, then the rows to insert or replace, by id. An empty journal costs one comparison. Call
  // clear_dirty() once the transaction is durable; until then changes add up.
  template <class Removed, class Changed>
  void visit_dirty(Removed&& removed, Changed&& changed) const {
    for (const std::uint64_t id : removed_) removed(id);
    for (std::uint32_t node = newest_; node != kNone && nodes_[node].use >= clean_;
         node = nodes_[node].older) {
      changed(row(node));
    }
  }
  bool dirty() const {
    return !removed_.empty() || (newest_ != kNone && nodes_[newest_].use >= clean_);
  }
  void clear_dirty();

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::size_t kMostRows = kNone / 4;
  struct alignas(64) Node {  // one cache line: rows of a large table are far from each other
    char* block = nullptr;   // key and columns; null: free, `newer` is the next free one
    std::int64_t last_use_ns = 0;
    std::int64_t time_ns = 0;
    std::uint64_t id = 0;
    std::uint64_t use = 0;
    std::uint32_t hash = 0;
    std::uint32_t older = kNone;
    std::uint32_t newer = kNone;
    std::uint32_t ahead = kNone;  // rows of one key: a ring, the first's `ahead` is the last
    std::uint32_t behind = kNone;
    bool has_time = false;
  };
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t node = kNone;  // the first of its key
  };
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    std::size_t used = 0;
  };

  template <class F>
  void expire(std::int64_t now_ns, F&& gone) {
    see(now_ns);
    while (oldest_ != kNone && over(nodes_[oldest_])) {
      gone(row(oldest_), Gone::expired);
      ++expired_;
      drop(oldest_);
    }
  }
  void see(std::int64_t now_ns) {
    if (now_ns <= now_ns_) return;
    if (now_ns_ == kNoEventTime) begin(now_ns);
    now_ns_ = now_ns;
  }
  // The first event time: rows from before there was any were used now.
  void begin(std::int64_t now_ns);
  std::int64_t due_ns(const Node& node) const {
    if (node.last_use_ns == kNoEventTime) return kNoEventTime;  // for begin()
    if (spec_.ttl_ns <= 0) return std::numeric_limits<std::int64_t>::max();
    return add_clamped(node.last_use_ns, spec_.ttl_ns);
  }
  bool over(const Node& node) const {
    return spec_.ttl_ns > 0 && node.last_use_ns != kNoEventTime &&
           add_clamped(node.last_use_ns, spec_.ttl_ns) <= now_ns_;
  }

  Row row(std::uint32_t node) const;
  std::string_view key_of(const Node& node) const;
  std::uint32_t hash_of(std::string_view key) const;
  std::string_view fit_key(std::string_view key) {
    return key.size() <= kMaxTextBytes ? key : fit_text(key, key_);
  }
  std::string_view fit_text(std::string_view text, std::string& storage) const;

  std::uint32_t find_node(std::uint32_t hash, std::string_view key) const;  // the first; or kNone
  std::size_t slot_of(std::uint32_t hash, std::uint32_t first) const;
  // Behind the others of its key, the `first` of which is this; kNone: none. fill() does the rest.
  std::uint32_t add_node(std::uint32_t hash, std::uint32_t first);
  void fill(std::uint32_t node, std::string_view key,
            std::span<const std::optional<std::string_view>> columns,
            std::optional<std::int64_t> time_ns);
  void write_block(std::uint32_t node, std::string_view key,
                   std::span<const std::optional<std::string_view>> columns);
  void use_now(std::uint32_t node);
  void link_newest(std::uint32_t node);
  void unlink(std::uint32_t node);
  void drop(std::uint32_t node);
  void insert_slot(std::uint32_t hash, std::uint32_t node);
  void erase_slot(std::size_t slot);
  void grow_slots();

  void pack();
  char* allocate(std::size_t size);

  TableSpec spec_;
  std::uint64_t seed_;
  std::int64_t now_ns_ = kNoEventTime;
  std::uint64_t next_ = 0;  // of the sequence of births and uses
  std::uint64_t clean_ =
      0;  // rows whose use is older are stored as they are, rows whose id is older are stored

  std::vector<Node> nodes_;
  std::uint32_t free_ = kNone;
  std::uint32_t oldest_ = kNone;
  std::uint32_t newest_ = kNone;
  std::size_t rows_ = 0;
  std::size_t keys_ = 0;
  std::vector<Slot> slots_;  // open addressing; a power of two, at most half full

  std::size_t chunk_bytes_;
  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0;       // the one that is filled; those behind it are empty
  std::size_t text_bytes_ = 0;  // in chunks, of rows that are gone too
  std::size_t live_bytes_ = 0;

  std::vector<std::uint64_t> removed_;
  std::string key_;                  // a key that was cut
  std::vector<std::string> fitted_;  // columns that were cut
  std::uint64_t expired_ = 0;
  std::uint64_t evicted_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t cut_ = 0;
};

// One text for a key of several parts, `key: [$_file, $name]`: appends one. Different parts never
// give the same text.
void append_key_part(std::string& key, std::string_view part);

}  // namespace logtally::rules
