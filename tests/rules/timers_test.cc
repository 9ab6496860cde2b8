#include "rules/timers.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <tuple>
#include <vector>

#include <catch2/catch.hpp>

using namespace logtally::rules;
using logtally::metrics::Decimal;
using logtally::metrics::Series;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
const std::optional<Decimal> kNothing;

struct Fired {
  const Series* series;
  std::int64_t due_ns;
  std::optional<Decimal> value;
  bool operator==(const Fired&) const = default;
};

std::vector<Fired> advance(Timers& timers, std::int64_t now_ns) {
  std::vector<Fired> fired;
  timers.advance(now_ns, [&](const Timer& t) { fired.push_back({t.series, t.due_ns, t.value}); });
  return fired;
}

}  // namespace

TEST_CASE("timers: fire by due time, ties in the order of arming") {
  Series a, b, c, d;
  Timers timers;
  timers.arm(&a, 0, 30 * kSecond, Decimal::of(0), Decimal::of(1));
  timers.arm(&b, 0, 10 * kSecond, Decimal::of(7), kNothing);
  timers.arm(&c, 5 * kSecond, 25 * kSecond, Decimal::of(2), kNothing);
  timers.arm(&d, 5 * kSecond, 25 * kSecond - 1, kNothing, Decimal::of(4));
  CHECK(timers.next_due_ns() == 10 * kSecond);
  CHECK(advance(timers, 10 * kSecond - 1).empty());
  CHECK(advance(timers, 10 * kSecond) == std::vector<Fired>{{&b, 10 * kSecond, Decimal::of(7)}});
  CHECK(advance(timers, 9 * kSecond).empty());
  CHECK(advance(timers, 90 * kSecond) == std::vector<Fired>{{&d, 30 * kSecond - 1, Decimal::of(4)},
                                                            {&a, 30 * kSecond, Decimal::of(0)},
                                                            {&c, 30 * kSecond, Decimal::of(2)}});
  CHECK(timers.size() == 0);
}

TEST_CASE("timers: another action calls them off, arming again replaces") {
  Series a, b;
  Timers timers;
  CHECK_FALSE(timers.cancel(&a));
  timers.arm(&a, 0, 30 * kSecond, Decimal::of(0), kNothing);
  timers.arm(&b, 0, 30 * kSecond, Decimal::of(0), kNothing);
  CHECK(timers.cancel(&a));
  CHECK_FALSE(timers.cancel(&a));
  timers.arm(&b, 20 * kSecond, 30 * kSecond, Decimal::of(9), kNothing);
  CHECK(advance(timers, 49 * kSecond).empty());
  CHECK(advance(timers, 50 * kSecond) == std::vector<Fired>{{&b, 50 * kSecond, Decimal::of(9)}});
}

TEST_CASE("timers: what it was is what it was before all this") {
  struct Case {
    const char* what;
    std::optional<Decimal> first_then, first_before, second_then, second_before, want;
  };
  const Case cases[] = {
      {"hidden twice", kNothing, Decimal::of(4999), kNothing, Decimal::of(0), Decimal::of(4999)},
      {"hidden over a fall back", Decimal::of(3), Decimal::of(8), kNothing, Decimal::of(1),
       Decimal::of(3)},
      {"a fall back of its own", kNothing, Decimal::of(8), Decimal::of(5), Decimal::of(1),
       Decimal::of(5)},
      {"it had no value", kNothing, kNothing, kNothing, Decimal::of(1), kNothing},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Series series;
    Timers timers;
    timers.arm(&series, 0, 60 * kSecond, c.first_then, c.first_before);
    timers.arm(&series, kSecond, 60 * kSecond, c.second_then, c.second_before);
    CHECK(advance(timers, 61 * kSecond) == std::vector<Fired>{{&series, 61 * kSecond, c.want}});
  }
}

