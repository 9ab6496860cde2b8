// Expiry: which series of metrics with a `ttl` have not been touched for so long that they leave
// the page (RULES.md §7). Their values are kept, see metrics::Delta::expire().
//
// A touch costs one comparison and one store: the queue holds each series once, at the time at
// which it was due when it was queued, and looks again when that has come. So a series moves in the
// queue at most once per ttl, however often it is touched, and nothing is ever scanned.
//
// All that must outlive this object is in the series themselves (Series::touched_ns, ages, kept):
// whoever moves series into another Delta, or restores them, calls RuleSet::resume_expiry() on it.
//
// Lives on the worker thread; not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "rules/event_clock.h"
#include "sinks/metrics/delta.h"

namespace logtally::rules {

class Expiry {
 public:
  // The series was touched at this event time; kNoEventTime: as long as none is known, which counts
  // as the first one that will be. `ttl_ns` > 0, the same for each call of one series.
  void touch(metrics::Series& series, std::int64_t ttl_ns, std::int64_t at_ns) {
    series.touched_ns = std::max(series.touched_ns, at_ns);
    if (!series.ages) enter(series, ttl_ns);
  }

  // Calls f(series) for each that is due: `ttl` has passed since its last touch, at that very
  // moment already; dated(series) for each whose touch has a time only now. `now_ns` is event time,
  // and known.
  template <class F, class G>
  void advance(std::int64_t now_ns, F&& f, G&& dated) {
    while (!queue_.empty() && queue_.front().due_ns <= now_ns) {
      metrics::Series& series = *queue_.front().series;
      if (series.touched_ns == kNoEventTime) {
        series.touched_ns = now_ns;
        dated(series);
      }
      if (settle()) continue;
      leave();
      f(series);
    }
  }

  // advance() has nothing to do before this event time; kNoEventTime while a series waits for the
  // first one.
  std::int64_t next_due_ns() {
    while (!queue_.empty() && settle()) {
    }
    return queue_.empty() ? std::numeric_limits<std::int64_t>::max() : queue_.front().due_ns;
  }

  bool empty() const { return queue_.empty(); }
  void clear() { queue_.clear(); }  // of series that are gone, or are queued anew
  // Queues a series that ages already.
  void resume(metrics::Series& series, std::int64_t ttl_ns) { enter(series, ttl_ns); }

 private:
  struct Queued {
    std::int64_t due_ns = 0;  // of the touch that was the last when it was queued
    std::int64_t ttl_ns = 0;
    metrics::Series* series = nullptr;  // borrowed
  };
  static std::int64_t due_ns(const metrics::Series& series, std::int64_t ttl_ns) {
    return series.touched_ns == kNoEventTime ? kNoEventTime
                                             : add_clamped(series.touched_ns, ttl_ns);
  }
  void enter(metrics::Series& series, std::int64_t ttl_ns);
  void leave();
  bool settle();  // whether the first one was touched meanwhile, and has a later place now

  std::vector<Queued> queue_;  // a heap: the least due time first
};

}  // namespace logtally::rules
