// One file, however its path is spelled.
#include "pipeline/glob.h"
#include "tests/pipeline/hazards/stage.h"

namespace logtally::pipeline {

TEST_CASE("tail: a path's spelling does not matter across a restart") {
  struct Case {
    const char* before;
    const char* after;
  };
  const Case cases[] = {{"//logs/a.log", "//logs/a.log"},  {"/./logs/a.log", "/./logs/a.log"},
                        {"/logs/./a.log", "/logs//a.log"}, {"/logs/a.log", "/./logs/./a.log"},
                        {"//logs/a.*", "/logs//./a.*"},    {"/logs//a.log", "/logs/a.log"}};
  for (const Case& c : cases) {
    CAPTURE(c.before, c.after);
    testing::Stage stage(Watching::poll, testing::Moment::killed_before);
    const std::string dir = stage.dir / "";
    const std::string base = dir.substr(0, dir.size() - 1);
    std::filesystem::create_directory(stage.dir / "logs");
    stage.paths = {base + c.before};
    stage.exclude = {dir + "/./logs//*.[0-9]"};
    stage.writer("logs/a.log").write("one\n");
    stage.start();
    stage.look();
    stage.commit();

    stage.writer("logs/a.log").write("two\n");
    stage.rename("logs/a.log", "logs/a.log.1");
    stage.reopen("logs/a.log");
    stage.writer("logs/a.log").write("three\n");
    stage.look();
    stage.commit();
    stage.kill();

    stage.rename("logs/a.log.1", "logs/a.log.2");
    stage.rename("logs/a.log", "logs/a.log.1");
    stage.writer("logs/a.log").write("four\n");  // to a.log.1
    stage.reopen("logs/a.log");
    stage.writer("logs/a.log").write("five\n");
    stage.rename("logs/a.log.2", "logs/a.log.3");
    stage.rename("logs/a.log.1", "logs/a.log.2");
    stage.rename("logs/a.log", "logs/a.log.1");  // nobody has seen it
    stage.reopen("logs/a.log");
    stage.writer("logs/a.log").write("six\n");
    stage.paths = {base + c.after};
    stage.start();
    stage.look();
    stage.pass(std::chrono::seconds(6));
    stage.pass(std::chrono::seconds(1));
    stage.commit();
    CHECK(stage.lines == std::vector<std::string>{"one", "two", "three", "four", "five", "six"});
  }
}

TEST_CASE("glob: a path without what leads nowhere") {
  CHECK(normal_path("/x//y/./z/") == "/x/y/z");
  CHECK(normal_path("//x") == "/x");
  CHECK(normal_path("./x") == "x");
  CHECK(normal_path("/x/../y") == "/x/../y");  // x may be a link
  CHECK(normal_path("/x/.y/z.") == "/x/.y/z.");
  CHECK(normal_path("./") == ".");
  CHECK(normal_path("//") == "/");
  CHECK(normal_path("").empty());
  CHECK(glob_matches("/x//./*.log", "/x/a.log"));
}

}  // namespace logtally::pipeline
