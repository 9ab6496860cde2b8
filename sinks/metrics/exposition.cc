// Two halves. The walk knows the two inputs and the order of everything; the encoding knows how a
// family, a sample and a histogram are written in one of the two text formats, which differ in
// little: what families are called, bounds as floats, exemplars.
#include "sinks/metrics/exposition.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <variant>

#include "sinks/metrics/decimal.h"
#include "sinks/metrics/escape.h"
#include "sinks/metrics/openmetrics_names.h"

namespace logtally::metrics {
namespace {

enum class Dialect : std::uint8_t { text, openmetrics };

struct Label {
  std::string_view name;
  std::string_view value;
};

// What is above a family's samples, and what they are called.
struct Heading {
  std::string_view name;    // of the samples, without a suffix of theirs
  std::string_view family;  // the same, but for OpenMetrics' counters and infos
  ExposedType type = ExposedType::unknown;
  std::string_view unit{};
  std::string_view help{};
};

template <class Number>
struct HistogramView {
  std::span<const Number> bounds;             // without +Inf
  std::span<const std::uint64_t> cumulative;  // one for each bound
  std::uint64_t count;
  Number sum;
};

// What OpenMetrics shows of a series besides its value.
struct Extras {
  std::span<const Exemplar> exemplars{};  // by bucket
  std::int64_t created_ns = 0;            // 0: not shown
};

// ---- text

void append_number(std::string& out, Decimal value) { append(out, value); }
void append_number(std::string& out, double value) { append(out, value); }
void append_number(std::string& out, std::uint64_t value) {
  char buffer[20];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

double as_double(Decimal value) { return value.to_double(); }
double as_double(double value) { return value; }

bool is_negative(Decimal value) { return value.negative(); }
bool is_negative(double value) { return value < 0; }

// A bound or quantile as OpenMetrics has it: a float with a point or an exponent, the exponent from
// 10^6 on. Prometheus 3 makes the same of the bounds of 0.0.4; Prometheus 2 takes both as written,
// so there the label differs between the formats.
void append_canonical(std::string& out, double value) {
  if (!std::isfinite(value)) return append(out, value);
  char digits[64];
  const double size = std::fabs(value);
  const bool plain = value == 0 || (size >= 1e-4 && size < 1e6);
  const auto result =
      std::to_chars(digits, digits + sizeof digits, value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  const std::string_view text(digits, static_cast<std::size_t>(result.ptr - digits));
  out.append(text);
  if (plain && text.find('.') == std::string_view::npos) out += ".0";
}

// Seconds since 1970, to the millisecond: what Prometheus keeps.
void append_seconds(std::string& out, std::int64_t time_ns) {
  const std::int64_t milliseconds = time_ns / 1'000'000;
  append_number(out, static_cast<std::uint64_t>(milliseconds / 1000));
  out.push_back('.');
  for (std::int64_t unit = 100; unit != 0; unit /= 10)
    out.push_back(static_cast<char>('0' + milliseconds / unit % 10));
}

class TextEncoding {
 public:
  TextEncoding(std::string& out, Dialect dialect)
      : out_(out), openmetrics_(dialect == Dialect::openmetrics) {}

  static std::size_t typical_bytes(std::size_t samples, std::string_view name) {
    return samples * (name.size() + kTypicalSampleBytes);
  }
  void reserve(std::size_t bytes) { out_.reserve(out_.size() + bytes); }

  void begin_family(const Heading& heading) {
    heading_ = heading;
    bounds_ = nullptr;
    if (!openmetrics_) {
      line_of_family("HELP");
      append_escaped(out_, heading.help, Escape::all_but_quote);
      out_.push_back('\n');
    }
    line_of_family("TYPE");
    out_.append(type_name(heading.type)).push_back('\n');
    if (!openmetrics_) return;
    if (!heading.unit.empty()) {
      line_of_family("UNIT");
      out_.append(heading.unit).push_back('\n');
    }
    if (heading.help.empty()) return;
    line_of_family("HELP");
    append_escaped(out_, heading.help, Escape::with_quote);
    out_.push_back('\n');
  }

  void end_page() {
    if (openmetrics_) out_ += "# EOF\n";
  }

  template <class Number>
  void sample(std::span<const Label> labels, Number value, const Extras& extras = {}) {
    set_labels(labels);
    const bool counter = heading_.type == ExposedType::counter;
    begin_line(heading_.name, "");
    end_line(value, counter && !extras.exemplars.empty() ? &extras.exemplars.front() : nullptr);
    if (counter) created(extras);
  }

  template <class Number>
  void histogram(std::span<const Label> labels, const HistogramView<Number>& histogram,
                 const Extras& extras = {}) {
    set_labels(labels);
    set_bounds(histogram.bounds);
    auto exemplar = extras.exemplars.begin();
    const auto exemplar_of = [&](std::size_t bucket) -> const Exemplar* {
      if (exemplar == extras.exemplars.end() || exemplar->bucket != bucket) return nullptr;
      return &*exemplar++;
    };
    const std::size_t bounds = histogram.bounds.size();
    for (std::size_t i = 0; i < bounds; ++i) {
      begin_last_label("_bucket", "le");
      out_ += le_[i];
      end_last_label(histogram.cumulative[i], exemplar_of(i));
    }
    begin_last_label("_bucket", "le");
    out_ += "+Inf";
    end_last_label(histogram.count, exemplar_of(bounds));
    // With negative values the sum may fall, so it is no counter: OpenMetrics wants neither it nor
    // the count then (the count is the bucket +Inf).
    const bool falls =
        is_negative(histogram.sum) || (bounds != 0 && is_negative(histogram.bounds.front()));
    if (!openmetrics_ || !falls) {
      line("_sum", histogram.sum);
      line("_count", histogram.count);
    }
    created(extras);
  }

  void summary(std::span<const Label> labels, const prometheus::ClientMetric::Summary& summary) {
    set_labels(labels);
    for (const auto& q : summary.quantile) {
      begin_last_label("", "quantile");
      append_bound(out_, q.quantile);
      end_last_label(q.value);
    }
    line("_sum", summary.sample_sum);
    line("_count", summary.sample_count);
  }

 private:
  static constexpr std::size_t kTypicalSampleBytes = 64;  // labels and value

  std::string_view type_name(ExposedType type) const {
    switch (type) {
      case ExposedType::counter:
        return "counter";
      case ExposedType::gauge:
        return "gauge";
      case ExposedType::histogram:
        return "histogram";
      case ExposedType::summary:
        return "summary";
      case ExposedType::info:
        return "info";
      case ExposedType::unknown:
        break;
    }
    return openmetrics_ ? "unknown" : "untyped";
  }

  void line_of_family(std::string_view keyword) {
    out_.append("# ").append(keyword).append(" ").append(heading_.family).push_back(' ');
  }

  // The labels of the series that follows, as `a="1",b="2"`: written once, copied for each of its
  // lines.
  void set_labels(std::span<const Label> labels) {
    labels_.clear();
    for (const Label& label : labels) {
      if (!labels_.empty()) labels_.push_back(',');
      labels_.append(label.name).append("=\"");
      append_escaped(labels_, label.value, Escape::with_quote);
      labels_.push_back('"');
    }
  }

  // The bounds as text. A rule's family has the same ones for all its series.
  template <class Number>
  void set_bounds(std::span<const Number> bounds) {
    if constexpr (std::is_same_v<Number, Decimal>) {
      if (bounds_ == bounds.data()) return;
      bounds_ = bounds.data();
    }
    le_.resize(bounds.size());
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      le_[i].clear();
      append_bound(le_[i], bounds[i]);
    }
  }

  template <class Number>
  void append_bound(std::string& out, Number bound) const {
    if (openmetrics_) {
      append_canonical(out, as_double(bound));
    } else {
      append_number(out, bound);
    }
  }

  template <class Number>
  void line(std::string_view suffix, Number value) {
    begin_line(heading_.name, suffix);
    end_line(value);
  }

  void begin_line(std::string_view name, std::string_view suffix) {
    out_.append(name).append(suffix);
    if (labels_.empty()) return;
    out_.push_back('{');
    out_.append(labels_).push_back('}');
  }

  void created(const Extras& extras) {
    if (!openmetrics_ || extras.created_ns <= 0) return;
    begin_line(heading_.family, "_created");
    out_.push_back(' ');
    append_seconds(out_, extras.created_ns);
    out_.push_back('\n');
  }

  void begin_last_label(std::string_view suffix, std::string_view label) {
    out_.append(heading_.name).append(suffix).push_back('{');
    if (!labels_.empty()) out_.append(labels_).push_back(',');
    out_.append(label).append("=\"");
  }

  template <class Number>
  void end_last_label(Number value, const Exemplar* exemplar = nullptr) {
    out_ += "\"}";
    end_line(value, exemplar);
  }

  template <class Number>
  void end_line(Number value, const Exemplar* exemplar = nullptr) {
    out_.push_back(' ');
    append_number(out_, value);
    if (exemplar != nullptr && openmetrics_) {
      out_.append(" # {").append(exemplar->labels).append("} ");
      append_number(out_, exemplar->value);
      if (exemplar->time_ns.value_or(-1) >= 0) {
        out_.push_back(' ');
        append_seconds(out_, *exemplar->time_ns);
      }
    }
    out_.push_back('\n');
  }

  std::string& out_;
  const bool openmetrics_;
  Heading heading_;
  std::string labels_;
  std::vector<std::string> le_;
  const Decimal* bounds_ = nullptr;  // what le_ shows
};

// ---- the walk

ExposedType exposed(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return ExposedType::counter;
    case MetricType::gauge:
      return ExposedType::gauge;
    case MetricType::histogram:
      return ExposedType::histogram;
  }
  return ExposedType::unknown;
}

ExposedType exposed(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return ExposedType::counter;
    case prometheus::MetricType::Gauge:
      return ExposedType::gauge;
    case prometheus::MetricType::Histogram:
      return ExposedType::histogram;
    case prometheus::MetricType::Summary:
      return ExposedType::summary;
    default:
      return ExposedType::unknown;
  }
}

NamedFamily named(const FamilySnapshot& family) {
  const auto is_one = [](const SeriesSnapshot& s) { return s.value == Decimal::of(1); };
  return {.name = family.spec->name,
          .type = exposed(family.spec->type),
          .always_one = std::ranges::all_of(family.series, is_one)};
}

NamedFamily named(const prometheus::MetricFamily& family) {
  const auto is_one = [](const prometheus::ClientMetric& m) { return m.gauge.value == 1; };
  return {.name = family.name,
          .type = exposed(family.type),
          .always_one = std::ranges::all_of(family.metric, is_one)};
}

std::string_view help_of(const FamilySnapshot& family) { return family.spec->help; }
std::string_view help_of(const prometheus::MetricFamily& family) { return family.help; }

template <class Encoding>
class Walk {
 public:
  Walk(Encoding& encoding, Created created) : encoding_(encoding), created_(created) {}

