#include "pipeline/worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "rules/ansi.h"
#include "rules/timestamp.h"

namespace logtally::pipeline {
namespace {

constexpr std::size_t kMaxPendingInvocations = 4'096;  // before they are committed

rules::Wrapping wrapping_of(Wrapper taken_off) {
  if (taken_off == Wrapper::docker) return rules::Wrapping::docker;
  return taken_off == Wrapper::cri ? rules::Wrapping::cri : rules::Wrapping::none;
}

}  // namespace

Worker::Worker(std::shared_ptr<const rules::RuleSet> rules, Inputs& inputs, WorkerOptions options)
    : rules_(std::move(rules)),
      inputs_(inputs),
      options_(std::move(options)),
      decoder_(std::in_place, *rules_),
      redactor_(std::in_place, rules_->redactions()),
      line_redactions_(rules_->redactions().all().size()),
      record_redactor_(std::in_place, rules_->redactions()),
      record_redactions_(rules_->redactions().all().size()),
      events_{rules::Event(rules_->plan()), rules::Event(rules_->plan())},
      kept_event_(rules_->plan()),
      delta_(*rules_, {.family = options_.series_per_metric, .all = options_.series}),
      notices_({.family = options_.series_per_metric, .all = options_.series}),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  assert(options_.wrappers.size() == inputs_.target_count());
  for (const Wrapper wrapper : options_.wrappers)
    unwrappers_.emplace_back(wrapper, options_.record_bytes);
  totals_.targets.resize(inputs_.target_count());
  totals_.metrics.resize(rules_->families().size());
  totals_.redactions.resize(rules_->redactions().all().size());
  delta_.clock = rules::EventClock(options_.follow ? rules::Silence::ticks : rules::Silence::stays,
                                   options_.clock.wall_ns());
}

void Worker::run() {
  commit();  // what the rules declare is there from the first scrape
  while (!stopping_ && !ended_) {
    if (!durable_) {
      rest(retry_at_ - options_.clock.steady());
      if (options_.clock.steady() >= retry_at_) commit();
      continue;
    }
    if (rules_asked_) take_rules();
    serving_ = commits_asked_;
    activity_.enter(Activity::Phase::reading);
    const std::optional<Chunk> chunk = inputs_.read();
    if (chunk) take(*chunk);
    activity_.enter(Activity::Phase::waiting);
    bool waiting = false;
    {
      const std::lock_guard lock(mutex_);
      waiting = commits_done_ < serving_;
    }
    const bool idle = !chunk;
    const bool keeps = options_.checkpoints != nullptr;
    const bool dirty = !delta_.series.touched().empty();
    const auto now = options_.clock.steady();
    if ((waiting && now >= next_scrape_commit_) || (idle && ((dirty && !keeps) || !caught_up_)) ||
        now >= next_commit_ || delta_.invocations.size() >= kMaxPendingInvocations) {
      at_end_ = idle;
      if (!commit()) continue;
      waiting = false;
    }
    if (!idle) continue;
    tell_messages();
    if (inputs_.finished()) break;
    pass_silence();
    const auto sleep = (waiting ? next_scrape_commit_ : next_commit_) - options_.clock.steady();
    if (inputs_.wait(std::chrono::ceil<std::chrono::milliseconds>(sleep), wake_.get())) continue;
    drain_wakes();
  }
  activity_.enter(Activity::Phase::counting);
  for (auto& [key, open] : open_) {
    const auto generation = static_cast<std::uint32_t>(key >> 2);
    // The rest of a file's record may come when it is read further.
    const bool kept = options_.checkpoints != nullptr && !inputs_.finished() &&
                      inputs_.target_of_file(generation).has_value();
    if (kept || !durable_ || !open.pending) continue;
    finish(open);
    inputs_.store_again(generation);
  }
  activity_.enter(Activity::Phase::waiting);
  if (!ended_) commit();
  tell_messages();
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  committed_.notify_all();
}

void Worker::drain_wakes() {
  std::uint64_t wakes = 0;
  while (::read(wake_.get(), &wakes, sizeof wakes) > 0) {
  }
}

void Worker::step() {
  if (rules_asked_) take_rules();
  for (int idle = 0; idle < 2;) {  // once more: an event may have come meanwhile
    const std::optional<Chunk> chunk = inputs_.read();
    if (chunk) take(*chunk);
    idle = chunk ? 0 : idle + 1;
  }
  pass_silence();
}

void Worker::pass_silence() {
  activity_.enter(Activity::Phase::counting);
  finish_idle(options_.clock.steady());
  rules_->tick(delta_, options_.clock.wall_ns());
  activity_.enter(Activity::Phase::waiting);
  if (probation_) end_probation();
}

