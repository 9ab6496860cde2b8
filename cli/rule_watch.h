// RuleWatch: which directories show that a rule file or the configuration changes, and whether
// anything happened there. A file is rarely written in place: editors rename a new one over it,
// Kubernetes turns the symbolic link `..data` of the directory to another one. So directories are
// watched: of the file, of every link on the way to it, and a directory of rules itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/watcher.h"

namespace logtally::cli {

// All directories to watch for these files and directories; sorted. Those that do not exist are
// not among them, but the nearest one above is.
std::vector<std::string> directories_of(const std::vector<std::string>& paths);

// Of the contents of these files, and of the *.yaml in these directories: equal as long as they
// are. What cannot be read has a value too.
std::uint64_t fingerprint_of(const std::vector<std::string>& paths);

// Lives on one thread.
class RuleWatch {
 public:
  explicit RuleWatch(pipeline::Watcher::Mode mode) : watcher_(mode) {}

  // From now on these, and no others. Cheap when nothing is new.
  void watch(const std::vector<std::string>& paths);

  int fd() const { return watcher_.fd(); }  // readable when something happened; may be -1
  // Whether anything happened since the last call.
  bool take();
  // Not every directory can be watched (limits, network file systems): look now and then.
  bool must_look() const { return must_look_; }

 private:
  pipeline::Watcher watcher_;
  std::vector<int> watches_;  // sorted
  bool must_look_ = false;
};

}  // namespace logtally::cli
