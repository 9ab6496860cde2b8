#include "pipeline/state_store.h"

#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>
#include <fmt/core.h>

#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::ScratchDir;
namespace fs = std::filesystem;

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;

StateOptions in(const std::string& directory) {
  StateOptions options;
  options.directory = directory;
  options.wall_ns = kNow;
  options.boot_id = "boot";
  options.sync = Sync::normal;  // tests end processes, not machines
  return options;
}

StateStore::Opened opened(StateOptions options) {
  auto opened = StateStore::open(std::move(options));
  if (!opened) FAIL(opened.error().text);
  return *std::move(opened);
}

std::string why_not(StateOptions options) {
  auto opened = StateStore::open(std::move(options));
  REQUIRE_FALSE(opened.has_value());
  return opened.error().text;
}

StoredGeneration generation(std::uint32_t number, std::uint64_t counted) {
  StoredGeneration file;
  file.number = number;
  file.target = "app";
  file.path = fmt::format("/var/log/app{}.log", number);
  file.id = {.device = 5, .inode = 1000 + number, .born_ns = kNow};
  file.counted = counted;
  file.shipped = counted / 2;
  file.seen_ns = kNow + static_cast<std::int64_t>(counted);
  file.marks.head = head_of("first line\n");
  file.marks.tail = mark_of(counted, std::string(mark_length(counted), 'x'));
  return file;
}

// All of an image but the crash counters, one fact a line.
std::string described(const StateImage& image) {
  std::string text =
      fmt::format("groups {} next {} clock {} {} {}\n", image.groups, image.next_generation,
                  image.clock.now_ns, image.clock.anchor_event_ns, image.clock.anchor_wall_ns);
  for (const SavedGeneration& g : image.generations)
    text += fmt::format("generation {:?} carry {:?}\n", to_bytes(g.file), g.carry);
  for (const FamilyRow& f : image.families)
    text += fmt::format("family {} {:?} {:?}\n", f.id, f.name, f.shape);
  for (const SeriesRow& s : image.series)
    text += fmt::format("series {}.{} {} {:?} {} {} {:?} {:?} {:?}\n", s.family, s.number, s.flags,
                        s.labels, s.created_ns, metrics::to_string(s.value), s.buckets, s.order_key,
                        s.more);
  for (const CappedRow& c : image.capped)
    text += fmt::format("capped {} {:?} {:?}\n", c.family, c.label, c.value);
  for (const FamilyRow& m : image.memories)
    text += fmt::format("memory {} {:?} {:?}\n", m.id, m.name, m.shape);
  for (const MemoryRow& r : image.memory_rows)
    text += fmt::format("row {} {} {} {:?} {:?} {} {} {}\n", r.memory, r.id, r.use, r.key,
                        r.columns, r.time_ns.has_value(), r.time_ns.value_or(0), r.last_use_ns);
  for (const TimerRow& t : image.timers)
    text +=
        fmt::format("timer {}.{} {} {} {} {}\n", t.family, t.number, t.due_ns, t.value.has_value(),
                    metrics::to_string(t.value.value_or(metrics::Decimal())), t.order);
  return text;
}

