// What the tail knows of a generation, a path and a sighting; for the tail's own files.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "pipeline/inflated.h"
#include "pipeline/tail.h"

namespace logtally::pipeline {

struct Tail::Generation {
  std::uint32_t number = 0;
  std::uint32_t target = 0;
  std::uint32_t predecessor = kNoGeneration;
  std::string path;    // the last one that led here
  std::string home;    // the path that a target has for it: what rotation made other names of
  std::string origin;  // where it may have been before it was found under a rotated name; or empty
  FileId id;
  Container container = Container::plain;
  Cursor cursor;
  OwnedFd fd;
  std::unique_ptr<Inflated> inflated;  // with a descriptor, for what is compressed
  int watch = -1;
  bool align = false;       // the cursor may stand within a line
  bool queued = false;      // in ready_
  bool used = false;        // since its descriptor was last thought of
  bool rotated = false;     // it lost a path before: counted
  bool retiring = false;    // in retiring_
  bool grace_over = false;  // what it holds now is all that there will be
  bool over = false;
  bool given = false;       // a chunk of it was given
  bool failing = false;     // complained of
  bool refused = false;     // leads out of the directories that are allowed
  bool unverified = false;  // of an earlier run: its content was not looked at yet
  bool changed = false;     // since take_changed()
  bool was_empty = false;   // when it was first seen
  bool looked_beside =
      false;  // for copies of what it may have held before its first bytes were seen
  std::uint64_t shipped = 0;
  std::uint64_t known_size = 0;   // the most that it was seen with; 0 for what is compressed
  std::uint64_t proven_size = 0;  // likewise, when a read has shown that it still was the same
  std::uint64_t looked_size = 0;  // when it was last queued for its looks
  std::int64_t modified_ns = 0;   // likewise
  std::int64_t proven_ns = 0;     // modified_ns, when a read has shown likewise
  std::uint64_t seen_scan = 0;
  bool seen_before = true;  // in the scan before that one
  std::chrono::nanoseconds idle_since{0};

  Bytes bytes() const { return {fd.get(), inflated.get()}; }
};

// A file that was looked into, as what its name and its content say it is.
struct Tail::Opened {
  OwnedFd fd;
  std::unique_ptr<Inflated> inflated;
  Container container = Container::plain;

  // Nothing: errno; ENOENT also if another file is there.
  static std::optional<Opened> open(const std::string& path, const FileId& id);
  Bytes bytes() const { return {fd.get(), inflated.get()}; }
};

// A former file of a path that nobody knew.
struct Tail::Missed {
  Sibling sibling;
  Opened file;
};

// A path that was seen, and what it led to.
struct Tail::Slot {
  std::uint32_t target = 0;
  std::uint32_t generation = kNoGeneration;
  std::uint32_t previous = kNoGeneration;  // before it
  std::uint64_t scan = 0;
  std::string complaint;  // what was last said about it
  // It may be a copy that is being made: since when, and how long it was then.
  std::chrono::nanoseconds undecided_since{0};
  std::uint64_t undecided_size = 0;
};

struct Tail::Sighting {
  std::string path = {};
  std::uint32_t target = 0;
  Observed observed = {};
  bool second_name = false;  // of a file that is read under another path
  std::int64_t modified_ns = 0;
  std::string why = {};  // unusable
};

}  // namespace logtally::pipeline
