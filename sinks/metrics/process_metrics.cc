#include "sinks/metrics/process_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <memory>
#include <string>

namespace logtally::metrics {
namespace {

std::string read_proc(const char* path) {
  std::string text;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  std::array<char, 4096> buffer;
  for (ssize_t n; (n = read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(fd);
  return text;
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The line `btime N` of /proc/stat.
std::optional<double> boot_time() {
  const std::string text = read_proc("/proc/stat");
  constexpr std::string_view kKey = "\nbtime ";
  const std::size_t at = text.find(kKey);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + kKey.size();
  const auto seconds =
      parse_u64(std::string_view(text).substr(begin, text.find('\n', begin) - begin));
  if (!seconds) return std::nullopt;
  return static_cast<double>(*seconds);
}

std::optional<double> open_descriptors() {
  const std::unique_ptr<DIR, decltype([](DIR* d) { closedir(d); })> dir(opendir("/proc/self/fd"));
  if (!dir) return std::nullopt;
  double count = 0;
  while (const dirent* entry = readdir(dir.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count - 1;  // the directory itself
}

std::optional<double> max_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

// The field'th word (from 0) of `text`.
std::optional<std::uint64_t> word(std::string_view text, std::size_t field) {
  for (; field > 0; --field) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    text.remove_prefix(blank + 1);
  }
  return parse_u64(text.substr(0, text.find_first_of(" \n")));
}

double bytes_of_pages(std::uint64_t pages) {
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  const std::size_t command_end = text.rfind(") ");
  if (command_end == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(command_end + 2);  // begins with field 3, state
  const auto user = word(rest, 11);
  const auto system = word(rest, 12);
  const auto start = word(rest, 19);
  const auto bytes = word(rest, 20);
  const auto pages = word(rest, 21);
  if (!user || !system || !start || !bytes || !pages) return std::nullopt;
  return ProcessStat{.cpu_ticks = *user + *system,
                     .start_ticks = *start,
                     .virtual_bytes = *bytes,
                     .resident_pages = *pages};
}

EngineMemory::EngineMemory(std::int32_t pid) : stat_("/proc/" + std::to_string(pid) + "/stat") {
  if (const auto stat = parse_process_stat(read_proc(stat_.c_str())))
    start_ticks_ = stat->start_ticks;
}

std::optional<double> EngineMemory::resident_bytes() const {
  const auto stat = parse_process_stat(read_proc(stat_.c_str()));
  // What has ended and waits for its parent has no memory any more.
  if (!stat || stat->start_ticks != start_ticks_ || stat->resident_pages == 0) return std::nullopt;
  return bytes_of_pages(stat->resident_pages);
}

ProcessMetrics::ProcessMetrics() : boot_time_(boot_time()) {}

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  const auto add = [&](const char* name, prometheus::MetricType type, std::optional<double> value) {
    prometheus::MetricFamily family{name, "", type, {}};
    if (value) {
      auto& metric = family.metric.emplace_back();
      (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) =
          *value;
    }
    families.push_back(std::move(family));
  };
  const auto stat = parse_process_stat(read_proc("/proc/self/stat"));
  const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto of_stat = [&](auto read) {
    return stat ? std::optional<double>(read(*stat)) : std::nullopt;
  };
  const auto gauge = prometheus::MetricType::Gauge;

  add("process_cpu_seconds_total", prometheus::MetricType::Counter,
      of_stat([&](const auto& s) { return static_cast<double>(s.cpu_ticks) / ticks_per_second; }));
  add("process_resident_memory_bytes", gauge,
      of_stat([](const auto& s) { return bytes_of_pages(s.resident_pages); }));
  add("process_virtual_memory_bytes", gauge,
      of_stat([](const auto& s) { return static_cast<double>(s.virtual_bytes); }));
  add("process_open_fds", gauge, open_descriptors());
  add("process_max_fds", gauge, max_descriptors());
  add("process_start_time_seconds", gauge,
      boot_time_ ? of_stat([&](const auto& s) {
        return *boot_time_ + static_cast<double>(s.start_ticks) / ticks_per_second;
      })
                 : std::nullopt);
  return families;
}

}  // namespace logtally::metrics
