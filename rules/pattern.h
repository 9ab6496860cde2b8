// Patterns: literal text and captures, the whole text from end to end. Compiled to literal
// searches, no regular expressions.
//
//   <name>      one word: no blanks or line breaks, maybe empty
//   <name...>   any text, maybe empty
//   <_> <_...>  the same, dropped
//   a blank     one or more blanks or tabs
//   \<          a literal `<`; needed only where a name follows it, `<=` and `< ` are literal
//   anyway. `\\<a>` is a backslash
//               and a capture; elsewhere a backslash is itself.
//
// Of all fits the one counts that is found by deciding from left to right: a blank takes as many as
// there are, a capture as little as lets the rest fit. That is what a backtracking matcher would
// find; here it costs O(length * captures), because each step remembers from where on it has failed
// (see Straight and Fitter in pattern.cc). Only words between doubled blanks behind a text can cost
// O(length * captures^2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/level.h"
#include "rules/swift_steps.h"
#include "rules/timestamp.h"

namespace logtally::rules {

// In formats, `time` and `level` have to have their shape: `<time>` is a timestamp (it may span a
// blank), `<level>` a level word, which may be padded with blanks before a literal (`[info     ]`).
// In message patterns they are ordinary words. `message` and `fields` are any text in both, with
// and without `...`.
enum class PatternUse : std::uint8_t { message, format };

enum class CaptureShape : std::uint8_t { word, text, time, level };

struct Capture {
  std::string name;
  CaptureShape shape = CaptureShape::word;
};

struct PatternFault {
  std::string text;        // one line, for people
  std::size_t offset = 0;  // bytes into the pattern
  std::size_t length = 0;
};

// What shaped captures were read as, so that nobody reads them twice.
struct ShapedValues {
  std::optional<std::int64_t> time_ns;
  Level level = Level::none;
};

class Pattern {
 public:
  static constexpr std::size_t kMaxCaptures = 32;  // dropped ones count

  // The compiled form.
  enum class Part : std::uint8_t { literal, blank, word, text, time, level, end };
  struct Step {
    Part part = Part::end;
    bool may_split =
        false;  // blank: a capture and another blank follow, all may lie within one run of blanks
    std::uint8_t slot = 0;  // captures: index over all of them, dropped ones too; a blank that may
                            // split: its capture's
    std::int8_t output = -1;        // captures: index into captures(); -1: dropped
    std::uint32_t length = 0;       // of the literal
    std::uint64_t first_bytes = 0;  // of the literal, as memory holds them
    std::uint64_t first_mask = 0;
    std::string literal{};
  };

  // `layout`: how the times of this format are written; without one as parse_timestamp_prefix reads
  // them.
  static std::variant<Pattern, PatternFault> compile(
      std::string_view source, PatternUse use, std::optional<TimeLayout> layout = std::nullopt);

  // Fits the whole text and fills captures()[i] into captures[i], views into the text. The span
  // holds at least captures().size(); after a misfit its content is unspecified. Never allocates;
  // any thread.
  bool match(std::string_view text, std::span<std::string_view> captures) const {
    return may_match(text) && fit(text, captures, nullptr);
  }
  bool match(std::string_view text, std::span<std::string_view> captures,
             ShapedValues& shaped) const {
    return may_match(text) && fit(text, captures, &shaped);
  }
  // The same for a text behind which kReadableBehindText bytes may be read.
  static constexpr std::size_t kReadableBehindText = 64;
  bool match_roomy(std::string_view text, std::span<std::string_view> captures) const {
    if (text.size() < minimum_length_) return false;
    const SwiftSteps::Outcome outcome = swift_.match(text, captures);
    if (outcome != SwiftSteps::Outcome::unsure) [[likely]]
      return outcome == SwiftSteps::Outcome::fits;
    return may_match(text) && fit_roomy(text, captures);
  }

