// The hazards of tailing by their numbers in the reliability notes, each in those of the eight
// variants that apply: {inotify, poll} x {alive, stopped meanwhile, killed before, killed after}.
// Every complete line is to be counted once, and nothing else; where no program can do that the
// loss is to be counted. The table is printed.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "pipeline/file_status.h"
#include "tests/pipeline/hazards/stage.h"

namespace logtally::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::append;
using testing::Moment;
using testing::ScratchDir;
using testing::Stage;
using testing::Writer;

using Lines = std::vector<std::string>;
using Step = std::function<void(Stage&)>;

struct Expected {
  Lines lines = {};
  std::uint64_t Rotations::*loss = nullptr;  // must be counted
  const char* mark = nullptr;                // in the table, instead of "ok"
};

struct Hazard {
  int number;
  const char* name;
  Step before;              // what is there when the reader starts
  std::vector<Step> event;  // what happens
  Step after = nullptr;     // and then
  std::function<Expected(const Stage&)> expected;
  // Why a variant says nothing; null: it does.
  std::function<const char*(Watching, Moment)> not_applicable = nullptr;
  Step check = nullptr;  // besides the lines
};

Lines numbered(const std::string& prefix, int from, int to) {
  Lines lines;
  for (int i = from; i <= to; ++i) lines.push_back(prefix + std::to_string(i));
  return lines;
}

std::string joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

