#include "rules/timestamp.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace logtally::rules {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr int kFirstYear = 1970;
constexpr int kLastYear = 2261;         // the last whole year that 64 bits of nanoseconds hold
constexpr std::size_t kRfcLength = 19;  // YYYY-MM-DD HH:MM:SS
constexpr std::size_t kUnixPrefixDigits = 9;
constexpr int kFractionDigits = 9;

struct Civil {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::int64_t ns = 0;
  std::int64_t zone_seconds = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_digit(c) || is_alpha(c) || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool is_leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

int days_in_month(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[month - 1];
}

// Years are counted from March, so that the leap day is the last of its year.
std::int64_t days_since_epoch(int year, int month, int day) {
  const unsigned y = static_cast<unsigned>(month <= 2 ? year - 1 : year);
  const unsigned m = static_cast<unsigned>(month <= 2 ? month + 9 : month - 3);
  const unsigned before_month = (153 * m + 2) / 5;
  const unsigned before_year = 365 * y + y / 4 - y / 100 + y / 400;
  constexpr int kEpoch = 719'468;  // days from 0000-03-01 to 1970-01-01
  return static_cast<std::int64_t>(before_year + before_month) + day - 1 - kEpoch;
}

std::optional<std::int64_t> to_ns(const Civil& t) {
  if (t.year < kFirstYear || t.year > kLastYear || t.month < 1 || t.month > 12) return std::nullopt;
  if (t.day < 1 || t.day > days_in_month(t.year, t.month)) return std::nullopt;
  if (t.hour > 23 || t.minute > 59 || t.second > 60) return std::nullopt;
  const bool leap_second = t.second == 60;
  const std::int64_t seconds = days_since_epoch(t.year, t.month, t.day) * 86'400 + t.hour * 3'600 +
                               t.minute * 60 + (leap_second ? 59 : t.second) - t.zone_seconds;
  const std::int64_t ns = seconds * kNsPerSecond + (leap_second ? kNsPerSecond - 1 : t.ns);
  if (ns < 0) return std::nullopt;
  return ns;
}

// How many digits there are, or kManyDigits: a text of digits only is not read to its end at every
// attempt.
constexpr std::size_t kManyDigits = 32;
std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t digits = 0;
  while (digits < kManyDigits && at + digits < text.size() && is_digit(text[at + digits])) ++digits;
  return digits;
}

int two_digits(std::string_view text, std::size_t at) {
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

// Digits behind the point as nanoseconds; those beyond the ninth are cut off.
std::int64_t fraction_ns(std::string_view digits) {
  std::int64_t ns = 0;
  for (int i = 0; i < kFractionDigits; ++i) {
    const auto at = static_cast<std::size_t>(i);
    ns = ns * 10 + (at < digits.size() ? digits[at] - '0' : 0);
  }
  return ns;
}

struct Zone {
  std::size_t length = 0;  // 0: there is none
  std::int64_t seconds = 0;
};

Zone zone_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {};
  const auto ends = [&](std::size_t length) {
    return at + length >= text.size() || !is_word(text[at + length]);
  };
  const char sign = text[at];
  if (sign == 'Z' || sign == 'z') return ends(1) ? Zone{1, 0} : Zone{};
  if (sign != '+' && sign != '-') return {};

  const std::size_t digits = digits_at(text, at + 1);
  if (digits != 2 && digits != 4) return {};
  const int hours = two_digits(text, at + 1);
  int minutes = 0;
  std::size_t length = 1 + digits;
  if (digits == 4) {
    minutes = two_digits(text, at + 3);
  } else if (at + 3 < text.size() && text[at + 3] == ':' && digits_at(text, at + 4) == 2) {
    minutes = two_digits(text, at + 4);
    length += 3;
  }
  if (hours > 23 || minutes > 59 || !ends(length)) return {};
  const std::int64_t seconds = hours * 3'600 + minutes * 60;
  return {length, sign == '-' ? -seconds : seconds};
}

// `YYYY-MM-DD?HH:MM:SS`, where ? is T, t or a blank: digits become their values, all 16 leading
// bytes at once.
bool read_rfc_shape(const char* p, unsigned char (&digit)[kRfcLength]) {
#if defined(__SSE2__)
  const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i shape =
      _mm_setr_epi8('0', '0', '0', '0', '-', '0', '0', '-', '0', '0', 0, '0', '0', ':', '0', '0');
  const __m128i limit = _mm_setr_epi8(9, 9, 9, 9, 0, 9, 9, 0, 9, 9, -1, 9, 9, 0, 9, 9);
  const __m128i value = _mm_xor_si128(text, shape);
  if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(value, limit), value)) != 0xffff) return false;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(digit), value);
