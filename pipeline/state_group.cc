// The rows of the state: written by a group, read at the start.
#include <sqlite3.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <fmt/core.h>

#include "pipeline/state_schema.h"
#include "pipeline/state_statements.h"
#include "pipeline/state_store.h"

namespace logtally::pipeline {
namespace {

using sqlite::Failure;
using sqlite::Outcome;
using sqlite::Statement;

std::int64_t high_of(metrics::Decimal value) {
  return static_cast<std::int64_t>(value.units() >> 64);
}
std::int64_t low_of(metrics::Decimal value) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(value.units()));
}
metrics::Decimal decimal_of(std::int64_t high, std::int64_t low) {
  const auto units = static_cast<metrics::uint128>(static_cast<std::uint64_t>(high)) << 64 |
                     static_cast<std::uint64_t>(low);
  return metrics::Decimal::from_units(static_cast<metrics::int128>(units));
}

std::int64_t series_id(std::uint32_t family, std::uint32_t number) {
  return static_cast<std::int64_t>(std::uint64_t{family} << 32 | number);
}
std::uint32_t family_of(std::int64_t id) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) >> 32);
}
std::uint32_t number_of(std::int64_t id) { return static_cast<std::uint32_t>(id); }

void bind_optional(Statement& statement, std::string_view bytes) {
  if (bytes.empty()) {
    statement.null();
  } else {
    statement.blob(bytes);
  }
}

// "2026-02-28T14:00:00.123Z": sorts as time does, and SQLite's date functions read it.
std::string utc_text(std::int64_t since_1970_ns) {
  std::int64_t ms = since_1970_ns / 1'000'000;
  if (since_1970_ns % 1'000'000 < 0) --ms;
  std::int64_t seconds = ms / 1000;
  ms %= 1000;
  if (ms < 0) {
    ms += 1000;
    --seconds;
  }
  const auto time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, ms);
}

// The same for the same place in every process, and another one in another database.
std::string invocation_id(std::string_view uuid, const InvocationRow& row) {
  const std::string key = fmt::format("{}/{}/{}/{}", uuid, row.generation, row.offset, row.ordinal);
  const Digest digest = digest_of(key);
  return fmt::format("{:016x}{:016x}", digest.high, digest.low);
}

Failure broken_row(const char* table) {
  return {.code = SQLITE_CORRUPT, .text = fmt::format("a row of {} has another checksum", table)};
}

}  // namespace

StateStore::Group::Group(StateStore& store)
    : store_(store), next_generation_(store.next_generation_), clock_(store.clock_) {}

void StateStore::Group::run(std::string_view point, Statement& statement, int must_change) {
  store_.options_.at(point);
  int changed = 0;
  const Outcome failed = statement.run(&changed);
  if (failed) {
    const auto reason = failed->no_space()  ? CommitFailure::Reason::no_space
                        : failed->damaged() ? CommitFailure::Reason::corrupt
                        : failed->io()      ? CommitFailure::Reason::io
                                            : CommitFailure::Reason::other;
    failed_ = CommitFailure{.reason = reason, .text = failed->text};
  } else if (must_change >= 0 && changed != must_change) {
    failed_ = CommitFailure{.reason = CommitFailure::Reason::guard,
                            .text = "the position of a file is not where this process left it",
                            .final = true};
  }
}

namespace {

void bind_generation(Statement& s, const StoredGeneration& file, std::string_view marks,
                     std::string_view carry, const Crashes& crashes) {
  s.integer(file.number).text(file.target).text(file.path);
  s.unsigned_integer(file.id.device).unsigned_integer(file.id.inode).integer(file.id.born_ns);
  s.integer(static_cast<int>(file.container)).integer(static_cast<int>(file.life));
  s.integer(file.predecessor).unsigned_integer(file.counted).unsigned_integer(file.shipped);
  s.integer(file.in_overlong ? 1 : 0).integer(file.seen_ns).blob(marks);
  bind_optional(s, carry);
  s.integer(0).integer(0);  // ticks of equal times: the shipper's
  s.unsigned_integer(crashes.position).integer(crashes.count);
  if (crashes.attempt) {
    s.unsigned_integer(*crashes.attempt);
  } else {
    s.null();
  }
  s.checksum();
}

}  // namespace

