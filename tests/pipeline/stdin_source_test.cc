#include "pipeline/stdin_source.h"

#include <signal.h>

#include <array>
#include <random>

#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::Reader;
using testing::ScratchDir;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  void put(std::string_view bytes) {
    REQUIRE(::write(write.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  OwnedFd read;
  OwnedFd write;
};

}  // namespace

TEST_CASE("stdin: hazard 35, whole lines as they come, the rest at the end, then finished") {
  Pipe pipe;
  Reader reader({}, StdinSpec{.fd = pipe.read.get()}, {});
  CHECK(reader.drain().empty());
  pipe.put("one\ntw");
  CHECK(reader.drain() == "one|");
  pipe.put("o\nx");
  CHECK(reader.drain() == "two|");
  CHECK_FALSE(reader.inputs->finished());
  pipe.write.reset();
  CHECK(reader.inputs->wait(std::chrono::seconds(10), -1));
  CHECK(reader.drain() == "x|");
  CHECK(reader.inputs->finished());
  CHECK(reader.ended == 1);
  CHECK(reader.last.end == 9);
  CHECK(reader.inputs->target_name(0) == "stdin");
  CHECK(reader.inputs->path(0) == "-");
}

TEST_CASE("stdin: a regular file works as well, and files beside it") {
  const ScratchDir dir;
  testing::append(dir / "in", "1\n2\n3");
  testing::append(dir / "a", "f\n");
  const OwnedFd file(::open((dir / "in").c_str(), O_RDONLY | O_CLOEXEC));
  Reader reader({{.name = "files", .paths = {dir / "a"}, .exclude = {}}},
                StdinSpec{.fd = file.get()}, {.follow = false});
  const std::string got = reader.drain();
  CHECK((got == "1|2|f|3|" || got == "f|1|2|3|" || got == "1|2|3|f|"));
  CHECK(reader.inputs->finished());
}

TEST_CASE("stdin: however the bytes come, the lines are the same, and the copy is exact") {
  std::mt19937 random(11);
  for (int round = 0; round < 80; ++round) {
    const std::uint64_t limit = 1 + random() % 40;
    std::string text;
    for (int i = 0; i < 500; ++i)
      text += random() % 12 == 0 ? '\n' : static_cast<char>('a' + random() % 26);
    std::string want;
    std::uint64_t want_too_long = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      if (end - at > limit) {
        ++want_too_long;
      } else {
        want += text.substr(at, end - at) + "|";
      }
      at = end + 1;
    }
    Pipe in;
    Pipe out;
    Reader reader({}, StdinSpec{.fd = in.read.get(), .tee_fd = out.write.get()},
                  {.line_bytes = limit});
    std::string got;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 90, text.size() - at);
      in.put(std::string_view(text).substr(at, size));
      at += size;
      got += reader.drain();
    }
    in.write.reset();
    got += reader.drain();
    CAPTURE(limit, text);
    CHECK(got == want);
    CHECK(reader.too_long == want_too_long);
    CHECK(reader.last.end == text.size());
    std::string copy(text.size() + 1, '\0');
    CHECK(::read(out.read.get(), copy.data(), copy.size()) == static_cast<ssize_t>(text.size()));
    copy.pop_back();
    CHECK(copy == text);
  }
}

TEST_CASE("stdin: lines of the limit's length around the size of a read") {
  Pipe pipe;
  Reader reader({}, StdinSpec{.fd = pipe.read.get()}, {.line_bytes = kChunkBytes});
  const std::string fits(kChunkBytes, 'x');
  const std::string over(kChunkBytes + 1, 'y');
  std::string got;
  for (const std::string& line : {fits, over, fits, std::string("s"), over, over, fits}) {
    const std::string bytes = line + "\n";
    for (std::size_t at = 0; at < bytes.size(); at += 50'000) {
      pipe.put(std::string_view(bytes).substr(at, 50'000));
      got += reader.drain();
    }
  }
  CHECK(got == fits + "|" + fits + "|s|" + fits + "|");
  CHECK(reader.too_long == 3);
  CHECK(reader.too_long_bytes == 3 * (kChunkBytes + 2));
}

TEST_CASE("stdin: a reader of the copy that goes away ends the copy, not the reading") {
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  Pipe in;
  Pipe out;
  out.read.reset();
  Reader reader({}, StdinSpec{.fd = in.read.get(), .tee_fd = out.write.get()}, {});
  in.put("one\n");
  CHECK(reader.drain() == "one|");
  in.put("two\n");
  CHECK(reader.drain() == "two|");
  CHECK(reader.messages.size() == 1);
  CHECK(reader.inputs->tee_lost_bytes() == 8);
  ::signal(SIGPIPE, before);
}

}  // namespace logtally::pipeline
