#include "pipeline/inflated.h"

#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <random>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::append;
using testing::ScratchDir;

std::string text_of(std::size_t size) {
  std::mt19937 random(3);
  std::string text;
  while (text.size() < size) text += "line " + std::to_string(random() % 100'000) + '\n';
  text.resize(size);
  return text;
}

std::string gzipped(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  REQUIRE_FALSE(ZSTD_isError(size));
  out.resize(size);
  return out;
}

std::string read_all(Inflated& inflated, std::size_t piece) {
  std::string out;
  std::string buffer(piece, '\0');
  for (;;) {
    const ssize_t got = inflated.read_at(buffer.data(), buffer.size(), out.size());
    REQUIRE(got >= 0);
    if (got == 0) return out;
    out.append(buffer, 0, static_cast<std::size_t>(got));
  }
}

}  // namespace

TEST_CASE("inflated: what was compressed comes back, in one member or several, and by any offset") {
  const std::string text = text_of(5'000'000);
  const bool gz = GENERATE(true, false);
  const auto pack = gz ? gzipped : zstd;
  const ScratchDir dir;
  append(dir / "f", pack(text.substr(0, 1'000'000)) + pack("") + pack(text.substr(1'000'000)));
  const OwnedFd fd = open_to_read(dir / "f");
  const Container container = container_of_content(fd.get());
  CHECK(container == (gz ? Container::gzip : Container::zstd));
  const auto inflated = Inflated::open(container, fd.get());
  REQUIRE(inflated != nullptr);
  CHECK(read_all(*inflated, 300'000) == text);
  CHECK(inflated->complete());
  std::mt19937 random(5);
  std::string buffer(2'000, '\0');
  for (int i = 0; i < 40; ++i) {  // forward, a little back, and so far back that it begins anew
    const std::size_t offset = random() % (text.size() - buffer.size());
    REQUIRE(inflated->read_at(buffer.data(), buffer.size(), offset) ==
            static_cast<ssize_t>(buffer.size()));
    CHECK(buffer == text.substr(offset, buffer.size()));
  }
  CHECK(inflated->read_at(buffer.data(), buffer.size(), text.size()) == 0);
  CHECK(inflated->read_at(buffer.data(), buffer.size(), text.size() + 10) == 0);
}

TEST_CASE("inflated: a file that is still being compressed goes on, one that is cut says so") {
  const std::string text = text_of(600'000);
  const bool gz = GENERATE(true, false);
  const std::string packed = (gz ? gzipped : zstd)(text);
  const ScratchDir dir;
  append(dir / "f", packed.substr(0, packed.size() / 2));
  const OwnedFd fd = open_to_read(dir / "f");
  const auto inflated = Inflated::open(gz ? Container::gzip : Container::zstd, fd.get());
  const std::string part = read_all(*inflated, 10'000);
  CHECK(part == text.substr(0, part.size()));
  CHECK(part.size() < text.size());
  CHECK_FALSE(inflated->complete());
  append(dir / "f", packed.substr(packed.size() / 2));
  CHECK(read_all(*inflated, 10'000) == text);
  CHECK(inflated->complete());
}

TEST_CASE("inflated: bytes that are no such stream are an error") {
  const ScratchDir dir;
  append(dir / "f", "plain text, and more of it than a header has\n");
  const OwnedFd fd = open_to_read(dir / "f");
  CHECK(container_of_content(fd.get()) == Container::plain);
  const Container container = GENERATE(Container::gzip, Container::zstd);
  const auto inflated = Inflated::open(container, fd.get());
  char byte = 0;
  CHECK(inflated->read_at(&byte, 1, 0) == -1);
  CHECK(errno == EBADMSG);
  CHECK_FALSE(inflated->complete());
}

TEST_CASE("content: a file is held against marks, whichever way its bytes stand there") {
  const std::string text = text_of(100'000);
  Marks marks{.head = head_of(text),
              .tail = mark_of(50'000, std::string_view(text).substr(50'000 - 256, 256)),
              .ladder = {}};
  climb(marks.ladder, 0, std::string_view(text).substr(0, 50'000));
  std::string other = text;
  other[40'000] = '?';  // before the tail mark, and in no rung
  std::string changed = text;
  changed[49'990] = '?';
  using Facts = ContentFacts;
  struct Case {
    const char* what;
    std::string content;
    Facts::Head head;
    Facts::Tail tail;
    Facts::Ladder ladder;
  };
  const Case cases[] = {
      {"the same", text, Facts::Head::equal, Facts::Tail::equal, Facts::Ladder::none_within},
      {"just long enough", text.substr(0, 50'000), Facts::Head::equal, Facts::Tail::equal,
       Facts::Ladder::none_within},
      {"changed where nobody looks", other, Facts::Head::equal, Facts::Tail::equal,
       Facts::Ladder::none_within},
      {"another tail", changed, Facts::Head::equal, Facts::Tail::differs,
       Facts::Ladder::none_within},
      {"shorter", text.substr(0, 40'000), Facts::Head::equal, Facts::Tail::beyond_end,
       Facts::Ladder::equal},
      {"shorter, and another from 20,000 on", text.substr(0, 20'000) + std::string(20'000, '?'),
       Facts::Head::equal, Facts::Tail::beyond_end, Facts::Ladder::differs},
      {"shorter than its head", text.substr(0, 600), Facts::Head::too_short,
       Facts::Tail::beyond_end, Facts::Ladder::equal},
      {"shorter than any rung", text.substr(0, 100), Facts::Head::too_short,
       Facts::Tail::beyond_end, Facts::Ladder::none_within},
      {"another", "x" + text, Facts::Head::differs, Facts::Tail::differs,
       Facts::Ladder::none_within},
  };
  for (const Case& c : cases) {
    for (const Container container : {Container::plain, Container::gzip, Container::zstd}) {
      CAPTURE(c.what, static_cast<int>(container));
      const ScratchDir dir;
      append(dir / "f", container == Container::gzip   ? gzipped(c.content)
                        : container == Container::zstd ? zstd(c.content)
                                                       : c.content);
      const OwnedFd fd = open_to_read(dir / "f");
      const auto inflated =
          container == Container::plain ? nullptr : Inflated::open(container, fd.get());
      const Bytes bytes(fd.get(), inflated.get());
      const auto facts = facts_of(bytes, marks, Facts::Occasion::restart);
      REQUIRE(facts.has_value());
      CHECK(facts->anything_known);
      CHECK_FALSE(facts->empty);
      CHECK(facts->head == c.head);
      CHECK(facts->tail == c.tail);
      CHECK(facts->ladder == c.ladder);
      CHECK(holds(bytes, marks) == (c.head == Facts::Head::equal && c.tail == Facts::Tail::equal));
    }
  }
}

}  // namespace logtally::pipeline
