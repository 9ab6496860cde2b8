#include "rules/swift_steps.h"

#include <algorithm>
#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace logtally::rules {
namespace {

constexpr unsigned char kSpace = 0x20;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Where runs of a text end: at a space, or a control character, which is not looked at more
// closely.
class Runs {
 public:
  // 64 bytes may be read behind the end.
  explicit Runs(std::string_view text) : base_(text.data()), end_(base_ + text.size()) {
    look_at(base_);
  }

  // The end of the run at p, a place in the text; the text ends runs, too.
  const char* end_of(const char* p) {
    const auto into = static_cast<std::size_t>(p - base_);
    if (into < 64 && ends_ >> into != 0) [[likely]]
      return std::min(p + std::countr_zero(ends_ >> into), end_);
    for (; p < end_; p += 64) {
      look_at(p);
      if (ends_ != 0) return std::min(p + std::countr_zero(ends_), end_);
    }
    return end_;
  }

 private:
  void look_at(const char* p) {
    base_ = p;
    ends_ = 0;
#if defined(__SSE2__)
    for (int i = 0; i < 4; ++i) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
      const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(kSpace)), bytes);
      ends_ |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(low)))
               << (16 * i);
    }
#else
    for (int i = 0; i < 64; ++i)
      ends_ |= std::uint64_t{static_cast<unsigned char>(p[i]) <= kSpace} << i;
#endif
  }

  const char* base_;
  const char* end_;
  std::uint64_t ends_ = 0;  // bit i: base_[i] ends a run
};

std::uint64_t bytes_at(const char* p) {
  std::uint64_t bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return bytes;
}

}  // namespace

SwiftSteps::SwiftSteps(const std::string& head, std::span<const Piece> pieces) {
  const auto plain = [](const std::string& literal) {
    return literal.find("  ") == std::string::npos &&
           std::all_of(literal.begin(), literal.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= kSpace; });
  };
  if (!plain(head) || pieces.empty()) return;
  head_ = leg_of(head, 0);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    const bool last = i + 1 == pieces.size();
    if (!plain(piece.literal) || (piece.any_text && !(last && piece.literal.empty()))) return;
    Leg leg = leg_of(piece.literal, 1);
    leg.output = static_cast<std::int16_t>(piece.output);
    if (piece.any_text) {
      leg.place = Place::rest;
    } else if (leg.back != leg.length) {
      leg.place = Place::run_end;
    } else {
      leg.place = last ? Place::text_end : Place::found;
    }
    legs_.push_back(leg);
  }
  usable_ = true;
}

// `blanks_that_are_sure`: so many of its blanks stand in the text as one space, whatever follows.
SwiftSteps::Leg SwiftSteps::leg_of(const std::string& literal, std::size_t blanks_that_are_sure) {
  Leg leg;
  leg.length = static_cast<std::uint32_t>(literal.size());
  leg.text = static_cast<std::uint32_t>(texts_.size());
  texts_ += literal;
  leg.back = static_cast<std::uint32_t>(std::min(literal.find(' '), literal.size()));
  leg.blank_behind = literal.ends_with(' ');
  const std::size_t first = std::min(literal.size(), sizeof leg.first_bytes);
  std::memcpy(&leg.first_bytes, literal.data(), first);
  std::memset(&leg.first_mask, 0xff, first);
  std::size_t sure = 0;
  for (std::size_t blanks = 0; sure < first; ++sure) {
    blanks += literal[sure] == ' ';
    if (blanks > blanks_that_are_sure) break;
  }
  std::memset(&leg.sure_mask, 0xff, sure);
  if (literal.size() > sizeof leg.last_bytes) {
    leg.last_at = static_cast<std::uint32_t>(literal.size() - sizeof leg.last_bytes);
    leg.last_bytes = bytes_at(literal.data() + leg.last_at);
    leg.last_mask = ~std::uint64_t{0};
  }
  return leg;
}

SwiftSteps::Outcome SwiftSteps::match_legs(std::string_view text,
                                           std::span<std::string_view> captures) const {
  Runs runs(text);
  const char* const end = text.data() + text.size();
  const char* p = text.data() + head_.length;
  if (head_.blank_behind && is_blank(*p)) return Outcome::unsure;
  bool searched = false;  // a word could have ended later than it did
  const auto misfit = [&] { return searched ? Outcome::unsure : Outcome::fails; };
  std::string_view* const places = captures.data();
  std::string_view dropped;
  const Leg* const behind = legs_.data() + legs_.size();
  for (const Leg* leg = legs_.data(); leg != behind; ++leg) {
    if (leg->place == Place::rest) [[unlikely]] {
      if (leg->output >= 0) places[leg->output] = {p, static_cast<std::size_t>(end - p)};
      return Outcome::fits;
    }
    const char* const run_end = runs.end_of(p);
    const bool at_end = run_end == end;
    if (!at_end && *run_end != ' ') [[unlikely]]
      return Outcome::unsure;
    const char* to = run_end - leg->back;
    if (leg->place == Place::found) [[unlikely]] {
      const char* const last = to;
      for (to = p; to <= last && !stands_at(*leg, to, bytes_at(to));) ++to;
      if (to > last) return misfit();
      searched = true;
    } else {
      if (at_end != (leg->place == Place::text_end) || to < p) return misfit();
      if (static_cast<std::size_t>(end - to) < leg->length) return Outcome::unsure;
      const std::uint64_t first = bytes_at(to);
      if (!stands_at(*leg, to, first)) {
        const bool sure = ((first ^ leg->first_bytes) & leg->sure_mask) != 0;
        return sure && (at_end || !is_blank(run_end[1])) ? misfit() : Outcome::unsure;
      }
    }
    // Without asking whether it is wanted: which is would be a branch of its own.
    std::string_view& place = leg->output >= 0 ? places[leg->output] : dropped;
    place = {p, static_cast<std::size_t>(to - p)};
    p = to + leg->length;
    const bool doubled = leg->blank_behind & ((*p == ' ') | (*p == '\t'));
    if (doubled) [[unlikely]]
      return Outcome::unsure;
  }
  return p == end ? Outcome::fits : misfit();
}

}  // namespace logtally::rules
