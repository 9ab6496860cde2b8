#include "pipeline/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

namespace logtally::pipeline::sqlite {
namespace {

// Of a damaged schema the message quotes what stands there, whatever it is: one line of it, and
// short.
std::string message_of(sqlite3* database) {
  constexpr std::size_t kLongest = 160;
  std::string text = sqlite3_errmsg(database);
  const auto plain = [](char c) { return c >= ' ' && c <= '~'; };
  const auto end = std::find_if_not(text.begin(), text.end(), plain);
  const auto length = std::min<std::size_t>(static_cast<std::size_t>(end - text.begin()), kLongest);
  if (length < text.size()) text = text.substr(0, length) + "...";
  return text;
}

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

constexpr std::uint64_t kNullWord = 0x9E3779B97F4A7C15;

}  // namespace

bool Failure::no_space() const { return (code & 0xFF) == SQLITE_FULL; }
bool Failure::io() const {
  return (code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN ||
         (code & 0xFF) == SQLITE_READONLY;
}
bool Failure::damaged() const {
  return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
}

void Statement::Close::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

void Statement::mix(std::uint64_t word) { sum_ = fold(sum_ ^ word, 0xD6E8FEB86659FD93) + 1; }

void Statement::mix(std::string_view bytes) {
  mix(bytes.size() ^ 0xA0761D6478BD642F);
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t word = 0;
  for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
    std::memcpy(&word, at, sizeof word);
    mix(word);
  }
  if (left == 0) return;
  word = 0;
  std::memcpy(&word, at, left);
  mix(word);
}

void Statement::check(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) bind_error_ = code;
}

Statement& Statement::integer(std::int64_t value) {
  check(sqlite3_bind_int64(statement_.get(), ++parameter_, value));
  mix(static_cast<std::uint64_t>(value));
  return *this;
}

Statement& Statement::real(double value) {
  check(sqlite3_bind_double(statement_.get(), ++parameter_, value));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  mix(bits);
  return *this;
}

Statement& Statement::text(std::string_view value) {
  // Never a null pointer: that would bind NULL.
  check(sqlite3_bind_text64(statement_.get(), ++parameter_, value.empty() ? "" : value.data(),
                            value.size(), SQLITE_STATIC, SQLITE_UTF8));
  mix(value);
  return *this;
}

Statement& Statement::blob(std::string_view value) {
  check(sqlite3_bind_blob64(statement_.get(), ++parameter_, value.empty() ? "" : value.data(),
                            value.size(), SQLITE_STATIC));
  mix(value);
  return *this;
}

Statement& Statement::null() {
  check(sqlite3_bind_null(statement_.get(), ++parameter_));
  mix(kNullWord);
  return *this;
}

Statement& Statement::checksum() {
  check(sqlite3_bind_int64(statement_.get(), ++parameter_, static_cast<std::int64_t>(sum_)));
  return *this;
}

Outcome Statement::run(int* changed) {
  Outcome outcome;
  sqlite3* const database = sqlite3_db_handle(statement_.get());
  int code = bind_error_;
  if (code == SQLITE_OK) {
    do {
      code = sqlite3_step(statement_.get());
    } while (code == SQLITE_ROW);
  }
  if (code != SQLITE_DONE) {
    outcome = Failure{.code = sqlite3_extended_errcode(database), .text = message_of(database)};
    if (outcome->code == SQLITE_OK) outcome->code = code;
  } else if (changed != nullptr) {
    *changed = sqlite3_changes(database);
  }
  rewind();
  return outcome;
}

bool Statement::next(Outcome& failure) {
  column_ = 0;
  sum_ = kSeed;
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    sqlite3* const database = sqlite3_db_handle(statement_.get());
    failure = Failure{.code = sqlite3_extended_errcode(database), .text = message_of(database)};
  }
  rewind();
  return false;
}

void Statement::rewind() {
  sqlite3_reset(statement_.get());
  parameter_ = 0;
  column_ = 0;
  bind_error_ = SQLITE_OK;
  sum_ = kSeed;
}

bool Statement::at_null() const {
  return sqlite3_column_type(statement_.get(), column_) == SQLITE_NULL;
}

