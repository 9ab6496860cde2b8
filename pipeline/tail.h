// The files of the targets: finds them, follows them through rotation, reads them in turn.
//
// A generation is one incarnation of a file: a file that is renamed stays the generation it was, a
// file that is truncated becomes a new one. A path leads to at most one generation; a generation
// that lost its path is read to its end and until nothing came for `rotate_grace`, and only then is
// its unterminated last line given out. A new file at the path is read once its predecessor has
// been read to its end, so lines come in the order in which they were written.
//
// A truncated file's rest is looked for in a copy (copytruncate) and read from there as the end of
// the old generation. Files that were rotated before anybody saw them are found by their names and
// read, oldest first. Compressed ones (.gz, .zst) are known by what was compressed.
//
// Across a restart: take_changed() gives what is to be stored with a commit, TailOptions::stored
// takes it back. What the files hold is held against it before a byte is read.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/result.h"
#include "pipeline/chunk.h"
#include "pipeline/clock.h"
#include "pipeline/generation.h"
#include "pipeline/glob.h"
#include "pipeline/line_reader.h"
#include "pipeline/owned_fd.h"
#include "pipeline/rotation.h"
#include "pipeline/siblings.h"
#include "pipeline/watcher.h"

namespace logtally::pipeline {

enum class From : std::uint8_t { end, beginning };  // for files that are there at the start

struct TargetSpec {
  std::string name;
  std::vector<std::string> paths;  // file names or globs: * ? [..] **
  std::vector<std::string>
      exclude;  // globs; without a slash they are held against the last part of the name
  From from = From::end;
  std::vector<std::string> rotated = {};  // globs of more names that rotation gives to its files
  // Directories (absolute, without links) that links may lead into, besides the pattern's own and
  // kLinkRoots. A path without wildcards leads wherever it leads: somebody has named it.
  std::vector<std::string> roots = {};
};

inline constexpr std::string_view kLinkRoots[] = {"/var/log", "/var/lib/docker",
                                                  "/var/lib/containers", "/var/lib/containerd"};

enum class Watching : std::uint8_t { inotify, poll };

struct TailOptions {
  bool follow = true;  // false: read every file from its beginning to its end, then finished
  bool from_beginning = false;  // every target as if it said `from: beginning`
  std::uint64_t line_bytes = 256 * 1024;
  Clock clock = system_clock();
  Watching watching =
      Watching::inotify;  // inotify falls back to polling by itself where it cannot work
  std::chrono::nanoseconds poll_interval = std::chrono::milliseconds(250);
  std::chrono::nanoseconds rescan_interval =
      std::chrono::seconds(10);  // with inotify: in case it missed something
  std::chrono::nanoseconds rotate_grace = std::chrono::seconds(5);
  std::size_t max_open_files = 512;
  std::uint32_t first_generation = 0;
  // Besides standard output and error, what this process writes itself: never read.
  std::vector<FileId> own_output = {};
  // Of an earlier run: followed further at their positions where the files can be found. Those of
  // targets that are no more are left alone.
  std::vector<StoredGeneration> stored = {};
  // Targets of an earlier run, besides those of `stored`: what has appeared meanwhile is read from
  // its beginning, whatever `from` says.
  std::vector<std::string> earlier_targets = {};
};

// Lives on the worker thread.
class Tail {
 public:
  static Result<std::unique_ptr<Tail>> open(std::vector<TargetSpec> targets, TailOptions options);
  ~Tail();

  // The next lines of any file; nothing when there is nothing to read now.
  std::optional<Chunk> read();

  bool finished() const;  // never when following
  int event_fd() const {
    return watcher_.fd();
  }  // readable when read() may have something; -1: only time will tell
  std::chrono::nanoseconds next_look()
      const;  // how long read() need not be called if event_fd() stays silent

