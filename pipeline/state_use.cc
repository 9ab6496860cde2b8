// What a start writes into the state before anything else: that it is in use, and what the death of
// the process before it tells.
#include <sqlite3.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "pipeline/probation.h"
#include "pipeline/spool_source.h"
#include "pipeline/state_schema.h"
#include "pipeline/state_statements.h"
#include "pipeline/state_store.h"

namespace logtally::pipeline {
namespace {

using sqlite::Failure;
using sqlite::Outcome;

constexpr const char* kAttemptName = "state.attempt";

}  // namespace

// From now on the file is in use: an end without close() is an unclean one.
Outcome StateStore::begin_use(StateImage& image, bool clean, bool same_boot) {
  uuid_ = image.uuid;
  groups_ = image.groups;
  next_generation_ = image.next_generation;
  clock_ = image.clock;
  const std::optional<Attempt> died =
      clean ? std::nullopt : read_attempt(directory_.file(kAttemptName), starts_);
  ++starts_;
  options_.at("begin use");
  if (auto failed = statements_->begin.run()) return failed;
  const auto written = [&]() -> Outcome {
    if (auto failed = put_meta("clean", "0")) return failed;
    if (auto failed = put_meta("boot_id", options_.boot_id)) return failed;
    if (auto failed = put_meta("starts", std::to_string(starts_))) return failed;
    if (!clean && !same_boot) return std::nullopt;  // the machine went down: no line does that
    image.deaths = clean ? 0 : image.deaths + 1;
    if (auto failed = put_meta("deaths", std::to_string(image.deaths))) return failed;
    return note_deaths(image, clean ? std::nullopt : died);
  };
  auto failed = written();
  options_.at("commit use");
  if (!failed) failed = statements_->commit.run();
  if (failed) static_cast<void>(database_.run(schema::kRollback));
  return failed;
}

// Whichever place the process died at, it is one of those where reading stood.
Outcome StateStore::note_deaths(StateImage& image, const std::optional<Attempt>& died) {
  Group group(*this);
  const auto condemn = [&](const Attempt& condemned) {
    std::erase_if(image.condemned, [&](const Attempt& one) { return one.same_place(condemned); });
    image.condemned.push_back(condemned);
    group.quarantine({.generation = condemned.generation,
                      .offset = condemned.offset,
                      .length = 0,
                      .bytes = std::to_string(condemned.to_column())},
                     options_.wall_ns);
  };
  bool has_row = false;
  for (SavedGeneration& saved : image.generations) {
    const Crashes before = saved.crashes;
    const bool was_here = died && died->generation == saved.file.number;
    has_row = has_row || was_here;
    if (image.deaths == 0) {
      saved.crashes = {};
    } else if (saved.file.life != Life::finished || before.attempt || was_here) {
      saved.crashes = after_death(before, saved.file, died);
    }
    if (const auto condemned = condemned_by(saved.crashes, saved.file.number)) {
      condemn(*condemned);
      saved.crashes = {};
    }
    if (saved.crashes != before)
      group.advance(saved.file.counted, saved.file.shipped, saved.file, saved.carry, saved.crashes);
  }
  // A segment of the spool has a row once something of it was counted. (A file has one before.)
  std::string lone;
  if (died && !has_row && is_of_spool(died->generation)) {
    StoredGeneration segment;
    segment.number = died->generation;
    Crashes before;
    const std::size_t blank = lone_attempt_.find(' ');
    if (blank != std::string::npos) {
      before.attempt = std::strtoull(lone_attempt_.c_str(), nullptr, 10);
      before.count =
          static_cast<std::uint32_t>(std::strtoul(lone_attempt_.c_str() + blank, nullptr, 10));
    }
    const Crashes after = after_death(before, segment, died);
    if (const auto condemned = condemned_by(after, segment.number)) {
      condemn(*condemned);
    } else {
      lone = fmt::format("{} {}", *after.attempt, after.count);
    }
  }
  if (lone != lone_attempt_) {
    if (auto failed = put_meta("attempt", lone)) return failed;
    lone_attempt_ = std::move(lone);
  }
  if (group.failed_) return Failure{.code = SQLITE_ERROR, .text = group.failed_->text};
  return std::nullopt;
}

Result<AttemptNote> StateStore::note_attempts() const {
  return AttemptNote::open(directory_.file(kAttemptName), starts_);
}

}  // namespace logtally::pipeline
