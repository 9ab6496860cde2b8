// Formats: how a text line becomes fields (RULES.md §2). Of the formats that fit a line the one
// with most literal text counts, so neither their order nor their file matters.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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
  std::size_t header_memo = 0;    // its number among those that have headers, see HeaderMemo
  // The slot of its last capture is the first that the message is looked for in.
  bool ends_with_message = false;
};

// The time that the last line began with. Lines come many a second, and most engines write no
// fractions.
class TimeMemo {
 public:
  // The time of the line before, if this line begins with it too.
  const TimePrefix* known(std::string_view line) const {
    if (line.size() <= kLength || time_.length != kLength) return nullptr;
    const auto differ = [&](std::size_t at) {
      std::uint64_t there;
      std::uint64_t here;
      std::memcpy(&there, line.data() + at, sizeof there);
      std::memcpy(&here, text_ + at, sizeof here);
      return there ^ here;
    };
    if ((differ(0) | differ(8) | differ(kLength - 8)) != 0) return nullptr;
    const char behind = line[kLength];
    return behind == ' ' || behind == '\t' ? &time_ : nullptr;
  }

  // Null when the line begins with no time. Valid until the next line is read.
  const TimePrefix* read(std::string_view line) {
    if (const TimePrefix* const same = known(line)) return same;
    const auto time = parse_timestamp_prefix(line);
    if (!time) return nullptr;
    time_ = *time;
    if (time_.length == kLength) std::memcpy(text_, line.data(), kLength);
    return &time_;
  }

 private:
  static constexpr std::size_t kLength = 19;  // 2026-11-21 21:04:00
  char text_[kLength];
  TimePrefix time_{};
};

// Headers that a format has fitted: engines write few, a logger and a level and what the format has
// around them. Where a pattern is a time, then words, levels, literals and blanks, then one text to
// the end (Pattern::header_blanks), the bytes from the time to the last of its blanks decide it:
// words, levels and literals hold no blanks, so a part between two blanks of the pattern can only
// stand between the same two blanks of the line, whatever the text is.
class HeaderMemo {
 public:
  static constexpr std::size_t kMaxBytes = 64;
  static constexpr std::size_t kMaxParts = 4;
  struct Part {
    SlotId slot = kNoSlot;
    std::uint8_t from = 0;  // behind the time
    std::uint8_t length = 0;
  };
  struct Header {
    std::uint8_t size = 0;   // from behind the time through the last blank; 0: none is known here
    std::uint8_t parts = 0;  // captures that somebody wants and that have a value
    const std::vector<RuleIndex>* rules = nullptr;  // Event::header_rules; null: not told yet
    std::uint64_t slots = 0;  // the bits of the parts' slots, where all are of the first 64; else 0
    std::array<Part, kMaxParts> part{};
    std::array<char, kMaxBytes> text{};
  };

  // Length of the header that begins at `text`: through its `blanks`th blank, behind which no blank
  // stands; 0 when there is none or it is long. kReadableBehindLine bytes stand behind the text.
  static std::size_t measure(std::string_view text, std::size_t blanks);
  // The header as it was seen before; null: not yet.
  const Header* find(const char* text, std::size_t size) const;
  // Where the header goes, whatever is there now.
  Header& place(const char* text, std::size_t size) { return headers_[index_of(text, size)]; }

 private:
  static std::size_t index_of(const char* text, std::size_t size) {
    const auto word = [&](std::size_t at) {
      std::uint64_t bytes;
      std::memcpy(&bytes, text + at, sizeof bytes);
      return bytes;
    };
    // Short ones are of one word, with what stands behind them: they may have several places.
    const std::size_t last = size < 8 ? 0 : size - 8;
    const std::uint64_t mixed =
        ((word(0) ^ size) * 0x9E3779B97F4A7C15ULL ^ word(last / 2)) * 0xD6E8FEB86659FD93ULL ^
        word(last);
    return (mixed * 0x9E3779B97F4A7C15ULL) >> 57;
  }

  std::array<Header, 128> headers_;
};

inline std::size_t HeaderMemo::measure(std::string_view text, std::size_t blanks) {
  std::uint64_t found = 0;  // bit i: text[i] is a blank
#if defined(__SSE2__)
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + 16 * i));
    const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')));
    found |= static_cast<std::uint64_t>(static_cast<unsigned>(mask)) << (16 * i);
  }
