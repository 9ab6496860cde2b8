#include "pipeline/spool.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace logtally::pipeline {
namespace {

constexpr std::size_t kMoveAtOnce = 1024 * 1024;
constexpr std::size_t kPeek = 64 * 1024;
constexpr int kPipeBytes = 1024 * 1024;
constexpr int kRetryMilliseconds = 100;  // while it is full
constexpr std::string_view kPrefix = "stdin-";
constexpr std::string_view kSuffix = ".log";

std::string reason(int error) { return std::generic_category().message(error); }

// 0: not the name of a segment.
std::uint64_t number_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return 0;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffix.size());
  std::uint64_t number = 0;
  for (const char c : name) {
    if (c < '0' || c > '9' || number > UINT32_MAX) return 0;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

}  // namespace

std::string source_of(int fd, const std::string& boot_id) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return {};
  return fmt::format("{} {} {}", boot_id, status.st_dev, status.st_ino);
}

Result<std::unique_ptr<Spool>> Spool::open(SpoolOptions options) {
  std::unique_ptr<Spool> spool(new Spool(std::move(options)));
  if (const auto taken = spool->take_up(); !taken) return taken.error();
  return spool;
}

Result<void> Spool::take_up() {
  const auto refuse = [&](const std::string& why) {
    return Error{"cannot spool standard input in " + options_.directory + ": " + why};
  };
  segment_bytes_ = std::clamp<std::uint64_t>(options_.segment_bytes, 1, options_.max_bytes / 4);
  event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  struct stat status {};
  if (::fstat(options_.input, &status) != 0) return refuse(reason(errno));
  if (S_ISFIFO(status.st_mode)) {
    ::fcntl(options_.input, F_SETPIPE_SZ, kPipeBytes);
    std::array<int, 2> ends{};
    // A copy elsewhere has to pass through memory.
    spliced_ = options_.tee_fd < 0 && ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0;
    if (spliced_) {
      peek_read_.reset(ends[0]);
      peek_write_.reset(ends[1]);
    }
  }

  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, failure)) {
    const std::uint64_t number = number_of(entry.path().filename().string());
    struct stat segment {};
    if (number == 0 || ::lstat(entry.path().c_str(), &segment) != 0 || !S_ISREG(segment.st_mode))
      continue;
    segments_.push_back({.number = number,
                         .bytes = static_cast<std::uint64_t>(segment.st_size),
                         .sealed = true,
                         .continues = true});
    bytes_ += segments_.back().bytes;
  }
  if (failure) return refuse(failure.message());
  std::sort(segments_.begin(), segments_.end(),
            [](const Segment& a, const Segment& b) { return a.number < b.number; });
  next_number_ = options_.last_number + 1;
  if (!segments_.empty()) next_number_ = std::max(next_number_, segments_.back().number + 1);

  const std::string source_path = options_.directory + "/stdin.source";
  std::string source;
  {
    std::ifstream file(source_path);
    std::getline(file, source);
  }
  if (!options_.source.empty() && source == options_.source) {
    continues_ = true;
    if (!segments_.empty()) {
      active_.reset(::open(path(segments_.back().number).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
      if (!active_) return refuse(reason(errno));
      active_bytes_ = segments_.back().bytes;
      segments_.back().sealed = false;
    }
    return {};
  }
  {
    std::ofstream file(source_path + ".new", std::ios::trunc);
    file << options_.source << '\n';
  }
  if (::rename((source_path + ".new").c_str(), source_path.c_str()) != 0)
    return refuse(reason(errno));
  return {};
}

std::string Spool::path(std::uint64_t number) const {
  return fmt::format("{}/{}{:06}{}", options_.directory, kPrefix, number, kSuffix);
}

// --- the writer

Spool::Step Spool::append() {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return Step::ended;
  }
  if (!make_room()) return failed(ENOSPC);
  if (!spliced_ || discarding_ || !kept_.empty()) {
    if (kept_.empty()) {
      if (const Step step = fill_kept(); step != Step::appended) return step;
    }
    const int error = write_kept();
    return error == 0 ? Step::appended : failed(error);
  }
  pollfd input{.fd = options_.input, .events = POLLIN, .revents = 0};
  if (::poll(&input, 1, 0) == 0) return Step::idle;
  if (!active_) {
    if (const int error = make_active(); error != 0) return failed(error);
  }
  const bool last_line = active_bytes_ >= segment_bytes_;
  std::size_t most = kMoveAtOnce;
  bool newline = false;
  if (last_line) {
    most = to_newline();
    newline = most > 0;
    if (!newline) most = kPeek;
  } else {
    most = std::min<std::uint64_t>(most, segment_bytes_ - active_bytes_);
  }
  std::size_t moved = 0;
  const int error = move(most, moved);
  if (error == EAGAIN) return Step::idle;
  if (error == EINVAL) {  // a file system that cannot be spliced to
    spliced_ = false;
    return Step::appended;
  }
  if (error != 0) return failed(error);
  if (moved == 0) return end();
  grow(moved);
  if (newline && moved == most) seal();
  return Step::appended;
}

