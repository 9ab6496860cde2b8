// Checkpointer: what the worker has counted, and how far, as groups of the state store; and back
// into a worker at a start. It knows what the store has: which generations at which positions,
// which series.
//
// A group that failed may be in the file all the same (StateStore). So between a failure and the
// next commit() nothing may be counted, and nothing may be given to changed() that was not given
// before.
//
// Lives on the worker thread; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/result.h"
#include "pipeline/counting_state.h"
#include "pipeline/state_store.h"

namespace logtally::pipeline {

class Checkpointer {
 public:
  static constexpr std::chrono::minutes kSnapshotEvery{10};
  static constexpr std::chrono::seconds kSettleEvery{30};

  // Borrowed; `image` is what its open() gave. `targets`: those that are followed, by name.
  Checkpointer(StateStore& store, const StateImage& image, std::vector<std::string> targets);

  // Into a delta of these rules that has not counted yet; messages for the log.
  Result<std::vector<std::string>> restore(const StateImage& image, const rules::RuleSet& rules,
                                           rules::Delta& delta, std::int64_t wall_ns);

  // For the next group. Of the same generation the last call counts. `carry`: what waits for its
  // rest there.
  void changed(StoredGeneration file, std::string carry);
  void forget(std::uint32_t generation);
  // It was condemned and is skipped: kept in the next group.
  void quarantine(QuarantinedRow row) { quarantined_.push_back(std::move(row)); }
  Result<AttemptNote> note_attempts() const { return store_.note_attempts(); }
  // Other rules count now: all they have is written anew.
  void redefined() { counting_.redefined(); }
  // Whether there is anything to write.
  bool dirty(const rules::Delta& delta) const;

  // One group of it all. Nothing: it is durable, and `delta` has no invocations any more; its
  // series stay touched until they are published.
  std::optional<CommitFailure> commit(const rules::RuleSet& rules, rules::Delta& delta,
                                      std::uint32_t next_generation, std::int64_t wall_ns);

  // What is not urgent, between two groups: the log given back, a copy of the database now and
  // then. What goes wrong, for the log.
  std::optional<std::string> tidy(std::chrono::nanoseconds steady);

 private:
  struct Stored {
    std::uint64_t counted = 0;
    std::uint64_t shipped = 0;
    Crashes crashes{};
  };
  struct Change {
    StoredGeneration file;
    std::string carry;
  };

  StateStore& store_;
  CountingState counting_;
  std::unordered_map<std::uint32_t, Stored> stored_;  // by generation
  std::map<std::uint32_t, Change> changes_;           // by generation
  std::vector<std::uint32_t> forgotten_;
  std::vector<QuarantinedRow> quarantined_;
  std::uint32_t next_generation_ = 0;  // as stored
  std::vector<std::string> targets_;
  bool new_targets_ = false;  // they are not stored yet
  std::optional<std::chrono::nanoseconds> settled_;
  std::optional<std::chrono::nanoseconds> snapshot_;
};

}  // namespace logtally::pipeline
