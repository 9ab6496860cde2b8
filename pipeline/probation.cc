#include "pipeline/probation.h"

#include <algorithm>

namespace logtally::pipeline {
bool Probation::wanted(const StateImage& image) {
  return image.deaths >= kDeathsBefore || !image.condemned.empty();
}

std::optional<Attempt> condemned_by(const Crashes& crashes, std::uint32_t generation) {
  if (!crashes.attempt) return std::nullopt;
  const Attempt attempt = Attempt::from_column(generation, *crashes.attempt);
  // Only what is condemned is redacted: that was already known of it.
  if (crashes.count < Probation::kDeaths && !attempt.redacting) return std::nullopt;
  return attempt;
}

std::optional<Attempt> Probation::verdict(std::uint32_t generation, Attempt::What what,
                                          std::uint64_t offset, std::uint64_t behind) const {
  for (const Attempt& one : condemned_) {
    if (one.generation == generation && one.what == what && one.offset >= offset &&
        one.offset < std::max(behind, offset + 1))
      return one;
  }
  return std::nullopt;
}

Crashes after_death(const Crashes& before, const StoredGeneration& file,
                    const std::optional<Attempt>& died) {
  Crashes now{.position = file.counted, .count = 1};
  if (died && died->generation == file.number) {
    now.attempt = died->to_column();
    if (before.attempt && died->same_place(Attempt::from_column(file.number, *before.attempt)))
      now.count = before.count + 1;
  } else if (before.count != 0 && before.position == file.counted) {
    now.count = before.count + 1;
  }
  return now;
}

Crashes after_group(const Crashes& before, std::uint64_t counted_before,
                    const StoredGeneration& file) {
  if (file.counted == counted_before) return before;
  if (!before.attempt) return {};
  const Attempt attempt = Attempt::from_column(file.number, *before.attempt);
  if (attempt.what == Attempt::What::record || attempt.offset < file.counted) return {};
  Crashes ahead = before;  // what it died of still lies before it
  ahead.position = file.counted;
  return ahead;
}

}  // namespace logtally::pipeline
