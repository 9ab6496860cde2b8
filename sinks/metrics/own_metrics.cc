#include "sinks/metrics/own_metrics.h"

#include <array>
#include <cassert>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "sinks/metrics/process_metrics.h"

namespace logtally::metrics {
namespace {

constexpr auto Counter = prometheus::MetricType::Counter;
constexpr auto Gauge = prometheus::MetricType::Gauge;
constexpr auto Histogram = prometheus::MetricType::Histogram;

constexpr std::string_view kBuild[] = {"version", "revision", "compiler"};
constexpr std::string_view kTarget[] = {"target"};
constexpr std::string_view kTargetOutcome[] = {"target", "outcome"};
constexpr std::string_view kTargetReason[] = {"target", "reason"};
constexpr std::string_view kTargetKind[] = {"target", "kind"};
constexpr std::string_view kRule[] = {"rule"};
constexpr std::string_view kRuleActionReason[] = {"rule", "action", "reason"};
constexpr std::string_view kMetric[] = {"metric"};
constexpr std::string_view kMetricLabel[] = {"metric", "label"};
constexpr std::string_view kName[] = {"name"};
constexpr std::string_view kTableName[] = {"table"};
constexpr std::string_view kReason[] = {"reason"};

constexpr OwnMetric kTable[] = {
    {"logtally_build_info", Gauge, "Always 1; the labels say what runs.", kBuild},
    {"logtally_lines_read_total", Counter, "Physical lines read.", kTarget},
    {"logtally_bytes_read_total", Counter, "Bytes read, newlines included.", kTarget},
    {"logtally_lines_total", Counter,
     "Physical lines by outcome: a format fits (parsed), continues the record above (joined), text "
     "that no format fits "
     "(bare), not usable at all (failed).",
     kTargetOutcome},
    {"logtally_lines_failed_total", Counter, "Lines that were not usable at all, by reason.",
     kTargetReason},
    {"logtally_records_total", Counter, "Records that at least one rule matched, or none.",
     kTargetOutcome},
    {"logtally_rule_matched_total", Counter, "Records that the rule matched.", kRule},
    {"logtally_rule_skipped_total", Counter,
     "Times an action was left out because its value was missing or unusable.", kRuleActionReason},
    {"logtally_redactions_total", Counter,
     "Places of records that a redaction replaced, by its name.", kName},
    {"logtally_series", Gauge, "Series of the metric, expired ones too: all that its limit counts.",
     kMetric},
    {"logtally_series_overflow_total", Counter,
     "Times an action was counted under `other`: a value beyond its label's max, or (label all) a "
     "series beyond those the metric may have.",
     kMetricLabel},
    {"logtally_label_cut_total", Counter, "Label values that were too long and were cut.", kMetric},
    {"logtally_table_rows", Gauge, "Rows of the table.", kTableName},
    {"logtally_table_expired_total", Counter,
     "Rows that timed out, or had to go as the one used longest ago of a full table.", kTableName},
    {"logtally_table_missed_total", Counter, "Times a row was to be taken and there was none.",
     kTableName},
    {"logtally_scrape_duration_seconds",
     Gauge,
     "Time the last scrape took to commit and to write its page.",
     {}},
    {"logtally_config_last_reload_successful",
     Gauge,
     "Whether the last load of configuration and rules succeeded.",
     {}},
    {"logtally_config_last_reload_success_timestamp_seconds",
     Gauge,
     "Time of the last successful load of configuration and rules.",
     {}},
    {"logtally_commit_duration_seconds", Histogram, "Time that a commit took.", {}},
    {"logtally_commit_failures_total", Counter,
     "Commits that failed and are tried again, by reason.", kReason},
    {"logtally_rotations_total", Counter,
     "Files found renamed, truncated or deleted; of the truncated those whose rest was read from a "
     "copy (copytruncate); files that had been rotated before they were seen, and were read then "
     "(missed); files that went away before they, or what came after them, could be read (gone).",
     kTargetKind},
    {"logtally_lost_bytes_total", Counter,
     "Bytes that were in a file and could not be read any more, where it is known how many.",
     kTargetReason},
    {"logtally_shortened_bytes_total", Counter,
     "Bytes that had been counted and are missing at the end of their file since a restart (a "
     "power "
     "cut).",
     kTarget},
    {"logtally_nul_bytes_skipped_total", Counter,
     "NUL bytes skipped in front of lines: holes, and what a power cut leaves.", kTarget},
    {"logtally_lines_unterminated_total", Counter,
     "Last lines without a newline that were taken as they were when their rotated file had ended.",
     kTarget},
    {"logtally_spool_bytes", Gauge, "Bytes that the spool of standard input has.", {}},
    {"logtally_spool_dropped_bytes_total",
     Counter,
     "Bytes of standard input that were dropped uncounted because the spool was full, or its disk.",
     {}},
    {"logtally_quarantined_lines_total",
     Counter,
     "Lines that were skipped because the process had ended over them again and again; they are in "
     "no other count of lines.",
     {}},
    {"logtally_worker_restarts_total",
     Counter,
     "Times `logtally exec` started its worker again after it had ended.",
     {}},
    {"process_cpu_seconds_total", Counter, "User and system CPU time spent.", {}},
    {"process_resident_memory_bytes", Gauge, "Resident memory.", {}},
    {"process_virtual_memory_bytes", Gauge, "Virtual memory.", {}},
    {"process_open_fds", Gauge, "Open file descriptors.", {}},
    {"process_max_fds", Gauge, "Most file descriptors that may be open.", {}},
    {"process_start_time_seconds", Gauge, "Start of the process, in seconds since 1970.", {}},
};

// What the Aria engine's own exporter calls it; see the contract in fixtures/.
constexpr std::string_view kEngineMemory = "aria_memory_rss_bytes";
constexpr std::string_view kEngineMemoryHelp = "Resident Set Size in bytes";

constexpr std::string_view kSkipReasonNames[] = {"missing_field", "not_a_number", "not_finite",
                                                 "negative",      "unknown_key",  "over_limit"};
static_assert(std::size(kSkipReasonNames) == kSkipReasons);
constexpr std::string_view kCommitFailureNames[] = {"no_space", "io", "corrupt", "other", "guard"};

const prometheus::Histogram::BucketBoundaries kCommitBounds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};

// A prometheus counter that follows a total.
class Follower {
 public:
  explicit Follower(prometheus::Counter& counter) : counter_(&counter) {}
  void raise_to(std::uint64_t total) {
    assert(total >= last_);
    if (total <= last_) return;
    counter_->Increment(static_cast<double>(total - last_));
    last_ = total;
  }
  prometheus::Counter* counter() const { return counter_; }