#else
  for (std::size_t i = 0; i < kMaxBytes; ++i)
    found |= static_cast<std::uint64_t>(text.data()[i] == ' ') << i;
#endif
  for (std::size_t i = 1; i < blanks; ++i) found &= found - 1;
  if (found == 0) return 0;
  const auto size = static_cast<std::size_t>(std::countr_zero(found)) + 1;
  if (size > text.size()) return 0;
  return size < text.size() && (text[size] == ' ' || text[size] == '\t') ? 0 : size;
}

inline const HeaderMemo::Header* HeaderMemo::find(const char* text, std::size_t size) const {
  const Header& header = headers_[index_of(text, size)];
  if (header.size != size) return nullptr;
#if defined(__SSE2__)
  std::uint64_t same = 0;
  for (std::size_t i = 0; i < size; i += 16) {
    const __m128i there = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i));
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(header.text.data() + i));
    const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(there, here));
    same |= static_cast<std::uint64_t>(static_cast<unsigned>(mask)) << i;
  }
  const std::uint64_t wanted = ~std::uint64_t{0} >> (64 - size);
  return (same & wanted) == wanted ? &header : nullptr;
#else
  return std::memcmp(text, header.text.data(), size) == 0 ? &header : nullptr;
#endif
}

class Formats;

// What a reader of one stream after the other remembers between lines. Not thread-safe.
class FormatMemo {
 public:
  explicit FormatMemo(const Formats& formats);

  // The header that the last fit() has not known before, for who can tell its rules; else null.
  HeaderMemo::Header* fresh() { return std::exchange(fresh_, nullptr); }
  // Keeps a list of rules for good; there are few different ones.
  const std::vector<RuleIndex>* keep(std::vector<RuleIndex> rules) {
    return &*lists_.insert(std::move(rules)).first;
  }

 private:
  friend class Formats;
  TimeMemo times_;
  std::vector<HeaderMemo> headers_;  // by Format::header_memo
  HeaderMemo::Header* fresh_ = nullptr;
  std::set<std::vector<RuleIndex>> lists_;
  std::array<std::string_view, Pattern::kMaxCaptures> captures_;  // working memory
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
                    FormatMemo& memo, Scratch& scratch) const;
  // The same for most lines: their time is that of the line before, and their header is known.
  // Null: ask fit().
  const Format* fit_known(std::string_view line, Event& event, const FormatMemo& memo) const {
    if (formats_.empty() || formats_.front().header_memo == 0) return nullptr;
    const Format& format = formats_.front();  // no other comes before it
    const TimePrefix* const time = memo.times_.known(line);
    if (time == nullptr) return nullptr;
    const std::size_t size =
        HeaderMemo::measure(line.substr(time->length), format.pattern.header_blanks());
    if (size == 0) return nullptr;
    const HeaderMemo::Header* const known =
        memo.headers_[format.header_memo - 1].find(line.data() + time->length, size);
    if (known == nullptr) return nullptr;
    take_header(line, *time, *known, format, event);
    return &format;
  }
  std::size_t headers() const { return headers_; }  // formats that have some

 private:
  static void take_header(std::string_view line, const TimePrefix& time,
                          const HeaderMemo::Header& header, const Format& format, Event& event) {
    const char* const behind = line.data() + time.length;
    for (std::size_t i = 0; i < header.parts; ++i) {
      const HeaderMemo::Part& part = header.part[i];
      event.slots()[part.slot] = token_of({behind + part.from, part.length});
      if (header.slots == 0) event.mark(part.slot);
    }
    event.mark_first(header.slots);
    const std::string_view rest = line.substr(time.length + header.size);
    if (format.slots.back() != kNoSlot && !is_no_value(rest)) {
      put(event, format.slots.back(), rest);
      if (format.ends_with_message) event.known_message = rest;
    }
    event.time_ns = time.ns;
    event.format = format.name;
    event.header_rules = header.rules;
  }
  static void put(Event& event, SlotId slot, std::string_view text) {
    event.put(slot, token_of(text));
  }
  static Token token_of(std::string_view text) {
    return {.data = text.data(),
            .size = static_cast<std::uint32_t>(text.size()),
            .kind = TokenKind::string,
            .escaped = false};
  }
  static void remember(const Format& format, std::string_view behind_time, std::size_t size,
                       std::span<const std::string_view> captures, FormatMemo& memo);

  std::size_t headers_ = 0;
  std::vector<Format> formats_;  // most literal text first
};

}  // namespace logtally::rules
