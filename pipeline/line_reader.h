// Reads whole lines of a file from an absolute offset. A cursor is little more than that offset, so
// two readers may follow the same file at different speeds, and one reader serves any number of
// files with one buffer.
//
// A partial last line waits: the cursor stays at its start, and `searched` remembers how far there
// is no newline, so that a line which grows slowly is searched once. A line over the limit is
// skipped in pieces; the cursor stays at its start until its newline is found, so whoever starts
// again from the position finds the same line too long once.
//
// Every read begins kMarkBytes early and holds what stands there against the mark that the read
// before it left: a file that was truncated and has grown again is found at once, without a system
// call more. NUL bytes in front of a line (what a power cut, a hole or a writer without O_APPEND
// leaves) are skipped and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "pipeline/chunk.h"
#include "pipeline/generation.h"
#include "pipeline/inflated.h"

namespace logtally::pipeline {

struct Cursor {
  std::uint64_t position = 0;  // start of the first line that was not given out
  std::uint64_t searched = 0;  // no newline in [position, searched)
  bool in_overlong = false;    // the line at `position` is over the limit
  // Of what was read. The tail mark stands at `searched`; where it does not, the next read has
  // nothing to hold its bytes against, and sets it. Head: as of a read from the beginning.
  Marks marks = {};
};

// What a read gave; `bytes` is valid until the reader's next read().
struct Lines {
  enum class Status : std::uint8_t {
    lines,    // something below is not empty
    more,     // a long line is being skipped: nothing yet, call again
    end,      // no whole line behind the position now
    changed,  // what stands before `searched` is not what was read there: truncated meanwhile
    failed,   // see `error`
  };
  Status status = Status::end;
  int error = 0;             // errno
  std::uint64_t offset = 0;  // of bytes.front()
  std::string_view bytes;
  std::uint64_t too_long_lines = 0;  // before `bytes`
  std::uint64_t too_long_bytes = 0;
  std::uint64_t nul_bytes = 0;  // skipped before `bytes`
};

// Not thread-safe.
class LineReader {
 public:
  enum class Rest : std::uint8_t { waits, is_a_line };  // what an unterminated last line is

  explicit LineReader(std::uint64_t line_bytes);

  // Moves the cursor behind what it gives.
  Lines read(const Bytes& file, Cursor& cursor, Rest rest);

  std::size_t capacity() const { return capacity_; }

 private:
  ssize_t fetch(const Bytes& file, const Cursor& cursor, char* to, std::size_t size, Lines& lines);
  bool skip_overlong(const Bytes& file, Cursor& cursor, Rest rest, Lines& lines);
  bool skip_nuls(const Bytes& file, Cursor& cursor, std::size_t size, Lines& lines);
  std::size_t within_limit(const char* bytes, std::size_t size) const;
  bool fill_prefix(const Bytes& file, const Cursor& cursor, std::size_t size, Lines& lines);
  void reserve(std::size_t bytes);
  char* base() const { return buffer_.get() + kMarkBytes; }

  std::uint64_t line_bytes_;
  std::size_t capacity_ = 0;  // behind base(), without the padding
  std::unique_ptr<char[]> buffer_;
};

}  // namespace logtally::pipeline
