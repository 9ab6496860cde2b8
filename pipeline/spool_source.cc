#include "pipeline/spool_source.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "pipeline/file_status.h"

namespace logtally::pipeline {

std::uint64_t last_segment(const std::vector<StoredGeneration>& stored) {
  std::uint64_t last = 0;
  for (const StoredGeneration& one : stored) {
    if (is_of_spool(one.number))
      last = std::max<std::uint64_t>(last, one.number & ~kSpoolGenerations);
  }
  return last;
}

SpoolSource::SpoolSource(Spool& spool, std::string name, std::uint32_t target,
                         std::uint64_t line_bytes, Clock clock,
                         const std::vector<StoredGeneration>& stored)
    : spool_(spool),
      name_(std::move(name)),
      target_(target),
      clock_(std::move(clock)),
      reader_(line_bytes) {
  for (const StoredGeneration& one : stored) {
    if (!is_of_spool(one.number)) continue;
    const std::uint64_t segment = one.number & ~kSpoolGenerations;
    const auto there = spool_.find(segment);
    // Its end was durable, and only its removal was not.
    if (there && there->sealed && one.life == Life::finished && one.counted >= there->bytes)
      spool_.remove(segment);
    if (!spool_.find(segment)) {
      forgotten_.push_back(one.number);
      continue;
    }
    Generation& generation = generations_[one.number];
    generation = {.segment = segment,
                  .predecessor = one.predecessor,
                  .id = one.id,
                  .cursor = {.position = one.counted,
                             .searched = one.counted,
                             .in_overlong = one.in_overlong,
                             .marks = one.marks},
                  .given = one.counted > 0};
    // A power cut took the end away: it was counted, and there is nothing behind it.
    if (one.counted > there->bytes)
      generation.cursor = {.position = there->bytes, .searched = there->bytes};
  }
}

std::optional<Chunk> SpoolSource::read() {
  for (;;) {
    spool_.drain();  // before anything is looked at: what comes behind it wakes again
    if (!endings_.empty()) {
      const std::uint32_t number = endings_.front();
      endings_.pop_front();
      return ending(number);
    }
    if (finished_) return std::nullopt;
    if (current_ == kNoGeneration && !next()) {
      if (!endings_.empty()) continue;
      return std::nullopt;
    }
    Generation& generation = generations_.at(current_);
    // Asked before it is read: what is sealed then does not grow any more.
    const auto segment = spool_.find(generation.segment);
    if (!segment) {  // dropped
      close_current();
      continue;
    }
    const Lines lines =
        reader_.read(file_.get(), generation.cursor,
                     segment->sealed ? LineReader::Rest::is_a_line : LineReader::Rest::waits);
    switch (lines.status) {
      case Lines::Status::lines:
      case Lines::Status::more:
        spool_.reading(generation.segment, generation.cursor.position);
        return chunk_of(generation, lines);
      case Lines::Status::end:
        if (!segment->sealed) return std::nullopt;
        close_current();
        continue;
      case Lines::Status::changed:
        messages_.push_back(spool_.path(generation.segment) +
                            " is not what was written there; the rest of it is not read");
        close_current();
        continue;
      case Lines::Status::failed:
        messages_.push_back("cannot read " + spool_.path(generation.segment) + ": " +
                            std::generic_category().message(lines.error));
        close_current();
        continue;
    }
  }
}

// Goes to the next segment. What was read before ends once that has begun, so that an open record
// can be handed over; when nothing follows, at once.
bool SpoolSource::next() {
  const bool ended = spool_.ended();  // asked before: then no segment is added any more
  const auto segment = spool_.after(last_segment_);
  if (!segment) {
    if (!ended) return false;
    if (waiting_ != kNoGeneration) endings_.push_back(std::exchange(waiting_, kNoGeneration));
    finished_ = true;
    return false;
  }
  last_segment_ = segment->number;
  file_ = open_to_read(spool_.path(segment->number));
  if (!file_) {
    // Dropped meanwhile; anything else is told.
    if (errno != ENOENT)
      messages_.push_back("cannot open " + spool_.path(segment->number) + ": " +
                          std::generic_category().message(errno));
    return next();
  }
  const std::uint32_t number = number_of(segment->number);
  const bool known = generations_.contains(number);
  Generation& generation = generations_[number];
  generation.segment = segment->number;
  generation.id = status_of(file_).id;
  if (waiting_ != kNoGeneration) {
    if (!segment->continues && !known) {
      endings_.push_back(std::exchange(waiting_, kNoGeneration));
    } else if (!known) {
      generation.predecessor = waiting_;
    }
  }
  generation.changed = generation.changed || !known;
  current_ = number;
  spool_.reading(generation.segment, generation.cursor.position);
  return endings_.empty();
}

void SpoolSource::close_current() {
  file_.reset();
  if (waiting_ != kNoGeneration) endings_.push_back(waiting_);
  waiting_ = std::exchange(current_, kNoGeneration);
}

Chunk SpoolSource::ending(std::uint32_t number) {
  Generation& generation = generations_.at(number);
  generation.over = true;
  generation.changed = true;
  return {.target = target_,
          .generation = number,
          .offset = generation.cursor.position,
          .end = generation.cursor.position,
          .bytes = {},
          .arrival_ns = clock_.wall_ns(),
          .ends_generation = true};
}

Chunk SpoolSource::chunk_of(Generation& generation, const Lines& lines) {
  const bool begins = !std::exchange(generation.given, true);
  // Behind this chunk's begin the one before has nothing open any more.
  if (waiting_ != kNoGeneration) endings_.push_back(std::exchange(waiting_, kNoGeneration));
  generation.changed = true;
  return {.target = target_,
          .generation = current_,
          .offset = lines.offset,
          .end = generation.cursor.position,
          .bytes = lines.bytes,
          .arrival_ns = clock_.wall_ns(),
          .too_long_lines = lines.too_long_lines,
          .too_long_bytes = lines.too_long_bytes,
          .nul_bytes = lines.nul_bytes,
          .begins_generation = begins};
}

std::uint32_t SpoolSource::predecessor(std::uint32_t generation) const {
  const auto found = generations_.find(generation);
  return found == generations_.end() ? kNoGeneration : found->second.predecessor;
}

std::vector<StoredGeneration> SpoolSource::take_changed() {
  std::vector<StoredGeneration> changed;
  for (auto& [number, generation] : generations_) {
    if (!std::exchange(generation.changed, false)) continue;
    generation.handed_out = generation.over;
    const Cursor& cursor = generation.cursor;
    changed.push_back({.number = number,
                       .target = name_,
                       .path = spool_.path(generation.segment),
                       .id = generation.id,
                       .life = generation.over ? Life::finished : Life::rotated,
                       .in_overlong = cursor.in_overlong,
                       .predecessor = generation.predecessor,
                       .counted = cursor.position,
                       .shipped = 0,
                       .seen_ns = clock_.wall_ns(),
                       .marks = cursor.marks});
  }
  return changed;
}

std::vector<std::uint32_t> SpoolSource::take_forgotten() { return std::exchange(forgotten_, {}); }

void SpoolSource::store_again(std::uint32_t generation) {
  const auto found = generations_.find(generation);
  if (found != generations_.end()) found->second.changed = true;
}

void SpoolSource::committed() {
  for (auto at = generations_.begin(); at != generations_.end();) {
    if (!at->second.handed_out || at->second.changed) {
      ++at;
      continue;
    }
    spool_.remove(at->second.segment);
    forgotten_.push_back(at->first);
    at = generations_.erase(at);
  }
}

std::vector<std::string> SpoolSource::take_messages() {
  std::vector<std::string> messages = spool_.take_messages();
  for (std::string& message : std::exchange(messages_, {})) messages.push_back(std::move(message));
  return messages;
}

}  // namespace logtally::pipeline
