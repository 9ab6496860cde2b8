#include "pipeline/stdin_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

namespace logtally::pipeline {
namespace {

constexpr int kPipeBytes = 1024 * 1024;
constexpr std::size_t kCheapToMove = 4096;

}  // namespace

void StdinSource::Free::operator()(char* bytes) const { std::free(bytes); }

StdinSource::StdinSource(StdinSpec spec, std::uint32_t target, std::uint32_t generation,
                         std::uint64_t line_bytes, Clock clock)
    : spec_(std::move(spec)),
      target_(target),
      generation_(generation),
      line_bytes_(line_bytes),
      clock_(std::move(clock)) {
  struct stat status {};
  if (::fstat(spec_.fd, &status) == 0) {
    regular_ = S_ISREG(status.st_mode);
    // Room for the writer to go on while a chunk is counted. Refused beyond the user's limit: then
    // it stays as it is.
    if (S_ISFIFO(status.st_mode)) ::fcntl(spec_.fd, F_SETPIPE_SZ, kPipeBytes);
  }
  reserve(2 * kChunkBytes);
}

std::optional<Chunk> StdinSource::read() {
  if (again_) return lines(0);
  if (finished_ || !readable()) return std::nullopt;
  // The partial line goes to the front when it is short, so that the same memory is used again
  // while the cache has it, or when there is no room for a whole read behind it.
  if (held_ <= kCheapToMove || capacity_ - begin_ - held_ < kChunkBytes) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, held_);
    begin_ = 0;
    reserve(held_ + kChunkBytes);
  }
  char* const fresh = buffer_.get() + begin_ + held_;
  const ssize_t got = ::read(spec_.fd, fresh, kChunkBytes);
  if (got < 0) {
    if (errno == EINTR || errno == EAGAIN) return std::nullopt;
    messages_.push_back("cannot read standard input: " + std::generic_category().message(errno));
    return end();
  }
  if (got == 0) return end();
  tee(fresh, static_cast<std::size_t>(got));
  return lines(static_cast<std::size_t>(got));
}

bool StdinSource::readable() const {
  if (regular_) return true;
  pollfd input{.fd = spec_.fd, .events = POLLIN, .revents = 0};
  return ::poll(&input, 1, 0) > 0;
}

// The partial line grew by `fresh` bytes, which were not searched yet.
std::optional<Chunk> StdinSource::lines(std::size_t fresh) {
  std::size_t searched = again_ ? 0 : held_;
  held_ += fresh;
  if (in_overlong_) {
    const void* const newline = std::memchr(buffer_.get() + begin_, '\n', held_);
    if (newline == nullptr) {
      skipped_ += std::exchange(held_, 0);
      begin_ = 0;
      return std::nullopt;
    }
    const auto rest =
        static_cast<std::size_t>(static_cast<const char*>(newline) - (buffer_.get() + begin_)) + 1;
    in_overlong_ = false;
    ++too_long_lines_;
    too_long_bytes_ += skipped_ + rest;
    offset_ += std::exchange(skipped_, 0) + rest;
    begin_ += rest;
    held_ -= rest;
    searched = 0;
  }

  const char* const from = buffer_.get() + begin_;
  const void* const last = ::memrchr(from + searched, '\n', held_ - searched);
  std::size_t whole =
      last == nullptr ? 0 : static_cast<std::size_t>(static_cast<const char*>(last) - from) + 1;
  // Lines over the limit that are in the buffer altogether: only with a limit below the size of a
  // read, or behind a long carry.
  std::size_t taken = 0;
  while (whole - taken > line_bytes_ + 1) {
    const void* const newline =
        ::memrchr(from + taken, '\n', static_cast<std::size_t>(line_bytes_) + 1);
    if (newline == nullptr) break;
    taken = static_cast<std::size_t>(static_cast<const char*>(newline) - from) + 1;
  }
  if (whole - taken <= line_bytes_ + 1) taken = whole;
  if (taken < whole) {  // a too long line stands behind `taken`
    if (taken > 0) {
      again_ = true;
      return take(taken);
    }
    const auto* const newline = static_cast<const char*>(std::memchr(from, '\n', whole));
    const auto size = static_cast<std::size_t>(newline - from) + 1;
    ++too_long_lines_;
    too_long_bytes_ += size;
    offset_ += size;
    begin_ += size;
    held_ -= size;
    again_ = held_ > 0;
    return take(0);
  }
  again_ = false;
  if (held_ - taken > line_bytes_) {  // the partial line is too long already
    const std::size_t partial = held_ - taken;
    held_ = taken;
    in_overlong_ = true;
    std::optional<Chunk> chunk;
    if (taken > 0 || too_long_lines_ > 0) chunk = take(taken);
    skipped_ = partial;
    return chunk;
  }
  if (taken == 0 && too_long_lines_ == 0) return std::nullopt;
  return take(taken);
}

Chunk StdinSource::take(std::size_t size) {
  Chunk chunk{
      .target = target_,
      .generation = generation_,
      .offset = offset_,
      .end = offset_ + size,
      .bytes = {buffer_.get() + begin_, size},
      .arrival_ns = clock_.wall_ns(),
      .too_long_lines = std::exchange(too_long_lines_, 0),
      .too_long_bytes = std::exchange(too_long_bytes_, 0),
  };
  offset_ += size;
  begin_ += size;
  held_ -= size;
  return chunk;
}

// An unterminated last line counts as a line.
Chunk StdinSource::end() {
  finished_ = true;
  if (in_overlong_) {
    ++too_long_lines_;
    too_long_bytes_ += skipped_;
    offset_ += skipped_;
  }
  const std::size_t rest = held_;
  if (rest > 0) buffer_.get()[begin_ + held_++] = '\n';
  Chunk chunk = take(held_);
  if (rest > 0) --chunk.end;
  chunk.ends_generation = true;
  return chunk;
}

void StdinSource::tee(const char* bytes, std::size_t size) {
  while (size > 0 && spec_.tee_fd >= 0) {
    const ssize_t put = ::write(spec_.tee_fd, bytes, size);
    if (put >= 0) {
      bytes += put;
      size -= static_cast<std::size_t>(put);
    } else if (errno == EAGAIN) {
      pollfd output{.fd = spec_.tee_fd, .events = POLLOUT, .revents = 0};
      ::poll(&output, 1, -1);
    } else if (errno != EINTR) {
      messages_.push_back("the copy to standard output ends: " +
                          std::generic_category().message(errno));
      spec_.tee_fd = -1;
      tee_ended_ = true;
    }
  }
  if (tee_ended_) tee_lost_bytes_ += size;
}

void StdinSource::reserve(std::size_t bytes) {
  if (bytes <= capacity_) return;
  auto* const grown =
      static_cast<char*>(std::realloc(buffer_.release(), bytes + 1 + kReadableBehind));
  if (grown == nullptr) throw std::bad_alloc();
  buffer_.reset(grown);
  std::memset(grown + bytes, 0, 1 + kReadableBehind);
  capacity_ = bytes;
}

std::vector<std::string> StdinSource::take_messages() { return std::exchange(messages_, {}); }

}  // namespace logtally::pipeline
