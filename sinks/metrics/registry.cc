#include "sinks/metrics/registry.h"

namespace logtally::metrics {

Registry::Registry(const Delta& delta) {
  for (const auto& spec : delta.families()) families_.push_back({.spec = spec, .series = {}});
}

void Registry::publish(Delta& delta) {
  const std::lock_guard lock(mutex_);
  for (const Series* series : delta.touched()) {
    std::vector<SeriesSnapshot>& published = families_[series->family].series;
    if (published.size() <= series->number) published.resize(series->number + 1);
    SeriesSnapshot& snapshot = published[series->number];
    if (!snapshot.labels) snapshot.labels = std::make_shared<const std::vector<std::string>>(series->labels);
    snapshot.value = series->value;
    snapshot.buckets.assign(series->buckets, series->buckets + series->bucket_count);
  }
  delta.clear_touched();
}

std::vector<FamilySnapshot> Registry::snapshot() const {
  std::vector<FamilySnapshot> copy;
  {
    const std::lock_guard lock(mutex_);
    copy = families_;
  }
  for (FamilySnapshot& family : copy) std::erase_if(family.series, [](const SeriesSnapshot& s) { return !s.labels; });
  return copy;
}

}  // namespace logtally::metrics
