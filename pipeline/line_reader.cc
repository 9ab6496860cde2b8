#include "pipeline/line_reader.h"

#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace logtally::pipeline {
namespace {

constexpr std::uint64_t kSkipAtOnce =
    16 * 1024 * 1024;  // of a too long line, before others get their turn

ssize_t read_at(int fd, char* to, std::size_t size, std::uint64_t offset) {
  for (;;) {
    const ssize_t n = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (n >= 0 || errno != EINTR) return n;
  }
}

Lines failed(Lines lines) {
  lines.status = Lines::Status::failed;
  lines.error = errno;
  return lines;
}

}  // namespace

LineReader::LineReader(std::uint64_t line_bytes) : line_bytes_(line_bytes) { reserve(kChunkBytes); }

Lines LineReader::read(int fd, Cursor& cursor, Rest rest) {
  Lines lines;
  for (;;) {
    if (cursor.in_overlong &&
        lines.too_long_lines >
            0) {  // one too long line after the other: let others have their turn
      lines.offset = cursor.position;
      lines.status = Lines::Status::lines;
      return lines;
    }
    if (cursor.in_overlong && !skip_overlong(fd, cursor, rest, lines)) return lines;
    lines.offset = cursor.position;

    const auto prefix = static_cast<std::size_t>(cursor.searched - cursor.position);
    reserve(prefix < kChunkBytes ? kChunkBytes : prefix + kChunkBytes);
    char* const fresh = buffer_.get() + prefix;
    const ssize_t got =
        read_at(fd, fresh, std::min(capacity_ - prefix, kChunkBytes), cursor.searched);
    if (got < 0) return failed(lines);
    if (got == 0) {
      if (rest == Rest::is_a_line && prefix > 0) {
        if (!fill_prefix(fd, cursor, prefix, lines)) return lines;
        *fresh = '\n';
        lines.bytes = {buffer_.get(), prefix + 1};
        cursor.position = cursor.searched;
        lines.status = Lines::Status::lines;
        return lines;
      }
      lines.status = lines.too_long_lines > 0 ? Lines::Status::lines : Lines::Status::end;
      return lines;
    }

    const auto size = static_cast<std::size_t>(got);
    const void* const newline = ::memrchr(fresh, '\n', size);
    if (newline == nullptr) {
      cursor.searched += size;
      cursor.in_overlong = cursor.searched - cursor.position > line_bytes_;
      continue;
    }
    if (!fill_prefix(fd, cursor, prefix, lines)) return lines;
    const auto whole =
        static_cast<std::size_t>(static_cast<const char*>(newline) - buffer_.get()) + 1;
    const std::size_t taken = within_limit(buffer_.get(), whole);
    if (taken == 0) {  // its newline is in the buffer, but skipping finds it as well
      cursor.searched = cursor.position;
      cursor.in_overlong = true;
      continue;
    }
    lines.bytes = {buffer_.get(), taken};
    lines.status = Lines::Status::lines;
    cursor.position += taken;
    cursor.searched =
        cursor.position;  // the partial line behind is read again: cheaper than reading it apart
    return lines;
  }
}

// Goes to the newline of the too long line at the cursor. False: not reached, `lines` is the
// answer.
bool LineReader::skip_overlong(int fd, Cursor& cursor, Rest rest, Lines& lines) {
  const std::uint64_t stop = cursor.searched + kSkipAtOnce;
  const auto over = [&](std::uint64_t end) {
    ++lines.too_long_lines;
    lines.too_long_bytes += end - cursor.position;
    cursor = {.position = end, .searched = end, .in_overlong = false};
  };
  while (cursor.searched < stop) {
    const ssize_t got = read_at(fd, buffer_.get(), kChunkBytes, cursor.searched);
    if (got < 0) {
      lines = failed(lines);
      return false;
    }
    if (got == 0) {
      if (rest == Rest::is_a_line) {
        over(cursor.searched);
        return true;
      }
      lines.offset = cursor.position;
      lines.status = lines.too_long_lines > 0 ? Lines::Status::lines : Lines::Status::end;
      return false;
    }
    const auto size = static_cast<std::size_t>(got);
    const void* const newline = ::memchr(buffer_.get(), '\n', size);
    if (newline != nullptr) {
      over(cursor.searched +
           static_cast<std::uint64_t>(static_cast<const char*>(newline) - buffer_.get()) + 1);
      return true;
    }
    cursor.searched += size;
  }
  // Where there is nothing but a hole, the file system knows it without reading.
  const off_t next_data = ::lseek(fd, static_cast<off_t>(cursor.searched), SEEK_DATA);
  if (next_data > static_cast<off_t>(cursor.searched))
    cursor.searched = static_cast<std::uint64_t>(next_data);
  lines.offset = cursor.position;
  lines.status = Lines::Status::more;
  return false;
}

// How many of these bytes, whole lines all, come before the first line over the limit. Looks for
// the last newline within the limit and goes on behind it, so it touches little more than one line
// per step.
std::size_t LineReader::within_limit(const char* bytes, std::size_t size) const {
  std::size_t start = 0;
  while (size - start > line_bytes_ + 1) {
    const void* const newline =
        ::memrchr(bytes + start, '\n', static_cast<std::size_t>(line_bytes_) + 1);
    if (newline == nullptr) return start;
    start = static_cast<std::size_t>(static_cast<const char*>(newline) - bytes) + 1;
  }
  return size;
}

// The partial line that was searched before, read again in front of the fresh bytes.
bool LineReader::fill_prefix(int fd, const Cursor& cursor, std::size_t size, Lines& lines) {
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got =
        read_at(fd, buffer_.get() + filled, size - filled, cursor.position + filled);
    if (got < 0) {
      lines = failed(lines);
      return false;
    }
    if (got == 0) {  // truncated meanwhile; the caller finds out by its size
      lines.status = lines.too_long_lines > 0 ? Lines::Status::lines : Lines::Status::end;
      return false;
    }
    filled += static_cast<std::size_t>(got);
  }
  return true;
}

void LineReader::reserve(std::size_t bytes) {
  if (bytes <= capacity_) return;
  buffer_ = std::make_unique_for_overwrite<char[]>(bytes + 1 + kReadableBehind);
  ::memset(buffer_.get() + bytes, 0, 1 + kReadableBehind);
  capacity_ = bytes;
}

}  // namespace logtally::pipeline
