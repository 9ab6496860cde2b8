// Standard input: a pipe, a FIFO, a terminal or a regular file, read to its end. Bytes go straight
// from read(2) behind the partial line that the last read left; nothing is copied but that partial
// line.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/chunk.h"
#include "pipeline/clock.h"
#include "pipeline/spool.h"

namespace logtally::pipeline {

struct StdinSpec {
  std::string name = "stdin";  // of its target
  int fd = 0;                  // borrowed; its flags are left alone (others may share them)
  int tee_fd = -1;  // every byte is copied there; SIGPIPE must be ignored. Blocks when it blocks
  std::optional<SpoolOptions> spool = {};  // through files, with fd and tee_fd of this
};

// Lives on the worker thread.
class StdinSource {
 public:
  StdinSource(StdinSpec spec, std::uint32_t target, std::uint32_t generation,
              std::uint64_t line_bytes, Clock clock);

  std::optional<Chunk>
  read();  // never blocks on the input; nothing when there is nothing to read now
  bool finished() const { return finished_; }
  bool always_ready() const { return regular_ || again_; }  // no use in polling
  int fd() const { return spec_.fd; }
  std::uint64_t tee_lost_bytes() const { return tee_lost_bytes_; }
  std::vector<std::string> take_messages();

 private:
  bool readable() const;
  void reserve(std::size_t bytes);
  void tee(const char* bytes, std::size_t size);
  std::optional<Chunk> lines(std::size_t fresh);
  Chunk end();
  Chunk take(std::size_t size);

  struct Free {
    void operator()(char* bytes) const;
  };

  StdinSpec spec_;
  std::uint32_t target_;
  std::uint32_t generation_;
  std::uint64_t line_bytes_;
  Clock clock_;
  std::unique_ptr<char, Free> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // the partial line is [begin_, begin_ + held_)
  std::size_t held_ = 0;
  std::uint64_t offset_ = 0;   // of the partial line
  std::uint64_t skipped_ = 0;  // bytes of a too long line that were dropped
  bool in_overlong_ = false;
  bool again_ = false;  // whole lines wait in the buffer
  bool regular_ = false;
  bool finished_ = false;
  std::uint64_t too_long_lines_ = 0;
  std::uint64_t too_long_bytes_ = 0;
  bool tee_ended_ = false;
  std::uint64_t tee_lost_bytes_ = 0;
  std::vector<std::string> messages_;
};

}  // namespace logtally::pipeline
