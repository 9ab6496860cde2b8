#include "rules/event_clock.h"

#include <algorithm>

namespace logtally::rules {

std::optional<Tick> EventClock::tick(std::int64_t wall_ns, std::int64_t next_due_ns) {
  if (silence_ == Silence::stays) return std::nullopt;
  if (wall_ns < add_clamped(quiet_since_wall_ns_, kIdle)) return std::nullopt;

  const bool anchored = anchor_event_ns_ != kNoEventTime;
  std::int64_t event_ns = wall_ns;
  if (anchored) {
    if (wall_ns <= anchor_wall_ns_) return std::nullopt;
    event_ns = add_clamped(anchor_event_ns_, add_clamped(wall_ns, -anchor_wall_ns_));
  }
  if (event_ns <= now_ns_ || event_ns < next_due_ns) return std::nullopt;
  if (!anchored) {
    anchor_event_ns_ = event_ns;
    anchor_wall_ns_ = wall_ns;
  }
  now_ns_ = event_ns;
  return Tick{event_ns};
}

void EventClock::restore(const Saved& saved, std::int64_t wall_ns) {
  now_ns_ = saved.now_ns;
  anchor_event_ns_ = saved.anchor_event_ns;
  // A wall clock that was set back while the process was away: silence begins now, not when it
  // catches up.
  anchor_wall_ns_ =
      std::clamp(saved.anchor_wall_ns, std::int64_t{0}, std::max(wall_ns, std::int64_t{0}));
  quiet_since_wall_ns_ = wall_ns;
}

}  // namespace logtally::rules
