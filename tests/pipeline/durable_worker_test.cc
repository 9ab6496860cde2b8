// A worker that keeps its state, killed anywhere: what it counted in the end is what one counts
// that was never disturbed, and nothing that was published ever went back. The process is one
// object here, and a kill an exception from the store's own points, out of which nothing is closed;
// what is left are the files.
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/core.h>

#include "pipeline/worker.h"
#include "tests/cases/harness.h"
#include "tests/pipeline/scratch_files.h"
#include "tests/pipeline/stateful_process.h"

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::append;
using testing::ScratchDir;
using testing::Time;
namespace fs = std::filesystem;

constexpr const char* kRules = R"(
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
tables:
  jobs: {key: $id, columns: [kind], ttl: 600s, open: jobs_open}
metrics:
  lines_total: {type: counter, help: h, labels: {kind: {max: 3}}}
  rest_total: {type: counter, help: h}
  took_seconds: {type: histogram, help: h, labels: {kind: {default: none}}, buckets: [1, 5, 10]}
  level_ratio: {type: gauge, help: h}
  jobs_open: {type: gauge, help: h}
rules:
  json: {match: {m: {exists: true}}, do: [{inc: lines_total, labels: {kind: $m}}, {set: level_ratio, value: $v}]}
  text:
    pattern: 'took <v>s'
    do: [{observe: took_seconds, value: $v}, {add: rest_total, value: len($_rest)}]
  start: {match: {start: {exists: true}}, let: {id: $start}, do: [remember: jobs]}
  finish:
    match: {finish: {exists: true}}
    let: {id: $finish}
    do: [take: jobs, {observe: took_seconds, value: $v, labels: {kind: $kind}}]
)";

struct Killed {};

using Samples = std::map<std::string, metrics::Decimal>;

// What stands on the page, by name and labels; of a histogram its sum and its buckets.
Samples samples_of(const metrics::Registry& registry) {
  Samples samples;
  for (const metrics::FamilySnapshot& family : registry.snapshot()) {
    for (const metrics::SeriesSnapshot& series : family.series) {
      std::string name = family.spec->name;
      for (const std::string& label : *series.labels) name += " " + label;
      samples[name] = series.value;
      for (std::size_t i = 0; i < series.buckets.size(); ++i)
        samples[fmt::format("{} #{}", name, i)] = metrics::Decimal::of_u64(series.buckets[i]);
    }
  }
  return samples;
}

std::string described(const Samples& samples) {
  std::string text;
  for (const auto& [name, value] : samples) text += name + " " + metrics::to_string(value) + "\n";
  return text;
}

// Everything that a process has.
class Process : public testing::StatefulProcess {
 public:
  Process(const std::string& logs, const std::string& state, Time& time,
          std::function<void(std::string_view)> at)
      : StatefulProcess(state_in(state, std::move(at)), logs + "/log", rules(), options(), time) {
    registry = std::make_unique<metrics::Registry>(worker->series());
    worker->connect(*registry, nullptr);
  }

  static std::shared_ptr<const rules::RuleSet> rules() {
    static const auto kSet = cases::compile_or_fail({kRules});
    return kSet;
  }

  std::unique_ptr<metrics::Registry> registry;

 private:
  static StateOptions state_in(const std::string& directory,
                               std::function<void(std::string_view)> at) {
    StateOptions options;
    options.directory = directory;
    options.at = std::move(at);
    return options;
  }
  static WorkerOptions options() {
    WorkerOptions options;
    options.idle = 60s;  // what is written in two pieces is one record however long it takes
    return options;
  }
};

// What an engine does, decided by a seed alone.
class Engine {
 public:
  Engine(const std::string& logs, unsigned seed) : logs_(logs), random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }

  // Some lines, the last of which may come in two steps; now and then a rotation.
  void write() {
    std::string text = std::exchange(rest_, {});
    for (std::size_t lines = below(12); lines > 0; --lines) text += line();
    if (below(3) == 0 && !text.empty()) {
      const std::size_t cut = below(text.size());
      rest_ = text.substr(cut);
      text.resize(cut);
    }
    if (!text.empty()) append(logs_ + "/log", text);
    all += text;
    if (below(6) == 0 && all.ends_with('\n')) rotate();  // no line stands in two files
  }
  void finish() {
    append(logs_ + "/log", rest_);
    all += std::exchange(rest_, {});
  }

  std::string all;

 private:
  std::string line() {
    ++number_;
    switch (below(6)) {
      case 0:
        return fmt::format(
            "2026-02-28 14:00:{:02} [a.b] ERROR took {}.5s\nTraceback (most recent call last):\n"
            "  File \"x.py\", line {}\nValueError: {}\n",
            number_ % 60, below(12), number_, number_);
      case 1:
        return fmt::format("2026-02-28 14:00:{:02} [a.b] INFO took {}s\n", number_ % 60, below(12));
      case 2:
        return fmt::format("{{\"start\":\"j{}\",\"kind\":\"k{}\"}}\n", number_ % 9, below(3));
      case 3:
        return fmt::format("{{\"finish\":\"j{}\",\"v\":{}}}\n", below(9), below(12));
      default:
        return fmt::format("{{\"m\":\"k{}\",\"v\":{}}}\n", below(5), number_);
    }
  }
  void rotate() {
    for (int i = 60; i >= 1; --i) {
      const std::string from = fmt::format("{}/log.{}", logs_, i);
      if (fs::exists(from)) fs::rename(from, fmt::format("{}/log.{}", logs_, i + 1));
    }
    if (fs::exists(logs_ + "/log")) fs::rename(logs_ + "/log", logs_ + "/log.1");
  }

  std::string logs_;
  std::mt19937 random_;
  std::string rest_;
  std::size_t number_ = 0;
};

