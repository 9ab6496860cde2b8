// Registry: the published values. The worker publishes what it committed, scrapes take a snapshot;
// both under one lock, so a snapshot is a consistent cut: it shows all of a commit or nothing of
// it. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sinks/metrics/delta.h"
#include "sinks/metrics/family.h"

namespace logtally::metrics {

struct SeriesSnapshot {
  std::shared_ptr<const std::vector<std::string>>
      labels;     // values, in the order of FamilySpec::labels
  Decimal value;  // histogram: the sum
  std::vector<std::uint64_t>
      buckets;           // histogram: observations per bucket, not cumulative; last: +Inf
  bool leaving = false;  // expired before a scrape saw this value: shown to the next one, once
  bool seen = false;     // by a scrape, as it is; of families with a ttl
  std::shared_ptr<const std::vector<Exemplar>> exemplars{};  // by bucket; null: none
  std::int64_t created_ns = 0;  // wall clock of the first publish, since 1970; 0: not known
};

struct FamilySnapshot {
  std::shared_ptr<const FamilySpec> spec;
  std::vector<SeriesSnapshot> series;  // in order of birth
};

class Registry {
 public:
  explicit Registry(const Delta& delta);

  // Takes the touched series' values and forgets that they were touched. Series that are new are
  // marked as created at `now_ns` (0: nobody asks).
  void publish(Delta& delta, std::int64_t now_ns = 0);

  // Of a delta that goes on where an earlier process stood: all series that it has, changed or not.
  void take_all(const Delta& delta);

  // The same after Delta::redefine(): other families at one blow, with the series that go on.
  void replace(Delta& delta, std::int64_t now_ns = 0);

  // The series as committed, without those that have expired.
  std::vector<FamilySnapshot> snapshot() const;
  // What a scrape gets: a series whose last value no scrape has seen is shown once more before it
  // leaves the page, so that what was counted is not lost between two scrapes.
  std::vector<FamilySnapshot> scrape();

 private:
  struct Alias {  // the same series under a second name
    std::size_t of = 0;
    std::shared_ptr<const FamilySpec> spec;
  };
  static std::vector<FamilySnapshot> with_aliases(std::vector<FamilySnapshot> families,
                                                  const std::vector<Alias>& aliases);
  void define(const Delta& delta);
  void take_touched(Delta& delta, std::int64_t now_ns);
  SeriesSnapshot& snapshot_of(const Series& series);

  mutable std::mutex mutex_;
  std::vector<Alias> aliases_;            // guarded by mutex_
  std::vector<FamilySnapshot> families_;  // guarded by mutex_
};

}  // namespace logtally::metrics
