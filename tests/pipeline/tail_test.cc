// The hazards of tailing, by their numbers in the reliability notes, each with and without inotify.
// Time is turned by hand; every step() is one look at everything.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::append;
using testing::Reader;
using testing::ScratchDir;
using testing::Writer;

void rename_file(const std::string& from, const std::string& to) {
  REQUIRE(::rename(from.c_str(), to.c_str()) == 0);
}

// Root may read everything: become somebody else for a while.
class OrdinaryUser {
 public:
  OrdinaryUser() : user_(::geteuid()) {
    if (user_ == 0) {
      WARN("run as root: goes on as nobody");
      REQUIRE(::seteuid(65534) == 0);
    }
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;
  ~OrdinaryUser() {
    if (user_ == 0 && ::seteuid(0) != 0) std::abort();
  }

 private:
  uid_t user_;
};

Watching any_watching() { return GENERATE(Watching::inotify, Watching::poll); }

}  // namespace

TEST_CASE("tail: hazard 1, the writer keeps the old descriptor after a rename") {
  const ScratchDir dir;
  Writer old(dir / "a");
  old.write("A1\n");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step() == "A1|");
  rename_file(dir / "a", dir / "a.1");
  append(dir / "a", "B1\n");
  old.write("A2\n");
  CHECK(reader.step() == "A2|B1|");
  CHECK(reader.inputs->predecessor(reader.last.generation) == 0 + kStdinGeneration + 1);
  old.write("A3\n");
  CHECK(reader.step() == "A3|");  // within the grace period
  CHECK(reader.after(6s).empty());
  CHECK(reader.after(1s).empty());
  CHECK(reader.ended == 1);
  append(dir / "a", "B2\n");
  CHECK(reader.step() == "B2|");
  CHECK(reader.inputs->rotations(0).renamed == 1);
  CHECK(reader.inputs->rotations(0).deleted == 0);
}

TEST_CASE("tail: hazard 1, a long rest of the old file comes before the new file") {
  const ScratchDir dir;
  Writer old(dir / "a");
  old.write("A\n");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step() == "A|");
  std::string rest;
  while (rest.size() < 3 * kChunkBytes) rest += "0123456789abcde\n";
  rename_file(dir / "a", dir / "a.1");
  append(dir / "a", "B\n");
  old.write(rest);
  const std::string got = reader.step();
  CHECK(got.size() == rest.size() + 2);
  CHECK(got.substr(rest.size() < got.size() ? rest.size() : 0) == "B|");
}

TEST_CASE("tail: hazard 2, several renames between two looks, the old names in the glob") {
  const ScratchDir dir;
  Writer first(dir / "a");
  first.write("1\n");
  Reader reader({dir / "a*"}, {.watching = any_watching()});
  CHECK(reader.step() == "1|");
  first.write("2\n");
  for (int round = 0; round < 4; ++round) {
    for (int i = round; i >= 0; --i) {
      rename_file(dir / (i == 0 ? "a" : "a." + std::to_string(i)),
                  dir / ("a." + std::to_string(i + 1)));
    }
    append(dir / "a", std::to_string(round + 3) + "\n");
    const timespec times[2] = {{.tv_sec = 1000 + round, .tv_nsec = 0},
                               {.tv_sec = 1000 + round, .tv_nsec = 0}};
    REQUIRE(::utimensat(AT_FDCWD, (dir / "a").c_str(), times, 0) == 0);
  }
  CHECK(reader.step() == "2|3|4|5|6|");
  CHECK(reader.step().empty());
  CHECK(reader.after(6s).empty());
  CHECK(reader.after(1s).empty());
}

TEST_CASE("tail: hazard 4, copytruncate starts again from 0 and is counted") {
  const ScratchDir dir;
  Writer writer(dir / "a");
  writer.write("L1\nL2\nL3\n");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step() == "L1|L2|L3|");
  writer.truncate();
  writer.write("M1\n");
  CHECK(reader.step() == "M1|");
  CHECK(reader.ended == 1);
  CHECK(reader.inputs->rotations(0).truncated == 1);
  writer.write("M2\n");
  CHECK(reader.step() == "M2|");
  CHECK(reader.last.offset == 3);
}

TEST_CASE("tail: hazard 5, truncated and smaller than the position, twice") {
  const ScratchDir dir;
  Writer writer(dir / "a");
  writer.write("a long first line\npart");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step() == "a long first line|");
  writer.truncate(20);  // within the partial line, which was looked at already
  CHECK(reader.step() == "a long first line|");
  writer.truncate();
  CHECK(reader.step().empty());
  writer.write("n\n");
  CHECK(reader.step() == "n|");
  CHECK(reader.inputs->rotations(0).truncated == 2);
}