void StateStore::Group::targets(const std::vector<std::string>& names) {
  if (failed_) return;
  std::string text;
  for (const std::string& name : names) text += name + '\n';
  run("put targets", store_.statements_->put_meta.text("targets").text(text).checksum());
}

void StateStore::Group::start(const StoredGeneration& file, std::string_view carry) {
  if (failed_) return;
  Statement& s = store_.statements_->start_generation;
  const std::string marks = to_bytes(file.marks);
  bind_generation(s, file, marks, carry, {});
  run("start generation", s, 1);
}

void StateStore::Group::advance(std::uint64_t counted, std::uint64_t shipped,
                                const StoredGeneration& file, std::string_view carry,
                                const Crashes& crashes) {
  if (failed_) return;
  Statement& s = store_.statements_->advance_generation;
  const std::string marks = to_bytes(file.marks);
  bind_generation(s, file, marks, carry, crashes);
  s.unsigned_integer(counted).unsigned_integer(shipped);
  run("advance", s, 1);
}

void StateStore::Group::forget(std::uint32_t generation) {
  if (failed_) return;
  run("forget generation", store_.statements_->forget_generation.integer(generation));
}

void StateStore::Group::forget_counting() {
  if (failed_) return;
  store_.options_.at("forget counting");
  if (const Outcome failed = store_.database_.run(schema::kForgetCounting)) {
    failed_ = CommitFailure{
        .reason = failed->no_space() ? CommitFailure::Reason::no_space : CommitFailure::Reason::io,
        .text = failed->text};
  }
}

void StateStore::Group::put(const BasicFamilyRow<std::string_view>& family) {
  if (failed_) return;
  run("put family", store_.statements_->put_family.integer(family.id)
                        .text(family.name)
                        .blob(family.shape)
                        .checksum());
}

void StateStore::Group::put(const BasicSeriesRow<std::string_view>& series) {
  if (failed_) return;
  Statement& s = store_.statements_->put_series;
  s.integer(series_id(series.family, series.number)).blob(series.labels).integer(series.flags);
  s.integer(series.created_ns).integer(high_of(series.value)).integer(low_of(series.value));
  bind_optional(s, series.buckets);
  bind_optional(s, series.order_key);
  bind_optional(s, series.more);
  run("put series", s.checksum());
}

void StateStore::Group::put(const BasicCappedRow<std::string_view>& capped) {
  if (failed_) return;
  run("put capped", store_.statements_->put_capped.integer(capped.family)
                        .text(capped.label)
                        .text(capped.value)
                        .checksum());
}

void StateStore::Group::put_memory(const BasicFamilyRow<std::string_view>& memory) {
  if (failed_) return;
  run("put table", store_.statements_->put_memory.integer(memory.id)
                       .text(memory.name)
                       .blob(memory.shape)
                       .checksum());
}

void StateStore::Group::put(const BasicMemoryRow<std::string_view>& row) {
  if (failed_) return;
  Statement& s = store_.statements_->put_memory_row;
  s.integer(row.memory).unsigned_integer(row.id).unsigned_integer(row.use);
  s.text(row.key).blob(row.columns);
  if (row.time_ns) {
    s.integer(*row.time_ns);
  } else {
    s.null();
  }
  run("put row", s.integer(row.last_use_ns).checksum());
}

void StateStore::Group::forget_row(std::uint32_t memory, std::uint64_t id) {
  if (failed_) return;
  run("forget row", store_.statements_->forget_memory_row.integer(memory).unsigned_integer(id));
}

void StateStore::Group::put(const TimerRow& timer) {
  if (failed_) return;
  Statement& s = store_.statements_->put_timer;
  s.integer(series_id(timer.family, timer.number)).integer(timer.due_ns);
  if (timer.value) {
    s.integer(high_of(*timer.value)).integer(low_of(*timer.value));
  } else {
    s.null().null();
  }
  run("put timer", s.unsigned_integer(timer.order).checksum());
}

void StateStore::Group::forget_timer(std::uint32_t family, std::uint32_t number) {
  if (failed_) return;
  run("forget timer", store_.statements_->forget_timer.integer(series_id(family, number)));
}

