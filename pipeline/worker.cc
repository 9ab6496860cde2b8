#include "pipeline/worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cassert>
#include <cstring>

#include "rules/timestamp.h"

namespace logtally::pipeline {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view name_of(Stream stream) {
  switch (stream) {
    case Stream::standard_output: return "stdout";
    case Stream::standard_error: return "stderr";
    case Stream::none: break;
  }
  return {};
}

}  // namespace

Worker::Worker(std::shared_ptr<const rules::RuleSet> rules, Inputs& inputs, WorkerOptions options)
    : rules_(std::move(rules)),
      inputs_(inputs),
      options_(std::move(options)),
      decoder_(rules_->plan()),
      event_(rules_->plan()),
      delta_(*rules_),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  assert(options_.wrappers.size() == inputs_.target_count());
  for (const Wrapper wrapper : options_.wrappers) unwrappers_.emplace_back(wrapper, options_.record_bytes);
  totals_.targets.resize(inputs_.target_count());
  totals_.metrics.resize(rules_->families().size());
}

void Worker::connect(metrics::Registry& registry, metrics::OwnMetrics& own) {
  registry_ = &registry;
  own_ = &own;
}

void Worker::run() {
  commit();  // what the rules declare is there from the first scrape
  auto next_commit = options_.clock.steady() + options_.commit_interval;
  while (!stopping_) {
    const std::uint64_t asked = commits_asked_;
    const std::optional<Chunk> chunk = inputs_.read();
    if (chunk) count(*chunk);
    bool waiting = false;
    {
      const std::lock_guard lock(mutex_);
      waiting = commits_done_ < asked;
    }
    const bool idle = !chunk;
    const bool dirty = !delta_.series.touched().empty();
    if (waiting || (idle && dirty) || options_.clock.steady() >= next_commit) {
      commit();
      {
        const std::lock_guard lock(mutex_);
        commits_done_ = asked;
      }
      committed_.notify_all();
      next_commit = options_.clock.steady() + options_.commit_interval;
    }
    if (!idle) continue;
    tell_messages();
    if (inputs_.finished()) break;
    if (inputs_.wait(options_.commit_interval, wake_.get())) continue;
    std::uint64_t wakes = 0;
    while (::read(wake_.get(), &wakes, sizeof wakes) > 0) {
    }
  }
  commit();
  tell_messages();
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  committed_.notify_all();
}

