#include "pipeline/generation.h"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

namespace logtally::pipeline {
namespace {

std::string text_of(std::size_t size) {
  std::string text;
  for (std::uint32_t i = 0; text.size() < size; ++i) text += std::to_string(i * 2654435761U) + '\n';
  text.resize(size);
  return text;
}

StoredGeneration example() {
  const std::string text = text_of(5000);
  StoredGeneration generation{
      .number = 7,
      .target = "aria",
      .path = std::string("/var/log/a \"b\"\n\xff\0.log", 20),
      .id = {.device = 0xFFFFFFFFFFFFFFFF, .inode = 12, .born_ns = -5},
      .container = Container::gzip,
      .life = Life::rotated,
      .in_overlong = true,
      .predecessor = 6,
      .counted = 4000,
      .shipped = 3000,
      .seen_ns = 1'700'000'000'123'456'789,
      .marks = {.head = head_of(text),
                .tail = mark_of(4500, std::string_view(text).substr(4500 - 256, 256)),
                .ladder = {}},
  };
  climb(generation.marks.ladder, 0, std::string_view(text).substr(0, 4500));
  return generation;
}

}  // namespace

TEST_CASE("generation: the digest is XXH3 with 128 bits") {
  // The values that xxhsum -H2 prints.
  CHECK(digest_of("") == Digest{.high = 0x99aa06d3014798d8, .low = 0x6001c324468d497f});
  CHECK(digest_of("abc") == Digest{.high = 0x06b05ab6733a6185, .low = 0x78af5f94892f3950});
  CHECK(digest_of("abc") != digest_of("abd"));
}

TEST_CASE("generation: a head covers the first bytes only") {
  const std::string text = text_of(2000);
  CHECK(head_of("").length == 0);
  CHECK(head_of("abc").length == 3);
  CHECK(head_of(text).length == kHeadBytes);
  CHECK(head_of(text) == head_of(text.substr(0, kHeadBytes)));
  CHECK(head_of(text) != head_of(text.substr(0, kHeadBytes - 1)));
}

TEST_CASE("generation: the ladder is the same however the file was read") {
  const std::string text = text_of(70'000);
  std::vector<Mark> whole;
  climb(whole, 0, text);
  REQUIRE(whole.size() == 9);  // 256 to 65,536
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const std::uint64_t offset = std::uint64_t{256} << i;
    CHECK(whole[i] == mark_of(offset, std::string_view(text).substr(offset - 256, 256)));
  }
  for (const std::size_t step : {1U, 255U, 256U, 257U, 1000U, 65'536U}) {
    std::vector<Mark> ladder;
    for (std::size_t at = 0; at < text.size(); at += step)
      climb(ladder, at, std::string_view(text).substr(at, step));
    CHECK(ladder == whole);
  }
  // Again over what was read before: nothing is added.
  climb(whole, 1000, std::string_view(text).substr(1000, 3000));
  CHECK(whole.size() == 9);
}

TEST_CASE("generation: a ladder keeps its highest rungs") {
  std::vector<Mark> ladder;
  const std::string block(4096, 'x');
  for (int bit = 12; bit < 40; ++bit)
    climb(ladder, (std::uint64_t{1} << bit) - 2048, std::string_view(block).substr(1024, 3072));
  REQUIRE(ladder.size() == kRungs);
  CHECK(ladder.front().offset == std::uint64_t{1} << 24);
  CHECK(ladder.back().offset == std::uint64_t{1} << 39);
}

TEST_CASE("generation: bytes and back") {
  const StoredGeneration generation = example();
  CHECK(generation_from_bytes(to_bytes(generation)) == generation);
  CHECK(generation_from_bytes(to_bytes(StoredGeneration{})) == StoredGeneration{});
  CHECK(marks_from_bytes(to_bytes(generation.marks)) == generation.marks);
  CHECK(marks_from_bytes(to_bytes(Marks{})) == Marks{});
}

TEST_CASE("generation: bytes that are cut, longer or invalid are refused") {
  const std::string bytes = to_bytes(example());
  const std::string marks = to_bytes(example().marks);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(generation_from_bytes(std::string_view(bytes).substr(0, size)));
  }
  for (std::size_t size = 0; size < marks.size(); ++size)
    CHECK_FALSE(marks_from_bytes(std::string_view(marks).substr(0, size)));
  CHECK_FALSE(generation_from_bytes(bytes + '\0'));
  CHECK_FALSE(marks_from_bytes(marks + '\0'));

  std::string other = bytes;
  other[0] = 3;  // the version
  CHECK_FALSE(generation_from_bytes(other));

  Marks wrong = example().marks;
  std::swap(wrong.ladder[0], wrong.ladder[1]);
  CHECK_FALSE(marks_from_bytes(to_bytes(wrong)));
  wrong = example().marks;
  wrong.ladder[0].offset = 257;
  CHECK_FALSE(marks_from_bytes(to_bytes(wrong)));
  wrong = example().marks;
  wrong.head.length = kHeadBytes + 1;
  CHECK_FALSE(marks_from_bytes(to_bytes(wrong)));
  wrong = example().marks;
  wrong.ladder.assign(kRungs + 1, Mark{});
  CHECK_FALSE(marks_from_bytes(to_bytes(wrong)));
}

TEST_CASE("generation: no byte that changes leaves the value as it is") {
  const StoredGeneration generation = example();
  const std::string bytes = to_bytes(generation);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CAPTURE(i);
    CHECK(generation_from_bytes(changed) != generation);
  }
}

}  // namespace logtally::pipeline
