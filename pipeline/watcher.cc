#include "pipeline/watcher.h"

#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>

namespace logtally::pipeline {
namespace {

constexpr std::uint32_t kFileEvents = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
constexpr std::uint32_t kDirectoryEvents = IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                                           IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB | IN_ONLYDIR;

// Another machine may write there, and the kernel here would not hear of it.
bool is_remote(const struct statfs& fs) {
  constexpr unsigned long kCifs = 0xFF534D42;
  constexpr unsigned long kSmb2 = 0xFE534D42;
  constexpr unsigned long kFuse = 0x65735546;
  constexpr unsigned long kCeph = 0x00C36400;
  constexpr unsigned long kNinep = 0x01021997;
  switch (static_cast<unsigned long>(fs.f_type) & 0xFFFFFFFFUL) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case kCifs:
    case kSmb2:
    case kFuse:
    case kCeph:
    case kNinep:
      return true;
    default:
      return false;
  }
}

}  // namespace

Watcher::Watcher(Mode mode) {
  if (mode == Mode::inotify) fd_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

int Watcher::watch_file(const std::string& path) { return add(path, kFileEvents); }

// By the descriptor, so that it is the file that was opened even if its name is another's by now.
int Watcher::watch_open_file(int fd) { return watch_file("/proc/self/fd/" + std::to_string(fd)); }

int Watcher::watch_directory(const std::string& path) { return add(path, kDirectoryEvents); }

int Watcher::watch_written_directory(const std::string& path) {
  return add(path, kDirectoryEvents | IN_CLOSE_WRITE);
}

int Watcher::add(const std::string& path, std::uint32_t events) {
  struct statfs fs {};
  if (!working() || ::statfs(path.c_str(), &fs) != 0 || is_remote(fs)) return -1;
  return ::inotify_add_watch(fd_.get(), path.c_str(), events);
}

void Watcher::forget(int watch) {
  if (working() && watch >= 0) ::inotify_rm_watch(fd_.get(), watch);
}

void Watcher::take(Events& events) {
  events.written.clear();
  events.changed.clear();
  events.gone.clear();
  events.overflow = false;
  if (!working()) return;
  alignas(inotify_event) char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd_.get(), buffer, sizeof buffer);
    if (got <= 0) return;
    for (ssize_t at = 0; at < got;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        events.overflow = true;
      } else if ((event.mask & IN_IGNORED) != 0) {
        events.gone.push_back(event.wd);
      } else {
        std::vector<int>& kind = event.mask == IN_MODIFY ? events.written : events.changed;
        if (kind.empty() || kind.back() != event.wd) kind.push_back(event.wd);
      }
    }
  }
}

}  // namespace logtally::pipeline
