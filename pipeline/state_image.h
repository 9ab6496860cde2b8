// The rows of the state as plain values: what a group writes, and what a start reads. What stands
// in a `shape`, in labels, columns and the like is its writer's business (counting_state); the
// store only keeps the bytes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/attempt.h"
#include "pipeline/generation.h"
#include "rules/event_clock.h"
#include "sinks/metrics/decimal.h"

namespace logtally::pipeline {

// A row's texts: owned by an image, borrowed by what is written.
template <class Text>
struct BasicFamilyRow {
  std::uint32_t id = 0;
  Text name{};
  Text shape{};
};

template <class Text>
struct BasicSeriesRow {
  std::uint32_t family = 0;
  std::uint32_t number = 0;
  std::uint32_t flags = 0;
  Text labels{};
  std::int64_t created_ns = 0;
  metrics::Decimal value{};
  Text buckets{};    // empty: none
  Text order_key{};  // of a gauge: where its value comes from
  Text more{};
};

template <class Text>
struct BasicCappedRow {
  std::uint32_t family = 0;
  Text label{};
  Text value{};
};

template <class Text>
struct BasicMemoryRow {
  std::uint32_t memory = 0;  // which table
  std::uint64_t id = 0;
  std::uint64_t use = 0;
  Text key{};
  Text columns{};
  std::optional<std::int64_t> time_ns{};
  std::int64_t last_use_ns = 0;
};

struct TimerRow {
  std::uint32_t family = 0;
  std::uint32_t number = 0;
  std::int64_t due_ns = 0;
  std::optional<metrics::Decimal> value{};
  std::uint64_t order = 0;
};

// One call of a skill. The key is (generation, offset, ordinal).
struct InvocationRow {
  std::uint32_t generation = 0;
  std::uint64_t offset = 0;
  std::uint32_t ordinal = 0;
  std::string_view skill_name{};
  std::optional<std::string_view> tool_name{};
  std::optional<double> duration_ms{};
  std::optional<bool> success{};
  std::optional<std::string_view> error_type{};
  std::optional<std::int64_t> tokens_used{};
  std::optional<std::string_view> model_used{};
  std::int64_t created_ns = 0;
};

// How often the process died while a generation stood where it stands.
struct Crashes {
  std::uint64_t position = 0;
  std::uint32_t count = 0;
  std::optional<std::uint64_t> attempt{};  // what was being tried alone: Attempt::to_column()

  friend bool operator==(const Crashes&, const Crashes&) = default;
};

// What is not counted because the process died of it.
struct QuarantinedRow {
  std::uint32_t generation = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // of all of it; 0: condemned, and not met again yet
  std::string bytes;         // its begin, redacted; empty: that was not possible
};

struct SavedGeneration {
  StoredGeneration file;
  std::string carry;  // what waits for its rest: records and pieces that are not complete
  Crashes crashes{};
};

using FamilyRow = BasicFamilyRow<std::string>;
using SeriesRow = BasicSeriesRow<std::string>;
using CappedRow = BasicCappedRow<std::string>;
using MemoryRow = BasicMemoryRow<std::string>;

// Everything that a start needs.
struct StateImage {
  std::string uuid;
  std::uint64_t groups = 0;  // that were ever committed
  std::uint32_t next_generation = 0;
  rules::EventClock::Saved clock{};
  std::vector<std::string> targets;          // names of those that were followed
  std::vector<SavedGeneration> generations;  // by number
  std::uint32_t deaths = 0;  // ends in a row that were not in order, on this boot of the machine
  std::vector<Attempt> condemned;   // what is not to be counted any more
  std::vector<FamilyRow> families;  // by id
  std::vector<SeriesRow> series;    // by family and number
  std::vector<CappedRow> capped;
  std::vector<FamilyRow> memories;     // by id
  std::vector<MemoryRow> memory_rows;  // by table and use
  std::vector<TimerRow> timers;        // in the order of arming
};

}  // namespace logtally::pipeline
