#include "rules/event_clock.h"

#include <cstdint>
#include <limits>
#include <optional>

#include <catch2/catch.hpp>

using namespace logtally::rules;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kHour = 3'600 * kSecond;
constexpr std::int64_t kWall = 1'764'000'000 * kSecond;
constexpr std::int64_t kAny = kNoEventTime;  // something has been due for ever

}  // namespace

TEST_CASE("event clock: the latest time that lines carry") {
  struct Case {
    const char* what;
    std::optional<std::int64_t> line;
    std::int64_t want;
  };
  EventClock clock(Silence::ticks, kWall);
  CHECK(clock.now_ns() == kNoEventTime);
  const Case cases[] = {
      {"no time yet", std::nullopt, kNoEventTime},
      {"the first time", kWall - 10 * kSecond, kWall - 10 * kSecond},
      {"forward", kWall - 7 * kSecond, kWall - 7 * kSecond},
      {"never back", kWall - 9 * kSecond, kWall - 7 * kSecond},
      {"a line without a time", std::nullopt, kWall - 7 * kSecond},
      {"years ago", 0, kWall - 7 * kSecond},
      {"within the hour", kWall + kHour, kWall + kHour},
      {"beyond it", kWall + kHour + 1, kWall + kHour},
      {"for ever beyond it", std::numeric_limits<std::int64_t>::max(), kWall + kHour},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(clock.observe(c.line, kWall) == c.want);
    CHECK(clock.now_ns() == c.want);
  }
  CHECK(clock.ahead() == 2);
}

TEST_CASE("event clock: silence moves on from the last line at the pace of the wall") {
  struct Case {
    const char* what;
    std::int64_t lag;  // of the lines behind the wall
  };
  const Case cases[] = {
      {"in time", 0}, {"another zone", 5 * kHour}, {"a fast clock", -20 * kSecond}};
  for (const Case& c : cases) {
    CAPTURE(c.what);
    EventClock clock(Silence::ticks, kWall);
    clock.observe(kWall - c.lag, kWall);
    CHECK_FALSE(clock.tick(kWall + kSecond - 1, kAny));
    CHECK(clock.tick(kWall + kSecond, kAny) == Tick{kWall - c.lag + kSecond});
    CHECK(clock.now_ns() == kWall - c.lag + kSecond);
    CHECK_FALSE(clock.tick(kWall + kSecond, kAny));  // not twice
    CHECK(clock.tick(kWall + 90 * kSecond, kAny) == Tick{kWall - c.lag + 90 * kSecond});
    // Lines go on from where they are; silence begins anew.
    clock.observe(kWall - c.lag + 91 * kSecond, kWall + 91 * kSecond);
    CHECK_FALSE(clock.tick(kWall + 91 * kSecond + kSecond / 2, kAny));
  }
}

TEST_CASE("event clock: lines without a time, or with an impossible one, are silence") {
  EventClock clock(Silence::ticks, kWall);
  clock.observe(kWall, kWall);
  clock.observe(std::nullopt, kWall + 3 * kSecond);
  clock.observe(kWall + 400 * kHour, kWall + 3 * kSecond);
  CHECK(clock.tick(kWall + 3 * kSecond, kAny) == Tick{kWall + 3 * kSecond});
}

TEST_CASE("event clock: ticks only when something is due") {
  EventClock clock(Silence::ticks, kWall);
  clock.observe(kWall, kWall);
  const std::int64_t due = kWall + 60 * kSecond;
  CHECK_FALSE(clock.tick(kWall + 59 * kSecond, due));
  CHECK(clock.now_ns() == kWall);
  CHECK(clock.tick(kWall + 60 * kSecond, due) == Tick{due});
  CHECK_FALSE(clock.tick(kWall + 900 * kSecond, std::numeric_limits<std::int64_t>::max()));
}

TEST_CASE("event clock: a stream that never had a time gets the wall's") {
  EventClock clock(Silence::ticks, kWall);
  clock.observe(std::nullopt, kWall);
  CHECK_FALSE(clock.tick(kWall + kSecond / 2, kAny));
  CHECK(clock.tick(kWall + 2 * kSecond, kAny) == Tick{kWall + 2 * kSecond});
  CHECK(clock.tick(kWall + 5 * kSecond, kAny) == Tick{kWall + 5 * kSecond});
}

TEST_CASE("event clock: silence after the end of a file moves nothing") {
  EventClock clock(Silence::stays, kWall);
  CHECK_FALSE(clock.tick(kWall + kHour, kAny));
  clock.observe(kWall - 9'000 * kHour, kWall);
  clock.observe(std::nullopt, kWall);
  CHECK_FALSE(clock.tick(kWall + kHour, kAny));
  CHECK(clock.now_ns() == kWall - 9'000 * kHour);
}

TEST_CASE("event clock: lines and ticks, given again later, yield the same") {
  EventClock live(Silence::ticks, kWall);
  live.observe(kWall, kWall);
  const std::optional<Tick> tick = live.tick(kWall + 70 * kSecond, kWall + 60 * kSecond);
  REQUIRE(tick);
  live.observe(kWall + 65 * kSecond, kWall + 71 * kSecond);

  const std::int64_t later = kWall + 1'000 * kHour;
  EventClock replay(Silence::stays, later);
  replay.observe(kWall, later);
  replay.apply(*tick);
  CHECK(replay.observe(kWall + 65 * kSecond, later) == live.now_ns());
  replay.apply(Tick{0});
  CHECK(replay.now_ns() == live.now_ns());
}

TEST_CASE("event clock: time away is silence, once the stream is quiet") {
  EventClock before(Silence::ticks, kWall);
  before.observe(kWall - 5 * kSecond, kWall);
  const EventClock::Saved saved = before.save();

  EventClock after(Silence::ticks, kWall + 3 * kHour);
  after.restore(saved, kWall + 3 * kHour);
  CHECK(after.save() == saved);
  CHECK(after.now_ns() == kWall - 5 * kSecond);
  CHECK_FALSE(after.tick(kWall + 3 * kHour + kSecond / 2,
                         kAny));  // what was written meanwhile is read first
  CHECK(after.tick(kWall + 3 * kHour + kSecond, kAny) == Tick{kWall + 3 * kHour - 4 * kSecond});

  // The wall clock was set back while away: silence counts from the start.
  EventClock back(Silence::ticks, kWall - kHour);
  back.restore(saved, kWall - kHour);
  CHECK(back.tick(kWall - kHour + 2 * kSecond, kAny) == Tick{kWall - 3 * kSecond});

  // Whatever a broken state says, no arithmetic breaks.
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t event : {kMin, kMin + 1, kMax}) {
    for (const std::int64_t wall : {kMin, kMax}) {
      EventClock broken(Silence::ticks, kWall);
      broken.restore({event, event, wall}, kWall);
      broken.tick(kWall + 2 * kSecond, kAny);
      CHECK(broken.now_ns() >= event);
    }
  }
}
