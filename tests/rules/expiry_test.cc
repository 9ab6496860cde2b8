#include "rules/expiry.h"

#include <map>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace logtally::rules {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::vector<const metrics::Series*> due(Expiry& expiry, std::int64_t now_ns) {
  std::vector<const metrics::Series*> gone;
  expiry.advance(
      now_ns, [&](metrics::Series& series) { gone.push_back(&series); }, [](metrics::Series&) {});
  return gone;
}

}  // namespace

TEST_CASE("expiry: a series is due when its ttl has passed since its last touch") {
  Expiry expiry;
  metrics::Series a;
  metrics::Series b;
  CHECK(expiry.next_due_ns() == kNever);
  expiry.touch(a, 10, 100);
  expiry.touch(b, 50, 100);
  CHECK(expiry.next_due_ns() == 110);
  CHECK(due(expiry, 109).empty());
  expiry.touch(a, 10, 105);
  CHECK(expiry.next_due_ns() == 115);
  CHECK(due(expiry, 114).empty());
  CHECK(due(expiry, 115) == std::vector<const metrics::Series*>{&a});
  CHECK_FALSE(a.ages);
  CHECK(b.ages);
  expiry.touch(a, 10, 120);  // it is back
  CHECK(due(expiry, 1000).size() == 2);
  CHECK(expiry.empty());
}

TEST_CASE("expiry: a touch by an older line takes nothing from a series") {
  Expiry expiry;
  metrics::Series a;
  expiry.touch(a, 10, 100);
  expiry.touch(a, 10, 50);
  CHECK(expiry.next_due_ns() == 110);
}

TEST_CASE("expiry: what was touched before any time is known ages from the first one") {
  Expiry expiry;
  metrics::Series a;
  expiry.touch(a, 10, kNoEventTime);
  CHECK(expiry.next_due_ns() == kNoEventTime);
  CHECK(due(expiry, 5000).empty());
  CHECK(expiry.next_due_ns() == 5010);
  CHECK(due(expiry, 5010).size() == 1);
}

TEST_CASE("expiry: a ttl without end never wraps") {
  Expiry expiry;
  metrics::Series a;
  expiry.touch(a, kNever, 100);
  CHECK(expiry.next_due_ns() == kNever);
}

TEST_CASE("expiry: agrees with a look at every series, over random touches") {
  std::mt19937 random(7);
  Expiry expiry;
  std::vector<metrics::Series> series(40);
  std::map<std::size_t, std::int64_t> last;  // of those that age
  const auto ttl = [](std::size_t i) { return static_cast<std::int64_t>(5 + i % 7 * 13); };
  std::int64_t now = 1000;
  for (int step = 0; step < 20'000; ++step) {
    now += static_cast<std::int64_t>(random() % 4);
    std::vector<const metrics::Series*> want;
    std::int64_t next = kNever;
    for (auto at = last.begin(); at != last.end();) {
      const std::int64_t due_ns = at->second + ttl(at->first);
      if (due_ns <= now) {
        want.push_back(&series[at->first]);
        at = last.erase(at);
      } else {
        next = std::min(next, due_ns);
        ++at;
      }
    }
    std::vector<const metrics::Series*> gone = due(expiry, now);
    std::sort(gone.begin(), gone.end());
    REQUIRE(gone == want);
    REQUIRE(expiry.next_due_ns() == next);
    const std::size_t i = random() % series.size();
    expiry.touch(series[i], ttl(i), now);
    last[i] = now;
  }
}

}  // namespace logtally::rules
