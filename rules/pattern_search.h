// Searching in a text that a pattern is fitted to; pattern.cc alone needs it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/characters.h"
#include "rules/pattern.h"

namespace logtally::rules {

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
inline bool starts_with(const char* p, const char* end, const Pattern::Step& step) {
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
  bool ends_at(const char* at, const Pattern::Step* last) const {
    return last->part == Pattern::Part::end ? at == end_ : starts_with(at, end_, *last);
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
  const char* find(const char* p, const char* limit, const Pattern::Step& step) {
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
  const char* find_in_word(const char* p, const Pattern::Step& step, const char*& run_end) {
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

}  // namespace logtally::rules
