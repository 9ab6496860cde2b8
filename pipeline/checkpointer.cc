#include "pipeline/checkpointer.h"

#include <algorithm>
#include <utility>

#include "pipeline/probation.h"

namespace logtally::pipeline {

Checkpointer::Checkpointer(StateStore& store, const StateImage& image,
                           std::vector<std::string> targets)
    : store_(store),
      next_generation_(image.next_generation),
      targets_(std::move(targets)),
      new_targets_(image.targets != targets_) {
  for (const SavedGeneration& saved : image.generations) {
    stored_[saved.file.number] = {
        .counted = saved.file.counted, .shipped = saved.file.shipped, .crashes = saved.crashes};
  }
}

Result<std::vector<std::string>> Checkpointer::restore(const StateImage& image,
                                                       const rules::RuleSet& rules,
                                                       rules::Delta& delta, std::int64_t wall_ns) {
  const auto restored = counting_.restore(image, rules, delta, wall_ns);
  if (!restored) return restored.error();
  std::vector<std::string> messages;
  const auto tell = [&](const std::vector<std::string>& names, const char* what) {
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    if (!list.empty()) {
      messages.push_back(
          "state: the rules do not have these " + std::string(what) +
          " any more, or have them otherwise; what was counted of them is gone: " + list);
    }
  };
  tell(restored->families, "metrics");
  tell(restored->tables, "tables");
  return messages;
}

void Checkpointer::changed(StoredGeneration file, std::string carry) {
  const std::uint32_t number = file.number;
  changes_[number] = {.file = std::move(file), .carry = std::move(carry)};
}

void Checkpointer::forget(std::uint32_t generation) {
  changes_.erase(generation);
  if (stored_.contains(generation)) forgotten_.push_back(generation);
}

bool Checkpointer::dirty(const rules::Delta& delta) const {
  return new_targets_ || !changes_.empty() || !forgotten_.empty() || !quarantined_.empty() ||
         counting_.dirty(delta);
}

std::optional<CommitFailure> Checkpointer::commit(const rules::RuleSet& rules, rules::Delta& delta,
                                                  std::uint32_t next_generation,
                                                  std::int64_t wall_ns) {
  if (!dirty(delta) && next_generation == next_generation_) return std::nullopt;
  const auto failure = store_.commit([&](StateStore::Group& group) {
    group.next_generation(next_generation);
    if (new_targets_) group.targets(targets_);
    for (const auto& [number, change] : changes_) {
      const auto known = stored_.find(number);
      if (known == stored_.end()) {
        group.start(change.file, change.carry);
      } else {
        const Stored& stored = known->second;
        group.advance(stored.counted, stored.shipped, change.file, change.carry,
                      after_group(stored.crashes, stored.counted, change.file));
      }
    }
    for (const std::uint32_t number : forgotten_) group.forget(number);
    for (const QuarantinedRow& row : quarantined_) group.quarantine(row, wall_ns);
    counting_.save(group, rules, delta, wall_ns);
  });
  if (failure) return failure;
  counting_.saved(rules, delta);
  for (const auto& [number, change] : changes_) {
    const auto known = stored_.find(number);
    const Crashes crashes =
        known == stored_.end()
            ? Crashes{}
            : after_group(known->second.crashes, known->second.counted, change.file);
    stored_[number] = {
        .counted = change.file.counted, .shipped = change.file.shipped, .crashes = crashes};
  }
  for (const std::uint32_t number : forgotten_) stored_.erase(number);
  changes_.clear();
  forgotten_.clear();
  quarantined_.clear();
  new_targets_ = false;
  next_generation_ = next_generation;
  return std::nullopt;
}

std::optional<std::string> Checkpointer::tidy(std::chrono::nanoseconds steady) {
  if (!settled_) settled_ = snapshot_ = steady;
  if (steady - *snapshot_ >= kSnapshotEvery) {
    snapshot_ = steady;
    if (const auto kept = store_.snapshot(); !kept) return kept.error().text;
  }
  if (steady - *settled_ >= kSettleEvery) {
    settled_ = steady;
    store_.settle();
  }
  return std::nullopt;
}

}  // namespace logtally::pipeline
