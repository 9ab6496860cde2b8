#include "pipeline/siblings.h"

#include <algorithm>

#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::append;
using testing::ScratchDir;
using Kind = RotatedName::Kind;

}  // namespace

TEST_CASE("siblings: the names of rotation, and names that only look like them") {
  struct Case {
    const char* active;
    const char* name;
    bool want;
    Kind kind;
    Container container;
  };
  const Case cases[] = {
      {"a.log", "a.log.1", true, Kind::numbered, Container::plain},
      {"a.log", "a.log.12.gz", true, Kind::numbered, Container::gzip},
      {"a.log", "a.log.2.zst", true, Kind::numbered, Container::zstd},
      {"a.log", "a.log.gz", true, Kind::other, Container::gzip},
      {"a.log", "a.log.old", true, Kind::other, Container::plain},
      {"a.log", "a.log-20261122", true, Kind::dated, Container::plain},
      {"a.log", "a.log-20261122-1700000000.gz", true, Kind::dated, Container::gzip},
      {"a.log", "a.log.2026-11-22", true, Kind::dated, Container::plain},
      {"a.log", "a-2026-11-22T10:00:00.log", true, Kind::dated, Container::plain},
      {"a.log", "a.3.log", true, Kind::numbered, Container::plain},
      {"a", "a.1", true, Kind::numbered, Container::plain},
      {"a.log", "a.log", false, {}, {}},
      {"a.log", "a.log.audit", false, {}, {}},
      {"a.log", "b.log.1", false, {}, {}},
      {"a.log", "a.log1", false, {}, {}},
      {"a.log", "a.log.1.swp", false, {}, {}},
      {"a.log", "a.log.1x", false, {}, {}},
      {"a.log", "aa.log", false, {}, {}},
      {"worker", "worker-2", false, {}, {}},  // an instance, not a date
      {"app", "app.log", false, {}, {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.active, c.name);
    const auto got = rotated_name(c.active, c.name);
    REQUIRE(got.has_value() == c.want);
    const auto names = active_names(c.name);
    CHECK((std::find(names.begin(), names.end(), c.active) != names.end()) == c.want);
    if (!got) continue;
    CHECK(got->kind == c.kind);
    CHECK(got->container == c.container);
  }
}

TEST_CASE("siblings: the higher number and the earlier date are older") {
  const auto order = [](const char* a, const char* b) {
    return age_order(*rotated_name("a", a), *rotated_name("a", b));
  };
  CHECK(order("a.10", "a.9.gz") == -1);
  CHECK(order("a.1", "a.2") == 1);
  CHECK(order("a-20261121", "a-20261122") == -1);
  CHECK(order("a-20261122.gz", "a-20261122") == 0);
  CHECK(order("a.1", "a-20261122") == 0);
}

TEST_CASE("siblings: regular files beside a path, and a file by its identity") {
  const ScratchDir dir;
  append(dir / "a", "1");
  append(dir / "a.1", "2");
  append(dir / "a.2.gz", "3");
  append(dir / "b.1", "4");
  REQUIRE(::mkdir((dir / "a.3").c_str(), 0700) == 0);
  REQUIRE(::mkfifo((dir / "a.4").c_str(), 0600) == 0);
  std::vector<std::string> paths;
  for (const Sibling& sibling : siblings_of(dir / "a")) paths.push_back(sibling.path);
  std::sort(paths.begin(), paths.end());
  CHECK(paths == std::vector<std::string>{dir / "a.1", dir / "a.2.gz"});
  FileId id = status_of(dir / "a.1").id;
  CHECK(find_beside(dir / "a", id).path == dir / "a.1");
  id.device += 1;  // as after a reboot
  CHECK(find_beside(dir / "a", id).path == (id.born_ns != 0 ? dir / "a.1" : std::string()));
  id.born_ns += 1;
  CHECK(find_beside(dir / "a", id).path.empty());
}

}  // namespace logtally::pipeline
