#include "pipeline/counting_state.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace logtally::pipeline {
namespace {

using metrics::Decimal;
using metrics::FamilyId;
using metrics::Series;

constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();

// Series::flags of a row.
constexpr std::uint32_t kLive = 1;
constexpr std::uint32_t kKept = 2;
constexpr std::uint32_t kAges = 4;
constexpr std::uint32_t kLimited = 8;

// What stands in `more`, by the bits of its first number.
constexpr std::uint64_t kSourceCount = 1;
constexpr std::uint64_t kTouched = 2;
constexpr std::uint64_t kExemplars = 4;

void write(ByteWriter& to, Decimal value) {
  to.fixed(static_cast<std::uint64_t>(value.units() >> 64));
  to.fixed(static_cast<std::uint64_t>(value.units()));
}

Decimal read_decimal(ByteReader& from) {
  const auto high = static_cast<metrics::uint128>(from.fixed()) << 64;
  return Decimal::from_units(static_cast<metrics::int128>(high | from.fixed()));
}

void write(ByteWriter& to, const std::optional<std::string>& text) {
  to.flag(text.has_value());
  if (text) to.text(*text);
}

// ---- shapes: what makes rows of one load rows of another

struct FamilyShape {
  metrics::FamilySpec spec;         // name, type, labels, buckets
  std::vector<std::string> capped;  // labels with a `max`
};

std::string shape_of(const rules::RuleSet& rules, FamilyId id) {
  const metrics::FamilySpec& spec = rules.families()[id];
  ByteWriter bytes;
  bytes.number(static_cast<std::uint64_t>(spec.type));
  bytes.number(spec.labels.size());
  for (const std::string& label : spec.labels) bytes.text(label);
  bytes.number(spec.buckets.size());
  for (const Decimal bound : spec.buckets) write(bytes, bound);
  std::vector<std::string_view> capped;
  for (const auto& [family, label] : rules.capped_labels()) {
    if (family == id) capped.push_back(spec.labels[label]);
  }
  bytes.number(capped.size());
  for (const std::string_view label : capped) bytes.text(label);
  return bytes.take();
}

std::optional<FamilyShape> read_family(const FamilyRow& row) {
  FamilyShape shape;
  shape.spec.name = row.name;
  ByteReader bytes(row.shape);
  const std::uint64_t type = bytes.number();
  if (type > static_cast<std::uint64_t>(metrics::MetricType::histogram)) return std::nullopt;
  shape.spec.type = static_cast<metrics::MetricType>(type);
  for (std::uint64_t left = bytes.number(); left > 0 && bytes.good(); --left)
    shape.spec.labels.emplace_back(bytes.text());
  for (std::uint64_t left = bytes.number(); left > 0 && bytes.good(); --left)
    shape.spec.buckets.push_back(read_decimal(bytes));
  for (std::uint64_t left = bytes.number(); left > 0 && bytes.good(); --left)
    shape.capped.emplace_back(bytes.text());
  if (!bytes.complete()) return std::nullopt;
  return shape;
}

struct TableShape {
  std::string key;
  std::vector<std::string> columns;
  bool queue = false;
  std::string open;  // of the gauge: empty, or its name, and what its labels are made of
  std::string open_family;
  std::vector<std::int16_t> open_columns;
  std::vector<std::optional<std::string>> open_defaults;
};

// The gauge of its rows.
std::string open_shape(const rules::RuleSet& rules, std::size_t table) {
  const rules::TableRules& open = rules.table_rules()[table];
  ByteWriter bytes;
  if (!open.open) return {};
  bytes.text(rules.families()[*open.open].name);
  bytes.number(open.open_columns.size());
  for (std::size_t i = 0; i < open.open_columns.size(); ++i) {
    bytes.signed_number(open.open_columns[i]);
    write(bytes, open.open_defaults[i]);
  }
  return bytes.take();
}

std::string shape_of(const rules::RuleSet& rules, std::size_t table) {
  const rules::TableSpec& spec = rules.tables()[table];
  ByteWriter bytes;
  bytes.text(spec.key);
  bytes.number(spec.columns.size());
  for (const std::string& column : spec.columns) bytes.text(column);
  bytes.flag(spec.queue);
  bytes.text(open_shape(rules, table));
  return bytes.take();
}

std::optional<TableShape> read_table(const FamilyRow& row) {
  TableShape shape;
  ByteReader bytes(row.shape);
  shape.key = bytes.text();
  for (std::uint64_t left = bytes.number(); left > 0 && bytes.good(); --left)
    shape.columns.emplace_back(bytes.text());
  shape.queue = bytes.flag();
  shape.open = bytes.text();
  if (!bytes.complete()) return std::nullopt;
  if (shape.open.empty()) return shape;
  ByteReader open(shape.open);
  shape.open_family = open.text();
  for (std::uint64_t left = open.number(); left > 0 && open.good(); --left) {
    shape.open_columns.push_back(static_cast<std::int16_t>(open.signed_number()));
    std::optional<std::string> value;
    if (open.flag()) value = open.text();
    shape.open_defaults.push_back(std::move(value));
  }
  if (!open.complete()) return std::nullopt;
  return shape;
}

// Columns of a row of a table: each a flag and, if it is there, its text.
std::optional<std::vector<std::optional<std::string_view>>> read_columns(std::string_view bytes,
                                                                         std::size_t count) {
  std::vector<std::optional<std::string_view>> columns;
  ByteReader from(bytes);
  for (std::size_t i = 0; i < count && from.good(); ++i) {
    columns.emplace_back();
    if (from.flag()) columns.back() = from.text();
  }
  if (!from.complete()) return std::nullopt;
  return columns;
}

// ---- series

// Takes up what a row says of a series; false when it cannot be a row of its family.
bool read_series(const SeriesRow& row, Series& series) {
  series.live = (row.flags & kLive) != 0;
  series.kept = (row.flags & kKept) != 0;
  series.ages = (row.flags & kAges) != 0;
  series.created_ns = row.created_ns;
  series.value = row.value;
  if (!row.value.in_range()) return false;
  if (series.bucket_count != 0 && !row.buckets.empty()) {
    ByteReader buckets(row.buckets);
    for (std::uint16_t i = 0; i < series.bucket_count; ++i) series.buckets[i] = buckets.number();
    if (!buckets.complete()) return false;
  } else if (!row.buckets.empty()) {
    return false;
  } else {
    std::fill(series.buckets, series.buckets + series.bucket_count, 0);
  }
  series.origin = {};
  series.origin.time_ns = kNoTime;
  if (!row.order_key.empty()) {
    ByteReader order(row.order_key);
    series.origin.time_ns = static_cast<std::int64_t>(order.fixed());
    series.origin.generation = static_cast<std::uint32_t>(order.number());
    series.origin.offset = order.number();
    if (!order.complete()) return false;
  }
  series.source_count = {};
  series.touched_ns = kNoTime;
  series.exemplars.clear();
  if (row.more.empty()) return true;
  ByteReader more(row.more);
  const std::uint64_t what = more.number();
  if ((what & kSourceCount) != 0) series.source_count = read_decimal(more);
  if ((what & kTouched) != 0) series.touched_ns = static_cast<std::int64_t>(more.fixed());
  if ((what & kExemplars) != 0) {
    for (std::uint64_t left = more.number(); left > 0 && more.good(); --left) {
      metrics::Exemplar& exemplar = series.exemplars.emplace_back();
      exemplar.bucket = static_cast<std::uint16_t>(more.number());
      exemplar.labels = more.text();
      exemplar.value = read_decimal(more);
      if (more.flag()) exemplar.time_ns = static_cast<std::int64_t>(more.fixed());
    }
    series.exemplars_changed = true;
  }
  return more.complete();
}

Error unreadable(std::string_view what) {
  return Error{fmt::format("the state holds {} that this program cannot have written", what)};
}

}  // namespace