void StateStore::Group::put(const InvocationRow& row) {
  if (failed_) return;
  Statement& s = store_.statements_->put_invocation;
  const std::string id = invocation_id(store_.uuid_, row);
  const std::string created = utc_text(row.created_ns);
  const auto text = [&](const std::optional<std::string_view>& value) {
    if (value) {
      s.text(*value);
    } else {
      s.null();
    }
  };
  s.integer(row.generation).unsigned_integer(row.offset).integer(row.ordinal).text(id);
  s.text(row.skill_name);
  text(row.tool_name);
  if (row.duration_ms) {
    s.real(*row.duration_ms);
  } else {
    s.null();
  }
  if (row.success) {
    s.integer(*row.success ? 1 : 0);
  } else {
    s.null();
  }
  text(row.error_type);
  if (row.tokens_used) {
    s.integer(*row.tokens_used);
  } else {
    s.null();
  }
  text(row.model_used);
  run("put invocation", s.text(created), 1);
}

void StateStore::Group::quarantine(const QuarantinedRow& row, std::int64_t at_ns) {
  if (failed_) return;
  Statement& s = store_.statements_->quarantine;
  s.integer(row.generation).unsigned_integer(row.offset).unsigned_integer(row.length);
  run("quarantine", s.integer(at_ns).blob(row.bytes));
  if (!failed_) run("thin quarantine", store_.statements_->thin_quarantine);
}

// ---- reading

namespace {

// Calls take(statement) for each row; it reads all columns but the checksum.
template <class F>
Outcome each_row(sqlite::Database& database, const char* query, const char* table, F&& take) {
  Statement s;
  if (auto failed = database.prepare(query, s)) return failed;
  Outcome failed;
  while (s.next(failed)) {
    const bool sound = take(s);
    if (!s.intact() || !sound) return broken_row(table);
  }
  return failed;
}

bool take_generation_row(Statement& s, SavedGeneration& saved) {
  StoredGeneration& file = saved.file;
  file.number = static_cast<std::uint32_t>(s.get_integer());
  file.target = s.get_text();
  file.path = s.get_text();
  file.id.device = s.get_unsigned();
  file.id.inode = s.get_unsigned();
  file.id.born_ns = s.get_integer();
  const std::int64_t container = s.get_integer();
  const std::int64_t life = s.get_integer();
  file.container = static_cast<Container>(container);
  file.life = static_cast<Life>(life);
  file.predecessor = static_cast<std::uint32_t>(s.get_integer());
  file.counted = s.get_unsigned();
  file.shipped = s.get_unsigned();
  file.in_overlong = s.get_integer() != 0;
  file.seen_ns = s.get_integer();
  const auto marks = marks_from_bytes(s.get_blob());
  if (marks) file.marks = *marks;
  saved.carry = s.get_blob();
  s.get_integer();
  s.get_integer();
  saved.crashes.position = s.get_unsigned();
  saved.crashes.count = static_cast<std::uint32_t>(s.get_integer());
  if (const bool none = s.at_null(); true) {
    const std::uint64_t attempt = s.get_unsigned();
    if (!none) saved.crashes.attempt = attempt;
  }
  return marks && container >= 0 && container <= static_cast<int>(Container::zstd) && life >= 0 &&
         life <= static_cast<int>(Life::finished);
}

}  // namespace

Outcome StateStore::load_condemned(std::vector<Attempt>& condemned) {
  Statement s;
  if (auto failed = database_.prepare(schema::kAllCondemned, s)) return failed;
  Outcome failed;
  while (s.next(failed)) {
    const auto generation = static_cast<std::uint32_t>(s.get_integer());
    const std::string column(s.get_text());
    condemned.push_back(
        Attempt::from_column(generation, std::strtoull(column.c_str(), nullptr, 10)));
  }
  return failed;
}

