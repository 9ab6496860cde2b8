#include "pipeline/line_reader.h"

#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace logtally::pipeline {
namespace {

constexpr std::uint64_t kSkipAtOnce =
    16 * 1024 * 1024;  // of a too long line, before others get their turn

Lines failed(Lines lines) {
  lines.status = Lines::Status::failed;
  lines.error = errno;
  return lines;
}

bool gave_anything(const Lines& lines) { return lines.too_long_lines > 0 || lines.nul_bytes > 0; }

std::size_t nul_run(std::string_view bytes) {
  return std::min(bytes.find_first_not_of('\0'), bytes.size());
}

// `bytes` were read at `begin`, with mark_length(begin) bytes in memory before them.
void mark(Cursor& cursor, std::uint64_t begin, std::string_view bytes) {
  if (bytes.empty()) return;
  const std::uint64_t end = begin + bytes.size();
  const std::size_t length = mark_length(end);
  cursor.marks.tail = mark_of(end, {bytes.data() + bytes.size() - length, length});
  climb(cursor.marks.ladder, begin, bytes);
}

// Where there is nothing but a hole, the file system knows it without reading.
void skip_hole(const Bytes& file, Cursor& cursor) {
  if (file.inflated != nullptr) return;
  const off_t found = ::lseek(file.fd, static_cast<off_t>(cursor.searched), SEEK_DATA);
  std::uint64_t next_data = found < 0 ? 0 : static_cast<std::uint64_t>(found);
  if (found < 0 && errno == ENXIO) {  // none up to the end
    const off_t end = ::lseek(file.fd, 0, SEEK_END);
    next_data = end < 0 ? 0 : static_cast<std::uint64_t>(end);
  }
  if (next_data < cursor.searched + kMarkBytes) return;
  cursor.searched = next_data;
  const std::string nuls(kMarkBytes, '\0');
  cursor.marks.tail = mark_of(next_data, nuls);
}

}  // namespace

LineReader::LineReader(std::uint64_t line_bytes) : line_bytes_(line_bytes) { reserve(kChunkBytes); }

Lines LineReader::read(const Bytes& file, Cursor& cursor, Rest rest) {
  Lines lines;
  for (;;) {
    if (cursor.in_overlong &&
        lines.too_long_lines >
            0) {  // one too long line after the other: let others have their turn
      lines.offset = cursor.position;
      lines.status = Lines::Status::lines;
      return lines;
    }
    if (cursor.in_overlong && !skip_overlong(file, cursor, rest, lines)) return lines;
    lines.offset = cursor.position;

    const auto prefix = static_cast<std::size_t>(cursor.searched - cursor.position);
    reserve(prefix < kChunkBytes ? kChunkBytes : prefix + kChunkBytes);
    char* const fresh = base() + prefix;
    const ssize_t got =
        fetch(file, cursor, fresh, std::min(capacity_ - prefix, kChunkBytes), lines);
    if (got < 0) return lines;
    if (got == 0) {
      if (rest == Rest::is_a_line && prefix > 0) {
        if (!fill_prefix(file, cursor, prefix, lines)) return lines;
        *fresh = '\n';
        lines.bytes = {base(), prefix + 1};
        cursor.position = cursor.searched;
        lines.status = Lines::Status::lines;
        return lines;
      }
      lines.status = gave_anything(lines) ? Lines::Status::lines : Lines::Status::end;
      return lines;
    }

    const auto size = static_cast<std::size_t>(got);
    const void* const newline = ::memrchr(fresh, '\n', size);
    if (newline == nullptr) {
      if (prefix == 0 && *fresh == '\0') {
        if (!skip_nuls(file, cursor, size, lines)) return lines;
        continue;
      }
      mark(cursor, cursor.searched, {fresh, size});
      cursor.searched += size;
      cursor.in_overlong = cursor.searched - cursor.position > line_bytes_;
      continue;
    }
    if (!fill_prefix(file, cursor, prefix, lines)) return lines;
    const auto whole = static_cast<std::size_t>(static_cast<const char*>(newline) - base()) + 1;
    const std::size_t taken = within_limit(base(), whole);
    if (taken == 0) {  // its newline is in the buffer, but skipping finds it as well
      if (prefix == 0 && *fresh == '\0') {
        if (!skip_nuls(file, cursor, size, lines)) return lines;
        continue;
      }
      cursor.searched = cursor.position;
      cursor.in_overlong = true;
      continue;
    }
    lines.bytes = {base(), taken};
    lines.status = Lines::Status::lines;
    mark(cursor, cursor.searched, {fresh, taken - prefix});
    if (cursor.position == 0 && cursor.marks.head.length < kHeadBytes)
      cursor.marks.head = head_of(lines.bytes);
    cursor.position += taken;
    // The partial line behind is read again: cheaper than reading it apart.
    cursor.searched = cursor.position;
    if (*base() == '\0') [[unlikely]] {
      const std::size_t nuls = nul_run(lines.bytes);
      lines.bytes.remove_prefix(nuls);
      lines.offset += nuls;
      lines.nul_bytes += nuls;
    }
    return lines;
  }
}

