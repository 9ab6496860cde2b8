#include "pipeline/attempt.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "pipeline/bytes.h"
#include "pipeline/generation.h"

namespace logtally::pipeline {
namespace {

constexpr std::uint64_t kNothing = ~std::uint64_t{0};
constexpr std::size_t kNoteBytes = 32;

std::uint64_t checksum_of(std::string_view bytes) { return digest_of(bytes).low; }

}  // namespace

std::uint64_t Attempt::to_column() const {
  return offset << 2 | (redacting ? 2U : 0U) | (what == What::record ? 1U : 0U);
}

Attempt Attempt::from_column(std::uint32_t generation, std::uint64_t column) {
  return {.generation = generation,
          .offset = column >> 2,
          .what = (column & 1) != 0 ? What::record : What::line,
          .redacting = (column & 2) != 0};
}

Result<AttemptNote> AttemptNote::open(const std::string& path, std::uint64_t start) {
  OwnedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  AttemptNote note(std::move(file), start);
  if (!note.file_ || !note.write(nullptr))
    return Error{path + ": " + std::generic_category().message(errno)};
  return note;
}

void AttemptNote::put(const Attempt& attempt) { write(&attempt); }

void AttemptNote::clear() { write(nullptr); }

bool AttemptNote::write(const Attempt* attempt) {
  ByteWriter bytes;
  bytes.fixed(start_);
  bytes.fixed(attempt != nullptr ? attempt->generation : kNothing);
  bytes.fixed(attempt != nullptr ? attempt->to_column() : 0);
  bytes.fixed(checksum_of(bytes.bytes()));
  const std::string_view note = bytes.bytes();
  return ::pwrite(file_.get(), note.data(), note.size(), 0) == static_cast<ssize_t>(note.size());
}

std::optional<Attempt> read_attempt(const std::string& path, std::uint64_t start) {
  const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  std::array<char, kNoteBytes> bytes{};
  if (!file || ::pread(file.get(), bytes.data(), bytes.size(), 0) != kNoteBytes)
    return std::nullopt;
  const std::string_view note(bytes.data(), bytes.size());
  ByteReader from(note);
  const std::uint64_t written_by = from.fixed();
  const std::uint64_t generation = from.fixed();
  const std::uint64_t column = from.fixed();
  if (from.fixed() != checksum_of(note.substr(0, kNoteBytes - 8)) || written_by != start ||
      generation > 0xFFFFFFFF)
    return std::nullopt;
  return Attempt::from_column(static_cast<std::uint32_t>(generation), column);
}

}  // namespace logtally::pipeline