void Worker::stop() {
  stopping_ = true;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

bool Worker::commit_now(std::chrono::milliseconds timeout) {
  const std::uint64_t ticket = ++commits_asked_;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  std::unique_lock lock(mutex_);
  return committed_.wait_for(lock, timeout, [&] { return finished_ || commits_done_ >= ticket; });
}

Worker::Progress Worker::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

void Worker::count(const Chunk& chunk) {
  metrics::TargetTotals& totals = totals_.targets[chunk.target];
  Unwrapper& unwrapper = unwrappers_[chunk.target];
  if (chunk.generation >= seen_generations_) {
    seen_generations_ = chunk.generation + 1;
    const std::uint32_t before = inputs_.predecessor(chunk.generation);
    if (before != kNoGeneration) unwrapper.succeed(before, chunk.generation);
  }
  totals.lines_read += chunk.too_long_lines;
  totals.failed_too_long += chunk.too_long_lines;
  totals.bytes_read += chunk.end - chunk.offset + chunk.too_long_bytes;

  event_.origin = {.file = inputs_.path(chunk.generation),
                   .stream = {},
                   .time_ns = chunk.arrival_ns,
                   .generation = chunk.generation,
                   .offset = chunk.offset};
  const char* line = chunk.bytes.data();
  const char* const end = line + chunk.bytes.size();
  while (line != end) line = count_line(line, end, chunk, totals);

  if (chunk.ends_generation) {
    while (const Unwrapped* record = unwrapper.flush(chunk.generation)) count_unwrapped(*record, totals);
  }
}

// Counts the line that begins here and returns the place behind it. Lines are whole: a newline stands before `end`.
const char* Worker::count_line(const char* line, const char* end, const Chunk& chunk, metrics::TargetTotals& totals) {
  const auto offset = [&](const char* place) { return chunk.offset + static_cast<std::uint64_t>(place - chunk.bytes.data()); };
  Unwrapper& unwrapper = unwrappers_[chunk.target];
  ++totals.lines_read;
  const std::string_view ahead(line, static_cast<std::size_t>(end - line));
  if (!unwrapper.may_be_wrapped(ahead)) {
    event_.origin.offset = offset(line);
    if (*line == '{') [[likely]] {
      // The decoder finds the end of the line by itself: no second pass over the bytes.
      event_.clear();
      if (const char* behind = decoder_.decode(line, event_)) {
        ++totals.parsed;
        evaluate(totals);
        return behind;
      }
    }
    const char* const newline = static_cast<const char*>(std::memchr(line, '\n', ahead.size()));
    count_record({line, static_cast<std::size_t>(newline - line)}, totals);
    return newline + 1;
  }

  const char* const newline = static_cast<const char*>(std::memchr(line, '\n', ahead.size()));
  const Unwrapped* record =
      unwrapper.feed(chunk.generation, {line, static_cast<std::size_t>(newline - line)}, offset(line), offset(newline + 1));
  if (record != nullptr) {
    const rules::RecordOrigin origin = event_.origin;
    count_unwrapped(*record, totals);
    event_.origin = origin;
  }
  return newline + 1;
}

void Worker::count_unwrapped(const Unwrapped& record, metrics::TargetTotals& totals) {
  totals.joined += record.joined;
  if (record.too_long) {
    ++totals.failed_too_long;
    return;
  }
  event_.origin.generation = record.generation;
  event_.origin.offset = record.offset;
  event_.origin.stream = name_of(record.stream);
  if (!record.time.empty()) {
    if (const auto time = rules::parse_timestamp(record.time)) event_.origin.time_ns = *time;
  }
  count_record(record.text, totals);
}

// A record of which nothing is known yet but its text; a newline stands behind it.
void Worker::count_record(std::string_view text, metrics::TargetTotals& totals) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  event_.clear();
  if (text.starts_with('{')) {
    if (decoder_.decode(text.data(), event_) == text.data() + text.size() + 1) {
      ++totals.parsed;
      evaluate(totals);
      return;
    }
    ++(std::memchr(text.data(), '\0', text.size()) != nullptr ? totals.failed_nul : totals.failed_json);
    return;
  }
  if (!text.empty() && std::memchr(text.data(), '\0', text.size()) != nullptr) {
    ++totals.failed_nul;
    return;
  }
  if (text.ends_with('\r')) text.remove_suffix(1);
  ++totals.bare;
  event_.line = text;
  event_.bare_message = text;
  evaluate(totals);
}

void Worker::evaluate(metrics::TargetTotals& totals) {
  const bool matched = rules_->count(event_, delta_);
  totals.matched += matched;
  totals.unmatched += !matched;
}

void Worker::commit() {
  const auto begin = options_.clock.steady();
  totals_.rules = delta_.rules;
  for (metrics::FamilyId family = 0; family < totals_.metrics.size(); ++family) {
    totals_.metrics[family] = {.series = delta_.series.size(family), .labels_cut = delta_.series.labels_cut(family)};
  }
  for (std::uint32_t target = 0; target < totals_.targets.size(); ++target) {
    const Rotations rotations = inputs_.rotations(target);
    totals_.targets[target].renamed = rotations.renamed;
    totals_.targets[target].truncated = rotations.truncated;
    totals_.targets[target].deleted = rotations.deleted;
  }
  if (registry_ != nullptr) registry_->publish(delta_.series);
  if (own_ != nullptr) {
    own_->publish(totals_);
    own_->committed(options_.clock.steady() - begin);
  }
  Progress progress;
  for (const metrics::TargetTotals& target : totals_.targets) {
    progress.read += target.lines_read;
    progress.matched += target.matched;
    progress.unmatched += target.unmatched;
  }
  progress.series = delta_.series.size();
  const std::lock_guard lock(mutex_);
  progress_ = progress;
}

void Worker::tell_messages() {
  if (!options_.log) return;
  for (const std::string& message : inputs_.take_messages()) options_.log(message);
}

}  // namespace logtally::pipeline