bool CountingState::dirty(const rules::Delta& delta) const {
  if (whole_ || !delta.series.touched().empty() || !delta.invocations.empty()) return true;
  if (delta.clock.save() != clock_) return true;
  return std::any_of(delta.tables.begin(), delta.tables.end(),
                     [](const rules::Table& table) { return table.dirty(); });
}

void CountingState::save(StateStore::Group& group, const rules::RuleSet& rules, rules::Delta& delta,
                         std::int64_t wall_ns) {
  for (Series* const series : delta.series.touched()) {
    if (series->created_ns == 0 && series->has_value()) series->created_ns = wall_ns;
  }
  group.clock(delta.clock.save());
  if (whole_) {
    save_whole(group, rules, delta);
  } else {
    save_changes(group, delta, rules);
  }
  save_invocations(group, delta.invocations);
}

void CountingState::saved(const rules::RuleSet& rules, rules::Delta& delta) {
  whole_ = false;
  clock_ = delta.clock.save();
  stored_.resize(rules.families().size());
  for (FamilyId family = 0; family < stored_.size(); ++family)
    stored_[family] = delta.series.size(family);
  for (rules::CappedValues& capped : delta.capped) capped.unsaved.clear();
  for (rules::Table& table : delta.tables) table.clear_dirty();
  delta.timers.clear_changed();
  delta.invocations.clear();
}

