// Takes the wrapper of a container engine off a line, and joins the pieces into which it cut long
// ones.
//
//   docker json-file   {"log":"text\n","stream":"stderr","time":"2026-02-28T14:00:00.000000000Z"};
//   no \n in `log`: a piece CRI                2026-02-28T14:00:00.000000000Z stdout F text; P
//   instead of F: a piece
//
// Pieces belong together per generation and stream. A record that a rotation cut goes on in the
// generation's successor.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pipeline/bytes.h"
#include "pipeline/chunk.h"

namespace logtally::pipeline {

enum class Wrapper : std::uint8_t { automatic, none, docker, cri };

enum class Stream : std::uint8_t { none, standard_output, standard_error };

// As a record's origin has it; empty for none.
std::string_view name_of(Stream stream);

// One record without its wrapper. Views are valid until the next call and, where the line itself is
// given back, as long as the chunk. Directly behind `text` stands a '\n', and kReadableBehind bytes
// are readable.
struct Unwrapped {
  std::string_view text;
  Stream stream = Stream::none;
  std::string_view time = {};    // as the wrapper has it (of the first piece); empty without one
  std::uint32_t generation = 0;  // of its first piece
  std::uint64_t offset = 0;      // of its first piece
  std::uint64_t end = 0;         // behind its last piece, in the generation that was fed
  std::uint32_t joined = 0;      // physical lines it continues over, beyond the first
  bool too_long = false;         // over the limit: `text` is empty
  bool wrapped = false;
  Wrapper taken_off = Wrapper::none;  // docker, cri
};

// Eight bytes as memcpy loads them on a little-endian machine.
constexpr std::uint64_t load_word(std::string_view eight) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(eight[i]);
  return value;
}

// Not thread-safe; one for any number of generations whose target has this wrapper.
class Unwrapper {
 public:
  Unwrapper(Wrapper wrapper, std::size_t record_bytes)
      : wrapper_(wrapper), record_bytes_(record_bytes) {}

  // False: the line is its own record, feed() would give it back as it is. Cheap, for every line.
  bool may_be_wrapped(std::string_view line) const {
    if (wrapper_ == Wrapper::none || line.size() < kShortest) return false;
    constexpr std::uint64_t kDockerHead = load_word("{\"log\":\"");
    constexpr std::uint64_t kDockerHeadSpaced = load_word("{\"log\": ");
    std::uint64_t head = 0;
    std::memcpy(&head, line.data(), sizeof head);
    if (wrapper_ == Wrapper::automatic)
      return head == kDockerHead || head == kDockerHeadSpaced || line[10] == 'T';
    return true;
  }

  // One physical line, without its '\n' (which stands behind it), from [offset, end) of its
  // generation. Null: a piece, kept.
  const Unwrapped* feed(std::uint32_t generation, std::string_view line, std::uint64_t offset,
                        std::uint64_t end);

  // `generation` took the path of `predecessor`: the rest of its pieces may stand there.
  void succeed(std::uint32_t predecessor, std::uint32_t generation);

  // The generation is over (Chunk::ends_generation): gives its lone pieces as records, one a call,
  // oldest first, until null.
  const Unwrapped* flush(std::uint32_t generation);

  // Start of the oldest unfinished record that began in the generation.
  std::optional<std::uint64_t> position(std::uint32_t generation) const;

  // Across a restart: the pieces that wait in the generation, and back. False for bytes that save()
  // never gives. Who restores says succeed() as well.
  void save(std::uint32_t generation, ByteWriter& to) const;
  bool restore(std::uint32_t generation, ByteReader& from);

  std::size_t pending() const { return pieces_.size(); }

 private:
  static constexpr std::size_t kShortest = 24;
  struct Line {
    std::string_view text;
    std::string_view time;
    Stream stream = Stream::none;
    bool piece = false;
  };
  struct Pieces {
    std::string text = {};
    std::string time = {};
    std::uint32_t generation = 0;
    std::uint64_t offset = 0;
    std::uint64_t end = 0;
    std::uint32_t count = 0;
    bool too_long = false;
    Wrapper wrapper = Wrapper::none;
  };

  bool take_docker(std::string_view line, Line& out);
  static bool take_cri(std::string_view line, Line& out);
  Pieces* find(std::uint32_t generation, Stream stream, std::uint64_t& key);
  const Unwrapped* give(Pieces pieces, Stream stream, std::uint64_t end);
  static std::uint64_t key_of(std::uint32_t generation, Stream stream) {
    return std::uint64_t{generation} << 2 | static_cast<std::uint64_t>(stream);
  }

  Wrapper wrapper_;
  std::size_t record_bytes_;
  std::unordered_map<std::uint64_t, Pieces> pieces_;
  std::unordered_map<std::uint32_t, std::uint32_t> predecessors_;
  std::string scratch_;  // the unescaped `log` of docker, with room to read behind
  Pieces given_;         // what out_ points into
  Unwrapped out_;
};

}  // namespace logtally::pipeline
