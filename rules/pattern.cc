#include "rules/pattern.h"

#include <algorithm>
#include <bit>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace logtally::rules {
namespace {

using Part = Pattern::Part;
using Step = Pattern::Step;

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_alpha(c) || is_digit(c); }
bool is_capture(Part part) { return part >= Part::word && part <= Part::level; }

// ---- searching ----

// Sixteen bytes of a text that ends anywhere: never reads outside of it. Bit i of a mask is the
// byte base[i].
class Block {
 public:
  static constexpr int kSize = 16;

  // The bytes from p on (p < end); a block at the end begins earlier, and its masks leave the bytes
  // before p out.
  Block(const char* begin, const char* p, const char* end) : base(p) {
    if (end - p >= kSize) {
      load(p);
    } else if (end - begin >= kSize) {
      base = end - kSize;
      load(base);
      valid_ = 0xffffu << (p - base) & 0xffffu;
    } else {
      char bytes[kSize] = {};
      std::memcpy(bytes, p, static_cast<std::size_t>(end - p));
      load(bytes);
      valid_ = (1u << (end - p)) - 1;
    }
  }

  const char* base;

#if defined(__SSE2__)
  unsigned equal(char c) const { return valid_ & mask(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8(c))); }
  unsigned blanks() const {
    return valid_ & mask(_mm_or_si128(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8(' ')),
                                      _mm_cmpeq_epi8(bytes_, _mm_set1_epi8('\t'))));
  }
  unsigned spaces() const {
    const __m128i from_tab = _mm_sub_epi8(bytes_, _mm_set1_epi8('\t'));
    const __m128i control =
        _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8('\r' - '\t')), from_tab);
    return valid_ & mask(_mm_or_si128(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8(' ')), control));
  }

 private:
  static unsigned mask(__m128i v) { return static_cast<unsigned>(_mm_movemask_epi8(v)); }
  void load(const char* p) { bytes_ = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

  __m128i bytes_;
#else
  unsigned equal(char c) const {
    return mask([c](char b) { return b == c; });
  }
  unsigned blanks() const { return mask(is_blank); }
  unsigned spaces() const { return mask(is_space); }

 private:
  template <class Predicate>
  unsigned mask(Predicate holds) const {
    unsigned bits = 0;
    for (int i = 0; i < kSize; ++i) bits |= static_cast<unsigned>(holds(bytes_[i])) << i;
    return bits & valid_;
  }
  void load(const char* p) { std::memcpy(bytes_, p, kSize); }

  char bytes_[kSize];
#endif
  unsigned valid_ = 0xffff;
};

// The first eight bytes at once: most literals are not longer, and a call of memcmp would cost more
// than the comparison.
bool starts_with(const char* p, const char* end, const Step& step) {
  const std::size_t length = step.literal.size();
  if (static_cast<std::size_t>(end - p) < length) return false;
  if (end - p < static_cast<std::ptrdiff_t>(sizeof step.first_bytes)) {
    for (std::size_t i = 0; i < length; ++i) {
      if (p[i] != step.literal[i]) return false;
    }
    return true;
  }
  std::uint64_t bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  if (((bytes ^ step.first_bytes) & step.first_mask) != 0) return false;
  return length <= sizeof bytes || std::memcmp(p + sizeof bytes, step.literal.data() + sizeof bytes,
                                               length - sizeof bytes) == 0;
}

struct NoMeter {
  void add(std::ptrdiff_t) {}
};
struct StepMeter {
  std::uint64_t& steps;
  void add(std::ptrdiff_t n) { steps += static_cast<std::uint64_t>(n); }
};

// A text, and what is looked for in it.
template <class Meter>
class Searcher {
 protected:
  Searcher(std::string_view text, Meter meter)
      : begin_(text.data()), end_(text.data() + text.size()), meter_(meter) {}

  // Is `at` where the last literal (or nothing) ends the text?
  bool ends_at(const char* at, const Step* last) const {
    return last->part == Part::end ? at == end_ : starts_with(at, end_, *last);
  }

  const char* word_end(const char* p) {
    while (p < end_) {
      const Block block(begin_, p, end_);
      meter_.add(Block::kSize);
      if (const unsigned spaces = block.spaces()) return block.base + std::countr_zero(spaces);
      p = block.base + Block::kSize;
    }
    return end_;
  }

