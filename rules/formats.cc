#include "rules/formats.h"

#include <algorithm>

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

}  // namespace

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
          take_header(line, *time, *known, format, event);
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
  for (std::size_t i = 0; i < header.parts; ++i) {
    const SlotId slot = header.part[i].slot;
    if (slot >= 64) {
      header.slots = 0;
      break;
    }
    header.slots |= std::uint64_t{1} << slot;
  }
  std::copy(text.begin(), text.end(), header.text.begin());
  HeaderMemo::Header& place = memo.headers_[format.header_memo - 1].place(text.data(), size);
  place = header;
  memo.fresh_ = &place;
}

}  // namespace logtally::rules