TEST_CASE("tail: hazards 12 and 15, a partial last line waits, however long, and is one line") {
  const ScratchDir dir;
  append(dir / "a", "ab");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step().empty());
  CHECK(reader.after(1h).empty());
  append(dir / "a", "c\n");
  CHECK(reader.step() == "abc|");
  CHECK(reader.last.offset == 0);
  CHECK(reader.last.end == 4);
  CHECK(reader.ended == 0);
}

TEST_CASE(
    "tail: hazard 14, a partial last line of a renamed file is flushed once after the grace "
    "period") {
  const ScratchDir dir;
  Writer old(dir / "a");
  old.write("ab");
  const std::string pattern = GENERATE("a", "a*");  // the new name in or out of the glob
  Reader reader({dir / pattern}, {.watching = any_watching()});
  CHECK(reader.step().empty());
  rename_file(dir / "a", dir / "a.1");
  append(dir / "a", "new\n");
  CHECK(reader.step() == "new|");
  old.write("c");
  CHECK(reader.after(4s).empty());
  CHECK(reader.after(6s) + reader.after(1s) == "abc|");
  CHECK(reader.after(20s).empty());
  CHECK(reader.ended == 1);
}

TEST_CASE("tail: hazard 16, a deleted file is read to its end while its writer goes on") {
  const ScratchDir dir;
  Writer writer(dir / "a");
  writer.write("1\n");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step() == "1|");
  REQUIRE(::unlink((dir / "a").c_str()) == 0);
  writer.write("2\n");
  CHECK(reader.step() == "2|");
  writer.write("3\nrest");
  CHECK(reader.step() == "3|");
  CHECK(reader.after(6s) + reader.after(1s) == "rest|");
  CHECK(reader.inputs->rotations(0).deleted == 1);
  append(dir / "a", "again\n");
  CHECK(reader.step() == "again|");
  CHECK(reader.last.offset == 0);
}

TEST_CASE("tail: hazard 17, a symbolic link moves on while its old file has unread bytes") {
  const ScratchDir dir;
  append(dir / "log.1", "1\n");
  append(dir / "log.2", "2\n");
  REQUIRE(::symlink("log.1", (dir / "cur").c_str()) == 0);
  Reader reader({dir / "cur"}, {.watching = any_watching()});
  CHECK(reader.step() == "1|");
  append(dir / "log.1", "1b\n");
  REQUIRE(::symlink("log.2", (dir / "next").c_str()) == 0);
  rename_file(dir / "next", dir / "cur");
  CHECK(reader.step() == "1b|2|");
  append(dir / "log.2", "2b\n");
  CHECK(reader.step() == "2b|");
}

TEST_CASE("tail: hazard 19, what is no regular file never blocks and is said once") {
  const ScratchDir dir;
  REQUIRE(::mkfifo((dir / "fifo.log").c_str(), 0600) == 0);
  REQUIRE(::mkdir((dir / "dir.log").c_str(), 0700) == 0);
  REQUIRE(::symlink("/dev/null", (dir / "null.log").c_str()) == 0);
  REQUIRE(::symlink("loop.log", (dir / "loop.log").c_str()) == 0);
  REQUIRE(::symlink(".", (dir / "self").c_str()) == 0);
  const OwnedFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = dir / "socket.log";
  REQUIRE(name.size() < sizeof address.sun_path);
  std::copy(name.begin(), name.end(), address.sun_path);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  append(dir / "a.log", "a\n");
  const std::string pattern = GENERATE("*.log", "**/*.log");
  const bool follow = GENERATE(true, false);
  Reader reader({dir / pattern}, {.follow = follow, .watching = any_watching()});
  CHECK(reader.step() == "a|");
  reader.step();
  reader.after(1min);
  const std::size_t want =
      pattern == "*.log" ? 5 : 4;  // ** goes through directories: they are no surprise
  CHECK(reader.messages.size() == want);
  CHECK(reader.inputs->finished() == !follow);
}

TEST_CASE("tail: hazard 20, a file with two names is read once, under the first") {
  const ScratchDir dir;
  append(dir / "b.log", "1\n");
  REQUIRE(::link((dir / "b.log").c_str(), (dir / "a.log").c_str()) == 0);
  Reader reader({dir / "*.log"}, {.watching = any_watching()});
  CHECK(reader.step() == "1|");
  CHECK(reader.inputs->path(reader.last.generation) == dir / "a.log");
  append(dir / "b.log", "2\n");
  CHECK(reader.step() == "2|");
  REQUIRE(::unlink((dir / "a.log").c_str()) == 0);
  append(dir / "b.log", "3\n");
  CHECK(reader.step() == "3|");
  CHECK(reader.inputs->path(reader.last.generation) == dir / "b.log");
}

