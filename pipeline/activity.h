// Activity: what the worker does at the moment, for who watches it from another thread. Written
// once a chunk: a few plain stores.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace logtally::pipeline {

class Activity {
 public:
  enum class Phase : std::uint8_t { waiting, reading, counting };

  // The worker's thread.
  void enter(Phase phase) {
    phase_.store(phase, std::memory_order_relaxed);
    beat_.store(beat_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void count(std::string_view path, std::uint64_t offset) {
    if (path != path_) {
      const std::lock_guard lock(mutex_);
      path_ = path;
    }
    offset_.store(offset, std::memory_order_relaxed);
    enter(Phase::counting);
  }

  // Any thread. While `beat` stays the same nothing has been begun or finished.
  struct Seen {
    Phase phase = Phase::waiting;
    std::uint64_t beat = 0;
  };
  Seen seen() const {
    return {.phase = phase_.load(std::memory_order_relaxed),
            .beat = beat_.load(std::memory_order_relaxed)};
  }
  // Where it counts, or counted last: in which file, from which byte on.
  struct Place {
    std::string path;
    std::uint64_t offset = 0;
  };
  Place place() const {
    const std::lock_guard lock(mutex_);
    return {.path = path_, .offset = offset_.load(std::memory_order_relaxed)};
  }

 private:
  std::atomic<Phase> phase_ = Phase::waiting;
  std::atomic<std::uint64_t> beat_ = 0;
  std::atomic<std::uint64_t> offset_ = 0;
  mutable std::mutex mutex_;
  std::string path_;  // changed under the mutex, by the worker's thread
};

}  // namespace logtally::pipeline
