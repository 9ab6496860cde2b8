#include "rules/delta.h"

#include "rules/rule_set.h"

namespace logtally::rules {
LabelMemo::Cell* LabelMemo::make(const Key& key) {
  if (used_ == kMaxEntries || words_.size() > kMaxKeyWords) {  // unbounded labels: begin anew
    entries_.assign(8, {});
    mask_ = entries_.size() - 1;
    words_.clear();
    cells_.clear();
    used_ = 0;
  }
  if ((used_ + 1) * 2 > entries_.size()) grow();
  std::size_t at = key.hash & mask_;
  while (entries_[at].cells != 0) at = (at + 1) & mask_;
  entries_[at] = {.hash = key.hash,
                  .key = static_cast<std::uint32_t>(words_.size()),
                  .cells = static_cast<std::uint32_t>(cells_.size() + 1)};
  words_.insert(words_.end(), key_.data(), key.next);
  cells_.resize(cells_.size() + actions_);
  ++used_;
  return &cells_[entries_[at].cells - 1];
}

void LabelMemo::grow() {
  std::vector<Entry> larger(entries_.size() * 2);
  mask_ = larger.size() - 1;
  for (const Entry& entry : entries_) {
    if (entry.cells == 0) continue;
    std::size_t at = entry.hash & mask_;
    while (larger[at].cells != 0) at = (at + 1) & mask_;
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
  for (const Rule& rule : set.rules())
    memos.emplace_back(rule.actions.size(), rule.label_inputs.size());
  scope = Scope(set.plan(), set.known());
  candidates.clear();
  loose_cells.clear();
  fields = set.reads_fields() ? std::make_unique<FieldsReader>(set.plan()) : nullptr;
}

}  // namespace logtally::rules
