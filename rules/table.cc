#include "rules/table.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <random>
#include <utility>

#include "sinks/metrics/decimal.h"

namespace logtally::rules {
namespace {

// A block of text: BlockHead, the size of each column (16 bits), key, columns; a multiple of 8
// bytes.
struct BlockHead {
  std::uint32_t node;
  std::uint32_t size;  // of the whole block
  std::uint32_t key_size;
};
constexpr std::uint16_t kNoText = 0xFFFF;
constexpr std::size_t kChunkBytes = 16 * 1024;
constexpr std::size_t kKeySize = offsetof(BlockHead, key_size);

template <class T>
T load(const char* place) {
  T value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

template <class T>
void store(char* place, T value) {
  std::memcpy(place, &value, sizeof value);
}

constexpr std::size_t rounded(std::size_t size) { return (size + 7) & ~std::size_t{7}; }

std::size_t largest_block(const TableSpec& spec) {
  const std::size_t columns = spec.columns.size();
  return rounded(sizeof(BlockHead) + 2 * columns + Table::kMaxTextBytes * (columns + 1));
}

std::uint64_t random_seed() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const metrics::uint128 product = static_cast<metrics::uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
constexpr std::uint64_t kFixedSeed = 0xC2B2AE3D27D4EB4F;

std::uint64_t hash_text(std::uint64_t seed, std::string_view text) {
  const std::uint64_t factor = mix(seed, kOdd) | 1;
  std::uint64_t hash = mix(seed ^ text.size(), kOdd);
  const char* place = text.data();
  std::size_t left = text.size();
  for (; left >= 8; left -= 8, place += 8) hash = mix(hash ^ load<std::uint64_t>(place), factor);
  if (left == 0) return hash;
  std::uint64_t tail = 0;
  if (left >= 4) {  // the same bytes as one by one, without a call
    tail = load<std::uint32_t>(place) | std::uint64_t{load<std::uint32_t>(place + left - 4)}
                                            << 8 * (left - 4);
  } else {
    std::memcpy(&tail, place, left);
  }
  return mix(hash ^ tail, factor);
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::optional<std::string_view> Row::column(std::size_t index) const {
  const std::uint16_t size = load<std::uint16_t>(sizes_ + 2 * index);
  if (size == kNoText) return std::nullopt;
  const char* text = key.data() + key.size();
  for (std::size_t i = 0; i < index; ++i) {
    const std::uint16_t before = load<std::uint16_t>(sizes_ + 2 * i);
    if (before != kNoText) text += before;
  }
  return std::string_view(text, size);
}

Table::Table(TableSpec spec)
    : spec_(std::move(spec)),
      seed_(random_seed()),
      slots_(16),
      chunk_bytes_(std::max(kChunkBytes, largest_block(spec_))),
      fitted_(spec_.columns.size()) {
  spec_.max = std::clamp(spec_.max, std::size_t{1}, kMostRows);
}

std::optional<Row> Table::find(std::string_view key, std::int64_t now_ns) {
  see(now_ns);
  key = fit_key(key);
  const std::uint32_t first = find_node(hash_of(key), key);
  if (first == kNone) return std::nullopt;
  std::uint32_t node = first;
  while (over(nodes_[node])) {
    node = nodes_[node].behind;
    if (node == first) return std::nullopt;
  }
  unlink(node);
  use_now(node);
  return row(node);
}

bool Table::restore(const SavedRow& saved) {
  if (saved.columns.size() != spec_.columns.size() || saved.key.size() > kMaxTextBytes)
    return false;
  if (saved.id > saved.use || saved.use < next_ ||
      saved.use > std::numeric_limits<std::uint64_t>::max() / 2)
    return false;
  if (newest_ != kNone) {
    const std::int64_t before_ns = nodes_[newest_].last_use_ns;
    if (saved.last_use_ns < before_ns) return false;
    if (before_ns == kNoEventTime && saved.last_use_ns != kNoEventTime)
      return false;  // begin() leaves none
  }
  const std::uint32_t hash = hash_of(saved.key);
  std::uint32_t head = find_node(hash, saved.key);
  if (head != kNone && !spec_.queue) return false;

  if (rows_ >= spec_.max) {
    ++evicted_;
    ++expired_;
    drop(oldest_);
    if (head != kNone) head = find_node(hash, saved.key);
  }
  see(saved.last_use_ns);
  const std::uint32_t node = add_node(hash, head);
  write_block(node, saved.key, saved.columns);
  Node& made = nodes_[node];
  made.id = saved.id;
  // Rows of one key stand in the order of their births, not of their uses: to its place.
  std::uint32_t before = made.ahead;
  if (head != kNone && nodes_[before].id > made.id) {
    while (before != head && nodes_[before].id > made.id) before = nodes_[before].ahead;
    const bool becomes_first = nodes_[before].id > made.id;
    nodes_[made.ahead].behind = made.behind;
    nodes_[made.behind].ahead = made.ahead;
    const std::uint32_t next = becomes_first ? head : nodes_[before].behind;
    made.behind = next;
    made.ahead = nodes_[next].ahead;
    nodes_[made.ahead].behind = node;
    nodes_[next].ahead = node;
    if (becomes_first) slots_[slot_of(made.hash, head)].node = node;
  }
  made.has_time = saved.time_ns.has_value();
  made.time_ns = saved.time_ns.value_or(0);
  made.use = saved.use;
  made.last_use_ns = saved.last_use_ns;
  link_newest(node);
  next_ = saved.use + 1;
  clean_ = next_;
  return true;
}

void Table::clear_dirty() {
  removed_.clear();
  clean_ = next_;
}

std::size_t Table::bytes() const {
  std::size_t chunks = 0;
  for (const Chunk& chunk : chunks_) chunks += chunk.bytes ? chunk_bytes_ : 0;
  return chunks + nodes_.capacity() * sizeof(Node) + slots_.capacity() * sizeof(Slot) +
         removed_.capacity() * sizeof(std::uint64_t);
}

void Table::begin(std::int64_t now_ns) {
  // A use, so that it is saved; the order stays.
  for (std::uint32_t node = oldest_; node != kNone; node = nodes_[node].newer) {
    if (nodes_[node].last_use_ns != kNoEventTime) continue;
    nodes_[node].last_use_ns = now_ns;
    nodes_[node].use = next_++;
  }
}

Row Table::row(std::uint32_t index) const {
  const Node& node = nodes_[index];
  Row row;
  row.sizes_ = node.block + sizeof(BlockHead);
  row.columns_ = static_cast<std::uint16_t>(spec_.columns.size());
  row.key = key_of(node);
  if (node.has_time) row.time_ns = node.time_ns;
  row.last_use_ns = node.last_use_ns;
  row.id = node.id;
  row.use = node.use;
  return row;
}

std::string_view Table::key_of(const Node& node) const {
  return {node.block + sizeof(BlockHead) + 2 * spec_.columns.size(),
          load<std::uint32_t>(node.block + kKeySize)};
}

std::uint32_t Table::hash_of(std::string_view key) const {
  const std::uint64_t hash = hash_text(seed_, key);
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

std::string_view Table::fit_text(std::string_view text, std::string& storage) const {
  // Not seeded: the text is saved, and must be the same in every process.
  constexpr std::size_t kHashDigits = 16;
  std::size_t kept = kMaxTextBytes - kHashDigits - 1;
  while (kept > 0 && continues_character(text[kept])) --kept;
  if (kept + 4 < kMaxTextBytes - kHashDigits - 1)
    kept = kMaxTextBytes - kHashDigits - 1;  // no UTF-8 anyway
  storage.assign(text.substr(0, kept));
  storage += '#';
  const std::uint64_t hash = hash_text(kFixedSeed, text);
  for (int shift = 60; shift >= 0; shift -= 4) storage += "0123456789abcdef"[hash >> shift & 15];
  return storage;
}

std::uint32_t Table::find_node(std::uint32_t hash, std::string_view key) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask; slots_[slot].node != kNone; slot = (slot + 1) & mask) {
    if (slots_[slot].hash != hash) continue;
    const Node& node = nodes_[slots_[slot].node];
    // What find() moves next in the order of uses, fetched along with the key.
    if (node.older != kNone) __builtin_prefetch(&nodes_[node.older]);
    if (node.newer != kNone) __builtin_prefetch(&nodes_[node.newer]);
    if (key_of(node) == key) return slots_[slot].node;
  }
  return kNone;
}

std::size_t Table::slot_of(std::uint32_t hash, std::uint32_t first) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].node != first) slot = (slot + 1) & mask;
  return slot;
}

