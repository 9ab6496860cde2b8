// Delta: the worker's side of the series. It holds each series' working value and the list of those
// touched since the last commit. Registry::publish() takes the touched ones over; until then nobody
// else sees them. Lives on the worker thread; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sinks/metrics/bucket_search.h"
#include "sinks/metrics/decimal.h"
#include "sinks/metrics/family.h"

namespace logtally::metrics {

using FamilyId = std::uint32_t;

// Where a value comes from, in the order in which values win: the later event; of the same instant,
// the later line.
struct Origin {
  std::int64_t time_ns = 0;      // event time
  std::uint32_t generation = 0;  // file generation
  std::uint64_t offset = 0;      // of the record in it
  constexpr auto operator<=>(const Origin&) const = default;
};

// One counted value and what names the record that it came from (`trace_id`): OpenMetrics shows it
// beside a counter or a histogram's bucket.
struct Exemplar {
  std::uint16_t bucket = 0;  // of Series::buckets; a counter has 0 only
  std::string labels;        // as a page has them, escaped: trace_id="4bf9",span_id="1"
  Decimal value;
  std::optional<std::int64_t> time_ns{};  // of the record, since 1970
};
struct ExemplarLabel {
  std::string_view name;
  std::string_view value;  // as it stands in the record
};

// One series: immutable labels, and the value as counted so far.
struct Series {
  FamilyId family = 0;
  std::uint32_t number = 0;  // position in the family, in order of birth
  bool touched = false;
  bool live = false;  // on the page; one that was removed or has expired is not, until touched
  std::uint16_t bucket_count = 0;    // histograms: bounds + 1
  bool kept = false;                 // not live: expired, its value is kept and goes on
  bool ages = false;                 // of a family with a ttl: touched, and not expired since
  bool limited = false;              // it counts against the limits
  Decimal value;                     // counter, gauge; histogram: the sum
  Decimal source_count;              // counters that are set: the source's own last count
  std::uint64_t* buckets = nullptr;  // observations per bucket, not cumulative; the last is +Inf
  Origin origin;                     // gauges: of the value
  // Event time of the last touch, as far as the family has a ttl; the least: not known.
  std::int64_t touched_ns = std::numeric_limits<std::int64_t>::min();
  std::vector<std::string> labels;  // values, in the order of FamilySpec::labels; valid UTF-8
  std::vector<Exemplar> exemplars;  // the last of each bucket that has one, by bucket
  bool exemplars_changed = false;   // since they were published
  std::int64_t created_ns = 0;      // when it was first published, since 1970; 0: not yet

  bool has_value() const { return live || kept; }
};

// What a look-up of a series went through, besides finding it.
struct LookUp {
  std::uint8_t cut = 0;     // label values that were too long
  bool overflowed = false;  // the limits refused a series of its own
};

// How many series there may be at most, besides the one of each family whose labels are all
// `other`.
struct SeriesLimits {
  std::size_t family = 2'000;  // of one family that does not say itself (FamilySpec::max_series)
  std::size_t all = 50'000;    // of all families
};

class Delta {
 public:
  explicit Delta(std::vector<FamilySpec> families);
  Delta(const Delta&) = delete;
  Delta& operator=(const Delta&) = delete;
  ~Delta();

  std::span<const std::shared_ptr<const FamilySpec>> families() const { return specs_; }

  // The series with these label values (one for each of the family's labels), born now if there is
  // none. Values are made fit for the exposition: invalid UTF-8 becomes U+FFFD, NUL is dropped,
  // values over kMaxLabelBytes are cut on a code point and get a hash, so that two cut values stay
  // two. The reference is valid as long as the Delta.
  // `look_up` hears what was counted for it.
  Series& series(FamilyId family, std::span<const std::string_view> label_values,
                 LookUp* look_up = nullptr);
  // For who kept a series of another Delta: the one with these labels, which are as Series::labels
  // had them; no limit refuses it. It has no value, unless it was born before. Null: these cannot
  // have been a series of the family.
  Series* restore(FamilyId family, std::span<const std::string_view> labels, bool limited);
  // The same look-up once more, whose series is known.
  void count_again(FamilyId family, LookUp look_up);

