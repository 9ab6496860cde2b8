// Supervisor: what `exec` does while the command runs. One thread, one loop: it passes signals on,
// starts the worker again when it ends before its time, carries bytes where a Relay is needed, and
// sees to it that all ends in order.
//
//   command ──▶ pipe ──▶ worker                     merged: the worker reads the command's own pipe
//   command ══▶ 2 pipes ══▶ Relay ──▶ pipe ──▶ worker     with copies, or labelled
//                             ╚═▶ standard output, standard error
//
// The read end of the worker's pipe is held here too: a worker that dies takes no byte along that
// it has not read, and the command never gets SIGPIPE. While there is no worker the pipe fills;
// then the command waits, until there is one again.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "cli/relay.h"
#include "pipeline/owned_fd.h"

namespace logtally::cli {

// How long to wait before a worker that ended is started again: 100 ms, doubled up to 5 s while
// they do not last.
class Backoff {
 public:
  std::chrono::milliseconds next(std::chrono::nanoseconds lasted);

 private:
  std::chrono::milliseconds last_{0};
};

// The signals that the supervisor waits for; all are blocked in the caller.
sigset_t block_supervised_signals();

class Supervisor {
 public:
  using Clock = std::chrono::steady_clock;

  struct Setup {
    pid_t command = -1;
    pipeline::OwnedFd worker_input{};  // read end of the worker's pipe
    std::optional<Relay> relay{};
    std::function<pid_t(int input, std::uint64_t restarts)> start_worker{};
    std::function<void(const std::string&)> warn{};
    pid_t worker = -1;                         // started already
    pipeline::OwnedFd signals{};               // a signalfd of those that are blocked
    std::chrono::milliseconds patience{5000};  // with the worker, once the command has ended
  };
  explicit Supervisor(Setup setup);

  // To the end of the command and of what it wrote; its exit status.
  int run();

 private:
  bool done() const;
  void take_signals();
  void on_signal(int signal, bool of_terminal);
  void reap();
  void on_worker_end(int status);
  void on_command_end(int status);
  void start_again();
  void stop_waiting(Clock::time_point now);
  int sleep_for(Clock::time_point now) const;  // milliseconds for poll()
  void discard();

  Setup setup_;
  Backoff backoff_;
  bool command_ended_ = false;
  int exit_code_ = 0;
  bool worker_wanted_ = true;  // false: its configuration is invalid, or it has come to its end
  bool told_to_end_ = false;   // SIGTERM or SIGINT after the command has ended
  Clock::time_point worker_started_;
  std::optional<Clock::time_point> start_at_;  // a worker
  std::optional<Clock::time_point> deadline_;  // of what is left after the command has ended
  std::uint64_t restarts_ = 0;
  int asked_to_end_ = 0;  // how often the worker was told
};

}  // namespace logtally::cli
