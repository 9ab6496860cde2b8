// A writer, a rotator and a reader, step by step: real files in memory, the real Tail with time
// turned by hand, and a model that knows which line was written where. Every step can be taken in
// every situation (it does nothing where it makes no sense), so any part of a sequence is one too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace logtally::pipeline::testing {

enum class StepKind : std::uint8_t {
  write,       // whole lines, to whatever file the writer has open
  write_part,  // a line without its end, which the next write gives
  reopen,      // the writer goes to the file that has the name now, makes it if there is none
  rotate,      // a.2 to a.3, a.1 to a.2, a to a.1 (or to a date); the writer keeps its file
  copy,        // a.2 to a.3, a.1 to a.2, a copied to a.1; the writer stands still until...
  cut,         // ... a is truncated; from 4 on: and is longer than it was before anybody looks
  truncate,    // without a copy; from 4 on: likewise
  remove,      // a itself, while it is written
  remove_old,  // the oldest rotated file
  compress,    // begins a .gz beside a rotated file...
  compressed,  // ... and ends it: the plain one goes
  look,        // a poll interval passes, everything is read
  read_some,   // so many chunks and no more
  commit,
  kill,  // what was not committed is forgotten
  start,
  pass,  // longer than the grace period
};
inline constexpr int kStepKinds = 17;

struct Step {
  StepKind kind = StepKind::look;
  std::uint8_t number = 0;  // which, how many
};

struct Sequence {
  bool in_glob = false;     // rotated names are targets as well
  bool dated = false;       // a-20261101 instead of a.1
  bool few_files = false;   // descriptors for two files only
  bool births = true;       // the file system knows when a file was made
  bool long_lines = false;  // a look at a file gives some of it; some lines are over the limit
  std::vector<Step> steps;
};

Sequence random_sequence(std::uint64_t seed);
std::string to_text(const Sequence& sequence);

// Plays it in an empty directory, and leaves it empty. What is wrong; nothing: all is well.
std::string play(const Sequence& sequence, const std::string& directory);

// The least part of a failing sequence that fails.
Sequence shrink(Sequence sequence, const std::string& directory);

}  // namespace logtally::pipeline::testing
