#include "rules/pattern.h"

#include <algorithm>
#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/characters.h"
#include "rules/pattern_search.h"

namespace logtally::rules {
namespace {

using Part = Pattern::Part;
using Step = Pattern::Step;

// One pass from left to right in which nothing is taken back, as nearly every fit is found. Where
// it fits, a backtracking matcher would have found the same; where it does not, it knows whether
// there was another way at all.
enum class Outcome : std::uint8_t { fits, fails, open };

// Roomy: kReadableBehindText bytes behind the text may be read.
template <bool roomy>
class Straight : Searcher<NoMeter> {
 public:
  Straight(std::string_view text, std::span<std::string_view> captures, const TimeLayout* layout,
           ShapedValues* shaped)
      : Searcher(text, NoMeter{}), captures_(captures), layout_(layout), shaped_(shaped) {}

  Outcome fit(const Step* step, const char* p) {
    bool later = false;    // a capture could have ended later than it did
    bool earlier = false;  // a blank could have ended earlier than it did, see split_fits
    const auto failed = [&] { return later || earlier ? Outcome::open : Outcome::fails; };
    const auto pass_blanks = [&](const Step& blank, const char* from) {
      if (from + 1 == end_ || !is_blank(from[1])) [[likely]]
        return from + 1;
      earlier = earlier || blank.may_split;
      return blanks_end(from + 1);
    };
    for (;; ++step) {
      const Step* const next = step + 1;
      switch (step->part) {
        case Part::literal:
          if (!begins_with(p, *step)) return failed();
          p += step->length;
          break;
        case Part::blank:
          if (p == end_ || !is_blank(*p)) return failed();
          p = pass_blanks(*step, p);
          break;
        case Part::word: {
          if (next->part == Part::blank) {
            const char* const to = end_of_word(p);
            if (to == end_ || !is_blank(*to)) return failed();
            take(*step, p, to);
            p = pass_blanks(*next, to);
            ++step;
            if (next[1].part != Part::literal) break;
            if (!begins_with(p, next[1])) return failed();
            p += next[1].length;
            ++step;
            break;
          }
          if (next->part == Part::literal && next[1].part != Part::end) {
            const char* const to = find_literal(p, *next);
            if (to == nullptr) return failed();
            later = true;
            take(*step, p, to);
            p = to + next->length;
            ++step;
            break;
          }
          const char* const run_end = end_of_word(p);
          const char* const to = next->part == Part::literal ? end_ - next->length : run_end;
          if (to < p || to > run_end || !ends_at(to, next)) return failed();
          take(*step, p, to);
          return Outcome::fits;
        }
        case Part::text:
          if (next->part == Part::end) {
            take(*step, p, end_);
            return Outcome::fits;
          }
          if (next->part == Part::literal) {
            const bool last = next[1].part == Part::end;
            const char* const to = last ? end_ - next->literal.size() : find(p, end_, *next);
            // What is not there from here on is not there from any later place on.
            if (to == nullptr || to < p || (last && !ends_at(to, next)))
              return earlier ? Outcome::open : Outcome::fails;
            take(*step, p, to);
            if (last) return Outcome::fits;
            p = to + next->literal.size();
          } else {
            const char* const to = find_blank(p, end_);
            if (to == nullptr) return earlier ? Outcome::open : Outcome::fails;
            take(*step, p, to);
            p = pass_blanks(*next, to);
          }
          later = true;
          ++step;
          break;
        case Part::time: {
          const std::string_view rest{p, static_cast<std::size_t>(end_ - p)};
          const std::optional<TimePrefix> prefix =
              layout_ != nullptr ? layout_->parse_prefix(rest) : parse_timestamp_prefix(rest);
          if (!prefix) return failed();
          if (shaped_ != nullptr) shaped_->time_ns = prefix->ns;
          take(*step, p, p + prefix->length);
          p += prefix->length;
          break;
        }
        case Part::level: {
          std::string_view word;
          const Level value = find_level(p, next->part == Part::literal, word, p);
          if (value == Level::none) return failed();
          if (shaped_ != nullptr) shaped_->level = value;
          take(*step, word.data(), word.data() + word.size());
          break;
        }
        case Part::end:
          return p == end_ ? Outcome::fits : failed();
      }
    }
  }

