// Everything that is read, as the one thing that the worker sees.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "pipeline/chunk.h"
#include "pipeline/spool_source.h"
#include "pipeline/stdin_source.h"
#include "pipeline/tail.h"

namespace logtally::pipeline {

// Of a process without state, whose numbers begin at 0.
inline constexpr std::uint32_t kStdinGeneration = 0;

// Lives on the worker thread.
class Inputs {
 public:
  // `targets` have the indexes 0, 1, ... in chunks; standard input comes behind them. Standard
  // input has generation TailOptions::first_generation, files have those behind it.
  static Result<std::unique_ptr<Inputs>> open(std::vector<TargetSpec> targets,
                                              std::optional<StdinSpec> standard_input,
                                              TailOptions options);

  // The next lines of any source, in turn; nothing when there is nothing to read now. A chunk is
  // valid until the next read().
  std::optional<Chunk> read();

  // Sleeps until there may be something to read, `wake_fd` (-1: none) is readable, or `timeout` is
  // over. True if read() may have something.
  bool wait(std::chrono::milliseconds timeout, int wake_fd);

  bool finished()
      const;  // every source is at its end: files when not following, standard input at its end

  std::size_t target_count() const { return target_names_.size(); }
  std::string_view target_name(std::uint32_t target) const { return target_names_[target]; }
  std::string_view path(std::uint32_t generation) const;  // "-" for standard input
  // The generation that had its path before it, or kNoGeneration: a record cut by a rotation has
  // its beginning there.
  std::uint32_t predecessor(std::uint32_t generation) const;

  // As Tail's: what is to be stored of the files with a commit, and what need not be known again.
  std::vector<StoredGeneration> take_changed();
  void shipped(std::uint32_t generation, std::uint64_t position);
  void store_again(std::uint32_t generation);
  void forget(std::uint32_t generation);
  std::vector<std::uint32_t> take_forgotten();
  // What the two gave last is durable.
  void committed();
  std::uint32_t next_generation() const;
  // The file's target; nothing for standard input that is not spooled, which cannot be read again,
  // and for what is not known.
  std::optional<std::uint32_t> target_of_file(std::uint32_t generation) const;

  Rotations rotations(std::uint32_t target) const;
  const std::vector<std::string>& missing()
      const;  // file names (no globs) that did not exist at the start
  std::uint64_t tee_lost_bytes() const;
  std::uint64_t spool_bytes() const;          // that the spool of standard input has
  std::uint64_t spool_dropped_bytes() const;  // that it had, or was to have, and nobody counted
  std::vector<std::string> take_messages();   // for the log: each change once

 private:
  Inputs() = default;

  std::unique_ptr<Tail> tail_;          // null: no targets
  std::unique_ptr<StdinSource> stdin_;  // null: not read, or spooled
  std::unique_ptr<Spool> spool_;        // these three: null without a spool
  std::unique_ptr<SpoolSource> spooled_;
  std::unique_ptr<SpoolThread> appender_;
  std::uint32_t stdin_target_ = 0;
  std::vector<std::string> target_names_;
  std::uint32_t stdin_generation_ = kStdinGeneration;
  bool stdin_first_ = false;  // whose turn it is
};

}  // namespace logtally::pipeline
