// process_*: what the kernel says about this process, under the names that every Prometheus client
// uses. Read from /proc at each scrape; a value that cannot be read is left out, never a made-up 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

namespace logtally::metrics {

// The fields of /proc/PID/stat that are exposed (proc(5)). The command may hold blanks and
// parentheses.
struct ProcessStat {
  std::uint64_t cpu_ticks = 0;    // user and system
  std::uint64_t start_ticks = 0;  // since boot
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
};
std::optional<ProcessStat> parse_process_stat(std::string_view text);

class ProcessMetrics : public prometheus::Collectable {
 public:
  ProcessMetrics();

  // Families have a name and values; help and type are own_metric_table's.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::optional<double>
      boot_time_;  // seconds since 1970; read once, so that the start time never moves
};

// The memory of another process: the engine whose log is read. A number is used again for other
// processes, so the one that had it when this was made is known by its start. Thread-safe.
class EngineMemory {
 public:
  explicit EngineMemory(std::int32_t pid);

  // Nothing once the process is gone.
  std::optional<double> resident_bytes() const;

 private:
  std::string stat_;  // /proc/PID/stat
  std::optional<std::uint64_t> start_ticks_;
};

}  // namespace logtally::metrics
