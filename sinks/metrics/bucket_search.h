// BucketSearch: which bucket of a histogram a value falls into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sinks/metrics/decimal.h"

namespace logtally::metrics {

class BucketSearch {
 public:
  // Ascending upper bounds, +Inf not among them; none for what is no histogram.
  explicit BucketSearch(const std::vector<Decimal>& bounds);

  // How many bounds are less than the value.
  std::size_t find(Decimal value) const {
    if (narrow_.empty()) return find_wide(value);
    // Bounds are whole in units of 2^shift, so what the value has below that decides nothing but
    // whether it is above a bound it equals otherwise: rounded up, it is.
    const int128 rounded = (value.units() + ((int128{1} << shift_) - 1)) >> shift_;
    const auto low = static_cast<std::int64_t>(rounded);
    if (low != rounded) [[unlikely]]
      return value.negative() ? 0 : narrow_.size();
    // Few, and none waits for the one before: all are compared.
    std::size_t below = 0;
    for (const std::int64_t bound : narrow_) below += static_cast<std::size_t>(low > bound);
    return below;
  }

 private:
  std::size_t find_wide(Decimal value) const;

  std::vector<std::int64_t> narrow_;  // in units of 2^shift of a Decimal's; empty: they do not fit
  int shift_ = 0;
  std::vector<Decimal> wide_;
};

}  // namespace logtally::metrics
