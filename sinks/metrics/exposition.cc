// Two halves. The walk knows the two inputs and the order of everything; the encoding knows how a
// family, a sample and a histogram are written. Another format is another encoding: a class with
// the public members of TextEncoding.
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

#include "config/utf8.h"
#include "sinks/metrics/decimal.h"

namespace logtally::metrics {
namespace {

using ExposedType = prometheus::MetricType;

struct Label {
  std::string_view name;
  std::string_view value;
};

template <class Number>
struct HistogramView {
  std::span<const Number> bounds;             // without +Inf
  std::span<const std::uint64_t> cumulative;  // one for each bound
  std::uint64_t count;
  Number sum;
};

// ---- text

enum class Escape : std::uint8_t { help, label_value };

constexpr bool plain(unsigned char c) {
  return c < 0x80 && c != '\0' && c != '\n' && c != '\\' && c != '"';
}

constexpr auto kPlain = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c) table[c] = plain(static_cast<unsigned char>(c));
  return table;
}();

// NUL is left out: Prometheus' lexer takes one at the start of a line as the end of the page.
void append_escaped(std::string& out, std::string_view text, Escape escape) {
  std::size_t written = 0;
  std::size_t at = 0;
  const auto replace = [&](std::string_view by) {
    out.append(text, written, at - written);
    out += by;
    written = ++at;
  };
  while (at < text.size()) {
    if (kPlain[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    switch (text[at]) {
      case '\\':
        replace("\\\\");
        break;
      case '\n':
        replace("\\n");
        break;
      case '\0':
        replace("");
        break;
      case '"':
        if (escape == Escape::label_value) {
          replace("\\\"");
        } else {
          ++at;
        }
        break;
      default:
        if (const auto point = config::decode_utf8(text, at); point.valid) {
          at += point.length;
        } else {
          replace("\xEF\xBF\xBD");
        }
    }
  }
  out.append(text, written);
}

void append_number(std::string& out, Decimal value) { append(out, value); }
void append_number(std::string& out, double value) { append(out, value); }
void append_number(std::string& out, std::uint64_t value) {
  char buffer[20];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

class TextEncoding {
 public:
  explicit TextEncoding(std::string& out) : out_(out) {}

  static std::size_t typical_bytes(std::size_t samples, std::string_view name) {
    return samples * (name.size() + kTypicalSampleBytes);
  }
  void reserve(std::size_t bytes) { out_.reserve(out_.size() + bytes); }

  void begin_family(std::string_view name, std::string_view help, ExposedType type) {
    name_ = name;
    bounds_ = nullptr;
    out_.append("# HELP ").append(name).push_back(' ');
    append_escaped(out_, help, Escape::help);
    out_.append("\n# TYPE ").append(name).push_back(' ');
    out_.append(type_name(type)).push_back('\n');
  }

  template <class Number>
  void sample(std::span<const Label> labels, Number value) {
    set_labels(labels);
    line("", value);
  }

  template <class Number>
  void histogram(std::span<const Label> labels, const HistogramView<Number>& histogram) {
    set_labels(labels);
    set_bounds(histogram.bounds);
    for (std::size_t i = 0; i < histogram.bounds.size(); ++i) {
      begin_last_label("_bucket", "le");
      out_ += le_[i];
      end_last_label(histogram.cumulative[i]);
    }
    begin_last_label("_bucket", "le");
    out_ += "+Inf";
    end_last_label(histogram.count);
    line("_sum", histogram.sum);
    line("_count", histogram.count);
  }

  void summary(std::span<const Label> labels, const prometheus::ClientMetric::Summary& summary) {
    set_labels(labels);
    for (const auto& q : summary.quantile) {
      begin_last_label("", "quantile");
      append_number(out_, q.quantile);
      end_last_label(q.value);
    }
    line("_sum", summary.sample_sum);
    line("_count", summary.sample_count);
  }

 private:
  static constexpr std::size_t kTypicalSampleBytes = 64;  // labels and value

  static std::string_view type_name(ExposedType type) {
    switch (type) {
      case ExposedType::Counter:
        return "counter";
      case ExposedType::Gauge:
        return "gauge";
      case ExposedType::Histogram:
        return "histogram";
      case ExposedType::Summary:
        return "summary";
      default:
        return "untyped";
    }
  }

  // The labels of the series that follows, as `a="1",b="2"`: written once, copied for each of its
  // lines.
  void set_labels(std::span<const Label> labels) {
    labels_.clear();
    for (const Label& label : labels) {
      if (!labels_.empty()) labels_.push_back(',');
      labels_.append(label.name).append("=\"");
      append_escaped(labels_, label.value, Escape::label_value);
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
      append_number(le_[i], bounds[i]);
    }
  }

  template <class Number>
  void line(std::string_view suffix, Number value) {
    out_.append(name_).append(suffix);
    if (!labels_.empty()) {
      out_.push_back('{');
      out_.append(labels_).push_back('}');
    }
    end_line(value);
  }

  void begin_last_label(std::string_view suffix, std::string_view label) {
    out_.append(name_).append(suffix).push_back('{');
    if (!labels_.empty()) out_.append(labels_).push_back(',');
    out_.append(label).append("=\"");
  }

  template <class Number>
  void end_last_label(Number value) {
    out_ += "\"}";
    end_line(value);
  }

  template <class Number>
  void end_line(Number value) {
    out_.push_back(' ');
    append_number(out_, value);
    out_.push_back('\n');
  }

  std::string& out_;
  std::string_view name_;
  std::string labels_;
  std::vector<std::string> le_;
  const Decimal* bounds_ = nullptr;  // what le_ shows
};

// ---- the walk

template <class Encoding>
class Walk {
 public:
  explicit Walk(Encoding& encoding) : encoding_(encoding) {}

  void family(const FamilySnapshot& family) {
    const FamilySpec& spec = *family.spec;
    encoding_.begin_family(spec.name, spec.help, type_of(spec.type));
    order_labels(spec.labels);
    order_series(family.series);
    for (const SeriesSnapshot* series : series_) {
      labels_.clear();
      for (const std::size_t i : label_order_) {
        labels_.push_back(Label{spec.labels[i], (*series->labels)[i]});
      }
      if (spec.type == MetricType::histogram) {
        histogram(spec, *series);
      } else {
        encoding_.sample(std::span<const Label>(labels_), series->value);
      }
    }
  }

  // `family` gets its labels and series sorted in place.
  void family(prometheus::MetricFamily& family) {
    encoding_.begin_family(family.name, family.help, family.type);
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
  static ExposedType type_of(MetricType type) {
    switch (type) {
      case MetricType::counter:
        return ExposedType::Counter;
      case MetricType::gauge:
        return ExposedType::Gauge;
      case MetricType::histogram:
        return ExposedType::Histogram;
    }
    return ExposedType::Untyped;
  }

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

  void histogram(const FamilySpec& spec, const SeriesSnapshot& series) {
    assert(series.buckets.size() == spec.buckets.size() + 1);
    cumulative_.resize(series.buckets.size());
    std::partial_sum(series.buckets.begin(), series.buckets.end(), cumulative_.begin());
    const HistogramView<Decimal> view{.bounds = spec.buckets,
                                      .cumulative = cumulative_,
                                      .count = cumulative_.back(),
                                      .sum = series.value};
    encoding_.histogram(std::span<const Label>(labels_), view);
  }

  void client_metric(ExposedType type, const prometheus::ClientMetric& metric) {
    const std::span<const Label> labels(labels_);
    switch (type) {
      case ExposedType::Counter:
        return encoding_.sample(labels, metric.counter.value);
      case ExposedType::Gauge:
        return encoding_.sample(labels, metric.gauge.value);
      case ExposedType::Histogram:
        return histogram(metric.histogram);
      case ExposedType::Summary:
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

template <class Encoding>
void walk(Encoding& encoding, std::span<const FamilySnapshot> counted,
          std::vector<prometheus::MetricFamily>& own) {
  std::vector<FamilyRef> families;
  families.reserve(own.size() + counted.size());
  std::size_t bytes = 4096;
  for (auto& family : own) families.push_back(FamilyRef{family.name, &family});
  for (const auto& family : counted) {
    families.push_back(FamilyRef{family.spec->name, &family});
    const std::size_t lines =
        family.spec->type == MetricType::histogram ? family.spec->buckets.size() + 3 : 1;
    bytes += Encoding::typical_bytes(family.series.size() * lines, family.spec->name);
  }
  encoding.reserve(bytes);
  std::ranges::stable_sort(families, {}, &FamilyRef::name);
  const auto twice = std::ranges::unique(families, {}, &FamilyRef::name);
  families.erase(twice.begin(), twice.end());

  Walk<Encoding> walk(encoding);
  for (const FamilyRef& ref : families) {
    std::visit([&](auto* family) { walk.family(*family); }, ref.family);
  }
}

}  // namespace

void append_text(std::string& out, std::span<const FamilySnapshot> counted,
                 std::vector<prometheus::MetricFamily> own) {
  TextEncoding encoding(out);
  walk(encoding, counted, own);
}

}  // namespace logtally::metrics
