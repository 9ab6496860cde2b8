// What is remembered of a file generation so that it is known again, after a restart too: which
// file it was, what stood in it, and how far it was counted and shipped. Plain values; whoever
// keeps state stores them as they are.
//
// Content is remembered as digests, never as text. A Mark is the digest of the (at most 256) bytes
// before an offset. The head is the begin of the file, of what was not
// read yet as well; the tail mark stands where reading had come
// to, at or behind `counted` (a record that further lines may continue begins before it); the
// ladder has marks at powers of two, so that a file that lost its end is known as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace logtally::pipeline {

// Which file it is, whatever it is called. The birth time tells an inode number that is used again;
// 0 where the file system has none.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t born_ns = 0;

  friend bool operator==(const FileId&, const FileId&) = default;
};

// XXH3, 128 bits: the same on every machine and in every later version.
struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend bool operator==(const Digest&, const Digest&) = default;
};

Digest digest_of(std::string_view bytes);

inline constexpr std::size_t kHeadBytes = 1024;
inline constexpr std::size_t kMarkBytes = 256;
inline constexpr std::size_t kRungs = 16;

// How many bytes a mark at this offset covers.
constexpr std::size_t mark_length(std::uint64_t offset) {
  return offset < kMarkBytes ? static_cast<std::size_t>(offset) : kMarkBytes;
}

struct Mark {
  std::uint64_t offset = 0;
  Digest digest;  // of the mark_length(offset) bytes before it

  friend bool operator==(const Mark&, const Mark&) = default;
};

// Of the bytes that stand before `offset`; there are mark_length(offset) of them.
Mark mark_of(std::uint64_t offset, std::string_view bytes);

struct Head {
  std::uint32_t length = 0;  // min(kHeadBytes, the file's size when it was taken)
  Digest digest;

  friend bool operator==(const Head&, const Head&) = default;
};

Head head_of(std::string_view begin_of_file);  // of its first kHeadBytes

// The content of a generation as far as it was read (head and size: as it was seen).
struct Marks {
  Head head;
  Mark tail;
  std::vector<Mark> ladder;  // ascending, offsets are powers of two from kMarkBytes on; at most
                             // kRungs, the highest ones
  std::uint64_t size = 0;    // the most that the file was seen with; 0: nobody knows, or compressed

  std::int64_t modified_ns = 0;  // as it was last seen; 0: nobody knows

  friend bool operator==(const Marks&, const Marks&) = default;
};

// Adds the rungs that lie in (begin, end]; `bytes` are those of [begin, end), with as many before
// them in memory as mark_length(begin) says.
void climb(std::vector<Mark>& ladder, std::uint64_t begin, std::string_view bytes);

// How the bytes of a generation stand in the file that has them: compressed ones have the offsets
// of what was compressed.
enum class Container : std::uint8_t { plain = 0, gzip = 1, zstd = 2 };

enum class Life : std::uint8_t {
  followed = 0,  // a path of a target leads to it
  rotated = 1,   // no path of a target leads to it any more, and it is read to its end
  finished = 2,  // read to its end: counted is its length, unless a late writer comes
};

struct StoredGeneration {
  std::uint32_t number = 0;  // as in Chunk::generation; never used again, over restarts too
  std::string target;        // name of the target
  std::string path;          // the last one that led to it
  FileId id;
  Container container = Container::plain;
  Life life = Life::followed;
  bool in_overlong = false;  // the line at `counted` is over the limit
  // The generation that had its path before it (its record may go on here), or 0xFFFFFFFF.
  std::uint32_t predecessor = 0xFFFFFFFF;
  std::uint64_t counted = 0;  // bytes before it have been counted; at the begin of a line
  std::uint64_t shipped = 0;  // likewise, for Loki
  std::int64_t seen_ns = 0;   // wall clock when it was last known to be there
  Marks marks;

  friend bool operator==(const StoredGeneration&, const StoredGeneration&) = default;
};

// Exactly back and forth. Little-endian, the first byte is the version; 80 bytes and 24 for each
// rung, or 90 and the texts more.
std::string to_bytes(const Marks& marks);
std::string to_bytes(const StoredGeneration& generation);

// Nothing when these are not whole and valid bytes of to_bytes(): cut, longer, of another version,
// a ladder out of order.
std::optional<Marks> marks_from_bytes(std::string_view bytes);
std::optional<StoredGeneration> generation_from_bytes(std::string_view bytes);

}  // namespace logtally::pipeline