#else
  constexpr char kShape[] =
      "0000-00-00\0"
      "00:00";
  for (int i = 0; i < 16; ++i) {
    digit[i] = static_cast<unsigned char>(p[i] ^ kShape[i]);
    if (i != 10 && digit[i] > (kShape[i] == '0' ? 9 : 0)) return false;
  }
#endif
  if (p[10] != ' ' && p[10] != 'T' && p[10] != 't') return false;
  digit[17] = static_cast<unsigned char>(p[17] ^ '0');
  digit[18] = static_cast<unsigned char>(p[18] ^ '0');
  return p[16] == ':' && digit[17] <= 9 && digit[18] <= 9;
}

std::optional<TimePrefix> rfc_prefix(std::string_view text) {
  unsigned char d[kRfcLength];
  if (text.size() < kRfcLength || !read_rfc_shape(text.data(), d)) return std::nullopt;
  Civil t;
  t.year = d[0] * 1000 + d[1] * 100 + d[2] * 10 + d[3];
  t.month = d[5] * 10 + d[6];
  t.day = d[8] * 10 + d[9];
  t.hour = d[11] * 10 + d[12];
  t.minute = d[14] * 10 + d[15];
  t.second = d[17] * 10 + d[18];

  std::size_t length = kRfcLength;
  if (text.size() > length && !is_blank(text[length])) {
    if (is_digit(text[length])) return std::nullopt;
    if (text[length] == '.' || text[length] == ',') {
      const std::size_t digits = digits_at(text, length + 1);
      if (digits > kFractionDigits) return std::nullopt;
      if (digits > 0) {
        t.ns = fraction_ns(text.substr(length + 1, digits));
        length += 1 + digits;
      }
    }
    const Zone zone = zone_at(text, length);
    t.zone_seconds = zone.seconds;
    length += zone.length;
  }
  const std::optional<std::int64_t> ns = to_ns(t);
  if (!ns) return std::nullopt;
  return TimePrefix{length, *ns};
}

std::optional<TimePrefix> unix_prefix(std::string_view text) {
  constexpr std::size_t kMaxDigits = 19;
  const std::size_t digits = digits_at(text, 0);
  if (digits == 0 || digits > kMaxDigits) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < digits; ++i)
    value = value * 10 + static_cast<std::uint64_t>(text[i] - '0');

  std::size_t length = digits;
  std::uint64_t unit = 1'000'000'000;
  std::uint64_t ns = 0;
  if (const std::size_t fraction =
          digits < text.size() && text[digits] == '.' ? digits_at(text, digits + 1) : 0;
      fraction > 0) {
    if (fraction == kManyDigits) return std::nullopt;
    ns = static_cast<std::uint64_t>(fraction_ns(text.substr(digits + 1, fraction)));
    length += 1 + fraction;
  } else if (value >= 100'000'000'000'000'000) {
    unit = 1;
  } else if (value >= 100'000'000'000'000) {
    unit = 1'000;
  } else if (value >= 100'000'000'000) {
    unit = 1'000'000;
  }
  constexpr std::uint64_t kEnd = 9'214'646'400;  // 2262-01-01, in seconds
  if (value / (1'000'000'000 / unit) >= kEnd) return std::nullopt;
  return TimePrefix{length, static_cast<std::int64_t>(value * unit + ns)};
}

bool has_rfc_dash(std::string_view text) { return text.size() >= kRfcLength && text[4] == '-'; }

}  // namespace

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  const std::optional<TimePrefix> prefix =
      has_rfc_dash(text) ? rfc_prefix(text) : unix_prefix(text);
  if (!prefix || prefix->length != text.size()) return std::nullopt;
  return prefix->ns;
}

std::optional<TimePrefix> parse_timestamp_prefix(std::string_view text) {
  if (has_rfc_dash(text)) return rfc_prefix(text);
  if (text.size() < kUnixPrefixDigits || !is_digit(text[0]) ||
      digits_at(text, 0) < kUnixPrefixDigits)
    return std::nullopt;
  const std::optional<TimePrefix> prefix = unix_prefix(text);
  if (!prefix || (prefix->length < text.size() && is_word(text[prefix->length])))
    return std::nullopt;
  return prefix;
}

// ---- layouts ----