  const char* find_blank(const char* p, const char* limit) {
    const char* const stop = limit < end_ ? limit : end_;
    while (p < stop) {
      const Block block(begin_, p, stop);
      meter_.add(Block::kSize);
      if (const unsigned blanks = block.blanks()) return block.base + std::countr_zero(blanks);
      p = block.base + Block::kSize;
    }
    return nullptr;
  }

  // The first literal that begins in [p, limit).
  const char* find(const char* p, const char* limit, const Step& step) {
    const std::string& literal = step.literal;
    const auto length = static_cast<std::ptrdiff_t>(literal.size());
    if (end_ - p < length) return nullptr;
    const char* const stop = limit <= end_ - length ? limit : end_ - length + 1;
    const char first = literal.front();
    const char second = literal[literal.size() > 1 ? 1 : 0];
    while (p < stop) {
      const Block block(begin_, p, end_);
      meter_.add(Block::kSize);
      unsigned candidates = block.equal(first);
      if (length > 1) candidates &= block.equal(second) >> 1 | 0x8000u;
      for (; candidates != 0; candidates &= candidates - 1) {
        const char* at = block.base + std::countr_zero(candidates);
        if (at >= stop) return nullptr;
        if (starts_with(at, end_, step)) return at;
      }
      p = block.base + Block::kSize;
    }
    return nullptr;
  }

  // The first literal that begins in the word at p or right behind it; nullptr and the end of the
  // word if there is none.
  const char* find_in_word(const char* p, const Step& step, const char*& run_end) {
    const char first = step.literal.front();
    while (p < end_) {
      const Block block(begin_, p, end_);
      meter_.add(Block::kSize);
      const unsigned spaces = block.spaces();
      unsigned candidates =
          block.equal(first) & (spaces ^ (spaces - 1));  // as far as the first space
      for (; candidates != 0; candidates &= candidates - 1) {
        const char* at = block.base + std::countr_zero(candidates);
        if (starts_with(at, end_, step)) return at;
      }
      if (spaces != 0) {
        run_end = block.base + std::countr_zero(spaces);
        return nullptr;
      }
      p = block.base + Block::kSize;
    }
    run_end = end_;
    return nullptr;
  }

  // Where the run of blanks at p ends (p < end).
  const char* blanks_end(const char* p) {
    const char* after = p;
    while (after < end_ && is_blank(*after)) ++after;
    meter_.add(after - p);
    return after;
  }

  // The level word at p, and what of the text is the word, and where it goes on behind it: padding
  // within brackets belongs to the level, as does a colon before a blank. none: there is no level.
  Level find_level(const char* p, bool closed, std::string_view& word, const char*& after) {
    constexpr int kLongest = 16;
    while (closed && p < end_ && is_blank(*p)) ++p;
    const char* to = p;
    while (to < end_ && to - p < kLongest && is_name(*to)) ++to;
    word = {p, static_cast<std::size_t>(to - p)};
    const Level value = parse_level(word);
    if (value == Level::none) return value;
    after = to;
    if (closed) {
      while (after < end_ && is_blank(*after)) ++after;
    } else if (after < end_ && *after == ':') {
      ++after;
    }
    meter_.add(after - p);
    return value;
  }

  const char* begin_;
  const char* end_;
  [[no_unique_address]] Meter meter_;
};

// ---- fitting ----

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

// ---- compiling ----

struct Parsed {
  std::vector<Step> steps;
  std::vector<Capture> captures;
  std::size_t slots = 0;
};

struct WrittenCapture {
  std::string_view name;
  bool any_text = false;
  std::size_t length = 0;  // with both angle brackets
};

PatternFault fault(std::string text, std::size_t offset, std::size_t length) {
  return {std::move(text), offset, length};
}

bool starts_capture(std::string_view rest) {
  if (rest.size() < 2) return false;
  if (is_alpha(rest[1]) || rest[1] == '>') return true;
  if (rest.substr(1).starts_with("...")) return true;
  if (!is_digit(rest[1])) return false;
  std::size_t end = 1;  // `<3` is text, `<3rd>` is a bad name
  while (end < rest.size() && is_name(rest[end])) ++end;
  return end < rest.size() && rest[end] == '>';
}

