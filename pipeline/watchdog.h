// Watchdog: ends the process when the worker hangs over a line, so that whoever started it starts
// it again and the line comes to be known (Probation).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "pipeline/activity.h"

namespace logtally::pipeline {

// When is it hung? Looked at about once a period. Time in which nobody looked (the process or the
// machine was stopped) counts as one period.
class StallDetector {
 public:
  static constexpr std::chrono::seconds kPeriod{1};
  // Between two chunks of lines; a chunk takes milliseconds.
  static constexpr std::chrono::seconds kCounting{30};
  // Until something is read: a compressed file is read from its beginning.
  static constexpr std::chrono::minutes kReading{10};

  // What stands still for too long; never what waits, for lines or for the disk of the state:
  // another process would wait as well.
  std::optional<Activity::Phase> look(std::chrono::nanoseconds steady, const Activity::Seen& seen);

 private:
  std::optional<std::chrono::nanoseconds> looked_;
  std::chrono::nanoseconds still_{0};  // for so long
  Activity::Seen last_;
};

// What is said of it: one sentence.
std::string told(Activity::Phase phase, const Activity::Place& place);

// Has a thread of its own.
class Watchdog {
 public:
  // `activity` is borrowed. `last_words` is called before the end, from the thread.
  Watchdog(const Activity& activity, std::function<void(const std::string&)> last_words);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void run();

  const Activity& activity_;
  std::function<void(const std::string&)> last_words_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace logtally::pipeline
