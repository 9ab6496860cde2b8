// OwnMetrics: what the program says about itself, in a prometheus-cpp registry. One table
// (own_metric_table) is the reference: names, types, help and labels are there and nowhere else.
// Every label set that is known beforehand is there at 0 from the first scrape, so that a rate sees
// the first event too. Thread-safe: the worker publishes, scrapes collect; a collect shows all of a
// publish or nothing of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include "sinks/metrics/totals.h"

namespace logtally::metrics {

struct OwnMetric {
  std::string_view name;
  prometheus::MetricType type;
  std::string_view help;
  std::span<const std::string_view> labels;
};

// All families of the program itself, process_* included, in the order of the reference page.
std::span<const OwnMetric> own_metric_table();

struct BuildInfo {
  std::string version;
  std::string revision;
  std::string compiler;
};

struct OwnRule {
  std::string name;
  std::vector<std::string>
      actions;  // values of the label `action`; one for each element of RuleTotals::skipped
};

// What the metrics' labels will say. The order is that of the vectors in Totals.
struct OwnMetricsSpec {
  BuildInfo build;
  std::vector<std::string> targets;
  std::vector<OwnRule> rules;
  std::vector<std::string> metrics;  // names of the rules' families
  struct CappedLabel {
    std::string metric;
    std::string label;
  };
  std::vector<CappedLabel> capped_labels{};  // labels with a `max`
  std::vector<std::string> redactions{};     // names
  std::vector<std::string> tables{};
  // Of the process as a whole; redefine() does not look at them.
  std::optional<std::int32_t> engine_pid{};  // its memory is shown as aria_memory_rss_bytes
  std::uint64_t worker_restarts = 0;         // of this process' like, by `exec`
};

enum class CommitFailure : std::uint8_t { no_space, io, corrupt, other, guard };

class OwnMetrics {
 public:
  explicit OwnMetrics(const OwnMetricsSpec& spec);
  ~OwnMetrics();
  OwnMetrics(const OwnMetrics&) = delete;
  OwnMetrics& operator=(const OwnMetrics&) = delete;

  // Raises the counters to these totals. The vectors are as long as those of the spec; a total that
  // went back is a bug.
  void publish(const Totals& totals);

  // Other rules and metrics (a reload); build and targets stay as they were. Counters whose labels
  // are in both specs go on, all others of before leave the page. `totals` as for publish(), of the
  // new rules: what goes on has not gone back.
  void redefine(const OwnMetricsSpec& spec, const Totals& totals);

  void committed(std::chrono::duration<double> took);
  void commit_failed(CommitFailure reason);
  void scraped(std::chrono::duration<double> took);
  void reloaded(bool successful, std::chrono::system_clock::time_point now);

  // Families in the table's order, process_* read from /proc now; one without label sets (no rules)
  // is there, empty. Behind them the engine's memory, while there is an engine.
  std::vector<prometheus::MetricFamily> collect() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace logtally::metrics
