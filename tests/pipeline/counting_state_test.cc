#include "pipeline/counting_state.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <random>

#include <catch2/catch.hpp>
#include <fmt/core.h>

#include "tests/cases/harness.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using cases::Engine;
using cases::Texts;
using testing::ScratchDir;

constexpr std::int64_t kNow = 1'772'000'000'000'000'000;

// Everything that a rule can change.
constexpr const char* kRules = R"(
metrics:
  calls_total:    {type: counter, help: h, labels: {model: {max: 4, overflow: other}, status: {values: [ok, bad], default: ok}}, init: {model: [kimi], status: [ok, bad]}, exemplar: {trace_id: $trace}}
  many_total:     {type: counter, help: h, labels: [id], max_series: 12}
  tokens_total:   {type: counter, help: h, labels: [model]}
  source_total:   {type: counter, help: h}
  duration_seconds: {type: histogram, help: h, labels: [model], buckets: [0.1, 0.5, 1, 5], exemplar: {trace_id: $trace}}
  temperature:    {type: gauge, help: h, labels: [model]}
  busy:           {type: gauge, help: h, labels: [model], min: 0}
  phase:          {type: gauge, help: h, labels: [model]}
  recent:         {type: gauge, help: h, labels: [id], ttl: 40s}
  recent_total:   {type: counter, help: h, labels: [id], ttl: 25s}
  in_progress:    {type: gauge, help: h, labels: {model: {default: none}}}
  elapsed_seconds: {type: histogram, help: h, labels: [model], buckets: [1, 10]}
  joined_total:   {type: counter, help: h, labels: [agent]}
tables:
  request: {key: $id, columns: [model], ttl: 30s, max: 9, open: in_progress}
  session: {key: $session, columns: [agent, model], ttl: 60s, max: 6}
  span:    {key: [$model, $id], ttl: 20s, max: 20, queue: true}
rules:
  call:
    match: {event: call}
    do:
      - {inc: calls_total}
      - {inc: many_total}
      - {add: tokens_total, value: $tokens}
      - {observe: duration_seconds, value: $duration_ms, unit: ms}
      - {set: temperature, value: $value}
      - {set: recent, value: $value}
      - {inc: recent_total}
      - {inc: joined_total, labels: {agent: session($session).agent}}
  source: {match: {event: source}, do: [{set: source_total, value: $tokens}]}
  up:     {match: {event: up}, do: [{inc: busy}]}
  down:   {match: {event: down}, do: [{dec: busy}]}
  phase:  {match: {event: phase}, do: [{set: phase, value: $value, for: $hold}]}
  then:   {match: {event: then}, do: [{set: phase, value: $value, for: 15s, then: -1}]}
  start:  {match: {event: start}, do: [{remember: request}, {remember: span}]}
  end:
    match: {event: end}
    do:
      - {take: request}
      - {observe: elapsed_seconds, value: $elapsed}
  unspan: {match: {event: unspan}, do: [{take: span}, {inc: tokens_total, labels: {model: $model}}]}
  sess:   {match: {event: sess}, do: [{remember: session}]}
  gone:   {match: {event: gone}, do: [{delete: temperature, labels: {model: $model}}]}
  skill:  {match: {event: skill}, do: [{store: skill_invocation}]}
)";