std::variant<WrittenCapture, PatternFault> read_capture(std::string_view source, std::size_t at) {
  const std::size_t close = source.find_first_of("> \t", at);
  if (close == std::string_view::npos || source[close] != '>') {
    const std::size_t end = close == std::string_view::npos ? source.size() : close;
    return fault("this capture is not closed; a literal < before a name is written \\<", at,
                 end - at);
  }
  WrittenCapture capture{source.substr(at + 1, close - at - 1), false, close - at + 1};
  if (capture.name.ends_with("...")) {
    capture.any_text = true;
    capture.name.remove_suffix(3);
  }
  if (capture.name.empty()) {
    return fault(
        "a capture needs a name, or _ to drop what it captures; a literal < is written \\<", at,
        capture.length);
  }
  bool good = is_alpha(capture.name.front());
  for (const char c : capture.name) good = good && is_name(c);
  if (!good)
    return fault("a name has letters, digits and _ and begins with no digit", at + 1,
                 capture.name.size());
  return capture;
}

Part part_of(const WrittenCapture& capture, PatternUse use) {
  if (use == PatternUse::format && capture.name == "time") return Part::time;
  if (use == PatternUse::format && capture.name == "level") return Part::level;
  if (capture.any_text || capture.name == "message" || capture.name == "fields") return Part::text;
  return Part::word;
}

CaptureShape shape_of(Part part) {
  switch (part) {
    case Part::text:
      return CaptureShape::text;
    case Part::time:
      return CaptureShape::time;
    case Part::level:
      return CaptureShape::level;
    default:
      return CaptureShape::word;
  }
}

void append_literal(std::vector<Step>& steps, char c) {
  if (steps.empty() || steps.back().part != Part::literal) steps.push_back({.part = Part::literal});
  steps.back().literal += c;
}

// Backslashes in front of a `<` that starts a capture: each pair is one, a single one makes the `<`
// literal. Returns how many bytes of the source it has read.
std::size_t read_backslashes(std::string_view rest, std::vector<Step>& steps) {
  std::size_t count = 0;
  while (count < rest.size() && rest[count] == '\\') ++count;
  const bool before_capture = count < rest.size() && rest[count] == '<';
  const std::size_t written = before_capture ? count / 2 : count;
  for (std::size_t i = 0; i < written; ++i) append_literal(steps, '\\');
  if (!before_capture || count % 2 == 0) return count;
  append_literal(steps, '<');
  return count + 1;
}

std::optional<PatternFault> add_capture(const WrittenCapture& written, PatternUse use,
                                        std::size_t at, std::size_t previous, Parsed& parsed) {
  if (!parsed.steps.empty() && is_capture(parsed.steps.back().part)) {
    return fault("two captures side by side: nothing says where the first ends", previous,
                 at + written.length - previous);
  }
  if (parsed.slots == Pattern::kMaxCaptures)
    return fault("more than 32 captures", at, written.length);
  Step step{.part = part_of(written, use), .slot = static_cast<std::uint8_t>(parsed.slots++)};
  if (written.name != "_") {
    for (const Capture& other : parsed.captures) {
      if (other.name == written.name)
        return fault("captured twice: " + other.name, at, written.length);
    }
    step.output = static_cast<std::int8_t>(parsed.captures.size());
    parsed.captures.push_back({std::string(written.name), shape_of(step.part)});
  }
  parsed.steps.push_back(std::move(step));
  return std::nullopt;
}

std::variant<Parsed, PatternFault> parse(std::string_view source, PatternUse use) {
  Parsed parsed;
  std::size_t previous = 0;  // where the last capture begins
  for (std::size_t i = 0; i < source.size();) {
    const char c = source[i];
    if (is_blank(c)) {
      if (parsed.steps.empty() || parsed.steps.back().part != Part::blank)
        parsed.steps.push_back({.part = Part::blank});
      ++i;
    } else if (c == '\\') {
      i += read_backslashes(source.substr(i), parsed.steps);
    } else if (c == '<' && starts_capture(source.substr(i))) {
      auto read = read_capture(source, i);
      if (auto* bad = std::get_if<PatternFault>(&read)) return std::move(*bad);
      const WrittenCapture& written = std::get<WrittenCapture>(read);
      if (auto bad = add_capture(written, use, i, previous, parsed)) return std::move(*bad);
      previous = i;
      i += written.length;
    } else {
      append_literal(parsed.steps, c);
      ++i;
    }
  }
  parsed.steps.push_back({.part = Part::end});
  return parsed;
}

