#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "pipeline/spool_source.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::ScratchDir;
using testing::Time;

struct World {
  explicit World(std::uint64_t segment = 1 << 20, std::uint64_t most = std::uint64_t{1} << 30,
                 WhenFull when_full = WhenFull::drop_oldest) {
    options.directory = dir / ".";
    options.segment_bytes = segment;
    options.max_bytes = most;
    options.when_full = when_full;
    options.fault = [this] { return fault; };
    new_pipe("one");
    start();
  }

  void new_pipe(const std::string& name) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
    options.input = read.get();
    options.source = name;
  }

  // As if the process had been killed: what was not committed is read again.
  void start() {
    source.reset();
    spool.reset();
    std::vector<StoredGeneration> stored;
    for (const auto& [number, one] : durable) stored.push_back(one);
    options.last_number = last_segment(stored);
    auto opened = Spool::open(options);
    REQUIRE(opened.has_value());
    spool = *std::move(opened);
    source = std::make_unique<SpoolSource>(*spool, "stdin", 0, line_bytes, time.clock(), stored);
    got.clear();
  }

  void put(std::string_view bytes) {
    REQUIRE(::write(write.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  Spool::Step append() {
    Spool::Step step = Spool::Step::appended;
    for (int i = 0; step == Spool::Step::appended && i < 100'000; ++i) step = spool->append();
    return step;
  }
  // All that is to be read, "line|line|"; "<" where a generation begins, ">" where one ends.
  std::string drain() {
    std::string lines;
    while (const auto chunk = source->read()) {
      if (chunk->begins_generation) lines += '<';
      for (const char c : chunk->bytes) lines += c == '\n' ? '|' : c;
      too_long += chunk->too_long_lines;
      if (chunk->ends_generation) lines += '>';
    }
    got += lines;
    return lines;
  }
  void commit() {
    for (StoredGeneration& one : source->take_changed()) durable[one.number] = one;
    for (const std::uint32_t number : source->take_forgotten()) durable.erase(number);
    source->committed();
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir / "."))
      count += entry.path().extension() == ".log" ? 1 : 0;
    return count;
  }

  ScratchDir dir;
  Time time;
  SpoolOptions options;
  std::uint64_t line_bytes = 64 * 1024;
  int fault = 0;
  OwnedFd read, write;
  std::unique_ptr<Spool> spool;
  std::unique_ptr<SpoolSource> source;
  std::map<std::uint32_t, StoredGeneration> durable;
  std::string got;
  std::uint64_t too_long = 0;
};

}  // namespace

TEST_CASE("spool: lines come as they are written, the rest at the end") {
  World world;
  CHECK(world.append() == Spool::Step::idle);
  CHECK(world.drain().empty());
  world.put("one\ntw");
  CHECK(world.append() == Spool::Step::idle);
  CHECK(world.drain() == "<one|");
  CHECK(world.spool->bytes() == 6);
  world.put("o\nlast");
  world.append();
  CHECK(world.drain() == "two|");
  CHECK_FALSE(world.source->finished());
  world.write.reset();
  CHECK(world.append() == Spool::Step::ended);
  CHECK(world.drain() == "last|>");
  CHECK(world.source->finished());
  CHECK(world.files() == 1);
  world.commit();
  CHECK(world.files() == 0);
  CHECK(world.spool->bytes() == 0);
  CHECK(world.spool->dropped_bytes() == 0);
}

TEST_CASE("spool: segments are cut between lines, and go when their end is durable") {
  World world(10);
  for (const char* line : {"aaaa\n", "bbbb\n", "cccc\n", "dd", "ddddddddddddddddddd\n", "e\n"}) {
    world.put(line);
    world.append();
  }
  CHECK(world.files() == 3);
  CHECK(world.drain() == "<aaaa|bbbb|cccc|<ddddddddddddddddddddd|><e|>");
  CHECK(world.source->predecessor(kSpoolGenerations | 3) == (kSpoolGenerations | 2));
  world.commit();
  CHECK(world.files() == 1);
  CHECK(world.durable.at(kSpoolGenerations | 2).predecessor == (kSpoolGenerations | 1));
  world.commit();
  CHECK_FALSE(world.durable.contains(kSpoolGenerations | 1));
  world.write.reset();
  world.append();
  CHECK(world.drain().ends_with(">"));
  world.commit();
  CHECK(world.files() == 0);
}

TEST_CASE("spool: killed anywhere, every line is counted once") {
  std::mt19937 random(7);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  for (int round = 0; round < 60; ++round) {
    World world(1 + below(200));
    std::string want;
    std::string committed;
    int next = 0;
    for (int step = 0; step < 200; ++step) {
      switch (below(6)) {
        case 0:
        case 1: {  // a line, at times in pieces
          const std::string line =
              std::to_string(next++) + std::string(below(5) == 0 ? below(400) : below(9), 'x');
          const std::size_t cut = below(static_cast<unsigned>(line.size()) + 1);
          world.put(line.substr(0, cut));
          if (below(2) == 0) world.spool->append();
          world.put(line.substr(cut) + "\n");
          want += line + "|";
          break;
        }
        case 2:
        case 3:
          world.spool->append();
          break;
        case 4:
          world.drain();
          if (below(2) == 0) {
            world.commit();
            committed += std::exchange(world.got, {});
          }
          break;
        case 5:
          if (below(4) == 0) world.start();
          break;
        default:
          break;
      }
    }
    world.write.reset();
    world.append();
    world.drain();
    world.commit();
    committed += world.got;
    std::erase_if(committed, [](char c) { return c == '<' || c == '>'; });
    CAPTURE(round);
    REQUIRE(committed == want);
    REQUIRE(world.files() == 0);
  }
}

