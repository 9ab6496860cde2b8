// inotify: says which files and directories changed. It only ever says that it is worth looking;
// what happened is found by looking, so a lost or doubled event does no harm.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/owned_fd.h"

namespace logtally::pipeline {

class Watcher {
 public:
  enum class Mode : std::uint8_t { inotify, none };
  explicit Watcher(
      Mode mode);  // without inotify (none, or no instance to be had) every watch fails

  int fd() const { return fd_.get(); }  // readable when events wait; -1 without inotify
  bool working() const { return static_cast<bool>(fd_); }

  // A watch number, the same for the same file or directory; -1: cannot be watched (limit,
  // permission, a network file system).
  int watch_file(const std::string& path);
  int watch_open_file(int fd);
  int watch_directory(const std::string& path);
  // The same, and told too when a file in it that was written is closed.
  int watch_written_directory(const std::string& path);
  void forget(int watch);

  struct Events {
    std::vector<int> written;  // files with new bytes, or fewer
    std::vector<int> changed;  // anything else: names, rights
    std::vector<int> gone;     // the kernel dropped these
    bool overflow = false;     // events were lost: look everywhere
  };
  void take(Events& events);

 private:
  int add(const std::string& path, std::uint32_t events);

  OwnedFd fd_;
};

}  // namespace logtally::pipeline