// Writes groups that change something of everything.
class Writer {
 public:
  // The group of this number; nothing of it depends on how often it is called.
  void operator()(StateStore::Group& group, std::uint64_t number) {
    std::mt19937 random(static_cast<std::uint32_t>(number) * 7919 + 1);
    const auto any = [&](std::uint32_t below) {
      return static_cast<std::uint32_t>(random() % below);
    };
    const std::int64_t now = kNow + static_cast<std::int64_t>(number);
    group.clock({.now_ns = now, .anchor_event_ns = now - 1, .anchor_wall_ns = now + 1});
    if (number == 0) {
      group.put(BasicFamilyRow<std::string_view>{.id = 0, .name = "a_total", .shape = "c"});
      group.put(BasicFamilyRow<std::string_view>{.id = 1, .name = "b", .shape = "g"});
      group.put_memory({.id = 0, .name = "session", .shape = "ab"});
    }
    const std::uint64_t from = number == 0 ? 0 : positions_.at(number - 1);
    const std::uint64_t to = from + 100 + any(1000);
    positions_[number] = to;
    const std::string carry = number % 3 == 0 ? "" : "half a record";
    if (number == 0) {
      group.start(generation(1, to), carry);
    } else {
      group.advance(from, from / 2, generation(1, to), carry);
    }
    if (number % 4 == 3) {
      const auto born = static_cast<std::uint32_t>(2 + number);
      group.next_generation(born + 1);
      group.start(generation(born, number), {});
    }
    if (number % 8 == 7) group.forget(static_cast<std::uint32_t>(number - 2));
    for (int i = 0; i < 6; ++i) {
      const std::uint32_t series = any(20);
      const std::string labels = fmt::format("label{}", series);
      const std::string buckets = series % 2 == 0 ? "" : std::string(8, 'b');
      group.put(BasicSeriesRow<std::string_view>{
          .family = series % 2,
          .number = series / 2,
          .flags = any(8),
          .labels = labels,
          .created_ns = kNow,
          .value = metrics::Decimal::from_units((static_cast<metrics::int128>(any(1000)) << 70) -
                                                static_cast<int>(any(1000))),
          .buckets = buckets,
          .order_key = series % 2 == 0 ? "k" : "",
          .more = {}});
    }
    group.put(BasicCappedRow<std::string_view>{
        .family = 0, .label = "model", .value = any(2) == 0 ? "kimi" : "k2"});
    const std::string key(1 + any(300), 'k');
    group.put(
        BasicMemoryRow<std::string_view>{.memory = 0,
                                         .id = number,
                                         .use = number + 1,
                                         .key = key,
                                         .columns = std::string_view("\0\1", 2),
                                         .time_ns = any(2) == 0 ? std::optional(now) : std::nullopt,
                                         .last_use_ns = now});
    if (number > 2) group.forget_row(0, number - any(3));
    group.put(
        TimerRow{.family = 1,
                 .number = any(5),
                 .due_ns = now + 30,
                 .value = any(2) == 0 ? std::optional(metrics::Decimal::of(-7)) : std::nullopt,
                 .order = number});
    group.forget_timer(1, any(5));
    group.put(InvocationRow{.generation = 1,
                            .offset = from,
                            .ordinal = 0,
                            .skill_name = "browser",
                            .duration_ms = 1.5,
                            .success = true,
                            .created_ns = now});
  }

 private:
  std::map<std::uint64_t, std::uint64_t> positions_;  // behind each group
};

void commit(StateStore& store, Writer& writer, std::uint64_t number) {
  const auto failed = store.commit([&](StateStore::Group& group) { writer(group, number); });
  if (failed) FAIL(failed->text);
}

// The files as a process that is killed now leaves them.
void copy_files(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::create_directory(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.path().filename() != "state.lock")
      fs::copy_file(entry.path(), to / entry.path().filename());
  }
}

std::int64_t count_invocations(const std::string& directory) {
  sqlite::Database database;
  REQUIRE_FALSE(database.open(directory + "/state.db", sqlite::Open::read_only));
  std::int64_t count = -1;
  REQUIRE_FALSE(database.ask("SELECT count(*) FROM skill_invocations", count));
  return count;
}

std::vector<std::string> names(const std::string& directory) {
  std::vector<std::string> all;
  for (const auto& entry : fs::directory_iterator(directory))
    all.push_back(entry.path().filename());
  std::sort(all.begin(), all.end());
  return all;
}

void damage(const std::string& path, std::size_t offset, std::string_view with) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(with.data(), static_cast<std::streamsize>(with.size()));
}

}  // namespace

TEST_CASE("state store: gives back what a group wrote, after an orderly end and after a kill") {
  const ScratchDir directory;
  Writer writer;
  std::string after_close;
  {
    auto first = opened(in(directory / "s"));
    CHECK(first.found == StateStore::Found::nothing);
    CHECK(first.clean);
    CHECK(first.image.groups == 0);
    CHECK(first.image.clock == rules::EventClock::Saved{});
    for (std::uint64_t n = 0; n < 20; ++n) commit(*first.store, writer, n);
    REQUIRE(first.store->close().has_value());
  }
  {
    auto second = opened(in(directory / "s"));
    CHECK(second.found == StateStore::Found::state);
    CHECK(second.clean);
    CHECK(second.same_boot);
    CHECK(second.image.groups == 20);
    CHECK(second.image.generations.size() == 4);
    CHECK(second.image.generations[0].crashes.count == 0);
    after_close = described(second.image);
    // no close(): as if it were killed
  }
  auto options = in(directory / "s");
  options.boot_id = "another";
  auto third = opened(options);
  CHECK_FALSE(third.clean);
  CHECK_FALSE(third.same_boot);
  CHECK(described(third.image) == after_close);
}