TEST_CASE("timers: armed before the first event time they count from it") {
  Series a, b, c;
  Timers timers;
  timers.arm(&a, kNoEventTime, 30 * kSecond, Decimal::of(0), kNothing);
  timers.arm(&b, kNoEventTime, 10 * kSecond, Decimal::of(1), kNothing);
  timers.clear_changed();
  const std::int64_t first = 1'764'000'000 * kSecond;
  CHECK(timers.next_due_ns() < first);
  CHECK(advance(timers, first).empty());
  std::vector<const Series*> removed, changed;
  timers.visit_changed([&](const Series* s) { removed.push_back(s); },
                       [&](const Timer& t) { changed.push_back(t.series); });
  CHECK(removed.size() == 2);
  CHECK(changed.size() == 2);
  timers.arm(&c, first, 20 * kSecond, Decimal::of(2), kNothing);
  CHECK(advance(timers, first + 30 * kSecond) ==
        std::vector<Fired>{{&b, first + 10 * kSecond, Decimal::of(1)},
                           {&c, first + 20 * kSecond, Decimal::of(2)},
                           {&a, first + 30 * kSecond, Decimal::of(0)}});
}

TEST_CASE("timers: any order of calls equals a list that is searched") {
  struct Armed {
    Series* series;
    std::int64_t due_ns;
    std::optional<Decimal> value;
  };
  using Model = std::list<Armed>;  // in order of arming
  std::mt19937_64 random(3);
  const auto pick = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
  std::vector<Series> series(40);
  Timers timers;
  Model model, committed;
  std::map<Series*, Timer> stored;
  std::int64_t now = 0;
  for (int i = 0; i < 200'000; ++i) {
    Series* const s = &series[static_cast<std::size_t>(pick(series.size()))];
    const auto at =
        std::find_if(model.begin(), model.end(), [&](const Armed& a) { return a.series == s; });
    switch (pick(8)) {
      case 0:
      case 1:
      case 2: {
        const std::int64_t lasts = pick(50);
        const std::optional<Decimal> then =
            pick(2) ? std::optional(Decimal::of(pick(9))) : std::nullopt;
        const std::optional<Decimal> before =
            pick(3) ? std::optional(Decimal::of(pick(9))) : std::nullopt;
        timers.arm(s, now, lasts, then, before);
        std::optional<Decimal> value = then ? then : before;
        if (at != model.end()) {
          if (!then) value = at->value;
          model.erase(at);
        }
        model.push_back({s, now + lasts, value});
        break;
      }
      case 3: {
        REQUIRE(timers.cancel(s) == (at != model.end()));
        if (at != model.end()) model.erase(at);
        break;
      }
      case 4:
      case 5: {
        now += pick(6);
        std::vector<Fired> want;
        std::vector<Armed> due;
        for (const Armed& a : model) {
          if (a.due_ns <= now) due.push_back(a);
        }
        std::stable_sort(due.begin(), due.end(),
                         [](const Armed& a, const Armed& b) { return a.due_ns < b.due_ns; });
        for (const Armed& a : due) want.push_back({a.series, a.due_ns, a.value});
        model.remove_if([&](const Armed& a) { return a.due_ns <= now; });
        REQUIRE(advance(timers, now) == want);
        break;
      }
      case 6: {  // a commit
        timers.visit_changed([&](Series* gone) { stored.erase(gone); },
                             [&](const Timer& t) { stored[t.series] = t; });
        timers.clear_changed();
        committed = model;
        std::vector<std::tuple<Series*, std::int64_t, std::uint64_t>> all, kept;
        timers.visit([&](const Timer& t) { all.emplace_back(t.series, t.due_ns, t.order); });
        for (const auto& [key, t] : stored) kept.emplace_back(t.series, t.due_ns, t.order);
        std::sort(all.begin(), all.end());
        std::sort(kept.begin(), kept.end());
        REQUIRE(all == kept);
        break;
      }
      case 7: {  // now and then a crash
        if (pick(50) != 0) break;
        std::vector<Timer> rows;
        for (const auto& [key, t] : stored) rows.push_back(t);
        std::sort(rows.begin(), rows.end(),
                  [](const Timer& a, const Timer& b) { return a.order < b.order; });
        timers = Timers();
        for (const Timer& t : rows) REQUIRE(timers.restore(t));
        model = committed;
        break;
      }
    }
    REQUIRE(timers.size() == model.size());
    std::int64_t next = std::numeric_limits<std::int64_t>::max();
    for (const Armed& a : model) next = std::min(next, a.due_ns);
    REQUIRE(timers.next_due_ns() == next);
  }
}
