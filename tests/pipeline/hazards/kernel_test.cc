// Hazards 22 and 24 of the reliability notes, in which the kernel refuses: each is played by a
// process of its own, as what makes it refuse cannot be taken back. Where that is not allowed, the
// table says so.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "pipeline/file_status.h"
#include "tests/pipeline/hazards/stage.h"

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::Moment;
using testing::Stage;
using Texts = std::vector<std::string>;

constexpr Moment kMoments[] = {Moment::alive, Moment::stopped, Moment::killed_before,
                               Moment::killed_after};

// What `play` says, in a process of its own.
template <class Play>
std::string apart(Play play) {
  std::fflush(nullptr);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string said = "FAILED";
    try {
      said = play();
    } catch (...) {  // a REQUIRE that was not met
    }
    const ssize_t written = ::write(ends[1], said.data(), said.size());
    ::_exit(written > 0 ? 0 : 1);
  }
  ::close(ends[1]);
  char text[200];
  const ssize_t got = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : "FAILED";
}

bool said(const Stage& stage, const std::string& text) {
  return std::any_of(stage.messages.begin(), stage.messages.end(), [&](const std::string& message) {
    return message.find(text) != std::string::npos;
  });
}

// A limit of this user namespace; false: that is not allowed here.
bool limit(const char* name, const char* value) {
  const OwnedFd fd(::open((std::string("/proc/sys/user/") + name).c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), value, std::char_traits<char>::length(value)) > 0;
}

std::string few_watches(const char* name, const char* value, Moment moment) {
  if (::unshare(CLONE_NEWUSER) != 0 || !limit(name, value)) return "n/a: no user namespaces";
  Stage stage(Watching::inotify, moment);
  const Texts files = {"a.log", "b.log", "c.log", "d.log"};
  stage.paths = {stage.dir / "*.log"};
  for (const std::string& file : files) stage.writer(file).write(file + "1\n");
  stage.start();
  stage.look();
  stage.commit();
  if (moment == Moment::killed_before) stage.kill();
  const auto look = [&] {
    if (moment == Moment::alive || moment == Moment::killed_after) stage.look();
    if (moment == Moment::alive) stage.commit();
  };
  for (const std::string& file : files) stage.writer(file).write(file + "2\n");
  look();
  stage.rename("b.log", "b.log.1");
  stage.writer("b.log").write("b.log3\n");  // to the old file
  stage.reopen("b.log");
  stage.writer("b.log").write("b.log4\n");
  stage.writer("e.log").write("e.log1\n");
  look();
  if (moment == Moment::killed_after) stage.kill();
  if (moment == Moment::killed_before || moment == Moment::killed_after) stage.start();
  stage.look();
  stage.writer("d.log").write("d.log3\n");
  stage.look();
  stage.pass(6s);
  stage.pass(1s);
  stage.commit();
  Texts lines = stage.lines;
  std::sort(lines.begin(), lines.end());
  const bool right = lines == Texts{"a.log1", "a.log2", "b.log1", "b.log2", "b.log3", "b.log4",
                                    "c.log1", "c.log2", "d.log1", "d.log2", "d.log3", "e.log1"} &&
                     said(stage, "cannot be watched");
  return right ? "ok" : "FAILED";
}

// From now on to read this descriptor fails with ESTALE; false: that is not allowed here.
bool make_stale(int fd) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(fd), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ESTALE),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(filter), .filter = filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// The descriptor that the reader has of a file.
int reader_of(const std::string& path) {
  for (int fd = 3; fd < 64; ++fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY &&
        status_of_descriptor(fd).id == status_of(path).id)
      return fd;
  }
  return -1;
}

std::string stale(bool is_rotated, Moment moment) {
  Stage stage(Watching::poll, moment);
  stage.paths = {stage.dir / "a"};
  stage.writer("a").write("A1\n");
  stage.start();
  stage.look();
  stage.commit();
  const int fd = reader_of(stage.dir / "a");
  REQUIRE(fd >= 0);
  if (!make_stale(fd)) return "n/a: no filters of system calls";
  stage.writer("a").write("A2\n");
  stage.look();
  const OwnedFd instead(::open("/dev/null", O_RDONLY | O_CLOEXEC));  // has the number now
  if (instead.get() != fd || !said(stage, "cannot read")) return "FAILED";
  if (is_rotated) {
    stage.rename("a", "a.1");
    stage.writer("a").write("A3\n");
    stage.reopen("a");
    stage.writer("a").write("B1\n");
  }
  if (moment == Moment::killed_after) {
    stage.kill();
    stage.start();
  }
  stage.look();
  stage.pass(6s);
  stage.pass(1s);
  stage.commit();
  return stage.lines == (is_rotated ? Texts{"A1", "A2", "A3", "B1"} : Texts{"A1", "A2"}) ? "ok"
                                                                                         : "FAILED";
}

}  // namespace

TEST_CASE("hazards: where the kernel refuses to read or to watch") {
  std::string table;
  const auto row = [&](const char* name, const auto& play, const auto& moments) {
    table += std::string(name) + "\n   ";
    for (const Moment moment : moments) {
      const std::string what = apart([&] { return play(moment); });
      CAPTURE(name, static_cast<int>(moment));
      CHECK((what == "ok" || what.starts_with("n/a")));
      table += " | " + what;
    }
    table += '\n';
  };
  constexpr Moment kStale[] = {Moment::alive, Moment::killed_after};
  row(
      "22 a read fails with ESTALE (poll)", [](Moment moment) { return stale(false, moment); },
      kStale);
  row(
      "22 likewise, and rotated meanwhile", [](Moment moment) { return stale(true, moment); },
      kStale);
  for (const char* const watches : {"0", "1", "3"}) {
    row(
        "24 few inotify watches (inotify)",
        [&](Moment moment) { return few_watches("max_inotify_watches", watches, moment); },
        kMoments);
  }
  row(
      "24 no inotify at all (inotify)",
      [](Moment moment) { return few_watches("max_inotify_instances", "0", moment); }, kMoments);
  std::fputs(table.c_str(), stdout);
}

}  // namespace logtally::pipeline