  void family(const FamilySnapshot& family) {
    const FamilySpec& spec = *family.spec;
    order_labels(spec.labels);
    order_series(family.series);
    for (const SeriesSnapshot* series : series_) {
      labels_.clear();
      for (const std::size_t i : label_order_) {
        labels_.push_back(Label{spec.labels[i], (*series->labels)[i]});
      }
      Extras extras;
      if (series->exemplars) extras.exemplars = *series->exemplars;
      if (created_ == Created::shown) extras.created_ns = series->created_ns;
      if (spec.type == MetricType::histogram) {
        histogram(spec, *series, extras);
      } else {
        encoding_.sample(std::span<const Label>(labels_), series->value, extras);
      }
    }
  }

  // `family` gets its labels and series sorted in place.
  void family(prometheus::MetricFamily& family) {
    for (auto& metric : family.metric) std::sort(metric.label.begin(), metric.label.end());
    std::sort(family.metric.begin(), family.metric.end(),
              [](const auto& a, const auto& b) { return a.label < b.label; });
    for (const auto& metric : family.metric) {
      labels_.clear();
      for (const auto& label : metric.label) labels_.push_back(Label{label.name, label.value});
      client_metric(family.type, metric);
    }
  }

 private:
  void order_labels(const std::vector<std::string>& names) {
    label_order_.resize(names.size());
    std::iota(label_order_.begin(), label_order_.end(), std::size_t{0});
    std::ranges::sort(label_order_, {},
                      [&](std::size_t i) -> const std::string& { return names[i]; });
  }