Lines operator+(Lines a, const Lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::function<Expected(const Stage&)> always(Lines lines) {
  return [lines = std::move(lines)](const Stage&) { return Expected{.lines = lines}; };
}

// `known` while the reader holds the file or has seen it; else the loss.
std::function<Expected(const Stage&)> if_looking(Lines looking, Lines else_lines,
                                                 std::uint64_t Rotations::*loss) {
  return [=](const Stage& stage) {
    if (stage.moment == Moment::alive) return Expected{.lines = looking};
    return Expected{.lines = else_lines, .loss = loss, .mark = "counted loss"};
  };
}

const char* only_killed(Watching, Moment moment) {
  return moment == Moment::alive || moment == Moment::stopped ? "happens while nobody runs"
                                                              : nullptr;
}

const std::string kHeader = std::string(1500, 'h') + "\n";

// How many descriptors more than are open now the process may have; 0: as many as before.
void set_descriptors(rlim_t more) {
  static rlimit before{};
  if (before.rlim_cur == 0) REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit limit = before;
  const int next = ::dup(0);
  ::close(next);
  if (more != 0) limit.rlim_cur = static_cast<rlim_t>(next) + more;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

// Root may read everything: somebody else for a while.
void become_ordinary(bool ordinary) {
  if (::getuid() == 0) REQUIRE(::seteuid(ordinary ? 65534 : 0) == 0);
}

// Those that are played elsewhere or not at all.
struct Elsewhere {
  int number;
  const char* why;
};
constexpr Elsewhere kElsewhere[] = {
    {22, "the kernel refuses to read: kernel_test"},
    {24, "the kernel refuses to watch: kernel_test"},
    {32, "bytes are given as they are; what they mean is the decoder's"},
    {35, "standard input: stdin_source_test"},
    {36, "standard input: stdin_source_test"},
    {37, "of the process: the scripts that drive the program"},
    {38, "of the process: the scripts that drive the program"},
    {39, "wrappers: wrapper_test, worker_test"},
    {40, "wrappers: wrapper_test, worker_test"},
};

std::vector<Hazard> hazards() {
  std::vector<Hazard> all;
  const auto file_a = [](Stage& s) {
    s.paths = {s.dir / "a"};
    s.writer("a").write("A1\n");
  };

  all.push_back({.number = 1,
                 .name = "rename, the writer keeps the old descriptor",
                 .before = file_a,
                 .event = {[](Stage& s) { s.rename("a", "a.1"); },
                           [](Stage& s) {
                             s.writer("a").write("A2\n");  // still the old file
                             append(s.dir / "a", "B1\n");
                           }},
                 .after = [](Stage& s) { s.writer("a").write("A3\n"); },
                 .expected = always({"A1", "A2", "A3", "B1"})});

  all.push_back({.number = 2,
                 .name = "several renames between two looks",
                 .before = file_a,
                 .event = {[](Stage& s) {
                             s.writer("a").write("A2\n");
                             s.rename("a", "a.1");
                             append(s.dir / "a", "B1\n");
                           },
                           [](Stage& s) {
                             s.rename("a.1", "a.2");
                             s.rename("a", "a.1");
                             append(s.dir / "a", "C1\n");
                           },
                           [](Stage& s) {
                             s.rename("a.2", "a.3");
                             s.rename("a.1", "a.2");
                             s.rename("a", "a.1");
                             append(s.dir / "a", "D1\n");
                           }},
                 .expected = always({"A1", "A2", "B1", "C1", "D1"})});

  all.push_back({.number = 2,
                 .name = "... with dates, and older files that were never read",
                 .before =
                     [](Stage& s) {
                       append(s.dir / "a-20261101", "old\n");
                       s.paths = {s.dir / "a"};
                       s.writer("a").write("A1\n");
                     },
                 .event = {[](Stage& s) {
                             s.rename("a", "a-20261120");
                             append(s.dir / "a", "B1\n");
                           },
                           [](Stage& s) {
                             s.rename("a", "a-20261121");
                             append(s.dir / "a", "C1\n");
                           }},
                 .expected = always({"A1", "B1", "C1"})});

  all.push_back({.number = 3,
                 .name = "rotation faster than looking, and deletion",
                 .before = file_a,
                 .event = {[](Stage& s) {
                             s.rename("a", "a.1");
                             append(s.dir / "a", "B1\n");
                           },
                           [](Stage& s) {
                             s.rename("a.1", "a.2");
                             s.rename("a", "a.1");
                             append(s.dir / "a", "C1\n");
                           },
                           [](Stage& s) {
                             s.rename("a.1", "a.2");
                             s.rename("a", "a.1");
                             append(s.dir / "a", "D1\n");
                           },
                           [](Stage& s) {
                             s.rename("a.1", "a.2");
                             s.rename("a", "a.1");
                             append(s.dir / "a", "E1\n");
                           }},
                 .expected = if_looking({"A1", "B1", "C1", "D1", "E1"}, {"A1", "C1", "D1", "E1"},
                                        &Rotations::lost_generations)});

  all.push_back({.number = 4,
                 .name = "copytruncate",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write(joined(numbered("L", 1, 50)));
                     },
                 .event = {[](Stage& s) { s.writer("a").write(joined(numbered("L", 51, 100))); },
                           [](Stage& s) { s.copy("a", "a.1"); },
                           [](Stage& s) { s.writer("a").write(joined(numbered("L", 101, 103))); },
                           [](Stage& s) { s.writer("a").truncate(); },
                           [](Stage& s) { s.writer("a").write("M1\n"); }},
                 .expected = if_looking(numbered("L", 1, 103) + Lines{"M1"},
                                        numbered("L", 1, 100) + Lines{"M1"}, &Rotations::copied)});

  all.push_back(
      {.number = 4,
       .name = "... the copies in the glob, grown past the old length, the copy compressed",
       .before =
           [](Stage& s) {
             s.paths = {s.dir / "a*"};
             s.writer("a").write(joined(numbered("L", 1, 50)));
           },
       .event = {[](Stage& s) { s.writer("a").write(joined(numbered("L", 51, 60))); },
                 [](Stage& s) {
                   s.copy("a", "a.1");
                   s.writer("a").truncate();
                 },
                 [](Stage& s) { s.writer("a").write(joined(numbered("M", 1, 200))); },
                 [](Stage& s) { s.run("gzip a.1"); }},
       .expected = always(numbered("L", 1, 60) + numbered("M", 1, 200))});

  all.push_back(
      {.number = 5,
       .name = "truncated and grown past the old position",
       .before =
           [](Stage& s) {
             s.paths = {s.dir / "a"};
             s.writer("a").write(joined(numbered("old", 1, 200)));
           },
       .event = {[](Stage& s) { s.writer("a").truncate(); },
                 [](Stage& s) { s.writer("a").write(joined(numbered("other", 1, 700))); }},
       .expected = always(numbered("old", 1, 200) + numbered("other", 1, 700))});

  all.push_back({.number = 5,
                 .name = "... with the same header",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write(kHeader + joined(numbered("old", 1, 200)));
                     },
                 .event = {[](Stage& s) {
                   s.writer("a").truncate();
                   s.writer("a").write(kHeader + joined(numbered("other", 1, 700)));
                 }},
                 .expected = always(Lines{std::string(1500, 'h')} + numbered("old", 1, 200) +
                                    Lines{std::string(1500, 'h')} + numbered("other", 1, 700))});

  all.push_back(
      {.number = 6,
       .name = "truncated and grown to the same length",
       .before =
           [](Stage& s) {
             s.paths = {s.dir / "a"};
             s.writer("a").write(joined(numbered("old", 100, 300)));
           },
       .event = {[](Stage& s) {
         s.writer("a").truncate();
         s.writer("a").write(joined(numbered("new", 100, 300)));
         s.run("touch a");  // the clock of file systems is coarse
       }},
       .after = [](Stage& s) { s.writer("a").write("more\n"); },
       .expected = always(numbered("old", 100, 300) + numbered("new", 100, 300) + Lines{"more"})});

  all.push_back({.number = 7,
                 .name = "all lines equal, truncated and grown",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write(joined(Lines(10, "tick")));
                     },
                 .event = {[](Stage& s) { s.writer("a").truncate(); },
                           [](Stage& s) { s.writer("a").write(joined(Lines(15, "tick"))); }},
                 .expected =
                     [](const Stage& s) {
                       if (s.moment == Moment::alive) return Expected{.lines = Lines(25, "tick")};
                       return Expected{.lines = Lines(15, "tick"),
                                       .mark = "limit: bytes tell nothing"};
                     }});

  const auto reuse = [](Stage& s) {
    s.reopen("a");
    s.remove("a");
    s.writer("a").write(kHeader + joined(numbered("new", 1, 300)));
  };
  all.push_back({.number = 8,
                 .name = "inode number used again",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write(joined(numbered("old", 1, 20)));
                     },
                 .event = {reuse},
                 .expected = always(numbered("old", 1, 20) + Lines{std::string(1500, 'h')} +
                                    numbered("new", 1, 300))});
  const auto same_header = [](Stage& s) {
    s.paths = {s.dir / "a"};
    s.writer("a").write(kHeader + joined(numbered("old", 1, 20)));
  };
  const Lines both_headers = Lines{std::string(1500, 'h')} + numbered("old", 1, 20) +
                             Lines{std::string(1500, 'h')} + numbered("new", 1, 300);
  all.push_back({.number = 9,
                 .name = "... and the same first kilobyte",
                 .before = same_header,
                 .event = {reuse},
                 .expected = always(both_headers)});
  all.push_back({.number = 10,
                 .name = "... and no birth time",
                 .before =
                     [same_header](Stage& s) {
                       same_header(s);
                       s.at_restart = [](StoredGeneration& g) { g.id.born_ns = 0; };
                     },
                 .event = {reuse},
                 .expected = always(both_headers),
                 .not_applicable = only_killed});
  all.push_back({.number = 11,
                 .name = "the device has another number after a reboot",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write("A1\n");
                       s.at_restart = [](StoredGeneration& g) { g.id.device += 1; };
                     },
                 .event = {[](Stage& s) { s.writer("a").write("A2\n"); }},
                 .expected = always({"A1", "A2"}),
                 .not_applicable = only_killed});

  all.push_back({.number = 12,
                 .name = "a partial last line, completed later",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write("ab");
                     },
                 .event = {[](Stage& s) { s.writer("a").write("c"); }},
                 .after = [](Stage& s) { s.writer("a").write("\n"); },
                 .expected = always({"abc"})});
  all.push_back({.number = 13,
                 .name = "a partial line behind whole ones, completed meanwhile",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write("A1\nab");
                     },
                 .event = {[](Stage& s) { s.writer("a").write("c\n"); }},
                 .expected = always({"A1", "abc"})});
  all.push_back(
      {.number = 14,
       .name = "a partial last line in a rotated file",
       .before =
           [](Stage& s) {
             s.paths = {s.dir / "a"};
             s.writer("a").write("A1\nab");
           },
       .event = {[](Stage& s) { s.rename("a", "a.1"); },
                 [](Stage& s) { append(s.dir / "a", "B1\n"); }},
       .expected =
           [](const Stage&) {
             return Expected{.lines = {"A1", "B1", "ab"}, .loss = &Rotations::unterminated_lines};
           }});
  all.push_back({.number = 15,
                 .name = "no newline at the end of a quiet file, then more",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write("x");
                     },
                 .event = {[](Stage& s) { s.time.now += 1h; }},
                 .after = [](Stage& s) { s.writer("a").write("y\n"); },
                 .expected = always({"xy"})});
  all.push_back(
      {.number = 16,
       .name = "deleted while its writer goes on",
       .before = file_a,
       .event = {[](Stage& s) { s.remove("a"); }, [](Stage& s) { s.writer("a").write("A2\n"); }},
       .expected = [](const Stage& s) {
         if (s.moment == Moment::alive || s.moment == Moment::stopped)
           return Expected{.lines = {"A1", "A2"}};
         return Expected{.lines = {"A1"}, .loss = &Rotations::deleted, .mark = "counted loss"};
       }});
  all.push_back({.number = 17,
                 .name = "a symbolic link moves on",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "cur"};
                       append(s.dir / "log.1", "A1\n");
                       append(s.dir / "log.2", "B1\n");
                       s.run("ln -s log.1 cur");
                     },
                 .event = {[](Stage& s) {
                   append(s.dir / "log.1", "A2\n");
                   s.run("ln -sfn log.2 cur");
                 }},
                 .after = [](Stage& s) { append(s.dir / "log.2", "B2\n"); },
                 .expected = always({"A1", "A2", "B1", "B2"})});
  all.push_back(
      {.number = 18,
       .name = "a symbolic link out of the directory",
       .before =
           [](Stage& s) {
             s.paths = {s.dir / "logs/*.log"};
             s.run(
                 "mkdir logs; echo secret >shadow; echo A1 >logs/a.log; "
                 "ln -s ../shadow logs/b.log; ln -s a.log logs/c.log");
           },
       .event = {[](Stage& s) { s.run("echo secret >>shadow; echo A2 >>logs/a.log"); }},
       .expected = always({"A1", "A2"}),
       .check =
           [](Stage& s) {
             CHECK(std::count_if(s.messages.begin(), s.messages.end(), [](const std::string& m) {
                     return m.find("outside") != std::string::npos;
                   }) >= 1);
           }});
  all.push_back({.number = 19,
                 .name = "FIFO, socket, device, directory, loop in the glob",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "*.log"};
                       s.run(
                           "mkfifo f.log; mkdir d.log; ln -s /dev/null n.log; "
                           "ln -s l.log l.log; echo A1 >a.log");
                     },
                 .event = {[](Stage& s) { s.run("mkfifo g.log; echo A2 >>a.log"); }},
                 .expected = always({"A1", "A2"})});
  all.push_back(
      {.number = 20,
       .name = "two names, one file",
       .before =
           [](Stage& s) {
             s.paths = {s.dir / "*.log"};
             s.run("echo A1 >b.log; ln b.log a.log");
           },
       .event = {[](Stage& s) { s.run("echo A2 >>b.log"); }, [](Stage& s) { s.remove("a.log"); }},
       .after = [](Stage& s) { s.run("echo A3 >>b.log"); },
       .expected = always({"A1", "A2", "A3"})});

  const auto compress = [](const char* command, const char* pattern) {
    return Hazard{.number = 21,
                  .name = command,
                  .before =
                      [pattern](Stage& s) {
                        s.paths = {s.dir / pattern};
                        s.writer("a").write(joined(numbered("A", 1, 40)));
                      },
                  .event = {[](Stage& s) {
                              s.writer("a").write(joined(numbered("A", 41, 80)));
                              s.rename("a", "a.1");
                              s.reopen("a");
                              s.writer("a").write("B1\n");
                            },
                            [command](Stage& s) { s.run(command); }},
                  .expected = always(numbered("A", 1, 80) + Lines{"B1"})};
  };
  all.push_back(compress("gzip a.1", "a"));
  all.push_back(compress("zstd -q --rm a.1", "a"));
  all.push_back(compress("gzip a.1 # in the glob", "a*"));
  all.push_back(
      compress("head -c 150 a.1 | gzip >t; tail -c +151 a.1 | gzip >>t; rm a.1; "
               "mv t a.1.gz # two members",
               "a"));

  all.push_back({.number = 23,
                 .name = "the event queue overflows",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "*.log"};
                       s.writer("a.log").write("A1\n");
                     },
                 .event = {[](Stage& s) {
                   for (int i = 0; i < 8300; ++i) {
                     const std::string name = s.dir / ("x" + std::to_string(i));
                     append(name, "");
                     REQUIRE(::unlink(name.c_str()) == 0);
                   }
                   s.writer("a.log").write("A2\n");
                   append(s.dir / "b.log", "B1\n");
                 }},
                 .expected = always({"A1", "A2", "B1"}),
                 .not_applicable =
                     [](Watching watching, Moment moment) {
                       if (watching == Watching::poll) return "there is no queue";
                       return moment == Moment::killed_before ? "nobody has a queue" : nullptr;
                     }});
  all.push_back({.number = 25,
                 .name = "2,000 files, few active, few descriptors",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "*.log"};
                       s.from = From::end;
                       s.options.max_open_files = 64;
                       for (int i = 0; i < 2'000; ++i)
                         append(s.dir / ("f" + std::to_string(i) + ".log"), "old\n");
                     },
                 .event = {[](Stage& s) {
                   for (int i = 0; i < 2'000; i += 200)
                     append(s.dir / ("f" + std::to_string(i) + ".log"), std::to_string(i) + "\n");
                 }},
                 .expected =
                     [](const Stage&) {
                       Expected expected;
                       for (int i = 0; i < 2'000; i += 200)
                         expected.lines.push_back(std::to_string(i));
                       return expected;
                     }});
  all.push_back({.number = 26,
                 .name = "out of descriptors",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "f*"};
                       for (int i = 0; i < 80; ++i)
                         append(s.dir / ("f" + std::to_string(i)), "A\n");
                       for (int i = 0; i < 80; i += 9) s.writer("f" + std::to_string(i)).write("");
                       set_descriptors(24);
                     },
                 .event = {[](Stage& s) {
                   for (int i = 0; i < 80; i += 9) s.writer("f" + std::to_string(i)).write("B\n");
                 }},
                 .after = [](Stage& s) { s.look(); },
                 .expected = always(Lines(80, "A") + Lines(9, "B")),
                 .check = [](Stage&) { set_descriptors(0); }});
  all.push_back({.number = 27,
                 .name = "permission denied, then granted",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       REQUIRE(::chmod((s.dir / "").c_str(), 0777) == 0);
                       become_ordinary(true);
                       append(s.dir / "a", "A1\n");
                       REQUIRE(::chmod((s.dir / "a").c_str(), 0) == 0);
                     },
                 .event = {[](Stage& s) { REQUIRE(::chmod((s.dir / "a").c_str(), 0644) == 0); }},
                 .after = [](Stage& s) { append(s.dir / "a", "A2\n"); },
                 .expected = always({"A1", "A2"}),
                 .check = [](Stage&) { become_ordinary(false); }});
  all.push_back({.number = 28,
                 .name = "NUL bytes where the end of the file was lost",
                 .before = file_a,
                 .event = {[](Stage& s) { s.run("truncate -s +4096 a"); },
                           [](Stage& s) { s.writer("a").write("A2\n"); }},
                 .expected = [](const Stage&) {
                   return Expected{.lines = {"A1", "A2"}, .loss = &Rotations::nul_bytes};
                 }});
  all.push_back({.number = 29,
                 .name = "a hole of 1 TB",
                 .before = file_a,
                 .event = {[](Stage& s) { s.run("truncate -s 1T a"); },
                           [](Stage& s) { s.writer("a").write("A2\n"); }},
                 .expected = always({"A1", "A2"})});
  all.push_back({.number = 30,
                 .name = "a power cut takes the end of the file",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write(joined(numbered("line", 100, 400)));
                     },
                 .event = {[](Stage& s) { s.run("truncate -s -80 a"); }},
                 .after = [](Stage& s) { s.writer("a").write("new\n"); },
                 .expected =
                     [](const Stage&) {
                       return Expected{.lines = numbered("line", 100, 400) + Lines{"new"},
                                       .loss = &Rotations::lost_tail_bytes};
                     },
                 .not_applicable = only_killed});
  all.push_back({.number = 31,
                 .name = "CR and LF, also at the edge of a read",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write(std::string(65'534, 'x') + "\r\n");
                     },
                 .event = {[](Stage& s) { s.writer("a").write("y\rz\r"); },
                           [](Stage& s) { s.writer("a").write("\n\r\n"); }},
                 .expected = always({std::string(65'534, 'x') + "\r", "y\rz\r", "\r"})});
  all.push_back({.number = 33,
                 .name = "every byte there is",
                 .before = file_a,
                 .event = {[](Stage& s) {
                   std::string bytes = "-";
                   for (int i = 0; i < 256; ++i) {
                     if (i != '\n') bytes += static_cast<char>(i);
                   }
                   s.writer("a").write(bytes + "\nA2\n");
                 }},
                 .expected = [](const Stage&) {
                   std::string bytes = "-";
                   for (int i = 0; i < 256; ++i) {
                     if (i != '\n') bytes += static_cast<char>(i);
                   }
                   return Expected{.lines = {"A1", bytes, "A2"}};
                 }});
  all.push_back({.number = 34,
                 .name = "a line over the limit, a kill in its middle",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "a"};
                       s.writer("a").write(std::string(3 << 20, 'x'));
                     },
                 .event = {[](Stage& s) { s.writer("a").write(std::string(3 << 20, 'x')); },
                           [](Stage& s) { s.writer("a").write("\nshort\n"); }},
                 .expected = always({"short"}),
                 .check = [](Stage& s) { CHECK(s.too_long == 1); }});
  all.push_back({.number = 41,
                 .name = "renamed out of the glob and into it",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "*.log"};
                       s.run("echo A1 >a.log; echo B1 >b");
                     },
                 .event = {[](Stage& s) { s.run("echo A2 >>a.log; mv a.log away; mv b b.log"); }},
                 .after = [](Stage& s) { s.run("mv away c.log; echo A3 >>c.log"); },
                 .expected = always({"A1", "A2", "A3", "B1"})});
  all.push_back({.number = 42,
                 .name = "the program's own log in the glob",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "*.log"};
                       s.run("echo A1 >a.log; echo mine >own.log");
                       s.options.own_output = {status_of(s.dir / "own.log").id};
                     },
                 .event = {[](Stage& s) { s.run("echo mine >>own.log; echo A2 >>a.log"); }},
                 .expected = always({"A1", "A2"})});
  all.push_back({.number = 43,
                 .name = "modification times in the past and the future",
                 .before = file_a,
                 .event = {[](Stage& s) {
                             s.run("touch -d 2037-01-01 a");
                             s.writer("a").write("A2\n");
                             s.run("touch -d 1999-01-01 a");
                           },
                           [](Stage& s) {
                             s.rename("a", "a.1");
                             s.reopen("a");
                             append(s.dir / "a", "B1\n");
                             s.run("touch -d 1980-01-01 a");
                           },
                           [](Stage& s) {
                             s.rename("a.1", "a.2");
                             s.rename("a", "a.1");
                             append(s.dir / "a", "C1\n");
                             s.run("touch -d 1970-01-02 a");
                           }},
                 .expected = always({"A1", "A2", "B1", "C1"})});
  all.push_back({.number = 44,
                 .name = "quotes, newlines and invalid UTF-8 in a name, 255 bytes of it",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "*.log"};
                       append(s.dir / "a\"b\n\xff.log", "A1\n");
                     },
                 .event = {[](Stage& s) {
                   append(s.dir / "a\"b\n\xff.log", "A2\n");
                   append(s.dir / (std::string(251, 'n') + ".log"), "B1\n");
                 }},
                 .expected = always({"A1", "A2", "B1"})});
  all.push_back({.number = 45,
                 .name = "the whole directory is replaced",
                 .before =
                     [](Stage& s) {
                       s.paths = {s.dir / "d/*.log"};
                       s.run("mkdir d; echo A1 >d/a.log");
                     },
                 .event = {[](Stage& s) { s.run("mv d e; mkdir d; echo B1 >d/a.log"); }},
                 .after = [](Stage& s) { s.run("echo B2 >>d/a.log; echo C1 >d/c.log"); },
                 .expected = always({"A1", "B1", "B2", "C1"})});
  return all;
}