void Worker::stop() {
  stopping_ = true;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void Worker::count(const Chunk& chunk) {
  metrics::TargetTotals& totals = totals_.targets[chunk.target];
  Unwrapper& unwrapper = unwrappers_[chunk.target];
  const std::size_t pieces_before = unwrapper.pending();
  if (chunk.begins_generation) {
    const std::uint32_t before = inputs_.predecessor(chunk.generation);
    if (before != kNoGeneration) {
      unwrapper.succeed(before, chunk.generation);
      hand_over(before, chunk.generation);
    }
  }
  totals.nul_bytes += chunk.nul_bytes;
  totals.lines_read += chunk.too_long_lines;
  totals.failed_too_long += chunk.too_long_lines;
  for (std::uint64_t i = 0; options_.trace != nullptr && i < chunk.too_long_lines; ++i)
    options_.trace->line_refused("too_long", {});
  totals.bytes_read += chunk.end - chunk.offset + chunk.too_long_bytes;

  origin_ = {.file = inputs_.path(chunk.generation),
             .stream = {},
             .time_ns = chunk.arrival_ns,
             .has_time = false,
             .arrival_ns = chunk.arrival_ns,
             .generation = chunk.generation,
             .offset = chunk.offset};
  activity_.count(origin_.file, chunk.offset);
  const char* line = chunk.bytes.data();
  const char* const end = line + chunk.bytes.size();
  redactor_->begin(chunk.bytes);
  while (line != end) line = count_line(line, end, chunk, totals);
  for (auto at = open_.lower_bound(stream_key(chunk.generation, Stream::none));
       at != open_.end() && at->first <= stream_key(chunk.generation, Stream::standard_error);
       ++at) {
    keep(at->second);
  }

  if (pieces_before != 0)  // those of the generation before may have come here
    inputs_.store_again(inputs_.predecessor(chunk.generation));

  if (chunk.ends_generation) {
    while (const Unwrapped* record = unwrapper.flush(chunk.generation))
      count_unwrapped(*record, chunk.target, totals);
    finish_all(chunk.generation);
  }
}

// Counts the line that begins here and returns the place behind it. Lines are whole: a newline
// stands before `end`.
const char* Worker::count_line(const char* line, const char* end, const Chunk& chunk,
                               metrics::TargetTotals& totals) {
  const auto offset = [&](const char* place) {
    return chunk.offset + static_cast<std::uint64_t>(place - chunk.bytes.data());
  };
  Unwrapper& unwrapper = unwrappers_[chunk.target];
  ++totals.lines_read;
  const std::string_view ahead(line, static_cast<std::size_t>(end - line));
  if (!unwrapper.may_be_wrapped(ahead)) {
    origin_.offset = offset(line);
    const bool suspect = redactor_->is_suspect(line);
    if (*line == '{') [[likely]] {
      const char* text = line;
      const char* newline = nullptr;
      if (suspect) [[unlikely]] {
        newline = static_cast<const char*>(std::memchr(line, '\n', ahead.size()));
        std::fill(line_redactions_.begin(), line_redactions_.end(), 0);
        text =
            redactor_->redact({line, static_cast<std::size_t>(newline - line)}, &line_redactions_)
                .data();
      }
      // The decoder finds the end of the line by itself: no second pass over the bytes.
      rules::Event& event = events_[spare_];
      if (const char* behind = decoder_->decode_json(text, event)) {
        if (suspect) [[unlikely]]
          behind = newline + 1;
        ++totals.parsed;
        event.origin = origin_;
        event.origin.end = offset(behind);
        if (pending_ != 0) {
          OpenRecord& open = open_record(chunk.generation, Stream::none);
          finish(open);
          open.judge.close();
        }
        if (suspect) [[unlikely]]
          add_redactions(line_redactions_);
        evaluate(event, totals);
        return behind;
      }
    }
    const auto [newline, plain] = rules::find_line_end(line);
    origin_.end = offset(newline + 1);
    count_text({line, static_cast<std::size_t>(newline - line)},
               open_record(chunk.generation, Stream::none), chunk.target,
               {.in_chunk = true, .plain = plain, .suspect = suspect}, totals);
    return newline + 1;
  }

  if (pending_ != 0)
    keep(open_record(chunk.generation, Stream::none));  // its next line does not follow on this one
  const char* const newline = static_cast<const char*>(std::memchr(line, '\n', ahead.size()));
  const Unwrapped* record =
      unwrapper.feed(chunk.generation, {line, static_cast<std::size_t>(newline - line)},
                     offset(line), offset(newline + 1));
  if (record != nullptr) {
    const rules::RecordOrigin origin = origin_;
    count_unwrapped(*record, chunk.target, totals);
    origin_ = origin;
  }
  return newline + 1;
}

void Worker::count_unwrapped(const Unwrapped& record, std::uint32_t target,
                             metrics::TargetTotals& totals) {
  totals.joined += record.joined;
  if (record.too_long) {
    ++totals.failed_too_long;
    if (options_.trace != nullptr) options_.trace->line_refused("too_long", {});
    return;
  }
  origin_.generation = record.generation;
  origin_.offset = record.offset;
  origin_.end = record.end;
  origin_.stream = name_of(record.stream);
  origin_.wrapping = wrapping_of(record.taken_off);
  if (!record.time.empty()) {
    if (const auto time = rules::parse_timestamp(record.time)) {
      origin_.time_ns = *time;
      origin_.has_time = true;
    }
  }
  count_text(record.text, open_record(record.generation, record.stream), target,
             {.in_chunk = !record.wrapped, .plain = false, .suspect = redactor_->active()}, totals);
}

// One line of a stream, without its newline (which stands behind it): a record, or the continuation
// of the one above.
void Worker::count_text(std::string_view line, OpenRecord& open, std::uint32_t target,
                        LineTraits traits, metrics::TargetTotals& totals) {
  rules::Event& event = events_[spare_];
  scratches_[spare_].clear();
  std::string_view text = line;
  bool suspect = traits.suspect;
  if (suspect) [[unlikely]] {
    suspect = rules_->redactions().suspects(line) != 0;
    std::fill(line_redactions_.begin(), line_redactions_.end(), 0);
    if (suspect) text = redactor_->redact(line, &line_redactions_);
  }
  const rules::LineKind kind = decoder_->decode(text, event, scratches_[spare_], traits.plain);
  if (kind == rules::LineKind::failed_json && open.pending && open.judge.joins()) {
    // A dict or the first line of a printed object: it only begins like JSON.
    open.judge.next(text, rules::LineFit::none);
    ++totals.joined;
    open.suspect = open.suspect || suspect;
    append(open, line);
    return;
  }
  if (kind == rules::LineKind::failed_nul && line.front() == '\0') {
    // What a power cut leaves of blocks that were never written stands before a line that was.
    const std::size_t nuls = std::min(line.find_first_not_of('\0'), line.size());
    totals.nul_bytes += nuls;
    origin_.offset += nuls;
    keep(open);  // they are no part of its text
    return count_text(line.substr(nuls), open, target, traits, totals);
  }
  if (kind == rules::LineKind::failed_json || kind == rules::LineKind::failed_nul) {
    ++(kind == rules::LineKind::failed_json ? totals.failed_json : totals.failed_nul);
    if (suspect) add_redactions(line_redactions_);
    if (options_.trace != nullptr)
      options_.trace->line_refused(kind == rules::LineKind::failed_json ? "json" : "nul", text);
    keep(open);  // its text no longer stands in one piece
    return;
  }
  const rules::Continuation::Line judged = open.judge.next(event.line, rules::fit_of(kind));
  if (judged != rules::Continuation::Line::record && open.pending) {
    ++totals.joined;
    open.suspect = open.suspect || suspect;
    append(open, line);
    return;
  }
  finish(open);
  event.origin = origin_;  // an open record's as well, as long as it is live
  ++(kind == rules::LineKind::bare ? totals.bare : totals.parsed);
  if (kind == rules::LineKind::json) {
    if (suspect) add_redactions(line_redactions_);
    evaluate(event, totals);
  } else {
    open.suspect = suspect;
    begin(open, line, target, traits.in_chunk && !suspect);
  }
}

// The record that is evaluated next had these; zeroes them.
void Worker::add_redactions(rules::RedactionCounts& counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    totals_.redactions[i] += counts[i];
    if (options_.trace != nullptr)
      options_.trace->redacted(rules_->redactions().all()[i].name, counts[i]);
    counts[i] = 0;
  }
}

