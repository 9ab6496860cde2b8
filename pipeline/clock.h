// Time as a parameter: tests turn it by hand.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace logtally::pipeline {

struct Clock {
  std::function<std::int64_t()> wall_ns;             // since 1970
  std::function<std::chrono::nanoseconds()> steady;  // since some fixed point; never goes back
};

Clock system_clock();

}  // namespace logtally::pipeline
