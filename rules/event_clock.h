// EventClock: the time that tables and timers go by (RULES.md §4). It is read off the lines, so
// that the same lines give the same result whenever they are read; only on a silent stream a clock
// stands in.
//
//   A line with a time (its own, or its wrapper's) moves event time forward, never back: the latest
//   time seen counts. A line without one moves nothing. When it is read has nothing to do with when
//   it was written: a bare message in an old
//     file would carry event time to today and expire every row.
//   A line whose time is more than kMaxAhead after its arrival is believed in everything but this:
//   it moves nothing and is
//     counted. Otherwise one broken date would expire every row and stop event time until that
//     date. What arrival decides here is the fate of impossible dates only, never of a line that
//     was read after it was written.
//   Until the first time is known, event time is kNoEventTime. Tables and timers take what was put
//   into them before as put
//     there at the first time they learn of.
//
// Silence. When no line with a time came for kIdle, event time goes on from the last one at the
// pace of the wall clock: it keeps the distance that the lines had to it. A stream in another zone,
// or one that lags, so has its rows aged rightly; jumping to the wall clock would expire what is
// minutes old as hours old. A backlog that ends in silence expires late by its lag: late is the
// harmless side, since an early expiry loses a pair. A stream that never had a time gets the wall
// clock itself.
//
// Determinism. RELIABILITY.md §4.4 needs a state that is a function of the input below the
// committed positions. A tick makes the wall clock an input, so it is one: tick() returns it as a
// value, the worker applies it between two lines and commits it with its effects, in the
// transaction of the lines around it, before anybody sees them. A crash before that commit undoes
// the tick and its effects together; what comes then, lines or a later tick, is decided anew, and
// nobody saw the other outcome. A recorded sequence of lines and ticks, given to observe() and
// apply(), yields the same at any time on any machine. tick() is silent unless something is due, so
// a silent stream costs no commits; ticks that nobody makes change no result, as only due times are
// ever compared with event time. With Silence::stays (`--once`, `test`) the lines alone decide.
//
// One clock per set of tables. Lines of several files share it; a file that is read hours behind
// another one has its rows aged by the other's times. Files that are read together should be read
// oldest line first.
//
// Lives on the worker thread; not thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace logtally::rules {

inline constexpr std::int64_t kNoEventTime = std::numeric_limits<std::int64_t>::min();

// Time as far as it goes: never wraps.
constexpr std::int64_t add_clamped(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<std::int64_t>::min()
               : std::numeric_limits<std::int64_t>::max();
}

enum class Silence : std::uint8_t {
  ticks,  // a stream that goes on: the wall clock stands in
  stays,  // a file that is read once: event time ends with its last line
};

// Event time moved without a line; an input like a line.
struct Tick {
  std::int64_t event_ns = 0;
  bool operator==(const Tick&) const = default;
};

class EventClock {
 public:
  static constexpr std::int64_t kIdle = 1'000'000'000;
  static constexpr std::int64_t kMaxAhead = 3'600 * std::int64_t{1'000'000'000};

  // All `wall_ns` of one process come from a clock that is never set: the wall clock at the start
  // of the process plus the steady time since. This one: now.
  EventClock(Silence silence, std::int64_t wall_ns)
      : silence_(silence), quiet_since_wall_ns_(wall_ns) {}

  // A line, before its rules act. `line_time_ns`: its own time or its wrapper's. `arrival_wall_ns`:
  // when it was read; one reading for a whole group of lines will do. Returns the event time that
  // its rules act at.
  std::int64_t observe(std::optional<std::int64_t> line_time_ns, std::int64_t arrival_wall_ns) {
    if (line_time_ns) observe_time(*line_time_ns, arrival_wall_ns);
    return now_ns_;
  }

  // Whether observe() with these would change nothing: most lines have the time of the line before.
  bool knows(std::optional<std::int64_t> line_time_ns, std::int64_t arrival_wall_ns) const {
    return line_time_ns && *line_time_ns <= now_ns_ && anchor_event_ns_ == now_ns_ &&
           anchor_wall_ns_ == arrival_wall_ns && quiet_since_wall_ns_ == arrival_wall_ns &&
           *line_time_ns <= add_clamped(arrival_wall_ns, kMaxAhead);
  }

  // Call about once a second, between lines, when nothing that was written waits to be read.
  // `next_due_ns`: the least of the tables' and timers' next_due_ns(). Moves event time and returns
  // the tick when the stream is silent and something is due; the caller advances tables and timers
  // and commits both.
  std::optional<Tick> tick(std::int64_t wall_ns, std::int64_t next_due_ns);

  // A recorded tick.
  void apply(Tick tick) {
    if (tick.event_ns > now_ns_) now_ns_ = tick.event_ns;
  }

  std::int64_t now_ns() const { return now_ns_; }  // kNoEventTime before the first time
  std::uint64_t ahead() const {
    return ahead_;
  }  // lines whose time was too far in the future to be event time

  // What belongs into the transaction. After a restart the time that the process was away counts as
  // silence, once there is nothing more to read.
  struct Saved {
    std::int64_t now_ns = kNoEventTime;
    std::int64_t anchor_event_ns = kNoEventTime;
    std::int64_t anchor_wall_ns = 0;
    bool operator==(const Saved&) const = default;
  };
  Saved save() const { return {now_ns_, anchor_event_ns_, anchor_wall_ns_}; }
  void restore(const Saved& saved, std::int64_t wall_ns);

 private:
  void observe_time(std::int64_t line_time_ns, std::int64_t arrival_wall_ns) {
    if (line_time_ns > add_clamped(arrival_wall_ns, kMaxAhead)) {
      ++ahead_;
      return;
    }
    if (line_time_ns > now_ns_) now_ns_ = line_time_ns;
    anchor_event_ns_ = now_ns_;
    anchor_wall_ns_ = arrival_wall_ns;
    quiet_since_wall_ns_ = arrival_wall_ns;
  }

  Silence silence_;
  std::int64_t now_ns_ = kNoEventTime;
  std::int64_t anchor_event_ns_ = kNoEventTime;  // event time was this
  std::int64_t anchor_wall_ns_ = 0;              // when the wall clock was that
  std::int64_t quiet_since_wall_ns_;             // last line with a time, else the start
  std::uint64_t ahead_ = 0;
};

}  // namespace logtally::rules
