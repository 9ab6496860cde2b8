#include "rules/delta.h"

#include <cstring>

#include "rules/rule_set.h"

namespace logtally::rules {
namespace {

std::uint64_t hash_key(std::string_view key) {
  std::uint64_t h = key.size() * 0x9E3779B97F4A7C15ULL;
  const auto mix = [&](std::uint64_t word) {
    h = (h ^ word) * 0xD6E8FEB86659FD93ULL;
    h ^= h >> 32;
  };
  std::size_t i = 0;
  for (; i + 8 <= key.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, key.data() + i, 8);
    mix(word);
  }
  std::uint64_t word = 0;
  for (; i < key.size(); ++i) word = word << 8 | static_cast<unsigned char>(key[i]);
  mix(word);
  return h;
}

}  // namespace

LabelMemo::Cell* LabelMemo::find(std::string_view key) {
  const std::uint64_t hash = hash_key(key);
  if (!entries_.empty()) {
    for (std::size_t at = hash & (entries_.size() - 1); entries_[at].cells != 0;
         at = (at + 1) & (entries_.size() - 1)) {
      const Entry& entry = entries_[at];
      if (entry.hash == hash && entry.size == key.size() &&
          std::memcmp(keys_.data() + entry.key, key.data(), key.size()) == 0) {
        return &cells_[entry.cells - 1];
      }
    }
  }
  if (used_ == kMaxEntries ||
      keys_.size() + key.size() > kMaxKeyBytes) {  // unbounded labels: begin anew
    entries_.clear();
    keys_.clear();
    cells_.clear();
    used_ = 0;
  }
  if ((used_ + 1) * 2 > entries_.size()) grow();
  std::size_t at = hash & (entries_.size() - 1);
  while (entries_[at].cells != 0) at = (at + 1) & (entries_.size() - 1);
  entries_[at] = {.hash = hash,
                  .key = static_cast<std::uint32_t>(keys_.size()),
                  .size = static_cast<std::uint32_t>(key.size()),
                  .cells = static_cast<std::uint32_t>(cells_.size() + 1)};
  keys_ += key;
  cells_.resize(cells_.size() + actions_);
  ++used_;
  return &cells_[entries_[at].cells - 1];
}

void LabelMemo::grow() {
  std::vector<Entry> larger(entries_.empty() ? 8 : entries_.size() * 2);
  for (const Entry& entry : entries_) {
    if (entry.cells == 0) continue;
    std::size_t at = entry.hash & (larger.size() - 1);
    while (larger[at].cells != 0) at = (at + 1) & (larger.size() - 1);
    larger[at] = entry;
  }
  entries_ = std::move(larger);
}

Delta::Delta(const RuleSet& set) : series(set.families()), scope(set.plan(), set.known()) {
  rules.resize(set.rules().size());
  memos.reserve(set.rules().size());
  for (std::size_t i = 0; i < set.rules().size(); ++i) {
    rules[i].skipped.resize(set.rules()[i].actions.size());
    memos.emplace_back(set.rules()[i].actions.size());
  }
  capped.resize(set.capped_labels().size());
  for (const TableSpec& table : set.tables()) tables.emplace_back(table);
  if (set.reads_fields()) fields = std::make_unique<FieldsReader>(set.plan());
  set.create_initial_series(*this);
}

}  // namespace logtally::rules
