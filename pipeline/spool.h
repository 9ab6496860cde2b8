// Spool: standard input as files. What comes through the pipe is appended to segments in the state
// directory before anybody looks at it, so a process that is killed takes no byte along, and
// whoever writes into the pipe need not wait for who counts.
//
//   stdin-000001.log, stdin-000002.log ...   segments; the last one grows
//   stdin.source                             which pipe that one comes from
//
// A pipe is spliced: the kernel moves the bytes in one step, there is no moment in which they are
// in this process' memory alone. Segments are cut at newlines (how much to splice is found with
// tee(2), before anything is moved); a line longer than a segment makes the segment longer.
//
// The whole is bounded. When it is full, whole oldest segments go, counted or not, and are told of
// (drop_oldest), or the pipe is left to fill (block). A disk that takes no more counts as full.
//
// append() is the writer's, on one thread; everything else is for the reader, on another. They
// share the list of segments under a lock. See SpoolThread and SpoolSource.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "config/result.h"
#include "pipeline/owned_fd.h"

namespace logtally::pipeline {

enum class WhenFull : std::uint8_t { drop_oldest, block };

struct SpoolOptions {
  std::string directory;
  int input = 0;    // borrowed: a pipe, a FIFO or a socket
  int tee_fd = -1;  // every byte is copied there; blocks when it blocks
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;  // at most a quarter of max_bytes is used
  WhenFull when_full = WhenFull::drop_oldest;
  // Numbers up to this one have been used.
  std::uint64_t last_number = 0;
  // Which stream the input is; the segment of the same one is continued.
  std::string source = {};
  // What the next write to a segment is to fail with, or 0: for tests.
  std::function<int()> fault = {};
};

// Of a pipe or socket: the same for everybody who has it, another one for every other until the
// machine starts again.
std::string source_of(int fd, const std::string& boot_id);

class Spool {
 public:
  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
    bool sealed = false;     // it does not grow any more
    bool continues = false;  // the one before it: both are of one stream, cut between two lines
  };

  // Takes up the segments that are there.
  static Result<std::unique_ptr<Spool>> open(SpoolOptions options);

  // --- The writer's thread.
  enum class Step : std::uint8_t {
    appended,  // there may be more
    idle,      // nothing in the pipe
    full,      // the pipe must wait
    ended,     // nothing will come any more
  };
  Step append();  // waits for the disk and for `tee_fd` alone
  int input() const { return options_.input; }

  // --- The reader's.
  std::optional<Segment> find(std::uint64_t number) const;   // nothing: dropped, or removed
  std::optional<Segment> after(std::uint64_t number) const;  // the next that there is
  std::string path(std::uint64_t number) const;
  void reading(std::uint64_t number, std::uint64_t position);  // what is before it is not lost
  void remove(std::uint64_t number);
  bool ended() const;  // and all segments are sealed

  // --- Any thread.
  int event_fd() const { return event_.get(); }  // readable after an append; drain() it, then look
  void drain() const;
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t dropped_bytes() const { return dropped_; }
  std::vector<std::string> take_messages();

 private:
  explicit Spool(SpoolOptions options) : options_(std::move(options)) {}

  Result<void> take_up();
  int make_active();
  bool make_room();
  bool drop_one();
  int begin_line();
  int move(std::size_t most, std::size_t& moved);
  int write_kept();
  Step fill_kept();
  std::size_t to_newline();
  Step failed(int error);
  Step end();
  void grow(std::size_t by);
  void seal();
  void tell(std::string text);
  bool mid_line() const;

  SpoolOptions options_;
  std::uint64_t segment_bytes_ = 0;
  bool spliced_ = false;
  OwnedFd event_;
  OwnedFd peek_read_, peek_write_;
  // The writer's alone:
  OwnedFd active_;
  std::uint64_t active_bytes_ = 0;
  bool continues_ = false;  // the next segment does
  std::string kept_;        // read, and in no segment yet
  bool discarding_ = false;
  bool discarded_mid_line_ = false;
  bool told_full_ = false;

  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;
  mutable std::mutex mutex_;
  std::deque<Segment> segments_;       // guarded by mutex_; oldest first
  std::uint64_t next_number_ = 1;      // guarded by mutex_
  std::uint64_t reading_ = 0;          // guarded by mutex_
  std::uint64_t position_ = 0;         // guarded by mutex_
  bool ended_ = false;                 // guarded by mutex_
  std::vector<std::string> messages_;  // guarded by mutex_
};

// Appends to the end, or until it is told to stop.
class SpoolThread {
 public:
  explicit SpoolThread(Spool& spool);
  ~SpoolThread();
  SpoolThread(const SpoolThread&) = delete;
  SpoolThread& operator=(const SpoolThread&) = delete;

 private:
  void run();

  Spool& spool_;
  OwnedFd stop_;
  std::thread thread_;
};

}  // namespace logtally::pipeline