  std::string_view path(std::uint32_t generation) const;  // empty for one that is long over
  std::uint32_t predecessor(
      std::uint32_t generation) const;  // that had its path before; kNoGeneration
  const std::vector<std::string>& missing() const {
    return missing_;
  }  // file names (no globs) that did not exist at the start
  const std::vector<Rotations>& rotations() const { return rotations_; }  // by target
  // Generations that have changed since the last call, and all marks as of what read() has given:
  // to be stored in one transaction with what was counted. `counted` is the position behind the
  // last chunk: whoever holds an unfinished record puts it back to where that begins. A generation
  // that ends is among them (Life::finished).
  std::vector<StoredGeneration> take_changed();
  // Of what was shipped, to be stored as well.
  void shipped(std::uint32_t generation, std::uint64_t position);
  // What waits for its rest in the generation is another now: it is among take_changed() again.
  void store_again(std::uint32_t generation);
  // A finished generation whose file is no more need not be known again.
  void forget(std::uint32_t generation);
  // Ended generations that were forgotten since the last call: nothing of them need be stored.
  std::vector<std::uint32_t> take_forgotten() { return std::exchange(forgotten_, {}); }
  std::uint32_t next_generation() const {
    return next_generation_;
  }  // numbers from here on are free
  std::optional<std::uint32_t> target(std::uint32_t generation) const;  // nothing: it is not known

  std::vector<std::string> take_messages();  // what an operator should know, each change once
  std::size_t open_files() const { return open_files_; }

 private:
  struct Generation;
  struct Slot;
  struct Sighting;
  struct Opened;

  Tail(std::vector<TargetSpec> targets, TailOptions options);

  // tail.cc: reading
  bool held_back(const Generation& generation) const;
  std::optional<Chunk> read_generation(Generation& generation);
  bool still_begins(const Generation& generation) const;
  bool look_beside(Generation& generation);
  std::optional<Chunk> at_end(Generation& generation);
  std::optional<Chunk> failed(Generation& generation, int error);
  bool succeed_unread(Generation& generation);
  void give_up(Generation& generation);
  void finish(Generation& generation);
  Chunk chunk_of(Generation& generation, const Lines& lines);
  void align(Generation& generation);
  void enqueue(Generation& generation);

  // tail_scan.cc: finding
  void look();
  void take_events();
  void scan();
  std::vector<Sighting> sight(bool& complete);
  void settle_names(std::vector<Sighting>& sightings);
  void watch_directories(std::vector<std::string> directories);
  void apply(const Sighting& sighting);
  void look_at(Generation& generation, std::uint64_t size, std::int64_t modified_ns);
  void prune();
  void erase(const Generation& generation);

  // tail_rotation.cc: what becomes of files
  void start(const Sighting& sighting, Slot& slot, std::uint32_t predecessor);
  Generation& add(std::uint32_t target, const std::string& path, const FileId& id);
  void adopt(const Sighting& sighting, Slot& slot);
  void settle(Generation& generation);
  void lose_path(Slot& slot);
  void retire(Generation& generation);
  void restart(Generation& generation, std::uint64_t size);
  void retire_idle();

  // tail_copies.cc: the same content in other files
  struct Kin {
    enum class Kind : std::uint8_t { stranger, copy, undecided, gone };
    Kind kind = Kind::stranger;
    std::uint32_t of = kNoGeneration;  // a copy: whose
  };
  Kin kinship(const std::string& path, const FileId& id, std::optional<Opened>& file);
  Kin::Kind compare(Generation& generation, const std::string& path, const Opened& file);
  bool is_a_copy(const Sighting& sighting, Slot& slot);
  bool at_home(const Generation& generation) const;
  bool exists(const Generation& generation) const;
  bool stands(const Generation& generation) const;
  bool move_to_copy(Generation& generation);
  void take_copy(Generation& generation, const std::string& path, const FileId& id, Opened file);