  void order_series(const std::vector<SeriesSnapshot>& all) {
    series_.clear();
    for (const SeriesSnapshot& series : all) series_.push_back(&series);
    std::ranges::sort(series_, [this](const SeriesSnapshot* a, const SeriesSnapshot* b) {
      for (const std::size_t i : label_order_) {
        if (const int c = (*a->labels)[i].compare((*b->labels)[i]); c != 0) return c < 0;
      }
      return false;
    });
  }

  void histogram(const FamilySpec& spec, const SeriesSnapshot& series, const Extras& extras) {
    assert(series.buckets.size() == spec.buckets.size() + 1);
    cumulative_.resize(series.buckets.size());
    std::partial_sum(series.buckets.begin(), series.buckets.end(), cumulative_.begin());
    const HistogramView<Decimal> view{.bounds = spec.buckets,
                                      .cumulative = cumulative_,
                                      .count = cumulative_.back(),
                                      .sum = series.value};
    encoding_.histogram(std::span<const Label>(labels_), view, extras);
  }

  void client_metric(prometheus::MetricType type, const prometheus::ClientMetric& metric) {
    const std::span<const Label> labels(labels_);
    switch (exposed(type)) {
      case ExposedType::counter:
        return encoding_.sample(labels, metric.counter.value);
      case ExposedType::gauge:
        return encoding_.sample(labels, metric.gauge.value);
      case ExposedType::histogram:
        return histogram(metric.histogram);
      case ExposedType::summary:
        return encoding_.summary(labels, metric.summary);
      default:
        return encoding_.sample(labels, metric.untyped.value);
    }
  }