  // What would be one series more than these is counted by the family's series whose labels are all
  // `other`, so that totals stay right. Enforced when a series is born: those that are there stay.
  void limit(SeriesLimits limits) { limits_ = limits; }

  // Other families from now on (a reload of the rules). One that was there before with the same
  // series (same_series()) keeps them with their values, and references to them stay good; the
  // series of all other families of before are gone. What a family has counted about itself stays
  // with its name. Tell the registry: Registry::replace().
  void redefine(std::vector<FamilySpec> families);

  // Each touches the series. add: counters and gauges (gauges are clamped to `min`); false when the
  // result would leave the range of Decimal: nothing has changed then.
  bool add(Series& series, Decimal value);
  bool observe(Series& series, Decimal value);
  // A gauge takes the value unless it has one of a later origin. Returns whether it took it.
  bool set(Series& series, Decimal value, const Origin& origin);
  // A counter follows the source's own count; a decrease is a reset of the source, and its new
  // count is added.
  bool set_count(Series& series, Decimal count);

  // Puts an exemplar beside what was counted last: `value` is what a histogram observed, or what a
  // counter grew by. It replaces the one of the same bucket. Labels without a value are left out;
  // false, and nothing has changed, when there are none or they are too long.
  bool exemplify(Series& series, Decimal value, std::span<const ExemplarLabel> labels,
                 std::optional<std::int64_t> time_ns);

  // Takes the series off the page. Should it come back, it starts anew.
  void remove(Series& series);
  // Takes the series off the page, and keeps its value: should it come back, it goes on. It keeps
  // its place under the limits too.
  void expire(Series& series);
  // Calls f(series) for every series of the family that has a value, on the page or kept.
  template <class F>
  void for_each(FamilyId family, F&& f) {
    for (std::size_t number = 0; number < size(family); ++number) {
      Series& series = at(family, number);
      if (series.has_value()) f(series);
    }
  }
  template <class F>
  void for_each(FamilyId family, F&& f) const {
    for (std::size_t number = 0; number < size(family); ++number) {
      const Series& series = at(family, number);
      if (series.live) f(series);
    }
  }

  void touch(Series& series) {
    series.live = true;
    if (series.touched) return;
    series.touched = true;
    touched_.push_back(&series);
  }
  std::span<Series* const> touched() const { return touched_; }
  std::size_t size() const;  // series of all families
  std::size_t size(FamilyId family) const;
  // By number, with or without a value.
  Series& nth(FamilyId family, std::size_t number) { return at(family, number); }
  std::uint64_t labels_cut(FamilyId family) const;  // values that were cut at kMaxLabelBytes
  std::uint64_t overflowed(FamilyId family) const;  // look-ups of series that the limits refused
  void clear_touched();

  static constexpr std::size_t kMaxLabelBytes = 256;
  // Of an exemplar's label names and values together: OpenMetrics' own limit.
  static constexpr std::size_t kMaxExemplarCharacters = 128;

 private:
  struct Family;
  void reorder_labels(Family& family, const FamilySpec& spec);
  Series& find_or_bear(Family& family, FamilyId id, std::span<const std::string_view> values,
                       LookUp& look_up, bool limited, bool enforced);
  Series& at(FamilyId family, std::size_t number);
  const Series& at(FamilyId family, std::size_t number) const;
  std::vector<std::shared_ptr<const FamilySpec>> specs_;
  std::vector<BucketSearch> searches_;  // by family
  std::vector<std::unique_ptr<Family>> families_;
  std::vector<Series*> touched_;
  std::uint64_t hash_seed_;
  SeriesLimits limits_;
  std::size_t limited_ = 0;  // series of all families that count against limits_.all
};

// A label value as the exposition can carry it; see Delta::series(). Sets `cut` when it was too
// long.
std::string fit_label_value(std::string_view raw, bool& cut);

}  // namespace logtally::metrics
