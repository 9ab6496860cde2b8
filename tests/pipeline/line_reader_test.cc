#include "pipeline/line_reader.h"

#include <algorithm>
#include <random>

#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::append;
using testing::ScratchDir;

struct Opened {
  explicit Opened(const std::string& path) : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    REQUIRE(fd.get() >= 0);
  }
  OwnedFd fd;
};

}  // namespace

TEST_CASE("line_reader: a partial last line waits (hazard 12)") {
  const ScratchDir dir;
  append(dir / "a", "one\nab");
  const Opened file(dir / "a");
  LineReader reader(1024);
  Cursor cursor;
  CHECK(reader.read(file.fd.get(), cursor, LineReader::Rest::waits).bytes == "one\n");
  CHECK(reader.read(file.fd.get(), cursor, LineReader::Rest::waits).status == Lines::Status::end);
  CHECK(cursor.position == 4);
  CHECK(cursor.searched == 6);
  append(dir / "a", "c\nd");
  const Lines lines = reader.read(file.fd.get(), cursor, LineReader::Rest::waits);
  CHECK(lines.bytes == "abc\n");
  CHECK(lines.offset == 4);
  CHECK(cursor.position == 8);
  CHECK(reader.read(file.fd.get(), cursor, LineReader::Rest::waits).status == Lines::Status::end);
  const Lines rest = reader.read(file.fd.get(), cursor, LineReader::Rest::is_a_line);
  CHECK(rest.bytes == "d\n");
  CHECK(cursor.position == 9);
}

TEST_CASE("line_reader: the limit is exact, below and above the size of a read") {
  for (const std::uint64_t limit :
       {std::uint64_t{10}, std::uint64_t{kChunkBytes}, std::uint64_t{700'000}}) {
    const ScratchDir dir;
    const auto longest = static_cast<std::size_t>(limit);
    const std::string fits(longest, 'x');
    const std::string over(longest + 1, 'y');
    append(dir / "a",
           "1\n" + fits + "\n" + over + "\n2\n" + over + "\n" + over + "\n" + fits + "\n3");
    const Opened file(dir / "a");
    LineReader reader(limit);
    Cursor cursor;
    std::string lines;
    std::uint64_t too_long = 0;
    std::uint64_t total = 0;
    for (;;) {
      const Lines got = reader.read(file.fd.get(), cursor, LineReader::Rest::is_a_line);
      if (got.status == Lines::Status::end) break;
      lines += got.bytes;
      too_long += got.too_long_lines;
      total += got.too_long_bytes;
    }
    CAPTURE(limit);
    CHECK(lines == "1\n" + fits + "\n2\n" + fits + "\n3\n");
    CHECK(too_long == 3);
    CHECK(total == 3 * (limit + 2));
    CHECK(reader.capacity() <= limit + 2 * kChunkBytes);
  }
}

TEST_CASE("line_reader: a slowly growing line is searched once") {
  const ScratchDir dir;
  testing::Writer writer(dir / "a");
  const Opened file(dir / "a");
  LineReader reader(100'000);
  Cursor cursor;
  for (int i = 0; i < 1000; ++i) {
    writer.write("12345");
    CHECK(reader.read(file.fd.get(), cursor, LineReader::Rest::waits).status == Lines::Status::end);
    REQUIRE(cursor.searched == static_cast<std::uint64_t>(i + 1) * 5);
  }
  writer.write("\n");
  CHECK(reader.read(file.fd.get(), cursor, LineReader::Rest::waits).bytes.size() == 5001);
}

TEST_CASE("line_reader: a sparse hole is passed without reading it") {
  const ScratchDir dir;
  testing::Writer writer(dir / "a");
  writer.truncate(off_t{1} << 40);
  writer.write("x\nlast\n");
  const Opened file(dir / "a");
  LineReader reader(1024);
  Cursor cursor;
  Lines lines;
  int reads = 0;
  do {
    lines = reader.read(file.fd.get(), cursor, LineReader::Rest::waits);
    ++reads;
  } while (lines.status == Lines::Status::more);
  CHECK(lines.bytes == "x\nlast\n");
  CHECK(lines.offset == std::uint64_t{1} << 40);
  CHECK(lines.nul_bytes == std::uint64_t{1} << 40);
  CHECK(lines.too_long_lines == 0);
  CHECK(reads < 10);
}

TEST_CASE("line_reader: however the bytes come, the lines are the same") {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const ScratchDir dir;
    const std::uint64_t limit = 1 + random() % 40;
    std::string text;
    for (int i = 0; i < 400; ++i)
      text += random() % 12 == 0 ? '\n' : static_cast<char>('a' + random() % 26);
    std::string want;
    std::uint64_t want_too_long = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      if (end - at > limit) {
        ++want_too_long;
      } else {
        want += text.substr(at, end - at) + "\n";
      }
      at = end + 1;
    }
    testing::Writer writer(dir / "a");
    const Opened file(dir / "a");
    LineReader reader(limit);
    Cursor cursor;
    std::string got;
    std::uint64_t too_long = 0;
    const auto drain = [&](LineReader::Rest rest) {
      for (;;) {
        const std::uint64_t before = cursor.position;
        const Lines lines = reader.read(file.fd.get(), cursor, rest);
        got += lines.bytes;
        too_long += lines.too_long_lines;
        if (lines.status == Lines::Status::end) return;
        const bool closed =
            !lines.bytes.empty() && lines.offset + lines.bytes.size() == cursor.position + 1;
        REQUIRE(before + lines.too_long_bytes + lines.bytes.size() ==
                cursor.position + (closed ? 1 : 0));
      }
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + random() % 60;
      writer.write(std::string_view(text).substr(at, size));
      at += size;
      drain(LineReader::Rest::waits);
    }
    drain(LineReader::Rest::is_a_line);
    CAPTURE(limit, text);
    CHECK(got == want);
    CHECK(too_long == want_too_long);
  }
}

}  // namespace logtally::pipeline
