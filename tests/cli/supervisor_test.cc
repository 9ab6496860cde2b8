#include "cli/supervisor.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "cli/child_process.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::cli {

TEST_CASE("supervisor: workers that do not last are started again later and later") {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  Backoff backoff;
  for (const int want : {100, 200, 400, 800, 1600, 3200, 5000, 5000})
    CHECK(backoff.next(milliseconds(50)) == milliseconds(want));
  CHECK(backoff.next(seconds(1)) == milliseconds(100));
  CHECK(backoff.next(milliseconds(999)) == milliseconds(200));
}

TEST_CASE("exec: a command is found as a shell finds it") {
  const pipeline::testing::ScratchDir dir;
  for (const char* name : {"a", "b", "c"}) REQUIRE(::mkdir((dir / name).c_str(), 0755) == 0);
  pipeline::testing::append(dir / "b/tool", "#!/bin/sh\n");
  pipeline::testing::append(dir / "c/tool", "#!/bin/sh\n");
  pipeline::testing::append(dir / "b/plain", "x");
  REQUIRE(::chmod((dir / "c/tool").c_str(), 0755) == 0);
  REQUIRE(::mkdir((dir / "a/tool").c_str(), 0755) == 0);  // a directory is no command
  const std::string path =
      (dir / "a") + ":" + (dir / "none") + ":" + (dir / "b") + ":" + (dir / "c");
  CHECK(find_command("tool", path).file == dir / "c/tool");
  CHECK(find_command(dir / "c/tool", "").file == dir / "c/tool");
  CHECK(find_command("plain", path).error == EACCES);
  CHECK(find_command("nothing", path).error == ENOENT);
  CHECK(find_command("", path).error == ENOENT);
  CHECK(find_command(dir / "a", "").error == EISDIR);
  CHECK(find_command((dir / "c/tool") + "/x", "").error == ENOTDIR);
  CHECK(not_started("x", ENOENT).exit_code == 127);
  CHECK(not_started("x", ENOTDIR).exit_code == 127);
  CHECK(not_started("x", EACCES).exit_code == 126);
  CHECK(not_started("a\x1b", ENOEXEC).text == "cannot run `a␛`: Exec format error");
}

}  // namespace logtally::cli
