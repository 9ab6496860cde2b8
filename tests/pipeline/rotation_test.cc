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

namespace {

using HeadFact = ContentFacts::Head;
using TailFact = ContentFacts::Tail;
using Ladder = ContentFacts::Ladder;
using Occasion = ContentFacts::Occasion;

template <class F>
void for_each_facts(F&& f) {
  for (const bool known : {false, true}) {
    for (const bool empty : {false, true}) {
      for (const HeadFact head : {HeadFact::equal, HeadFact::differs, HeadFact::too_short}) {
        for (const TailFact tail : {TailFact::equal, TailFact::differs, TailFact::beyond_end}) {
          for (const Ladder ladder : {Ladder::none_within, Ladder::equal, Ladder::differs}) {
            for (const Occasion occasion : {Occasion::watching, Occasion::restart})
              f({known, empty, head, tail, ladder, occasion});
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("rotation: content is judged by head, tail mark and ladder, row by row") {
  struct Row {
    const char* what;
    ContentFacts facts;
    Content want;
  };
  const Row rows[] = {
      {"nothing was read yet", {.empty = true}, Content::same},
      {"grown or as it was", {.anything_known = true}, Content::same},
      {"the end is lost in a power cut",
       {.anything_known = true,
        .tail = TailFact::beyond_end,
        .ladder = Ladder::equal,
        .occasion = Occasion::restart},
       Content::tail_lost},
      {"... and so much that the head is cut",
       {.anything_known = true,
        .head = HeadFact::too_short,
        .tail = TailFact::beyond_end,
        .ladder = Ladder::equal,
        .occasion = Occasion::restart},
       Content::tail_lost},
      {"the same header was written again",
       {.anything_known = true,
        .tail = TailFact::beyond_end,
        .ladder = Ladder::differs,
        .occasion = Occasion::restart},
       Content::another},
      {"shorter, and nothing tells what it is",
       {.anything_known = true, .tail = TailFact::beyond_end, .occasion = Occasion::restart},
       Content::another},
      {"shrunk before our eyes",
       {.anything_known = true, .tail = TailFact::beyond_end, .ladder = Ladder::equal},
       Content::another},
      {"truncated and grown again with the same header",
       {.anything_known = true, .tail = TailFact::differs},
       Content::another},
      {"replaced", {.anything_known = true, .head = HeadFact::differs}, Content::another},
      {"the head was taken with bytes behind the mark, which are gone",
       {.anything_known = true, .head = HeadFact::too_short},
       Content::same},
      {"the head was taken with bytes behind the mark, which are gone",
       {.anything_known = true, .head = HeadFact::too_short},
       Content::same},
      {"emptied",
       {.anything_known = true,
        .empty = true,
        .head = HeadFact::too_short,
        .tail = TailFact::beyond_end,
        .occasion = Occasion::restart},
       Content::another},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(judge(row.facts) == row.want);
  }
}

TEST_CASE("rotation: every combination of facts about content has its one answer") {
  int combinations = 0;
  int same = 0;
  int tail_lost = 0;
  for_each_facts([&](const ContentFacts& facts) {
    ++combinations;
    const Content got = judge(facts);
    same += got == Content::same;
    tail_lost += got == Content::tail_lost;
    if (!facts.anything_known) {
      CHECK(got == Content::same);
    } else if (got == Content::same) {  // never without both marks
      CHECK((!facts.empty && facts.head != HeadFact::differs && facts.tail == TailFact::equal));
    } else if (got == Content::tail_lost) {
      CHECK((!facts.empty && facts.head != HeadFact::differs &&
             facts.tail == TailFact::beyond_end && facts.ladder == Ladder::equal &&
             facts.occasion == Occasion::restart));
    }
  });
  CHECK(combinations == 2 * 2 * 3 * 3 * 3 * 2);
  CHECK(same == combinations / 2 + 12);
  CHECK(tail_lost == 2);
}

TEST_CASE("rotation: what is seen of a path and what was known of it, every combination") {
  using Kind = Observed::Kind;
  const FileId a{.device = 1, .inode = 10, .born_ns = 5};
  const FileId b{.device = 1, .inode = 11, .born_ns = 6};
  for (const Kind kind : {Kind::missing, Kind::unusable, Kind::file}) {
    for (const FileId& id : {a, b}) {
      for (const std::uint64_t size : {99U, 100U, 101U}) {
        for (const bool elsewhere : {false, true}) {
          for (const bool any : {false, true}) {
            const Observed observed{
                .kind = kind, .id = id, .size = size, .known_elsewhere = elsewhere};
            const Action got = decide(observed, {.any = any, .id = a, .read_upto = 100});
            Action want = Action::nothing;
            if (kind == Kind::missing) {
              want = any ? Action::retire : Action::nothing;
            } else if (kind == Kind::unusable) {
              want = any ? Action::retire : Action::skip;
            } else if (!any) {
              want = elsewhere ? Action::adopt : Action::start;
            } else if (id == b) {
              want = elsewhere ? Action::exchange : Action::replace;
            } else if (size != 100) {
              want = size < 100 ? Action::restart : Action::read;
            }
            CHECK(got == want);
          }
        }
      }
    }
  }
}

TEST_CASE("rotation: identity survives a device that got another number, not another birth") {
  struct Case {
    const char* what;
    FileId remembered;
    FileId seen;
    Likeness want;
  };
  const Case cases[] = {
      {"the same", {1, 10, 5}, {1, 10, 5}, Likeness::same_file},
      {"another inode", {1, 10, 5}, {1, 11, 5}, Likeness::none},
      {"its number used again", {1, 10, 5}, {1, 10, 6}, Likeness::none},
      {"no birth time here", {1, 10, 0}, {1, 10, 0}, Likeness::same_file},
      {"birth time learnt since", {1, 10, 0}, {1, 10, 5}, Likeness::same_file},
      {"device renumbered", {1, 10, 5}, {2, 10, 5}, Likeness::renumbered},
      {"another device, no birth time", {1, 10, 0}, {2, 10, 0}, Likeness::none},
      {"another device, births differ", {1, 10, 5}, {2, 10, 6}, Likeness::none},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(likeness(c.remembered, c.seen) == c.want);
  }
}

}  // namespace logtally::pipeline
