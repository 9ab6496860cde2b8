#include "pipeline/rotation.h"

#include <catch2/catch.hpp>

namespace logtally::pipeline {

TEST_CASE("rotation: what became of a file is decided by what is seen and what was known") {
  using Kind = Observed::Kind;
  const FileId a{.device = 1, .inode = 10, .born_ns = 5};
  const FileId b{.device = 1, .inode = 11, .born_ns = 6};
  const FileId a_again{.device = 1, .inode = 10, .born_ns = 7};
  const Known nobody{};
  const Known a100{.any = true, .id = a, .read_upto = 100};

  struct Case {
    const char* what;
    Observed observed;
    Known known;
    Action want;
  };
  const Case cases[] = {
      {"nothing there, nothing known", {.kind = Kind::missing}, nobody, Action::nothing},
      {"a FIFO", {.kind = Kind::unusable}, nobody, Action::skip},
      {"a new file", {.kind = Kind::file, .id = a, .size = 7}, nobody, Action::start},
      {"a file renamed to here",
       {.kind = Kind::file, .id = a, .size = 7, .known_elsewhere = true},
       nobody,
       Action::adopt},
      {"unchanged", {.kind = Kind::file, .id = a, .size = 100}, a100, Action::nothing},
      {"grown", {.kind = Kind::file, .id = a, .size = 101}, a100, Action::read},
      {"one byte shorter", {.kind = Kind::file, .id = a, .size = 99}, a100, Action::restart},
      {"emptied", {.kind = Kind::file, .id = a, .size = 0}, a100, Action::restart},
      {"deleted or renamed away", {.kind = Kind::missing}, a100, Action::retire},
      {"a directory took its place", {.kind = Kind::unusable}, a100, Action::retire},
      {"rotated by rename", {.kind = Kind::file, .id = b, .size = 0}, a100, Action::replace},
      {"a link now points to a file that is read",
       {.kind = Kind::file, .id = b, .size = 0, .known_elsewhere = true},
       a100,
       Action::exchange},
      {"inode number used again",
       {.kind = Kind::file, .id = a_again, .size = 200},
       a100,
       Action::replace},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(decide(c.observed, c.known) == c.want);
  }
}

}  // namespace logtally::pipeline
