// Attempt: what is being counted right now, kept where a death of the process does not reach it, so
// that the next start knows which line it was.
//
// The note is a file of a few bytes that is overwritten before each line. It is never synced: what
// is written stays in the system's memory when the process goes, and a machine that went down was
// not brought down by a line. A note says which start wrote it; an older one is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/result.h"
#include "pipeline/owned_fd.h"

namespace logtally::pipeline {

struct Attempt {
  enum class What : std::uint8_t {
    line,    // the line that begins at `offset`
    record,  // the record that begins there, which further lines could have continued
  };
  std::uint32_t generation = 0;
  std::uint64_t offset = 0;  // below 2^61
  What what = What::line;
  bool redacting = false;  // it was already condemned, and its text was made fit to be kept

  // As a column of the state, without the generation; and back.
  std::uint64_t to_column() const;
  static Attempt from_column(std::uint32_t generation, std::uint64_t column);

  // Of the same line or record, whatever was done to it.
  bool same_place(const Attempt& other) const {
    return generation == other.generation && offset == other.offset && what == other.what;
  }
  friend bool operator==(const Attempt&, const Attempt&) = default;
};

// Writes the note. Lives on the worker thread.
class AttemptNote {
 public:
  // Makes the file if need be; until put() it says that nothing is being counted. `start`: a number
  // that no other start of a process has.
  static Result<AttemptNote> open(const std::string& path, std::uint64_t start);

  void put(const Attempt& attempt);
  void clear();

 private:
  AttemptNote(OwnedFd file, std::uint64_t start) : file_(std::move(file)), start_(start) {}
  bool write(const Attempt* attempt);

  OwnedFd file_;
  std::uint64_t start_;
};

// What the process of this start was counting when it died; nothing: nothing, or there is no whole
// note of it.
std::optional<Attempt> read_attempt(const std::string& path, std::uint64_t start);

}  // namespace logtally::pipeline