namespace {

constexpr std::string_view kMonths = "janfebmaraprmayjunjulaugsepoctnovdec";
constexpr std::string_view kWeekdays = "sunmontuewedthufrisat";

// The index of the three letters at the start of the text, -1 if they are none of the names.
int name_index(std::string_view text, std::string_view names) {
  if (text.size() < 3) return -1;
  const char word[] = {lowered(text[0]), lowered(text[1]), lowered(text[2])};
  for (std::size_t i = 0; i < names.size(); i += 3) {
    if (std::memcmp(names.data() + i, word, 3) == 0) return static_cast<int>(i / 3);
  }
  return -1;
}

bool is_utc_name(std::string_view name) {
  if (name.size() > 3) return false;
  char upper[3] = {};
  for (std::size_t i = 0; i < name.size(); ++i)
    upper[i] = name[i] >= 'a' && name[i] <= 'z' ? static_cast<char>(name[i] - 32) : name[i];
  const std::string_view word{upper, name.size()};
  return word.empty() || word == "UTC" || word == "GMT" || word == "Z";
}

// Reads a timestamp by the steps of a layout.
class LayoutReader {
 public:
  explicit LayoutReader(std::string_view text, std::int64_t zone_seconds) : text_(text) {
    t_.zone_seconds = zone_seconds;
  }

  bool read(char specifier, bool fraction_follows) {
    switch (specifier) {
      case 'Y':
        return number(4, 4, t_.year);
      case 'y':
        return number(2, 2, t_.year) && (t_.year += t_.year < 70 ? 2000 : 1900, true);
      case 'm':
        return number(1, 2, t_.month);
      case 'b':
        return name(kMonths, t_.month) && (++t_.month, true);
      case 'a': {
        int weekday = 0;
        return name(kWeekdays, weekday);
      }
      case 'd':
        return number(1, 2, t_.day);
      case 'e':
        if (at_ < text_.size() && text_[at_] == ' ') ++at_;
        return number(1, 2, t_.day);
      case 'j':
        return number(3, 3, day_of_year_) && day_of_year_ >= 1;
      case 'H':
        return number(1, 2, t_.hour);
      case 'I':
        twelve_hours_ = true;
        return number(1, 2, t_.hour) && t_.hour >= 1 && t_.hour <= 12;
      case 'M':
        return number(2, 2, t_.minute);
      case 'S':
        return number(2, 2, t_.second) && (fraction_follows || optional_fraction());
      case 'f':
        return fraction();
      case 'p':
        return half_of_day();
      case 'z':
        return offset();
      case 'Z':
        return zone_name();
      default:
        return false;
    }
  }

  bool literal(char c) { return at_ < text_.size() && text_[at_] == c && (++at_, true); }

  bool blanks() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    return at_ > begin;
  }

  std::optional<TimePrefix> finish() {
    if (twelve_hours_) t_.hour = t_.hour % 12 + (afternoon_ ? 12 : 0);
    if (day_of_year_ > 0 && !month_and_day_from_day_of_year()) return std::nullopt;
    const std::optional<std::int64_t> ns = to_ns(t_);
    if (!ns) return std::nullopt;
    return TimePrefix{at_, *ns};
  }

 private:
  bool number(std::size_t least, std::size_t most, int& value) {
    std::size_t digits = digits_at(text_, at_);
    if (digits > most) digits = most;
    if (digits < least) return false;
    value = 0;
    for (const std::size_t end = at_ + digits; at_ < end; ++at_)
      value = value * 10 + (text_[at_] - '0');
    return true;
  }

  bool name(std::string_view names, int& index) {
    index = name_index(text_.substr(at_), names);
    at_ += 3;
    return index >= 0;
  }

  bool fraction() {
    const std::size_t digits = digits_at(text_, at_);
    if (digits == 0 || digits > kFractionDigits) return false;
    t_.ns = fraction_ns(text_.substr(at_, digits));
    at_ += digits;
    return true;
  }

  bool optional_fraction() {
    if (at_ + 1 >= text_.size() || (text_[at_] != '.' && text_[at_] != ',') ||
        !is_digit(text_[at_ + 1]))
      return true;
    ++at_;
    return fraction();
  }

  bool half_of_day() {
    if (at_ + 2 > text_.size() || lowered(text_[at_ + 1]) != 'm') return false;
    const char half = lowered(text_[at_]);
    afternoon_ = half == 'p';
    at_ += 2;
    return half == 'a' || half == 'p';
  }

  bool offset() {
    const Zone zone = zone_at(text_, at_);
    t_.zone_seconds = zone.seconds;
    at_ += zone.length;
    return zone.length > 0;
  }