TEST_CASE("tail: hazard 23, an overflow of the event queue loses nothing") {
  const ScratchDir dir;
  Writer writer(dir / "a.log");
  Reader reader({dir / "*.log"}, {});
  CHECK(reader.step().empty());
  for (int i = 0; i < 8300; ++i) {  // two events each: more than the queue of 16,384 holds
    const std::string name = dir / ("x" + std::to_string(i));
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    ::close(fd);
    REQUIRE(::unlink(name.c_str()) == 0);
  }
  writer.write("1\n");  // these events are lost
  append(dir / "b.log", "2\n");
  CHECK(reader.drain() == "1|2|");  // time stands still: no polling helps
}

TEST_CASE("tail: hazard 23, an overflow that swallows nothing but writes") {
  const ScratchDir dir;
  Writer a(dir / "a.log");
  Writer b(dir / "b.log");
  Writer c(dir / "c.log");
  Reader reader({dir / "*.log"}, {});
  CHECK(reader.step().empty());
  for (int i = 0; i < 8300; ++i) {  // in turns: the same event twice would be one
    a.write("a");
    b.write("b");
  }
  c.write("c\n");
  CHECK(reader.drain() == "c|");
}

TEST_CASE("tail: hazard 25, more files than descriptors, few of them active") {
  const ScratchDir dir;
  constexpr int kFiles = 600;
  const auto name = [&](int i) { return dir / ("f" + std::to_string(i) + ".log"); };
  for (int i = 0; i < kFiles; ++i) append(name(i), "0\n");
  const From from = GENERATE(From::end, From::beginning);
  Reader reader({dir / "*.log"}, {.watching = any_watching(), .max_open_files = 64}, {}, from);
  const std::string first = reader.step();
  CHECK(std::count(first.begin(), first.end(), '|') == (from == From::end ? 0 : kFiles));
  for (int round = 1; round < 4; ++round) {
    std::string want;
    for (int i = round; i < kFiles; i += 61) append(name(i), "x\n");
    const std::string got = reader.step();
    CHECK(std::count(got.begin(), got.end(), '|') == (kFiles - round + 60) / 61);
    CHECK(std::count(got.begin(), got.end(), '0') == 0);
  }
}

TEST_CASE("tail: hazard 26, out of descriptors is not fatal") {
  const ScratchDir dir;
  for (int i = 0; i < 80; ++i) append(dir / ("f" + std::to_string(i)), "0\n");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int next = ::dup(0);
  ::close(next);
  rlimit low = before;
  low.rlim_cur = static_cast<rlim_t>(next) + 20;
  Reader reader({dir / "missing"}, {.watching = any_watching()});
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  auto opened =
      Inputs::open({{.name = "t", .paths = {dir / "f*"}, .exclude = {}, .from = From::beginning}},
                   std::nullopt, {.clock = reader.time.clock(), .watching = any_watching()});
  int lines = 0;
  for (int step = 0; opened.has_value() && step < 100; ++step) {
    reader.time.now += 300ms;
    while (const auto chunk = (*opened)->read())
      lines += static_cast<int>(std::count(chunk->bytes.begin(), chunk->bytes.end(), '\n'));
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(lines == 80);
}

TEST_CASE("tail: hazard 27, permission denied, then granted") {
  const OrdinaryUser user;
  const ScratchDir dir;
  append(dir / "a", "1\n");
  REQUIRE(::chmod((dir / "a").c_str(), 0) == 0);
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step().empty());
  CHECK(reader.step().empty());
  CHECK(reader.step().empty());
  CHECK(std::count_if(reader.messages.begin(), reader.messages.end(), [](const std::string& m) {
          return m.find("Permission denied") != std::string::npos;
        }) == 1);
  REQUIRE(::chmod((dir / "a").c_str(), 0644) == 0);
  CHECK(reader.step() == "1|");
  append(dir / "a", "2\n");
  CHECK(reader.step() == "2|");
}

TEST_CASE("tail: hazard 31, CR and LF come as they are, also at the edge of a read") {
  const ScratchDir dir;
  const std::string line(kChunkBytes - 2, 'x');
  append(dir / "a", line + "\r\ny\rz\r\n\r\n");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  CHECK(reader.step() == line + "\r|y\rz\r|\r|");
}

TEST_CASE("tail: hazard 34, a 100 MB line and a short one in 64 KiB writes") {
  const ScratchDir dir;
  Writer writer(dir / "a");
  Reader reader({dir / "a"}, {.watching = any_watching()});
  const std::string piece(64 * 1024, 'x');
  for (int i = 0; i < 1600; ++i) {
    writer.write(piece);
    if (i % 100 == 0) CHECK(reader.step().empty());
  }
  CHECK(reader.step().empty());
  CHECK(reader.too_long == 0);  // not yet at its end
  writer.write("\nshort\n");
  CHECK(reader.step() == "short|");
  CHECK(reader.too_long == 1);
  CHECK(reader.too_long_bytes == 1600 * piece.size() + 1);
  CHECK(reader.last.offset == 1600 * piece.size() + 1);
}

