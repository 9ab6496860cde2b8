#include "sinks/metrics/own_metrics.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "sinks/metrics/exposition.h"
#include "sinks/metrics/process_metrics.h"

namespace logtally::metrics {
namespace {

OwnMetricsSpec spec() {
  return OwnMetricsSpec{
      .build = {.version = "0.1.0", .revision = "abc", .compiler = "g++ 12"},
      .targets = {"aria", "stdin"},
      .rules = {{.name = "jobs", .actions = {"inc jobs_total", "observe job_seconds"}}},
      .metrics = {"jobs_total"}};
}

Totals zero() {
  return Totals{.targets = std::vector<TargetTotals>(2),
                .rules = {RuleTotals{.matched = 0, .skipped = std::vector<SkipTotals>(2)}},
                .metrics = std::vector<MetricTotals>(1)};
}

std::string page(const OwnMetrics& own) {
  std::string out;
  append_text(out, {}, own.collect());
  return out;
}

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("own metrics: every label set that is known beforehand is there at 0") {
  const std::string text = page(OwnMetrics(spec()));
  CAPTURE(text);
  CHECK(has(text, "logtally_build_info{compiler=\"g++ 12\",revision=\"abc\",version=\"0.1.0\"} 1"));
  for (const std::string target : {"aria", "stdin"}) {
    CHECK(has(text, "logtally_lines_read_total{target=\"" + target + "\"} 0"));
    CHECK(has(text, "logtally_bytes_read_total{target=\"" + target + "\"} 0"));
    for (const std::string outcome : {"parsed", "joined", "bare", "failed"}) {
      CHECK(has(text,
                "logtally_lines_total{outcome=\"" + outcome + "\",target=\"" + target + "\"} 0"));
    }
    for (const std::string reason : {"json", "too_long", "nul"}) {
      CHECK(has(text, "logtally_lines_failed_total{reason=\"" + reason + "\",target=\"" + target +
                          "\"} 0"));
    }
    for (const std::string outcome : {"matched", "unmatched"}) {
      CHECK(has(text,
                "logtally_records_total{outcome=\"" + outcome + "\",target=\"" + target + "\"} 0"));
    }
    for (const std::string reason : {"truncated", "deleted"}) {
      CHECK(has(text, "logtally_lost_bytes_total{reason=\"" + reason + "\",target=\"" + target +
                          "\"} 0"));
    }
    for (const std::string kind :
         {"rename", "truncate", "delete", "copytruncate", "missed", "gone"}) {
      CHECK(
          has(text, "logtally_rotations_total{kind=\"" + kind + "\",target=\"" + target + "\"} 0"));
    }
  }
  CHECK(has(text, "logtally_rule_matched_total{rule=\"jobs\"} 0"));
  for (const std::string action : {"inc jobs_total", "observe job_seconds"}) {
    for (const std::string reason :
         {"missing_field", "not_a_number", "not_finite", "negative", "unknown_key", "over_limit"}) {
      CHECK(has(text, "logtally_rule_skipped_total{action=\"" + action + "\",reason=\"" + reason +
                          "\",rule=\"jobs\"} 0"));
    }
  }
  CHECK(has(text, "logtally_series{metric=\"jobs_total\"} 0"));
  CHECK(has(text, "logtally_label_cut_total{metric=\"jobs_total\"} 0"));
  for (const std::string reason : {"no_space", "io", "corrupt", "other"}) {
    CHECK(has(text, "logtally_commit_failures_total{reason=\"" + reason + "\"} 0"));
  }
  CHECK(has(text, "logtally_commit_duration_seconds_bucket{le=\"+Inf\"} 0"));
  CHECK(has(text, "logtally_quarantined_lines_total 0"));
  CHECK(has(text, "logtally_commit_duration_seconds_count 0"));
  CHECK(has(text, "logtally_scrape_duration_seconds 0"));
  CHECK(has(text, "logtally_config_last_reload_successful 0"));
  CHECK(has(text, "logtally_config_last_reload_success_timestamp_seconds 0"));
}

TEST_CASE("own metrics: a family without label sets still has HELP and TYPE") {
  const std::string text = page(OwnMetrics(OwnMetricsSpec{}));
  for (const OwnMetric& row : own_metric_table()) {
    CAPTURE(row.name);
    CHECK(("\n" + text).find("\n# HELP " + std::string(row.name) + " ") != std::string::npos);
    CHECK(("\n" + text).find("\n# TYPE " + std::string(row.name) + " ") != std::string::npos);
  }
  CHECK(text.find("logtally_rule_matched_total{") == std::string::npos);
}

TEST_CASE("own metrics: counters are raised to the totals, gauges set to them") {
  OwnMetrics own(spec());
  Totals totals = zero();
  totals.targets[1] = TargetTotals{.lines_read = 15,
                                   .bytes_read = 5'000'000'000,
                                   .parsed = 7,
                                   .joined = 1,
                                   .bare = 1,
                                   .failed_json = 3,
                                   .failed_too_long = 2,
                                   .failed_nul = 1,
                                   .matched = 6,
                                   .unmatched = 2,
                                   .renamed = 4,
                                   .truncated = 5,
                                   .deleted = 6};
  totals.rules[0].matched = 6;
  totals.rules[0].skipped[1][static_cast<std::size_t>(SkipReason::negative)] = 2;
  totals.metrics[0] = MetricTotals{.series = 9, .labels_cut = 1};
  own.publish(totals);
  own.publish(totals);
  totals.targets[1].lines_read = 16;
  totals.targets[1].parsed = 8;
  totals.metrics[0].series = 8;
  own.publish(totals);

  const std::string text = page(own);
  CAPTURE(text);
  CHECK(has(text, "logtally_lines_read_total{target=\"stdin\"} 16"));
  CHECK(has(text, "logtally_lines_read_total{target=\"aria\"} 0"));
  CHECK(has(text, "logtally_lines_total{outcome=\"parsed\",target=\"stdin\"} 8"));
  CHECK(has(text, "logtally_lines_total{outcome=\"joined\",target=\"stdin\"} 1"));
  CHECK(has(text, "logtally_lines_total{outcome=\"bare\",target=\"stdin\"} 1"));
  CHECK(has(text, "logtally_lines_total{outcome=\"failed\",target=\"stdin\"} 6"));
  CHECK(has(text, "logtally_lines_failed_total{reason=\"json\",target=\"stdin\"} 3"));
  CHECK(has(text, "logtally_lines_failed_total{reason=\"too_long\",target=\"stdin\"} 2"));
  CHECK(has(text, "logtally_lines_failed_total{reason=\"nul\",target=\"stdin\"} 1"));
  CHECK(has(text, "logtally_records_total{outcome=\"matched\",target=\"stdin\"} 6"));
  CHECK(has(text, "logtally_records_total{outcome=\"unmatched\",target=\"stdin\"} 2"));
  CHECK(has(text, "logtally_rotations_total{kind=\"rename\",target=\"stdin\"} 4"));
  CHECK(has(text, "logtally_rotations_total{kind=\"truncate\",target=\"stdin\"} 5"));
  CHECK(has(text, "logtally_rotations_total{kind=\"delete\",target=\"stdin\"} 6"));
  CHECK(has(text, "logtally_rule_matched_total{rule=\"jobs\"} 6"));
  CHECK(has(text,
            "logtally_rule_skipped_total{action=\"observe "
            "job_seconds\",reason=\"negative\",rule=\"jobs\"} 2"));
  CHECK(has(text, "logtally_series{metric=\"jobs_total\"} 8"));
  CHECK(has(text, "logtally_label_cut_total{metric=\"jobs_total\"} 1"));
}

TEST_CASE("own metrics: commits, scrapes and reloads") {
  OwnMetrics own(spec());
  own.committed(std::chrono::milliseconds(2));
  own.committed(std::chrono::seconds(30));
  own.commit_failed(CommitFailure::no_space);
  own.scraped(std::chrono::milliseconds(125));
  own.reloaded(true, std::chrono::system_clock::time_point(std::chrono::seconds(1000)));
  own.reloaded(false, std::chrono::system_clock::time_point(std::chrono::seconds(2000)));
  const std::string text = page(own);
  CAPTURE(text);
  CHECK(has(text, "logtally_commit_duration_seconds_bucket{le=\"0.001\"} 0"));
  CHECK(has(text, "logtally_commit_duration_seconds_bucket{le=\"0.0025\"} 1"));
  CHECK(has(text, "logtally_commit_duration_seconds_bucket{le=\"+Inf\"} 2"));
  CHECK(has(text, "logtally_commit_failures_total{reason=\"no_space\"} 1"));
  CHECK(has(text, "logtally_commit_failures_total{reason=\"io\"} 0"));
  CHECK(has(text, "logtally_scrape_duration_seconds 0.125"));
  CHECK(has(text, "logtally_config_last_reload_successful 0"));
  CHECK(has(text, "logtally_config_last_reload_success_timestamp_seconds 1000"));
}

TEST_CASE("own metrics: a collect shows all of a publish or nothing of it") {
  OwnMetrics own(spec());
  std::thread worker([&] {
    Totals totals = zero();
    for (std::uint64_t i = 1; i <= 2000; ++i) {
      totals.targets[0].lines_read = i;
      totals.targets[0].parsed = i;
      totals.rules[0].matched = i;
      own.publish(totals);
    }
  });
  for (int i = 0; i < 50; ++i) {
    std::set<double> seen;
    for (const auto& family : own.collect()) {
      for (const auto& metric : family.metric) {
        const bool aria =
            std::ranges::any_of(metric.label, [](const auto& l) { return l.value == "aria"; });
        const bool parsed =
            std::ranges::any_of(metric.label, [](const auto& l) { return l.value == "parsed"; });
        if ((family.name == "logtally_lines_read_total" && aria) ||
            (family.name == "logtally_lines_total" && aria && parsed) ||
            family.name == "logtally_rule_matched_total") {
          seen.insert(metric.counter.value);
        }
      }
    }
    CHECK(seen.size() == 1);
  }
  worker.join();
}

TEST_CASE("own metrics: the table is fit for the exposition") {
  std::set<std::string_view> names;
  for (const OwnMetric& row : own_metric_table()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(!row.help.empty());
    CHECK(row.name.ends_with("_total") == (row.type == prometheus::MetricType::Counter));
  }
}

TEST_CASE("process metrics: the stat line is read behind a command of any form") {
  const auto stat = parse_process_stat(
      "4121 (a) b (c) S 1 4121 4121 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 3 0 98765 123456789 321 "
      "18446744073709551615 "
      "1 1\n");
  REQUIRE(stat);
  CHECK(stat->cpu_ticks == 200);
  CHECK(stat->start_ticks == 98765);
  CHECK(stat->virtual_bytes == 123456789);
  CHECK(stat->resident_pages == 321);
  for (const char* bad :
       {"", "1 (x", "1 (x) S 1 2 3", "1 (x) S a b c d e f g h i j k l m n o p q r s t u v w x"}) {
    CAPTURE(bad);
    CHECK(!parse_process_stat(bad));
  }
}

TEST_CASE("process metrics: tell about this process") {
  const ProcessMetrics process;
  const auto value = [&](std::string_view name) {
    for (const auto& f : process.Collect()) {
      if (f.name == name && !f.metric.empty())
        return f.metric[0].gauge.value + f.metric[0].counter.value;
    }
    return -1.0;
  };
  const double now =
      static_cast<double>(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  CHECK(value("process_cpu_seconds_total") >= 0);
  CHECK(value("process_resident_memory_bytes") > 100'000);
  CHECK(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
  CHECK(value("process_max_fds") >= value("process_open_fds"));
  CHECK(value("process_start_time_seconds") > now - 86400);
  CHECK(value("process_start_time_seconds") <= now + 2);
  const double before = value("process_open_fds");
  const int fd = dup(0);
  REQUIRE(fd >= 0);
  CHECK(value("process_open_fds") == before + 1);
  close(fd);
}

TEST_CASE(
    "own metrics: the engine's memory is shown while there is an engine, and restarts of the "
    "worker") {
  const auto family = [](const OwnMetrics& own, std::string_view name) {
    for (auto& f : own.collect()) {
      if (f.name == name) return f;
    }
    return prometheus::MetricFamily{};
  };
  OwnMetricsSpec with = spec();
  with.engine_pid = getpid();
  with.worker_restarts = 3;
  const OwnMetrics own(with);
  const auto memory = family(own, "aria_memory_rss_bytes");
  REQUIRE(memory.metric.size() == 1);
  CHECK(memory.metric[0].gauge.value > 100'000);
  CHECK(family(own, "logtally_worker_restarts_total").metric.at(0).counter.value == 3);

  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const EngineMemory engine(child);
  CHECK(engine.resident_bytes() > 0);
  kill(child, SIGKILL);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  CHECK_FALSE(engine.resident_bytes());  // it has ended, nobody has asked how
  waitpid(child, nullptr, 0);
  CHECK_FALSE(engine.resident_bytes());
  with.engine_pid = child;
  CHECK(family(OwnMetrics(with), "aria_memory_rss_bytes").metric.empty());
  CHECK(family(OwnMetrics(spec()), "aria_memory_rss_bytes").name.empty());
}

TEST_CASE("own metrics: after a reload what is still there goes on, and what is gone leaves") {
  OwnMetricsSpec before = spec();
  before.rules = {{.name = "jobs", .actions = {"inc a", "inc a #2", "set b"}},
                  {.name = "old", .actions = {"inc a"}}};
  before.metrics = {"a", "b"};
  before.capped_labels = {{.metric = "a", .label = "user"}};
  OwnMetrics own(before);
  Totals totals = zero();
  totals.targets[0].lines_read = 7;
  totals.rules = {{.matched = 5, .skipped = std::vector<SkipTotals>(3)},
                  {.matched = 9, .skipped = std::vector<SkipTotals>(1)}};
  totals.rules[0].skipped[0][0] = 1;
  totals.rules[0].skipped[1][0] = 2;
  totals.rules[0].skipped[2][0] = 4;
  totals.metrics = {{.series = 3, .labels_cut = 1, .overflowed = 2}, {.series = 1}};
  totals.overflows = {8};
  own.publish(totals);
  CHECK(has(
      page(own),
      "logtally_rule_skipped_total{action=\"inc a\",reason=\"missing_field\",rule=\"jobs\"} 1"));

  OwnMetricsSpec after = spec();
  after.rules = {{.name = "new", .actions = {"inc c"}},
                 {.name = "jobs", .actions = {"set b", "inc a"}}};
  after.metrics = {"c", "a"};
  after.capped_labels = {{.metric = "c", .label = "user"}, {.metric = "a", .label = "user"}};
  totals.rules = {{.matched = 0, .skipped = std::vector<SkipTotals>(1)},
                  {.matched = 6, .skipped = std::vector<SkipTotals>(2)}};
  totals.rules[1].skipped[0][0] = 4;
  totals.rules[1].skipped[1][0] = 1;
  totals.metrics = {{.series = 0}, {.series = 4, .labels_cut = 1, .overflowed = 3}};
  totals.overflows = {0, 9};
  own.redefine(after, totals);
  const std::string text = page(own);
  CAPTURE(text);
  CHECK(has(text, "logtally_lines_read_total{target=\"aria\"} 7"));
  CHECK(has(text, "logtally_rule_matched_total{rule=\"jobs\"} 6"));
  CHECK(has(text, "logtally_rule_matched_total{rule=\"new\"} 0"));
  CHECK(text.find("rule=\"old\"") == std::string::npos);
  CHECK(has(
      text,
      "logtally_rule_skipped_total{action=\"inc a\",reason=\"missing_field\",rule=\"jobs\"} 1"));
  CHECK(has(
      text,
      "logtally_rule_skipped_total{action=\"set b\",reason=\"missing_field\",rule=\"jobs\"} 4"));
  CHECK(has(text, "logtally_series{metric=\"a\"} 4"));
  CHECK(has(text, "logtally_series{metric=\"c\"} 0"));
  CHECK(text.find("metric=\"b\"") == std::string::npos);
  CHECK(has(text, "logtally_series_overflow_total{label=\"user\",metric=\"a\"} 9"));
  CHECK(has(text, "logtally_series_overflow_total{label=\"all\",metric=\"a\"} 3"));
  CHECK(has(text, "logtally_label_cut_total{metric=\"a\"} 1"));

  // And back: what had gone starts at 0.
  totals.rules = {{.matched = 6, .skipped = std::vector<SkipTotals>(3)},
                  {.matched = 1, .skipped = std::vector<SkipTotals>(1)}};
  totals.rules[0].skipped[0][0] = 1;
  totals.rules[0].skipped[2][0] = 4;
  totals.metrics = {{.series = 4, .labels_cut = 1, .overflowed = 3}, {.series = 1}};
  totals.overflows = {9};
  own.redefine(before, totals);
  CHECK(has(page(own), "logtally_rule_matched_total{rule=\"old\"} 1"));
  CHECK(has(page(own), "logtally_rule_matched_total{rule=\"jobs\"} 6"));
}

}  // namespace logtally::metrics