  void histogram(const prometheus::ClientMetric::Histogram& histogram) {
    bounds_.clear();
    cumulative_.clear();
    for (const auto& bucket : histogram.bucket) {
      if (std::isinf(bucket.upper_bound)) continue;  // prometheus-cpp has +Inf among the buckets
      bounds_.push_back(bucket.upper_bound);
      cumulative_.push_back(bucket.cumulative_count);
    }
    const HistogramView<double> view{.bounds = bounds_,
                                     .cumulative = cumulative_,
                                     .count = histogram.sample_count,
                                     .sum = histogram.sample_sum};
    encoding_.histogram(std::span<const Label>(labels_), view);
  }

  Encoding& encoding_;
  const Created created_;
  // Scratch, kept from series to series.
  std::vector<std::size_t> label_order_;
  std::vector<const SeriesSnapshot*> series_;
  std::vector<Label> labels_;
  std::vector<std::uint64_t> cumulative_;
  std::vector<double> bounds_;
};

struct FamilyRef {
  std::string_view name;
  std::variant<const FamilySnapshot*, prometheus::MetricFamily*> family;
};

// The families' headings, by the same index.
std::vector<Heading> headings(std::span<const FamilyRef> families, Dialect dialect) {
  std::vector<NamedFamily> plain;
  std::vector<Heading> all;
  plain.reserve(families.size());
  all.reserve(families.size());
  for (const FamilyRef& ref : families) {
    plain.push_back(std::visit([](auto* family) { return named(*family); }, ref.family));
    all.push_back({.name = ref.name,
                   .family = ref.name,
                   .type = plain.back().type,
                   .help = std::visit([](auto* family) { return help_of(*family); }, ref.family)});
  }
  if (dialect == Dialect::text) return all;
  const std::vector<OpenMetricsName> names = openmetrics_names(plain);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].family = names[i].family;
    all[i].type = names[i].type;
    all[i].unit = names[i].unit;
  }
  return all;
}

void append_page(std::string& out, Dialect dialect, std::span<const FamilySnapshot> counted,
                 std::vector<prometheus::MetricFamily>& own, Created created) {
  std::vector<FamilyRef> families;
  families.reserve(own.size() + counted.size());
  std::size_t bytes = 4096;
  for (auto& family : own) families.push_back(FamilyRef{family.name, &family});
  for (const auto& family : counted) {
    families.push_back(FamilyRef{family.spec->name, &family});
    const std::size_t lines =
        family.spec->type == MetricType::histogram ? family.spec->buckets.size() + 3 : 1;
    bytes += TextEncoding::typical_bytes(family.series.size() * lines, family.spec->name);
  }
  TextEncoding encoding(out, dialect);
  encoding.reserve(bytes);
  std::ranges::stable_sort(families, {}, &FamilyRef::name);
  const auto twice = std::ranges::unique(families, {}, &FamilyRef::name);
  families.erase(twice.begin(), twice.end());

  const std::vector<Heading> above = headings(families, dialect);
  Walk<TextEncoding> walk(encoding, created);
  for (std::size_t i = 0; i < families.size(); ++i) {
    encoding.begin_family(above[i]);
    std::visit([&](auto* family) { walk.family(*family); }, families[i].family);
  }
  encoding.end_page();
}

}  // namespace

void append_text(std::string& out, std::span<const FamilySnapshot> counted,
                 std::vector<prometheus::MetricFamily> own) {
  append_page(out, Dialect::text, counted, own, Created::hidden);
}

void append_openmetrics(std::string& out, std::span<const FamilySnapshot> counted,
                        std::vector<prometheus::MetricFamily> own, Created created) {
  append_page(out, Dialect::openmetrics, counted, own, created);
}

}  // namespace logtally::metrics
