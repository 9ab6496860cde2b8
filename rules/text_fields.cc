#include "rules/text_fields.h"

#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "rules/pattern.h"

namespace logtally::rules {
namespace {

// --- bytes ---

enum ByteClass : std::uint8_t {
  kBlank = 1,
  kKey = 2,       // of a key of a pair: [\w.@-], bytes beyond ASCII too
  kAtom = 4,      // of a Python name or number: [\w.+-|]
  kOpening = 8,   // may begin something that spans blanks: quotes and brackets
  kNameChar = 16  // \w
};

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t c = 0; c < 256; ++c) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '_' || c >= 0x80;
    if (word) classes[c] = kKey | kAtom | kNameChar;
  }
  for (const char c : {' ', '\t', '\n', '\r'}) classes[static_cast<unsigned char>(c)] = kBlank;
  for (const char c : {'.', '-'}) classes[static_cast<unsigned char>(c)] = kKey | kAtom;
  for (const char c : {'+', '|'}) classes[static_cast<unsigned char>(c)] = kAtom;
  classes['@'] = kKey;
  for (const char c : {'\'', '"', '(', '[', '{', '<'}) {
    classes[static_cast<unsigned char>(c)] = kOpening;
  }
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

bool is(char c, std::uint8_t classes) { return kClasses[static_cast<unsigned char>(c)] & classes; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view view(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is(text.front(), kBlank)) text.remove_prefix(1);
  while (!text.empty() && is(text.back(), kBlank)) text.remove_suffix(1);
  return text;
}

// --- scalars ---

// As JSON writes numbers, which is how repr() does.
bool is_number(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  const auto digits = [&] {
    const char* const begin = p;
    while (p != end && is_digit(*p)) ++p;
    return p != begin;
  };
  if (p != end && *p == '-') ++p;
  const char* const integer = p;
  if (!digits() || (*integer == '0' && p - integer > 1)) return false;
  if (p != end && *p == '.') {
    ++p;
    if (!digits()) return false;
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return false;
  }
  return p == end;
}

bool is_not_finite(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text == "inf" || text == "nan" || text == "NaN" || text == "Infinity";
}

Token token(TokenKind kind, std::string_view text) {
  return {text.data(), static_cast<std::uint32_t>(text.size()), kind, false};
}

// A bare word as Python means it; what it does not know is text.
Token python_word(std::string_view text) {
  switch (text.empty() ? '\0' : text.front()) {
    case 'T':
      if (text == "True") return token(TokenKind::boolean_true, text);
      break;
    case 'F':
      if (text == "False") return token(TokenKind::boolean_false, text);
      break;
    case 'N':
      if (text == "None") return token(TokenKind::null, text);
      if (text == "NaN") return token(TokenKind::not_finite, text);
      break;
    case 'i':
    case 'n':
    case 'I':
      if (is_not_finite(text)) return token(TokenKind::not_finite, text);
      break;
    default:
      if (is_number(text)) return token(TokenKind::number, text);
      if (text.starts_with('-') && is_not_finite(text)) return token(TokenKind::not_finite, text);
      break;
  }
  return token(TokenKind::string, text);
}

// What is left of bare words in a repr: constants (`Ellipsis`, `Color.RED`) and complex numbers.
// Not `true` or `01`, which would make a dict of broken JSON.
bool is_name(std::string_view text) {
  if (text.empty()) return false;
  if (is_digit(text.front()) || text.front() == '-') return text.back() == 'j';
  return (text.front() >= 'A' && text.front() <= 'Z') || text.find('.') != text.npos;
}

// The same in pairs, where logfmt's words count too.
Token pair_word(std::string_view text) {
  if (is_no_value(text)) return token(TokenKind::null, text);
  if (text == "true") return token(TokenKind::boolean_true, text);
  if (text == "false") return token(TokenKind::boolean_false, text);
  return python_word(text);
}

// --- quoted text ---

