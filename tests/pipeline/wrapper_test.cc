#include "pipeline/wrapper.h"

#include <string>

#include <catch2/catch.hpp>

namespace logtally::pipeline {
namespace {

// Feeds lines as a chunk holds them: a '\n' and readable bytes behind each; every line takes 100
// bytes of its generation.
class Feed {
 public:
  explicit Feed(Wrapper wrapper, std::size_t record_bytes = 1 << 20)
      : unwrapper(wrapper, record_bytes) {}

  const Unwrapped* operator()(std::string_view line, std::uint32_t generation = 1) {
    bytes_ = std::string(line) + '\n' + std::string(kReadableBehind, '?');
    const std::uint64_t offset = at_;
    at_ += 100;
    const Unwrapped* got =
        unwrapper.feed(generation, std::string_view(bytes_).substr(0, line.size()), offset, at_);
    if (got != nullptr) CHECK(got->text.data()[got->text.size()] == '\n');
    return got;
  }

  Unwrapper unwrapper;

 private:
  std::string bytes_;
  std::uint64_t at_ = 0;
};

constexpr std::string_view kTime = R"("time":"2026-02-28T14:00:00.000000000Z")";

std::string docker(std::string_view log, std::string_view stream = "stderr") {
  return R"({"log":")" + std::string(log) + R"(","stream":")" + std::string(stream) + "\"," +
         std::string(kTime) + "}";
}

std::string cri(std::string_view rest) {
  return "2026-02-28T14:00:00.000000000Z " + std::string(rest);
}

}  // namespace

TEST_CASE("wrapper: docker lines are unescaped") {
  struct Case {
    std::string_view log;
    std::string_view want;
  };
  const Case cases[] = {
      {R"(plain\n)", "plain"},
      {R"(\n)", ""},
      {R"({\"event\":\"x\",\"path\":\"\\\\a\"}\n)", R"({"event":"x","path":"\\a"})"},
      {R"(tab\tcr\r\n)", "tab\tcr\r"},
      {R"(\u003ca\u003e \u00e9 \u20AC\n)", "<a> \xC3\xA9 \xE2\x82\xAC"},
      {R"(\ud83d\ude80!\n)", "\xF0\x9F\x9A\x80!"},
      {R"(\ud83d!\n)", "\xEF\xBF\xBD!"},
      {R"(\ude80!\n)", "\xEF\xBF\xBD!"},
      {R"(\ud83d\u0041\n)",
       "\xEF\xBF\xBD"
       "A"},
      {R"(\b\f\/\n)", "\b\f/"},
  };
  Feed feed(Wrapper::automatic);
  for (const Case& c : cases) {
    CAPTURE(c.log);
    const Unwrapped* got = feed(docker(c.log));
    REQUIRE(got != nullptr);
    CHECK(got->text == c.want);
    CHECK(got->stream == Stream::standard_error);
    CHECK(got->time == "2026-02-28T14:00:00.000000000Z");
    CHECK(got->wrapped);
  }
}

TEST_CASE("wrapper: every shape of docker's line is taken, everything else is its own record") {
  struct Case {
    std::string line;
    bool wrapped;
  };
  const std::string time(kTime);
  const Case cases[] = {
      {R"({"log": "x\n", "stream": "stdout", "time": "2026-02-28T14:00:00Z"})", true},
      {R"({"log":"x\n","stream":"stdout","attrs":{"tag":"a}\"","env":{"b":"c"}},)" + time + "}",
       true},
      {R"({"log":"x\n","level":"info","stream":"stdout",)" + time + "}",
       false},  // an engine's own field
      {R"({"log":"x\n","note":"this engine has a field log"})", false},
      {R"({"log":"x\n","stream":"stdin",)" + time + "}", false},
      {R"({"log":"x\n","stream":"stdout",)" + time + "} trailing", false},
      {R"({"log":"x\n","stream":"stdout",)" + time, false},
      {R"({"log":"never ends, and there is no more of it)", false},
      {R"({"log":"bad \q escape","stream":"stdout",)" + time + "}", false},
      {R"({"log":5,"stream":"stdout",)" + time + "}", false},
      {R"({"event":"skill_execution","skill":"x","success":true})", false},
      {"2026-02-28 14:00:00 [aria.engine] INFO stdout F text", false},
      {cri("stdout F text"), true},
      {cri("stdout F"), true},
      {cri("stdout X text"), false},
      {cri("stdlog F text"), false},
      {"short", false},
      {"", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    Feed feed(Wrapper::automatic);
    const Unwrapped* got = feed(c.line);
    REQUIRE(got != nullptr);
    CHECK(got->wrapped == c.wrapped);
    if (!c.wrapped) CHECK(got->text == c.line);
    Feed none(Wrapper::none);
    CHECK(none(c.line)->text == c.line);
  }
  Feed forced(Wrapper::docker);
  const Unwrapped* other_order = forced("{" + time + R"(,"stream":"stdout","log":"x\n"})");
  REQUIRE(other_order != nullptr);
  CHECK(other_order->text == "x");
}