Worker::OpenRecord& Worker::find_open_record(std::uint64_t key) {
  last_open_ = &open_[key];
  last_open_->generation = static_cast<std::uint32_t>(key >> 2);
  last_key_ = key;
  return *last_open_;
}

void Worker::begin(OpenRecord& open, std::string_view line, std::uint32_t target, bool in_chunk) {
  open.pending = true;
  ++pending_;
  open.live = true;
  open.target = target;
  open.line = line;
  open.rest = {};
  open.lines = 1;
  open.full = false;
  if (in_chunk) {
    spare_ = 1 - spare_;  // its event stays as it is until it is finished or kept
  } else {
    open.origin = origin_;
    keep_text(open);
  }
}

void Worker::append(OpenRecord& open, std::string_view line) {
  if (!open.live) open.last = options_.clock.steady();
  (open.live ? events_[1 - spare_].origin : open.origin).end = origin_.end;
  // More than anybody wants to look at is joined, and no longer kept; whichever way the lines came,
  // the same is kept.
  const std::size_t size =
      open.live ? static_cast<std::size_t>(line.data() + line.size() - open.line.data())
                : open.text.size() + 1 + line.size();
  open.full = open.full || ++open.lines > options_.record_lines || size > options_.record_bytes;
  if (open.full) return;
  if (open.live) {
    if (open.rest.data() == nullptr) open.rest = {line.data(), 0};
    open.rest = {open.rest.data(),
                 static_cast<std::size_t>(line.data() + line.size() - open.rest.data())};
    return;
  }
  open.text += '\n';
  open.text += line;
}