  bool zone_name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_alpha(text_[at_])) ++at_;
    t_.zone_seconds = 0;
    return at_ > begin && is_utc_name(text_.substr(begin, at_ - begin));
  }

  bool month_and_day_from_day_of_year() {
    t_.month = 1;
    t_.day = day_of_year_;
    while (t_.month <= 12 && t_.day > days_in_month(t_.year, t_.month))
      t_.day -= days_in_month(t_.year, t_.month++);
    return t_.month <= 12;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Civil t_;
  int day_of_year_ = 0;
  bool twelve_hours_ = false;
  bool afternoon_ = false;
};

LayoutFault layout_fault(std::string text, std::size_t offset, std::size_t length) {
  return {std::move(text), LayoutFault::Where::layout, offset, length};
}

}  // namespace

std::variant<TimeLayout, LayoutFault> TimeLayout::compile(std::string_view layout,
                                                          std::string_view zone) {
  TimeLayout result;
  if (!is_utc_name(zone)) {
    const Zone offset = zone_at(zone, 0);
    if (offset.length == 0 || offset.length != zone.size()) {
      return LayoutFault{"a zone is UTC or a fixed offset as +02:00", LayoutFault::Where::zone, 0,
                         zone.size()};
    }
    result.zone_seconds_ = static_cast<std::int32_t>(offset.seconds);
  }
  if (layout.empty()) return layout_fault("an empty layout fits no time", 0, 0);

  constexpr std::string_view kSpecifiers = "YymbadejHIMSfpzZ";
  std::string seen;
  const auto add = [&](std::string_view specifiers, char separator) {
    for (std::size_t i = 0; i < specifiers.size(); ++i) {
      if (i > 0) result.steps_.push_back({0, separator});
      result.steps_.push_back({specifiers[i], 0});
      seen += specifiers[i];
    }
  };
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout[i] != '%') {
      const bool blank = is_blank(layout[i]);
      if (blank && !result.steps_.empty() && result.steps_.back().specifier == ' ') continue;
      result.steps_.push_back(blank ? Step{' ', 0} : Step{0, layout[i]});
      continue;
    }
    if (i + 1 == layout.size())
      return layout_fault("a lone % at the end; a percent sign is %%", i, 1);
    const char specifier = layout[++i];
    if (specifier == '%') {
      result.steps_.push_back({0, '%'});
    } else if (specifier == 'F') {
      add("Ymd", '-');
    } else if (specifier == 'T') {
      add("HMS", ':');
    } else if (specifier == 'D') {
      add("mdy", '/');
    } else if (kSpecifiers.find(specifier) != std::string_view::npos) {
      add({&specifier, 1}, 0);
    } else {
      return layout_fault(
          std::string("unknown specifier %") + specifier +
              "; there are %Y %y %m %b %d %e %j %H %I %M %S %f %p %z %Z %a %F %T %D %%",
          i - 1, 2);
    }
  }

  const auto has = [&](std::string_view any) {
    return seen.find_first_of(any) != std::string::npos;
  };
  const bool dated = has("Yy") && (has("j") || (has("mb") && has("de")));
  if (!dated)
    return layout_fault("a layout needs a year (%Y) and a month with a day (%m or %b, %d) or %j", 0,
                        layout.size());
  if (has("I") && !has("p"))
    return layout_fault("%I needs %p, otherwise morning and evening look the same", 0,
                        layout.size());
  return result;
}

std::optional<TimePrefix> TimeLayout::parse_prefix(std::string_view text) const {
  LayoutReader reader(text, zone_seconds_);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step step = steps_[i];
    bool fits = false;
    if (step.specifier == 0) {
      fits = reader.literal(step.literal);
    } else if (step.specifier == ' ') {
      fits = reader.blanks();
    } else {
      // `%S.%f` reads the fraction by itself; so does a layout that goes on with the same point.
      const bool point_follows =
          i + 1 < steps_.size() && (steps_[i + 1].literal == '.' || steps_[i + 1].literal == ',');
      fits = reader.read(step.specifier, point_follows);
    }
    if (!fits) return std::nullopt;
  }
  return reader.finish();
}

std::optional<std::int64_t> TimeLayout::parse(std::string_view text) const {
  const std::optional<TimePrefix> prefix = parse_prefix(text);
  if (!prefix || prefix->length != text.size()) return std::nullopt;
  return prefix->ns;
}

}  // namespace logtally::rules