// The first of the two bytes at or behind `p`, or `end`; reads up to 7 bytes behind it.
const char* find_either(const char* p, const char* end, char a, char b) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  const std::uint64_t as = kOnes * static_cast<unsigned char>(a);
  const std::uint64_t bs = kOnes * static_cast<unsigned char>(b);
  for (; p < end; p += 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, p, sizeof bytes);
    const std::uint64_t x = bytes ^ as;
    const std::uint64_t y = bytes ^ bs;
    // The lowest mark is exact, those above it need not be.
    const std::uint64_t marks = (((x - kOnes) & ~x) | ((y - kOnes) & ~y)) & kHighs;
    if (marks != 0) {
      p += std::countr_zero(marks) / 8;
      return p < end ? p : end;
    }
  }
  return end;
}

// `p` is at the quote; moves it behind the closing one. The token is without the quotes, escapes
// unresolved.
bool quoted(const char*& p, const char* end, Token& out) {
  const char quote = *p;
  const char* const begin = p + 1;
  bool escaped = false;
  const char* q = begin;
  for (;;) {
    q = find_either(q, end, quote, '\\');
    if (q == end) return false;
    if (*q == quote) break;
    escaped = true;
    if (end - q < 2) return false;
    q += 2;
  }
  out = token(TokenKind::string, view(begin, q));
  out.escaped = escaped;
  p = q + 1;
  return true;
}

// Reads exactly `count` hexadecimal digits.
std::optional<std::uint32_t> hex(const char* p, const char* end, int count) {
  if (end - p < count) return std::nullopt;
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) {
    const char c = p[i];
    std::uint32_t digit = 0;
    if (is_digit(c)) {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return value;
}

bool is_surrogate(std::uint32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

char* put_utf8(std::uint32_t code, char* out) {
  const auto put = [&](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
  if (is_surrogate(code) || code > 0x10FFFF) code = 0xFFFD;
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return out;
}

// Resolves the escape at `p` (a backslash, and one byte at least follows) into `out`, which never
// takes more bytes than `p` passes. An escape that nobody knows stays as it is.
const char* put_escape(const char* p, const char* end, char*& out) {
  switch (p[1]) {
    case 'n':
      *out++ = '\n';
      return p + 2;
    case 't':
      *out++ = '\t';
      return p + 2;
    case 'r':
      *out++ = '\r';
      return p + 2;
    case 'a':
      *out++ = '\a';
      return p + 2;
    case 'b':
      *out++ = '\b';
      return p + 2;
    case 'f':
      *out++ = '\f';
      return p + 2;
    case 'v':
      *out++ = '\v';
      return p + 2;
    case '\\':
    case '\'':
    case '"':
    case '/':
      *out++ = p[1];
      return p + 2;
    case 'x':
    case 'u':
    case 'U': {
      const int digits = p[1] == 'x' ? 2 : p[1] == 'u' ? 4 : 8;
      const std::optional<std::uint32_t> code = hex(p + 2, end, digits);
      if (!code) break;
      const char* behind = p + 2 + digits;
      if (*code >= 0xD800 && *code <= 0xDBFF && end - behind >= 6 && behind[0] == '\\' &&
          behind[1] == 'u') {
        const std::optional<std::uint32_t> low = hex(behind + 2, end, 4);
        if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
          out = put_utf8(0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00), out);
          return behind + 6;
        }
      }
      out = put_utf8(*code, out);
      return behind;
    }
    default:
      break;
  }
  *out++ = p[0];
  *out++ = p[1];
  return p + 2;
}

// The text with its escapes resolved, at `out` (text.size() bytes); the place behind it.
char* unescape(std::string_view text, char* out) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    const auto* stop =
        static_cast<const char*>(std::memchr(p, '\\', static_cast<std::size_t>(end - p)));
    if (stop == nullptr) stop = end;
    const auto size = static_cast<std::size_t>(stop - p);
    std::memcpy(out, p, size);
    out += size;
    p = stop;
    if (p != end) p = end - p < 2 ? (*out++ = *p, end) : put_escape(p, end, out);
  }
  return out;
}

// --- Python literals and pairs ---

class Reader {
 public:
  Reader(std::string_view text, const KeyTable& keys, const JsonDecoder& json, Event& found,
         std::string& key)
      : p_(text.data()),
        end_(p_ + text.size()),
        keys_(keys),
        json_(json),
        found_(found),
        key_(key) {}

