// The part of Worker that hands out what was counted: groups into the state, then to the pages; and
// other rules, which take over between two groups.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "pipeline/worker.h"

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;

// Scrapes that come thick and fast do not make the state's disk the bottleneck: the time between
// their commits is at least what the last one took, as far as a scrape can wait for it.
constexpr std::chrono::nanoseconds kLongestScrapeGap = 10ms;
constexpr std::chrono::nanoseconds kFirstRetry = 20ms;
constexpr std::chrono::nanoseconds kLastRetry = 1s;

metrics::CommitFailure as_metric(CommitFailure::Reason reason) {
  switch (reason) {
    case CommitFailure::Reason::no_space:
      return metrics::CommitFailure::no_space;
    case CommitFailure::Reason::io:
      return metrics::CommitFailure::io;
    case CommitFailure::Reason::corrupt:
      return metrics::CommitFailure::corrupt;
    case CommitFailure::Reason::guard:
      return metrics::CommitFailure::guard;
    case CommitFailure::Reason::other:
      break;
  }
  return metrics::CommitFailure::other;
}

}  // namespace

void Worker::connect(metrics::Registry& registry, metrics::OwnMetrics* own) {
  registry_ = &registry;
  own_ = own;
  if (options_.checkpoints != nullptr) registry.take_all(delta_.series);
}

Result<std::vector<std::string>> Worker::restore(const StateImage& image) {
  auto messages = options_.checkpoints->restore(image, *rules_, delta_, options_.clock.wall_ns());
  if (!messages) return messages;
  for (const SavedGeneration& saved : image.generations) {
    const std::optional<std::uint32_t> target = inputs_.target_of_file(saved.file.number);
    if (!target) continue;
    if (!take_carry(saved.file.number, *target, saved.file.predecessor, saved.carry))
      return Error{"state: what waits for its rest in " + saved.file.path +
                   " cannot be understood"};
  }
  begin_probation(image);
  return messages;
}

bool Worker::commit_now(std::chrono::milliseconds timeout) {
  const std::uint64_t ticket = ++commits_asked_;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  std::unique_lock lock(mutex_);
  return committed_.wait_for(lock, timeout, [&] { return finished_ || commits_done_ >= ticket; });
}

std::optional<rules::Succession> Worker::change_rules(NewRules next,
                                                      std::chrono::milliseconds timeout) {
  const std::lock_guard one(changing_);
  std::unique_lock lock(mutex_);
  next_rules_ = std::move(next);
  succession_.reset();
  rules_asked_ = true;
  const std::uint64_t wake = 1;
  static_cast<void>(!::write(wake_.get(), &wake, sizeof wake));
  committed_.wait_for(lock, timeout, [&] { return finished_ || succession_; });
  rules_asked_ = false;
  next_rules_.reset();
  return std::exchange(succession_, std::nullopt);
}

// What was redacted, by the names of the redactions of now.
std::vector<std::uint64_t> Worker::redactions_after(const rules::RuleSet& before) const {
  std::vector<std::uint64_t> totals;
  const auto& had = before.redactions().all();
  for (const rules::Redaction& redaction : rules_->redactions().all()) {
    const auto old = std::find_if(had.begin(), had.end(), [&](const rules::Redaction& one) {
      return one.name == redaction.name;
    });
    totals.push_back(
        old == had.end() ? 0 : totals_.redactions[static_cast<std::size_t>(old - had.begin())]);
  }
  return totals;
}

// The rules that wait, in place of those that count.
void Worker::take_rules() {
  for (auto& [key, open] : open_) {  // what is decoded is decoded and redacted anew, when it ends
    keep(open);
    open.suspect = true;
    if (open.pending) inputs_.store_again(static_cast<std::uint32_t>(key >> 2));
  }
  if (!commit()) return;  // they go on waiting
  const std::lock_guard lock(mutex_);
  if (!next_rules_) return;  // nobody waits any more
  const std::shared_ptr<const rules::RuleSet> before = std::move(rules_);
  rules_ = std::move(next_rules_->rules);
  rules::Succession succession = rules_->take_over(delta_, *before);
  decoder_.emplace(*rules_);
  for (rules::Event& event : events_) event = rules::Event(rules_->plan());
  kept_event_ = rules::Event(rules_->plan());
  redactor_.emplace(rules_->redactions());
  line_redactions_.assign(rules_->redactions().all().size(), 0);
  record_redactor_.emplace(rules_->redactions());
  record_redactions_.assign(rules_->redactions().all().size(), 0);
  totals_.redactions = redactions_after(*before);
  totals_.metrics.resize(rules_->families().size());
  if (options_.checkpoints != nullptr) options_.checkpoints->redefined();
  replacing_ = std::move(next_rules_->own);
  // Should it fail, they count from here on all the same.
  if (write_and_publish()) inputs_.committed();
  next_rules_.reset();
  rules_asked_ = false;
  succession_ = std::move(succession);
  committed_.notify_all();
}

Worker::Progress Worker::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

