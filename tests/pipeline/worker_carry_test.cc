// What a worker holds back at a position, taken up by another one: whichever line the cut is
// behind, both together count what one would have.
#include <map>
#include <memory>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/core.h>

#include "pipeline/worker.h"
#include "tests/cases/harness.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::append;
using testing::ScratchDir;
using testing::Time;

constexpr std::uint32_t kFirst = kStdinGeneration + 1;

constexpr const char* kRules = R"(
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
  access: {pattern: '<level>: <client> - "<request...>" <status>'}
metrics:
  records_total: {type: counter, help: h, labels: {format: {default: bare}, message: {default: none}, exception: {default: none}, stream: {default: none}, time: {default: none}}}
  line_length_total: {type: counter, help: h}
  rest_length_total: {type: counter, help: h}
redact:
  key: {regex: 'sk-[a-z]+\nmore', with: 'sk-***'}
rules:
  all:
    do:
      - {inc: records_total, labels: {format: $_format, message: $message, exception: $_exception, stream: $_stream, time: $time}}
      - {add: line_length_total, value: len($_line)}
      - {add: rest_length_total, value: len($_rest)}
)";

using Samples = std::map<std::string, std::int64_t>;

struct Part {
  Samples samples;
  std::string carry;
};

// Counts the text, beginning with `carry`; `last`: to its end, with all that is open.
Part count(const std::string& text, const std::string& carry, bool last) {
  const ScratchDir directory;
  Time time;
  append(directory / "log", text);
  TailOptions tail;
  tail.follow = !last;
  tail.clock = time.clock();
  tail.watching = Watching::poll;
  auto inputs = Inputs::open(
      {{.name = "t", .paths = {directory / "log"}, .exclude = {}, .from = From::beginning}},
      std::nullopt, std::move(tail));
  REQUIRE(inputs.has_value());
  const auto rules = cases::compile_or_fail({kRules});
  WorkerOptions options;
  options.wrappers = {Wrapper::automatic};
  options.follow = !last;
  options.clock = time.clock();
  options.record_bytes = 2000;
  Worker worker(rules, **inputs, options);
  REQUIRE(worker.take_carry(kFirst, 0, kNoGeneration, carry));
  Part part;
  if (last) {
    worker.run();
  } else {
    worker.step();
    part.carry = worker.carry(kFirst, 0);
    REQUIRE(worker.carry(kFirst, 0) == part.carry);
  }
  for (metrics::FamilyId family = 0; family < rules->families().size(); ++family) {
    worker.series().for_each(family, [&](const metrics::Series& series) {
      std::string name = rules->families()[family].name;
      for (const std::string& label : series.labels) name += " | " + label;
      part.samples[name] = static_cast<std::int64_t>(
          series.value.units() / metrics::int128{metrics::Decimal::kUnitsPerOne});
    });
  }
  const metrics::TargetTotals& totals = worker.totals().targets.at(0);
  part.samples["read"] = static_cast<std::int64_t>(totals.lines_read);
  part.samples["parsed"] = static_cast<std::int64_t>(totals.parsed);
  part.samples["bare"] = static_cast<std::int64_t>(totals.bare);
  part.samples["failed"] =
      static_cast<std::int64_t>(totals.failed_json + totals.failed_nul + totals.failed_too_long);
  return part;
}

Samples operator+(Samples a, const Samples& b) {
  for (const auto& [name, value] : b) a[name] += value;
  return a;
}

