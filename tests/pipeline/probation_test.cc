// Lines that end the process, as the process sees it: what it notes, what a start makes of it, what
// is skipped. A death is an exception out of a trace sink: nothing behind it is done any more.
#include "pipeline/probation.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/core.h>

#include "pipeline/worker.h"
#include "rules/event.h"
#include "rules/trace.h"
#include "tests/cases/harness.h"
#include "tests/pipeline/scratch_files.h"
#include "tests/pipeline/stateful_process.h"

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::append;
using testing::ScratchDir;
using testing::Time;

constexpr const char* kRules = R"(
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
metrics:
  lines_total: {type: counter, help: h}
redact:
  secret: {regex: 'sesame-[0-9]+'}
rules:
  any: {match: {level: {exists: true}}, do: [inc: lines_total]}
)";

struct Died {};

// Dies of records that begin at certain places.
class Deadly : public rules::TraceSink {
 public:
  std::set<std::uint64_t> offsets;
  int until_death = 0;  // or at the so many-th record, whichever it is

  void rule_matched(const rules::Rule&) override {}
  void rule_failed(const rules::Rule&, std::string_view, std::string_view) override {}
  void action_done(const rules::Rule&, const rules::Action&, const metrics::Series&,
                   rules::Decimal) override {}
  void action_skipped(const rules::Rule&, const rules::Action&, rules::SkipReason) override {}
  void record_begins(const rules::Event& event, rules::Scope&) override {
    if (offsets.contains(event.origin.offset)) throw Died();
    if (until_death > 0 && --until_death == 0) throw Died();
  }
};

struct Process : testing::StatefulProcess {
  Process(const std::string& directory, Time& time, Deadly& deadly, std::vector<std::string>& log,
          const std::string& boot = "one")
      : StatefulProcess(state(directory, boot), directory + "/*.log",
                        cases::compile_or_fail({kRules}), options(deadly, log), time) {}

  static StateOptions state(const std::string& directory, const std::string& boot) {
    StateOptions options;
    options.directory = directory + "/state";
    options.boot_id = boot;
    return options;
  }
  static WorkerOptions options(Deadly& deadly, std::vector<std::string>& log) {
    WorkerOptions options;
    options.trace = &deadly;
    options.log = [&](const std::string& line) { log.push_back(line); };
    return options;
  }
};

struct Scene {
  ScratchDir directory{ScratchDir::memory()};
  Time time;
  Deadly deadly;
  std::vector<std::string> log;
  std::string boot = "one";

  std::string path() const { return directory / "."; }
  // As run() does: what the rules declare, and which files are there, is committed at once. False:
  // it died.
  bool lives(bool orderly_end = false) {
    try {
      Process process(path(), time, deadly, log, boot);
      if (!process.worker->commit()) FAIL("no commit");
      process.worker->step();
      time.now += 2s;  // nothing continues the last record any more
      process.worker->step();
      if (!process.worker->commit()) FAIL("no commit");
      totals = process.worker->totals();
      if (orderly_end) process.store->close().value();
      return true;
    } catch (const Died&) {
      return false;
    }
  }
  int deaths() {
    for (int deaths = 0; deaths < 30; ++deaths) {
      if (lives()) return deaths;
    }
    return -1;
  }
  std::vector<std::string> quarantined() {
    sqlite::Database database;
    if (database.open(directory / "state/state.db", sqlite::Open::existing)) FAIL("no database");
    sqlite::Statement rows;
    if (database.prepare("SELECT offset, length, bytes FROM quarantine ORDER BY offset", rows))
      FAIL("no table");
    std::vector<std::string> found;
    sqlite::Outcome failed;
    while (rows.next(failed)) {
      const auto offset = rows.get_integer();
      const auto length = rows.get_integer();
      found.push_back(fmt::format("{} {} {}", offset, length, rows.get_text()));
    }
    return found;
  }
  std::uint64_t matched() const { return totals.targets.at(0).matched; }

  metrics::Totals totals;
};

std::string json(int number) { return fmt::format("{{\"level\":\"info\",\"n\":{}}}\n", number); }

}  // namespace

TEST_CASE("attempt: a note is read by the next start alone, and only when it is whole") {
  const ScratchDir directory;
  const std::string path = directory / "note";
  CHECK_FALSE(read_attempt(path, 7));
  auto note = AttemptNote::open(path, 7);
  REQUIRE(note.has_value());
  CHECK_FALSE(read_attempt(path, 7));
  for (const auto what : {Attempt::What::line, Attempt::What::record}) {
    for (const bool redacting : {false, true}) {
      const Attempt attempt{.generation = 0x80000001,
                            .offset = std::uint64_t{1} << 60,
                            .what = what,
                            .redacting = redacting};
      note->put(attempt);
      CHECK(read_attempt(path, 7) == attempt);
      CHECK_FALSE(read_attempt(path, 8));
    }
  }
  for (off_t at = 0; at < 32; ++at) {
    note->put({.generation = 1, .offset = 2});
    const OwnedFd file(::open(path.c_str(), O_RDWR));
    char byte = 0;
    REQUIRE(::pread(file.get(), &byte, 1, at) == 1);
    byte = static_cast<char>(byte ^ 0x10);
    REQUIRE(::pwrite(file.get(), &byte, 1, at) == 1);
    CHECK_FALSE(read_attempt(path, 7));
  }
  note->clear();
  CHECK_FALSE(read_attempt(path, 7));
  CHECK_FALSE(AttemptNote::open(directory / "none/note", 7).has_value());
}