std::uint32_t Table::add_node(std::uint32_t hash, std::uint32_t first) {
  std::uint32_t index = free_;
  if (index != kNone) {
    free_ = nodes_[index].newer;
  } else {
    if (nodes_.size() == nodes_.capacity()) {
      nodes_.reserve(std::min(spec_.max, std::max<std::size_t>(64, 2 * nodes_.size())));
    }
    index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  }
  Node& node = nodes_[index];
  node = Node{};
  node.hash = hash;
  node.id = next_;
  ++rows_;
  if (first == kNone) {
    node.ahead = node.behind = index;
    insert_slot(node.hash, index);
  } else {
    node.behind = first;
    node.ahead = nodes_[first].ahead;
    nodes_[node.ahead].behind = index;
    nodes_[first].ahead = index;
  }
  return index;
}

void Table::fill(std::uint32_t index, std::string_view key,
                 std::span<const std::optional<std::string_view>> columns,
                 std::optional<std::int64_t> time_ns) {
  Node& node = nodes_[index];
  if (node.block != nullptr) unlink(index);
  write_block(index, key, columns);
  node.has_time = time_ns.has_value();
  node.time_ns = time_ns.value_or(0);
  use_now(index);
}

void Table::write_block(std::uint32_t index, std::string_view key,
                        std::span<const std::optional<std::string_view>> columns) {
  assert(columns.size() == spec_.columns.size());
  Node& node = nodes_[index];
  if (node.block != nullptr) live_bytes_ -= load<BlockHead>(node.block).size;

  std::size_t size = sizeof(BlockHead) + 2 * columns.size() + key.size();
  for (const std::optional<std::string_view>& column : columns) {
    if (column) size += std::min(column->size(), kMaxTextBytes);
  }
  size = rounded(size);
  char* const block = allocate(size);
  store(block,
        BlockHead{index, static_cast<std::uint32_t>(size), static_cast<std::uint32_t>(key.size())});
  char* sizes = block + sizeof(BlockHead);
  char* text = sizes + 2 * columns.size();
  text = std::copy(key.begin(), key.end(), text);
  for (std::size_t i = 0; i < columns.size(); ++i, sizes += 2) {
    if (!columns[i]) {
      store(sizes, kNoText);
      continue;
    }
    std::string_view column = *columns[i];
    if (column.size() > kMaxTextBytes) {
      column = fit_text(column, fitted_[i]);
      ++cut_;
    }
    store(sizes, static_cast<std::uint16_t>(column.size()));
    text = std::copy(column.begin(), column.end(), text);
  }
  node.block = block;
  live_bytes_ += size;
}