  bool python_dict() {
    Braces what = Braces::set;
    return braces(0, 0, what) && what == Braces::dict && p_ == end_;
  }

  bool pairs() {
    while (p_ != end_) {
      if (!pair()) return false;
      skip_blanks();
    }
    return true;
  }

 private:
  static constexpr SlotId kNowhere = KeyTable::kNowhere;
  enum class Braces : std::uint8_t { dict, set };

  void skip_blanks() {
    while (p_ != end_ && is(*p_, kBlank)) ++p_;
  }
  bool skip(char c) {
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }

  // A value comes to this node: what an equal key brought before is void.
  void begin_value(SlotId node) {
    if (node == kNowhere || !keys_.has_children(node)) return;
    for (const SlotId below : json_.below(node)) found_.erase(below);
  }
  void put(SlotId node, const Token& value) {
    if (node != kNowhere) found_.put(node, value);
  }

  // The node of a key that is a value itself.
  SlotId find(SlotId node, const Token& key) {
    if (node == kNowhere) return kNowhere;
    if (!key.escaped) return keys_.find(node, key.text());
    key_.resize(key.size);
    key_.resize(static_cast<std::size_t>(unescape(key.text(), key_.data()) - key_.data()));
    return keys_.find(node, key_);
  }

  // A value of any kind, for the slot of `node`.
  bool value(SlotId node, unsigned depth, Token& out) {
    if (p_ == end_) return false;
    const char* const begin = p_;
    switch (*p_) {
      case '\'':
      case '"':
        if (!quoted(p_, end_, out)) return false;
        begin_value(node);
        put(node, out);
        return true;
      case '{': {
        begin_value(node);
        Braces what = Braces::set;
        if (!braces(node, depth, what)) return false;
        out = token(what == Braces::dict ? TokenKind::object : TokenKind::array, view(begin, p_));
        put(node, out);
        return true;
      }
      case '[':
      case '(':
        if (!sequence(*p_ == '[' ? ']' : ')', depth)) return false;
        out = token(TokenKind::array, view(begin, p_));
        break;
      default:
        while (p_ != end_ && is(*p_, kAtom)) ++p_;
        if (p_ != end_ && is(*p_, kOpening)) {
          if (!balanced()) return false;
          out = token(TokenKind::string, view(begin, p_));
        } else {
          out = python_word(view(begin, p_));
          if (out.kind == TokenKind::string && !is_name(out.text())) return false;
        }
        break;
    }
    begin_value(node);
    put(node, out);
    return true;
  }

  // `p_` is at a `{`: a dict, whose entries go below `node`, or a set.
  bool braces(SlotId node, unsigned depth, Braces& what) {
    if (depth == TextFields::kMaxDepth) return false;
    ++p_;
    skip_blanks();
    what = Braces::dict;
    if (skip('}')) return true;
    for (bool first = true;; first = false) {
      Token key;
      if (!value(kNowhere, depth + 1, key)) return false;
      const bool quoted_key = key.data[-1] == '\'' || key.data[-1] == '"';
      skip_blanks();
      if (first && p_ != end_ && *p_ != ':') what = Braces::set;
      if (what == Braces::dict) {
        // `{a: 1}` is no repr: a bare word is none of Python's constants.
        if (key.kind == TokenKind::string && !quoted_key && bare_word(key)) return false;
        if (!skip(':')) return false;
        skip_blanks();
        Token item;
        if (!value(find(node, key), depth + 1, item)) return false;
        skip_blanks();
      }
      if (skip('}')) return true;
      if (!skip(',')) return false;
      skip_blanks();
    }
  }

  static bool bare_word(const Token& key) {
    for (const char c : key.text()) {
      if (!is(c, kAtom)) return false;
    }
    return true;
  }

  bool sequence(char close, unsigned depth) {
    if (depth == TextFields::kMaxDepth) return false;
    ++p_;
    skip_blanks();
    while (!skip(close)) {
      Token item;
      if (!value(kNowhere, depth + 1, item)) return false;
      skip_blanks();
      if (skip(',')) {
        skip_blanks();
      } else if (p_ == end_ || *p_ != close) {
        return false;
      }
    }
    return true;
  }

