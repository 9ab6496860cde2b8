#include "pipeline/clock.h"

namespace logtally::pipeline {

Clock system_clock() {
  return {
      .wall_ns =
          [] {
            const auto now = std::chrono::system_clock::now().time_since_epoch();
            return static_cast<std::int64_t>(
                std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
          },
      .steady =
          [] {
            return std::chrono::duration_cast<std::chrono::nanoseconds>(
                std::chrono::steady_clock::now().time_since_epoch());
          },
  };
}

}  // namespace logtally::pipeline
