// The directory that state is kept in: which one it is, that it is fit for it, and that nobody else
// uses it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "config/result.h"
#include "pipeline/owned_fd.h"

namespace logtally::pipeline {

// `wanted` is what flag or file say: a directory, `none`, or `auto`: the first of systemd's
// $STATE_DIRECTORY, $XDG_STATE_HOME/logtally/PORT, $HOME/.local/state/logtally/PORT. Nothing: no
// state is kept (or there is no place for it).
std::optional<std::string> choose_state_directory(
    const std::string& wanted, std::uint16_t port,
    const std::function<const char*(const char*)>& environment);

class StateDirectory {
 public:
  // Makes the directory (0700) if need be and takes it for this process, until the object goes or
  // the process ends. The error names the process that has it, or says why files of a database
  // cannot be kept there (a network file system, no right to write).
  static Result<StateDirectory> take(const std::string& path);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  StateDirectory(std::string path, OwnedFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  OwnedFd lock_;  // holds the flock
};

// The kind of a file system by the magic number of statfs(2), as far as it is one over a network:
// SQLite's locks and its log are not safe there.
std::optional<std::string> network_file_system(std::uint64_t magic);

}  // namespace logtally::pipeline