TEST_CASE("tail: hazard 41, renamed out of the glob and back is not read again") {
  const ScratchDir dir;
  append(dir / "a.log", "1\n");
  Reader reader({dir / "*.log"}, {.watching = any_watching()});
  CHECK(reader.step() == "1|");
  rename_file(dir / "a.log", dir / "away");
  CHECK(reader.step().empty());
  append(dir / "away", "2\n");
  CHECK(reader.step() == "2|");
  reader.after(10s);
  reader.after(1s);
  rename_file(dir / "away", dir / "b.log");
  CHECK(reader.step().empty());
  append(dir / "b.log", "3\n");
  CHECK(reader.step() == "3|");
}

TEST_CASE("tail: hazard 45, the directory is replaced") {
  const ScratchDir dir;
  REQUIRE(::mkdir((dir / "d").c_str(), 0700) == 0);
  append(dir / "d/a.log", "1\n");
  Reader reader({dir / "d/*.log"}, {.watching = any_watching()});
  CHECK(reader.step() == "1|");
  rename_file(dir / "d", dir / "e");
  REQUIRE(::mkdir((dir / "d").c_str(), 0700) == 0);
  append(dir / "d/a.log", "2\n");
  CHECK(reader.step() == "2|");
  append(dir / "d/b.log", "3\n");
  CHECK(reader.step() == "3|");
}

TEST_CASE(
    "tail: files that appear later are read from their beginning, also in directories that appear "
    "later") {
  const ScratchDir dir;
  append(dir / "old.log", "no\npart");
  Reader reader({dir / "*.log", dir / "sub/deep/*.log", dir / "later"},
                {.watching = any_watching()}, {}, From::end);
  CHECK(reader.step().empty());
  append(dir / "old.log", "ial\n");
  CHECK(reader.step() == "partial|");  // begun before the start, ended after it
  append(dir / "new.log", "1\n");
  CHECK(reader.step() == "1|");
  REQUIRE(::mkdir((dir / "sub").c_str(), 0700) == 0);
  CHECK(reader.step().empty());
  REQUIRE(::mkdir((dir / "sub/deep").c_str(), 0700) == 0);
  append(dir / "sub/deep/x.log", "2\n");
  CHECK(reader.step() == "2|");
  CHECK(reader.inputs->missing() == std::vector<std::string>{dir / "later"});
  append(dir / "later", "3\n");
  CHECK(reader.step() == "3|");
}

TEST_CASE("tail: once reads everything from the beginning to its end, and then it is finished") {
  const ScratchDir dir;
  append(dir / "a.log", "1\n2\n");
  append(dir / "b.log", "3\nrest");
  append(dir / "b.log.gz", "no\n");
  append(dir / "empty.log", "");
  Reader reader({dir / "*.log", dir / "*.gz", dir / "none"}, {.follow = false}, {"*.gz"},
                From::end);
  CHECK_FALSE(reader.inputs->finished());
  const std::string got = reader.drain();
  CHECK(got == "1|2|3|rest|");
  CHECK(reader.inputs->finished());
  CHECK(reader.ended == 3);
  CHECK(reader.inputs->missing() == std::vector<std::string>{dir / "none"});
}

TEST_CASE("tail: files take turns") {
  const ScratchDir dir;
  std::string lines;
  while (lines.size() < 3 * kChunkBytes) lines += "0123456789abcdef\n";
  append(dir / "a", lines);
  append(dir / "b", lines);
  Reader reader({dir / "a", dir / "b"}, {.follow = false});
  std::vector<std::uint32_t> order;
  while (const auto chunk = reader.inputs->read()) {
    if (!chunk->bytes.empty()) order.push_back(chunk->generation);
  }
  REQUIRE(order.size() >= 6);
  for (std::size_t i = 1; i < 6; ++i) CHECK(order[i] != order[i - 1]);
}

TEST_CASE("tail: waiting ends at once when a line comes") {
  const ScratchDir dir;
  append(dir / "a", "1\n");
  Reader reader({dir / "a"}, {});
  CHECK(reader.step() == "1|");
  CHECK_FALSE(reader.inputs->wait(0ms, -1));
  append(dir / "a", "2\n");
  CHECK(reader.inputs->wait(10s, -1));
  CHECK(reader.drain() == "2|");
}

}  // namespace logtally::pipeline
