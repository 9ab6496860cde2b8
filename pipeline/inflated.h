// A compressed file as the bytes that were compressed, read by offset as with pread(): forward it
// goes on where it was; a little way back stands in memory; further back it begins anew. A file
// that is still being compressed ends where it ends now, and goes on later.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "pipeline/generation.h"

namespace logtally::pipeline {

// Not thread-safe.
class Inflated {
 public:
  // `fd` is borrowed; `container` is gzip or zstd. Null: no memory.
  static std::unique_ptr<Inflated> open(Container container, int fd);
  ~Inflated();
  Inflated(const Inflated&) = delete;
  Inflated& operator=(const Inflated&) = delete;

  // As pread(): how many bytes, 0 at the end; -1 and errno, EBADMSG when this is not (or no longer)
  // what its container says.
  ssize_t read_at(char* to, std::size_t size, std::uint64_t offset);

  // The end that was reached is where the compressor put it: nothing is cut off.
  bool complete() const;

 private:
  struct Stream;
  explicit Inflated(std::unique_ptr<Stream> stream);
  bool rewind();
  bool more();  // false: at the end, or failed (error_)

  std::unique_ptr<Stream> stream_;
  std::string window_;  // the bytes before end_, as many as are kept
  std::uint64_t end_ = 0;
  int error_ = 0;
};

// What the first bytes of the file say it is.
Container container_of_content(int fd);

// A file's bytes: as they stand there, or as they were before they were compressed. Borrows both.
struct Bytes {
  int fd = -1;
  Inflated* inflated = nullptr;

  // NOLINTNEXTLINE(google-explicit-constructor): a descriptor is its bytes
  Bytes(int plain) : fd(plain) {}
  Bytes(int compressed, Inflated* stream) : fd(compressed), inflated(stream) {}

  ssize_t read_at(char* to, std::size_t size, std::uint64_t offset) const;  // again after EINTR
};

}  // namespace logtally::pipeline
