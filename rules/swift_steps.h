// The swift way of a pattern over a message: words and the literal text between them, where each
// blank of the pattern is one space of the text, as in nearly all messages. It never takes anything
// back; what it says of a text is what a backtracking matcher would say, and where it cannot tell
// it says so.
//
// A word and what follows it is a leg. A literal behind which a blank or the end stands ends where
// its run of non-blanks ends: there is one place for it, and nothing is searched. Only a literal
// between two words is: its first place counts, and whatever misfits behind that place is unsure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace logtally::rules {

class SwiftSteps {
 public:
  enum class Outcome : std::uint8_t { fits, fails, unsure };

  // What stands behind a capture: literal text, in which a space is a blank of the pattern.
  struct Piece {
    int output = -1;        // of the capture in front: index of what is captured, -1: dropped
    bool any_text = false;  // the capture is any text, and not a word
    std::string literal{};
  };

  // None: everything is unsure.
  SwiftSteps() = default;
  // `head`: the literal text in front of the first capture.
  SwiftSteps(const std::string& head, std::span<const Piece> pieces);

  // Fits the whole text, behind which Pattern::kReadableBehindText bytes may be read; captures as
  // Pattern::match(). Any thread.
  Outcome match(std::string_view text, std::span<std::string_view> captures) const {
    if (!usable_ || text.empty()) return Outcome::unsure;
    const char* const p = text.data();
    std::uint64_t bytes;
    std::memcpy(&bytes, p, sizeof bytes);
    if (((bytes ^ head_.first_bytes) & head_.sure_mask) != 0) return Outcome::fails;
    if (text.size() < head_.length || !stands_at(head_, p, bytes)) return Outcome::unsure;
    return match_legs(text, captures);
  }

 private:
  enum class Place : std::uint8_t {
    run_end,   // the literal has a blank: what is in front of that ends the word's run
    text_end,  // it has none and ends the text
    found,     // it has none, and a capture follows: it is searched for
    rest,      // any text to the end
  };
  struct Leg {
    std::uint64_t first_bytes = 0;  // of the literal, as memory holds them
    std::uint64_t first_mask = 0;
    std::uint64_t sure_mask = 0;   // of these: where they differ, no other blanks would help
    std::uint64_t last_bytes = 0;  // of what is longer: the last eight, from last_at on
    std::uint64_t last_mask = 0;
    std::uint32_t last_at = 0;
    std::uint32_t length = 0;
    std::uint32_t text = 0;  // of the literal, in texts_
    std::uint32_t back = 0;  // bytes in front of its first blank, or all
    std::int16_t output = -1;
    Place place = Place::run_end;
    bool blank_behind = false;  // it ends with a blank
  };

  Leg leg_of(const std::string& literal, std::size_t blanks_that_are_sure);
  Outcome match_legs(std::string_view text, std::span<std::string_view> captures) const;
  // Whether the literal stands there; `first` are the bytes there.
  bool stands_at(const Leg& leg, const char* p, std::uint64_t first) const {
    std::uint64_t last;
    std::memcpy(&last, p + leg.last_at, sizeof last);
    const std::uint64_t differ =
        ((first ^ leg.first_bytes) & leg.first_mask) | ((last ^ leg.last_bytes) & leg.last_mask);
    if (differ != 0) return false;
    return leg.length <= 2 * sizeof first ||
           std::memcmp(p + sizeof first, texts_.data() + leg.text + sizeof first,
                       leg.length - 2 * sizeof first) == 0;
  }

  bool usable_ = false;
  Leg head_;
  std::vector<Leg> legs_;
  std::string texts_;
};

}  // namespace logtally::rules
