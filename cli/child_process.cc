#include "cli/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "config/diagnostics.h"

namespace logtally::cli {
namespace {

using pipeline::OwnedFd;

constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;

std::string reason(int error) { return std::generic_category().message(error); }

// Reads exactly one T; false at the end or on a failure.
template <class T>
bool receive(int fd, T& into) {
  ssize_t got = 0;
  do {
    got = ::read(fd, &into, sizeof into);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof into);
}

int why_not_executable(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  return ::access(file.c_str(), X_OK) == 0 ? 0 : errno;
}

// The forked process: waits, then becomes the command. Nothing here allocates or takes locks.
[[noreturn]] void become(const char* file, char* const* arguments, int go, int failure) {
  char byte = 0;
  if (!receive(go, byte)) ::_exit(0);
  ::execvp(file, arguments);  // `file` has a slash; a script without #! goes to the shell
  const int error = errno;
  static_cast<void>(!::write(failure, &error, sizeof error));
  ::_exit(kNotFound);
}

}  // namespace

NotStarted not_started(const std::string& command, int error) {
  const std::string shown = config::in_ticks(command);
  if (error == ENOENT || error == ENOTDIR)
    return {kNotFound, "cannot run " + shown + ": there is no such command"};
  return {kNotExecutable, "cannot run " + shown + ": " + reason(error)};
}

FoundCommand find_command(const std::string& command, std::string_view path) {
  if (command.empty()) return {{}, ENOENT};
  if (command.find('/') != std::string::npos) return {command, why_not_executable(command)};
  int refused = ENOENT;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string_view directory = path.substr(at, end - at);
    std::string file = std::string(directory.empty() ? "." : directory) + "/" + command;
    const int error = why_not_executable(file);
    if (error == 0) return {std::move(file), 0};
    if (error == EACCES) refused = EACCES;
    at = end + 1;
  }
  return {{}, refused};
}

InheritedSignals InheritedSignals::take() {
  InheritedSignals signals;
  ::sigprocmask(SIG_SETMASK, nullptr, &signals.mask);
  ::sigaction(SIGPIPE, nullptr, &signals.pipe);
  return signals;
}

void InheritedSignals::restore() const {
  ::sigaction(SIGPIPE, &pipe, nullptr);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
}

Result<PipeEnds> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error{"cannot make a pipe: " + reason(errno)};
  return PipeEnds{OwnedFd(ends[0]), OwnedFd(ends[1])};
}

Result<HeldCommand> HeldCommand::make(const std::string& file,
                                      const std::vector<std::string>& arguments,
                                      int standard_output, int standard_error,
                                      const InheritedSignals& signals) {
  auto go = make_pipe();
  if (!go) return go.error();
  auto failure = make_pipe();
  if (!failure) return failure.error();
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.data()));
  words.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid < 0) return Error{"cannot start a process: " + reason(errno)};
  if (pid == 0) {
    go->write.reset();
    ::dup2(standard_output, STDOUT_FILENO);
    ::dup2(standard_error, STDERR_FILENO);
    signals.restore();
    become(file.c_str(), words.data(), go->read.get(), failure->write.get());
  }
  return HeldCommand(pid, std::move(go->write), std::move(failure->read));
}

int HeldCommand::release() {
  const char byte = 1;
  static_cast<void>(!::write(go_.get(), &byte, 1));
  go_.reset();
  int error = 0;
  if (!receive(failure_.get(), error)) return 0;
  ::waitpid(pid_, nullptr, 0);
  return error;
}

void HeldCommand::cancel() {
  go_.reset();
  ::waitpid(pid_, nullptr, 0);
}

pid_t start_worker(int input, int ready, const InheritedSignals& signals,
                   const std::function<int(int ready)>& body) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setpgid(0, 0);
  ::signal(SIGTTOU, SIG_IGN);  // a terminal that minds what is written from the background
  ::prctl(PR_SET_NAME, "logtally-worker");
  // Those that it waits for stay blocked until it does.
  InheritedSignals own = signals;
  for (const int waited : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&own.mask, waited);
  own.restore();
  constexpr int kReady = 3;
  const int spare = ::fcntl(ready, F_DUPFD, kReady + 1);  // `input` or `ready` may be number 3
  ::dup2(input, STDIN_FILENO);
  ::dup2(spare, kReady);
  ::close_range(kReady + 1, ~0U, 0);
  ::fcntl(kReady, F_SETFD, FD_CLOEXEC);
  const int exit_code = body(kReady);
  std::fflush(nullptr);
  ::_exit(exit_code);
}

}  // namespace logtally::cli
