#include "cli/supervisor.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "cli/run.h"

namespace logtally::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{5000};
constexpr std::chrono::seconds kLasting{1};
constexpr std::chrono::seconds kLastPatience{2};  // between SIGTERM and SIGKILL

constexpr int kForwarded[] = {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

bool is_forwarded(int signal) {
  return std::find(std::begin(kForwarded), std::end(kForwarded), signal) != std::end(kForwarded) ||
         (signal >= SIGRTMIN && signal <= SIGRTMAX);
}

std::string described(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                       ::sigdescr_np(WTERMSIG(status)));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace

std::chrono::milliseconds Backoff::next(std::chrono::nanoseconds lasted) {
  last_ =
      lasted >= kLasting || last_.count() == 0 ? kFirstPause : std::min(2 * last_, kLongestPause);
  return last_;
}

sigset_t block_supervised_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kForwarded) sigaddset(&set, signal);
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) sigaddset(&set, signal);
  for (const int signal : {SIGCHLD, SIGHUP, SIGTSTP, SIGCONT}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return set;
}

Supervisor::Supervisor(Setup setup) : setup_(std::move(setup)), worker_started_(Clock::now()) {}

int Supervisor::run() {
  std::vector<pollfd> waited;
  for (;;) {
    const auto now = Clock::now();
    stop_waiting(now);
    if (done()) return exit_code_;
    if (start_at_ && now >= *start_at_) start_again();

    waited.assign(1, {.fd = setup_.signals.get(), .events = POLLIN, .revents = 0});
    if (setup_.relay) setup_.relay->add_to(waited);
    const bool nobody_reads = !worker_wanted_ && setup_.worker < 0 && setup_.worker_input;
    if (nobody_reads)
      waited.push_back({.fd = setup_.worker_input.get(), .events = POLLIN, .revents = 0});
    ::poll(waited.data(), waited.size(), sleep_for(Clock::now()));
    take_signals();
    if (setup_.relay) {
      setup_.relay->work();
      for (const std::string& message : setup_.relay->take_messages()) setup_.warn(message);
    }
    if (nobody_reads && waited.back().revents != 0) discard();
  }
}

bool Supervisor::done() const {
  if (!command_ended_) return false;
  const bool copied =
      !setup_.relay || told_to_end_ || (setup_.relay->input_ended() && setup_.relay->copied());
  return copied && setup_.worker < 0 && !start_at_;
}

int Supervisor::sleep_for(Clock::time_point now) const {
  auto until = Clock::time_point::max();
  if (start_at_) until = std::min(until, *start_at_);
  if (deadline_) until = std::min(until, *deadline_);
  if (until == Clock::time_point::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

void Supervisor::take_signals() {
  signalfd_siginfo info = {};
  while (::read(setup_.signals.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) continue;
    on_signal(static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL);
  }
  reap();
}

// What the terminal sends (Ctrl-C, Ctrl-Z, another size, a hangup) goes to every process of the
// group in its foreground, the command too: it would get it twice.
void Supervisor::on_signal(int signal, bool of_terminal) {
  const bool pass_on = !command_ended_ && !of_terminal;
  if (is_forwarded(signal)) {
    if (pass_on) ::kill(setup_.command, signal);
    if (command_ended_ && (signal == SIGTERM || signal == SIGINT)) {
      told_to_end_ = true;
      deadline_ = Clock::now();
    }
    return;
  }
  switch (signal) {
    case SIGHUP:  // from a shell or a service manager: load the rules anew
      if (of_terminal) break;
      if (setup_.worker > 0) {
        ::kill(setup_.worker, SIGHUP);
      } else if (!worker_wanted_ && !command_ended_) {
        worker_wanted_ = true;
        start_again();
      }
      break;
    case SIGTSTP:
      if (pass_on) ::kill(setup_.command, SIGTSTP);
      ::kill(::getpid(), SIGSTOP);  // as if it had not been caught; SIGCONT comes next
      break;
    case SIGCONT:
      if (!command_ended_) ::kill(setup_.command, SIGCONT);
      break;
    default:
      break;
  }
}

// All children: as the first process of a container this one gets those that others left.
void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == setup_.command) on_command_end(status);
    if (pid == setup_.worker) on_worker_end(status);
  }
}