std::string line(std::mt19937& random, std::int64_t& at_ms) {
  const auto any = [&](std::uint32_t below) {
    return static_cast<std::uint32_t>(random() % below);
  };
  constexpr const char* kEvents[] = {"call", "call",   "call", "source", "up",
                                     "down", "phase",  "then", "start",  "start",
                                     "end",  "unspan", "sess", "gone",   "skill"};
  constexpr const char* kModels[] = {"kimi", "k2", "qwen", "glm", "opus", "haiku", "m\\u00e9tal"};
  at_ms += any(4) == 0 ? any(9000) : any(300);
  if (any(40) == 0) at_ms += 30'000;
  const std::int64_t time = at_ms - (any(6) == 0 ? any(5000) : 0);
  std::string text = fmt::format(R"({{"event":"{}")", kEvents[any(std::size(kEvents))]);
  if (any(12) != 0)
    text += fmt::format(R"(,"timestamp":{}.{:03})", 1'772'000'000 + time / 1000, time % 1000);
  if (any(8) != 0) text += fmt::format(R"(,"model":"{}")", kModels[any(std::size(kModels))]);
  text += fmt::format(R"(,"id":"i{}","session":"s{}","agent":"a{}")", any(30), any(9), any(4));
  if (any(3) == 0) text += fmt::format(R"(,"status":"{}")", any(2) == 0 ? "bad" : "odd");
  text += fmt::format(R"(,"tokens":{},"duration_ms":{}.{:03},"value":{}e-3,"hold":"{}s")",
                      any(5000), any(9000), any(1000), static_cast<int>(any(100)) - 50, any(30));
  if (any(4) == 0) text += fmt::format(R"(,"trace":"t{}")", any(100));
  if (any(3) != 0) text += fmt::format(R"(,"skill_name":"browser","success":{})", any(2) == 0);
  return text + "}";
}

Texts corpus(std::uint32_t seed, std::size_t lines) {
  std::mt19937 random(seed);
  std::int64_t at_ms = 0;
  Texts texts;
  for (std::size_t i = 0; i < lines; ++i) texts.push_back(line(random, at_ms));
  return texts;
}

// A daemon without files: an engine, and a store that its groups go to.
class Process {
 public:
  Process(const std::string& directory, const std::string& rules) : engine_(rules) {
    auto opened = StateStore::open(
        {.directory = directory, .sync = Sync::normal, .wall_ns = kNow, .boot_id = {}});
    if (!opened) FAIL(opened.error().text);
    store_ = std::move(opened->store);
    engine_.origin.arrival_ns = kNow * 2;  // no line is from the future
    engine_.origin.generation = 3;
    auto restored = state_.restore(opened->image, engine_.set(), engine_.delta(), kNow);
    if (!restored) FAIL(restored.error().text);
    dropped = *restored;
  }

  void lines(const Texts& all, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      engine_.origin.offset = i * 10'000;  // as in an uninterrupted run
      engine_.origin.time_ns = kNow;
      engine_.line(all[i]);
    }
  }
  void commit() {
    const auto failed = store_->commit([&](StateStore::Group& group) {
      state_.save(group, engine_.set(), engine_.delta(), kNow);
    });
    if (failed) FAIL(failed->text);
    state_.saved(engine_.set(), engine_.delta());
    engine_.delta().series.clear_touched();
  }
  void reload(const std::string& rules) {
    engine_.reload(rules);
    state_.redefined();
  }
  // The page of all series with exemplars, whoever touched them last.
  std::string page() {
    rules::Delta& delta = engine_.delta();
    for (metrics::FamilyId family = 0; family < engine_.set().families().size(); ++family) {
      for (std::size_t n = 0; n < delta.series.size(family); ++n) {
        metrics::Series& series = delta.series.nth(family, n);
        if (series.live) delta.series.touch(series);
      }
    }
    metrics::Registry registry(delta.series);
    registry.publish(delta.series, 1);
    std::string text;
    metrics::append_text(text, registry.snapshot());
    metrics::append_openmetrics(text, registry.snapshot(), {}, metrics::Created::hidden);
    return text;
  }
  Engine& engine() { return engine_; }

  CountingState::Dropped dropped;

 private:
  Engine engine_;
  std::unique_ptr<StateStore> store_;
  CountingState state_;
};

}  // namespace

TEST_CASE("counting state: cut at any record, saved and restored, it comes to the same page") {
  const std::size_t rounds = 60;
  for (std::uint32_t seed = 1; seed <= rounds; ++seed) {
    const Texts all = corpus(seed, 300);
    const ScratchDir directory;
    std::string whole;
    {
      Process process(directory / "whole", kRules);
      process.lines(all, 0, all.size());
      process.commit();
      whole = process.page();
    }
    std::mt19937 random(seed);
    std::size_t at = 0;
    CAPTURE(seed);
    while (at < all.size()) {
      Process process(directory / "cut", kRules);
      REQUIRE(process.dropped.families.empty());
      REQUIRE(process.dropped.tables.empty());
      for (auto groups = random() % 6; groups > 0; --groups) {
        const std::size_t to = std::min<std::size_t>(at + random() % 40, all.size());
        process.lines(all, at, to);
        process.commit();
        at = to;
      }
      // What comes now is not committed: the process is killed, the next one counts it.
      process.lines(all, at, std::min<std::size_t>(at + random() % 40, all.size()));
    }
    Process last(directory / "cut", kRules);
    REQUIRE(last.page() == whole);
  }
}