TEST_CASE("state store: after a kill at any moment the file holds a prefix of the groups") {
  const ScratchDir directory;
  const std::string live = directory / "live";
  const std::string dead = directory / "dead";
  std::vector<std::string> wanted;  // by number of groups
  {
    Writer writer;
    auto store = opened(in(directory / "model"));
    wanted.push_back(described(store.image));
    for (std::uint64_t n = 0; n < 12; ++n) {
      commit(*store.store, writer, n);
      const std::string copy = directory / "copy";
      copy_files(directory / "model", copy);
      wanted.push_back(described(opened(in(copy)).image));
    }
  }
  std::size_t points = 0;
  std::set<std::string> kinds;
  std::size_t durable = 0;  // groups that commit() said are there
  std::size_t begun = 0;
  auto options = in(live);
  options.at = [&](std::string_view point) {
    ++points;
    kinds.emplace(point);
    copy_files(live, dead);
    if (!fs::exists(dead + "/state.db")) return;
    auto after = opened(in(dead));
    CAPTURE(point, durable, begun);
    REQUIRE(after.image.groups >= durable);
    REQUIRE(after.image.groups <= begun);
    REQUIRE(described(after.image) == wanted.at(after.image.groups));
    // A second kill, right behind the recovery.
    const std::string again = directory / "again";
    copy_files(dead, again);
    REQUIRE(described(opened(in(again)).image) == wanted[after.image.groups]);
    REQUIRE(after.store->close().has_value());
    REQUIRE(count_invocations(dead) == static_cast<std::int64_t>(after.image.groups));
  };
  Writer writer;
  auto store = opened(options);
  for (std::uint64_t n = 0; n < 12; ++n) {
    begun = n + 1;
    commit(*store.store, writer, n);
    durable = n + 1;
    if (n == 5) REQUIRE(store.store->snapshot().has_value());
    if (n == 8) store.store->settle();
  }
  REQUIRE(store.store->close().has_value());
  CHECK(points > 200);
  CHECK(kinds.size() > 25);
}

TEST_CASE("state store: a group whose positions are not those of the file changes nothing") {
  const ScratchDir directory;
  Writer writer;
  auto opening = opened(in(directory / "s"));
  StateStore& store = *opening.store;
  commit(store, writer, 0);
  const auto failed = store.commit([&](StateStore::Group& group) {
    group.put(BasicCappedRow<std::string_view>{.family = 9, .label = "l", .value = "v"});
    group.advance(7, 3, generation(1, 5000), {});
    group.put(BasicCappedRow<std::string_view>{.family = 9, .label = "l", .value = "w"});
  });
  REQUIRE(failed);
  CHECK(failed->reason == CommitFailure::Reason::guard);
  CHECK(failed->final);
  SECTION("a generation is started once") {
    const auto twice =
        store.commit([&](StateStore::Group& group) { group.start(generation(1, 0), {}); });
    REQUIRE(twice);
  }
  SECTION("an invocation is kept once") {
    const auto twice = store.commit([&](StateStore::Group& group) {
      group.put(InvocationRow{.generation = 1, .offset = 0, .skill_name = "browser"});
    });
    REQUIRE(twice);
  }
  opening.store.reset();
  const auto after = opened(in(directory / "s"));
  CHECK(after.image.groups == 1);
  for (const CappedRow& row : after.image.capped) CHECK(row.family != 9);
}