void Table::use_now(std::uint32_t index) {
  nodes_[index].use = next_++;
  nodes_[index].last_use_ns = now_ns_;
  link_newest(index);
}

void Table::link_newest(std::uint32_t index) {
  Node& node = nodes_[index];
  node.older = newest_;
  node.newer = kNone;
  (newest_ == kNone ? oldest_ : nodes_[newest_].newer) = index;
  newest_ = index;
}

void Table::unlink(std::uint32_t index) {
  const Node& node = nodes_[index];
  (node.older == kNone ? oldest_ : nodes_[node.older].newer) = node.newer;
  (node.newer == kNone ? newest_ : nodes_[node.newer].older) = node.older;
}

void Table::drop(std::uint32_t index) {
  unlink(index);
  Node& node = nodes_[index];
  if (node.id < clean_) removed_.push_back(node.id);
  if (node.behind == index) {
    erase_slot(slot_of(node.hash, index));
  } else {
    // In front of all others of its key: the next one is now.
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = node.hash & mask;
    while (slots_[slot].node != index && slots_[slot].node != kNone) slot = (slot + 1) & mask;
    if (slots_[slot].node == index) slots_[slot].node = node.behind;
    nodes_[node.ahead].behind = node.behind;
    nodes_[node.behind].ahead = node.ahead;
  }
  live_bytes_ -= load<BlockHead>(node.block).size;
  node.block = nullptr;
  node.newer = free_;
  free_ = index;
  --rows_;
}