TEST_CASE("probation: deaths are counted at one position, and at one line") {
  StoredGeneration file;
  file.number = 3;
  file.counted = 100;
  Crashes crashes = after_death({}, file, std::nullopt);
  CHECK(crashes == Crashes{.position = 100, .count = 1});
  crashes = after_death(crashes, file, std::nullopt);
  CHECK(crashes == Crashes{.position = 100, .count = 2});
  const Attempt line{.generation = 3, .offset = 130};
  crashes = after_death(crashes, file, line);
  CHECK(crashes == Crashes{.position = 100, .count = 1, .attempt = line.to_column()});
  CHECK_FALSE(condemned_by(crashes, 3));
  // A group comes before the line, and not over it.
  file.counted = 120;
  CHECK(after_group(crashes, 100, file) ==
        Crashes{.position = 120, .count = 1, .attempt = line.to_column()});
  CHECK(condemned_by(after_death(after_group(crashes, 100, file), file, line), 3) == line);
  file.counted = 140;
  CHECK(after_group(crashes, 100, file) == Crashes{});
  // Of another line, of a record at the same place, of none that is known: it was not that one.
  file.counted = 100;
  for (const Attempt& other :
       {Attempt{.generation = 3, .offset = 131},
        Attempt{.generation = 3, .offset = 130, .what = Attempt::What::record}})
    CHECK(after_death(crashes, file, other).count == 1);
  CHECK_FALSE(after_death(crashes, file, std::nullopt).attempt);
  CHECK_FALSE(after_death(crashes, file, Attempt{.generation = 4, .offset = 130}).attempt);
}

TEST_CASE("probation: a line costs four deaths and then itself") {
  Scene scene;
  const std::string path = scene.directory / "a.log";
  std::string text;
  for (int i = 0; i < 10; ++i) text += json(i);
  const std::uint64_t offset = text.size();
  const std::string deadly = "{\"level\":\"info\",\"message\":\"with sesame-123\"}\n";
  append(path, text + deadly + text);
  append(scene.directory / "b.log", text);
  scene.deadly.offsets = {offset};
  CHECK(scene.deaths() == 4);
  CHECK(scene.matched() == 30);
  CHECK(scene.totals.quarantined_lines == 1);
  CHECK(scene.totals.targets[0].lines_read == 30);
  REQUIRE(scene.quarantined().size() == 1);
  CHECK(scene.quarantined()[0].starts_with(fmt::format("{} {} ", offset, deadly.size())));
  CHECK(scene.quarantined()[0].find("sesame-123") == std::string::npos);
  REQUIRE(scene.log.size() == 1);
  CHECK(scene.log[0].find(fmt::format("the line at byte {} of", offset)) != std::string::npos);
  CHECK(scene.deaths() == 0);  // it stays out
  CHECK(scene.totals.quarantined_lines == 0);
}

TEST_CASE("probation: of several deadly ones each is found, records that were open too") {
  Scene scene;
  const std::string record =
      "2026-02-28 14:00:00 [a.b] ERROR it failed\nTraceback (most recent call last):\nKeyError: "
      "x\n";
  const std::string text = json(1) + record + json(2) + json(3) + record + json(4) + record;
  append(scene.directory / "a.log", text);
  const std::uint64_t first = text.find(record);
  const std::uint64_t last = text.rfind(record);
  scene.deadly.offsets = {first, text.find(json(3)), last};
  CHECK(scene.deaths() > 4);
  CHECK(scene.matched() == 4);
  CHECK(scene.totals.targets[0].joined == 6);
  CHECK(scene.quarantined() ==
        std::vector<std::string>{
            fmt::format("{} {} {}", first, record.size() - 1, record.substr(0, record.size() - 1)),
            fmt::format("{} {} {}", text.find(json(3)), json(3).size(),
                        json(3).substr(0, json(3).size() - 1)),
            fmt::format("{} {} {}", last, record.size() - 1, record.substr(0, record.size() - 1))});
  CHECK(scene.deaths() == 0);
}

TEST_CASE("probation: deaths that are not a line's cost none") {
  Scene scene;
  std::string text;
  for (int i = 0; i < 40; ++i) text += json(i);
  append(scene.directory / "a.log", text);
  for (int i = 0; i < 30; ++i) {  // each time at another one
    scene.deadly.until_death = 1 + (i * 7) % 37;
    CHECK_FALSE(scene.lives());
  }
  CHECK(scene.deaths() == 0);
  CHECK(scene.matched() == 40);
  CHECK(scene.quarantined().empty());
}

TEST_CASE("probation: what was suspected is not after an orderly end, progress or another boot") {
  Scene scene;
  const std::string path = scene.directory / "a.log";
  append(path, json(1) + json(2));
  scene.deadly.offsets = {json(1).size()};
  for (int i = 0; i < 3; ++i) CHECK_FALSE(scene.lives());
  SECTION("an orderly end") {
    auto offsets = std::exchange(scene.deadly.offsets, {});
    scene.deadly.offsets.clear();
    {
      Process process(scene.path(), scene.time, scene.deadly, scene.log);
      process.store->close().value();
    }
    scene.deadly.offsets = offsets;
    CHECK(scene.deaths() == 4);
  }
  SECTION("progress") {
    const auto offsets = std::exchange(scene.deadly.offsets, {});
    CHECK(scene.lives());
    CHECK(scene.matched() == 2);
    append(path, json(3));
    scene.deadly.offsets = {json(1).size() + json(2).size()};
    CHECK(scene.deaths() == 2);  // on probation still, but it was another line
    CHECK(scene.quarantined().size() == 1);
  }
  SECTION("another boot") {
    for (int i = 0; i < 5; ++i) {
      scene.boot = fmt::format("boot {}", i);
      CHECK_FALSE(scene.lives());
    }
    CHECK(scene.quarantined().empty());
    CHECK(scene.deaths() >= 1);
  }
}

}  // namespace logtally::pipeline