void CountingState::save_series(StateStore::Group& group, const rules::Delta& delta,
                                const Series& series) {
  labels_.clear();
  for (const std::string& label : series.labels) labels_.text(label);
  buckets_.clear();
  for (std::uint16_t i = 0; i < series.bucket_count; ++i) buckets_.number(series.buckets[i]);
  order_.clear();
  const bool gauge = delta.series.families()[series.family]->type == metrics::MetricType::gauge;
  if (gauge && series.origin.time_ns != kNoTime) {
    order_.fixed(static_cast<std::uint64_t>(series.origin.time_ns));
    order_.number(series.origin.generation);
    order_.number(series.origin.offset);
  }
  more_.clear();
  const bool counts = series.source_count != Decimal();
  const bool touched = series.touched_ns != kNoTime;
  const bool shows = !series.exemplars.empty();
  if (counts || touched || shows) {
    more_.number((counts ? kSourceCount : 0) | (touched ? kTouched : 0) | (shows ? kExemplars : 0));
    if (counts) write(more_, series.source_count);
    if (touched) more_.fixed(static_cast<std::uint64_t>(series.touched_ns));
    if (shows) {
      more_.number(series.exemplars.size());
      for (const metrics::Exemplar& exemplar : series.exemplars) {
        more_.number(exemplar.bucket);
        more_.text(exemplar.labels);
        write(more_, exemplar.value);
        more_.flag(exemplar.time_ns.has_value());
        if (exemplar.time_ns) more_.fixed(static_cast<std::uint64_t>(*exemplar.time_ns));
      }
    }
  }
  group.put(BasicSeriesRow<std::string_view>{
      .family = series.family,
      .number = series.number,
      .flags = (series.live ? kLive : 0) | (series.kept ? kKept : 0) | (series.ages ? kAges : 0) |
               (series.limited ? kLimited : 0),
      .labels = labels_.bytes(),
      .created_ns = series.created_ns,
      .value = series.value,
      .buckets = buckets_.bytes(),
      .order_key = order_.bytes(),
      .more = more_.bytes()});
}

void CountingState::save_row(StateStore::Group& group, std::size_t table, const rules::Row& row) {
  more_.clear();
  for (std::size_t i = 0; i < row.columns(); ++i) {
    const auto column = row.column(i);
    more_.flag(column.has_value());
    if (column) more_.text(*column);
  }
  group.put(BasicMemoryRow<std::string_view>{.memory = static_cast<std::uint32_t>(table),
                                             .id = row.id,
                                             .use = row.use,
                                             .key = row.key,
                                             .columns = more_.bytes(),
                                             .time_ns = row.time_ns,
                                             .last_use_ns = row.last_use_ns});
}

namespace {

TimerRow row_of(const rules::Timer& timer) {
  return {.family = timer.series->family,
          .number = timer.series->number,
          .due_ns = timer.due_ns,
          .value = timer.value,
          .order = timer.order};
}

}  // namespace

void CountingState::save_whole(StateStore::Group& group, const rules::RuleSet& rules,
                               rules::Delta& delta) {
  group.forget_counting();
  for (FamilyId family = 0; family < rules.families().size(); ++family) {
    const std::string shape = shape_of(rules, family);
    group.put(BasicFamilyRow<std::string_view>{
        .id = family, .name = rules.families()[family].name, .shape = shape});
    for (std::size_t number = 0; number < delta.series.size(family); ++number)
      save_series(group, delta, delta.series.nth(family, number));
  }
  for (std::size_t i = 0; i < rules.capped_labels().size(); ++i) {
    const auto& [family, label] = rules.capped_labels()[i];
    for (const std::string& value : delta.capped[i].values) {
      group.put(BasicCappedRow<std::string_view>{
          .family = family, .label = rules.families()[family].labels[label], .value = value});
    }
  }
  for (std::size_t table = 0; table < delta.tables.size(); ++table) {
    const std::string shape = shape_of(rules, table);
    group.put_memory({.id = static_cast<std::uint32_t>(table),
                      .name = rules.tables()[table].name,
                      .shape = shape});
    delta.tables[table].visit([&](const rules::Row& row) { save_row(group, table, row); });
  }
  delta.timers.visit([&](const rules::Timer& timer) { group.put(row_of(timer)); });
}