 private:
  bool begins_with(const char* p, const Step& step) const {
    if constexpr (!roomy) return starts_with(p, end_, step);
    if (end_ - p < static_cast<std::ptrdiff_t>(step.length)) return false;
    std::uint64_t bytes;
    std::memcpy(&bytes, p, sizeof bytes);
    if (((bytes ^ step.first_bytes) & step.first_mask) != 0) return false;
    return step.length <= sizeof bytes ||
           std::memcmp(p + sizeof bytes, step.literal.data() + sizeof bytes,
                       step.length - sizeof bytes) == 0;
  }

  void take(const Step& step, const char* from, const char* to) {
    if (step.output < 0) return;
    captures_[static_cast<std::size_t>(step.output)] = {from, static_cast<std::size_t>(to - from)};
  }

#if defined(__SSE2__)
  // A bit for each of the 64 bytes from `base_` on: it is a space (or a line break). What stands
  // behind the end does not matter.
  void look_at(const char* p) {
    base_ = p;
    spaces_ = 0;
    for (int i = 0; i < 4; ++i) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
      const __m128i from_tab = _mm_sub_epi8(bytes, _mm_set1_epi8('\t'));
      const __m128i control =
          _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8('\r' - '\t')), from_tab);
      const __m128i space = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')), control);
      spaces_ |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(space)))
                 << (16 * i);
    }
  }

  // As word_end().
  const char* end_of_word(const char* p) {
    if constexpr (!roomy) return word_end(p);
    while (p < end_) {
      if (static_cast<std::size_t>(p - base_) >= 64) look_at(p);
      const std::uint64_t ahead = spaces_ >> (p - base_);
      if (ahead != 0) return std::min(p + std::countr_zero(ahead), end_);
      p = base_ + 64;
    }
    return end_;
  }

  // As find_in_word().
  const char* find_literal(const char* p, const Step& step) {
    const char* ignored = nullptr;
    if constexpr (!roomy) return find_in_word(p, step, ignored);
    const char* const last = end_of_word(p);  // the literal may begin there at most
    const __m128i first = _mm_set1_epi8(step.literal.front());
    for (; p <= last; p += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      auto found = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, first)));
      for (; found != 0; found &= found - 1) {
        const char* const at = p + std::countr_zero(found);
        if (at > last) return nullptr;
        if (begins_with(at, step)) return at;
      }
    }
    return nullptr;
  }

  const char* base_ = nullptr;  // nothing has been looked at: no place of the text is near it
  std::uint64_t spaces_ = 0;
#else
  const char* end_of_word(const char* p) { return word_end(p); }
  const char* find_literal(const char* p, const Step& step) {
    const char* ignored = nullptr;
    return find_in_word(p, step, ignored);
  }
#endif

  std::span<std::string_view> captures_;
  const TimeLayout* layout_;
  ShapedValues* shaped_;
};

// Backtracking that never tries a part twice where it has failed. Three facts bound it:
//   text   `<a...>` that fails from p fails from every later position as well: what it could take
//   from there, it could take
//          from p. So each position is tried at most once as the end of each text.
//   word   the same within one run of non-blanks: the run in which it failed last is remembered.
//   blank  takes the whole run. Less of it can only help where the capture behind it is then empty
//   and the next blank goes on
//          in the same run (a "split"); leaving out one byte is as good as leaving out more. What
//          failed is remembered by run. Since the end of the last text, the number of splits says
//          which run a blank is at, so one run for each number is enough.
template <class Meter>
class Fitter : Searcher<Meter> {
  using Base = Searcher<Meter>;
  using Base::begin_, Base::end_, Base::meter_;
  using Base::blanks_end, Base::find_level;
  using Base::ends_at, Base::word_end, Base::find_blank, Base::find, Base::find_in_word;