Outcome StateStore::load(StateImage& image, std::string& clean, std::string& boot) {
  if (auto failed = each_row(database_, schema::kAllMeta, "meta", [&](Statement& s) {
        const std::string key(s.get_text());
        const std::string value(s.get_text());
        if (key == "uuid") image.uuid = value;
        if (key == "clean") clean = value;
        if (key == "boot_id") boot = value;
        if (key == "deaths")
          image.deaths = static_cast<std::uint32_t>(std::strtoul(value.c_str(), nullptr, 10));
        if (key == "attempt") lone_attempt_ = value;
        if (key == "starts") starts_ = std::strtoull(value.c_str(), nullptr, 10);
        for (std::size_t at = 0, end = 0;
             key == "targets" && (end = value.find('\n', at)) != std::string::npos; at = end + 1)
          image.targets.push_back(value.substr(at, end - at));
        return true;
      }))
    return failed;
  bool any = false;
  if (auto failed = each_row(database_, schema::kProgress, "progress", [&](Statement& s) {
        any = true;
        image.groups = s.get_unsigned();
        image.next_generation = static_cast<std::uint32_t>(s.get_integer());
        image.clock.now_ns = s.get_integer();
        image.clock.anchor_event_ns = s.get_integer();
        image.clock.anchor_wall_ns = s.get_integer();
        return true;
      }))
    return failed;
  if (!any || image.uuid.empty()) return Failure{.code = SQLITE_CORRUPT, .text = "it is not whole"};
  if (auto failed = each_row(database_, schema::kAllGenerations, "generation", [&](Statement& s) {
        return take_generation_row(s, image.generations.emplace_back());
      }))
    return failed;
  if (auto failed = load_condemned(image.condemned)) return failed;
  const auto family = [](std::vector<FamilyRow>& rows) {
    return [&rows](Statement& s) {
      FamilyRow& row = rows.emplace_back();
      row.id = static_cast<std::uint32_t>(s.get_integer());
      row.name = s.get_text();
      row.shape = s.get_blob();
      return true;
    };
  };
  if (auto failed = each_row(database_, schema::kAllFamilies, "family", family(image.families)))
    return failed;
  if (auto failed = each_row(database_, schema::kAllMemories, "memory", family(image.memories)))
    return failed;
  if (auto failed = each_row(database_, schema::kAllSeries, "series", [&](Statement& s) {
        SeriesRow& row = image.series.emplace_back();
        const std::int64_t id = s.get_integer();
        row.family = family_of(id);
        row.number = number_of(id);
        row.labels = s.get_blob();
        row.flags = static_cast<std::uint32_t>(s.get_integer());
        row.created_ns = s.get_integer();
        const std::int64_t high = s.get_integer();
        row.value = decimal_of(high, s.get_integer());
        row.buckets = s.get_blob();
        row.order_key = s.get_blob();
        row.more = s.get_blob();
        return true;
      }))
    return failed;
  if (auto failed = each_row(database_, schema::kAllCapped, "capped", [&](Statement& s) {
        CappedRow& row = image.capped.emplace_back();
        row.family = static_cast<std::uint32_t>(s.get_integer());
        row.label = s.get_text();
        row.value = s.get_text();
        return true;
      }))
    return failed;
  if (auto failed = each_row(database_, schema::kAllMemoryRows, "memory_row", [&](Statement& s) {
        MemoryRow& row = image.memory_rows.emplace_back();
        row.memory = static_cast<std::uint32_t>(s.get_integer());
        row.id = s.get_unsigned();
        row.use = s.get_unsigned();
        row.key = s.get_text();
        row.columns = s.get_blob();
        const bool timeless = s.at_null();
        const std::int64_t time_ns = s.get_integer();
        if (!timeless) row.time_ns = time_ns;
        row.last_use_ns = s.get_integer();
        return true;
      }))
    return failed;
  return each_row(database_, schema::kAllTimers, "timer", [&](Statement& s) {
    TimerRow& row = image.timers.emplace_back();
    const std::int64_t id = s.get_integer();
    row.family = family_of(id);
    row.number = number_of(id);
    row.due_ns = s.get_integer();
    const bool none = s.at_null();
    const std::int64_t high = s.get_integer();
    const std::int64_t low = s.get_integer();
    if (!none) row.value = decimal_of(high, low);
    row.order = s.get_unsigned();
    return true;
  });
}

}  // namespace logtally::pipeline