 private:
  prometheus::Counter* counter_;
  std::uint64_t last_ = 0;
};

// Which total feeds which counter; the labels behind `target` are constants.
struct TargetFeed {
  std::string_view metric;
  std::string_view label_value;  // empty: the metric has the label `target` alone
  std::uint64_t (*read)(const TargetTotals&);
};
constexpr TargetFeed kTargetFeeds[] = {
    {"logtally_lines_read_total", "", [](const TargetTotals& t) { return t.lines_read; }},
    {"logtally_bytes_read_total", "", [](const TargetTotals& t) { return t.bytes_read; }},
    {"logtally_lines_total", "parsed", [](const TargetTotals& t) { return t.parsed; }},
    {"logtally_lines_total", "joined", [](const TargetTotals& t) { return t.joined; }},
    {"logtally_lines_total", "bare", [](const TargetTotals& t) { return t.bare; }},
    {"logtally_lines_total", "failed",
     [](const TargetTotals& t) { return t.failed_json + t.failed_too_long + t.failed_nul; }},
    {"logtally_lines_failed_total", "json", [](const TargetTotals& t) { return t.failed_json; }},
    {"logtally_lines_failed_total", "too_long",
     [](const TargetTotals& t) { return t.failed_too_long; }},
    {"logtally_lines_failed_total", "nul", [](const TargetTotals& t) { return t.failed_nul; }},
    {"logtally_records_total", "matched", [](const TargetTotals& t) { return t.matched; }},
    {"logtally_records_total", "unmatched", [](const TargetTotals& t) { return t.unmatched; }},
    {"logtally_rotations_total", "rename", [](const TargetTotals& t) { return t.renamed; }},
    {"logtally_rotations_total", "truncate", [](const TargetTotals& t) { return t.truncated; }},
    {"logtally_rotations_total", "delete", [](const TargetTotals& t) { return t.deleted; }},
    {"logtally_rotations_total", "copytruncate", [](const TargetTotals& t) { return t.copied; }},
    {"logtally_rotations_total", "missed", [](const TargetTotals& t) { return t.missed; }},
    {"logtally_rotations_total", "gone", [](const TargetTotals& t) { return t.gone; }},
    {"logtally_lost_bytes_total", "truncated",
     [](const TargetTotals& t) { return t.lost_truncated_bytes; }},
    {"logtally_lost_bytes_total", "deleted",
     [](const TargetTotals& t) { return t.lost_deleted_bytes; }},
    {"logtally_shortened_bytes_total", "", [](const TargetTotals& t) { return t.shortened; }},
    {"logtally_nul_bytes_skipped_total", "", [](const TargetTotals& t) { return t.nul_bytes; }},
    {"logtally_lines_unterminated_total", "",
     [](const TargetTotals& t) { return t.unterminated_lines; }},
};

}  // namespace