// Engines' lines over several lines, with JSON and bare ones between.
std::string plain() {
  const std::string head = "2026-02-28 14:00:00,123 [app.db] ";
  const std::string traceback =
      "Traceback (most recent call last):\n  File \"/app/x.py\", line 1, in run\n    connect()\n";
  return head + "INFO one line\n" + head + "ERROR failed\n" + traceback +
         "httpx.ConnectError: refused\n{\"event\":\"json\",\"n\":1}\n" +
         "INFO: 10.0.0.1:80 - \"GET / HTTP/1.1\" 200\nbehind a record that does not join\n" + head +
         "ERROR chained\n" + traceback + "ValueError: a\n\n" +
         "During handling of the above exception, another exception occurred:\n\n" + traceback +
         "app.errors.Wrapped: b\n" + head + "WARNING key sk-abc\nmore of it\n" + head +
         "INFO SELECT id,\n       name\nFROM t\n\nWHERE x = '<html>'\n" + head + "INFO long\n" +
         std::string(1200, 'x') + "\n" + std::string(1200, 'y') + "\nand more\n" +
         "--- Logging error ---\n" + traceback + "OSError: 5\nCall stack:\n  File \"a\"\n" +
         "Message: 'm'\nArguments: ()\n" + "{\"event\": broken\n" + head + "ERROR last\n" +
         traceback + "OSError: 5\n";
}

// Two streams of a container, interleaved, lines in pieces.
std::string container() {
  const auto cri = [](int second, std::string_view stream, char piece, std::string_view text) {
    return fmt::format("2026-02-28T14:00:{:02}.000000000Z {} {} {}\n", second, stream, piece, text);
  };
  return cri(1, "stdout", 'F', "2026-02-28 14:00:00,123 [app] INFO begins") +
         cri(2, "stderr", 'P', "{\"event\":\"in ") + cri(3, "stdout", 'F', "goes on") +
         cri(4, "stderr", 'P', "three ") +
         cri(5, "stdout", 'F', "2026-02-28 14:00:00,123 [app] INFO again") +
         cri(6, "stderr", 'F', "pieces\"}") + cri(7, "stderr", 'F', "bare") +
         cri(8, "stdout", 'P', "in ") + cri(9, "stderr", 'F', "  indented") +
         cri(10, "stdout", 'F', "pieces") + cri(11, "stderr", 'P', std::string(1500, 'x')) +
         cri(12, "stderr", 'P', std::string(1500, 'x')) + cri(13, "stdout", 'F', "still") +
         cri(14, "stderr", 'F', "too long") + cri(15, "stdout", 'P', "a lone piece");
}

}  // namespace

TEST_CASE("worker: what waits for its rest goes across a restart, whichever line is the last") {
  for (const std::string& text : {plain(), container()}) {
    const Samples whole = count(text, {}, true).samples;
    REQUIRE(whole.size() > 8);
    for (std::size_t cut = 0; cut < text.size(); cut = text.find('\n', cut) + 1) {
      const Part first = count(text.substr(0, cut), {}, false);
      const Part second = count(text.substr(cut), first.carry, true);
      CAPTURE(cut, text.substr(0, cut));
      REQUIRE(first.samples + second.samples == whole);
    }
    // And across several: each line by another worker.
    Samples sum;
    std::string carry;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at) + 1;
      Part part = count(text.substr(at, end - at), carry, end == text.size());
      sum = sum + part.samples;
      carry = std::move(part.carry);
      at = end;
    }
    REQUIRE(sum == whole);
  }
}

TEST_CASE("worker: a carry that is cut or flipped is refused or taken, never a crash") {
  const std::string text = container();
  const std::string carry =
      count(text.substr(0, text.find("2026-02-28T14:00:09")), {}, false).carry;
  REQUIRE(carry.size() > 100);
  const auto taken = [](const std::string& bytes) {
    const ScratchDir directory;
    auto inputs = Inputs::open({{.name = "t", .paths = {directory / "log"}, .exclude = {}}},
                               std::nullopt, {});
    REQUIRE(inputs.has_value());
    WorkerOptions options;
    options.wrappers = {Wrapper::automatic};
    Worker worker(cases::compile_or_fail({kRules}), **inputs, options);
    return worker.take_carry(kFirst, 0, kNoGeneration, bytes);
  };
  CHECK(taken(carry));
  CHECK(taken(""));
  CHECK_FALSE(taken(carry + "x"));
  for (std::size_t size = 1; size < carry.size(); size += 3)
    CHECK_FALSE(taken(carry.substr(0, size)));
  for (std::size_t at = 0; at < carry.size(); at += 3) {
    std::string flipped = carry;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x55);
    taken(flipped);
  }
}

}  // namespace logtally::pipeline
