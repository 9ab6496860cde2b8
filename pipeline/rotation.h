// What became of a file: the judgements apart from the deeds, so that they can be tested as tables.
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

// What a file holds, held against what was remembered of a generation (generation.h).
struct ContentFacts {
  enum class Head : std::uint8_t { equal, differs, too_short /* the file is shorter than it */ };
  enum class Tail : std::uint8_t { equal, differs, beyond_end /* the file is shorter */ };
  enum class Ladder : std::uint8_t { none_within /* no rung within the file */, equal, differs };
  // Whose file it was all the time, or whether it could have lost its end while nobody looked. What
  // shrinks before our eyes was truncated: power cuts do not leave us running.
  enum class Occasion : std::uint8_t { watching, restart };

  bool anything_known = false;  // of its content: a byte was read or a head taken. Unread: the head
                                // alone, and a shorter file differs from it
  bool empty = false;
  Head head = Head::equal;
  Tail tail = Tail::equal;
  Ladder ladder = Ladder::none_within;  // asked for only when the tail mark is beyond the end
  Occasion occasion = Occasion::watching;

  friend bool operator==(const ContentFacts&, const ContentFacts&) = default;
};

enum class Content : std::uint8_t {
  same,       // go on at the position
  tail_lost,  // the same without its end (a power cut): go on at the end that it has now
  another,    // truncated or replaced: a new generation from 0; the rest of the old one may stand
              // in a copy
};

Content judge(const ContentFacts& facts);

// How the identity that was remembered relates to that of a file. `same_file` and `renumbered` (a
// device got another number over a reboot) hold if the content does not say otherwise; a birth time
// that nobody knows is no evidence.
enum class Likeness : std::uint8_t { same_file, renumbered, none };

Likeness likeness(const FileId& remembered, const FileId& seen);

// Rotations and losses seen, per target.
struct Rotations {
  std::uint64_t renamed = 0;
  std::uint64_t truncated = 0;
  std::uint64_t deleted = 0;
  std::uint64_t copied = 0;  // of the truncated: the rest was found in a copy
  std::uint64_t missed = 0;  // found only after they had been rotated, and read then
  // Bytes that nobody can read any more, where it is known how many: the file was seen with them.
  std::uint64_t lost_truncated_bytes = 0;  // truncated before they were read, and in no copy
  std::uint64_t lost_deleted_bytes = 0;    // the file went away before they were read
  std::uint64_t lost_tail_bytes = 0;       // counted, and gone from the file since (a power cut)
  std::uint64_t lost_generations = 0;      // files that went away, or whose successors did, unread
  std::uint64_t unterminated_lines = 0;    // given out at the end of a rotated file
  std::uint64_t nul_bytes = 0;             // skipped in front of lines: what a power cut leaves
};

}  // namespace logtally::pipeline