std::span<const OwnMetric> own_metric_table() { return kTable; }

struct OwnMetrics::State {
  struct RuleCounters {
    Follower* matched;
    std::vector<std::array<Follower*, kSkipReasons>> skipped;
  };
  struct MetricValues {
    prometheus::Gauge* series;
    Follower* labels_cut;
    Follower* overflowed;
  };
  // What rules and metrics own, by metric and label values.
  using Key = std::vector<std::string>;
  struct Owned {
    std::map<Key, Follower> followers;
    std::map<Key, prometheus::Gauge*> gauges;
  };

  struct TableValues {
    prometheus::Gauge* rows;
    Follower* expired;
    Follower* missed;
  };

  explicit State(const OwnMetricsSpec& spec) {
    register_families();
    gauge("logtally_build_info", {spec.build.version, spec.build.revision, spec.build.compiler})
        .Set(1);
    for (const auto& target : spec.targets) add_target(target);
    define(spec);
    for (const auto reason : kCommitFailureNames) {
      commit_failures.push_back(&counter("logtally_commit_failures_total", {reason}));
    }
    scrape_duration = &gauge("logtally_scrape_duration_seconds", {});
    reload_successful = &gauge("logtally_config_last_reload_successful", {});
    reload_timestamp = &gauge("logtally_config_last_reload_success_timestamp_seconds", {});
    auto* durations = std::get<HistogramFamily*>(families.at("logtally_commit_duration_seconds"));
    counter("logtally_worker_restarts_total", {})
        .Increment(static_cast<double>(spec.worker_restarts));
    spool_bytes = &gauge("logtally_spool_bytes", {});
    spool_dropped.emplace(counter("logtally_spool_dropped_bytes_total", {}));
    quarantined.emplace(counter("logtally_quarantined_lines_total", {}));
    if (spec.engine_pid) engine.emplace(*spec.engine_pid);
    commit_duration = &durations->Add({}, kCommitBounds);
  }

  void register_families() {
    for (const OwnMetric& metric : kTable) {
      if (metric.name.starts_with("process_")) continue;
      const std::string name(metric.name);
      const std::string help(metric.help);
      switch (metric.type) {
        case Counter:
          families[metric.name] =
              &prometheus::BuildCounter().Name(name).Help(help).Register(registry);
          break;
        case Gauge:
          families[metric.name] =
              &prometheus::BuildGauge().Name(name).Help(help).Register(registry);
          break;
        default:
          families[metric.name] =
              &prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
      }
    }
  }

  void add_target(std::string_view name) {
    auto& followers = targets.emplace_back();
    for (const TargetFeed& feed : kTargetFeeds) {
      followers.emplace_back(feed.label_value.empty()
                                 ? counter(feed.metric, {name})
                                 : counter(feed.metric, {name, feed.label_value}));
    }
  }