void CountingState::save_changes(StateStore::Group& group, rules::Delta& delta,
                                 const rules::RuleSet& rules) {
  // Also those that were born and got no value: they have their number, and their place under the
  // limits.
  for (FamilyId family = 0; family < stored_.size(); ++family) {
    for (std::size_t number = stored_[family]; number < delta.series.size(family); ++number)
      save_series(group, delta, delta.series.nth(family, number));
  }
  for (const Series* const series : delta.series.touched()) {
    if (series->number < stored_[series->family]) save_series(group, delta, *series);
  }
  for (std::size_t i = 0; i < rules.capped_labels().size(); ++i) {
    const auto& [family, label] = rules.capped_labels()[i];
    for (const std::string* const value : delta.capped[i].unsaved) {
      group.put(BasicCappedRow<std::string_view>{
          .family = family, .label = rules.families()[family].labels[label], .value = *value});
    }
  }
  for (std::size_t table = 0; table < delta.tables.size(); ++table) {
    delta.tables[table].visit_dirty(
        [&](std::uint64_t id) { group.forget_row(static_cast<std::uint32_t>(table), id); },
        [&](const rules::Row& row) { save_row(group, table, row); });
  }
  delta.timers.visit_changed(
      [&](const Series* series) { group.forget_timer(series->family, series->number); },
      [&](const rules::Timer& timer) { group.put(row_of(timer)); });
}

// ---- back

namespace {

// One restore, with what it knows on the way.
class Restoration {
 public:
  Restoration(const StateImage& image, const rules::RuleSet& rules, rules::Delta& delta)
      : image_(image), rules_(rules), delta_(delta) {}

  std::optional<Error> series();
  std::optional<Error> capped();
  std::optional<Error> tables();
  std::optional<Error> timers();

  bool same = true;  // every row has its place and its number, and no row is without one
  CountingState::Dropped dropped;

 private:
  struct Family {
    std::optional<FamilyId> now;  // which family goes on; none: the series are gone
    FamilyShape shape;
    std::vector<std::size_t> from;  // by label of now: which label it was
    std::vector<Series*> series;    // by number; null: there was none
  };
  void uncount(const TableShape& shape, const std::vector<MemoryRow>& rows);

