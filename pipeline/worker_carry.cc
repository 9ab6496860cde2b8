// The part of Worker that goes across a restart with a position: records that are not complete. A
// record of a wrapped stream may be open while later lines of the other stream are counted, so the
// position stands behind them all and the record itself is kept. Its size is bounded
// (WorkerOptions::record_bytes).
#include <utility>

#include "pipeline/bytes.h"
#include "pipeline/worker.h"

namespace logtally::pipeline {
namespace {

constexpr std::uint64_t kVersion = 1;

}  // namespace

std::string Worker::carry(std::uint32_t generation, std::uint32_t target) {
  const auto first = open_.lower_bound(stream_key(generation, Stream::none));
  const auto last = open_.upper_bound(stream_key(generation, Stream::standard_error));
  ByteWriter pieces;
  unwrappers_[target].save(generation, pieces);
  std::uint64_t pending = 0;
  for (auto at = first; at != last; ++at) pending += at->second.pending ? 1 : 0;
  if (pending == 0 && pieces.bytes() == std::string_view("\0", 1)) return {};

  ByteWriter bytes;
  bytes.number(kVersion);
  bytes.raw(pieces.bytes());
  bytes.number(pending);
  for (auto at = first; at != last; ++at) {
    OpenRecord& open = at->second;
    if (!open.pending) continue;
    keep(open);
    bytes.number(at->first & 3);
    bytes.number(open.judge.to_byte());
    bytes.number(open.lines);
    bytes.number(open.first);
    bytes.flag(open.suspect);
    bytes.flag(open.full);
    bytes.text(open.text);
    const rules::RecordOrigin& origin = open.origin;
    bytes.text(origin.file);
    bytes.number(static_cast<std::uint64_t>(origin.wrapping));
    bytes.flag(origin.has_time);
    bytes.signed_number(origin.time_ns);
    bytes.signed_number(origin.arrival_ns);
    bytes.number(origin.generation);
    bytes.number(origin.offset);
    bytes.number(origin.end);
  }
  return bytes.take();
}

bool Worker::take_carry(std::uint32_t generation, std::uint32_t target, std::uint32_t predecessor,
                        std::string_view bytes) {
  if (predecessor != kNoGeneration) unwrappers_[target].succeed(predecessor, generation);
  if (bytes.empty()) return true;
  ByteReader from(bytes);
  if (from.number() != kVersion || !unwrappers_[target].restore(generation, from)) return false;
  for (std::uint64_t left = from.number(); left > 0; --left) {
    const std::uint64_t stream = from.number();
    const std::uint64_t judge = from.number();
    if (!from.good() || stream > static_cast<std::uint64_t>(Stream::standard_error) || judge > 255)
      return false;
    const auto judged = rules::Continuation::from_byte(static_cast<std::uint8_t>(judge));
    OpenRecord& open = open_[stream_key(generation, static_cast<Stream>(stream))];
    if (!judged || open.pending) return false;
    open.judge = *judged;
    open.target = target;
    open.generation = generation;
    open.lines = from.number();
    open.first = from.number();
    open.suspect = from.flag();
    open.full = from.flag();
    open.text = from.text();
    open.file = from.text();
    const std::uint64_t wrapping = from.number();
    open.origin.has_time = from.flag();
    open.origin.time_ns = from.signed_number();
    open.origin.arrival_ns = from.signed_number();
    open.origin.generation = static_cast<std::uint32_t>(from.number());
    open.origin.offset = from.number();
    open.origin.end = from.number();
    if (!from.good() || wrapping > static_cast<std::uint64_t>(rules::Wrapping::cri) ||
        open.first > open.text.size())
      return false;
    open.origin.wrapping = static_cast<rules::Wrapping>(wrapping);
    open.origin.file = open.file;
    open.origin.stream = name_of(static_cast<Stream>(stream));
    open.live = false;
    open.last = options_.clock.steady();
    open.pending = true;
    ++pending_;
  }
  last_open_ = nullptr;
  return from.complete();
}

}  // namespace logtally::pipeline