 public:
  Fitter(std::string_view text, std::size_t slots, std::span<std::string_view> captures,
         const TimeLayout* layout, ShapedValues* shaped, Meter meter)
      : Base(text, meter), captures_(captures), layout_(layout), shaped_(shaped) {
    for (std::size_t i = 0; i < slots; ++i) failed_[i] = {};
  }

  // Do the steps fit from p to the end of the text? `splits`: since the last text.
  bool fits(const Step* step, const char* p, unsigned splits = 0) {
    for (;; ++step) {
      meter_.add(1);
      switch (step->part) {
        case Part::literal:
          if (!starts_with(p, end_, *step)) return false;
          p += step->literal.size();
          break;
        case Part::blank: {
          const char* const after = blanks_end(p);
          if (after == p) return false;
          if (step->may_split) return split_fits(step, p, after, splits);
          p = after;
          break;
        }
        case Part::word:
          return word_fits(step, p, splits);
        case Part::text:
          return text_fits(step, p);
        case Part::time:
          return time_fits(step, p, splits);
        case Part::level:
          return level_fits(step, p, splits);
        case Part::end:
          return p == end_;
      }
    }
  }

 private:
  // What a step cannot fit from: positions in [from, to]. Nothing while from is null.
  struct Failed {
    const char* from;
    const char* to;
    bool holds(const char* p) const { return from != nullptr && p >= from && p <= to; }
  };

  bool take(const Step* step, const char* from, const char* to) {
    if (step->output >= 0) {
      captures_[static_cast<std::size_t>(step->output)] = {from,
                                                           static_cast<std::size_t>(to - from)};
    }
    return true;
  }

  bool split_fits(const Step* blank, const char* p, const char* after, unsigned splits) {
    const bool known = (split_rows_ >> blank->slot & 1) != 0;
    if (known && failed_splits_[blank->slot][splits].holds(p)) return false;
    if (fits(blank + 1, after, splits)) return true;
    if (after - p > 1 && fits(blank + 2, p + 1, splits + 1)) return take(blank + 1, p + 1, p + 1);
    remember_split(blank->slot, splits, {p, after});
    return false;
  }

  void remember_split(std::size_t slot, unsigned splits, Failed failed) {
    if ((split_rows_ >> slot & 1) == 0) {
      for (Failed& other : failed_splits_[slot]) other = {nullptr, nullptr};
      split_rows_ |= std::uint32_t{1} << slot;
    }
    failed_splits_[slot][splits] = failed;
  }

  bool word_fits(const Step* word, const char* p, unsigned splits) {
    Failed& failed = failed_[word->slot];
    if (failed.holds(p)) return false;
    const Step* next = word + 1;
    const char* run_end = nullptr;
    if (next->part == Part::literal && next[1].part != Part::end) {
      for (const char* q = p; const char* at = find_in_word(q, *next, run_end); q = at + 1) {
        if (fits(next + 1, at + next->literal.size(), splits)) return take(word, p, at);
      }
    } else {
      run_end = word_end(p);
      const char* to = next->part == Part::literal ? end_ - next->literal.size() : run_end;
      const bool last = next->part != Part::blank;
      const bool possible = p <= to && to <= run_end && (!last || ends_at(to, next));
      if (possible && (last || fits(next, to, splits))) return take(word, p, to);
    }
    failed = {p, run_end};
    return false;
  }

  bool text_fits(const Step* text, const char* p) {
    Failed& failed = failed_[text->slot];
    if (failed.holds(p)) return false;
    const Step* next = text + 1;
    const char* const limit =
        failed.from != nullptr ? failed.from : end_;  // ends from here on have been tried
    if (next->part == Part::end) return take(text, p, end_);
    if (next->part == Part::literal && next[1].part == Part::end) {
      const char* to = end_ - next->literal.size();
      if (to >= p && ends_at(to, next)) return take(text, p, to);
    } else if (next->part == Part::literal) {
      for (const char* q = p; const char* at = find(q, limit, *next); q = at + 1) {
        if (fits(next + 1, at + next->literal.size())) return take(text, p, at);
      }
    } else {
      for (const char* at = find_blank(p, limit); at != nullptr; at = find_blank(at, limit)) {
        if (fits(next, at)) return take(text, p, at);
        while (at < end_ && is_blank(*at)) ++at;
      }
    }
    failed = {p, end_};
    return false;
  }

