#include "sinks/metrics/delta.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <random>

#include "sinks/metrics/escape.h"

namespace logtally::metrics {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 when there is none (RFC 3629:
// no overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if ((lead & 0xF0) == 0xE0) {
    if (!continues(1) || !continues(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

bool plain_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<signed char>(c) <= 0) return false;
  }
  return true;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const uint128 product = static_cast<uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// A multiply-and-fold hash, seeded per process so that log content cannot choose its collisions.
std::uint64_t hash_bytes(std::uint64_t seed, std::string_view text) {
  std::uint64_t h = seed ^ (text.size() * 0x9E3779B97F4A7C15ULL);
  const char* p = text.data();
  std::size_t left = text.size();
  for (; left >= 8; p += 8, left -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, 8);
    h = mix(h ^ word, 0xD6E8FEB86659FD93ULL);
  }
  std::uint64_t word = 0;
  if (left != 0) std::memcpy(&word, p, left);  // the text may have no data at all
  return mix(h ^ word, 0xA0761D6478BD642FULL);
}

// Eight hex digits that tell two cut values apart; the same in every process, since it becomes part
// of a label.
std::string short_hash(std::string_view text) {
  std::uint32_t h = 2166136261U;  // FNV-1a
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 16777619U;
  std::string hex;
  for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[h >> shift & 15];
  return hex;
}

// Puts the number where look-ups of its hash begin to search.
void file_number(std::vector<std::uint32_t>& slots, std::uint64_t hash, std::uint32_t number) {
  std::size_t at = hash & (slots.size() - 1);
  while (slots[at] != 0) at = (at + 1) & (slots.size() - 1);
  slots[at] = number + 1;
}

}  // namespace

bool same_series(const FamilySpec& a, const FamilySpec& b) {
  return a.name == b.name && a.type == b.type && a.buckets == b.buckets &&
         a.labels.size() == b.labels.size() &&
         std::is_permutation(a.labels.begin(), a.labels.end(), b.labels.begin());
}

std::string fit_label_value(std::string_view raw, bool& cut) {
  std::string fitted;
  fitted.reserve(std::min(raw.size(), Delta::kMaxLabelBytes));
  // What is cut away does not matter for the text that stays: look at no more than can stay.
  for (std::string_view rest = raw.substr(0, Delta::kMaxLabelBytes + 4); !rest.empty();) {
    const std::size_t length = sequence_length(rest);
    if (length == 0) {
      fitted += kReplacement;
    } else if (rest[0] != '\0') {
      fitted += rest.substr(0, length);
    }
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  cut = raw.size() > Delta::kMaxLabelBytes || fitted.size() > Delta::kMaxLabelBytes;
  if (!cut) return fitted;
  constexpr std::string_view kEllipsis = "…";
  std::size_t keep = Delta::kMaxLabelBytes - kEllipsis.size() - 8;
  while (keep > 0 && (static_cast<unsigned char>(fitted[keep]) & 0xC0) == 0x80) --keep;
  fitted.resize(keep);
  fitted += kEllipsis;
  fitted += short_hash(raw);
  return fitted;
}

struct Delta::Family {
  std::shared_ptr<const FamilySpec> spec;
  std::deque<Series> series;
  std::deque<std::vector<std::uint64_t>> buckets;
  std::vector<std::uint32_t>
      slots;  // open addressing: number + 1, 0 is free; a power of two, at most half full
  std::vector<std::uint64_t> hashes;  // by number
  std::uint64_t labels_cut = 0;
  std::uint64_t overflowed = 0;
  std::size_t limited = 0;  // series that count against the limits
};

Delta::Delta(std::vector<FamilySpec> families) {
  std::random_device random;
  hash_seed_ = (std::uint64_t{random()} << 32) | random();
  for (FamilySpec& spec : families) {
    auto family = std::make_unique<Family>();
    family->spec = std::make_shared<const FamilySpec>(std::move(spec));
    family->slots.resize(16);
    specs_.push_back(family->spec);
    searches_.emplace_back(family->spec->buckets);
    families_.push_back(std::move(family));
  }
}

Delta::~Delta() = default;

void Delta::redefine(std::vector<FamilySpec> families) {
  std::erase_if(touched_, [&](const Series* series) {  // of families that will be gone
    return std::none_of(families.begin(), families.end(), [&](const FamilySpec& spec) {
      return same_series(*specs_[series->family], spec);
    });
  });
  std::vector<std::unique_ptr<Family>> before = std::move(families_);
  families_.clear();
  specs_.clear();
  searches_.clear();
  limited_ = 0;
  for (FamilySpec& spec : families) {
    const auto id = static_cast<FamilyId>(families_.size());
    const auto old = std::find_if(before.begin(), before.end(), [&](const auto& family) {
      return family != nullptr && family->spec->name == spec.name;
    });
    auto family = std::make_unique<Family>();
    family->slots.resize(16);
    if (old != before.end()) {
      if (same_series(*(*old)->spec, spec)) {
        family = std::move(*old);
        for (Series& series : family->series) series.family = id;
        if (family->spec->labels != spec.labels) reorder_labels(*family, spec);
      } else {
        family->labels_cut = (*old)->labels_cut;
        family->overflowed = (*old)->overflowed;
      }
    }
    limited_ += family->limited;
    family->spec = std::make_shared<const FamilySpec>(std::move(spec));
    specs_.push_back(family->spec);
    searches_.emplace_back(family->spec->buckets);
    families_.push_back(std::move(family));
  }
}

// The same labels in another order.
void Delta::reorder_labels(Family& family, const FamilySpec& spec) {
  std::vector<std::size_t> from;
  for (const std::string& label : spec.labels) {
    const auto& labels = family.spec->labels;
    from.push_back(
        static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) - labels.begin()));
  }
  std::fill(family.slots.begin(), family.slots.end(), 0);
  for (Series& series : family.series) {
    std::vector<std::string> labels;
    std::uint64_t hash = hash_seed_;
    for (const std::size_t i : from) {
      hash = hash_bytes(hash, labels.emplace_back(std::move(series.labels[i])));
    }
    series.labels = std::move(labels);
    family.hashes[series.number] = hash;
    file_number(family.slots, hash, series.number);
  }
}

