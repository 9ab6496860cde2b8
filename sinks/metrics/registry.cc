#include "sinks/metrics/registry.h"

#include <algorithm>
#include <span>

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

void Registry::publish(Delta& delta, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  for (Series* series : delta.touched()) {
    std::vector<SeriesSnapshot>& published = families_[series->family].series;
    if (published.size() <= series->number) published.resize(series->number + 1);
    SeriesSnapshot& snapshot = published[series->number];
    if (!series->live && !series->kept) {  // removed: not on the page
      snapshot = {};
      continue;
    }
    const std::span<const std::uint64_t> buckets(series->buckets, series->bucket_count);
    if (!series->live && snapshot.seen && snapshot.value == series->value &&
        std::ranges::equal(snapshot.buckets, buckets)) {
      snapshot = {};
      continue;
    }
    snapshot.leaving = !series->live;
    snapshot.seen = false;
    if (series->created_ns == 0) series->created_ns = now_ns;
    snapshot.created_ns = series->created_ns;
    if (series->exemplars_changed || (!snapshot.exemplars && !series->exemplars.empty())) {
      // A new one each time: scrapes share what they have got.
      snapshot.exemplars = series->exemplars.empty()
                               ? nullptr
                               : std::make_shared<const std::vector<Exemplar>>(series->exemplars);
      series->exemplars_changed = false;
    }
    if (!snapshot.labels)
      snapshot.labels = std::make_shared<const std::vector<std::string>>(series->labels);
    snapshot.value = series->value;
    snapshot.buckets.assign(buckets.begin(), buckets.end());
  }
  delta.clear_touched();
}

std::vector<FamilySnapshot> Registry::snapshot() const {
  std::vector<FamilySnapshot> copy;
  {
    const std::lock_guard lock(mutex_);
    copy = families_;
  }
  for (FamilySnapshot& family : copy) {
    std::erase_if(family.series, [](const SeriesSnapshot& s) { return !s.labels || s.leaving; });
  }
  return with_aliases(std::move(copy));
}

std::vector<FamilySnapshot> Registry::scrape() {
  std::vector<FamilySnapshot> copy;
  {
    const std::lock_guard lock(mutex_);
    copy = families_;
    for (FamilySnapshot& family : families_) {
      if (family.spec->ttl_ns == 0) continue;
      for (SeriesSnapshot& series : family.series) {
        if (series.leaving) series = {};
        series.seen = true;
      }
    }
  }
  for (FamilySnapshot& family : copy)
    std::erase_if(family.series, [](const SeriesSnapshot& s) { return !s.labels; });
  return with_aliases(std::move(copy));
}

std::vector<FamilySnapshot> Registry::with_aliases(std::vector<FamilySnapshot> families) const {
  for (const Alias& alias : aliases_)
    families.push_back({.spec = alias.spec, .series = families[alias.of].series});
  return families;
}

}  // namespace logtally::metrics
