// Interrupts: what reaches the program from outside while it works: the signals that end it or
// have it reload, and the passing of time that the operator is told about. A thread of its own;
// signals are blocked everywhere else.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

#include "pipeline/owned_fd.h"

namespace logtally::cli {

class Interrupts {
 public:
  struct Calls {
    std::function<void(int signal)> on_signal;  // SIGTERM or SIGINT
    std::function<void()> on_hangup{};          // SIGHUP, where block_signals() was told of it
    std::function<void()> on_tick;              // every `period`
    std::chrono::milliseconds period{1000};
  };

  // Blocks the signals in the calling thread and all that it starts from now on; call before any
  // thread is started.
  enum class Hangup : std::uint8_t { waited, ends };
  static void block_signals(Hangup hangup);

  explicit Interrupts(Calls calls);
  ~Interrupts();  // ends the thread
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

 private:
  void wait();

  Calls calls_;
  pipeline::OwnedFd signals_;
  pipeline::OwnedFd end_;
  std::thread thread_;
};

}  // namespace logtally::cli