// Reads `size` bytes from where was searched to, and holds those before them against the mark; they
// stand before `to` afterwards. 0: nothing there; -1: `lines` is the answer.
ssize_t LineReader::fetch(const Bytes& file, const Cursor& cursor, char* to, std::size_t size,
                          Lines& lines) {
  const std::size_t before = mark_length(cursor.searched);
  const ssize_t got = file.read_at(to - before, before + size, cursor.searched - before);
  if (got < 0) {
    lines = failed(lines);
    return -1;
  }
  const Mark& left = cursor.marks.tail;
  if (static_cast<std::size_t>(got) < before || (before > 0 && left.offset == cursor.searched &&
                                                 left.digest != digest_of({to - before, before}))) {
    lines.status = Lines::Status::changed;
    return -1;
  }
  return got - static_cast<ssize_t>(before);
}

// Goes to the newline of the too long line at the cursor. False: not reached, `lines` is the
// answer.
bool LineReader::skip_overlong(const Bytes& file, Cursor& cursor, Rest rest, Lines& lines) {
  const std::uint64_t stop = cursor.searched + kSkipAtOnce;
  const auto over = [&](std::uint64_t end) {
    ++lines.too_long_lines;
    lines.too_long_bytes += end - cursor.position;
    cursor.position = cursor.searched = end;
    cursor.in_overlong = false;
  };
  while (cursor.searched < stop) {
    const ssize_t got = fetch(file, cursor, base(), kChunkBytes, lines);
    if (got < 0) return false;
    if (got == 0) {
      if (rest == Rest::is_a_line) {
        over(cursor.searched);
        return true;
      }
      lines.offset = cursor.position;
      lines.status = gave_anything(lines) ? Lines::Status::lines : Lines::Status::end;
      return false;
    }
    const auto size = static_cast<std::size_t>(got);
    const void* const newline = ::memchr(base(), '\n', size);
    if (newline != nullptr) {
      const auto taken = static_cast<std::size_t>(static_cast<const char*>(newline) - base()) + 1;
      mark(cursor, cursor.searched, {base(), taken});
      over(cursor.searched + taken);
      return true;
    }
    mark(cursor, cursor.searched, {base(), size});
    cursor.searched += size;
  }
  skip_hole(file, cursor);
  lines.offset = cursor.position;
  lines.status = Lines::Status::more;
  return false;
}

// The line at the cursor begins with NUL bytes, `size` bytes of it stand at base(): goes behind
// them. Those at the end of the file wait: their writer may still put something in their place.
// False: `lines` is the answer.
bool LineReader::skip_nuls(const Bytes& file, Cursor& cursor, std::size_t size, Lines& lines) {
  Cursor ahead = cursor;
  const std::uint64_t stop = cursor.position + kSkipAtOnce;
  ssize_t got = static_cast<ssize_t>(size);
  bool in_hole = false;
  while (got > 0) {
    const std::string_view bytes(base(), static_cast<std::size_t>(got));
    const std::size_t nuls = nul_run(bytes);
    mark(ahead, ahead.searched, bytes.substr(0, nuls));
    ahead.searched += nuls;
    if (nuls < bytes.size()) break;  // text
    const std::uint64_t before = ahead.searched;
    skip_hole(file, ahead);
    in_hole = in_hole || ahead.searched != before;
    if (ahead.searched >= stop && !in_hole) break;  // that is no reserved space any more
    got = fetch(file, ahead, base(), kChunkBytes, lines);
    if (got < 0) return false;
  }
  if (got == 0) {
    lines.status = gave_anything(lines) ? Lines::Status::lines : Lines::Status::end;
    return false;
  }
  lines.nul_bytes += ahead.searched - cursor.position;
  if (cursor.position == 0 && cursor.marks.head.length == 0)
    ahead.marks.head = head_of(std::string(kHeadBytes, '\0')
                                   .substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(
                                                  kHeadBytes, ahead.searched))));
  cursor = std::move(ahead);
  cursor.position = cursor.searched;
  return true;
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
bool LineReader::fill_prefix(const Bytes& file, const Cursor& cursor, std::size_t size,
                             Lines& lines) {
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = file.read_at(base() + filled, size - filled, cursor.position + filled);
    if (got < 0) {
      lines = failed(lines);
      return false;
    }
    if (got == 0) {
      lines.status = Lines::Status::changed;
      return false;
    }
    filled += static_cast<std::size_t>(got);
  }
  return true;
}

void LineReader::reserve(std::size_t bytes) {
  if (bytes <= capacity_) return;
  buffer_ = std::make_unique_for_overwrite<char[]>(kMarkBytes + bytes + 1 + kReadableBehind);
  capacity_ = bytes;
  ::memset(base() + bytes, 0, 1 + kReadableBehind);
}

}  // namespace logtally::pipeline
