#include "sinks/metrics/bucket_search.h"

#include <algorithm>
#include <limits>

namespace logtally::metrics {
namespace {

constexpr std::size_t kMostNarrow = 32;

}  // namespace

BucketSearch::BucketSearch(const std::vector<Decimal>& bounds) : wide_(bounds) {
  if (bounds.empty() || bounds.size() > kMostNarrow) return;
  int128 all = 0;
  for (const Decimal& bound : bounds) all |= bound.units();
  while (shift_ < 64 && (all >> shift_ & 1) == 0) ++shift_;
  const auto fits = [&](const Decimal& bound) {
    const int128 narrow = bound.units() >> shift_;
    return narrow >= std::numeric_limits<std::int64_t>::min() &&
           narrow <= std::numeric_limits<std::int64_t>::max();
  };
  if (!std::all_of(bounds.begin(), bounds.end(), fits)) return;
  for (const Decimal& bound : bounds)
    narrow_.push_back(static_cast<std::int64_t>(bound.units() >> shift_));
}

std::size_t BucketSearch::find_wide(Decimal value) const {
  return static_cast<std::size_t>(std::lower_bound(wide_.begin(), wide_.end(), value) -
                                  wide_.begin());
}

}  // namespace logtally::metrics