  // The rest of an object's repr, `p_` at its first quote or bracket: as far as the brackets are
  // closed again and a blank, a comma, a colon or a bracket of the container follows.
  bool balanced() {
    char closers[TextFields::kMaxDepth];
    std::size_t open = 0;
    for (; p_ != end_; ++p_) {
      const char c = *p_;
      char close = '\0';
      switch (c) {
        case '\'':
        case '"': {
          if (!opens_text()) break;  // an apostrophe
          Token ignored;
          if (!quoted(p_, end_, ignored)) return false;
          --p_;
          break;
        }
        case '(':
          close = ')';
          break;
        case '[':
          close = ']';
          break;
        case '{':
          close = '}';
          break;
        case '<':
          // Of `a < b` it is none.
          if (end_ - p_ > 1 && is(p_[1], kNameChar)) close = '>';
          break;
        case '>':
          if (open != 0 && closers[open - 1] == '>' && p_[-1] != '-' && p_[-1] != '=') --open;
          break;
        case ')':
        case ']':
        case '}':
          if (open == 0) return true;
          if (closers[--open] != c) return false;
          break;
        default:
          if (open == 0 && !is(c, kAtom)) return is(c, kBlank) || c == ',' || c == ':';
          break;
      }
      if (close != '\0') {
        if (open == TextFields::kMaxDepth) return false;
        closers[open++] = close;
      }
    }
    return open == 0;
  }

  // Whether the quote at `p_`, within an object's repr, opens a text: `x='...'`, `b'...'`, not
  // `don't`. No value begins the text, so two bytes before are there.
  bool opens_text() const {
    if (!is(p_[-1], kNameChar)) return true;
    return p_[-1] == 'b' && !is(p_[-2], kNameChar);
  }

  bool pair() {
    const char* const key = p_;
    while (p_ != end_ && is(*p_, kKey)) ++p_;
    if (p_ == key || p_ == end_ || *p_ != '=') return false;
    const SlotId node = find_dotted(view(key, p_));
    ++p_;

    const char* const begin = p_;
    if (p_ != end_ && (*p_ == '\'' || *p_ == '"')) {
      Token text;
      if (!quoted(p_, end_, text) || !at_blank()) return false;
      begin_value(node);
      put(node, text);
      return true;
    }
    bool opening = false;
    for (; p_ != end_ && !is(*p_, kBlank); ++p_) opening |= is(*p_, kOpening);
    const char* const word_end = p_;
    // Something bracketed may span blanks. Each attempt may look at all of the text, so only so
    // many may fail.
    if (opening && failures_ < kMaxFailures) {
      p_ = begin;
      Token whole;
      if (value(kNowhere, 0, whole) && at_blank()) {
        if (node != kNowhere && whole.kind == TokenKind::object && keys_.has_children(node)) {
          p_ = begin;
          return value(node, 0, whole);
        }
        begin_value(node);
        put(node, whole);
        return true;
      }
      ++failures_;
      p_ = word_end;
    }
    begin_value(node);
    put(node, pair_word(view(begin, word_end)));
    return true;
  }

  bool at_blank() const { return p_ == end_ || is(*p_, kBlank); }

  // `a.b`: the key of that name, else `b` in `a`.
  SlotId find_dotted(std::string_view key) const {
    SlotId node = keys_.find(0, key);
    if (node != kNowhere) return node;
    for (std::size_t dot = key.find('.'); dot != key.npos; dot = key.find('.')) {
      if (node = keys_.find(node == kNowhere ? SlotId{0} : node, key.substr(0, dot));
          node == kNowhere)
        return kNowhere;
      key.remove_prefix(dot + 1);
    }
    return node == kNowhere ? kNowhere : keys_.find(node, key);
  }

  static constexpr int kMaxFailures = 8;

  const char* p_;
  const char* const end_;
  const KeyTable& keys_;
  const JsonDecoder& json_;
  Event& found_;
  std::string& key_;
  int failures_ = 0;
};

std::uint64_t load(const char* p, std::size_t size) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, p, size);
  return bytes;
}

