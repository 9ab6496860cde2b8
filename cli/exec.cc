#include "cli/exec.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "cli/child_process.h"
#include "cli/relay.h"
#include "cli/run.h"
#include "cli/supervisor.h"
#include "pipeline/clock.h"

namespace logtally::cli {
namespace {

using pipeline::OwnedFd;

constexpr int kPipeBytes = 1024 * 1024;
constexpr std::chrono::seconds kReadyPatience{10};

void error(const std::string& text) { std::fprintf(stderr, "error: %s\n", text.c_str()); }

// What the worker is told: `run -` with our flags.
config::CommandLine worker_line(const config::CommandLine& line, pid_t command) {
  config::CommandLine run = line;
  run.verb = config::Verb::run;
  run.files.clear();
  run.from_stdin = true;
  run.tee = false;  // the copies are made before it
  run.engine_pid = command;
  return run;
}

int status_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Until the first worker is ready, has ended, or is slow beyond all measure. What it ended with, or
// with what a signal ends us; nothing: the command may start.
std::optional<int> wait_until_ready(pid_t worker, int ready, int signals) {
  const auto end = std::chrono::steady_clock::now() + kReadyPatience;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    pollfd waited[] = {{.fd = ready, .events = POLLIN, .revents = 0},
                       {.fd = signals, .events = POLLIN, .revents = 0}};
    ::poll(waited, 2, static_cast<int>(left.count()));
    if (waited[0].revents != 0) {
      char byte = 0;
      if (::read(ready, &byte, 1) == 1) return std::nullopt;
      int status = 0;
      ::waitpid(worker, &status, 0);
      const int code = status_of(status);
      return code == kExitSuccess ? kExitWrong : code;
    }
    signalfd_siginfo info = {};
    if (::read(signals, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT && info.ssi_signo != SIGQUIT)
      continue;
    ::kill(worker, SIGKILL);
    ::waitpid(worker, nullptr, 0);
    return 128 + static_cast<int>(info.ssi_signo);
  }
}

}  // namespace

int exec(const config::CommandLine& line, const config::Environment& environment) {
  if (line.print_config) return run(worker_line(line, 0), environment);

  const std::string& name = line.files.front();
  const auto path = environment.find("PATH");
  const FoundCommand found =
      find_command(name, path == environment.end() ? "/usr/local/bin:/usr/bin:/bin" : path->second);
  const auto refuse = [&](int why) {
    const NotStarted refused = not_started(name, why);
    error(refused.text);
    return refused.exit_code;
  };
  if (found.error != 0) return refuse(found.error);

  const InheritedSignals inherited = InheritedSignals::take();
  const sigset_t waited = block_supervised_signals();
  ::signal(SIGPIPE, SIG_IGN);
  OwnedFd signals(::signalfd(-1, &waited, SFD_CLOEXEC | SFD_NONBLOCK));

  const bool tee = line.tee.value_or(false);
  const bool labelled = line.streams == config::Streams::labelled;
  const bool relayed = tee || labelled;
  auto to_worker = make_pipe();
  auto output = make_pipe();
  auto errors = make_pipe();
  for (auto* pipe : {&to_worker, &output, &errors}) {
    if (!*pipe) {
      error(pipe->error().text);
      return kExitWrong;
    }
    // Refused beyond what the user may have: then it stays as it is.
    ::fcntl((*pipe)->write.get(), F_SETPIPE_SZ, kPipeBytes);
  }
  auto command =
      HeldCommand::make(found.file, line.files, (relayed ? output : to_worker)->write.get(),
                        (relayed ? errors : to_worker)->write.get(), inherited);
  if (!command) {
    error(command.error().text);
    return kExitWrong;
  }
  output->write.reset();
  errors->write.reset();

  Supervisor::Setup setup;
  setup.command = command->pid();
  setup.signals = std::move(signals);
  setup.warn = [quiet = line.verbosity < 0](const std::string& text) {
    if (!quiet) std::fprintf(stderr, "warning: %s\n", text.c_str());
  };
  const config::CommandLine for_worker = worker_line(line, command->pid());
  const auto start = [&](int input, std::uint64_t restarts, int ready_fd) {
    return start_worker(input, ready_fd, inherited, [&](int ready) {
      return run(for_worker, environment,
                 {.ready =
                      [ready] {
                        const char byte = 1;
                        static_cast<void>(!::write(ready, &byte, 1));
                      },
                  .restarts = restarts,
                  .labelled = labelled});
    });
  };
  setup.start_worker = [&](int input, std::uint64_t restarts) {
    // Nobody waits for it to be ready.
    const OwnedFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    return start(input, restarts, nowhere.get());
  };

  auto ready = make_pipe();
  if (!ready) {
    command->cancel();
    error(ready.error().text);
    return kExitWrong;
  }
  setup.worker = start(to_worker->read.get(), 0, ready->write.get());
  ready->write.reset();
  if (setup.worker < 0) {
    command->cancel();
    error("cannot start the worker");
    return kExitWrong;
  }
  if (const auto code = wait_until_ready(setup.worker, ready->read.get(), setup.signals.get())) {
    command->cancel();
    return *code;
  }
  if (const int why = command->release(); why != 0) {
    ::kill(setup.worker, SIGTERM);
    ::waitpid(setup.worker, nullptr, 0);
    return refuse(why);
  }

  if (relayed) {
    setup.relay.emplace(Relay::Spec{.standard_output = std::move(output->read),
                                    .standard_error = std::move(errors->read),
                                    .worker = std::move(to_worker->write),
                                    .copies = {tee ? STDOUT_FILENO : -1, tee ? STDERR_FILENO : -1},
                                    .labelled = labelled,
                                    .wall_ns = pipeline::system_clock().wall_ns});
  }
  to_worker->write.reset();
  setup.worker_input = std::move(to_worker->read);
  Supervisor supervisor(std::move(setup));
  return supervisor.run();
}

}  // namespace logtally::cli