TEST_CASE("state store: a second process hears who has the directory") {
  const ScratchDir directory;
  const auto first = opened(in(directory / "s"));
  // Another process, since a process may take its own locks twice.
  const std::string said = directory / "said";
  const pid_t child = ::fork();
  if (child == 0) {
    auto second = StateStore::open(in(directory / "s"));
    std::ofstream(said) << (second ? "it opened" : second.error().text);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  std::string text;
  std::getline(std::ifstream(said), text);
  CHECK(text.starts_with("cannot keep state in " + (directory / "s") + ": process " +
                         std::to_string(::getpid()) + " ("));
  CHECK(text.ends_with("uses it"));
}

TEST_CASE("state store: refuses directories that are none, and databases of later programs") {
  const ScratchDir directory;
  testing::append(directory / "file", "x");
  CHECK(why_not(in(directory / "file")).find("Not a directory") == std::string::npos);
  CHECK(
      why_not(in(directory / "file")).starts_with("cannot keep state in " + (directory / "file")));
  CHECK(why_not(in(directory / "file/below")).find("Not a directory") != std::string::npos);
  CHECK(why_not(in("/proc/logtally")).find("cannot keep state in /proc/logtally") == 0);
  CHECK(network_file_system(0x6969) == "NFS");
  CHECK(network_file_system(0xFF534D42) == "CIFS");
  CHECK_FALSE(network_file_system(0xEF53));  // ext4

  opened(in(directory / "s")).store->close().value();
  {
    sqlite::Database database;
    REQUIRE_FALSE(database.open(directory / "s/state.db", sqlite::Open::existing));
    REQUIRE_FALSE(database.run("PRAGMA user_version = 1000"));
  }
  CHECK(why_not(in(directory / "s")).find("written by a later logtally (its version is 1000") !=
        std::string::npos);
}

TEST_CASE("state store: damage that only a group meets is known to the next start") {
  const ScratchDir directory;
  Writer writer;
  {
    auto first = opened(in(directory / "s"));
    commit(*first.store, writer, 0);
    REQUIRE(first.store->snapshot().has_value());
    REQUIRE(first.store->close().has_value());
  }
  const std::string before = described(opened(in(directory / "s")).image);
  opened(in(directory / "s")).store->close().value();
  // An empty page of a table where an index has its root: no quick look finds that.
  const auto root_of = [&](const char* name) {
    sqlite::Database database;
    REQUIRE_FALSE(database.open(directory / "s/state.db", sqlite::Open::existing));
    std::int64_t page = 0;
    const std::string question =
        fmt::format("SELECT rootpage FROM sqlite_master WHERE name = '{}'", name);
    REQUIRE_FALSE(database.ask(question.c_str(), page));
    return static_cast<off_t>(page - 1) * 4096;
  };
  const off_t from = root_of("batch");
  const off_t to = root_of("skill_invocations_skill_name");
  std::string page(4096, '\0');
  const OwnedFd file(::open((directory / "s/state.db").c_str(), O_RDWR));
  REQUIRE(::pread(file.get(), page.data(), page.size(), from) == 4096);
  REQUIRE(::pwrite(file.get(), page.data(), page.size(), to) == 4096);
  {
    auto second = opened(in(directory / "s"));
    CHECK(second.found == StateStore::Found::state);
    std::optional<CommitFailure> failed;
    for (std::uint64_t number = 1; !failed && number < 20; ++number)
      failed = second.store->commit([&](StateStore::Group& group) { writer(group, number); });
    REQUIRE(failed);
    CHECK(failed->reason == CommitFailure::Reason::corrupt);
    CHECK(failed->final);
  }
  SECTION("a snapshot takes its place") {
    {
      const auto third = opened(in(directory / "s"));
      CHECK(third.found == StateStore::Found::snapshot);
      CHECK(described(third.image) == before);
    }
    CHECK(opened(in(directory / "s")).found == StateStore::Found::state);
  }
  SECTION("or it is refused") {
    std::filesystem::remove(directory / "s/snapshot.1.db");
    CHECK(why_not(in(directory / "s")).find("is damaged") != std::string::npos);
    CHECK(why_not(in(directory / "s")).find("is damaged") != std::string::npos);
  }
}

TEST_CASE("state store: crashes at one place are counted, others begin anew") {
  const ScratchDir directory;
  Writer writer;
  const auto crashes = [&](const StateStore::Opened& at) {
    REQUIRE_FALSE(at.image.generations.empty());
    return at.image.generations[0].crashes.count;
  };
  commit(*opened(in(directory / "s")).store, writer, 0);
  CHECK(crashes(opened(in(directory / "s"))) == 1);
  CHECK(crashes(opened(in(directory / "s"))) == 2);
  {
    auto third = opened(in(directory / "s"));
    CHECK(crashes(third) == 3);
    commit(*third.store, writer, 1);
  }
  {
    auto moved = opened(in(directory / "s"));
    CHECK(crashes(moved) == 1);
    REQUIRE(moved.store->close().has_value());
  }
  CHECK(crashes(opened(in(directory / "s"))) == 0);  // the end was orderly
}

TEST_CASE("state store: a full disk costs nothing but time") {
  const ScratchDir directory;
  auto options = in(directory / "s");
  options.most_pages = 40;
  Writer writer;
  auto opening = opened(options);
  StateStore& store = *opening.store;
  std::uint64_t number = 0;
  const auto large = [&](StateStore::Group& group) {
    writer(group, number);
    const std::string bytes(20'000, 'x');
    group.quarantine({.generation = 1, .offset = number, .length = bytes.size(), .bytes = bytes},
                     kNow);
  };
  std::optional<CommitFailure> failed;
  for (; !failed && number < 100; ++number) failed = store.commit(large);
  REQUIRE(failed);
  --number;
  CHECK(failed->reason == CommitFailure::Reason::no_space);
  CHECK_FALSE(failed->final);
  CHECK(store.groups() == number);
  for (int tries = 0; tries < 3; ++tries) {
    failed = store.commit(large);
    REQUIRE(failed);
    CHECK(failed->reason == CommitFailure::Reason::no_space);
  }
  CHECK(store.groups() == number);
  // There is room again for what is wanted now.
  failed = store.commit([&](StateStore::Group& group) { writer(group, number); });
  CHECK_FALSE(failed);
  CHECK(store.groups() == number + 1);
  const std::string copy = directory / "copy";
  copy_files(directory / "s", copy);
  CHECK(opened(in(copy)).image.groups == number + 1);
}

TEST_CASE("state store: keeps three snapshots, and takes up the newest sound one") {
  const ScratchDir directory;
  const std::string s = directory / "s";
  Writer writer;
  {
    auto opening = opened(in(s));
    REQUIRE(opening.store->snapshot().has_value());
    for (std::uint64_t n = 0; n < 8; ++n) {
      commit(*opening.store, writer, n);
      if (n % 2 == 1) REQUIRE(opening.store->snapshot().has_value());
    }
    REQUIRE(opening.store->snapshot().has_value());  // nothing new: none is made
  }
  CHECK(names(s) == std::vector<std::string>{"snapshot.1.db", "snapshot.2.db", "snapshot.3.db",
                                             "state.db", "state.db-wal", "state.lock"});
  SECTION("the database is damaged") {
    damage(s + "/state.db", 0, "not a database at all");
    fs::resize_file(s + "/state.db-wal", 0);
    const auto after = opened(in(s));
    CHECK(after.found == StateStore::Found::snapshot);
    CHECK(after.image.groups == 8);
    CHECK(after.messages.size() == 3);
    CHECK(after.messages[1].find("kept as " + s + "/state.db.corrupt-2023") != std::string::npos);
  }
  SECTION("so is the newest snapshot") {
    damage(s + "/state.db", 4096, std::string(4096, 'x'));
    fs::resize_file(s + "/state.db-wal", 0);
    damage(s + "/snapshot.1.db", 5000, std::string(9000, 'x'));
    const auto after = opened(in(s));
    CHECK(after.found == StateStore::Found::snapshot);
    CHECK(after.image.groups == 6);
  }
  SECTION("the database is gone") {
    fs::remove(s + "/state.db");
    fs::remove(s + "/state.db-wal");
    const auto after = opened(in(s));
    CHECK(after.found == StateStore::Found::snapshot);
    CHECK(after.image.groups == 8);
  }
  SECTION("the database is gone, its log is not") {
    fs::remove(s + "/state.db");
    const auto after = opened(in(s));
    CHECK(after.found == StateStore::Found::snapshot);
    CHECK(after.image.groups == 8);
  }
  SECTION("and a group goes on from there") {
    damage(s + "/state.db", 0, "x");
    fs::resize_file(s + "/state.db-wal", 0);
    {
      auto after = opened(in(s));
      commit(*after.store, writer, 8);
    }
    CHECK(opened(in(s)).image.groups == 9);
  }
}

TEST_CASE("state store: without a sound snapshot it does as on_corrupt says") {
  const ScratchDir directory;
  const std::string s = directory / "s";
  Writer writer;
  commit(*opened(in(s)).store, writer, 0);
  fs::remove(s + "/state.db-wal");
  damage(s + "/state.db", 0, std::string(200, 'x'));
  const auto before = names(s);

  const std::string why = why_not(in(s));
  CHECK(why.find("is damaged (") != std::string::npos);
  CHECK(why.find("on_corrupt") != std::string::npos);
  CHECK(why.find('\n') == std::string::npos);
  CHECK(names(s) == before);
  CHECK(why_not(in(s)) == why);  // again and again: it never begins anew by itself

  auto options = in(s);
  const bool end = GENERATE(false, true);
  options.on_corrupt = end ? OnCorrupt::end : OnCorrupt::beginning;
  const auto anew = opened(options);
  CHECK(anew.found == (end ? StateStore::Found::end : StateStore::Found::beginning));
  CHECK(anew.image.groups == 0);
  CHECK(anew.image.generations.empty());
  CHECK(names(s).size() == before.size() + 2);  // what was put aside, and a log
}

TEST_CASE("state store: bytes that flip are never believed") {
  const ScratchDir directory;
  const std::string sound = directory / "sound";
  Writer writer;
  std::string snapshot;
  std::string last;
  {
    auto opening = opened(in(sound));
    for (std::uint64_t n = 0; n < 30; ++n) {
      commit(*opening.store, writer, n);
      if (n == 20) REQUIRE(opening.store->snapshot().has_value());
    }
    REQUIRE(opening.store->close().has_value());
  }
  {
    const std::string copy = directory / "copy";
    copy_files(sound, copy);
    last = described(opened(in(copy)).image);
    fs::remove(copy + "/state.db");
    fs::remove(copy + "/state.db-wal");
    snapshot = described(opened(in(copy)).image);
  }
  std::mt19937 random(20260228);
  const std::string hurt = directory / "hurt";
  const std::uint64_t size = fs::file_size(sound + "/state.db");
  int as_it_was = 0;
  int restored = 0;
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    copy_files(sound, hurt);
    const bool both = round % 5 == 4;  // the only snapshot as well
    switch (random() % 4) {
      case 0:
        fs::resize_file(hurt + "/state.db", random() % size);
        break;
      case 1:
        damage(hurt + "/state.db", random() % size, std::string(1 + random() % 600, '\0'));
        break;
      default:
        for (std::uint32_t flips = 1 + random() % 8; flips > 0; --flips) {
          const std::size_t at = random() % size;
          std::ifstream file(hurt + "/state.db", std::ios::binary);
          file.seekg(static_cast<std::streamoff>(at));
          const char flipped = static_cast<char>(file.get() ^ (1 << random() % 8));
          damage(hurt + "/state.db", at, std::string_view(&flipped, 1));
        }
    }
    if (both) fs::resize_file(hurt + "/snapshot.1.db", 700);
    auto after = StateStore::open(in(hurt));
    CAPTURE(round);
    if (!after) {
      INFO(after.error().text);
      REQUIRE(both);
      REQUIRE(after.error().text.find('\n') == std::string::npos);
      REQUIRE(after.error().text.find("damaged") != std::string::npos);
      ++refused;
    } else if (after->found == StateStore::Found::snapshot) {
      REQUIRE_FALSE(both);
      REQUIRE(described(after->image) == snapshot);
      ++restored;
    } else {
      // The damage is where nothing is.
      REQUIRE(after->found == StateStore::Found::state);
      REQUIRE(described(after->image) == last);
      ++as_it_was;
    }
  }
  CAPTURE(as_it_was, restored, refused);
  CHECK(restored > 100);
  CHECK(refused > 20);
}

TEST_CASE("state store: which directory it is") {
  std::map<std::string, std::string> variables;
  const auto environment = [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
  const auto chosen = [&](const std::string& wanted) {
    return choose_state_directory(wanted, 9091, environment).value_or("-");
  };
  CHECK(chosen("none") == "-");
  CHECK(chosen("auto") == "-");
  CHECK(chosen("/srv/state") == "/srv/state");
  variables["HOME"] = "/home/me";
  CHECK(chosen("auto") == "/home/me/.local/state/logtally/9091");
  variables["XDG_STATE_HOME"] = "relative";
  CHECK(chosen("auto") == "/home/me/.local/state/logtally/9091");
  variables["XDG_STATE_HOME"] = "/state";
  CHECK(chosen("auto") == "/state/logtally/9091");
  variables["STATE_DIRECTORY"] = "/var/lib/logtally:/var/lib/other";
  CHECK(chosen("auto") == "/var/lib/logtally");
  CHECK(chosen("none") == "-");
}

}  // namespace logtally::pipeline
