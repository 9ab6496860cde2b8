#include "sinks/metrics/registry.h"

namespace logtally::metrics {

Registry::Registry(const Delta& delta) {
  for (const auto& spec : delta.families()) {
    for (const std::string& name : spec->aliases) {
      auto alias = std::make_shared<FamilySpec>(*spec);
      alias->name = name;
      aliases_.push_back({.of = families_.size(), .spec = std::move(alias)});
    }
    families_.push_back({.spec = spec, .series = {}});
  }
}

void Registry::publish(Delta& delta) {
  const std::lock_guard lock(mutex_);
  for (const Series* series : delta.touched()) {
    std::vector<SeriesSnapshot>& published = families_[series->family].series;
    if (published.size() <= series->number) published.resize(series->number + 1);
    SeriesSnapshot& snapshot = published[series->number];
    if (!series->live) {  // removed: not on the page
      snapshot = {};
      continue;
    }
    if (!snapshot.labels)
      snapshot.labels = std::make_shared<const std::vector<std::string>>(series->labels);
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
  for (FamilySnapshot& family : copy)
    std::erase_if(family.series, [](const SeriesSnapshot& s) { return !s.labels; });
  for (const Alias& alias : aliases_)
    copy.push_back({.spec = alias.spec, .series = copy[alias.of].series});
  return copy;
}

}  // namespace logtally::metrics
