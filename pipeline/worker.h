// Worker: the whole daemon in one loop: read, decode, count; commit; publish. The only writer of series. Everything in it
// lives on the thread that calls run(); commit_now() and stop() may be called from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "pipeline/chunk.h"
#include "pipeline/clock.h"
#include "pipeline/inputs.h"
#include "pipeline/owned_fd.h"
#include "pipeline/wrapper.h"
#include "rules/delta.h"
#include "rules/json_decoder.h"
#include "rules/rule_set.h"
#include "sinks/metrics/own_metrics.h"
#include "sinks/metrics/registry.h"

namespace logtally::pipeline {

struct WorkerOptions {
  std::vector<Wrapper> wrappers;                      // by target
  std::uint64_t record_bytes = 1024 * 1024;
  std::chrono::milliseconds commit_interval{1000};    // a group is committed at least this often
  std::function<void(const std::string&)> log;        // one line for the operator
  Clock clock = system_clock();
};

class Worker {
 public:
  // All but `options` is borrowed and outlives the worker. The registry is one that was made for series().
  Worker(std::shared_ptr<const rules::RuleSet> rules, Inputs& inputs, WorkerOptions options);

  const metrics::Delta& series() const { return delta_.series; }
  void connect(metrics::Registry& registry, metrics::OwnMetrics& own);

  // Counts until every input is at its end or stop() is called; all that was read is committed then.
  void run();

  // Any thread: ends run() soon.
  void stop();
  // Any thread: has everything that is there to be read now counted and committed, waiting for it at most so long. False
  // when it took longer (the worker goes on with it).
  bool commit_now(std::chrono::milliseconds timeout);

  // After run(), or on its thread.
  const metrics::Totals& totals() const { return totals_; }

  // Any thread, as of the last commit.
  struct Progress {
    std::uint64_t read = 0;
    std::uint64_t matched = 0;
    std::uint64_t unmatched = 0;
    std::uint64_t series = 0;
  };
  Progress progress() const;

 private:
  void count(const Chunk& chunk);
  const char* count_line(const char* line, const char* end, const Chunk& chunk, metrics::TargetTotals& totals);
  void count_record(std::string_view text, metrics::TargetTotals& totals);
  void count_unwrapped(const Unwrapped& record, metrics::TargetTotals& totals);
  void evaluate(metrics::TargetTotals& totals);
  void commit();
  void tell_messages();

  std::shared_ptr<const rules::RuleSet> rules_;
  Inputs& inputs_;
  WorkerOptions options_;
  rules::JsonDecoder decoder_;
  rules::Event event_;
  rules::Delta delta_;
  std::vector<Unwrapper> unwrappers_;                 // by target
  std::uint32_t seen_generations_ = 0;                // numbers below are known to the unwrappers
  metrics::Totals totals_;
  metrics::Registry* registry_ = nullptr;
  metrics::OwnMetrics* own_ = nullptr;

  OwnedFd wake_;                                      // an eventfd: something to do besides reading
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> commits_asked_ = 0;      // tickets handed out
  mutable std::mutex mutex_;
  std::condition_variable committed_;
  std::uint64_t commits_done_ = 0;                    // guarded by mutex_: tickets that a commit has served
  bool finished_ = false;                             // guarded by mutex_
  Progress progress_;                                 // guarded by mutex_
};

}  // namespace logtally::pipeline
