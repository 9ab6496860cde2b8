// Worker: the whole daemon in one loop: read, decode, count; commit; publish. The only writer of
// series. Everything in it lives on the thread that calls run(); commit_now() and stop() may be
// called from any thread.
//
// With a Checkpointer a commit is durable before anything of it is published. While the state
// cannot be written nothing is read: what was published stays as it is, and reading goes on where
// it stopped as soon as it can be written again.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "pipeline/activity.h"
#include "pipeline/checkpointer.h"
#include "pipeline/chunk.h"
#include "pipeline/clock.h"
#include "pipeline/inputs.h"
#include "pipeline/limit_notices.h"
#include "pipeline/owned_fd.h"
#include "pipeline/probation.h"
#include "pipeline/wrapper.h"
#include "rules/continuation.h"
#include "rules/delta.h"
#include "rules/record_decoder.h"
#include "rules/redaction.h"
#include "rules/rule_set.h"
#include "sinks/metrics/own_metrics.h"
#include "sinks/metrics/registry.h"

namespace logtally::pipeline {

struct WorkerOptions {
  std::vector<Wrapper> wrappers;  // by target
  std::uint64_t record_bytes = 1024 * 1024;
  std::uint64_t record_lines = 1000;
  std::uint64_t series_per_metric = 2'000;
  std::uint64_t series = 50'000;
  bool follow = true;  // false: files that are read once; event time is theirs alone
  std::chrono::milliseconds idle{1000};  // after which nothing continues a record any more
  std::chrono::milliseconds commit_interval{1000};  // a group is committed at least this often
  std::function<void(const std::string&)> log;      // one line for the operator
  rules::TraceSink* trace = nullptr;                // hears of every record and refused line
  Checkpointer* checkpoints = nullptr;              // null: nothing outlives the process
  Clock clock = system_clock();
};

class Worker {
 public:
  // All but `options` is borrowed and outlives the worker. The registry is one that was made for
  // series().
  Worker(std::shared_ptr<const rules::RuleSet> rules, Inputs& inputs, WorkerOptions options);

  const metrics::Delta& series() const { return delta_.series; }
  // `own` may be null.
  void connect(metrics::Registry& registry, metrics::OwnMetrics* own);

  // Of an earlier process, before connect() and anything is read: what was counted, and what waits
  // for its rest. Messages for the log. Needs a Checkpointer.
  Result<std::vector<std::string>> restore(const StateImage& image);

  // Counts until every input is at its end, stop() is called or the state is lost to this process
  // (see lost()); all that was read is committed then. What a file's further lines may continue
  // waits in the state.
  void run();

  // Instead of run(), for who turns the clock by hand: what can be read now, and what has been idle
  // for long enough.
  void step();
  // And then what was counted, into the state and published. False: the state cannot be written,
  // and nothing may be counted before this has succeeded.
  bool commit();

  // Any thread: ends run() soon.
  void stop();
  // Any thread: has everything that is there to be read now counted and committed, waiting for it
  // at most so long. False when it took longer (the worker goes on with it).
  bool commit_now(std::chrono::milliseconds timeout);

  // Any thread: other rules, from one record to the next. What was counted before is committed by
  // the old ones; what is open (a record that further lines may continue) is judged by the new
  // ones. Waits until it is done, at most so long; nothing: the worker is held up or has ended, and
  // keeps the rules that it has. `own`: what OwnMetrics are to speak of.
  struct NewRules {
    std::shared_ptr<const rules::RuleSet> rules;
    metrics::OwnMetricsSpec own;
  };
  std::optional<rules::Succession> change_rules(NewRules next, std::chrono::milliseconds timeout);

  // Any thread: calls f(), which may read registry and own metrics, while nothing is published: it
  // sees one commit and the families of one set of rules.
  template <class F>
  void between_commits(F&& f) const {
    const std::lock_guard lock(publishing_);
    f();
  }

  // On its thread, between two chunks: what waits for its rest in the generation (a record that
  // further lines may continue, pieces of a wrapped one), for who keeps it with the position;
  // empty: nothing. And back, before anything is read: false for bytes that carry() never gives.
  // `predecessor`: the generation whose pieces may go on in this one, or kNoGeneration.
  std::string carry(std::uint32_t generation, std::uint32_t target);
  bool take_carry(std::uint32_t generation, std::uint32_t target, std::uint32_t predecessor,
                  std::string_view bytes);

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

  // Any thread: why nothing can be committed at present; empty: it can.
  std::string trouble() const;
  // After run(): it ended because the state cannot be written any more, or what was read last could
  // not be committed.
  bool lost() const { return !durable_; }
  // Any thread: what it does, for a watchdog.
  const Activity& activity() const { return activity_; }
  // Any thread: everything that was there at the start has been counted and published.
  bool caught_up() const { return caught_up_; }

 private:
  // A record of a stream that further lines may continue. Within the chunk in which it began it is
  // live: decoded in spare-and-live events, its text in the chunk. Behind that, or where a wrapper
  // was taken off, its text is kept.
  struct OpenRecord {
    rules::Continuation judge;
    bool pending = false;
    bool live = false;
    std::uint32_t target = 0;
    std::uint32_t generation = 0;  // that it is open in; it may have begun in one before
    rules::RecordOrigin origin;    // kept; a live one's is its event's
    std::string file;              // origin.file, once it is kept
    std::string_view line;         // live: the first line
    std::string_view rest;         // live: the lines behind it, with their newlines
    std::string text;              // kept: both, and room to read behind
    std::size_t first = 0;         // kept: length of the first line
    std::uint64_t lines = 0;
    bool suspect = false;  // may hold what is to be redacted: its text is kept as it was read
    bool full = false;     // over record_bytes: nothing more is kept
    std::chrono::nanoseconds last{0};  // steady time of its last line
  };