// From now on the record's text is its own.
void Worker::keep(OpenRecord& open) {
  if (!open.live) return;
  open.origin = events_[1 - spare_].origin;
  keep_text(open);
}

void Worker::keep_text(OpenRecord& open) {
  open.live = false;
  open.text.assign(open.line);
  open.first = open.line.size();
  if (open.rest.data() != nullptr) {
    open.text += '\n';
    open.text += open.rest;
  }
  open.line = {};
  open.rest = {};
  open.file = open.origin.file;
  open.origin.file = open.file;
  open.last = options_.clock.steady();
}

void Worker::finish(OpenRecord& open) {
  if (!open.pending) return;
  if (probation_ && !begin_record(open)) [[unlikely]]
    return;
  open.pending = false;
  --pending_;
  metrics::TargetTotals& totals = totals_.targets[open.target];
  if (open.suspect) keep(open);
  rules::Event& event = open.live ? events_[1 - spare_] : kept_event_;
  rules::Scratch& scratch = open.live ? scratches_[1 - spare_] : kept_scratch_;
  std::string_view
      whole;  // without data: the first line is all, and the decoder has left its text in the event
  if (open.rest.data() != nullptr) {
    whole = {open.line.data(),
             static_cast<std::size_t>(open.rest.data() + open.rest.size() - open.line.data())};
  }
  if (!open.live) {
    // A newline behind the first line and room to read behind: as the decoder wants it.
    const std::size_t size = open.text.size();
    open.text += '\n';
    open.text.append(kReadableBehind, '\0');
    std::string_view text(open.text.data(), size);
    if (open.suspect) {
      text = record_redactor_->redact(text, &record_redactions_);
      add_redactions(record_redactions_);
      open.first = std::min(text.find('\n'), text.size());
    }
    kept_scratch_.clear();
    decoder_->decode(text.substr(0, open.first), event, kept_scratch_);
    event.origin = open.origin;
    whole = text.size() > open.first ? text : std::string_view();
  }
  open.live = false;
  event.rest = {};
  if (whole.data() != nullptr) {
    event.line = rules::strip_ansi(whole, scratch);  // no escape goes beyond its line
    event.rest = event.line.substr(event.line.find('\n') + 1);
  }
  evaluate(event, totals);
  if (probation_) [[unlikely]]
    probation_->record_done();
}

void Worker::finish_idle(std::chrono::nanoseconds now) {
  if (pending_ == 0) return;
  for (auto& [key, open] : open_) {
    if (!open.pending || now - open.last < options_.idle) continue;
    finish(open);
    open.judge.close();
    inputs_.store_again(static_cast<std::uint32_t>(key >> 2));
  }
}

// The writer went on in another file: what it had begun, its next lines may continue there.
void Worker::hand_over(std::uint32_t before, std::uint32_t generation) {
  if (pending_ == 0) return;
  for (const Stream stream : {Stream::none, Stream::standard_output, Stream::standard_error}) {
    auto record = open_.extract(stream_key(before, stream));
    if (record.empty()) continue;
    inputs_.store_again(before);  // nothing waits there any more
    record.key() = stream_key(generation, stream);
    record.mapped().generation = generation;
    open_.erase(record.key());
    open_.insert(std::move(record));
  }
  last_open_ = nullptr;
}

void Worker::finish_all(std::uint32_t generation) {
  const auto first = open_.lower_bound(stream_key(generation, Stream::none));
  auto at = first;
  for (; at != open_.end() && at->first <= stream_key(generation, Stream::standard_error); ++at)
    finish(at->second);
  open_.erase(first, at);
  last_open_ = nullptr;
}

void Worker::evaluate(const rules::Event& event, metrics::TargetTotals& totals) {
  const bool matched = rules_->count(event, delta_, options_.trace);
  totals.matched += matched;
  totals.unmatched += !matched;
}

void Worker::tell_messages() {
  if (!options_.log) return;
  for (const std::string& message : inputs_.take_messages()) options_.log(message);
}

}  // namespace logtally::pipeline
