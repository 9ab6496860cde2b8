#include "pipeline/glob.h"

#include <filesystem>

#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {

TEST_CASE("glob: a pattern fits whole paths, without a slash the last part") {
  struct Case {
    const char* pattern;
    const char* path;
    bool want;
  };
  const Case cases[] = {
      {"*.gz", "/var/log/a.log.gz", true},
      {"*.gz", "/var/log/a.log", false},
      {"/var/log/*.log", "/var/log/a.log", true},
      {"/var/log/*.log", "/var/log/x/a.log", false},
      {"/var/**/a.log", "/var/a.log", true},
      {"/var/**/a.log", "/var/log/x/a.log", true},
      {"/var/**", "/var/log/x/a.log", true},
      {"/var/log/a[0-9].log", "/var/log/a7.log", true},
      {"/var/log/a?.log", "/var/log/a.log", false},
      {"*", "/var/log/.hidden", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.pattern, c.path);
    CHECK(glob_matches(c.pattern, c.path) == c.want);
  }
}

TEST_CASE("glob: expands sorted, names directories to watch, takes literal names literally") {
  const testing::ScratchDir dir;
  std::filesystem::create_directories(dir / "x/y");
  for (const char* name : {"b.log", "a.log", ".hidden.log", "x/c.log", "x/y/d.log", "a[1].log"})
    testing::append(dir / name, "");
  using Paths = std::vector<std::string>;
  CHECK(expand_glob(dir / "?.log").paths == Paths{dir / "a.log", dir / "b.log"});
  CHECK(expand_glob(dir / "**/*.log").paths ==
        Paths{dir / "a.log", dir / "a[1].log", dir / "b.log", dir / "x/c.log", dir / "x/y/d.log"});
  CHECK(expand_glob(dir / "*/c.log").paths == Paths{dir / "x/c.log"});
  CHECK(expand_glob(dir / "a[1].log").paths == Paths{dir / "a[1].log"});
  const std::string base = std::filesystem::path(dir / "x").parent_path().string();
  CHECK(expand_glob(dir / "no/such/file.log").directories == Paths{base});
}

}  // namespace logtally::pipeline
