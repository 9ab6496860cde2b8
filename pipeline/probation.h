// Probation: after the process has died twice in a row, it goes line by line until what is there is
// counted, and notes each before it is counted (Attempt). A line during which it died kDeaths times
// in a row is condemned: it is skipped and kept in quarantine. So a line that ends the process
// costs four deaths (two until probation, two alone) and then itself, and deaths from outside (kill
// -9, no memory) cost nothing: they would have to hit the same line twice.
//
// Lives on the worker thread.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "pipeline/attempt.h"
#include "pipeline/state_image.h"

namespace logtally::pipeline {

class Probation {
 public:
  static constexpr std::uint32_t kDeathsBefore = 2;  // in a row
  static constexpr std::uint32_t kDeaths = 2;        // during one line

  // Whether what an earlier process left calls for it.
  static bool wanted(const StateImage& image);

  Probation(AttemptNote note, std::vector<Attempt> condemned)
      : note_(std::move(note)), condemned_(std::move(condemned)) {}

  // What is condemned of [offset, behind), if anything is.
  std::optional<Attempt> verdict(std::uint32_t generation, Attempt::What what, std::uint64_t offset,
                                 std::uint64_t behind) const;

  // From here on this is being counted; within a line also the record that it ends.
  void line(const Attempt& attempt) {
    line_ = attempt;
    note_.put(attempt);
  }
  void record(const Attempt& attempt) { note_.put(attempt); }
  // The record is done, and the line around it, if there is one, goes on.
  void record_done() {
    if (line_) {
      note_.put(*line_);
    } else {
      note_.clear();
    }
  }
  void line_done() {
    line_.reset();
    note_.clear();
  }

 private:
  AttemptNote note_;
  std::vector<Attempt> condemned_;
  std::optional<Attempt> line_;
};

// What these counts condemn, of the generation that has them.
std::optional<Attempt> condemned_by(const Crashes& crashes, std::uint32_t generation);

// The counts of a generation when a process has died: `died` is what that was counting, if it is
// known. And when a group moves on from `before` to `file`.
Crashes after_death(const Crashes& before, const StoredGeneration& file,
                    const std::optional<Attempt>& died);
Crashes after_group(const Crashes& before, std::uint64_t counted_before,
                    const StoredGeneration& file);

}  // namespace logtally::pipeline
