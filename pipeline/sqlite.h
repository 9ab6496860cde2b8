// The little of SQLite that the state needs: a connection, prepared statements, and rows that carry
// a checksum of their columns. SQLite finds damage to the structure of a file, not a flipped bit in
// a value; a row whose checksum does not fit is damage like any other.
//
// One thread at a time; nothing throws.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace logtally::pipeline::sqlite {

// Why something failed. `code`: SQLite's extended one.
struct Failure {
  int code = 0;
  std::string text;

  bool no_space() const;
  bool io() const;
  bool damaged() const;  // the file is no database, or a broken one
};
using Outcome = std::optional<Failure>;  // nothing: it went well

class Database;

// Borrowed texts and blobs are bound as they stand: they stay where they are until the next run().
class Statement {
 public:
  Statement() = default;

  // Parameters in order, from the first again after each run().
  Statement& integer(std::int64_t value);
  Statement& unsigned_integer(std::uint64_t value) {
    return integer(static_cast<std::int64_t>(value));
  }
  Statement& real(double value);
  Statement& text(std::string_view value);
  Statement& blob(std::string_view value);
  Statement& null();
  // The checksum of the parameters so far.
  Statement& checksum();

  // A statement without rows. On success `changed` is how many rows it touched.
  Outcome run(int* changed = nullptr);

  // Steps to the next row: true, or the end: false; `failure` is set when it cannot.
  bool next(Outcome& failure);
  void rewind();

  // Columns of the row in order. Views are valid until the next call of next().
  std::int64_t get_integer();
  std::uint64_t get_unsigned() { return static_cast<std::uint64_t>(get_integer()); }
  std::string_view get_text() { return get_blob(); }
  std::string_view get_blob();
  bool at_null() const;  // the column that comes next
  void skip() { ++column_; }
  // Whether the column that comes next is the checksum of those before it.
  bool intact();

 private:
  friend class Database;
  struct Close {
    void operator()(sqlite3_stmt* statement) const;
  };
  void mix(std::uint64_t word);
  void mix(std::string_view bytes);
  void check(int code);

  std::unique_ptr<sqlite3_stmt, Close> statement_;
  int parameter_ = 0;
  int column_ = 0;
  int bind_error_ = 0;
  std::uint64_t sum_ = kSeed;
  static constexpr std::uint64_t kSeed = 0x6C6F6774616C6C79;
};

enum class Open : std::uint8_t { existing, create, read_only };

class Database {
 public:
  Database() = default;

  Outcome open(const std::string& path, Open how);
  // Statements are gone before. close() moves the log into the file; abandon() leaves both as they
  // are.
  Outcome close();
  void abandon();
  explicit operator bool() const { return database_ != nullptr; }

  Outcome run(const char* statements);
  Outcome prepare(const char* statement, Statement& into);
  // The first column of the first row.
  Outcome ask(const char* question, std::int64_t& answer);
  Outcome ask(const char* question, std::string& answer);
  // Nothing: `PRAGMA quick_check` finds no fault.
  Outcome check();
  // Frames of the write-ahead log that are not in the database file yet; after the last commit.
  int log_frames() const { return *log_frames_; }
  enum class Checkpoint : std::uint8_t { passive, truncate };
  Outcome checkpoint(Checkpoint how);

  Failure failure(const char* doing) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<int> log_frames_ = std::make_unique<int>(0);
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace logtally::pipeline::sqlite
