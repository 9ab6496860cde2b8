#include "pipeline/watchdog.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <fmt/core.h>

namespace logtally::pipeline {
namespace {

// By a debugger or strace: whoever looks at it has stopped it, or knows.
bool is_traced() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("TracerPid:")) return line.find_first_of("123456789") != std::string::npos;
  }
  return false;
}

}  // namespace

std::optional<Activity::Phase> StallDetector::look(std::chrono::nanoseconds steady,
                                                   const Activity::Seen& seen) {
  const std::chrono::nanoseconds since = looked_ ? steady - *looked_ : std::chrono::seconds(0);
  looked_ = steady;
  const bool still = seen.beat == last_.beat && seen.phase == last_.phase;
  last_ = seen;
  if (!still) {
    still_ = std::chrono::seconds(0);
    return std::nullopt;
  }
  still_ += std::min<std::chrono::nanoseconds>(since, kPeriod);
  const bool hung = (seen.phase == Activity::Phase::counting && still_ >= kCounting) ||
                    (seen.phase == Activity::Phase::reading && still_ >= kReading);
  return hung ? std::optional(seen.phase) : std::nullopt;
}

std::string told(Activity::Phase phase, const Activity::Place& place) {
  if (phase == Activity::Phase::reading) {
    return fmt::format(
        "nothing has come of reading for {} minutes (what was counted last: {}, from byte {} on); "
        "the process ends, to be started again",
        StallDetector::kReading.count(), place.path, place.offset);
  }
  return fmt::format(
      "counting hangs at the lines from byte {} of {} on, for {} s now; the process ends, to be "
      "started again",
      place.offset, place.path, StallDetector::kCounting.count());
}

Watchdog::Watchdog(const Activity& activity, std::function<void(const std::string&)> last_words)
    : activity_(activity), last_words_(std::move(last_words)), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Watchdog::run() {
  StallDetector detector;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, StallDetector::kPeriod, [this] { return done_; })) {
    const auto phase =
        detector.look(std::chrono::steady_clock::now().time_since_epoch(), activity_.seen());
    if (!phase || is_traced()) continue;
    last_words_(told(*phase, activity_.place()));
    std::abort();
  }
}

}  // namespace logtally::pipeline