TEST_CASE("counting state: a group that failed is written whole by the next one") {
  const ScratchDir directory;
  const Texts all = corpus(77, 200);
  std::string wanted;
  {
    auto opened = StateStore::open({.directory = directory / "s", .wall_ns = kNow, .boot_id = {}});
    REQUIRE(opened.has_value());
    Engine engine(std::string{kRules});
    engine.origin.arrival_ns = kNow * 2;
    CountingState state;
    for (std::size_t i = 0; i < all.size(); ++i) {
      engine.line(all[i]);
      if (i % 20 != 19) continue;
      const auto fill = [&](StateStore::Group& group) {
        state.save(group, engine.set(), engine.delta(), kNow);
      };
      const auto failed = opened->store->commit([&](StateStore::Group& group) {
        fill(group);
        group.advance(5, 5, {}, {});  // no such generation
      });
      REQUIRE(failed);
      REQUIRE(state.dirty(engine.delta()));
      REQUIRE_FALSE(opened->store->commit(fill));
      state.saved(engine.set(), engine.delta());
      engine.delta().series.clear_touched();
      REQUIRE_FALSE(state.dirty(engine.delta()));
    }
  }
  Process process(directory / "s", kRules);
  Process other(directory / "other", kRules);
  for (std::size_t i = 0; i < all.size(); ++i) {
    other.engine().origin.generation = 0;
    other.engine().line(all[i]);
  }
  other.commit();
  CHECK(process.page() == other.page());
}

TEST_CASE("counting state: numbers of any size and sign come back") {
  const char* const rules = R"(
metrics:
  g: {type: gauge, help: h, labels: [n]}
  h: {type: histogram, help: h, buckets: [-1, 0.000001, 1e12]}
rules:
  all: {do: [{set: g, value: $v, labels: {n: $n}}, {observe: h, value: $v}]}
)";
  const ScratchDir directory;
  const Texts numbers = {R"({"n":"a","v":9999999999999999999999})",
                         R"({"n":"b","v":-1e-15})",
                         R"({"n":"c","v":-9999999999999999999999})",
                         R"({"n":"d","v":0})",
                         R"({"n":"e","v":0.1})",
                         R"({"n":"\u0001\n\"\\","v":1})"};
  std::string wanted;
  {
    Process process(directory / "s", rules);
    process.lines(numbers, 0, numbers.size());
    process.commit();
    wanted = process.page();
  }
  CHECK(wanted.find("9999999999999999999999") != std::string::npos);
  CHECK(Process(directory / "s", rules).page() == wanted);
}

TEST_CASE("counting state: a start with other rules is like a reload") {
  const char* const before = R"(
metrics:
  a_total: {type: counter, help: h, labels: [x, y]}
  b_total: {type: counter, help: h, labels: [x]}
  c:       {type: gauge, help: h}
  open:    {type: gauge, help: h, labels: [x]}
tables:
  t: {key: $k, columns: [x, y], ttl: 1h, max: 10, open: open}
  u: {key: $k, columns: [x], ttl: 1h, max: 10, open: open}
rules:
  r: {do: [inc: a_total, inc: b_total, {set: c, value: 3, for: 1h}, remember: t, remember: u]}
)";
  const std::string x1 = R"({"timestamp":"2026-02-28T14:00:00Z","k":"1","x":"p","y":"q"})";
  const std::string x2 = R"({"timestamp":"2026-02-28T14:00:01Z","k":"2","x":"o","y":"q"})";
  const std::string x3 = R"({"timestamp":"2026-02-28T14:00:02Z","k":"3","x":"n","y":"q"})";
  const char* const kAfter[] = {
      // another order of families and labels, comments, a new family in front
      R"(
metrics:
  new_total: {type: counter, help: h, labels: {x: {values: [p, o]}}}
  open:    {type: gauge, help: h, labels: [x]}
  c:       {type: gauge, help: other}
  b_total: {type: counter, help: h, labels: [x]}
  a_total: {type: counter, help: h, labels: [y, x]}
tables:
  u: {key: $k, columns: [x], ttl: 1h, max: 10, open: open}
  t: {key: $k, columns: [x, y], ttl: 1h, max: 10, open: open}
rules:
  r: {do: [inc: a_total, inc: b_total, {set: c, value: 3, for: 1h}, remember: t, remember: u]}
)",
      // a family gone, one of another type, a table with other columns, one without a gauge
      R"(