  void count(const Chunk& chunk);
  const char* count_line(const char* line, const char* end, const Chunk& chunk,
                         metrics::TargetTotals& totals);
  void count_unwrapped(const Unwrapped& record, std::uint32_t target,
                       metrics::TargetTotals& totals);
  struct LineTraits {
    bool in_chunk = false;  // it stands there with the lines behind it
    bool plain = false;     // it has no control characters
    bool suspect = false;   // it may hold something to redact
  };
  void count_text(std::string_view line, OpenRecord& open, std::uint32_t target, LineTraits traits,
                  metrics::TargetTotals& totals);
  // Streams of one generation lie side by side.
  static std::uint64_t stream_key(std::uint32_t generation, Stream stream) {
    return std::uint64_t{generation} << 2 | static_cast<std::uint64_t>(stream);
  }
  OpenRecord& open_record(std::uint32_t generation, Stream stream) {
    const std::uint64_t key = stream_key(generation, stream);
    return last_open_ != nullptr && last_key_ == key ? *last_open_ : find_open_record(key);
  }
  OpenRecord& find_open_record(std::uint64_t key);
  void begin(OpenRecord& open, std::string_view line, std::uint32_t target, bool in_chunk);
  void append(OpenRecord& open, std::string_view line);
  void keep(OpenRecord& open);
  void keep_text(OpenRecord& open);
  void add_redactions(rules::RedactionCounts& counts);
  void finish(OpenRecord& open);
  void pass_silence();
  void finish_idle(std::chrono::nanoseconds now);
  void hand_over(std::uint32_t before, std::uint32_t generation);
  void finish_all(std::uint32_t generation);
  void evaluate(const rules::Event& event, metrics::TargetTotals& totals);
  // worker_probation.cc
  void begin_probation(const StateImage& image);
  void end_probation();
  void take(const Chunk& chunk) { probation_ ? count_singly(chunk) : count(chunk); }
  void count_singly(const Chunk& chunk);
  bool begin_record(OpenRecord& open);
  std::string take_pieces(const Chunk& chunk);
  void quarantine(const Attempt& condemned, std::uint64_t length, std::string text,
                  std::uint64_t lines);
  void sum_up();
  bool write_and_publish();
  std::optional<CommitFailure> write_group();
  void tell_trouble(const CommitFailure& failure);
  void rest(std::chrono::nanoseconds timeout);
  void drain_wakes();
  void take_rules();
  std::vector<std::uint64_t> redactions_after(const rules::RuleSet& before) const;
  void tell_waiting();
  void tell_messages();

  std::shared_ptr<const rules::RuleSet> rules_;
  Inputs& inputs_;
  WorkerOptions options_;
  // Decoder and redactors are always there, made anew with the rules.
  std::optional<rules::RecordDecoder> decoder_;
  // Lines are redacted as they come; a record of several lines once more as a whole when it is
  // finished, from what was read, so that what goes over lines is found. Only the last is counted.
  std::optional<rules::Redactor> redactor_;
  rules::RedactionCounts line_redactions_;  // of the line that is looked at
  std::optional<rules::Redactor> record_redactor_;
  rules::RedactionCounts record_redactions_;
  rules::Event events_[2];  // the live record's, and the next line's
  rules::Scratch scratches_[2];
  std::size_t spare_ = 0;    // which of them is free
  rules::Event kept_event_;  // of a kept record that is finished
  rules::Scratch kept_scratch_;
  rules::RecordOrigin origin_;  // of the line that is looked at
  rules::Delta delta_;
  std::map<std::uint64_t, OpenRecord> open_;  // by generation and stream
  std::size_t pending_ = 0;                   // of them
  OpenRecord* last_open_ = nullptr;           // the one looked up last
  std::uint64_t last_key_ = 0;
  std::vector<Unwrapper> unwrappers_;  // by target
  std::optional<Probation> probation_;
  Activity activity_;
  metrics::Totals totals_;
  LimitNotices notices_;
  metrics::Registry* registry_ = nullptr;
  metrics::OwnMetrics* own_ = nullptr;

  OwnedFd wake_;  // an eventfd: something to do besides reading
  // Of commits, by the steady clock.
  std::chrono::nanoseconds next_commit_{0};
  std::chrono::nanoseconds next_scrape_commit_{0};
  std::chrono::nanoseconds retry_at_{0};
  std::chrono::nanoseconds backoff_{0};
  bool durable_ = true;                               // no group failed that is not written since
  bool ended_ = false;                                // no further group will ever be
  std::optional<metrics::OwnMetricsSpec> replacing_;  // the next publish is of other rules
  bool at_end_ = false;        // nothing was left to read when the last commit was begun
  std::uint64_t serving_ = 0;  // commits_asked_ before what it covers was read
  std::atomic<bool> caught_up_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> commits_asked_ = 0;  // tickets handed out
  std::atomic<bool> rules_asked_ = false;         // change_rules() waits
  mutable std::mutex publishing_;
  mutable std::mutex mutex_;
  std::mutex changing_;                          // one change_rules() at a time
  std::optional<NewRules> next_rules_;           // guarded by mutex_
  std::optional<rules::Succession> succession_;  // guarded by mutex_
  std::condition_variable committed_;
  std::uint64_t commits_done_ = 0;  // guarded by mutex_: tickets that a commit has served
  bool finished_ = false;           // guarded by mutex_
  Progress progress_;               // guarded by mutex_
  std::string trouble_;             // guarded by publishing_
};

}  // namespace logtally::pipeline
