// RecordDecoder: the text of a line or record -> Event, whatever it is: a JSON object, a text line
// that fits a format, a bare message. One per worker; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "rules/continuation.h"
#include "rules/event.h"
#include "rules/formats.h"
#include "rules/json_decoder.h"
#include "rules/rule_set.h"
#include "rules/text_fields.h"
#include "rules/value.h"

namespace logtally::rules {

// What a physical line is; see CONFIG.md on the summary. `bare` may still turn out to continue the
// record above.
enum class LineKind : std::uint8_t { json, format, joining_format, bare, failed_json, failed_nul };

class RecordDecoder {
 public:
  // The rules outlive it.
  explicit RecordDecoder(const RuleSet& rules);

  // The common case: a JSON object on a line of which only the beginning is known. Returns the
  // place behind its newline, null when it is none. See JsonDecoder::decode.
  const char* decode_json(const char* line, Event& event) {
    event.clear();
    return json_.decode(line, event);
  }

  // A whole line, without its newline; a newline and kReadableBehindLine bytes stand behind it.
  // Clears the event. `scratch` holds what had to be copied. `plain`: who found its end has seen
  // that it has no control characters, see find_line_end().
  LineKind decode(std::string_view line, Event& event, Scratch& scratch, bool plain = false);

 private:
  const RuleSet& rules_;
  JsonDecoder json_;
  TextFields fields_;
  FormatMemo memo_;
};

// The newline that ends the line, and whether there are control characters before it (maybe: tabs
// are none that matter, yet count). A newline stands at or behind `line`, and kReadableBehindLine
// bytes behind that.
struct LineEnd {
  const char* newline = nullptr;
  bool plain = true;
};
LineEnd find_line_end(const char* line);

// What Continuation wants to know of a line.
constexpr LineFit fit_of(LineKind kind) {
  switch (kind) {
    case LineKind::json:
      return LineFit::complete;
    case LineKind::format:
      return LineFit::format;
    case LineKind::joining_format:
      return LineFit::joins;
    default:
      return LineFit::none;
  }
}

}  // namespace logtally::rules