void Supervisor::on_command_end(int status) {
  command_ended_ = true;
  exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  deadline_ = Clock::now() + setup_.patience;
  if (start_at_) start_at_ = Clock::now();  // the command is not held up any more
}

void Supervisor::on_worker_end(int status) {
  setup_.worker = -1;
  const auto now = Clock::now();
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (command_ended_ && (code == kExitSuccess || asked_to_end_ > 0)) {  // it read to the end
    worker_wanted_ = false;
    return;
  }
  // A pipe without writers: no worker would find anything in it.
  pollfd input{.fd = setup_.worker_input.get(), .events = POLLIN, .revents = 0};
  const bool at_end = ::poll(&input, 1, 0) > 0 && (input.revents & (POLLIN | POLLHUP)) == POLLHUP;
  if (code == kExitSuccess && at_end) {
    worker_wanted_ = false;
    setup_.warn("the command has closed its output and runs on");
    return;
  }
  if (code == kExitConfiguration || code == kExitUsage) {
    worker_wanted_ = false;
    if (setup_.relay) setup_.relay->drop_worker();
    setup_.warn(
        fmt::format("the worker {} and is not started again; what the command writes is not "
                    "counted any more",
                    described(status)));
    return;
  }
  const auto pause = backoff_.next(now - worker_started_);
  start_at_ = now + pause;
  setup_.warn(
      fmt::format("the worker {}; it is started again in {} ms", described(status), pause.count()));
}

void Supervisor::start_again() {
  start_at_.reset();
  worker_started_ = Clock::now();
  ++restarts_;
  setup_.worker = setup_.start_worker(setup_.worker_input.get(), restarts_);
  if (setup_.worker < 0) {
    const int error = errno;
    const auto pause = backoff_.next(std::chrono::nanoseconds(0));
    start_at_ = worker_started_ + pause;
    setup_.warn(fmt::format("the worker cannot be started: {}; again in {} ms",
                            ::strerrordesc_np(error), pause.count()));
  }
}

// After the command: what still writes or counts is not waited for without end.
void Supervisor::stop_waiting(Clock::time_point now) {
  if (!deadline_ || now < *deadline_) return;
  deadline_.reset();
  if (setup_.relay && !setup_.relay->input_ended()) {
    setup_.warn("something that the command has started still writes; that is not read any more");
    setup_.relay->end_input();
    deadline_ = now + kLastPatience;  // the worker comes to its end now
    return;
  }
  start_at_.reset();
  if (setup_.worker < 0) {
    int left = 0;
    if (worker_wanted_ && ::ioctl(setup_.worker_input.get(), FIONREAD, &left) == 0 && left > 0)
      setup_.warn(fmt::format("the last {} bytes that the command wrote were not counted", left));
    worker_wanted_ = false;
    return;
  }
  if (asked_to_end_++ == 0) {
    if (!told_to_end_)
      setup_.warn(
          "the worker has not come to the end of what the command wrote, or something that the "
          "command has started still writes; it is told to end");
    ::kill(setup_.worker, SIGTERM);
    deadline_ = now + kLastPatience;
  } else {
    setup_.warn("the worker does not end and is killed");
    ::kill(setup_.worker, SIGKILL);
  }
}

// Nobody counts any more; the command is not to be held up.
void Supervisor::discard() {
  std::array<char, 65536> bytes;
  if (::read(setup_.worker_input.get(), bytes.data(), bytes.size()) == 0)
    setup_.worker_input.reset();
}

}  // namespace logtally::cli
