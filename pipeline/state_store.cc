#include "pipeline/state_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "pipeline/state_schema.h"
#include "pipeline/state_statements.h"

namespace logtally::pipeline {
namespace {

using sqlite::Failure;
using sqlite::Outcome;

constexpr int kSnapshots = 3;
constexpr int kLogFrames = 1000;  // of 4 KiB: then the log moves into the database

// There after a group that could not be written because the file is damaged: then the check of
// every start, which is quick, was not enough.
constexpr const char* kSuspectName = "state.suspect";

std::string snapshot_name(int which) { return fmt::format("snapshot.{}.db", which); }

std::string reason(int error) { return std::generic_category().message(error); }

std::string new_uuid() {
  std::random_device random;
  std::uint32_t words[4];
  for (std::uint32_t& word : words) word = random();
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", words[0], words[1], words[2], words[3]);
}

bool sync_path(const std::string& path, int flags) {
  const OwnedFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  return fd && ::fsync(fd.get()) == 0;
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

CommitFailure of_failure(const Failure& failure) {
  using Reason = CommitFailure::Reason;
  const Reason why = failure.no_space()  ? Reason::no_space
                     : failure.damaged() ? Reason::corrupt
                     : failure.io()      ? Reason::io
                                         : Reason::other;
  return {.reason = why, .text = failure.text};
}

std::string stamp_of(std::int64_t wall_ns) {
  const auto seconds = static_cast<std::time_t>(wall_ns / 1'000'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace

StateStore::StateStore(StateDirectory directory, StateOptions options)
    : directory_(std::move(directory)), options_(std::move(options)) {}

StateStore::~StateStore() { let_go(); }

// Leaves the file as a killed process would.
void StateStore::let_go() {
  statements_.reset();
  database_.abandon();
}

Outcome StateStore::connect(const std::string& path, sqlite::Open how) {
  if (auto failed = database_.open(path, how)) return failed;
  if (auto failed = database_.run(schema::kSetUp)) return failed;
  if (auto failed =
          database_.run(options_.sync == Sync::full ? schema::kSyncFull : schema::kSyncNormal))
    return failed;
  if (options_.most_pages == 0) return std::nullopt;
  return database_.run((schema::kMostPages + std::to_string(options_.most_pages)).c_str());
}

Outcome StateStore::migrate(int from) {
  for (int version = from; version < schema::kVersion; ++version) {
    options_.at("migrate");
    if (auto failed = database_.run(schema::kBegin)) return failed;
    auto failed = database_.run(schema::kMigrations[static_cast<std::size_t>(version)]);
    if (!failed) {
      options_.at("migrated");
      failed = database_.run((schema::kSetVersion + std::to_string(version + 1)).c_str());
    }
    if (!failed && version == 0) {
      // A database is never there without what tells it from others.
      uuid_ = new_uuid();
      sqlite::Statement put;
      failed = database_.prepare(schema::kPutMeta, put);
      if (!failed) failed = put.text("uuid").text(uuid_).checksum().run();
      if (!failed) failed = put.text("clean").text("1").checksum().run();
      if (!failed) failed = put.text("made").text(stamp_of(options_.wall_ns)).checksum().run();
      if (!failed) failed = database_.prepare(schema::kPutProgress, put);
      if (!failed) {
        const rules::EventClock::Saved none;
        put.integer(0).integer(0).integer(none.now_ns).integer(none.anchor_event_ns);
        failed = put.integer(none.anchor_wall_ns).checksum().run();
      }
    }
    if (!failed) {
      options_.at("commit migration");
      failed = database_.run(schema::kCommit);
    }
    if (failed) {
      static_cast<void>(database_.run(schema::kRollback));
      return failed;
    }
  }
  return std::nullopt;
}

Outcome StateStore::prepare() {
  statements_ = std::make_unique<Statements>();
  Statements& s = *statements_;
  const struct {
    const char* text;
    sqlite::Statement& into;
  } all[] = {{schema::kBegin, s.begin},
             {schema::kCommit, s.commit},
             {schema::kPutMeta, s.put_meta},
             {schema::kPutProgress, s.put_progress},
             {schema::kStartGeneration, s.start_generation},
             {schema::kAdvanceGeneration, s.advance_generation},
             {schema::kForgetGeneration, s.forget_generation},
             {schema::kPutFamily, s.put_family},
             {schema::kPutSeries, s.put_series},
             {schema::kPutCapped, s.put_capped},
             {schema::kPutMemory, s.put_memory},
             {schema::kPutMemoryRow, s.put_memory_row},
             {schema::kForgetMemoryRow, s.forget_memory_row},
             {schema::kPutTimer, s.put_timer},
             {schema::kForgetTimer, s.forget_timer},
             {schema::kPutInvocation, s.put_invocation},
             {schema::kQuarantine, s.quarantine},
             {schema::kThinQuarantine, s.thin_quarantine}};
  for (const auto& [text, into] : all) {
    if (auto failed = database_.prepare(text, into)) return failed;
  }
  return std::nullopt;
}

Outcome StateStore::put_meta(std::string_view key, std::string_view value) {
  options_.at("put meta");
  return statements_->put_meta.text(key).text(value).checksum().run();
}

Outcome StateStore::put_progress(std::uint64_t groups, std::uint32_t next_generation,
                                 const rules::EventClock::Saved& clock) {
  options_.at("put progress");
  sqlite::Statement& s = statements_->put_progress;
  s.unsigned_integer(groups).integer(next_generation).integer(clock.now_ns);
  return s.integer(clock.anchor_event_ns).integer(clock.anchor_wall_ns).checksum().run();
}

// An empty database: made beside, so that what is called state.db is whole at any moment, and one
// that is empty is a damaged one.
Outcome StateStore::make() {
  const std::string fresh = database_path() + ".new";
  for (const char* suffix : {"", "-wal", "-journal"}) {
    if (::unlink((fresh + suffix).c_str()) != 0 && errno != ENOENT)
      return Failure{.code = SQLITE_CANTOPEN, .text = fresh + suffix + ": " + reason(errno)};
  }
  auto failed = connect(fresh, sqlite::Open::create);
  if (!failed) failed = migrate(0);
  // Closing would do it too, but says nothing when it fails; and the log is not renamed with it.
  if (!failed) failed = database_.checkpoint(sqlite::Database::Checkpoint::truncate);
  if (!failed) failed = database_.close();
  if (failed) {
    let_go();
    return failed;
  }
  options_.at("rename new");
  if (!sync_path(fresh, O_RDWR) || ::rename(fresh.c_str(), database_path().c_str()) != 0 ||
      !sync_path(directory_.path(), O_RDONLY | O_DIRECTORY))
    return Failure{.code = SQLITE_IOERR, .text = reason(errno)};
  return std::nullopt;
}

// Opens state.db, brings it up to date and reads it; leaves it open when it is sound.
StateStore::Trial StateStore::try_open() {
  Trial attempt;
  const auto attempted = [&]() -> Outcome {
    if (auto failed = connect(database_path(), sqlite::Open::existing)) return failed;
    std::int64_t version = 0;
    if (auto failed = database_.ask(schema::kVersionOf, version)) return failed;
    if (version > schema::kVersion) {
      return Failure{
          .code = SQLITE_ERROR,
          .text = fmt::format("it was written by a later logtally (its version is {}, this "
                              "program knows {})",
                              version, schema::kVersion)};
    }
    if (version <= 0) return Failure{.code = SQLITE_CORRUPT, .text = "it is no state"};
    if (auto failed = database_.check()) return failed;
    if (exists(directory_.file(kSuspectName))) {
      std::string answer;
      if (auto failed = database_.ask(schema::kCheckAll, answer)) return failed;
      if (answer != "ok")
        return Failure{.code = SQLITE_CORRUPT, .text = answer.substr(0, answer.find('\n'))};
      ::unlink(directory_.file(kSuspectName).c_str());
    }
    if (auto failed = migrate(static_cast<int>(version))) return failed;
    if (auto failed = prepare()) {
      // The statements are right; what they speak of is not there.
      if (failed->code == SQLITE_ERROR) failed->code = SQLITE_CORRUPT;
      return failed;
    }
    return load(attempt.image, attempt.clean, attempt.boot);
  };
  attempt.failed = attempted();
  if (attempt.failed) let_go();
  return attempt;
}

// Puts the newest sound snapshot in the place of the damaged database.
bool StateStore::restore_snapshot(Opened& opened, std::string& why) {
  for (int which = 1; which <= kSnapshots; ++which) {
    const std::string snapshot = directory_.file(snapshot_name(which));
    if (!exists(snapshot)) continue;
    {
      sqlite::Database copy;
      auto failed = copy.open(snapshot, sqlite::Open::read_only);
      if (!failed) failed = copy.check();
      copy.abandon();
      if (failed) {
        why += fmt::format("; {} is damaged too ({})", snapshot_name(which), failed->text);
        continue;
      }
    }
    if (const auto aside = put_aside(opened.messages); !aside) {
      why += "; " + aside.error().text;
      return false;
    }
    std::error_code error;
    const std::string fresh = database_path() + ".new";
    options_.at("copy snapshot");
    std::filesystem::copy_file(snapshot, fresh, std::filesystem::copy_options::overwrite_existing,
                               error);
    if (!error && !sync_path(fresh, O_RDWR)) error = {errno, std::generic_category()};
    if (!error) std::filesystem::rename(fresh, database_path(), error);
    if (error) {
      why += fmt::format("; cannot copy {}: {}", snapshot_name(which), error.message());
      return false;
    }
    static_cast<void>(sync_path(directory_.path(), O_RDONLY | O_DIRECTORY));
    Trial again = try_open();
    if (again.failed) {
      why += fmt::format("; {} is damaged too ({})", snapshot_name(which), again.failed->text);
      continue;
    }
    opened.image = std::move(again.image);
    opened.messages.push_back(fmt::format("state: {} took its place", snapshot_name(which)));
    return true;
  }
  return false;
}

// Renames the damaged database, so that nothing reads it again and a person can.
Result<void> StateStore::put_aside(std::vector<std::string>& messages) {
  const std::string to = database_path() + ".corrupt-" + stamp_of(options_.wall_ns);
  options_.at("put aside");
  if (!exists(database_path()) && !exists(database_path() + "-wal")) return {};
  // The log first: a database without its log is an older one, a log without its database nothing.
  for (const char* suffix : {"-wal", "-journal", "-shm", ""}) {
    if (::rename((database_path() + suffix).c_str(), (to + suffix).c_str()) != 0 && errno != ENOENT)
      return Error{"cannot put " + database_path() + suffix + " aside: " + reason(errno)};
  }
  ::unlink(directory_.file(kSuspectName).c_str());
  messages.push_back("state: the damaged database is kept as " + to);
  return {};
}

Result<StateStore::Opened> StateStore::open(StateOptions options) {
  auto directory = StateDirectory::take(options.directory);
  if (!directory) return directory.error();
  Opened opened;
  opened.store.reset(new StateStore(*std::move(directory), std::move(options)));
  StateStore& store = *opened.store;
  const std::string path = store.database_path();
  // Without a database, the first start or one that was interrupted while it put a snapshot in
  // place.
  const bool none = !exists(path);
  const bool had_one = exists(store.directory_.file(snapshot_name(1))) || exists(path + "-wal");
  std::string why;
  if (none && had_one) {
    why = "it is gone";
  } else {
    Trial attempt;
    if (none) attempt.failed = store.make();
    if (!attempt.failed) attempt = store.try_open();
    if (attempt.failed && !attempt.failed->damaged()) {
      return Error{fmt::format("cannot use the state in {}: {}", path, attempt.failed->text)};
    }
    if (!attempt.failed) {
      opened.found = none ? Found::nothing : Found::state;
      opened.clean = attempt.clean == "1";
      opened.same_boot = attempt.boot == store.options_.boot_id;
      opened.image = std::move(attempt.image);
    } else {
      why = attempt.failed->text;
    }
  }
  if (!why.empty()) {
    opened.clean = false;
    std::string tried;
    opened.messages.push_back(fmt::format("state: {} is damaged: {}", path, why));
    if (store.restore_snapshot(opened, tried)) {
      opened.found = Found::snapshot;
    } else if (store.options_.on_corrupt == OnCorrupt::fail) {
      return Error{fmt::format(
          "the state in {} is damaged ({}), and there is no sound snapshot{}; nothing was changed. "
          "`state: {{on_corrupt: beginning}}` starts anew with all that the files hold, `end` with "
          "what comes from now on",
          path, why, tried)};
    } else {
      if (const auto aside = store.put_aside(opened.messages); !aside) return aside.error();
      Trial fresh;
      fresh.failed = store.make();
      if (!fresh.failed) fresh = store.try_open();
      if (fresh.failed)
        return Error{fmt::format("cannot use the state in {}: {}", path, fresh.failed->text)};
      opened.image = std::move(fresh.image);
      opened.found =
          store.options_.on_corrupt == OnCorrupt::beginning ? Found::beginning : Found::end;
      // What they hold counts no longer: a later start must not take one of them up.
      for (int which = 1; which <= kSnapshots; ++which)
        ::unlink(store.directory_.file(snapshot_name(which)).c_str());
    }
  }
  store.snapshot_groups_ =
      exists(store.directory_.file(snapshot_name(1))) ? opened.image.groups : ~std::uint64_t{0};
  if (auto failed = store.begin_use(opened.image, opened.clean, opened.same_boot))
    return Error{fmt::format("cannot use the state in {}: {}", path, failed->text)};
  return opened;
}

std::optional<CommitFailure> StateStore::commit(const std::function<void(Group&)>& fill) {
  if (doubtful_) {
    const std::uint64_t before = groups_;
    if (auto failed = reopen()) return failed;
    if (groups_ != before) return std::nullopt;  // it was in the file all the same
  }
  options_.at("begin");
  if (auto failed = statements_->begin.run()) {
    CommitFailure why = of_failure(*failed);
    doubtful_ = true;
    let_go();
    return why;
  }
  Group group(*this);
  options_.at("begun");
  fill(group);
  std::optional<CommitFailure> why = std::move(group.failed_);
  const std::uint32_t next = std::max(group.next_generation_, next_generation_);
  if (!why) {
    if (const auto failed = put_progress(groups_ + 1, next, group.clock_))
      why = of_failure(*failed);
  }
  if (!why) {
    options_.at("commit");
    if (const auto failed = statements_->commit.run()) why = of_failure(*failed);
  }
  if (why && why->reason == CommitFailure::Reason::corrupt) {
    // It will not heal, and a copy from before can take its place: the next start looks closer.
    const OwnedFd suspect(::open(directory_.file(kSuspectName).c_str(),
                                 O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    why->final = static_cast<bool>(suspect);
  }
  if (why) {
    if (why->final) {
      static_cast<void>(database_.run(schema::kRollback));
    } else {
      // Whether it is in the file, and what the cache holds, is known only once it is read again.
      doubtful_ = true;
      let_go();
    }
    return why;
  }
  options_.at("committed");
  ++groups_;
  next_generation_ = next;
  clock_ = group.clock_;
  if (database_.log_frames() >= kLogFrames) {
    options_.at("checkpoint");
    // The group is durable in the log; should this fail, the log grows until it succeeds.
    static_cast<void>(database_.checkpoint(sqlite::Database::Checkpoint::passive));
  }
  return std::nullopt;
}

// After a commit that failed: what is in the file?
std::optional<CommitFailure> StateStore::reopen() {
  const auto opened = [&]() -> Outcome {
    options_.at("reopen");
    if (auto failed = connect(database_path(), sqlite::Open::existing)) return failed;
    if (auto failed = prepare()) return failed;
    StateImage image;
    std::string clean;
    std::string boot;
    sqlite::Statement progress;
    if (auto failed = database_.prepare(schema::kProgress, progress)) return failed;
    Outcome failed;
    if (!progress.next(failed))
      return failed ? failed : Outcome(Failure{.code = SQLITE_CORRUPT, .text = "it is not whole"});
    image.groups = progress.get_unsigned();
    for (int i = 0; i < 4; ++i) progress.get_integer();
    if (!progress.intact())
      return Failure{.code = SQLITE_CORRUPT, .text = "a row of progress has another checksum"};
    progress = {};
    if (image.groups == groups_) return std::nullopt;
    if (image.groups != groups_ + 1)
      return Failure{.code = SQLITE_MISUSE, .text = "another process wrote the state"};
    // It may be in memory only: what a failed fsync left is not written again by the next one.
    if (auto lost = database_.checkpoint(sqlite::Database::Checkpoint::truncate)) return lost;
    ++groups_;
    return std::nullopt;
  };
  if (const Outcome failed = opened()) {
    CommitFailure why = of_failure(*failed);
    why.final = failed->code == SQLITE_MISUSE;
    let_go();
    return why;
  }
  doubtful_ = false;
  return std::nullopt;
}

void StateStore::settle() {
  if (doubtful_ || database_.log_frames() == 0) return;
  options_.at("settle");
  static_cast<void>(database_.checkpoint(sqlite::Database::Checkpoint::truncate));
}

Result<void> StateStore::snapshot() {
  if (doubtful_ || groups_ == snapshot_groups_) return {};
  const std::string fresh = directory_.file("snapshot.new.db");
  const auto failed_to = [&](const std::string& why) {
    ::unlink(fresh.c_str());
    return Error{"cannot keep a snapshot of the state: " + why};
  };
  if (::unlink(fresh.c_str()) != 0 && errno != ENOENT) return failed_to(reason(errno));
  options_.at("copy database");
  sqlite::Statement copy;
  if (auto failed = database_.prepare(schema::kSnapshotInto, copy)) return failed_to(failed->text);
  if (auto failed = copy.text(fresh).run()) return failed_to(failed->text);
  sqlite::Database copied;
  auto failed = copied.open(fresh, sqlite::Open::read_only);
  if (!failed) failed = copied.check();
  copied.abandon();
  if (failed) return failed_to(failed->text);
  if (!sync_path(fresh, O_RDWR)) return failed_to(reason(errno));
  for (int which = kSnapshots; which > 0; --which) {
    const std::string from = which == 1 ? fresh : directory_.file(snapshot_name(which - 1));
    options_.at("rename snapshot");
    if (::rename(from.c_str(), directory_.file(snapshot_name(which)).c_str()) != 0 &&
        errno != ENOENT)
      return failed_to(reason(errno));
  }
  if (!sync_path(directory_.path(), O_RDONLY | O_DIRECTORY)) return failed_to(reason(errno));
  snapshot_groups_ = groups_;
  return {};
}

Result<void> StateStore::close() {
  const auto failed_to = [&](const std::string& why) {
    let_go();
    return Error{"cannot close the state in " + database_path() + ": " + why};
  };
  if (doubtful_) return failed_to("the last commit failed");
  if (!database_) return {};
  options_.at("begin close");
  if (auto failed = put_meta("clean", "1")) return failed_to(failed->text);
  options_.at("close");
  statements_.reset();
  if (auto failed = database_.close()) return failed_to(failed->text);
  return {};
}

}  // namespace logtally::pipeline
