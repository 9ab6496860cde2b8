#include "cli/interrupts.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace logtally::cli {
namespace {

sigset_t waited_signals(Interrupts::Hangup hangup) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (hangup == Interrupts::Hangup::waited) sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void Interrupts::block_signals(Hangup hangup) {
  const sigset_t set = waited_signals(hangup);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore,
            nullptr);  // a reader that went away is an error of write(2), not our end
}

Interrupts::Interrupts(Calls calls) : calls_(std::move(calls)) {
  const sigset_t set = waited_signals(Hangup::waited);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  end_.reset(eventfd(0, EFD_CLOEXEC));
  thread_ = std::thread([this] { wait(); });
}

Interrupts::~Interrupts() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(end_.get(), &one, sizeof one));
  thread_.join();
}

void Interrupts::wait() {
  auto next_tick = std::chrono::steady_clock::now() + calls_.period;
  for (;;) {
    pollfd waited[] = {{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                       {.fd = end_.get(), .events = POLLIN, .revents = 0}};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(next_tick - std::chrono::steady_clock::now());
    ::poll(waited, 2, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (waited[1].revents != 0) return;
    signalfd_siginfo info = {};
    if (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGHUP) {
        calls_.on_hangup();
      } else {
        calls_.on_signal(static_cast<int>(info.ssi_signo));
      }
    }
    if (std::chrono::steady_clock::now() >= next_tick) {
      next_tick += calls_.period;
      if (calls_.on_tick) calls_.on_tick();
    }
  }
}

}  // namespace logtally::cli
