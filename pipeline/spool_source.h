// SpoolSource: reads the segments of a Spool as lines, by the same reader as files, and knows how
// far they were counted across a restart. A segment is a generation; the next one follows it as a
// file follows the one that had its path before, so what goes over the cut stays one record. A
// segment whose end is durable is removed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/chunk.h"
#include "pipeline/clock.h"
#include "pipeline/generation.h"
#include "pipeline/line_reader.h"
#include "pipeline/owned_fd.h"
#include "pipeline/spool.h"

namespace logtally::pipeline {

// Generations of the spool have numbers of their own, so that they need not be agreed on with those
// of files: this bit and the segment's number.
inline constexpr std::uint32_t kSpoolGenerations = 0x80000000;
constexpr bool is_of_spool(std::uint32_t generation) {
  return generation >= kSpoolGenerations && generation != kNoGeneration;
}
// The highest segment among stored generations; 0: none.
std::uint64_t last_segment(const std::vector<StoredGeneration>& stored);

// Lives on the worker thread.
class SpoolSource {
 public:
  // `spool` is borrowed. `stored`: generations of an earlier run; those that are not of a spool are
  // passed over.
  SpoolSource(Spool& spool, std::string name, std::uint32_t target, std::uint64_t line_bytes,
              Clock clock, const std::vector<StoredGeneration>& stored);

  std::optional<Chunk> read();                 // nothing when there is nothing to read now
  bool finished() const { return finished_; }  // the input has ended and all of it was given

  bool knows(std::uint32_t generation) const { return generations_.contains(generation); }
  std::uint32_t predecessor(std::uint32_t generation) const;

  // As Tail's. committed(): all that take_changed() and take_forgotten() gave is durable.
  std::vector<StoredGeneration> take_changed();
  std::vector<std::uint32_t> take_forgotten();
  void store_again(std::uint32_t generation);
  void committed();

  std::vector<std::string> take_messages();

 private:
  struct Generation {
    std::uint64_t segment = 0;
    std::uint32_t predecessor = kNoGeneration;
    FileId id;
    Cursor cursor;
    bool given = false;
    bool over = false;  // given to its end, and that was told
    bool changed = false;
    bool handed_out = false;  // its end is with take_changed()
  };

  static std::uint32_t number_of(std::uint64_t segment) {
    return kSpoolGenerations |
           static_cast<std::uint32_t>(segment & ~std::uint64_t{kSpoolGenerations});
  }
  bool next();
  Chunk ending(std::uint32_t number);
  Chunk chunk_of(Generation& generation, const Lines& lines);
  void close_current();

  Spool& spool_;
  std::string name_;
  std::uint32_t target_;
  Clock clock_;
  LineReader reader_;
  std::map<std::uint32_t, Generation> generations_;  // that are there, and those not forgotten yet
  std::uint32_t current_ = kNoGeneration;
  OwnedFd file_;
  std::uint64_t last_segment_ = 0;         // that was read, or is
  std::uint32_t waiting_ = kNoGeneration;  // read to its end; ends when the next one has begun
  std::deque<std::uint32_t> endings_;
  std::vector<std::uint32_t> forgotten_;
  bool finished_ = false;
  std::vector<std::string> messages_;
};

}  // namespace logtally::pipeline
