// Starting processes, for `exec`: the command, found as a shell finds it, and the worker beside it.
// For a process without threads.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "pipeline/owned_fd.h"

namespace logtally::cli {

// Why a command does not run, as shells, env and timeout tell it.
struct NotStarted {
  int exit_code = 0;  // 126: it is there and cannot be executed; 127: it is not there
  std::string text;
};
NotStarted not_started(const std::string& command, int error);

// The file that `command` names: itself when there is a slash in it, else the first in the
// directories of `path` (as $PATH: an empty one is the working directory) that can be executed.
struct FoundCommand {
  std::string file;
  int error = 0;  // errno, when there is none
};
FoundCommand find_command(const std::string& command, std::string_view path);

// What of signals this process was started with, for those that it starts.
struct InheritedSignals {
  static InheritedSignals take();
  void restore() const;

  sigset_t mask{};
  struct sigaction pipe {};
};

// A process that has been made and waits before it becomes the command: its number is known, and
// nothing of the command has run.
class HeldCommand {
 public:
  static Result<HeldCommand> make(const std::string& file,
                                  const std::vector<std::string>& arguments, int standard_output,
                                  int standard_error, const InheritedSignals& signals);

  pid_t pid() const { return pid_; }
  int release();  // lets it run; errno when it cannot be executed, and then it has ended
  void cancel();  // it ends without having run

 private:
  HeldCommand(pid_t pid, pipeline::OwnedFd go, pipeline::OwnedFd failure)
      : pid_(pid), go_(std::move(go)), failure_(std::move(failure)) {}

  pid_t pid_;
  pipeline::OwnedFd go_;       // a byte lets it run, the end cancels it
  pipeline::OwnedFd failure_;  // its errno; ends when it runs
};

// A process of this program that runs `body` with `input` as its standard input, in a process group
// of its own: what the terminal sends to the others does not reach it. No other descriptor but
// those three and the one that `body` gets: it writes a byte there when it is ready. -1: see errno.
pid_t start_worker(int input, int ready, const InheritedSignals& signals,
                   const std::function<int(int ready)>& body);

struct PipeEnds {
  pipeline::OwnedFd read;
  pipeline::OwnedFd write;
};
Result<PipeEnds> make_pipe();

}  // namespace logtally::cli
