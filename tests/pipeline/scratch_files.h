// A directory of its own for each test, files written by real system calls, time turned by hand.
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "pipeline/inputs.h"
#include "pipeline/owned_fd.h"

namespace logtally::pipeline::testing {

class ScratchDir {
 public:
  ScratchDir() : ScratchDir(std::filesystem::temp_directory_path()) {}
  explicit ScratchDir(const std::filesystem::path& parent) {
    std::string name = (parent / "logtally-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  // Where writing is cheap: in memory, if there is such a place.
  static std::filesystem::path memory() {
    const char* const shared = "/dev/shm";
    return ::access(shared, W_OK) == 0 ? shared : std::filesystem::temp_directory_path();
  }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// A writer that keeps its descriptor, as engines do.
class Writer {
 public:
  explicit Writer(const std::string& path, int flags = O_APPEND)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644)) {
    REQUIRE(fd_.get() >= 0);
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
      REQUIRE(put > 0);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  void truncate(off_t size = 0) { REQUIRE(::ftruncate(fd_.get(), size) == 0); }

 private:
  OwnedFd fd_;
};

inline void append(const std::string& path, std::string_view bytes) { Writer(path).write(bytes); }

struct Time {
  std::chrono::nanoseconds now = std::chrono::hours(1);
  Clock clock() {
    return {.wall_ns = [this] { return std::int64_t{1'700'000'000'000'000'000} + now.count(); },
            .steady = [this] { return now; }};
  }
};

// Reads step by step, and keeps what was read in a form that is easy to compare.
class Reader {
 public:
  Reader(std::vector<std::string> paths, TailOptions options, std::vector<std::string> exclude = {},
         From from = From::beginning)
      : Reader(
            {{.name = "t", .paths = std::move(paths), .exclude = std::move(exclude), .from = from}},
            std::nullopt, std::move(options)) {}
  Reader(std::vector<TargetSpec> targets, std::optional<StdinSpec> input, TailOptions options) {
    options.clock = time.clock();
    auto opened = Inputs::open(std::move(targets), std::move(input), std::move(options));
    REQUIRE(opened.has_value());
    inputs = *std::move(opened);
  }

  // Everything that can be read now, as "line|line|"; in polling mode after one more interval.
  std::string step() {
    time.now += std::chrono::milliseconds(300);
    return drain();
  }
  std::string drain() {
    std::string lines;
    int idle = 0;
    while (idle < 2) {
      const auto chunk = inputs->read();
      if (!chunk) {
        ++idle;  // once more: an event may have come meanwhile
        continue;
      }
      idle = 0;
      check(*chunk);
      for (const char c : chunk->bytes) lines += c == '\n' ? '|' : c;
      bytes += chunk->bytes.size();
      too_long += chunk->too_long_lines;
      too_long_bytes += chunk->too_long_bytes;
      ended += chunk->ends_generation ? 1 : 0;
      last = *chunk;
    }
    for (std::string& message : inputs->take_messages()) messages.push_back(std::move(message));
    return lines;
  }
  std::string after(std::chrono::nanoseconds pause) {
    time.now += pause;
    return drain();
  }

  Time time;
  std::unique_ptr<Inputs> inputs;
  std::vector<std::string> messages;
  std::uint64_t bytes = 0;
  std::uint64_t too_long = 0;
  std::uint64_t too_long_bytes = 0;
  int ended = 0;
  Chunk last;

 private:
  // What every chunk promises.
  static void check(const Chunk& chunk) {
    if (!chunk.bytes.empty()) {
      REQUIRE(chunk.bytes.back() == '\n');
      const std::uint64_t given = chunk.end - chunk.offset;
      REQUIRE((given == chunk.bytes.size() || given + 1 == chunk.bytes.size()));
      unsigned sum = 0;  // readable behind: a sanitizer would say
      for (std::size_t i = 0; i < kReadableBehind; ++i) {
        sum += static_cast<unsigned char>(chunk.bytes.data()[chunk.bytes.size() + i]);
      }
      REQUIRE(sum < 256 * kReadableBehind);
    }
  }
};

}  // namespace logtally::pipeline::testing