std::size_t hash(SlotId node, std::string_view key) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;
  std::uint64_t h = key.size() * 31 + node;
  const char* const p = key.data();
  const std::size_t n = key.size();
  // Overlapping loads of fixed sizes; keys longer than 16 are told apart by their ends, and by the
  // comparison.
  if (n >= 8) {
    h = (h ^ load(p, 8)) * kOdd;
    h ^= load(p + n - 8, 8);
  } else if (n >= 4) {
    h ^= load(p, 4) << 32 | load(p + n - 4, 4);
  } else if (n > 0) {
    h ^= static_cast<std::uint64_t>(static_cast<unsigned char>(p[0])) << 48 |
         static_cast<std::uint64_t>(static_cast<unsigned char>(p[n / 2])) << 40 |
         static_cast<std::uint64_t>(static_cast<unsigned char>(p[n - 1])) << 32;
  }
  h *= kOdd;
  return static_cast<std::size_t>(h ^ h >> 32);
}

}  // namespace

// --- the plan's keys ---

KeyTable::KeyTable(const FieldPlan& plan)
    : entries_(std::bit_ceil(plan.slot_count() * 2 + 2)), has_children_(plan.slot_count()) {
  const std::size_t mask = entries_.size() - 1;
  for (std::size_t node = 0; node < plan.slot_count(); ++node) {
    for (const auto& [key, child] : plan.node(node).children) {
      has_children_[node] = 1;
      std::size_t at = hash(static_cast<SlotId>(node), key) & mask;
      while (entries_[at].slot != kNoSlot) at = (at + 1) & mask;
      entries_[at] = {key.data(), static_cast<std::uint32_t>(key.size()), static_cast<SlotId>(node),
                      child};
    }
  }
}

SlotId KeyTable::find(SlotId node, std::string_view key) const {
  const std::size_t mask = entries_.size() - 1;
  for (std::size_t at = hash(node, key) & mask;; at = (at + 1) & mask) {
    const Entry& entry = entries_[at];
    if (entry.slot == kNoSlot) return kNowhere;
    if (entry.node == node && entry.size == key.size() &&
        std::memcmp(entry.key, key.data(), entry.size) == 0) {
      return entry.slot;
    }
  }
}

// --- TextFields ---

bool TextFields::parse(std::string_view text, Event& event, JsonDecoder& json, Scratch& scratch) {
  text = trim(text);
  if (text.empty()) return false;
  found_.clear();
  if (text.front() != '{') {
    if (!Reader(text, keys_, json, found_, key_).pairs()) return false;
    hand_over(event, Escapes::python, scratch);
    return true;
  }
  const std::size_t first = text.find_first_not_of(" \t\n\r", 1);
  if (first != text.npos && (text[first] == '"' || text[first] == '}') &&
      parse_json(text, json, scratch)) {
    hand_over(event, Escapes::json, scratch);
    return true;
  }
  found_.clear();
  if (!Reader(text, keys_, json, found_, key_).python_dict()) return false;
  hand_over(event, Escapes::python, scratch);
  return true;
}

bool TextFields::parse_json(std::string_view text, JsonDecoder& json, Scratch& scratch) {
  if (text.back() != '}') return false;
  const char* line = text.data();
  if (line[text.size()] != '\n') {
    char* const copy = scratch.allocate(text.size() + 1);
    std::memcpy(copy, line, text.size());
    copy[text.size()] = '\n';
    line = copy;
  }
  return json.decode(line, found_) == line + text.size() + 1;
}

void TextFields::hand_over(Event& event, Escapes escapes, Scratch& scratch) {
  const std::uint64_t* const present = found_.present();
  for (std::size_t word = 0; word < found_.words(); ++word) {
    std::uint64_t bits = present[word];
    if (word == 0) bits &= ~std::uint64_t{1};  // what nobody wants
    for (; bits != 0; bits &= bits - 1) {
      const auto slot =
          static_cast<SlotId>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
      Token found = found_.slot(slot);
      if (!found.present() && event.has(slot)) continue;
      if (found.escaped && escapes == Escapes::python) {
        char* const plain = scratch.allocate(found.size);
        found.size = static_cast<std::uint32_t>(unescape(found.text(), plain) - plain);
        found.data = plain;
        found.escaped = false;
      }
      event.put(slot, found);
    }
  }
}

}  // namespace logtally::rules