// A kill is no business of REQUIRE.
void commit(Process& process) {
  const bool committed = process.worker->commit();
  REQUIRE(committed);
}
void close(Process& process) {
  const auto closed = process.store->close();
  REQUIRE(closed.has_value());
}

void let_pass(Process& process, Time& time) {
  for (int i = 0; i < 3; ++i) {
    time.now += 300ms;
    process.worker->step();
  }
}

// Of the text in one file, at once.
Samples undisturbed(const std::string& text) {
  const ScratchDir directory(ScratchDir::memory());
  Time time;
  append(directory / "log", text);
  Process process(directory / ".", directory / "state", time, [](std::string_view) {});
  let_pass(process, time);
  time.now += 61s;  // nothing continues the last record any more
  process.worker->step();
  commit(process);
  return samples_of(*process.registry);
}

struct Outcome {
  int kills = 0;
  int points = 0;
};

Outcome play(unsigned seed) {
  CAPTURE(seed);
  const ScratchDir directory(ScratchDir::memory());
  fs::create_directory(directory / "logs");
  Time time;
  Engine engine(directory / "logs", seed);
  Outcome outcome;
  Samples seen;  // by a scrape, the highest of what only grows
  int until_kill = 0;
  const auto at = [&](std::string_view) {
    ++outcome.points;
    if (until_kill > 0 && --until_kill == 0) {
      ++outcome.kills;
      // The next one soon, perhaps while this one is recovered from.
      until_kill = engine.below(3) == 0 ? 1 + static_cast<int>(engine.below(8)) : 0;
      throw Killed();
    }
  };
  const auto scrape = [&](const Process& process) {
    for (const auto& [name, value] : samples_of(*process.registry)) {
      if (name.starts_with("level") || name.starts_with("jobs")) continue;  // gauges
      CAPTURE(name);
      REQUIRE(seen[name] <= value);
      seen[name] = value;
    }
  };
  append(directory / "logs/log", "");
  std::unique_ptr<Process> process;
  const auto alive = [&](const std::function<void()>& act) {
    for (;;) {
      try {
        if (process == nullptr) {
          process = std::make_unique<Process>(directory / "logs", directory / "state", time, at);
          process->worker->step();
          commit(*process);
          scrape(*process);
        }
        act();
        return;
      } catch (const Killed&) {
        process.reset();
      }
    }
  };
  alive([] {});
  for (int round = 0; round < 25; ++round) {
    engine.write();
    if (engine.below(2) == 0 && until_kill == 0)
      until_kill = 1 + static_cast<int>(engine.below(30));
    time.now += std::chrono::milliseconds(engine.below(1500));
    alive([&] {
      process->worker->step();
      commit(*process);
      scrape(*process);
    });
    if (engine.below(10) == 0) {  // an orderly end
      alive([&] { close(*process); });
      process.reset();
      if (engine.below(2) == 0) engine.write();
    }
  }
  engine.finish();
  until_kill = 0;
  alive([] {});
  let_pass(*process, time);
  time.now += 61s;
  process->worker->step();
  commit(*process);
  INFO(engine.all);
  REQUIRE(described(samples_of(*process->registry)) == described(undisturbed(engine.all)));
  return outcome;
}

}  // namespace

TEST_CASE("durable worker: killed anywhere, it counts each line once and nothing goes back") {
  Outcome all;
  for (unsigned seed = 0; seed < 120; ++seed) {
    const Outcome one = play(seed);
    all.kills += one.kills;
    all.points += one.points;
  }
  CHECK(all.kills > 600);
  CHECK(all.points > 30'000);
}

TEST_CASE("durable worker: keeps a copy of its state every ten minutes in which something came") {
  const ScratchDir directory(ScratchDir::memory());
  fs::create_directory(directory / "logs");
  Time time;
  append(directory / "logs/log", "");
  Process process(directory / "logs", directory / "state", time, [](std::string_view) {});
  const std::string snapshot = directory / "state/snapshot.1.db";
  const auto count_more = [&](std::chrono::nanoseconds later) {
    append(directory / "logs/log", "{\"m\":\"x\",\"v\":1}\n");
    time.now += later;
    process.worker->step();
    commit(process);
  };
  count_more(1s);
  count_more(9min);
  CHECK_FALSE(fs::exists(snapshot));
  count_more(2min);
  CHECK(fs::exists(snapshot));
}

}  // namespace logtally::pipeline
