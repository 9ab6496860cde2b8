// Timers: `set: GAUGE`, `for: 30s`, `then: 0` (RULES.md §4): what a series falls back to, and when.
// At most one per series. Which one fires when depends on the calls alone. Lives on the worker
// thread; not thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "rules/event_clock.h"
#include "sinks/metrics/decimal.h"
#include "sinks/metrics/delta.h"

namespace logtally::rules {

struct Timer {
  metrics::Series* series = nullptr;  // borrowed; cancel before it goes
  std::int64_t due_ns = 0;            // event time
  std::optional<metrics::Decimal>
      value{};              // nothing: it had no value, the series is to leave the page
  std::uint64_t order = 0;  // of arming; unique
};

class Timers {
 public:
  // The series was set at `now_ns` for `for_ns`; falls back to `then`, without one to `before`, the
  // value that the set hid (nothing: it had none). What it was is what it was before all this: a
  // series whose timer runs already falls back to what that timer would have given it. Replaces
  // that timer; do not cancel() first. Returns what it falls back to.
  std::optional<metrics::Decimal> arm(metrics::Series* series, std::int64_t now_ns,
                                      std::int64_t for_ns, std::optional<metrics::Decimal> then,
                                      std::optional<metrics::Decimal> before);

  // Any other action on the series. Returns whether there was a timer.
  bool cancel(metrics::Series* series) { return !heap_.empty() && remove(series); }

  // Calls f(const Timer&) for each that is due, by due time, those of one time in the order of
  // arming. A timer is gone when its f is called; f may arm and cancel.
  template <class F>
  void advance(std::int64_t now_ns, F&& f) {
    see(now_ns);
    while (!heap_.empty() && heap_.front().due_ns <= now_ns_) f(pop());
  }

  // advance() has nothing to do before this event time.
  std::int64_t next_due_ns() const {
    return heap_.empty() ? std::numeric_limits<std::int64_t>::max() : heap_.front().due_ns;
  }
  std::size_t size() const { return heap_.size(); }
  bool empty() const { return heap_.empty(); }

  // All of them, in the order of arming. restore() in that order; false when it is broken.
  template <class F>
  void visit(F&& f) const {
    for (const Timer& timer : by_order()) f(timer);
  }
  bool restore(const Timer& timer);

  // What changed since clear_changed() (or restore()): first the series whose stored timer is to
  // go, then the timers to store. A series may be in both.
  template <class Removed, class Changed>
  void visit_changed(Removed&& removed, Changed&& changed) const {
    for (metrics::Series* const series : removed_) removed(series);
    for (const Timer& timer : heap_) {
      if (timer.order >= clean_) changed(timer);
    }
  }
  void clear_changed();

 private:
  void see(std::int64_t now_ns) {
    if (now_ns <= now_ns_) return;
    if (now_ns_ == kNoEventTime) begin(now_ns);
    now_ns_ = now_ns;
  }
  // The first event time: what was armed before there was any counts from it.
  void begin(std::int64_t now_ns);
  bool remove(metrics::Series* series);
  void remove_at(std::size_t place);
  Timer pop();
  void add(const Timer& timer);
  void put(std::size_t place, const Timer& timer);
  void sift_up(std::size_t place);
  void sift_down(std::size_t place);
  std::vector<Timer> by_order() const;

  std::vector<Timer> heap_;  // by due time and order
  std::unordered_map<metrics::Series*, std::size_t> places_;
  std::vector<metrics::Series*> removed_;
  std::int64_t now_ns_ = kNoEventTime;
  std::uint64_t next_order_ = 0;
  std::uint64_t clean_ = 0;  // timers of an order below are stored as they are
};

}  // namespace logtally::rules
