// What the sources hand to the worker: a run of whole lines of one generation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace logtally::pipeline {

// Bytes behind Chunk::bytes (and behind every text that is taken out of it) that may be read:
// vectorised decoders look ahead.
inline constexpr std::size_t kReadableBehind = 128;

// How much is read at once: it stays in the second-level cache while it is decoded.
inline constexpr std::size_t kChunkBytes = 256 * 1024;

inline constexpr std::uint32_t kNoGeneration = 0xFFFFFFFF;

// Valid until the next read() of the source that gave it. `bytes` may be empty: nothing but too
// long lines, a long skip that has not come to its end, or the mere end of a generation.
struct Chunk {
  std::uint32_t target = 0;      // index into the targets
  std::uint32_t generation = 0;  // one incarnation of a file; a number is never used again
  std::uint64_t offset = 0;      // of bytes.front() in the generation
  std::uint64_t end = 0;         // the generation's position once this chunk is done
  std::string_view bytes;        // whole lines, each ends in '\n'. An unterminated last line of a
                                 // generation that is over gets a '\n' that `end` does not count
  std::int64_t arrival_ns = 0;   // wall clock at the read
  std::uint64_t too_long_lines =
      0;  // lines over the limit that ended before `bytes`; they are not in it
  std::uint64_t too_long_bytes = 0;  // with their newlines
  std::uint64_t nul_bytes = 0;       // skipped before `bytes`; not in it, nor in the lines
  bool begins_generation = false;    // the first of it that this process gives
  // The generation is over: flush what waits for its rest. (Should a renamed file be written again
  // after its grace period, it goes on where it was.)
  bool ends_generation = false;
};

}  // namespace logtally::pipeline
