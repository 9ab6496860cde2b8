// StateStore: what outlives the process, in one SQLite database. One transaction per group holds
// all that the group changed: positions (compare and advance), series, what tables and timers hold,
// invocations. So the file is always the state of some prefix of the input, whatever happens to the
// process (RELIABILITY: commit, then publish).
//
//   state.db, -wal     the database
//   state.lock         held by the process that uses the directory, with its number
//   state.suspect      a group could not be written because the file is damaged
//   state.attempt      what is being counted, while that is noted (Attempt)
//   snapshot.1.db ..3  copies from before, the first is the newest
//   state.db.corrupt-* a damaged file that was put aside
//
// A commit that failed leaves open whether it is in the file. The store then lets go of the file;
// the next commit opens it again, compares the numbers of groups, and either finds its group there
// or writes it again. So whoever gets a failure changes nothing of what it was to write, and calls
// again.
//
// Lives on the worker thread; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "pipeline/attempt.h"
#include "pipeline/sqlite.h"
#include "pipeline/state_directory.h"
#include "pipeline/state_image.h"

namespace logtally::pipeline {

enum class Sync : std::uint8_t { full, normal };
// What is done about a damaged database without a sound snapshot.
enum class OnCorrupt : std::uint8_t { fail, beginning, end };

struct StateOptions {
  std::string directory;
  Sync sync = Sync::full;
  OnCorrupt on_corrupt = OnCorrupt::fail;
  std::int64_t wall_ns = 0;      // now, since 1970
  std::string boot_id;           // of the machine; empty: not known
  std::uint64_t most_pages = 0;  // of 4 KiB that the database may have; 0: as many as SQLite takes
  // Hears what comes next, before each statement and each change of a file. A test stops the world
  // there.
  std::function<void(std::string_view)> at = [](std::string_view) {};
};

struct CommitFailure {
  enum class Reason : std::uint8_t { no_space, io, corrupt, other, guard };
  Reason reason = Reason::other;
  std::string text;
  // Trying again is of no use: positions are not what they were, or somebody else wrote the file.
  bool final = false;
};

class StateStore {
 public:
  enum class Found : std::uint8_t {
    nothing,    // a new database
    state,      // the database as it was left
    snapshot,   // it was damaged: a copy from before took its place. Until what the files hold by
                // now is counted again, values are older than what was published
    beginning,  // it was damaged and on_corrupt says: everything anew, files from their beginning
    end,        // likewise, from their end
  };
  struct Opened {
    std::unique_ptr<StateStore> store;
    StateImage image;
    Found found = Found::nothing;
    bool clean = true;                  // the last process ended in an orderly way
    bool same_boot = true;              // and the machine has not started again since
    std::vector<std::string> messages;  // for the log
  };
  // Takes the directory, checks and migrates the database, reads all of it.
  static Result<Opened> open(StateOptions options);
  ~StateStore();  // as close() would be if the process were killed
  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  // What one transaction writes. A statement that fails makes the others do nothing.
  class Group {
   public:
    void next_generation(std::uint32_t number) { next_generation_ = number; }
    void clock(const rules::EventClock::Saved& clock) { clock_ = clock; }
    // The targets that are followed from now on: names without newlines.
    void targets(const std::vector<std::string>& names);
    // A generation that is new; `counted` is where reading begins.
    void start(const StoredGeneration& file, std::string_view carry);
    // It stood at these positions when the group began; else the group fails for good.
    void advance(std::uint64_t counted, std::uint64_t shipped, const StoredGeneration& file,
                 std::string_view carry, const Crashes& crashes = {});
    void forget(std::uint32_t generation);

    void forget_counting();  // all families, series, tables and timers: they follow anew
    void put(const BasicFamilyRow<std::string_view>& family);
    void put(const BasicSeriesRow<std::string_view>& series);
    void put(const BasicCappedRow<std::string_view>& capped);
    void put_memory(const BasicFamilyRow<std::string_view>& memory);
    void put(const BasicMemoryRow<std::string_view>& row);
    void forget_row(std::uint32_t memory, std::uint64_t id);
    void put(const TimerRow& timer);
    void forget_timer(std::uint32_t family, std::uint32_t number);
    void put(const InvocationRow& invocation);
    void quarantine(const QuarantinedRow& row, std::int64_t at_ns);

   private:
    friend class StateStore;
    explicit Group(StateStore& store);
    void run(std::string_view point, sqlite::Statement& statement, int must_change = -1);

    StateStore& store_;
    std::optional<CommitFailure> failed_;
    std::uint32_t next_generation_;
    rules::EventClock::Saved clock_;
  };
  // Nothing: it is durable.
  std::optional<CommitFailure> commit(const std::function<void(Group&)>& fill);

  // A number that no generation had or will have, also in later processes; durable with the next
  // group (which is before anything of the generation is).
  std::uint32_t take_generation() { return next_generation_++; }
  std::uint32_t next_generation() const { return next_generation_; }

  std::uint64_t groups() const { return groups_; }
  const std::string& directory() const { return directory_.path(); }

  // Where this process notes what it is counting, for the next start.
  Result<AttemptNote> note_attempts() const;

  // Between groups, when there is nothing else to do: gives back what the log takes on disk.
  void settle();
  // Copies the database aside, checks the copy and lets it be the newest of three. Does nothing
  // when no group came since the last one.
  Result<void> snapshot();

  // Says in the file that this was an orderly end. No group any more.
  Result<void> close();

 private:
  struct Statements;
  StateStore(StateDirectory directory, StateOptions options);

  sqlite::Outcome connect(const std::string& path, sqlite::Open how);
  sqlite::Outcome make();
  sqlite::Outcome migrate(int from);
  sqlite::Outcome prepare();
  sqlite::Outcome load(StateImage& image, std::string& clean, std::string& boot);
  sqlite::Outcome load_condemned(std::vector<Attempt>& condemned);
  sqlite::Outcome note_deaths(StateImage& image, const std::optional<pipeline::Attempt>& died);
  sqlite::Outcome begin_use(StateImage& image, bool clean, bool same_boot);
  sqlite::Outcome put_meta(std::string_view key, std::string_view value);
  sqlite::Outcome put_progress(std::uint64_t groups, std::uint32_t next_generation,
                               const rules::EventClock::Saved& clock);
  std::optional<CommitFailure> reopen();
  void let_go();
  std::string database_path() const { return directory_.file("state.db"); }

  struct Trial {
    std::optional<sqlite::Failure> failed;
    StateImage image;
    std::string clean;
    std::string boot;
  };
  Trial try_open();
  bool restore_snapshot(Opened& opened, std::string& why);
  Result<void> put_aside(std::vector<std::string>& messages);

  StateDirectory directory_;
  StateOptions options_;
  sqlite::Database database_;
  std::unique_ptr<Statements> statements_;
  std::string uuid_;
  std::string lone_attempt_;  // as stored: of a segment of the spool that has no row yet
  std::uint64_t starts_ = 0;  // how often the file was taken into use, this time included
  std::uint64_t groups_ = 0;  // in the file, as far as is known
  bool doubtful_ = false;     // a commit failed: the file is closed
  std::uint32_t next_generation_ = 0;
  rules::EventClock::Saved clock_;
  std::uint64_t snapshot_groups_ = 0;  // in the newest snapshot, as far as this process made it
};

}  // namespace logtally::pipeline
