#include "rules/delta.h"

#include <cstring>

#include "rules/rule_set.h"

namespace logtally::rules {
namespace {

// Calls f(word) for the words of a part: what it means and how long it is, then its bytes with
// zeros behind.
template <class F>
inline void each_word(const LabelMemo::Part& part, F&& f) {
  f(std::uint64_t{part.meaning} << 32 | part.size);
  const char* p = part.data;
  std::uint32_t left = part.size;
  std::uint64_t word = 0;
  for (; left >= 8; p += 8, left -= 8) {
    std::memcpy(&word, p, 8);
    f(word);
  }
  if (left == 0) return;
  if (part.roomy) {
    std::memcpy(&word, p, 8);
    word &= (std::uint64_t{1} << left * 8) - 1;
  } else {
    word = 0;
    std::memcpy(&word, p, left);
  }
  f(word);
}

}  // namespace

LabelMemo::Cell* LabelMemo::find(std::span<const Part> key) {
  std::uint64_t hash = 0x9E3779B97F4A7C15ULL;
  std::uint64_t* next = key_.data();
  for (const Part& part : key) {
    each_word(part, [&](std::uint64_t word) {
      *next++ = word;
      hash = (hash ^ word) * 0xD6E8FEB86659FD93ULL;
      hash ^= hash >> 32;
    });
  }
  const auto size = static_cast<std::size_t>(next - key_.data());
  if (!entries_.empty()) {
    for (std::size_t at = hash & (entries_.size() - 1); entries_[at].cells != 0;
         at = (at + 1) & (entries_.size() - 1)) {
      const Entry& entry = entries_[at];
      if (entry.hash != hash) continue;
      // Keys of one rule have the same number of parts, and a part's first word tells its length:
      // different keys differ in a word before either ends.
      const std::uint64_t* const stored = words_.data() + entry.key;
      std::size_t same = 0;
      while (same < size && stored[same] == key_[same]) ++same;
      if (same == size) return &cells_[entry.cells - 1];
    }
  }
  if (used_ == kMaxEntries || words_.size() > kMaxKeyWords) {  // unbounded labels: begin anew
    entries_.clear();
    words_.clear();
    cells_.clear();
    used_ = 0;
  }
  if ((used_ + 1) * 2 > entries_.size()) grow();
  std::size_t at = hash & (entries_.size() - 1);
  while (entries_[at].cells != 0) at = (at + 1) & (entries_.size() - 1);
  entries_[at] = {.hash = hash,
                  .key = static_cast<std::uint32_t>(words_.size()),
                  .cells = static_cast<std::uint32_t>(cells_.size() + 1)};
  words_.insert(words_.end(), key_.data(), next);
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

Delta::Delta(const RuleSet& set, metrics::SeriesLimits limits)
    : series(set.families()), scope(set.plan(), set.known()) {
  series.limit(limits);
  rules.resize(set.rules().size());
  for (std::size_t i = 0; i < set.rules().size(); ++i)
    rules[i].skipped.resize(set.rules()[i].actions.size());
  capped.resize(set.capped_labels().size());
  for (const TableSpec& table : set.tables()) tables.emplace_back(table);
  prepare(set);
  set.create_initial_series(*this);
}

void Delta::prepare(const RuleSet& set) {
  memos.clear();
  memos.reserve(set.rules().size());
  for (const Rule& rule : set.rules()) memos.emplace_back(rule.actions.size());
  scope = Scope(set.plan(), set.known());
  candidates.clear();
  loose_cells.clear();
  fields = set.reads_fields() ? std::make_unique<FieldsReader>(set.plan()) : nullptr;
}

}  // namespace logtally::rules
