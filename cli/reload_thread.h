// ReloadThread: the thread on which rules are loaded anew while everything else goes on. Waits for
// changes in the directories of the files, and for who asks.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "cli/reload.h"
#include "cli/rule_watch.h"
#include "pipeline/owned_fd.h"

namespace logtally::cli {

class ReloadThread {
 public:
  // `loaded`: see Reload. `files`: what is read now, files and directories; called on the thread.
  ReloadThread(Reload::Calls calls, std::uint64_t loaded,
               std::function<std::vector<std::string>()> files,
               pipeline::Watcher::Mode mode = pipeline::Watcher::Mode::inotify);
  ~ReloadThread();  // stops
  ReloadThread(const ReloadThread&) = delete;
  ReloadThread& operator=(const ReloadThread&) = delete;

  // Any thread. The answer comes from the reload thread, or from this one when all is stopped.
  void ask(Reload::Answer answer);

  // Waits for a load that is at work, and answers whoever waits. Stop before what a load calls.
  void stop();

 private:
  void run();
  void wake() const;

  std::function<std::vector<std::string>()> files_;
  RuleWatch watch_;
  pipeline::OwnedFd wake_;
  std::atomic<bool> stopping_ = false;
  Reload reload_;
  std::thread thread_;
};

}  // namespace logtally::cli