  // The same for a pattern whose first step is a time that was read already (parse_timestamp_prefix
  // of the text).
  bool match_behind_time(std::string_view text, const TimePrefix& time,
                         std::span<std::string_view> captures, ShapedValues& shaped) const;
  bool starts_with_time() const { return steps_.front().part == Part::time && !layout_; }

  // The same, and how much work it was: bytes looked at, and attempts. For tests, `check` and
  // `explain`.
  bool match_counting(std::string_view text, std::span<std::string_view> captures,
                      std::uint64_t& steps) const;

  const std::vector<Capture>& captures() const {
    return captures_;
  }  // the named ones, left to right

  // Every fit begins (ends) with it: literal text as far as the first (from the last) blank or
  // capture. Maybe empty.
  std::string_view literal_prefix() const { return literal_prefix_; }
  std::string_view literal_suffix() const { return literal_suffix_; }
  // Every fit holds it: the longest literal without blanks. Maybe empty.
  std::string_view required_literal() const { return required_literal_; }
  // What fits begin with when each blank of the pattern is one space in the text, as nearly always:
  // the literal text before the first capture. Not every fit begins with it.
  std::string_view usual_prefix() const { return usual_prefix_; }
  // Of a pattern that is a time, then words, levels, literals and blanks, then a named text: how
  // many blanks stand before that text. 0: it is something else.
  std::size_t header_blanks() const { return header_blanks_; }
  // Bytes of literal text, a blank as one: of several formats that fit, the one with most counts.
  std::size_t literal_bytes() const { return literal_bytes_; }
  const std::string& source() const { return source_; }

 private:
  Pattern() = default;

  // The cheap refusals, inline: most lines that are offered to a pattern begin with something else.
  bool may_match(std::string_view text) const {
    if (text.size() < minimum_length_) return false;
    if (text.size() < sizeof first_bytes_) return true;
    std::uint64_t bytes;
    std::memcpy(&bytes, text.data(), sizeof bytes);
    return ((bytes ^ first_bytes_) & first_mask_) == 0;
  }
  bool fit(std::string_view text, std::span<std::string_view> captures, ShapedValues* shaped) const;
  bool fit_roomy(std::string_view text, std::span<std::string_view> captures) const;
  // The step to begin with and its place: behind the literal text at the beginning, as far as that
  // stands there as usual. No step: the text begins with something else.
  struct Start {
    const Step* step = nullptr;
    const char* p = nullptr;
  };
  Start find_start(std::string_view text) const;
  // Do the steps from this one on fit from p, a place in the text, to its end?
  template <bool roomy>
  bool fit_steps(const Step* step, const char* p, std::string_view text,
                 std::span<std::string_view> captures, ShapedValues* shaped) const;

  std::vector<Step> steps_;  // ends with Part::end
  SwiftSteps swift_;         // the same, where there is a swift way
  std::vector<Capture> captures_;
  std::optional<TimeLayout> layout_;
  std::size_t minimum_length_ = 0;
  std::uint64_t first_bytes_ = 0;  // the first bytes of literal_prefix_, as memory holds them
  std::uint64_t first_mask_ = 0;
  std::size_t after_head_ = 0;  // the first step behind usual_prefix_'s last literal
  std::size_t slots_ = 0;       // captures, dropped ones too
  std::string head_;            // usual_prefix_ without a blank at its end
  std::string literal_prefix_;
  std::string literal_suffix_;
  std::string required_literal_;
  std::string usual_prefix_;
  std::size_t literal_bytes_ = 0;
  std::size_t header_blanks_ = 0;
  std::string source_;
};

// `None`, `null`, `?`, `n/a` and nothing: what engines write where there is no value. Exactly so;
// blanks are nothing too.
bool is_no_value_closely(std::string_view text);
inline bool is_no_value(std::string_view text) {
  if (text.empty()) return true;
  // Nearly every value shows by its first character that it is one.
  const char c = text.front();
  return (c == 'N' || c == 'n' || c == '?' || static_cast<unsigned char>(c) <= ' ') &&
         is_no_value_closely(text);
}

}  // namespace logtally::rules
