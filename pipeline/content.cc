#include "pipeline/content.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace logtally::pipeline {
namespace {

// Up to `size` bytes, fewer at the end of the file; -1: errno.
ssize_t read_fully(const Bytes& bytes, char* to, std::size_t size, std::uint64_t offset) {
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = bytes.read_at(to + filled, size - filled, offset + filled);
    if (got < 0) return -1;
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(filled);
}

// Nothing: shorter than the mark, or (errno != 0) not to be read.
std::optional<bool> matches(const Bytes& bytes, const Mark& mark) {
  std::array<char, kMarkBytes> block;
  const std::size_t length = mark_length(mark.offset);
  errno = 0;
  const ssize_t got = read_fully(bytes, block.data(), length, mark.offset - length);
  if (got != static_cast<ssize_t>(length)) return std::nullopt;
  return digest_of({block.data(), length}) == mark.digest;
}

}  // namespace

std::optional<ContentFacts> facts_of(const Bytes& bytes, const Marks& marks,
                                     ContentFacts::Occasion occasion) {
  const bool unread = marks.tail.offset == 0;
  ContentFacts facts{.anything_known = !unread || marks.head.length > 0, .occasion = occasion};
  std::array<char, kHeadBytes> block;
  const ssize_t got = read_fully(bytes, block.data(), block.size(), 0);
  if (got < 0) return std::nullopt;
  const std::string_view head(block.data(), static_cast<std::size_t>(got));
  facts.empty = head.empty();
  if (head.size() < marks.head.length) {
    facts.head = ContentFacts::Head::too_short;
  } else if (digest_of(head.substr(0, marks.head.length)) != marks.head.digest &&
             marks.head.length > 0) {
    facts.head = ContentFacts::Head::differs;
  }
  if (unread) {  // all that is known is that it began so
    if (facts.head == ContentFacts::Head::too_short) facts.head = ContentFacts::Head::differs;
    return facts;
  }
  const std::optional<bool> tail = matches(bytes, marks.tail);
  if (!tail && errno != 0) return std::nullopt;
  if (tail) {
    facts.tail = *tail ? ContentFacts::Tail::equal : ContentFacts::Tail::differs;
    return facts;
  }
  facts.tail = ContentFacts::Tail::beyond_end;
  for (const Mark& rung : marks.ladder) {
    const std::optional<bool> equal = matches(bytes, rung);
    if (!equal) break;
    facts.ladder = *equal ? ContentFacts::Ladder::equal : ContentFacts::Ladder::differs;
    if (!*equal) break;
  }
  return facts;
}

bool holds(const Bytes& bytes, const Marks& marks) {
  const std::size_t known = std::max<std::uint64_t>(marks.head.length, marks.tail.offset);
  if (marks.head.length == 0 || (marks.tail.offset == 0 && known < kMarkBytes)) return false;
  const auto facts = facts_of(bytes, marks, ContentFacts::Occasion::watching);
  return facts && facts->head == ContentFacts::Head::equal &&
         facts->tail == ContentFacts::Tail::equal;
}

std::optional<bool> same_bytes(const Bytes& a, const Bytes& b, std::uint64_t size) {
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(size, kHeadBytes));
  bool same = true;
  for (const std::uint64_t offset : {std::uint64_t{0}, size - length}) {
    std::array<char, kHeadBytes> x;
    std::array<char, kHeadBytes> y;
    const auto wanted = static_cast<ssize_t>(length);
    if (read_fully(a, x.data(), length, offset) != wanted ||
        read_fully(b, y.data(), length, offset) != wanted)
      return std::nullopt;
    same = same && std::equal(x.begin(), x.begin() + wanted, y.begin());
  }
  return same;
}

std::optional<bool> begins_like(const Bytes& bytes, const Head& head) {
  std::array<char, kHeadBytes> block;
  const ssize_t got = read_fully(bytes, block.data(), head.length, 0);
  if (got != static_cast<ssize_t>(head.length) || got == 0) return std::nullopt;
  return digest_of({block.data(), head.length}) == head.digest;
}

std::optional<Head> head_now(const Bytes& bytes, const Marks& known) {
  std::array<char, kHeadBytes> block;
  const ssize_t got = read_fully(bytes, block.data(), block.size(), 0);
  const std::size_t length = known.head.length;
  if (got < static_cast<ssize_t>(length)) return std::nullopt;
  const std::string_view head(block.data(), static_cast<std::size_t>(got));
  if (length > 0 && digest_of(head.substr(0, length)) != known.head.digest) return std::nullopt;
  // Behind the head, as what was written over meanwhile may begin likewise.
  if (known.tail.offset > 0 && matches(bytes, known.tail) != true) return std::nullopt;
  return head_of(head);
}

}  // namespace logtally::pipeline
