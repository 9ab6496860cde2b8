#include "cli/reload.h"

#include <catch2/catch.hpp>

namespace logtally::cli {
namespace {

using std::chrono::milliseconds;

// A Reload over invented files: `files` is their fingerprint, `good` whether they load.
class Bench {
 public:
  std::uint64_t files = 1;
  bool good = true;
  std::string same;  // what is answered whatever the files
  int loads = 0;
  std::vector<std::string> told;
  std::vector<std::string> heard;  // by who asked
  std::function<void()> meanwhile = [] {};

  Reload reload{{.load =
                     [this] {
                       ++loads;
                       meanwhile();
                       return ReloadOutcome{.successful = good,
                                            .text = !same.empty() ? same
                                                                  : (good ? "fine " : "broken ") +
                                                                        std::to_string(files)};
                     },
                 .fingerprint = [this] { return files; },
                 .at = [](const ReloadOutcome&) {},
                 .tell =
                     [this](const ReloadOutcome& o) {
                       told.push_back((o.repeated ? "still " : "") + o.text);
                     }},
                1};

  void ask() {
    reload.ask([this](const ReloadOutcome& o) { heard.push_back(o.text); });
  }
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("reload: files that change are loaded once they have been quiet") {
  Bench bench;
  CHECK_FALSE(bench.reload.next_in(milliseconds(0)).has_value());
  bench.files = 2;
  bench.reload.files_changed(milliseconds(1000));
  CHECK(bench.reload.next_in(milliseconds(1000)) == milliseconds(300));
  bench.reload.work(milliseconds(1299));
  CHECK(bench.loads == 0);
  bench.reload.files_changed(milliseconds(1200));
  bench.reload.work(milliseconds(1300));
  CHECK(bench.loads == 0);
  bench.reload.work(milliseconds(1500));
  CHECK(bench.loads == 1);
  CHECK_FALSE(bench.reload.next_in(milliseconds(1500)).has_value());
  // Files that never rest are loaded all the same.
  bench.files = 3;
  for (int at = 2000; at <= 5000; at += 100) {
    bench.reload.files_changed(milliseconds(at));
    bench.reload.work(milliseconds(at));
  }
  CHECK(bench.loads == 2);
}

TEST_CASE("reload: files that are as they were are loaded only for who asks") {
  Bench bench;
  bench.reload.files_changed(milliseconds(0));
  bench.reload.work(milliseconds(300));
  CHECK(bench.loads == 0);
  bench.ask();
  bench.reload.work(milliseconds(300));
  CHECK(bench.loads == 1);
  CHECK(bench.heard == Texts{"fine 1"});
}

TEST_CASE("reload: one load answers all who asked before it began, and nobody who asks later") {
  Bench bench;
  bench.ask();
  bench.ask();
  CHECK(bench.reload.next_in(milliseconds(0)) == milliseconds(0));
  bench.meanwhile = [&] {
    if (bench.loads != 1) return;
    bench.ask();
    bench.ask();
    bench.files = 2;
  };
  bench.reload.work(milliseconds(0));
  CHECK(bench.loads == 1);
  CHECK(bench.heard.size() == 2);
  bench.reload.work(milliseconds(0));
  CHECK(bench.loads == 2);
  REQUIRE(bench.heard.size() == 4);
  CHECK(bench.heard[3] == "fine 2");
  bench.reload.work(milliseconds(0));
  CHECK(bench.loads == 2);
}

TEST_CASE("reload: the same failure is told once, and in short to who asks again") {
  Bench bench;
  bench.good = false;
  for (int i = 0; i < 3; ++i) {
    bench.ask();
    bench.reload.work(milliseconds(i));
  }
  CHECK(bench.heard.size() == 3);
  CHECK(bench.told == Texts{"broken 1", "still broken 1", "still broken 1"});
  bench.told.clear();
  bench.files = 2;
  bench.reload.files_changed(milliseconds(1000));
  bench.reload.work(milliseconds(1300));
  CHECK(bench.told == Texts{"broken 2"});
  // Files that are touched, and fail as before: nobody asked.
  bench.files = 3;
  bench.same = "broken 2";
  bench.reload.files_changed(milliseconds(1400));
  bench.reload.work(milliseconds(1800));
  CHECK(bench.loads == 5);
  CHECK(bench.told == Texts{"broken 2"});
  bench.files = 2;
  bench.same.clear();
  bench.good = true;
  bench.ask();
  bench.reload.work(milliseconds(2000));
  bench.good = false;
  bench.ask();
  bench.reload.work(milliseconds(2000));
  CHECK(bench.told == Texts{"broken 2", "fine 2", "broken 2"});
}

TEST_CASE("reload: whoever waits at the end is answered, and whoever comes later") {
  Bench bench;
  bench.ask();
  bench.reload.stop();
  bench.ask();
  CHECK(bench.heard.size() == 2);
  bench.reload.work(milliseconds(0));
  CHECK(bench.loads == 0);
}

}  // namespace logtally::cli