TEST_CASE("wrapper: hazard 39, docker's pieces are joined per stream") {
  Feed feed(Wrapper::automatic);
  CHECK(feed(docker("a1 ", "stdout")) == nullptr);
  CHECK(feed(docker("b1 ", "stderr")) == nullptr);
  CHECK(feed.unwrapper.position(1) == 0);
  CHECK(feed(docker("a2 ", "stdout")) == nullptr);
  const Unwrapped* got = feed(docker(R"(b2\n)", "stderr"));
  REQUIRE(got != nullptr);
  CHECK(got->text == "b1 b2");
  CHECK(got->offset == 100);
  CHECK(got->end == 400);
  CHECK(got->joined == 1);
  CHECK(feed.unwrapper.position(1) == 0);
  got = feed(docker(R"(a3\n)", "stdout"));
  REQUIRE(got != nullptr);
  CHECK(got->text == "a1 a2 a3");
  CHECK(got->stream == Stream::standard_output);
  CHECK(got->offset == 0);
  CHECK(got->joined == 2);
  CHECK_FALSE(feed.unwrapper.position(1).has_value());
  CHECK(feed("a line without wrapper between pieces")->joined == 0);
}

TEST_CASE("wrapper: hazard 40, CRI's pieces, across a rotation, and alone") {
  Feed feed(Wrapper::automatic);
  CHECK(feed(cri("stdout P one ")) == nullptr);
  CHECK(feed(cri("stdout P:tag two ")) == nullptr);
  const Unwrapped* got = feed(cri("stdout F three"));
  REQUIRE(got != nullptr);
  CHECK(got->text == "one two three");
  CHECK(got->joined == 2);

  CHECK(feed(cri("stdout P old "), 1) == nullptr);
  CHECK(feed(cri("stderr P lone"), 1) == nullptr);
  feed.unwrapper.succeed(1, 2);
  got = feed(cri("stdout F new"), 2);
  REQUIRE(got != nullptr);
  CHECK(got->text == "old new");
  CHECK(got->generation == 1);
  CHECK(got->offset == 300);
  CHECK(feed.unwrapper.position(1) == 400);
  got = feed.unwrapper.flush(1);
  REQUIRE(got != nullptr);
  CHECK(got->text == "lone");
  CHECK(got->stream == Stream::standard_error);
  CHECK(got->joined == 0);
  CHECK(feed.unwrapper.flush(1) == nullptr);
  CHECK(feed(cri("stdout F "), 2)->text.empty());
}

TEST_CASE("wrapper: a record over the limit is told once and holds no memory") {
  Feed feed(Wrapper::docker, 1000);
  const std::string piece(300, 'x');
  for (int i = 0; i < 50; ++i) CHECK(feed(docker(piece)) == nullptr);
  const Unwrapped* got = feed(docker(R"(end\n)"));
  REQUIRE(got != nullptr);
  CHECK(got->too_long);
  CHECK(got->text.empty());
  CHECK(got->joined == 50);
  CHECK(feed(docker(R"(next\n)"))->text == "next");
}

}  // namespace logtally::pipeline