  // tail_missed.cc: what was rotated before anybody saw it
  struct Missed;
  std::uint32_t bridge(const std::string& path, std::uint32_t target, std::uint32_t previous,
                       const FileId& present);
  std::vector<Missed> missed_since(const std::string& path, std::uint32_t target,
                                   const Generation& before, const FileId& present, bool& stale,
                                   bool& none_known);
  bool is_being_copied(const std::string& path, const Opened& file) const;
  bool is_being_copied(const std::string& path, const Opened& file,
                       const std::string& original) const;
  void add_named(const std::string& path, std::uint32_t target,
                 std::vector<Sibling>& siblings) const;

  // tail_store.cc: across a restart
  void restore();
  std::string home_of(const std::string& path, std::uint32_t target) const;
  void recognise(const std::vector<Sighting>& sightings);
  bool verify(Generation& generation, const OwnedFd& fd, Inflated* inflated);
  void lose_tail(Generation& generation, std::uint64_t size);

  // tail_files.cc: descriptors and watches
  void watch(Generation& generation);
  bool open_file(Generation& generation);
  int take_file(Generation& generation, const std::string& path, const FileId& id);
  int take_opened(Generation& generation, const std::string& path, const FileId& id, OwnedFd fd);
  void take_head(Generation& generation);
  bool allowed(const Generation& generation, const OwnedFd& fd) const;
  void close_file(Generation& generation);
  void make_room();
  void spare_descriptors();

  Slot& slot_of(const std::string& path, std::uint32_t target);
  void complain(const std::string& path, const std::string& why);
  void forget_complaint(const std::string& path);
  void touch(Generation& generation);
  Generation* find(std::uint32_t generation) const;
  Generation* find(const FileId& id) const;
  Generation* find_like(const FileId& id) const;  // as well as an earlier run has known it

  struct IdHash {
    std::size_t operator()(const FileId& id) const noexcept {
      return static_cast<std::size_t>((id.inode * 0x9E3779B97F4A7C15U) ^ id.device);
    }
  };

  std::vector<TargetSpec> targets_;
  TailOptions options_;
  LineReader reader_;
  Cursor before_read_;  // of the generation that is being read
  Watcher watcher_;
  Watcher::Events events_;
  std::unordered_map<std::uint32_t, std::unique_ptr<Generation>> generations_;
  std::unordered_map<FileId, std::uint32_t, IdHash> by_id_;
  std::unordered_map<std::string, std::unique_ptr<Slot>> slots_;  // by path
  std::unordered_map<int, std::uint32_t> by_watch_;
  std::unordered_map<std::string, std::vector<std::uint32_t>> by_home_;  // oldest first
  std::unordered_map<FileId, std::uint32_t, IdHash> copies_;  // files that hold what these hold
  std::vector<std::uint32_t> changed_;                        // for take_changed()
  std::vector<std::uint32_t> forgotten_;                      // for take_forgotten()
  std::vector<bool> known_target_;                            // there was an earlier run with it
  std::int64_t last_alive_ns_ = 0;  // wall clock of the last commit of an earlier run
  std::vector<int> directory_watches_;
  std::deque<std::uint32_t> ready_;   // generations that may have unread bytes, in turn
  std::deque<std::uint32_t> opened_;  // in the order in which a descriptor may be taken away
  std::vector<std::uint32_t>
      retiring_;               // lost their path: read until nothing came for the grace period
  std::deque<Chunk> endings_;  // empty chunks that end a generation
  std::deque<std::uint32_t>
      over_;  // ended generations, oldest first: known again when they come back
  std::vector<std::string> missing_;
  std::vector<Rotations> rotations_;
  std::vector<std::string> messages_;
  std::uint32_t next_generation_;
  std::uint64_t scans_ = 0;
  std::size_t open_files_ = 0;
  std::size_t reads_since_look_ = 0;
  bool scan_wanted_ = true;
  bool scanning_ = false;   // what was seen in this scan is there
  bool look_soon_ = false;  // something is not decided
  bool polling_ = false;    // some file or directory cannot be watched
  bool said_polling_ = false;
  bool said_spare_ = false;
  std::chrono::nanoseconds next_scan_{0};
  std::chrono::nanoseconds not_before_;  // scans take at most a fifth of the time
};

}  // namespace logtally::pipeline