Series& Delta::series(FamilyId id, std::span<const std::string_view> label_values,
                      LookUp* look_up) {
  Family& family = *families_[id];
  assert(label_values.size() == family.spec->labels.size());
  LookUp done;
  std::vector<std::string> fitted;
  std::vector<std::string_view> values(label_values.begin(), label_values.end());
  fitted.reserve(values.size());
  for (std::string_view& value : values) {
    if (value.size() <= kMaxLabelBytes && plain_ascii(value)) continue;
    bool cut = false;
    value = fitted.emplace_back(fit_label_value(value, cut));
    done.cut = static_cast<std::uint8_t>(done.cut + cut);
  }
  Series& found = find_or_bear(family, id, values, done, true, true);
  count_again(id, done);
  if (look_up != nullptr) *look_up = done;
  return found;
}

Series* Delta::restore(FamilyId id, std::span<const std::string_view> labels, bool limited) {
  Family& family = *families_[id];
  if (labels.size() != family.spec->labels.size()) return nullptr;
  for (const std::string_view label : labels) {
    bool cut = false;
    if (fit_label_value(label, cut) != label) return nullptr;
  }
  LookUp ignored;
  return &find_or_bear(family, id, labels, ignored, limited, false);
}

void Delta::count_again(FamilyId id, LookUp look_up) {
  families_[id]->labels_cut += look_up.cut;
  families_[id]->overflowed += look_up.overflowed;
}

Series& Delta::find_or_bear(Family& family, FamilyId id, std::span<const std::string_view> values,
                            LookUp& look_up, bool limited, bool enforced) {
  const FamilySpec& spec = *family.spec;
  std::uint64_t hash = hash_seed_;
  for (const std::string_view value : values) hash = hash_bytes(hash, value);

  std::size_t slot = hash & (family.slots.size() - 1);
  for (; family.slots[slot] != 0; slot = (slot + 1) & (family.slots.size() - 1)) {
    const std::uint32_t number = family.slots[slot] - 1;
    Series& candidate = family.series[number];
    if (family.hashes[number] == hash &&
        std::equal(values.begin(), values.end(), candidate.labels.begin(),
                   candidate.labels.end())) {
      return candidate;
    }
  }
  if (enforced && !values.empty()) {
    const std::size_t most = spec.max_series != 0 ? spec.max_series : limits_.family;
    if (family.limited >= most || limited_ >= limits_.all) {
      look_up.overflowed = true;
      const std::vector<std::string_view> others(values.size(), "other");
      return find_or_bear(family, id, others, look_up, false, false);
    }
  }
  family.limited += limited;
  limited_ += limited;

  Series& born = family.series.emplace_back();
  born.family = id;
  born.limited = limited;
  born.number = static_cast<std::uint32_t>(family.series.size() - 1);
  born.labels.assign(values.begin(), values.end());
  born.origin.time_ns = std::numeric_limits<std::int64_t>::min();
  if (spec.type == MetricType::histogram) {
    born.bucket_count = static_cast<std::uint16_t>(spec.buckets.size() + 1);
    born.buckets = family.buckets.emplace_back(born.bucket_count).data();
  }
  family.slots[slot] = born.number + 1;
  family.hashes.push_back(hash);
  if (family.series.size() * 2 > family.slots.size()) {
    std::vector<std::uint32_t> larger(family.slots.size() * 2);
    for (std::uint32_t number = 0; number < family.series.size(); ++number)
      file_number(larger, family.hashes[number], number);
    family.slots = std::move(larger);
  }
  return born;
}