std::int64_t Statement::get_integer() {
  if (at_null()) {
    mix(kNullWord);
    ++column_;
    return 0;
  }
  const std::int64_t value = sqlite3_column_int64(statement_.get(), column_++);
  mix(static_cast<std::uint64_t>(value));
  return value;
}

std::string_view Statement::get_blob() {
  if (at_null()) {
    mix(kNullWord);
    ++column_;
    return {};
  }
  const void* const bytes = sqlite3_column_blob(statement_.get(), column_);
  const int size = sqlite3_column_bytes(statement_.get(), column_++);
  const std::string_view value =
      bytes == nullptr
          ? std::string_view("", 0)
          : std::string_view(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
  mix(value);
  return value;
}

bool Statement::intact() {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column_++)) == sum_;
}

Outcome Database::open(const std::string& path, Open how) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= how == Open::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (how == Open::create) flags |= SQLITE_OPEN_CREATE;
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  database_.reset(database);
  *log_frames_ = 0;
  if (code != SQLITE_OK) {
    Failure failed{.code = code,
                   .text = database == nullptr ? sqlite3_errstr(code) : message_of(database)};
    database_.reset();
    return failed;
  }
  sqlite3_busy_timeout(database, 1000);
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_wal_hook(
      database,
      [](void* frames, sqlite3*, const char*, int count) {
        *static_cast<int*>(frames) = count;
        return SQLITE_OK;
      },
      log_frames_.get());
  return std::nullopt;
}

Outcome Database::close() {
  if (database_ == nullptr) return std::nullopt;
  // Without the hook: closing checkpoints.
  const int code = sqlite3_close(database_.get());
  if (code != SQLITE_OK) {
    Failure failed = failure("closing");
    database_.reset();
    return failed;
  }
  static_cast<void>(database_.release());
  return std::nullopt;
}

void Database::abandon() {
  if (database_ == nullptr) return;
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  database_.reset();
}

Failure Database::failure(const char* doing) const {
  return {.code = sqlite3_extended_errcode(database_.get()),
          .text = std::string(doing) + ": " + message_of(database_.get())};
}

Outcome Database::run(const char* statements) {
  if (sqlite3_exec(database_.get(), statements, nullptr, nullptr, nullptr) == SQLITE_OK)
    return std::nullopt;
  return Failure{.code = sqlite3_extended_errcode(database_.get()),
                 .text = message_of(database_.get())};
}

Outcome Database::prepare(const char* statement, Statement& into) {
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), statement, -1, SQLITE_PREPARE_PERSISTENT,
                                      &prepared, nullptr);
  into = Statement();
  into.statement_.reset(prepared);
  if (code == SQLITE_OK && prepared != nullptr) return std::nullopt;
  return Failure{.code = sqlite3_extended_errcode(database_.get()),
                 .text = message_of(database_.get())};
}

Outcome Database::ask(const char* question, std::int64_t& answer) {
  Statement statement;
  if (auto failed = prepare(question, statement)) return failed;
  Outcome failed;
  if (statement.next(failed)) answer = statement.get_integer();
  return failed;
}

Outcome Database::ask(const char* question, std::string& answer) {
  Statement statement;
  if (auto failed = prepare(question, statement)) return failed;
  Outcome failed;
  if (statement.next(failed)) answer = statement.get_text();
  return failed;
}

Outcome Database::check() {
  std::string answer;
  if (auto failed = ask("PRAGMA quick_check(1)", answer)) return failed;
  if (answer == "ok") return std::nullopt;
  return Failure{.code = SQLITE_CORRUPT, .text = answer.substr(0, answer.find('\n'))};
}

Outcome Database::checkpoint(Checkpoint how) {
  int left = 0;
  int moved = 0;
  const int code = sqlite3_wal_checkpoint_v2(
      database_.get(), nullptr,
      how == Checkpoint::passive ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE, &left,
      &moved);
  if (code != SQLITE_OK) return failure("moving the log into the database");
  if (left == moved) *log_frames_ = 0;
  return std::nullopt;
}

}  // namespace logtally::pipeline::sqlite