  // Rules and metrics of the spec; what `owned` has already goes on, what is in it and no longer in
  // the spec leaves the page.
  void define(const OwnMetricsSpec& spec) {
    const Owned before = std::exchange(owned, {});
    rules.clear();
    metrics.clear();
    overflows.clear();
    redactions.clear();
    for (const auto& rule : spec.rules) add_rule(rule, before);
    for (const auto& metric : spec.metrics) {
      prometheus::Gauge& series = gauge("logtally_series", {metric});
      owned.gauges.emplace(Key{"logtally_series", metric}, &series);
      metrics.push_back(MetricValues{
          .series = &series,
          .labels_cut = follow("logtally_label_cut_total", {metric}, before),
          .overflowed = follow("logtally_series_overflow_total", {metric, "all"}, before)});
    }
    for (const auto& capped : spec.capped_labels) {
      overflows.push_back(
          follow("logtally_series_overflow_total", {capped.metric, capped.label}, before));
    }
    for (const auto& name : spec.redactions)
      redactions.push_back(follow("logtally_redactions_total", {name}, before));
    tables.clear();
    for (const auto& table : spec.tables) {
      prometheus::Gauge& rows = gauge("logtally_table_rows", {table});
      owned.gauges.emplace(Key{"logtally_table_rows", table}, &rows);
      tables.push_back({.rows = &rows,
                        .expired = follow("logtally_table_expired_total", {table}, before),
                        .missed = follow("logtally_table_missed_total", {table}, before)});
    }
    for (const auto& [key, follower] : before.followers) {
      if (!owned.followers.contains(key))
        std::get<CounterFamily*>(families.at(key[0]))->Remove(follower.counter());
    }
    for (const auto& [key, value] : before.gauges) {
      if (!owned.gauges.contains(key)) std::get<GaugeFamily*>(families.at(key[0]))->Remove(value);
    }
  }

  void add_rule(const OwnRule& rule, const Owned& before) {
    RuleCounters counters{.matched = follow("logtally_rule_matched_total", {rule.name}, before),
                          .skipped = {}};
    for (const auto& action : rule.actions) {
      auto& skipped = counters.skipped.emplace_back();
      for (std::size_t i = 0; i < kSkipReasons; ++i) {
        skipped[i] =
            follow("logtally_rule_skipped_total", {rule.name, action, kSkipReasonNames[i]}, before);
      }
    }
    rules.push_back(std::move(counters));
  }

  // The follower of the counter with these labels: the one of before, if there is one.
  Follower* follow(std::string_view metric, std::initializer_list<std::string_view> values,
                   const Owned& before) {
    Key key{std::string(metric)};
    key.insert(key.end(), values.begin(), values.end());
    const auto old = before.followers.find(key);
    const Follower follower =
        old != before.followers.end() ? old->second : Follower(counter(metric, values));
    return &owned.followers.emplace(std::move(key), follower).first->second;
  }

  // The metric with these values of the table's labels, in the table's order.
  prometheus::Counter& counter(std::string_view metric,
                               std::initializer_list<std::string_view> values) {
    return std::get<CounterFamily*>(families.at(metric))->Add(labels(metric, values));
  }
  prometheus::Gauge& gauge(std::string_view metric,
                           std::initializer_list<std::string_view> values) {
    return std::get<GaugeFamily*>(families.at(metric))->Add(labels(metric, values));
  }
  static prometheus::Labels labels(std::string_view metric,
                                   std::initializer_list<std::string_view> values) {
    prometheus::Labels all;
    for (const OwnMetric& row : kTable) {
      if (row.name != metric) continue;
      assert(row.labels.size() == values.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        all.emplace(row.labels[i], values.begin()[i]);
      }
    }
    return all;
  }