bool Delta::add(Series& series, Decimal value) {
  Decimal sum = series.value + value;
  if (!sum.in_range()) return false;
  const FamilySpec& spec = *specs_[series.family];
  if (spec.min && sum < *spec.min) sum = *spec.min;
  series.value = sum;
  touch(series);
  return true;
}

bool Delta::observe(Series& series, Decimal value) {
  const Decimal sum = series.value + value;
  if (!sum.in_range()) return false;
  ++series.buckets[searches_[series.family].find(value)];
  series.value = sum;
  touch(series);
  return true;
}

bool Delta::set(Series& series, Decimal value, const Origin& origin) {
  if (origin < series.origin) return false;
  const FamilySpec& spec = *specs_[series.family];
  series.value = spec.min && value < *spec.min ? *spec.min : value;
  series.origin = origin;
  touch(series);
  return true;
}

bool Delta::set_count(Series& series, Decimal count) {
  const Decimal grown = count < series.source_count ? count : count - series.source_count;
  if (!add(series, grown)) return false;
  series.source_count = count;
  return true;
}

bool Delta::exemplify(Series& series, Decimal value, std::span<const ExemplarLabel> labels,
                      std::optional<std::int64_t> time_ns) {
  std::size_t characters = 0;
  bool any = false;
  for (const ExemplarLabel& label : labels) {
    if (label.value.empty()) continue;
    any = true;
    if (label.value.size() > 4 * kMaxExemplarCharacters) return false;
    characters += label.name.size() + count_characters(label.value);
  }
  if (!any || characters > kMaxExemplarCharacters) return false;
  std::uint16_t bucket = 0;
  if (series.bucket_count != 0) {
    for (const Decimal& bound : specs_[series.family]->buckets)
      bucket = static_cast<std::uint16_t>(bucket + (value > bound));
  }
  const auto place = std::ranges::lower_bound(series.exemplars, bucket, {},
                                              [](const Exemplar& e) { return e.bucket; });
  Exemplar& exemplar = place != series.exemplars.end() && place->bucket == bucket
                           ? *place
                           : *series.exemplars.insert(place, Exemplar{});
  exemplar.bucket = bucket;
  exemplar.value = value;
  exemplar.time_ns = time_ns;
  exemplar.labels.clear();
  for (const ExemplarLabel& label : labels) {
    if (label.value.empty()) continue;
    if (!exemplar.labels.empty()) exemplar.labels += ',';
    exemplar.labels.append(label.name).append("=\"");
    append_escaped(exemplar.labels, label.value, Escape::with_quote);
    exemplar.labels += '"';
  }
  series.exemplars_changed = true;
  touch(series);
  return true;
}

Series& Delta::at(FamilyId family, std::size_t number) { return families_[family]->series[number]; }

const Series& Delta::at(FamilyId family, std::size_t number) const {
  return families_[family]->series[number];
}

void Delta::expire(Series& series) {
  if (!series.live) return;
  touch(series);
  series.live = false;
  series.kept = true;
}

void Delta::remove(Series& series) {
  touch(series);
  series.live = false;
  series.kept = false;
  series.value = {};
  series.source_count = {};
  series.origin = {};
  series.origin.time_ns = std::numeric_limits<std::int64_t>::min();
  std::fill(series.buckets, series.buckets + series.bucket_count, 0);
  series.exemplars.clear();
  series.exemplars_changed = true;
  series.created_ns = 0;
}

std::size_t Delta::size() const {
  std::size_t total = 0;
  for (const auto& family : families_) total += family->series.size();
  return total;
}

std::size_t Delta::size(FamilyId family) const { return families_[family]->series.size(); }

std::uint64_t Delta::labels_cut(FamilyId family) const { return families_[family]->labels_cut; }

std::uint64_t Delta::overflowed(FamilyId family) const { return families_[family]->overflowed; }

void Delta::clear_touched() {
  for (Series* series : touched_) series->touched = false;
  touched_.clear();
}

}  // namespace logtally::metrics
