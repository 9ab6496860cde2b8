#include "pipeline/watchdog.h"

#include <catch2/catch.hpp>

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;
using Phase = Activity::Phase;

// Looks every second for so long; after how many it was found hung, or -1.
int looked(StallDetector& detector, const Activity& activity, std::chrono::nanoseconds& now,
           int seconds) {
  for (int second = 1; second <= seconds; ++second) {
    now += 1s;
    if (detector.look(now, activity.seen())) return second;
  }
  return -1;
}

}  // namespace

TEST_CASE("watchdog: lines that are not done after 30 s hang; progress and waiting do not") {
  StallDetector detector;
  Activity activity;
  std::chrono::nanoseconds now = 1h;
  CHECK(looked(detector, activity, now, 1000) == -1);  // nothing comes
  activity.count("/a.log", 100);
  CHECK(looked(detector, activity, now, 29) == -1);
  activity.count("/a.log", 200);
  CHECK(looked(detector, activity, now, 30) == -1);
  CHECK(looked(detector, activity, now, 1) == 1);
  CHECK(told(Phase::counting, activity.place()).find("from byte 200 of /a.log on") !=
        std::string::npos);
  activity.enter(Phase::waiting);
  CHECK(looked(detector, activity, now, 1000) == -1);
  activity.enter(Phase::reading);
  CHECK(looked(detector, activity, now, 550) == -1);
  CHECK(looked(detector, activity, now, 60) != -1);
}

TEST_CASE("watchdog: time in which the process was stopped is none") {
  StallDetector detector;
  Activity activity;
  std::chrono::nanoseconds now = 1h;
  activity.count("/a.log", 1);
  CHECK(looked(detector, activity, now, 10) == -1);
  for (int i = 0; i < 10; ++i) {
    now += 2h;  // a suspend, SIGSTOP
    CHECK_FALSE(detector.look(now, activity.seen()));
  }
  CHECK(looked(detector, activity, now, 15) != -1);
}

}  // namespace logtally::pipeline
