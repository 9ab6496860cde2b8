// Times of log lines, as nanoseconds since the Unix epoch.
//
// RFC 3339 with `T` or a blank, 1-9 fraction digits after `.` or `,` or none, a zone (`Z`,
// `+hh:mm`, `+hhmm`, `+hh`) or none, which is UTC; years 1970-2261. Second 60 (a leap second) is
// the last nanosecond of second 59. Unix times are told apart by their size: below 10^11 seconds,
// below 10^14 milliseconds, below 10^17 microseconds, then nanoseconds; with a fraction they are
// seconds. Anything else needs a TimeLayout. No locale, no time zone data base: zones are UTC and
// fixed offsets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace logtally::rules {

// The whole text is a timestamp, without blanks around it.
std::optional<std::int64_t> parse_timestamp(std::string_view text);

struct TimePrefix {
  std::size_t length;
  std::int64_t ns;
};

// The longest timestamp that starts the text. A Unix time needs at least 9 digits here, so that a
// count is not taken for a time, and neither letter nor digit behind it. A zone that is none
// (`21:04:00-5`) is not part of the timestamp.
std::optional<TimePrefix> parse_timestamp_prefix(std::string_view text);

struct LayoutFault {
  enum class Where : std::uint8_t { layout, zone };
  std::string text;  // one line, for people
  Where where = Where::layout;
  std::size_t offset = 0;  // bytes into the layout or the zone
  std::size_t length = 0;
};

// `layout: '%d/%b/%Y:%H:%M:%S'`. Specifiers: %Y %y %m %b %d %e %j %H %I %M %S %f %p %z %Z %a %F %T
// %D %%. %S takes a fraction along when one follows. %b, %a and %p are English, in any case. A
// blank stands for one or more. The date has to be complete: a year, and a month with a day or %j.
// Where the text names no zone, `zone` holds: UTC (also Z, GMT, nothing) or +hh:mm.
class TimeLayout {
 public:
  static std::variant<TimeLayout, LayoutFault> compile(std::string_view layout,
                                                       std::string_view zone = {});

  std::optional<std::int64_t> parse(std::string_view text) const;  // the whole text
  std::optional<TimePrefix> parse_prefix(std::string_view text) const;

 private:
  struct Step {
    char specifier;  // 0: the literal byte; ' ': blanks
    char literal;
  };
  TimeLayout() = default;

  std::vector<Step> steps_;
  std::int32_t zone_seconds_ = 0;
};

}  // namespace logtally::rules
