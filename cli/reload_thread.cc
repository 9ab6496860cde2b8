#include "cli/reload_thread.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace logtally::cli {
namespace {

// How often files are looked at whose directories cannot be watched.
constexpr std::chrono::seconds kLook{5};

Reload::Time now() { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

ReloadThread::ReloadThread(Reload::Calls calls, std::uint64_t loaded,
                           std::function<std::vector<std::string>()> files,
                           pipeline::Watcher::Mode mode)
    : files_(std::move(files)),
      watch_(mode),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      reload_(std::move(calls), loaded) {
  thread_ = std::thread([this] { run(); });
}

ReloadThread::~ReloadThread() { stop(); }

void ReloadThread::ask(Reload::Answer answer) {
  reload_.ask(std::move(answer));
  wake();
}

void ReloadThread::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
  reload_.stop();
}

void ReloadThread::wake() const {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void ReloadThread::run() {
  watch_.watch(files_());
  // What changed between the first load and the first watch is a change too.
  reload_.files_changed(now());
  while (!stopping_) {
    auto wait = reload_.next_in(now());
    if (watch_.must_look()) wait = std::min<Reload::Time>(wait.value_or(kLook), kLook);
    const auto timeout =
        wait ? std::chrono::ceil<std::chrono::milliseconds>(*wait) : std::chrono::milliseconds(-1);
    pollfd waited[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                       {.fd = watch_.fd(), .events = POLLIN, .revents = 0}};
    const int ready = ::poll(waited, 2, static_cast<int>(timeout.count()));
    if (stopping_) break;
    std::uint64_t wakes = 0;
    while (::read(wake_.get(), &wakes, sizeof wakes) > 0) {
    }
    if (watch_.take()) {
      reload_.files_changed(now());
    } else if (ready == 0 && watch_.must_look() && !reload_.next_in(now())) {
      reload_.files_changed(now() - kLook);  // they have been quiet for long enough
    }
    reload_.work(now());
    watch_.watch(files_());  // a link may lead elsewhere now
  }
}

}  // namespace logtally::cli
