#include "cli/relay.h"

#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include <catch2/catch.hpp>

#include "cli/child_process.h"

namespace logtally::cli {
namespace {

using pipeline::OwnedFd;

PipeEnds pipe_of(int bytes = 1 << 20) {
  auto ends = make_pipe();
  REQUIRE(ends.has_value());
  ::fcntl(ends->write.get(), F_SETPIPE_SZ, bytes);
  ::fcntl(ends->read.get(), F_SETFL, O_NONBLOCK);
  return std::move(*ends);
}

std::string all_of(const OwnedFd& fd) {
  std::string text;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::read(fd.get(), bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<std::size_t>(got));
  return text;
}

void put(const OwnedFd& fd, std::string_view bytes) {
  REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

struct World {
  explicit World(bool labelled = false, int worker_bytes = 1 << 20)
      : worker(pipe_of(worker_bytes)) {
    relay.emplace(Relay::Spec{.standard_output = std::move(command[0].read),
                              .standard_error = std::move(command[1].read),
                              .worker = std::move(worker.write),
                              .copies = {copies[0].write.get(), copies[1].write.get()},
                              .labelled = labelled,
                              .wall_ns = [] { return std::int64_t{1'772'287'200'000'000'042}; }});
  }
  std::string counted() {
    relay->work();
    return all_of(worker.read);
  }
  std::string copied(std::size_t stream) const { return all_of(copies[stream].read); }

  PipeEnds command[2] = {pipe_of(), pipe_of()};
  PipeEnds copies[2] = {pipe_of(4096), pipe_of(4096)};
  PipeEnds worker;
  std::optional<Relay> relay;
};

}  // namespace

TEST_CASE("relay: the worker gets whole lines, the copies every byte at once") {
  World world;
  put(world.command[0].write, "one\ntw");
  put(world.command[1].write, "err");
  CHECK(world.counted() == "one\n");
  CHECK(world.copied(0) == "one\ntw");
  CHECK(world.copied(1) == "err");
  put(world.command[1].write, "or\n");
  put(world.command[0].write, "o\nlast");
  CHECK(world.counted() == "two\nerror\n");
  world.command[0].write.reset();
  CHECK(world.counted() == "last\n");
  CHECK_FALSE(world.relay->input_ended());
  world.command[1].write.reset();
  CHECK(world.counted().empty());
  CHECK(world.relay->input_ended());
  char byte = 0;
  CHECK(::read(world.worker.read.get(), &byte, 1) == 0);  // its end, not "nothing now"
}

TEST_CASE("relay: labelled lines say which stream and when, long ones come in pieces") {
  World world(true);
  put(world.command[0].write, "one\n\ntwo");
  put(world.command[1].write, "x\n");
  const std::string head = "2026-02-28T14:00:00.000000042Z ";
  CHECK(world.counted() == head + "stdout F one\n" + head + "stdout F \n" + head + "stderr F x\n");
  const std::string much(Relay::kPiece, 'y');
  put(world.command[0].write, much);
  CHECK(world.counted() == head + "stdout P two" + much.substr(3) + "yyy\n");
  put(world.command[0].write, "z\n");
  CHECK(world.counted() == head + "stdout F z\n");
  put(world.command[1].write, "end");
  world.relay->end_input();
  CHECK(world.counted().empty());  // it was not read before the end was called
  CHECK(world.relay->input_ended());
}

TEST_CASE(
    "relay: a copy that stands still holds its stream up, not the other one, and loses nothing") {
  World world;
  const std::string block(64 * 1024 - 1, 'a');
  std::string sent;
  for (int i = 0; i < 64; ++i) {
    const std::string line = block + "\n";
    if (::fcntl(world.command[0].write.get(), F_SETFL, O_NONBLOCK) == 0 &&
        ::write(world.command[0].write.get(), line.data(), line.size()) ==
            static_cast<ssize_t>(line.size()))
      sent += line;
    world.counted();
  }
  CHECK(sent.size() < 64 * 64 * 1024);  // the command had to wait
  CHECK(sent.size() >= Relay::kKept);
  put(world.command[1].write, "still\n");
  CHECK(world.counted() == "still\n");
  std::string got;
  for (int i = 0; i < 10'000 && got.size() < sent.size(); ++i) {
    got += world.copied(0);
    world.counted();
  }
  CHECK((got == sent));
}

TEST_CASE("relay: a worker that does not read holds the command up; without one nothing is kept") {
  World world(false, 4096);
  world.command[0].write.reset();
  const std::string line = std::string(1000, 'b') + "\n";
  ::fcntl(world.command[1].write.get(), F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 20'000; ++i) {
    if (::write(world.command[1].write.get(), line.data(), line.size()) < 0) {
      world.relay->work();
      world.copied(1);
    }
  }
  std::vector<pollfd> waited;
  world.relay->add_to(waited);
  for (const pollfd& fd : waited) CHECK(fd.events == POLLOUT);
  world.relay->drop_worker();
  waited.clear();
  for (int i = 0; i < 100; ++i) {
    world.relay->work();
    world.copied(1);
  }
  CHECK(::write(world.command[1].write.get(), line.data(), line.size()) > 0);
}

TEST_CASE("relay: a copy whose reader has gone is told of once and ends") {
  ::signal(SIGPIPE, SIG_IGN);
  World world;
  world.copies[0].read.reset();
  put(world.command[0].write, "one\n");
  CHECK(world.counted() == "one\n");
  // Standard output is opened anew, so the write ends here do not keep it alive.
  CHECK(world.relay->take_messages() ==
        std::vector<std::string>{"the copy to standard output ends: Broken pipe"});
  put(world.command[0].write, "two\n");
  CHECK(world.counted() == "two\n");
  CHECK(world.relay->take_messages().empty());
  CHECK(world.relay->copied());
}

}  // namespace logtally::cli
