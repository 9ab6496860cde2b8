#include "cli/rule_watch.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include <catch2/catch.hpp>

#include "tests/pipeline/scratch_files.h"

namespace logtally::cli {
namespace {

namespace fs = std::filesystem;
using pipeline::testing::ScratchDir;

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("rule watch: every way in which a file changes is seen, and changes its fingerprint") {
  ScratchDir directory;
  const std::string rules = directory / "rules.d";
  fs::create_directories(rules + "/..2026_1");
  write(rules + "/..2026_1/mapped.yaml", "a: 1\n");
  fs::create_symlink("..2026_1", rules + "/..data");
  fs::create_symlink("..data/mapped.yaml", rules + "/mapped.yaml");
  fs::create_directories(directory / "elsewhere");
  write(directory / "elsewhere/linked.yaml", "b: 1\n");
  fs::create_symlink("../elsewhere/linked.yaml", rules + "/linked.yaml");
  write(directory / "logtally.yaml", "c: 1\n");
  const std::vector<std::string> paths = {directory / "logtally.yaml", rules};

  RuleWatch watch(pipeline::Watcher::Mode::inotify);
  watch.watch(paths);
  CHECK_FALSE(watch.must_look());
  CHECK_FALSE(watch.take());
  std::uint64_t before = fingerprint_of(paths);
  const auto seen = [&](const char* what, const std::function<void()>& change) {
    CAPTURE(what);
    change();
    CHECK(watch.take());
    CHECK(fingerprint_of(paths) != before);
    before = fingerprint_of(paths);
    watch.watch(paths);
    watch.take();
  };
  seen("written in place", [&] { write(directory / "logtally.yaml", "c: 2\n"); });
  seen("renamed over", [&] {
    write(directory / "new", "c: 3\n");
    fs::rename(directory / "new", directory / "logtally.yaml");
  });
  seen("removed", [&] { fs::remove(directory / "logtally.yaml"); });
  seen("back again", [&] { write(directory / "logtally.yaml", "c: 3\n"); });
  seen("a file more", [&] { write(rules + "/more.yaml", "d: 1\n"); });
  seen("a file renamed", [&] { fs::rename(rules + "/more.yaml", rules + "/other.yaml"); });
  seen("a file less", [&] { fs::remove(rules + "/other.yaml"); });
  seen("behind a link", [&] { write(directory / "elsewhere/linked.yaml", "b: 2\n"); });
  seen("a ConfigMap's swap", [&] {
    fs::create_directories(rules + "/..2026_2");
    write(rules + "/..2026_2/mapped.yaml", "a: 2\n");
    fs::create_symlink("..2026_2", rules + "/..data_tmp");
    fs::rename(rules + "/..data_tmp", rules + "/..data");
  });
  seen("the directory moved away", [&] { fs::rename(rules, directory / "away"); });
  seen("and made anew", [&] {
    fs::create_directories(rules);
    write(rules + "/a.yaml", "a: 1\n");
  });

  // What is no rule file wakes, and is no change.
  write(rules + "/README", "x");
  write(rules + "/.a.yaml.swp", "x");
  CHECK(fingerprint_of(paths) == before);
  write(rules + "/a.yaml", "a: 1\n");
  CHECK(fingerprint_of(paths) == before);
}

TEST_CASE("rule watch: without inotify files are looked at now and then") {
  ScratchDir directory;
  RuleWatch watch(pipeline::Watcher::Mode::none);
  watch.watch({directory / "logtally.yaml"});
  CHECK(watch.must_look());
}

TEST_CASE("rule watch: a loop of links and a path that is not there do no harm") {
  ScratchDir directory;
  fs::create_symlink(directory / "b", directory / "a");
  fs::create_symlink(directory / "a", directory / "b");
  const auto watched = directories_of({directory / "a", directory / "no/such/dir/rules.yaml"});
  CHECK(std::find(watched.begin(), watched.end(), fs::path(directory / "a").parent_path()) !=
        watched.end());
  fingerprint_of({directory / "a"});
  CHECK(directories_of({"rules.yaml"}) == std::vector<std::string>{"."});
}

}  // namespace logtally::cli
