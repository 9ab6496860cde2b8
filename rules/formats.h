// Formats: how a text line becomes fields (RULES.md §2). Of the formats that fit a line the one
// with most literal text counts, so neither their order nor their file matters.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/event.h"
#include "rules/field_plan.h"
#include "rules/json_decoder.h"
#include "rules/pattern.h"
#include "rules/text_fields.h"
#include "rules/value.h"

namespace logtally::rules {

struct Format {
  std::string name;
  Pattern pattern;
  bool joins = false;                   // `continuation: join`
  std::vector<SlotId> slots;            // by capture of the pattern; kNoSlot: nobody wants it
  std::vector<std::uint8_t> is_fields;  // by capture: `<fields>`
  bool has_fields = false;
  bool starts_with_time = false;  // with a time as parse_timestamp_prefix reads it
  std::string layout{};           // of its time, as written with the zone; empty: none
  std::string behind_time;        // the literal text behind that
};

// The time that the last line began with. Lines come many a second, and most engines write no
// fractions.
class TimeMemo {
 public:
  std::optional<TimePrefix> read(std::string_view line) {
    if (line.size() > kLength && known_ && std::memcmp(line.data(), text_, kLength) == 0) {
      const char behind = line[kLength];
      if (behind == ' ' || behind == '\t') return TimePrefix{kLength, ns_};
    }
    const auto time = parse_timestamp_prefix(line);
    if (time && time->length == kLength) {
      std::memcpy(text_, line.data(), kLength);
      ns_ = time->ns;
      known_ = true;
    }
    return time;
  }

 private:
  static constexpr std::size_t kLength = 19;  // 2026-11-21 21:04:00
  char text_[kLength];
  std::int64_t ns_ = 0;
  bool known_ = false;
};

class Formats {
 public:
  void add(Format format);  // before the first fit()
  bool empty() const { return formats_.empty(); }
  const std::vector<Format>& all() const { return formats_; }

  // The format that the line fits, its captures in the event's slots; null when none fits: the
  // event is as it was then. `line` is the first line of a record; kReadableBehindLine bytes and a
  // newline stand behind it.
  const Format* fit(std::string_view line, Event& event, TextFields& fields, JsonDecoder& json,
                    TimeMemo& times, Scratch& scratch) const;

 private:
  std::vector<Format> formats_;  // most literal text first
};

}  // namespace logtally::rules