  const StateImage& image_;
  const rules::RuleSet& rules_;
  rules::Delta& delta_;
  std::vector<Family> families_;  // by id in the store
};

std::optional<Error> Restoration::series() {
  for (const FamilyRow& row : image_.families) {
    auto shape = read_family(row);
    if (!shape || row.id != families_.size()) return unreadable("a family");
    Family& family = families_.emplace_back();
    family.shape = *std::move(shape);
    const auto& all = rules_.families();
    const auto found = std::find_if(all.begin(), all.end(), [&](const metrics::FamilySpec& spec) {
      return metrics::same_series(spec, family.shape.spec);
    });
    if (found == all.end()) {
      dropped.families.push_back(row.name);
      same = false;
      continue;
    }
    family.now = static_cast<FamilyId>(found - all.begin());
    same = same && *family.now == row.id && shape_of(rules_, *family.now) == row.shape;
    const auto& before = family.shape.spec.labels;
    for (const std::string& label : found->labels) {
      const auto place = std::find(before.begin(), before.end(), label);
      family.from.push_back(static_cast<std::size_t>(place - before.begin()));
    }
  }
  same = same && families_.size() == rules_.families().size();

  std::vector<std::string_view> stored;
  std::vector<std::string_view> labels;
  for (const SeriesRow& row : image_.series) {
    if (row.family >= families_.size()) return unreadable("a series");
    Family& family = families_[row.family];
    if (!family.now) continue;
    stored.clear();
    ByteReader bytes(row.labels);
    for (std::size_t i = 0; i < family.from.size(); ++i) stored.push_back(bytes.text());
    if (!bytes.complete()) return unreadable("the labels of a series");
    labels.clear();
    for (const std::size_t label : family.from) labels.push_back(stored[label]);
    Series* const series = delta_.series.restore(*family.now, labels, (row.flags & kLimited) != 0);
    if (series == nullptr || !read_series(row, *series)) return unreadable("a series");
    if (row.number > image_.series.size()) return unreadable("the number of a series");
    if (family.series.size() <= row.number) family.series.resize(row.number + 1);
    family.series[row.number] = series;
    same = same && series->number == row.number;
  }
  return std::nullopt;
}

// The values that a label with a `max` has had stay admitted. One that has a `max` only now has had
// those of its series.
std::optional<Error> Restoration::capped() {
  for (std::size_t i = 0; i < delta_.capped.size(); ++i) {
    const auto& [id, label] = rules_.capped_labels()[i];
    const std::string& name = rules_.families()[id].labels[label];
    for (std::uint32_t number = 0; number < families_.size(); ++number) {
      const Family& family = families_[number];
      if (family.now != id) continue;
      const auto& was = family.shape.capped;
      if (std::find(was.begin(), was.end(), name) != was.end()) {
        for (const CappedRow& row : image_.capped) {
          if (row.family == number && row.label == name) delta_.capped[i].values.insert(row.value);
        }
        continue;
      }
      const std::string& overflow = rules_.label_policy(id, label).overflow;
      delta_.series.for_each(id, [&, label = label](const Series& series) {
        if (series.labels[label] != overflow) delta_.capped[i].values.insert(series.labels[label]);
      });
    }
  }
  return std::nullopt;
}

std::optional<Error> Restoration::tables() {
  std::vector<std::vector<MemoryRow>> rows(image_.memories.size());
  for (const MemoryRow& row : image_.memory_rows) {
    if (row.memory >= rows.size()) return unreadable("a row of a table");
    rows[row.memory].push_back(row);
  }
  for (const FamilyRow& stored : image_.memories) {
    const auto shape = read_table(stored);
    if (!shape || stored.id >= rows.size()) return unreadable("a table");
    const auto& all = rules_.tables();
    const auto found = std::find_if(all.begin(), all.end(), [&](const rules::TableSpec& spec) {
      return spec.name == stored.name && spec.key == shape->key && spec.columns == shape->columns &&
             spec.queue == shape->queue;
    });
    const auto now = static_cast<std::size_t>(found - all.begin());
    const bool goes_on = found != all.end();
    const bool same_open = goes_on && open_shape(rules_, now) == shape->open;
    same = same && same_open && now == stored.id;
    if (!goes_on) dropped.tables.push_back(stored.name);
    if (!same_open) uncount(*shape, rows[stored.id]);
    if (!goes_on) continue;
    rules::Table& table = delta_.tables[now];
    // All of them, though there be fewer now: who counts rows is to hear of those that go.
    table.limit(found->ttl_ns, std::max(found->max, rows[stored.id].size()));
    for (const MemoryRow& row : rows[stored.id]) {
      const auto columns = read_columns(row.columns, shape->columns.size());
      if (!columns || !table.restore({.key = row.key,
                                      .columns = *columns,
                                      .time_ns = row.time_ns,
                                      .last_use_ns = row.last_use_ns,
                                      .id = row.id,
                                      .use = row.use}))
        return unreadable("a row of a table");
    }
    if (!same_open) rules_.count_rows(now, Decimal::of(1), delta_);
  }
  same = same && image_.memories.size() == rules_.tables().size();
  rules_.limit_tables(delta_);
  return std::nullopt;
}

// Rows whose gauge is another one now, or that are gone, leave the gauge that had them, if it goes
// on.
void Restoration::uncount(const TableShape& shape, const std::vector<MemoryRow>& rows) {
  if (shape.open.empty()) return;
  const auto family = std::find_if(families_.begin(), families_.end(), [&](const Family& one) {
    return one.now && one.shape.spec.name == shape.open_family;
  });
  if (family == families_.end()) return;
  for (const MemoryRow& row : rows) {
    const auto columns = read_columns(row.columns, shape.columns.size());
    if (!columns) continue;
    std::vector<std::string_view> stored;
    for (std::size_t label = 0; label < shape.open_columns.size(); ++label) {
      const auto column = static_cast<std::size_t>(shape.open_columns[label]);
      std::optional<std::string_view> value;
      if (shape.open_columns[label] >= 0 && column < columns->size()) value = (*columns)[column];
      const std::optional<std::string>& otherwise = shape.open_defaults[label];
      if (!value && otherwise) value = *otherwise;
      if (value) stored.push_back(*value);
    }
    if (stored.size() != shape.open_columns.size() || stored.size() != family->from.size())
      continue;
    std::vector<std::string_view> labels;
    for (std::size_t label = 0; label < family->from.size(); ++label) {
      bool over_max = false;
      labels.push_back(rules::allowed_value(rules_.label_policy(*family->now, label),
                                            stored[family->from[label]], delta_, over_max));
    }
    delta_.series.add(delta_.series.series(*family->now, labels), Decimal::of(-1));
  }
}

std::optional<Error> Restoration::timers() {
  for (const TimerRow& row : image_.timers) {
    if (row.family >= families_.size()) return unreadable("a timer");
    const Family& family = families_[row.family];
    if (!family.now) continue;
    Series* const series = row.number < family.series.size() ? family.series[row.number] : nullptr;
    if (series == nullptr ||
        !delta_.timers.restore(
            {.series = series, .due_ns = row.due_ns, .value = row.value, .order = row.order}))
      return unreadable("a timer");
  }
  return std::nullopt;
}

}  // namespace

