// CountingState: what counting has made (series, values that labels had, tables, timers, event
// time), into a group of the store and back. A delta that is restored goes on as the saved one
// would have.
//
// Where the rules are others than those that counted, a restart is a reload: families of the same
// name, type, labels and buckets go on, tables of the same key and columns too; what else there was
// is gone with the first group. See rules::Succession.
//
// Lives on the worker thread; not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/result.h"
#include "pipeline/bytes.h"
#include "pipeline/state_image.h"
#include "pipeline/state_store.h"
#include "rules/delta.h"
#include "rules/rule_set.h"

namespace logtally::pipeline {

class CountingState {
 public:
  // What changed since the last saved(), and all of it where the store has not what came before.
  // Series that will be on the page and have no creation time get this one. Changes nothing else:
  // may be called again for a group that failed.
  void save(StateStore::Group& group, const rules::RuleSet& rules, rules::Delta& delta,
            std::int64_t wall_ns);
  // The group is durable. Series stay touched until they are published.
  void saved(const rules::RuleSet& rules, rules::Delta& delta);

  // Other rules count now (RuleSet::take_over()): the next save writes everything anew.
  void redefined() { whole_ = true; }

  // What restore() did not take up, for the log; names.
  struct Dropped {
    std::vector<std::string> families;
    std::vector<std::string> tables;
  };
  // Into a delta of these rules that has not counted yet. Leaves no series touched but those that
  // the store has not. An error: rows that this program cannot have written.
  Result<Dropped> restore(const StateImage& image, const rules::RuleSet& rules, rules::Delta& delta,
                          std::int64_t wall_ns);

  // Whether there is anything to save.
  bool dirty(const rules::Delta& delta) const;

 private:
  void save_series(StateStore::Group& group, const rules::Delta& delta,
                   const metrics::Series& series);
  void save_whole(StateStore::Group& group, const rules::RuleSet& rules, rules::Delta& delta);
  void save_changes(StateStore::Group& group, rules::Delta& delta, const rules::RuleSet& rules);
  void save_row(StateStore::Group& group, std::size_t table, const rules::Row& row);

  bool whole_ = true;
  std::vector<std::size_t> stored_;  // series that the store has, by family
  rules::EventClock::Saved clock_;   // as stored
  ByteWriter labels_;                // of the row that is written
  ByteWriter buckets_;
  ByteWriter order_;
  ByteWriter more_;
};

// The rows of `store: skill_invocation` since the last group. What is no number where one is wanted
// is left out.
void save_invocations(StateStore::Group& group, const std::vector<rules::Invocation>& invocations);

}  // namespace logtally::pipeline
