// Rotation step by step, where what is read, when, decides.
#include "tests/pipeline/hazards/stage.h"

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::Moment;
using testing::Stage;
using Texts = std::vector<std::string>;

std::string line_of(const std::string& begin) { return begin + std::string(400, '.'); }

bool said(const Stage& stage, const std::string& text) {
  return std::any_of(stage.messages.begin(), stage.messages.end(), [&](const std::string& message) {
    return message.find(text) != std::string::npos;
  });
}

Texts beginnings(const Texts& lines) {
  Texts short_ones;
  for (const std::string& line : lines) short_ones.push_back(line.substr(0, line.find('.')));
  return short_ones;
}

void pass(Stage& stage) {
  stage.look();
  stage.pass(6s);
  stage.pass(1s);
  stage.commit();
}

// As rotation does it, and the writer goes on with a new `a`.
void rotate(Stage& stage, const std::string& commands, const std::string& line) {
  stage.run(commands);
  stage.reopen("a");
  stage.writer("a").write(line_of(line) + '\n');
}

// Reads `a` with one line in it, commits.
void begin(Stage& stage) {
  stage.paths = {stage.dir / "a"};
  stage.writer("a").write(line_of("A1") + '\n');
  stage.start();
  stage.look();
  stage.commit();
}

}  // namespace

TEST_CASE("tail: a file that grows at once where what stands before the position looks alike") {
  for (const bool killed : {false, true}) {
    CAPTURE(killed);
    Stage stage(Watching::poll, Moment::alive);
    stage.paths = {stage.dir / "a"};
    const std::string alike(300 * 1024, 'x');  // of a line that is too long
    stage.writer("a").write(line_of("A1") + '\n' + alike);
    stage.start();
    stage.look();
    stage.commit();
    stage.writer("a").write("\n" + line_of("A2") + '\n');
    stage.copy("a", "a.1");
    stage.writer("a").truncate();
    stage.writer("a").write(line_of("B1") + '\n' + alike + alike + '\n' + line_of("B2") + '\n');
    if (killed) {
      stage.kill();
      stage.start();
    }
    pass(stage);
    CHECK(beginnings(stage.lines) == Texts{"A1", "A2", "B1", "B2"});
    CHECK(stage.too_long == 2);
    CHECK(stage.counted().copied == 1);
    CHECK(stage.counted().lost_truncated_bytes == 0);
  }
}

TEST_CASE("tail: a .gz beside its plain file is left alone while it is written") {
  for (const char* const pattern : {"a", "a*"}) {
    CAPTURE(pattern);
    Stage stage(Watching::poll, Moment::alive);
    begin(stage);
    stage.kill();
    stage.paths = {stage.dir / pattern};
    stage.start();
    stage.writer("a").write(line_of("A2") + '\n');
    rotate(stage, "mv a a.1; head -c 600 a.1 | gzip | head -c 40 >a.1.gz",
           "B1");  // some of it so far
    stage.look();
    stage.commit();
    stage.run("gzip <a.1 >a.1.gz");  // all of it, both are there
    stage.look();
    stage.commit();
    stage.run("rm a.1");
    pass(stage);
    CHECK(beginnings(stage.lines) == Texts{"A1", "A2", "B1"});
    CHECK(stage.counted().missed == 0);
  }
}

TEST_CASE("tail: a file that waits for its predecessor is compressed, and read all the same") {
  Stage stage(Watching::poll, Moment::alive);
  begin(stage);
  stage.writer("a").write(line_of("A2") + '\n');
  rotate(stage, "mv a a.1", "B1");
  stage.time.now += 300ms;
  std::string first;
  while (const auto chunk = stage.inputs().read()) {  // one chunk: A2, and B1 waits
    first += chunk->bytes;
    if (!chunk->bytes.empty()) break;
  }
  CHECK(first.starts_with("A2"));
  stage.kill();  // what was read is forgotten
  stage.start();
  rotate(stage, "mv a.1 a.2; mv a a.1; gzip a.1", "C1");
  pass(stage);
  CHECK(beginnings(stage.lines) == Texts{"A1", "A2", "B1", "C1"});
  CHECK(stage.counted().lost_generations == 0);
}

TEST_CASE("tail: a file that is rotated between two looks is added once") {
  for (const char* const pattern : {"a", "a*"}) {
    CAPTURE(pattern);
    Stage stage(Watching::poll, Moment::alive);
    begin(stage);
    stage.kill();
    stage.paths = {stage.dir / pattern};
    stage.start();
    rotate(stage, "mv a a.1", "B1");
    rotate(stage, "mv a.1 a.2; mv a a.1", "C1");
    pass(stage);
    stage.run("mv a.2 a.3; mv a.1 a.2; mv a a.1");
    stage.reopen("a");
    pass(stage);
    stage.writer("a").write(line_of("D1") + '\n');
    pass(stage);
    CHECK(beginnings(stage.lines) == Texts{"A1", "B1", "C1", "D1"});
  }
}

TEST_CASE("tail: rotated while it was away, each generation is read once and in order") {
  Stage stage(Watching::poll, Moment::alive);
  begin(stage);
  stage.kill();
  stage.writer("a").write(line_of("A2") + '\n');
  rotate(stage, "mv a a.1", "B1");
  rotate(stage, "mv a.1 a.2; mv a a.1; gzip a.2", "C1");
  rotate(stage, "mv a.2.gz a.3.gz; mv a.1 a.2; mv a a.1", "D1");
  stage.start();
  pass(stage);
  CHECK(beginnings(stage.lines) == Texts{"A1", "A2", "B1", "C1", "D1"});
  CHECK(stage.counted().missed == 2);
  CHECK(stage.counted().lost_generations == 0);
}

TEST_CASE("tail: what was rotated unread and is gone is succeeded by what came of it") {
  Stage stage(Watching::poll, Moment::alive);
  begin(stage);
  stage.run("mv a a.1");
  stage.reopen("a");
  stage.writer("a");  // empty, and nothing is known of it
  stage.look();
  stage.commit();
  rotate(stage, "mv a.1 a.2; mv a a.1", "C1");
  stage.look();  // and is rotated like that
  stage.commit();
  stage.kill();
  stage.run("echo " + line_of("B1") + " >>a.1; gzip a.1");  // a late writer
  stage.start();
  pass(stage);
  CHECK(beginnings(stage.lines) == Texts{"A1", "C1", "B1"});  // in the order of their writing
  CHECK(stage.counted().lost_generations == 0);
  CHECK_FALSE(said(stage, "is gone"));
}

TEST_CASE("tail: a file that goes away is told of if it was not read to its end") {
  for (const bool unread : {false, true}) {
    CAPTURE(unread);
    Stage stage(Watching::poll, Moment::alive);
    begin(stage);
    if (unread) {
      for (const char* const line : {"A2", "A3", "A4"})
        stage.writer("a").write(line + std::string(200 * 1024, '.') + '\n');
      stage.time.now += 300ms;
      CHECK(stage.inputs().read().has_value());  // one of them; the reader's, not the stage's
      stage.commit();
    }
    stage.kill();
    rotate(stage, "mv a a.1; rm a.1", "B1");
    stage.start();
    pass(stage);
    CHECK(beginnings(stage.lines) == Texts{"A1", "B1"});
    CHECK(said(stage, "is gone") == unread);
    CHECK(stage.counted().lost_generations == (unread ? 1 : 0));
    CHECK((stage.counted().lost_deleted_bytes > 400 * 1024) == unread);
  }
}

}  // namespace logtally::pipeline