TEST_CASE("spool: the same pipe goes on in the middle of a line, another one does not") {
  World world;
  world.put("one\ntw");
  world.append();
  world.start();
  world.put("o\nthr");
  world.append();
  CHECK(world.drain() == "<one|two|");
  world.commit();
  world.new_pipe("two");
  world.start();
  world.put("ee\n");
  world.append();
  // What the first one broke off in is a line of its own.
  CHECK(world.drain() == "thr|><ee|");
  CHECK(world.spool->find(2)->bytes == 3);
}

TEST_CASE("spool: when it is full the oldest segments go, and what nobody had counted is told") {
  World world(1000, 4000);
  const std::string line = std::string(99, 'y') + "\n";
  for (int i = 0; i < 15; ++i) world.put(line);
  world.append();
  const std::uint64_t read = world.source->read()->bytes.size();  // the first segment
  CHECK(read == 1100);
  for (int i = 0; i < 85; ++i) {
    world.put(line);
    world.append();
  }
  CHECK(world.spool->bytes() <= 4000);
  CHECK(world.spool->bytes() >= 3000);
  CHECK(world.spool->dropped_bytes() == 10'000 - read - world.spool->bytes());
  std::uint64_t lines = 0;
  for (const char c : world.drain()) lines += c == '|' ? 1 : 0;
  CHECK(lines * 100 == world.spool->bytes());
  const auto messages = world.source->take_messages();
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].find("is full: its oldest lines are dropped") != std::string::npos);
  world.commit();
  CHECK(world.files() == 1);
}

TEST_CASE("spool: when it is full and told to block, the pipe waits and nothing is lost") {
  World world(1000, 4000, WhenFull::block);
  const std::string line = std::string(99, 'y') + "\n";
  for (int i = 0; i < 100; ++i) world.put(line);
  CHECK(world.append() == Spool::Step::full);
  CHECK(world.spool->bytes() >= 4000);
  std::uint64_t lines = 0;
  for (int i = 0; i < 20; ++i) {
    for (const char c : world.drain()) lines += c == '|' ? 1 : 0;
    world.commit();
    world.append();
  }
  CHECK(lines == 100);
  CHECK(world.spool->dropped_bytes() == 0);
  CHECK(world.source->take_messages().size() == 2);  // it had been half empty between
}

TEST_CASE(
    "spool: a disk that is full costs lines only when the oldest may go, and never half of one") {
  for (const WhenFull when_full : {WhenFull::drop_oldest, WhenFull::block}) {
    const bool block = when_full == WhenFull::block;
    CAPTURE(block);
    World world(1 << 20, 1 << 30, when_full);
    world.put("one\ntw");
    world.append();
    world.fault = ENOSPC;
    world.put("o\nthree\nfo");
    CHECK(world.append() == (block ? Spool::Step::full : Spool::Step::idle));
    world.put("ur\nfive\n");
    CHECK(world.append() == (block ? Spool::Step::full : Spool::Step::idle));
    world.fault = 0;
    world.put("six\n");
    CHECK(world.append() == Spool::Step::idle);
    CHECK(world.drain() == (block ? "<one|two|three|four|five|six|" : "<one|tw|six|"));
    CHECK(world.spool->dropped_bytes() == (block ? 0 : 18));
    CHECK(world.source->take_messages().size() == (block ? 1 : 2));
  }
}

TEST_CASE("spool: what is longer than a line may be is skipped once, across a restart too") {
  World world;
  world.line_bytes = 1000;
  world.start();
  world.put("a\n" + std::string(5000, 'z'));
  world.append();
  CHECK(world.drain() == "<a|");
  world.commit();
  world.start();
  world.put(std::string(5000, 'z') + "\nb\n");
  world.append();
  CHECK(world.drain() == "b|");
  CHECK(world.too_long == 1);
}

TEST_CASE("spool: with a copy the bytes pass through memory, and are the same") {
  World world(50);
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  const OwnedFd copy_read(ends[0]);
  const OwnedFd copy_write(ends[1]);
  world.options.tee_fd = copy_write.get();
  world.start();
  std::string text;
  for (int i = 0; i < 40; ++i) text += "line " + std::to_string(i) + "\n";
  world.put(text + "end");
  world.write.reset();
  CHECK(world.append() == Spool::Step::ended);
  std::string copy(10'000, '\0');
  copy.resize(static_cast<std::size_t>(::read(copy_read.get(), copy.data(), copy.size())));
  CHECK(copy == text + "end");
  std::string lines = world.drain();
  std::erase_if(lines, [](char c) { return c == '<' || c == '>'; });
  std::replace(text.begin(), text.end(), '\n', '|');
  CHECK(lines == text + "end|");
  CHECK(world.files() > 5);
}

TEST_CASE("spool: a thread appends, and wakes who waits") {
  World world;
  const SpoolThread thread(*world.spool);
  world.put("one\n");
  pollfd waited{.fd = world.spool->event_fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&waited, 1, 60'000) == 1);
  CHECK(world.drain() == "<one|");
  world.write.reset();
  while (!world.source->finished()) {
    REQUIRE(::poll(&waited, 1, 60'000) == 1);
    world.drain();
  }
  CHECK(world.got == "<one|>");
}

}  // namespace logtally::pipeline