Lines sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string shortened(const Lines& lines) {
  std::string text;
  for (const std::string& line : sorted(lines)) {
    if (text.size() < 2'000) text += line.substr(0, 40) + '|';
  }
  return text;
}

// Plays it; what the table says.
std::string play(const Hazard& hazard, Watching watching, Moment moment) {
  Stage stage(watching, moment);
  hazard.before(stage);
  stage.start();
  stage.look();
  stage.commit();
  if (moment == Moment::killed_before) stage.kill();
  for (const Step& step : hazard.event) {
    step(stage);
    if (moment == Moment::alive || moment == Moment::killed_after) stage.look();
    if (moment == Moment::alive) stage.commit();
  }
  if (moment == Moment::killed_after) stage.kill();
  if (moment == Moment::killed_before || moment == Moment::killed_after) stage.start();
  stage.look();
  if (hazard.after) hazard.after(stage);
  stage.look();
  stage.pass(6s);
  stage.pass(1s);
  stage.pass(1s);
  stage.commit();

  const Expected expected = hazard.expected(stage);
  const bool right = sorted(stage.lines) == sorted(expected.lines);
  if (!right) {
    CHECK(shortened(stage.lines) == shortened(expected.lines));
    CHECK(stage.lines.size() == expected.lines.size());
  }
  const std::uint64_t lost = expected.loss != nullptr ? stage.counted().*expected.loss : 1;
  CHECK(lost > 0);
  if (hazard.check) hazard.check(stage);

  // And once more from what was committed: nothing is left to read.
  const std::size_t before = stage.lines.size();
  stage.at_restart = nullptr;
  stage.kill();
  stage.start();
  stage.look();
  stage.pass(6s);
  stage.pass(1s);
  stage.commit();
  CHECK(stage.lines.size() == before);
  if (!right || lost == 0 || stage.lines.size() != before) return "FAILED";
  return expected.mark != nullptr ? expected.mark : "ok";
}

}  // namespace