  bool time_fits(const Step* time, const char* p, unsigned splits) {
    const std::string_view rest{p, static_cast<std::size_t>(end_ - p)};
    const std::optional<TimePrefix> prefix =
        layout_ != nullptr ? layout_->parse_prefix(rest) : parse_timestamp_prefix(rest);
    if (!prefix || !fits(time + 1, p + prefix->length, splits)) return false;
    if (shaped_ != nullptr) shaped_->time_ns = prefix->ns;
    return take(time, p, p + prefix->length);
  }

  bool level_fits(const Step* level, const char* p, unsigned splits) {
    std::string_view word;
    const char* after = nullptr;
    const Level value = find_level(p, level[1].part == Part::literal, word, after);
    if (value == Level::none) return false;
    if (!fits(level + 1, after, splits)) return false;
    if (shaped_ != nullptr) shaped_->level = value;
    return take(level, word.data(), word.data() + word.size());
  }

  std::span<std::string_view> captures_;
  const TimeLayout* layout_;
  ShapedValues* shaped_;
  std::uint32_t split_rows_ = 0;  // rows of failed_splits_ that are initialised
  Failed failed_[Pattern::kMaxCaptures];
  Failed failed_splits_[Pattern::kMaxCaptures][Pattern::kMaxCaptures];
};

}  // namespace

template <bool roomy>
bool Pattern::fit_steps(const Step* step, const char* p, std::string_view text,
                        std::span<std::string_view> captures, ShapedValues* shaped) const {
  const TimeLayout* const layout = layout_ ? &*layout_ : nullptr;
  const Outcome outcome = Straight<roomy>(text, captures, layout, shaped).fit(step, p);
  if (outcome != Outcome::open) return outcome == Outcome::fits;
  return Fitter<NoMeter>(text, slots_, captures, layout, shaped, NoMeter{}).fits(step, p);
}

bool Pattern::match_behind_time(std::string_view text, const TimePrefix& time,
                                std::span<std::string_view> captures, ShapedValues& shaped) const {
  if (text.size() < minimum_length_) return false;
  const Step& first = steps_.front();
  if (!fit_steps<false>(&first + 1, text.data() + time.length, text, captures, &shaped))
    return false;
  shaped.time_ns = time.ns;
  if (first.output >= 0)
    captures[static_cast<std::size_t>(first.output)] = text.substr(0, time.length);
  return true;
}

bool Pattern::fit(std::string_view text, std::span<std::string_view> captures,
                  ShapedValues* shaped) const {
  const Start start = find_start(text);
  return start.step != nullptr && fit_steps<false>(start.step, start.p, text, captures, shaped);
}

bool Pattern::fit_roomy(std::string_view text, std::span<std::string_view> captures) const {
  const Start start = find_start(text);
  return start.step != nullptr && fit_steps<true>(start.step, start.p, text, captures, nullptr);
}

Pattern::Start Pattern::find_start(std::string_view text) const {
  if (text.size() >= head_.size() && std::memcmp(text.data(), head_.data(), head_.size()) == 0)
      [[likely]]
    return {steps_.data() + after_head_, text.data() + head_.size()};
  // Only a blank in it could be longer in the text.
  if (head_.size() == literal_prefix_.size()) return {};
  return {steps_.data(), text.data()};
}

bool Pattern::match_counting(std::string_view text, std::span<std::string_view> captures,
                             std::uint64_t& steps) const {
  steps = 0;
  if (!may_match(text)) return false;
  Fitter<StepMeter> fitter(text, slots_, captures, layout_ ? &*layout_ : nullptr, nullptr,
                           StepMeter{steps});
  return fitter.fits(steps_.data(), text.data());
}

bool is_no_value_closely(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  switch (text.size()) {
    case 0:
      return true;
    case 1:
      return text[0] == '?';
    case 3:
      return text == "n/a";
    case 4:
      return text == "None" || text == "null";
    default:
      return false;
  }
}

}  // namespace logtally::rules
