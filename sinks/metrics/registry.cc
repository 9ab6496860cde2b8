#include "sinks/metrics/registry.h"

#include <algorithm>
#include <span>
#include <utility>

namespace logtally::metrics {

Registry::Registry(const Delta& delta) { define(delta); }

// The delta's families, without series.
void Registry::define(const Delta& delta) {
  aliases_.clear();
  families_.clear();
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
  take_touched(delta, now_ns);
}

SeriesSnapshot& Registry::snapshot_of(const Series& series) {
  std::vector<SeriesSnapshot>& published = families_[series.family].series;
  if (published.size() <= series.number) published.resize(series.number + 1);
  return published[series.number];
}

void Registry::take_all(const Delta& delta) {
  const std::lock_guard lock(mutex_);
  for (FamilyId id = 0; id < families_.size(); ++id) {
    delta.for_each(id, [&](const Series& series) {
      SeriesSnapshot& snapshot = snapshot_of(series);
      snapshot.labels = std::make_shared<const std::vector<std::string>>(series.labels);
      snapshot.value = series.value;
      snapshot.buckets.assign(series.buckets, series.buckets + series.bucket_count);
      snapshot.created_ns = series.created_ns;
      if (!series.exemplars.empty())
        snapshot.exemplars = std::make_shared<const std::vector<Exemplar>>(series.exemplars);
    });
  }
}

void Registry::take_touched(Delta& delta, std::int64_t now_ns) {
  for (Series* series : delta.touched()) {
    SeriesSnapshot& snapshot = snapshot_of(*series);
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

void Registry::replace(Delta& delta, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  std::vector<FamilySnapshot> before = std::move(families_);
  define(delta);
  for (FamilyId id = 0; id < families_.size(); ++id) {
    const auto old = std::ranges::find_if(before, [&](const FamilySnapshot& family) {
      return same_series(*family.spec, *families_[id].spec);
    });
    if (old == before.end()) continue;
    families_[id].series = std::move(old->series);
    if (old->spec->labels == families_[id].spec->labels) continue;
    std::as_const(delta).for_each(id, [&](const Series& series) {
      if (series.number >= families_[id].series.size()) return;
      families_[id].series[series.number].labels =
          std::make_shared<const std::vector<std::string>>(series.labels);
    });
  }
  take_touched(delta, now_ns);
}

std::vector<FamilySnapshot> Registry::snapshot() const {
  std::vector<FamilySnapshot> copy;
  std::vector<Alias> aliases;
  {
    const std::lock_guard lock(mutex_);
    copy = families_;
    aliases = aliases_;
  }
  for (FamilySnapshot& family : copy) {
    std::erase_if(family.series, [](const SeriesSnapshot& s) { return !s.labels || s.leaving; });
  }
  return with_aliases(std::move(copy), aliases);
}

std::vector<FamilySnapshot> Registry::scrape() {
  std::vector<FamilySnapshot> copy;
  std::vector<Alias> aliases;
  {
    const std::lock_guard lock(mutex_);
    copy = families_;
    aliases = aliases_;
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
  return with_aliases(std::move(copy), aliases);
}

std::vector<FamilySnapshot> Registry::with_aliases(std::vector<FamilySnapshot> families,
                                                   const std::vector<Alias>& aliases) {
  for (const Alias& alias : aliases)
    families.push_back({.spec = alias.spec, .series = families[alias.of].series});
  return families;
}

}  // namespace logtally::metrics