void Table::insert_slot(std::uint32_t hash, std::uint32_t node) {
  if (2 * (keys_ + 1) > slots_.size()) grow_slots();
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].node != kNone) slot = (slot + 1) & mask;
  slots_[slot] = {hash, node};
  ++keys_;
}

// Moves up what was displaced by this slot, so that no search ends early.
void Table::erase_slot(std::size_t hole) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = (hole + 1) & mask; slots_[slot].node != kNone; slot = (slot + 1) & mask) {
    const std::size_t home = slots_[slot].hash & mask;
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
    slots_[hole] = slots_[slot];
    hole = slot;
  }
  slots_[hole] = Slot{};
  --keys_;
}

void Table::grow_slots() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& moved : old) {
    if (moved.node == kNone) continue;
    std::size_t slot = moved.hash & mask;
    while (slots_[slot].node != kNone) slot = (slot + 1) & mask;
    slots_[slot] = moved;
  }
}

char* Table::allocate(std::size_t size) {
  if (!chunks_.empty() && chunks_[chunk_].used + size > chunk_bytes_) ++chunk_;
  if (chunk_ == chunks_.size()) chunks_.push_back({std::make_unique<char[]>(chunk_bytes_), 0});
  Chunk& chunk = chunks_[chunk_];
  char* const place = chunk.bytes.get() + chunk.used;
  chunk.used += size;
  text_bytes_ += size;
  return place;
}

// Slides the blocks of live rows to the front, in the order in which they lie. A block never moves
// back: without the dead ones between them, they fill the same chunks no later.
void Table::pack() {
  const std::size_t filled = chunks_.empty() ? 0 : chunk_ + 1;
  chunk_ = 0;
  text_bytes_ = 0;
  std::size_t to_used = 0;
  for (std::size_t from = 0; from < filled; ++from) {
    const std::size_t end = std::exchange(chunks_[from].used, 0);
    for (std::size_t at = 0; at < end;) {
      char* const block = chunks_[from].bytes.get() + at;
      const BlockHead head = load<BlockHead>(block);
      at += head.size;
      if (nodes_[head.node].block != block) continue;
      if (to_used + head.size > chunk_bytes_) {
        chunks_[chunk_++].used = to_used;
        to_used = 0;
      }
      char* const place = chunks_[chunk_].bytes.get() + to_used;
      std::memmove(place, block, head.size);
      nodes_[head.node].block = place;
      to_used += head.size;
      text_bytes_ += head.size;
    }
  }
  if (filled == 0) return;
  chunks_[chunk_].used = to_used;
  const std::size_t kept = 2 * (chunk_ + 1) + 3;  // as many as are filled before the next time
  if (chunks_.size() > kept) chunks_.resize(kept);
}

void append_key_part(std::string& key, std::string_view part) {
  key += std::to_string(part.size());
  key += ':';
  key += part;
}

}  // namespace logtally::rules