TEST_CASE("hazards: every line once, or counted as lost, in every variant") {
  constexpr Watching kWatchings[] = {Watching::inotify, Watching::poll};
  constexpr Moment kMoments[] = {Moment::alive, Moment::stopped, Moment::killed_before,
                                 Moment::killed_after};
  const char* const only = std::getenv("LOGTALLY_HAZARD");  // its number, to look at one
  std::string table =
      "hazard; variants: inotify alive, stopped, killed before, killed after; poll likewise\n";
  for (const Hazard& hazard : hazards()) {
    if (only != nullptr && std::atoi(only) != hazard.number) continue;
    table += std::to_string(hazard.number) + " " + hazard.name + "\n   ";
    for (const Watching watching : kWatchings) {
      for (const Moment moment : kMoments) {
        CAPTURE(hazard.number, hazard.name, static_cast<int>(watching), static_cast<int>(moment));
        const char* const why =
            hazard.not_applicable ? hazard.not_applicable(watching, moment) : nullptr;
        table += " | ";
        table += why != nullptr ? "n/a: " + std::string(why) : play(hazard, watching, moment);
      }
    }
    table += '\n';
  }
  for (const Elsewhere& hazard : kElsewhere)
    table += std::to_string(hazard.number) + " " + hazard.why + "\n";
  std::fputs(table.c_str(), stdout);
}

}  // namespace logtally::pipeline