// What was counted, into totals_.
void Worker::sum_up() {
  totals_.rules = delta_.rules;
  for (metrics::FamilyId family = 0; family < totals_.metrics.size(); ++family) {
    totals_.metrics[family] = {.series = delta_.series.size(family),
                               .labels_cut = delta_.series.labels_cut(family),
                               .overflowed = delta_.series.overflowed(family)};
  }
  totals_.overflows.clear();
  for (const rules::CappedValues& label : delta_.capped)
    totals_.overflows.push_back(label.overflowed);
  totals_.tables.clear();
  for (const rules::Table& table : delta_.tables) {
    totals_.tables.push_back(
        {.rows = table.rows(), .expired = table.expired(), .missed = table.missed()});
  }
  if (options_.log) {
    for (const std::string& line : notices_.first_times(*rules_, totals_)) options_.log(line);
  }
  totals_.spool_bytes = inputs_.spool_bytes();
  totals_.spool_dropped_bytes = inputs_.spool_dropped_bytes();
  for (std::uint32_t target = 0; target < totals_.targets.size(); ++target) {
    const Rotations rotations = inputs_.rotations(target);
    totals_.targets[target].renamed = rotations.renamed;
    totals_.targets[target].truncated = rotations.truncated;
    totals_.targets[target].deleted = rotations.deleted;
    totals_.targets[target].copied = rotations.copied;
    totals_.targets[target].missed = rotations.missed;
    totals_.targets[target].gone = rotations.lost_generations;
    totals_.targets[target].shortened = rotations.lost_tail_bytes;
    totals_.targets[target].lost_truncated_bytes = rotations.lost_truncated_bytes;
    totals_.targets[target].lost_deleted_bytes = rotations.lost_deleted_bytes;
    totals_.targets[target].unterminated_lines = rotations.unterminated_lines;
  }
}

std::optional<CommitFailure> Worker::write_group() {
  Checkpointer& state = *options_.checkpoints;
  for (StoredGeneration& file : inputs_.take_changed()) {
    const std::uint32_t number = file.number;
    state.changed(std::move(file), carry(number, *inputs_.target_of_file(number)));
  }
  for (const std::uint32_t number : inputs_.take_forgotten()) state.forget(number);
  return state.commit(*rules_, delta_, inputs_.next_generation(), options_.clock.wall_ns());
}

// What was counted, into the state and then before everybody's eyes. False: it is not in the state,
// nobody sees it, and the same is to be tried again before anything else is counted.
bool Worker::write_and_publish() {
  const auto begin = options_.clock.steady();
  next_commit_ = begin + options_.commit_interval;
  sum_up();
  if (options_.checkpoints != nullptr) {
    const bool dirty = !durable_ || options_.checkpoints->dirty(delta_);
    const std::optional<CommitFailure> failure = write_group();
    const auto now = options_.clock.steady();
    if (failure) {
      tell_trouble(*failure);
      return false;
    }
    if (dirty) next_scrape_commit_ = now + std::min(now - begin, kLongestScrapeGap);
  }
  delta_.invocations.clear();
  if (!durable_ && options_.log) options_.log("state: can be written again, reading goes on");
  durable_ = true;
  backoff_ = std::chrono::nanoseconds(0);
  {
    const std::lock_guard lock(publishing_);
    trouble_.clear();
    if (!replacing_) {
      if (registry_ != nullptr) registry_->publish(delta_.series, options_.clock.wall_ns());
      if (own_ != nullptr) own_->publish(totals_);
    } else {
      if (registry_ != nullptr) registry_->replace(delta_.series, options_.clock.wall_ns());
      if (own_ != nullptr) own_->redefine(*replacing_, totals_);
    }
  }
  replacing_.reset();
  if (own_ != nullptr) own_->committed(options_.clock.steady() - begin);
  return true;
}

bool Worker::commit() {
  if (!write_and_publish()) return false;
  tell_waiting();
  // Nobody waits for the rest, which may take its time: a file of the spool goes, the state's log
  // is written back.
  inputs_.committed();
  if (options_.checkpoints != nullptr) {
    const auto wrong = options_.checkpoints->tidy(options_.clock.steady());
    if (wrong && options_.log) options_.log(*wrong);
  }
  return true;
}

// Whoever asked for it before it was begun.
void Worker::tell_waiting() {
  Progress progress;
  for (const metrics::TargetTotals& target : totals_.targets) {
    progress.read += target.lines_read;
    progress.matched += target.matched;
    progress.unmatched += target.unmatched;
  }
  progress.series = delta_.series.size();
  {
    const std::lock_guard lock(mutex_);
    progress_ = progress;
    commits_done_ = serving_;
  }
  if (at_end_) caught_up_ = true;
  committed_.notify_all();
}

void Worker::tell_trouble(const CommitFailure& failure) {
  if (own_ != nullptr) own_->commit_failed(as_metric(failure.reason));
  const bool first = durable_;
  durable_ = false;
  ended_ = failure.final;
  backoff_ = std::clamp(2 * backoff_, kFirstRetry, kLastRetry);
  retry_at_ = options_.clock.steady() + backoff_;
  if ((first || ended_) && options_.log) {
    options_.log("state: cannot be written: " + failure.text +
                 (ended_ ? "" : "; nothing is read until it can"));
  }
  const std::lock_guard lock(publishing_);
  trouble_ = "the state cannot be written: " + failure.text;
}

std::string Worker::trouble() const {
  const std::lock_guard lock(publishing_);
  return trouble_;
}

// Until somebody calls, or so long.
void Worker::rest(std::chrono::nanoseconds timeout) {
  pollfd wake{.fd = wake_.get(), .events = POLLIN, .revents = 0};
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  ::poll(&wake, 1, static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, 1'000)));
  drain_wakes();
}

}  // namespace logtally::pipeline
