#include "cli/relay.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace logtally::cli {
namespace {

constexpr std::size_t kRead = 64 * 1024;
constexpr std::size_t kCareful = 512;  // a pipe that poll() calls writable takes so much at once
constexpr std::string_view kNames[] = {"stdout", "stderr"};

// "2026-02-28T14:00:00.000000000Z stderr F "
std::string cri_head(std::int64_t wall_ns, std::string_view stream, bool complete) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::time_t seconds = static_cast<std::time_t>(wall_ns / kSecond);
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z {} {} ", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     wall_ns % kSecond, stream, complete ? 'F' : 'P');
}

}  // namespace

Outlet::Outlet(int borrowed) : fd_(borrowed) {
  struct stat status {};
  if (fd_ < 0 || ::fstat(fd_, &status) != 0) {
    fd_ = -1;
    return;
  }
  kind_ = Kind::careful;
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) kind_ = Kind::patient;
  if (S_ISSOCK(status.st_mode)) kind_ = Kind::socket;
  if (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode)) {
    owned_.reset(::open(fmt::format("/proc/self/fd/{}", fd_).c_str(),
                        O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!owned_) return;  // another user's terminal
    fd_ = owned_.get();
    kind_ = Kind::patient;
  }
}

Outlet::Outlet(pipeline::OwnedFd owned)
    : fd_(owned.get()), owned_(std::move(owned)), kind_(Kind::patient) {
  ::fcntl(fd_, F_SETFL, O_NONBLOCK);
}

void Outlet::put(std::string_view bytes) {
  if (fd_ < 0) return;
  if (at_ == kept_.size()) {
    kept_.clear();
    at_ = 0;
  } else if (at_ > Relay::kKept) {
    kept_.erase(0, std::exchange(at_, 0));
  }
  kept_.append(bytes);
}

void Outlet::write_some() {
  while (fd_ >= 0 && kept() > 0) {
    const char* const from = kept_.data() + at_;
    ssize_t put = 0;
    if (kind_ == Kind::socket) {
      put = ::send(fd_, from, kept(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind_ == Kind::careful) {
      pollfd room{.fd = fd_, .events = POLLOUT, .revents = 0};
      if (::poll(&room, 1, 0) <= 0) return;
      put = ::write(fd_, from, std::min(kept(), kCareful));
    } else {
      put = ::write(fd_, from, kept());
    }
    if (put > 0) {
      at_ += static_cast<std::size_t>(put);
    } else if (put < 0 && errno == EAGAIN) {
      return;
    } else if (put < 0 && errno != EINTR) {
      error_ = errno;
      drop();
    }
  }
}

void Outlet::drop() {
  fd_ = -1;
  kept_ = {};
  at_ = 0;
}

void Outlet::close() {
  drop();
  owned_.reset();
}

Relay::Relay(Spec spec)
    : sources_{Source{.fd = std::move(spec.standard_output)},
               Source{.fd = std::move(spec.standard_error)}},
      copies_{Outlet(spec.copies[0]), Outlet(spec.copies[1])},
      worker_(std::move(spec.worker)),
      labelled_(spec.labelled),
      wall_ns_(std::move(spec.wall_ns)),
      buffer_(kRead) {
  for (const Source& source : sources_) ::fcntl(source.fd.get(), F_SETFL, O_NONBLOCK);
}

bool Relay::may_read(std::size_t stream) const {
  return !sources_[stream].ended && copies_[stream].kept() < kKept && worker_.kept() < kKept;
}

void Relay::add_to(std::vector<pollfd>& waited) const {
  for (std::size_t stream = 0; stream < sources_.size(); ++stream) {
    if (may_read(stream))
      waited.push_back({.fd = sources_[stream].fd.get(), .events = POLLIN, .revents = 0});
    if (copies_[stream].kept() > 0)
      waited.push_back({.fd = copies_[stream].fd(), .events = POLLOUT, .revents = 0});
  }
  if (worker_.kept() > 0) waited.push_back({.fd = worker_.fd(), .events = POLLOUT, .revents = 0});
}

void Relay::work() {
  for (std::size_t stream = 0; stream < sources_.size(); ++stream) {
    if (may_read(stream)) read(stream);
    copies_[stream].write_some();
  }
  worker_.write_some();
  if (input_ended() && worker_.kept() == 0) worker_.close();  // it reads to its end
}

void Relay::read(std::size_t stream) {
  const ssize_t got = ::read(sources_[stream].fd.get(), buffer_.data(), buffer_.size());
  if (got > 0) {
    const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    copies_[stream].put(bytes);
    if (counted_) take(stream, bytes);
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    end(stream);
  }
}

void Relay::take(std::size_t stream, std::string_view bytes) {
  Source& source = sources_[stream];
  const std::size_t last = bytes.rfind('\n');
  if (last != std::string_view::npos) {
    std::string_view whole = bytes.substr(0, last + 1);
    bytes.remove_prefix(last + 1);
    if (!labelled_) {
      worker_.put(source.held);
      worker_.put(whole);
      source.held.clear();
      source.in_pieces = false;
    } else {
      while (!whole.empty()) {
        const std::size_t end = whole.find('\n');
        source.held.append(whole.substr(0, end));
        give(stream, source.held, true);
        source.held.clear();
        whole.remove_prefix(end + 1);
      }
    }
  }
  source.held.append(bytes);
  // Unlabelled, an unfinished line is only given away when it grows beyond all use.
  if (source.held.size() >= (labelled_ ? kPiece : kKept)) {
    give(stream, source.held, false);
    source.held.clear();
  }
}

void Relay::give(std::size_t stream, std::string_view line, bool complete) {
  sources_[stream].in_pieces = !complete;
  if (labelled_) worker_.put(cri_head(wall_ns_(), kNames[stream], complete));
  worker_.put(line);
  if (complete || labelled_) worker_.put("\n");
}

void Relay::end(std::size_t stream) {
  Source& source = sources_[stream];
  if (source.ended) return;
  source.ended = true;
  source.fd.reset();
  if (counted_ && (!source.held.empty() || source.in_pieces)) give(stream, source.held, true);
  source.held.clear();
}

void Relay::end_input() {
  end(0);
  end(1);
}

void Relay::drop_worker() {
  counted_ = false;
  worker_.close();
  for (Source& source : sources_) source.held.clear();
}

std::vector<std::string> Relay::take_messages() {
  std::vector<std::string> messages;
  for (std::size_t stream = 0; stream < copies_.size(); ++stream) {
    if (copies_[stream].error() == 0 || std::exchange(told_[stream], true)) continue;
    messages.push_back(fmt::format("the copy to {} ends: {}",
                                   stream == 0 ? "standard output" : "standard error",
                                   std::generic_category().message(copies_[stream].error())));
  }
  return messages;
}

}  // namespace logtally::cli