metrics:
  a_total: {type: counter, help: h, labels: {x: {max: 2}, y: {}}}
  c:       {type: counter, help: h}
  open:    {type: gauge, help: h, labels: [x]}
tables:
  t: {key: $k, columns: [x], ttl: 1h, max: 10, open: open}
  u: {key: $k, columns: [x], ttl: 1h, max: 10}
rules:
  r: {do: [inc: a_total, inc: c, remember: t, remember: u]}
)",
      // fewer rows
      R"(
metrics:
  open:    {type: gauge, help: h, labels: [x]}
tables:
  t: {key: $k, columns: [x, y], ttl: 1h, max: 1, open: open}
rules:
  r: {do: [remember: t]}
)"};
  for (const char* const after : kAfter) {
    CAPTURE(after);
    const ScratchDir directory;
    const Texts all = {x1, x2, x1, x3};
    std::string wanted;
    {
      Process process(directory / "reload", before);
      process.lines(all, 0, 2);
      process.commit();
      process.reload(after);
      process.lines(all, 2, 4);
      process.commit();
      wanted = Engine::without_comments(process.page());
    }
    CHECK(Engine::without_comments(Process(directory / "reload", after).page()) == wanted);
    {
      Process process(directory / "restart", before);
      process.lines(all, 0, 2);
      process.commit();
    }
    {
      Process process(directory / "restart", after);
      process.lines(all, 2, 4);
      process.commit();
    }
    const auto sorted = [](const std::string& page) {
      std::vector<std::string> lines;
      for (std::size_t at = 0; at < page.size();) {
        const std::size_t end = std::min(page.find('\n', at), page.size() - 1) + 1;
        lines.push_back(page.substr(at, end - at));
        at = end;
      }
      std::sort(lines.begin(), lines.end());
      return lines;
    };
    CHECK(sorted(Engine::without_comments(Process(directory / "restart", after).page())) ==
          sorted(wanted));
  }
}

TEST_CASE("counting state: rows of skill invocations") {
  const ScratchDir directory;
  const char* const rules = R"(
rules:
  r: {do: [{store: skill_invocation}, {store: skill_invocation, if: $twice}]}
)";
  const Texts all = {
      R"({"timestamp":"2026-02-28T14:00:00.123456Z","skill_name":"web","tool_name":"go","duration_ms":12.5,"success":true,"error_type":null,"tokens_used":7,"model_used":"kimi"})",
      R"({"timestamp":"2026-02-28T13:59:59.999Z","skill_name":"web","duration_ms":"long","success":"maybe","tokens_used":1e300,"twice":true})"};
  {
    Process process(directory / "s", rules);
    process.lines(all, 0, 2);
    process.commit();
  }
  sqlite::Database database;
  REQUIRE_FALSE(database.open(directory / "s/state.db", sqlite::Open::existing));
  std::string rows;
  REQUIRE_FALSE(database.ask(
      "SELECT group_concat(concat, '; ') FROM (SELECT generation || ' ' || offset || ' ' || "
      "ordinal "
      "|| ' ' || skill_name || ' ' || coalesce(tool_name, '-') || ' ' || coalesce(duration_ms, "
      "'-') "
      "|| ' ' || coalesce(success, '-') || ' ' || coalesce(error_type, '-') || ' ' || "
      "coalesce(tokens_used, '-') || ' ' || coalesce(model_used, '-') || ' ' || created_at AS "
      "concat FROM skill_invocations)",
      rows));
  CHECK(rows.find("web go 12.5 1 - 7 kimi 2026-02-28T14:00:00.123Z") != std::string::npos);
  CHECK(rows.find("0 web - - - - - - 2026-02-28T13:59:59.999Z") != std::string::npos);
  CHECK(rows.find("1 web - - - - - - 2026-02-28T13:59:59.999Z") != std::string::npos);
  std::int64_t ids = 0;
  REQUIRE_FALSE(
      database.ask("SELECT count(DISTINCT id) FROM skill_invocations WHERE length(id) = 32", ids));
  CHECK(ids == 3);
}

}  // namespace logtally::pipeline
