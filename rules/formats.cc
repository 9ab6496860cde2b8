#include "rules/formats.h"

#include <algorithm>
#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace logtally::rules {
namespace {

bool blank(char c) { return c == ' ' || c == '\t'; }

// Whether `text` begins with `literal`, a blank of which stands for one or more.
bool begins_with(std::string_view text, std::string_view literal) {
  for (const char c : literal) {
    if (text.empty()) return false;
    if (c != ' ') {
      if (text[0] != c) return false;
      text.remove_prefix(1);
      continue;
    }
    if (!blank(text[0])) return false;
    while (!text.empty() && blank(text[0])) text.remove_prefix(1);
  }
  return true;
}

void put(Event& event, SlotId slot, std::string_view text) {
  event.put(slot, {.data = text.data(),
                   .size = static_cast<std::uint32_t>(text.size()),
                   .kind = TokenKind::string,
                   .escaped = false});
}

}  // namespace

std::size_t HeaderMemo::measure(std::string_view text, std::size_t blanks) {
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
  return size < text.size() && blank(text[size]) ? 0 : size;
}

const HeaderMemo::Header* HeaderMemo::find(const char* text, std::size_t size) const {
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

FormatMemo::FormatMemo(const Formats& formats) : headers_(formats.headers()) {}

void Formats::add(Format format) {
  if (format.starts_with_time && !format.has_fields && format.pattern.header_blanks() != 0)
    format.header_memo = ++headers_;
  const auto place = std::find_if(formats_.begin(), formats_.end(), [&](const Format& other) {
    if (other.pattern.literal_bytes() != format.pattern.literal_bytes()) {
      return other.pattern.literal_bytes() < format.pattern.literal_bytes();
    }
    return other.name > format.name;
  });
  formats_.insert(place, std::move(format));
}

const Format* Formats::fit(std::string_view line, Event& event, TextFields& fields,
                           JsonDecoder& json, FormatMemo& memo, Scratch& scratch) const {
  // Most formats begin with a time: it is looked at once for all of them.
  const TimePrefix* time = nullptr;
  bool time_known = false;
  std::span<std::string_view> captures = memo.captures_;
  for (const Format& format : formats_) {
    std::size_t header = 0;
    if (format.starts_with_time) {
      if (!time_known) time = memo.times_.read(line);
      time_known = true;
      if (!time) continue;
      const char* const behind = line.data() + time->length;
      if (format.header_memo != 0) {
        header = HeaderMemo::measure(line.substr(time->length), format.pattern.header_blanks());
        const HeaderMemo::Header* known =
            header == 0 ? nullptr : memo.headers_[format.header_memo - 1].find(behind, header);
        if (known != nullptr) {
          for (std::size_t i = 0; i < known->parts; ++i) {
            const HeaderMemo::Part& part = known->part[i];
            put(event, part.slot, {behind + part.from, part.length});
          }
          const std::string_view rest = line.substr(time->length + header);
          if (format.slots.back() != kNoSlot && !is_no_value(rest)) {
            put(event, format.slots.back(), rest);
            if (format.ends_with_message) event.known_message = rest;
          }
          event.time_ns = time->ns;
          event.format = format.name;
          event.header_rules = known->rules;
          return &format;
        }
      }
      if (!begins_with(line.substr(time->length), format.behind_time)) continue;
    }
    ShapedValues shaped;
    if (!(format.starts_with_time ? format.pattern.match_behind_time(line, *time, captures, shaped)
                                  : format.pattern.match(line, captures, shaped))) {
      continue;
    }
    if (format.has_fields) {
      bool usable = true;
      for (std::size_t i = 0; i < format.slots.size(); ++i) {
        if (format.is_fields[i] != 0)
          usable = usable && fields.parse(captures[i], event, json, scratch);
      }
      if (!usable) continue;
    }
    for (std::size_t i = 0; i < format.slots.size(); ++i) {
      if (format.slots[i] == kNoSlot || is_no_value(captures[i])) continue;
      put(event, format.slots[i], captures[i]);
    }
    if (header != 0) remember(format, line.substr(time->length), header, captures, memo);
    event.time_ns = shaped.time_ns;
    event.format = format.name;
    return &format;
  }
  return nullptr;
}

void Formats::remember(const Format& format, std::string_view behind_time, std::size_t size,
                       std::span<const std::string_view> captures, FormatMemo& memo) {
  const std::string_view text = behind_time.substr(0, size);
  if (text.find("  ") != std::string_view::npos) return;
  const std::size_t last = format.slots.size() - 1;  // the text
  if (captures[last].data() != text.data() + text.size()) return;
  HeaderMemo::Header header;
  header.size = static_cast<std::uint8_t>(size);
  for (std::size_t i = 0; i < last; ++i) {
    if (format.slots[i] == kNoSlot || is_no_value(captures[i])) continue;
    if (header.parts == HeaderMemo::kMaxParts) return;
    header.part[header.parts++] = {
        .slot = format.slots[i],
        .from = static_cast<std::uint8_t>(captures[i].data() - text.data()),
        .length = static_cast<std::uint8_t>(captures[i].size())};
  }
  std::copy(text.begin(), text.end(), header.text.begin());
  HeaderMemo::Header& place = memo.headers_[format.header_memo - 1].place(text.data(), size);
  place = header;
  memo.fresh_ = &place;
}

}  // namespace logtally::rules
