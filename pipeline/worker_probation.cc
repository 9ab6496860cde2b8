// The part of Worker that finds the line of which the process dies: see probation.h. What it costs
// (a note of 32 bytes a line) is paid after repeated deaths alone, until what was there at the
// start is counted.
#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "pipeline/worker.h"

namespace logtally::pipeline {
namespace {

constexpr std::size_t kMostKept = 4096;  // bytes of what is condemned

}  // namespace

// Of an earlier process; before anything is counted.
void Worker::begin_probation(const StateImage& image) {
  if (!Probation::wanted(image)) return;
  auto note = options_.checkpoints->note_attempts();
  if (note) {
    probation_.emplace(*std::move(note), image.condemned);
  } else if (options_.log) {
    options_.log("state: should a line end this process, it will not be known which: " +
                 note.error().text);
  }
}

// Nothing is there to be read, so it was none of those that were.
void Worker::end_probation() {
  if (pending_ == 0) probation_.reset();
}

// As count(), a line at a time.
void Worker::count_singly(const Chunk& chunk) {
  Chunk one = chunk;
  std::string_view left = chunk.bytes;
  do {
    const std::size_t size = left.empty() ? 0 : left.find('\n') + 1;
    const bool last = size == left.size();
    one.bytes = left.substr(0, size);
    one.end = last ? chunk.end : one.offset + size;
    one.ends_generation = chunk.ends_generation && last;
    const auto condemned =
        probation_->verdict(chunk.generation, Attempt::What::line, one.offset, one.offset + size);
    if (condemned) {
      std::string text = take_pieces(chunk);
      text += one.bytes.substr(0, size == 0 ? 0 : size - 1);
      one.bytes = {};
      quarantine(*condemned, size, std::move(text), 1);
    }
    probation_->line({.generation = chunk.generation, .offset = one.offset});
    count(one);
    one.offset = one.end;
    one.begins_generation = false;
    one.too_long_lines = one.too_long_bytes = one.nul_bytes = 0;
    left.remove_prefix(size);
  } while (!left.empty());
  probation_->line_done();
}

// Before an open record is evaluated. False: it is condemned, and open no more.
bool Worker::begin_record(OpenRecord& open) {
  keep(open);
  const Attempt attempt{
      .generation = open.generation, .offset = open.origin.offset, .what = Attempt::What::record};
  const auto condemned = probation_->verdict(attempt.generation, attempt.what, attempt.offset, 0);
  if (!condemned) {
    probation_->record(attempt);
    return true;
  }
  quarantine(*condemned, open.text.size(), open.text, open.lines);
  open.pending = false;
  --pending_;
  probation_->record_done();
  return false;
}

// What waits for its rest in the wrapped lines of the chunk's generation goes with its line: one of
// the two is what the process dies of.
std::string Worker::take_pieces(const Chunk& chunk) {
  Unwrapper& unwrapper = unwrappers_[chunk.target];
  std::string text;
  if (unwrapper.pending() == 0) return text;
  const std::uint32_t before = inputs_.predecessor(chunk.generation);
  for (const std::uint32_t generation : {before, chunk.generation}) {
    if (generation == kNoGeneration) continue;
    while (const Unwrapped* pieces = unwrapper.flush(generation)) {
      text += pieces->text;
      text += '\n';
    }
    inputs_.store_again(generation);
  }
  if (before != kNoGeneration) unwrapper.succeed(before, chunk.generation);
  return text;
}

void Worker::quarantine(const Attempt& condemned, std::uint64_t length, std::string text,
                        std::uint64_t lines) {
  const std::size_t size = text.size();
  text += '\n';
  text.append(kReadableBehind, '\0');
  std::string_view kept(text.data(), size);
  if (condemned.redacting) {
    kept = {};  // the process died while it was redacted
  } else if (record_redactor_->active()) {
    Attempt redacting = condemned;
    redacting.redacting = true;
    probation_->record(redacting);
    kept = record_redactor_->redact(kept);
    probation_->record_done();
  }
  options_.checkpoints->quarantine({.generation = condemned.generation,
                                    .offset = condemned.offset,
                                    .length = std::max<std::uint64_t>(length, 1),
                                    .bytes = std::string(kept.substr(0, kMostKept))});
  inputs_.store_again(condemned.generation);
  totals_.quarantined_lines += lines;
  if (!options_.log) return;
  options_.log(fmt::format(
      "the process has ended {} times while it counted the {} at byte {} of {}: it is skipped and "
      "kept in the state's table `quarantine` (docs/state.md)",
      Probation::kDeaths, condemned.what == Attempt::What::line ? "line" : "record",
      condemned.offset, inputs_.path(condemned.generation)));
}

}  // namespace logtally::pipeline
