// Reload: when rules are loaded anew, and who hears how it went. Three things ask for it: SIGHUP
// and POST /-/reload at once, and files that changed, once they have been quiet for a moment
// (editors and ConfigMaps change several files one after another).
//
// One load at a time. A load reads the files after it began, so it answers all who asked before
// that; who asks while it works is answered by the next one. Files that are what they were when
// they were last loaded, well or not, are not loaded again.
//
// Decides and does, without a thread and a clock of its own: work() lives on one thread, everything
// else may be called from any. See ReloadThread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace logtally::cli {

struct ReloadOutcome {
  bool successful = false;
  std::string text;       // one line: what changed; or all that `check` says of the files
  std::string first{};    // of a failure: code and place of the first error, "E012 rules/10.yaml:8"
  bool repeated = false;  // somebody asked, and it failed as it did before
};

class Reload {
 public:
  using Answer = std::function<void(const ReloadOutcome&)>;
  using Time = std::chrono::nanoseconds;  // steady

  struct Calls {
    std::function<ReloadOutcome()> load;           // reads, judges, and puts to work; may take long
    std::function<std::uint64_t()> fingerprint;    // of the files as they are
    std::function<void(const ReloadOutcome&)> at;  // of every load: gauges
    std::function<void(const ReloadOutcome&)> tell;  // the operator; a failure that is known is
                                                     // not told again, but to who asks, in short
    std::chrono::milliseconds quiet{300};            // files that change wait for this long,
    std::chrono::milliseconds patience{3000};        // in all at most for this long
  };

  // `loaded`: fingerprint of the files before the rules at work were loaded.
  Reload(Calls calls, std::uint64_t loaded);

  // The answer comes from the thread that works, exactly once; from this one when all is stopped.
  void ask(Answer answer);
  void files_changed(Time now);

  // How long nothing is to be done; nothing: until somebody asks or files change.
  std::optional<Time> next_in(Time now) const;
  // Loads if it is time to.
  void work(Time now);

  // Whoever waits, and asks from now on, hears that there will be no load. A load that is at work
  // ends as it does.
  void stop();

 private:
  Calls calls_;
  std::uint64_t loaded_ = 0;  // fingerprint of what was loaded last
  std::string failure_;       // text of the last load, if it failed

  mutable std::mutex mutex_;
  std::vector<Answer> waiting_;        // guarded by mutex_
  std::optional<Time> changed_first_;  // guarded by mutex_
  Time changed_last_{0};               // guarded by mutex_
  bool stopped_ = false;               // guarded by mutex_
};

}  // namespace logtally::cli