  void raise_to(const Totals& totals) {
    assert(totals.targets.size() == targets.size() && totals.rules.size() == rules.size());
    assert(totals.metrics.size() == metrics.size() && totals.overflows.size() == overflows.size());
    for (std::size_t t = 0; t < targets.size(); ++t) {
      for (std::size_t f = 0; f < std::size(kTargetFeeds); ++f)
        targets[t][f].raise_to(kTargetFeeds[f].read(totals.targets[t]));
    }
    for (std::size_t r = 0; r < rules.size(); ++r) {
      const RuleTotals& rule = totals.rules[r];
      rules[r].matched->raise_to(rule.matched);
      assert(rule.skipped.size() == rules[r].skipped.size());
      for (std::size_t a = 0; a < rule.skipped.size(); ++a) {
        for (std::size_t i = 0; i < kSkipReasons; ++i)
          rules[r].skipped[a][i]->raise_to(rule.skipped[a][i]);
      }
    }
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      metrics[m].series->Set(static_cast<double>(totals.metrics[m].series));
      metrics[m].labels_cut->raise_to(totals.metrics[m].labels_cut);
      metrics[m].overflowed->raise_to(totals.metrics[m].overflowed);
    }
    spool_bytes->Set(static_cast<double>(totals.spool_bytes));
    spool_dropped->raise_to(totals.spool_dropped_bytes);
    quarantined->raise_to(totals.quarantined_lines);
    for (std::size_t i = 0; i < overflows.size(); ++i) overflows[i]->raise_to(totals.overflows[i]);
    assert(totals.redactions.size() == redactions.size());
    for (std::size_t i = 0; i < redactions.size(); ++i)
      redactions[i]->raise_to(totals.redactions[i]);
    assert(totals.tables.size() == tables.size());
    for (std::size_t i = 0; i < tables.size(); ++i) {
      tables[i].rows->Set(static_cast<double>(totals.tables[i].rows));
      tables[i].expired->raise_to(totals.tables[i].expired);
      tables[i].missed->raise_to(totals.tables[i].missed);
    }
  }

  using CounterFamily = prometheus::Family<prometheus::Counter>;
  using GaugeFamily = prometheus::Family<prometheus::Gauge>;
  using HistogramFamily = prometheus::Family<prometheus::Histogram>;

  std::mutex mutex;  // a publish and a collect exclude each other
  prometheus::Registry registry;
  ProcessMetrics process;
  std::optional<EngineMemory> engine;
  prometheus::Gauge* spool_bytes = nullptr;
  std::optional<Follower> spool_dropped;
  std::optional<Follower> quarantined;
  std::map<std::string_view, std::variant<CounterFamily*, GaugeFamily*, HistogramFamily*>> families;
  std::vector<std::vector<Follower>> targets;  // as kTargetFeeds
  std::vector<RuleCounters> rules;
  std::vector<MetricValues> metrics;
  std::vector<Follower*> overflows;   // by capped label
  std::vector<Follower*> redactions;  // by redaction
  std::vector<TableValues> tables;
  Owned owned;                                        // what those four point at
  std::vector<prometheus::Counter*> commit_failures;  // by CommitFailure
  prometheus::Gauge* scrape_duration = nullptr;
  prometheus::Gauge* reload_successful = nullptr;
  prometheus::Gauge* reload_timestamp = nullptr;
  prometheus::Histogram* commit_duration = nullptr;
};

OwnMetrics::OwnMetrics(const OwnMetricsSpec& spec) : state_(std::make_unique<State>(spec)) {}
OwnMetrics::~OwnMetrics() = default;

void OwnMetrics::publish(const Totals& totals) {
  const std::lock_guard lock(state_->mutex);
  state_->raise_to(totals);
}

void OwnMetrics::redefine(const OwnMetricsSpec& spec, const Totals& totals) {
  const std::lock_guard lock(state_->mutex);
  state_->define(spec);
  state_->raise_to(totals);
}

void OwnMetrics::committed(std::chrono::duration<double> took) {
  state_->commit_duration->Observe(took.count());
}

void OwnMetrics::commit_failed(CommitFailure reason) {
  state_->commit_failures[static_cast<std::size_t>(reason)]->Increment();
}

void OwnMetrics::scraped(std::chrono::duration<double> took) {
  state_->scrape_duration->Set(took.count());
}

void OwnMetrics::reloaded(bool successful, std::chrono::system_clock::time_point now) {
  state_->reload_successful->Set(successful ? 1 : 0);
  if (!successful) return;
  const std::chrono::duration<double> since_1970 = now.time_since_epoch();
  state_->reload_timestamp->Set(since_1970.count());
}

std::vector<prometheus::MetricFamily> OwnMetrics::collect() const {
  std::map<std::string_view, std::vector<prometheus::ClientMetric>> found;
  std::vector<prometheus::MetricFamily> counted;
  {
    const std::lock_guard lock(state_->mutex);
    counted = state_->registry.Collect();
  }
  std::vector<prometheus::MetricFamily> process = state_->process.Collect();
  for (auto& family : counted) found[family.name] = std::move(family.metric);
  for (auto& family : process) found[family.name] = std::move(family.metric);

  std::vector<prometheus::MetricFamily> families;
  for (const OwnMetric& row : kTable) {
    families.push_back(prometheus::MetricFamily{std::string(row.name), std::string(row.help),
                                                row.type, std::move(found[row.name])});
  }
  const auto memory = state_->engine ? state_->engine->resident_bytes() : std::nullopt;
  if (memory) {
    prometheus::MetricFamily family{
        std::string(kEngineMemory), std::string(kEngineMemoryHelp), Gauge, {}};
    family.metric.emplace_back().gauge.value = *memory;
    families.push_back(std::move(family));
  }
  return families;
}

}  // namespace logtally::metrics