int Spool::move(std::size_t most, std::size_t& moved) {
  if (const int fault = options_.fault ? options_.fault() : 0; fault != 0) return fault;
  auto at = static_cast<loff_t>(active_bytes_);
  const ssize_t got = ::splice(options_.input, nullptr, active_.get(), &at, most,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (got < 0) return errno == EINTR ? EAGAIN : errno;
  moved = static_cast<std::size_t>(got);
  return 0;
}

// How many bytes of the pipe come up to its first newline; 0: it is not among those that are seen.
std::size_t Spool::to_newline() {
  const ssize_t seen = ::tee(options_.input, peek_write_.get(), kPeek, SPLICE_F_NONBLOCK);
  if (seen <= 0) return 0;
  std::array<char, kPeek> bytes;
  std::size_t size = 0;
  for (ssize_t got = 0; (got = ::read(peek_read_.get(), bytes.data() + size, kPeek - size)) > 0;)
    size += static_cast<std::size_t>(got);
  const void* const newline = std::memchr(bytes.data(), '\n', size);
  return newline == nullptr
             ? 0
             : static_cast<std::size_t>(static_cast<const char*>(newline) - bytes.data()) + 1;
}

Spool::Step Spool::fill_kept() {
  pollfd input{.fd = options_.input, .events = POLLIN, .revents = 0};
  if (::poll(&input, 1, 0) == 0) return Step::idle;
  kept_.resize(kPeek);
  const ssize_t got = ::read(options_.input, kept_.data(), kept_.size());
  const int error = errno;
  kept_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (got < 0 && (error == EINTR || error == EAGAIN)) return Step::idle;
  if (got < 0) tell("cannot read standard input: " + reason(error));
  if (got <= 0) return end();
  std::string_view copy = kept_;
  while (!copy.empty() && options_.tee_fd >= 0) {
    const ssize_t put = ::write(options_.tee_fd, copy.data(), copy.size());
    if (put >= 0) {
      copy.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN) {
      pollfd output{.fd = options_.tee_fd, .events = POLLOUT, .revents = 0};
      ::poll(&output, 1, -1);
    } else if (errno != EINTR) {
      tell("the copy to standard output ends: " + reason(errno));
      options_.tee_fd = -1;
    }
  }
  if (discarded_mid_line_) {  // its begin is lost, so is its rest
    const std::size_t newline = kept_.find('\n');
    const std::size_t lost = newline == std::string::npos ? kept_.size() : newline + 1;
    dropped_ += lost;
    kept_.erase(0, lost);
    discarded_mid_line_ = newline == std::string::npos;
  }
  return Step::appended;
}

int Spool::write_kept() {
  while (!kept_.empty()) {
    if (!active_) {
      if (const int error = make_active(); error != 0) return error;
    }
    if (discarding_) {
      if (const int error = begin_line(); error != 0) return error;
      discarding_ = false;
      tell("the spool takes standard input again");
    }
    std::size_t most = kept_.size();
    bool newline = false;
    if (active_bytes_ + most > segment_bytes_) {
      // At the last newline within the segment, else at the first one behind it.
      const std::size_t room = segment_bytes_ > active_bytes_ ? segment_bytes_ - active_bytes_ : 0;
      std::size_t at = room > 0 ? kept_.rfind('\n', room - 1) : std::string::npos;
      if (at == std::string::npos) at = kept_.find('\n');
      newline = at != std::string::npos;
      if (newline) most = at + 1;
    }
    if (const int fault = options_.fault ? options_.fault() : 0; fault != 0) return fault;
    const ssize_t put =
        ::pwrite(active_.get(), kept_.data(), most, static_cast<off_t>(active_bytes_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    kept_.erase(0, static_cast<std::size_t>(put));
    grow(static_cast<std::size_t>(put));
    if (newline && static_cast<std::size_t>(put) == most) seal();
  }
  return 0;
}

bool Spool::mid_line() const {
  char last = '\n';
  return active_bytes_ > 0 &&
         ::pread(active_.get(), &last, 1, static_cast<off_t>(active_bytes_ - 1)) == 1 &&
         last != '\n';
}

// Lines were lost: the one whose begin is in the segment ends there.
int Spool::begin_line() {
  if (const int fault = options_.fault ? options_.fault() : 0; fault != 0) return fault;
  if (!mid_line()) return 0;
  if (::pwrite(active_.get(), "\n", 1, static_cast<off_t>(active_bytes_)) != 1) return errno;
  grow(1);
  return 0;
}

int Spool::make_active() {
  if (const int fault = options_.fault ? options_.fault() : 0; fault != 0) return fault;
  const std::lock_guard lock(mutex_);
  active_.reset(
      ::open(path(next_number_).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!active_) return errno;
  segments_.push_back({.number = next_number_++,
                       .bytes = 0,
                       .sealed = false,
                       .continues = std::exchange(continues_, true)});
  active_bytes_ = 0;
  return 0;
}

bool Spool::make_room() {
  while (bytes_ >= options_.max_bytes) {
    if (options_.when_full == WhenFull::drop_oldest) {
      if (!drop_one()) return false;
      continue;
    }
    const std::lock_guard lock(mutex_);
    if (segments_.size() > 1) return false;
    break;  // one line that is longer than all: only its end lets the segment go
  }
  return true;
}

// The oldest segment that does not grow.
bool Spool::drop_one() {
  std::uint64_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    if (segments_.empty() || !segments_.front().sealed) return false;
    const Segment oldest = segments_.front();
    segments_.pop_front();
    ::unlink(path(oldest.number).c_str());
    bytes_ -= oldest.bytes;
    const std::uint64_t counted = reading_ == oldest.number  ? position_
                                  : reading_ > oldest.number ? oldest.bytes
                                                             : 0;
    lost = oldest.bytes - std::min(counted, oldest.bytes);
  }
  dropped_ += lost;
  if (lost > 0 && !std::exchange(told_full_, true)) {
    tell(
        "the spool of standard input is full: its oldest lines are dropped "
        "(logtally_spool_dropped_bytes_total)");
  }
  return true;
}

Spool::Step Spool::failed(int error) {
  if (options_.when_full == WhenFull::block) {
    if (!std::exchange(told_full_, true)) {
      tell(fmt::format("the spool of standard input is full ({}); who writes into it waits",
                       reason(error)));
    }
    return Step::full;
  }
  if (drop_one()) return Step::appended;
  if (!std::exchange(discarding_, true)) {
    tell(
        fmt::format("the spool cannot take standard input: {}; lines are lost "
                    "(logtally_spool_dropped_bytes_total)",
                    reason(error)));
  }
  if (kept_.empty()) {
    if (const Step step = fill_kept(); step != Step::appended) return step;
  }
  if (!kept_.empty()) discarded_mid_line_ = kept_.back() != '\n';
  dropped_ += kept_.size();
  kept_.clear();
  return Step::appended;
}

Spool::Step Spool::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  seal();
  grow(0);
  return Step::ended;
}

void Spool::grow(std::size_t by) {
  if (by > 0) {
    active_bytes_ += by;
    bytes_ += by;
    // It may be full again, and that is to be said again; not at each turn, though.
    if (options_.when_full == WhenFull::block && bytes_ < options_.max_bytes / 2)
      told_full_ = false;
    const std::lock_guard lock(mutex_);
    segments_.back().bytes = active_bytes_;
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(event_.get(), &one, sizeof one));
}

void Spool::seal() {
  active_.reset();
  active_bytes_ = 0;
  const std::lock_guard lock(mutex_);
  if (!segments_.empty()) segments_.back().sealed = true;
}

void Spool::tell(std::string text) {
  const std::lock_guard lock(mutex_);
  messages_.push_back(std::move(text));
}

// --- the reader

std::optional<Spool::Segment> Spool::find(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  for (const Segment& segment : segments_) {
    if (segment.number == number) return segment;
  }
  return std::nullopt;
}

std::optional<Spool::Segment> Spool::after(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  for (const Segment& segment : segments_) {
    if (segment.number > number) return segment;
  }
  return std::nullopt;
}

void Spool::reading(std::uint64_t number, std::uint64_t position) {
  const std::lock_guard lock(mutex_);
  reading_ = number;
  position_ = position;
}

void Spool::remove(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [&](const Segment& s) { return s.number == number; });
  if (found == segments_.end() || !found->sealed) return;
  ::unlink(path(number).c_str());
  bytes_ -= found->bytes;
  segments_.erase(found);
}

bool Spool::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void Spool::drain() const {
  std::uint64_t count = 0;
  static_cast<void>(!::read(event_.get(), &count, sizeof count));
}

std::vector<std::string> Spool::take_messages() {
  const std::lock_guard lock(mutex_);
  return std::exchange(messages_, {});
}

// --- its thread

SpoolThread::SpoolThread(Spool& spool)
    : spool_(spool), stop_(::eventfd(0, EFD_CLOEXEC)), thread_([this] { run(); }) {}

SpoolThread::~SpoolThread() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(stop_.get(), &one, sizeof one));
  thread_.join();
}

void SpoolThread::run() {
  for (;;) {
    const Spool::Step step = spool_.append();
    if (step == Spool::Step::ended) return;
    const bool idle = step == Spool::Step::idle;
    const int timeout = step == Spool::Step::appended ? 0 : idle ? -1 : kRetryMilliseconds;
    pollfd waited[] = {{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                       {.fd = idle ? spool_.input() : -1, .events = POLLIN, .revents = 0}};
    ::poll(waited, 2, timeout);
    if (waited[0].revents != 0) return;
  }
}

}  // namespace logtally::pipeline