Result<CountingState::Dropped> CountingState::restore(const StateImage& image,
                                                      const rules::RuleSet& rules,
                                                      rules::Delta& delta, std::int64_t wall_ns) {
  delta.clock.restore(image.clock, wall_ns);
  clock_ = delta.clock.save();
  if (image.families.empty()) return Dropped{};  // nothing was ever counted
  Restoration restoration(image, rules, delta);
  if (const auto failed = restoration.series()) return *failed;
  if (const auto failed = restoration.capped()) return *failed;
  if (const auto failed = restoration.tables()) return *failed;
  if (const auto failed = restoration.timers()) return *failed;
  whole_ = !restoration.same;
  stored_.assign(rules.families().size(), 0);
  for (const SeriesRow& row : image.series) {
    if (!whole_) stored_[row.family] = std::max<std::size_t>(stored_[row.family], row.number + 1);
  }
  for (rules::CappedValues& capped : delta.capped) capped.unsaved.clear();
  for (rules::Table& table : delta.tables) table.clear_dirty();
  delta.timers.clear_changed();
  if (!whole_) delta.series.clear_touched();
  rules.resume_expiry(delta);
  for (FamilyId family = 0; !whole_ && family < stored_.size(); ++family) {
    for (std::size_t number = stored_[family]; number < delta.series.size(family); ++number)
      delta.series.touch(delta.series.nth(family, number));
  }
  return std::move(restoration.dropped);
}

// ---- invocations

namespace {

std::optional<std::string_view> view(const std::optional<std::string>& text) {
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

std::optional<double> real(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const metrics::ParsedDecimal parsed = metrics::parse_decimal(*text);
  if (parsed.error != metrics::NumberError::none) return std::nullopt;
  return parsed.value.to_double();
}

std::optional<std::int64_t> whole(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const metrics::ParsedDecimal parsed = metrics::parse_decimal(*text);
  if (parsed.error != metrics::NumberError::none) return std::nullopt;
  const metrics::int128 units = parsed.value.units() / metrics::int128{Decimal::kUnitsPerOne};
  if (units > std::numeric_limits<std::int64_t>::max() ||
      units < std::numeric_limits<std::int64_t>::min())
    return std::nullopt;
  return static_cast<std::int64_t>(units);
}

// As engines write it: JSON, Python, words.
std::optional<bool> truth(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  for (const std::string_view yes : {"true", "True", "1", "success", "ok"}) {
    if (*text == yes) return true;
  }
  for (const std::string_view no : {"false", "False", "0", "error", "failed", "failure"}) {
    if (*text == no) return false;
  }
  return std::nullopt;
}

}  // namespace

void save_invocations(StateStore::Group& group, const std::vector<rules::Invocation>& invocations) {
  for (const rules::Invocation& one : invocations) {
    group.put(InvocationRow{.generation = one.generation,
                            .offset = one.offset,
                            .ordinal = one.ordinal,
                            .skill_name = *one.columns[0],
                            .tool_name = view(one.columns[1]),
                            .duration_ms = real(one.columns[2]),
                            .success = truth(one.columns[3]),
                            .error_type = view(one.columns[4]),
                            .tokens_used = whole(one.columns[5]),
                            .model_used = view(one.columns[6]),
                            .created_ns = one.time_ns});
  }
}

}  // namespace logtally::pipeline
