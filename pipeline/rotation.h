// What became of a file: the judgement apart from the deeds, so that it can be tested as a table.
#pragma once

#include <cstdint>

#include "pipeline/generation.h"

namespace logtally::pipeline {

// What a look at a path shows.
struct Observed {
  enum class Kind : std::uint8_t {
    missing,
    unusable /* no regular file, or no right to look */,
    file
  };
  Kind kind = Kind::missing;
  FileId id = {};
  std::uint64_t size = 0;
  bool known_elsewhere =
      false;  // a generation under another path, or one that lost its path, has this id
};

// What the path led to before.
struct Known {
  bool any = false;  // false: nothing was read here yet
  FileId id = {};
  std::uint64_t read_upto = 0;  // offset behind the last byte that was looked at
};

enum class Action : std::uint8_t {
  nothing,   // as before
  skip,      // not to be read, say so once
  start,     // a file that nobody knew: a new generation
  adopt,     // a known generation came to this path
  read,      // grown
  restart,   // shorter than what was read: truncated, a new generation from 0
  retire,    // the path leads nowhere: read the old file to its end
  replace,   // the path leads to a new file: read the old one to its end, then the new one from 0
  exchange,  // the path leads to another known generation: read the old one to its end
};

Action decide(const Observed& observed, const Known& known);

// Rotations seen, per target.
struct Rotations {
  std::uint64_t renamed = 0;
  std::uint64_t truncated = 0;
  std::uint64_t deleted = 0;
};

}  // namespace logtally::pipeline
