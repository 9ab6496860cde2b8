// All SQL of the state. `PRAGMA user_version` says which migrations a file has seen; a new column
// or table is a new entry at the end of kMigrations, and nothing that was released is ever edited.
//
//   meta        what the file is: uuid, how it was left, which rules counted into it
//   progress    one row, rewritten by every group: its number, event time, what numbers are free
//   generation  one row per file generation: which file, its content's marks, how far it was
//               counted and shipped, what waits for its rest (`carry`), crashes at this place
//   family, series, capped, memory, memory_row, timer
//               what counting has made: see counting_state
//   skill_invocations   what `store: skill_invocation` keeps. Its key is the place of the record,
//   so
//               that no bug can keep one twice; id is a hash of the key
//   batch       what is prepared to be sent to Loki, until it is acknowledged
//   quarantine  the begin of records that were skipped because they killed the process; `crashes`
//   and
//               `attempt` of a generation are what finds them (probation.h)
//
// `sum` is a checksum of the columns before it.
#pragma once

#include <array>
#include <string>

namespace logtally::pipeline::schema {

// Entry i brings a file from version i to i + 1; each runs in a transaction of its own.
inline constexpr std::array kMigrations = {
    R"(
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE progress(
  id INTEGER PRIMARY KEY CHECK (id = 1),
  groups INTEGER NOT NULL,
  next_generation INTEGER NOT NULL,
  event_ns INTEGER NOT NULL, anchor_event_ns INTEGER NOT NULL, anchor_wall_ns INTEGER NOT NULL,
  sum INTEGER NOT NULL);
CREATE TABLE generation(
  number INTEGER PRIMARY KEY,
  target TEXT NOT NULL, path TEXT NOT NULL,
  device INTEGER NOT NULL, inode INTEGER NOT NULL, born_ns INTEGER NOT NULL,
  container INTEGER NOT NULL, life INTEGER NOT NULL, predecessor INTEGER NOT NULL,
  counted INTEGER NOT NULL, shipped INTEGER NOT NULL,
  in_overlong INTEGER NOT NULL, seen_ns INTEGER NOT NULL,
  marks BLOB NOT NULL, carry BLOB,
  tick_ns INTEGER NOT NULL, tick_count INTEGER NOT NULL,
  crash_position INTEGER NOT NULL, crashes INTEGER NOT NULL, attempt INTEGER,
  sum INTEGER NOT NULL);
CREATE TABLE family(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, shape BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE series(
  id INTEGER PRIMARY KEY,
  labels BLOB NOT NULL, flags INTEGER NOT NULL, created_ns INTEGER NOT NULL,
  value_high INTEGER NOT NULL, value_low INTEGER NOT NULL,
  buckets BLOB, order_key BLOB, more BLOB,
  sum INTEGER NOT NULL);
CREATE TABLE capped(
  family INTEGER NOT NULL, label TEXT NOT NULL, value TEXT NOT NULL, sum INTEGER NOT NULL,
  PRIMARY KEY (family, label, value)) WITHOUT ROWID;
CREATE TABLE memory(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, shape BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE memory_row(
  memory INTEGER NOT NULL, id INTEGER NOT NULL, use INTEGER NOT NULL,
  key TEXT NOT NULL, columns BLOB NOT NULL, time_ns INTEGER, last_use_ns INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  PRIMARY KEY (memory, id)) WITHOUT ROWID;
CREATE TABLE timer(
  series INTEGER PRIMARY KEY, due_ns INTEGER NOT NULL, value_high INTEGER, value_low INTEGER,
  ordinal INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE skill_invocations(
  generation INTEGER NOT NULL, offset INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  id TEXT NOT NULL,
  skill_name TEXT NOT NULL, tool_name TEXT, duration_ms REAL, success INTEGER, error_type TEXT,
  tokens_used INTEGER, model_used TEXT, created_at TEXT NOT NULL,
  PRIMARY KEY (generation, offset, ordinal)) WITHOUT ROWID;
CREATE INDEX skill_invocations_skill_name ON skill_invocations(skill_name);
CREATE INDEX skill_invocations_created_at ON skill_invocations(created_at);
CREATE INDEX skill_invocations_success ON skill_invocations(success);
CREATE TABLE batch(
  id INTEGER PRIMARY KEY,
  endpoint TEXT NOT NULL, generation INTEGER NOT NULL,
  from_offset INTEGER NOT NULL, to_offset INTEGER NOT NULL,
  wall_base_ns INTEGER NOT NULL, labels BLOB NOT NULL, state INTEGER NOT NULL,
  sum INTEGER NOT NULL);
CREATE INDEX batch_generation ON batch(generation);
CREATE TABLE quarantine(
  generation INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
  at_ns INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (generation, offset)) WITHOUT ROWID;
)"};
inline constexpr int kVersion = static_cast<int>(kMigrations.size());

inline constexpr const char* kCheckAll = "PRAGMA integrity_check(1)";
inline constexpr const char* kVersionOf = "PRAGMA user_version";
inline const std::string kSetVersion = "PRAGMA user_version = ";
inline const std::string kMostPages = "PRAGMA max_page_count = ";

// Before anything else: a connection that keeps the file to itself needs no shared memory beside
// it, and no second process can write.
inline constexpr const char* kSetUp = R"(
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 16777216;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA foreign_keys = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -4096;
)";
inline constexpr const char* kSyncFull = "PRAGMA synchronous = FULL";
inline constexpr const char* kSyncNormal = "PRAGMA synchronous = NORMAL";

inline constexpr const char* kBegin = "BEGIN IMMEDIATE";
inline constexpr const char* kCommit = "COMMIT";
inline constexpr const char* kRollback = "ROLLBACK";

inline constexpr const char* kPutMeta =
    "INSERT OR REPLACE INTO meta(key, value, sum) VALUES (?, ?, ?)";
inline constexpr const char* kAllMeta = "SELECT key, value, sum FROM meta";

inline constexpr const char* kPutProgress =
    "INSERT OR REPLACE INTO progress(id, groups, next_generation, event_ns, anchor_event_ns, "
    "anchor_wall_ns, sum) VALUES (1, ?, ?, ?, ?, ?, ?)";
inline constexpr const char* kProgress =
    "SELECT groups, next_generation, event_ns, anchor_event_ns, anchor_wall_ns, sum FROM progress";

// Columns in one order for all statements: the checksum goes over them.
#define LOGTALLY_GENERATION_COLUMNS                                                             \
  "number, target, path, device, inode, born_ns, container, life, predecessor, counted, "       \
  "shipped, in_overlong, seen_ns, marks, carry, tick_ns, tick_count, crash_position, crashes, " \
  "attempt, sum"
inline constexpr const char* kStartGeneration =
    "INSERT INTO generation(" LOGTALLY_GENERATION_COLUMNS
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
// Compare and advance: changes one row, or the positions were not what the group began with.
inline constexpr const char* kAdvanceGeneration =
    "UPDATE generation SET (" LOGTALLY_GENERATION_COLUMNS
    ") = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, "
    "?20, ?21) WHERE number = ?1 AND counted = ?22 AND shipped = ?23";
inline constexpr const char* kForgetGeneration = "DELETE FROM generation WHERE number = ?";
inline constexpr const char* kAllGenerations =
    "SELECT " LOGTALLY_GENERATION_COLUMNS " FROM generation ORDER BY number";
#undef LOGTALLY_GENERATION_COLUMNS

inline constexpr const char* kForgetCounting =
    "DELETE FROM family; DELETE FROM series; DELETE FROM capped; DELETE FROM memory; "
    "DELETE FROM memory_row; DELETE FROM timer;";

inline constexpr const char* kPutFamily =
    "INSERT INTO family(id, name, shape, sum) VALUES (?, ?, ?, ?)";
inline constexpr const char* kAllFamilies = "SELECT id, name, shape, sum FROM family ORDER BY id";

inline constexpr const char* kPutSeries =
    "INSERT OR REPLACE INTO series(id, labels, flags, created_ns, value_high, value_low, buckets, "
    "order_key, more, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
inline constexpr const char* kAllSeries =
    "SELECT id, labels, flags, created_ns, value_high, value_low, buckets, order_key, more, sum "
    "FROM series ORDER BY id";

inline constexpr const char* kPutCapped =
    "INSERT OR REPLACE INTO capped(family, label, value, sum) VALUES (?, ?, ?, ?)";
inline constexpr const char* kAllCapped = "SELECT family, label, value, sum FROM capped";

inline constexpr const char* kPutMemory =
    "INSERT INTO memory(id, name, shape, sum) VALUES (?, ?, ?, ?)";
inline constexpr const char* kAllMemories = "SELECT id, name, shape, sum FROM memory ORDER BY id";
inline constexpr const char* kPutMemoryRow =
    "INSERT OR REPLACE INTO memory_row(memory, id, use, key, columns, time_ns, last_use_ns, sum) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
inline constexpr const char* kForgetMemoryRow =
    "DELETE FROM memory_row WHERE memory = ? AND id = ?";
inline constexpr const char* kAllMemoryRows =
    "SELECT memory, id, use, key, columns, time_ns, last_use_ns, sum FROM memory_row "
    "ORDER BY memory, use";

inline constexpr const char* kPutTimer =
    "INSERT OR REPLACE INTO timer(series, due_ns, value_high, value_low, ordinal, sum) VALUES "
    "(?, ?, ?, ?, ?, ?)";
inline constexpr const char* kForgetTimer = "DELETE FROM timer WHERE series = ?";
inline constexpr const char* kAllTimers =
    "SELECT series, due_ns, value_high, value_low, ordinal, sum FROM timer ORDER BY ordinal";

inline constexpr const char* kPutInvocation =
    "INSERT INTO skill_invocations(generation, offset, ordinal, id, skill_name, tool_name, "
    "duration_ms, success, error_type, tokens_used, model_used, created_at) VALUES "
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
inline constexpr const char* kCountInvocations = "SELECT count(*) FROM skill_invocations";

inline constexpr const char* kQuarantine =
    "INSERT OR REPLACE INTO quarantine(generation, offset, length, at_ns, bytes) VALUES "
    "(?, ?, ?, ?, ?)";
// Condemned, and not skipped yet in what is stored: these have no length, and bytes are the
// Attempt::to_column() of it.
inline constexpr const char* kAllCondemned =
    "SELECT generation, bytes FROM quarantine WHERE length = 0";
// The last thousand are kept.
inline constexpr const char* kThinQuarantine =
    "DELETE FROM quarantine WHERE at_ns < "
    "(SELECT at_ns FROM quarantine ORDER BY at_ns DESC LIMIT 1 OFFSET 999)";

inline constexpr const char* kSnapshotInto = "VACUUM INTO ?";

}  // namespace logtally::pipeline::schema