// What the fitter needs to know about a step beforehand.
void link(std::vector<Step>& steps) {
  for (Step& step : steps) {
    step.length = static_cast<std::uint32_t>(step.literal.size());
    const std::size_t first = std::min(step.literal.size(), sizeof step.first_bytes);
    std::memcpy(&step.first_bytes, step.literal.data(), first);
    std::memset(&step.first_mask, 0xff, first);
  }
  for (std::size_t i = 0; i + 2 < steps.size(); ++i) {
    const Part capture = steps[i + 1].part;
    const bool may_be_empty = capture == Part::word || capture == Part::text;
    if (steps[i].part == Part::blank && may_be_empty && steps[i + 2].part == Part::blank) {
      steps[i].may_split = true;
      steps[i].slot = steps[i + 1].slot;
    }
  }
}

SwiftSteps swift_of(const std::vector<Step>& steps) {
  std::string head;
  std::vector<SwiftSteps::Piece> pieces;
  for (const Step& step : steps) {
    std::string& literal = pieces.empty() ? head : pieces.back().literal;
    switch (step.part) {
      case Part::literal:
        literal += step.literal;
        break;
      case Part::blank:
        literal += ' ';
        break;
      case Part::word:
      case Part::text:
        pieces.push_back({.output = step.output, .any_text = step.part == Part::text});
        break;
      case Part::time:
      case Part::level:
        return {};
      case Part::end:
        break;
    }
  }
  return {head, pieces};
}

std::size_t count_header_blanks(const std::vector<Step>& steps) {
  const std::size_t size = steps.size();  // time ... blank text end
  if (size < 4 || steps.front().part != Part::time || steps[size - 2].part != Part::text ||
      steps[size - 2].output < 0 || steps[size - 3].part != Part::blank)
    return 0;
  std::size_t blanks = 0;
  for (std::size_t i = 1; i < size - 2; ++i) {
    const bool padded = steps[i].part == Part::level && steps[i + 1].part == Part::literal;
    if (steps[i].part == Part::text || steps[i].part == Part::time || padded) return 0;
    blanks += steps[i].part == Part::blank;
  }
  return blanks;
}

}  // namespace

std::variant<Pattern, PatternFault> Pattern::compile(std::string_view source, PatternUse use,
                                                     std::optional<TimeLayout> layout) {
  if (source.find_first_not_of(" \t") == std::string_view::npos)
    return fault("an empty pattern fits nothing", 0, source.size());
  auto parse_result = parse(source, use);
  if (auto* bad = std::get_if<PatternFault>(&parse_result)) return std::move(*bad);
  Parsed& parsed = std::get<Parsed>(parse_result);
  link(parsed.steps);

  Pattern pattern;
  pattern.source_ = source;
  pattern.captures_ = std::move(parsed.captures);
  pattern.layout_ = std::move(layout);
  pattern.slots_ = parsed.slots;
  bool in_head = true;
  for (std::size_t i = 0; i < parsed.steps.size(); ++i) {
    const Step& step = parsed.steps[i];
    pattern.literal_bytes_ += step.part == Part::blank ? 1 : step.literal.size();
    if (step.literal.size() > pattern.required_literal_.size())
      pattern.required_literal_ = step.literal;
    in_head = in_head && (step.part == Part::literal || step.part == Part::blank);
    if (!in_head) continue;
    pattern.usual_prefix_ += step.part == Part::blank ? " " : step.literal;
    if (step.part == Part::literal) {
      pattern.head_ = pattern.usual_prefix_;
      pattern.after_head_ = i + 1;
    }
  }
  pattern.minimum_length_ = pattern.literal_bytes_;
  if (!pattern.layout_) pattern.header_blanks_ = count_header_blanks(parsed.steps);
  pattern.literal_prefix_ = parsed.steps.front().literal;
  if (parsed.steps.size() > 1)
    pattern.literal_suffix_ = parsed.steps[parsed.steps.size() - 2].literal;
  pattern.first_bytes_ = parsed.steps.front().first_bytes;
  pattern.first_mask_ = parsed.steps.front().first_mask;
  if (use == PatternUse::message) pattern.swift_ = swift_of(parsed.steps);
  pattern.steps_ = std::move(parsed.steps);
  return pattern;
}

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
