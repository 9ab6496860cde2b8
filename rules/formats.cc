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

void Formats::add(Format format) {
  const auto place = std::find_if(formats_.begin(), formats_.end(), [&](const Format& other) {
    if (other.pattern.literal_bytes() != format.pattern.literal_bytes()) {
      return other.pattern.literal_bytes() < format.pattern.literal_bytes();
    }
    return other.name > format.name;
  });
  formats_.insert(place, std::move(format));
}

const Format* Formats::fit(std::string_view line, Event& event, TextFields& fields,
                           JsonDecoder& json, TimeMemo& times, Scratch& scratch) const {
  // Most formats begin with a time: it is looked at once for all of them.
  std::optional<TimePrefix> time;
  bool time_known = false;
  std::array<std::string_view, Pattern::kMaxCaptures> captures;
  for (const Format& format : formats_) {
    if (format.starts_with_time) {
      if (!time_known) time = times.read(line);
      time_known = true;
      if (!time || !begins_with(line.substr(time->length), format.behind_time)) continue;
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
      event.put(format.slots[i], {.data = captures[i].data(),
                                  .size = static_cast<std::uint32_t>(captures[i].size()),
                                  .kind = TokenKind::string,
                                  .escaped = false});
    }
    event.time_ns = shaped.time_ns;
    event.format = format.name;
    return &format;
  }
  return nullptr;
}

}  // namespace logtally::rules
