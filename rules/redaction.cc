#include "rules/redaction.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <re2/filtered_re2.h>
#include <re2/re2.h>

namespace logtally::rules {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kBlock = 16 * 1024;  // scanned ahead: it is still in the nearest cache after
constexpr int kGroups = 10;

bool alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool blank(char c) { return c == ' ' || c == '\t'; }

void pad(std::string& text) { text.append(kReadableBehindLine + 1, '\0'); }

// The text of a JSON string, between its quotes.
void escape_json(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
}

// Where the string that begins behind `open` ends: the place of its closing quote.
std::size_t closing_quote(std::string_view text, std::size_t open, char quote) {
  for (std::size_t i = open + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      return i;
    }
  }
  return std::string_view::npos;
}

bool in_number(char c) { return alnum(c) || c == '-' || c == '+' || c == '.'; }

// Where the value that begins at `at` ends: a string, a container with all that is in it, or what
// goes on to the next separator.
std::size_t value_end(std::string_view text, std::size_t at) {
  if (at >= text.size()) return at;
  if (text[at] == '"' || text[at] == '\'') {
    const std::size_t close = closing_quote(text, at, text[at]);
    return close == std::string_view::npos ? text.size() : close + 1;
  }
  if (text[at] == '{' || text[at] == '[' || text[at] == '(') {
    std::size_t depth = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '"' || c == '\'') {
        i = closing_quote(text, i, c);
        if (i == std::string_view::npos) return text.size();
      } else if (c == '{' || c == '[' || c == '(') {
        ++depth;
      } else if ((c == '}' || c == ']' || c == ')') && --depth == 0) {
        return i + 1;
      }
    }
    return text.size();
  }
  constexpr std::string_view kEnds = " \t\r\n,;&)}]\"'";
  return std::min(text.find_first_of(kEnds, at), text.size());
}

bool is_number(std::string_view text) {
  static const re2::RE2 number(R"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)");
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), number);
}

std::uint64_t rotate(std::uint64_t x, int by) { return x << by | x >> (64 - by); }

struct Sip {
  std::uint64_t a;
  std::uint64_t b;
  std::uint64_t c;
  std::uint64_t d;
  void round() {
    a += b;
    b = rotate(b, 13) ^ a;
    a = rotate(a, 32);
    c += d;
    d = rotate(d, 16) ^ c;
    a += d;
    d = rotate(d, 21) ^ a;
    c += b;
    b = rotate(b, 17) ^ c;
    c = rotate(c, 32);
  }
};

std::uint64_t siphash(std::string_view text) {
  // "somepseudorandomlygeneratedbytes", with a key of zeros.
  Sip s{0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573};
  const auto add = [&](std::uint64_t word) {
    s.d ^= word;
    s.round();
    s.round();
    s.a ^= word;
  };
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    for (std::size_t k = 8; k-- > 0;) word = word << 8 | static_cast<unsigned char>(text[i + k]);
    add(word);
  }
  std::uint64_t last = static_cast<std::uint64_t>(text.size()) << 56;
  for (std::size_t k = 0; i + k < text.size(); ++k)
    last |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i + k])) << (8 * k);
  add(last);
  s.c ^= 0xFF;
  for (int k = 0; k < 4; ++k) s.round();
  return s.a ^ s.b ^ s.c ^ s.d;
}

// The longest piece of a required text that stands in JSON as it is: what may be escaped there
// (`/`, quotes, what is no ASCII) splits it.
std::string plain_piece(std::string_view atom) {
  std::string_view best;
  for (std::size_t begin = 0; begin < atom.size();) {
    std::size_t end = begin;
    const auto plain = [](char c) {
      return c >= ' ' && c < 0x7F && c != '"' && c != '\\' && c != '/';
    };
    while (end < atom.size() && plain(atom[end])) ++end;
    const std::string_view piece = atom.substr(begin, std::min<std::size_t>(end - begin, 64));
    if (NeedleScan::usable(piece) && piece.size() > best.size()) best = piece;
    begin = end + 1;
  }
  return std::string(best);
}

}  // namespace

std::string redaction_hash(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const std::uint64_t hash = siphash(text);
  std::string out;
  for (int i = 0; i < 12; ++i) out += kHex[hash >> (60 - 4 * i) & 15];
  return out;
}

std::vector<std::string> required_needles(const std::string& regex) {
  re2::FilteredRE2 filter(3);
  re2::RE2::Options options;
  options.set_log_errors(false);
  int id = 0;
  if (filter.Add(regex, options, &id) != re2::RE2::NoError) return {};
  std::vector<std::string> atoms;
  filter.Compile(&atoms);
  // The regex needs a combination of the atoms. Enough is a set without all of which there is no
  // such combination; the fewer and the longer its members, the better.
  std::vector<std::string> needles;
  std::vector<bool> needed(atoms.size(), true);
  const auto enough = [&] {
    std::vector<int> others;
    for (std::size_t i = 0; i < atoms.size(); ++i) {
      if (!needed[i]) others.push_back(static_cast<int>(i));
    }
    std::vector<int> potential;
    filter.AllPotentials(others, &potential);
    return potential.empty();
  };
  if (atoms.empty() || atoms.size() > 64 || !enough()) return {};
  std::vector<std::size_t> order(atoms.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<std::string> pieces;
  for (const std::string& atom : atoms) pieces.push_back(plain_piece(atom));
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return pieces[a].size() < pieces[b].size();
  });
  for (const std::size_t i : order) {
    needed[i] = false;
    if (!enough()) needed[i] = true;
  }
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    if (!needed[i]) continue;
    if (pieces[i].empty()) return {};
    needles.push_back(pieces[i]);
  }
  return needles;
}

// ---------------------------------------------------------------- Redactions

Redactions::Redactions(std::vector<Redaction> all) : all_(std::move(all)) {
  std::stable_partition(all_.begin(), all_.end(), [](const Redaction& redaction) {
    return redaction.kind == Redaction::Kind::field;
  });
  std::vector<Needle> needles;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const Redaction& redaction = all_[i];
    const auto owner = static_cast<std::uint8_t>(i);
    const auto bit = std::uint64_t{1} << i;
    if (redaction.kind == Redaction::Kind::shape) {
      if (redaction.shape->scan != ShapeScan::needles) {
        scans_shapes_ = true;
        continue;
      }
      for (const SecretShape::Anchor& anchor : redaction.shape->anchors)
        needles.push_back({std::string(anchor.text), owner, anchor.check, anchor.place});
      continue;
    }
    std::vector<std::string> texts;
    if (redaction.kind == Redaction::Kind::regex) {
      texts = required_needles(redaction.regex->pattern());
    } else {
      std::string name = redaction.field.back();
      const bool plain = plain_piece(name) == name;
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      for (const char behind : {'"', '\'', '=', '\\'}) {
        if (plain) texts.push_back(name + behind);
      }
    }
    if (texts.empty()) always_ |= bit;
    for (std::string& text : texts) needles.push_back({std::move(text), owner, nullptr, {}});
  }
  if (!all_.empty())
    needles.push_back({"u00",
                       static_cast<std::uint8_t>(kMost),
                       [](const char* begin, const char* place, const char* end) {
                         return place > begin && place[-1] == '\\' && end - place > 3 &&
                                place[3] >= '2' && place[3] <= '7';
                       },
                       {0, 4}});
  needles_ = NeedleScan(std::move(needles));
}

std::uint64_t Redactions::suspects(std::string_view text) const {
  std::uint64_t found = always_ | needles_.owners(text);
  if (!scans_shapes_) return found;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const SecretShape* const shape = all_[i].shape;
    if (shape != nullptr && shape->scan != ShapeScan::needles && may_hold(shape->scan, text))
      found |= std::uint64_t{1} << i;
  }
  return found;
}

// ---------------------------------------------------------------- Redactor: chunks

Redactor::Redactor(const Redactions& redactions)
    : redactions_(redactions), judge_(nothing_), judged_(nothing_) {}

void Redactor::begin(std::string_view chunk) {
  chunk_ = chunk;
  scanned_ = chunk.data();
  candidate_ = nullptr;
  next_ = redactions_.empty() ? chunk.data() + chunk.size() : chunk.data();
}

// The line, and next_ beyond it where it holds nothing.
bool Redactor::look_at(const char* line) {
  const char* const end = chunk_.data() + chunk_.size();
  if (redactions_.always() != 0) return true;
  if (redactions_.scans_shapes()) {
    const auto* newline =
        static_cast<const char*>(std::memchr(line, '\n', static_cast<std::size_t>(end - line)));
    const char* const stop = newline == nullptr ? end : newline;
    return redactions_.suspects({line, static_cast<std::size_t>(stop - line)}) != 0;
  }
  const auto line_begin = [&](const char* place) {
    const void* const newline = ::memrchr(line, '\n', static_cast<std::size_t>(place - line));
    return newline == nullptr ? line : static_cast<const char*>(newline) + 1;
  };
  for (;;) {
    if (candidate_ != nullptr && candidate_ >= line) {
      next_ = line_begin(candidate_);
      return next_ == line;
    }
    candidate_ = nullptr;
    scanned_ = std::max(scanned_, line);
    const char* const stop =
        end - scanned_ > static_cast<std::ptrdiff_t>(kBlock) ? scanned_ + kBlock : end;
    const char* const place = redactions_.needles().find(chunk_.data(), scanned_, stop, end);
    if (place < stop) {
      candidate_ = place;
      scanned_ = place + 1;
      continue;
    }
    scanned_ = stop;
    next_ = stop == end ? end : line_begin(stop);
    if (next_ != line) return false;
  }
}

// ---------------------------------------------------------------- Redactor: records

std::string_view Redactor::redact(std::string_view record, RedactionCounts* counts) {
  if (redactions_.empty() || redactions_.suspects(record) == 0) return record;
  counts_ = counts;
  out_.clear();
  const std::size_t mark = record.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const bool json = record.size() > mark && record[mark] == '{';
  if (!(json ? redact_json(record, out_) : redact_text(record, out_, true))) return record;
  const std::size_t size = out_.size();
  out_ += '\n';
  pad(out_);
  return {out_.data(), size};
}

void Redactor::found(std::size_t number, std::size_t times) {
  if (counts_ != nullptr) (*counts_)[number] += times;
}

// Text (with room to read behind it) with all redactions applied, each to what the one before left.
// False: there is nothing to redact.
bool Redactor::redact_text(std::string_view text, std::string& out, bool fields) {
  std::string_view current = text;
  std::uint64_t suspects = redactions_.suspects(text);
  bool changed = false;
  for (std::size_t i = 0; i < redactions_.all().size(); ++i) {
    if (!(suspects >> i & 1)) continue;
    const Redaction& redaction = redactions_.all()[i];
    next_text_.clear();
    const bool is_field = redaction.kind == Redaction::Kind::field;
    if (is_field && !fields) continue;
    if (!(is_field ? apply_field(redaction, current, next_text_) : apply(i, current, next_text_)))
      continue;
    if (is_field) found(i, 1);
    changed = true;
    const std::size_t size = next_text_.size();
    pad(next_text_);
    std::swap(text_, next_text_);
    current = {text_.data(), size};
    suspects = redactions_.suspects(current);
  }
  if (changed) out.append(current);
  return changed;
}

bool Redactor::apply(std::size_t number, std::string_view text, std::string& out) {
  const Redaction& redaction = redactions_.all()[number];
  const re2::StringPiece input(text.data(), text.size());
  std::array<re2::StringPiece, kGroups> groups;
  const int count = std::min(kGroups, redaction.regex->NumberOfCapturingGroups() + 1);
  std::size_t copied = 0;
  std::size_t at = 0;
  std::uint64_t times = 0;
  while (at <= text.size() && redaction.regex->Match(input, at, text.size(), re2::RE2::UNANCHORED,
                                                     groups.data(), count)) {
    const bool shape = redaction.kind == Redaction::Kind::shape;
    const re2::StringPiece& whole = groups[shape && count > 1 ? 1 : 0];
    std::string_view target(whole.data(), whole.size());
    const auto begin = static_cast<std::size_t>(target.data() - text.data());
    if (shape && redaction.shape->accepts != nullptr)
      target = target.substr(0, redaction.shape->accepts(target));
    if (target.empty()) {
      at = begin + 1;
      continue;
    }
    out.append(text, copied, begin - copied);
    if (redaction.with == Redaction::With::hash) {
      out += redaction_hash(target);
    } else if (redaction.with == Redaction::With::text && shape) {
      out += redaction.text;
    } else if (redaction.with == Redaction::With::text) {
      redaction.regex->Rewrite(&out, redaction.text, groups.data(), count);
    }
    copied = begin + target.size();
    at = copied;
    ++times;
  }
  if (times == 0) return false;
  found(number, times);
  out.append(text, copied);
  return true;
}

// `name=value`, `'name': value` and `"name": value` in text.
bool Redactor::apply_field(const Redaction& redaction, std::string_view text, std::string& out) {
  const std::string& name = redaction.field.back();
  std::size_t copied = 0;
  for (std::size_t at = text.find(name); at != std::string_view::npos;
       at = text.find(name, at + 1)) {
    std::size_t behind = at + name.size();
    if (at < copied || behind >= text.size()) continue;
    const char before = at == 0 ? ' ' : text[at - 1];
    const bool quoted = before == '"' || before == '\'';
    if (alnum(before) || before == '_' || before == '-') continue;
    if (quoted) {
      if (text[behind] != before) continue;
      ++behind;
      while (behind < text.size() && blank(text[behind])) ++behind;
      if (behind >= text.size() || text[behind] != ':') continue;
      ++behind;
      while (behind < text.size() && blank(text[behind])) ++behind;
    } else {
      if (text[behind] != '=') continue;
      ++behind;
    }
    const std::size_t end = value_end(text, behind);
    if (end == behind) continue;
    const bool in_quotes = end - behind >= 2 && (text[behind] == '"' || text[behind] == '\'');
    const std::string_view value =
        in_quotes ? text.substr(behind + 1, end - behind - 2) : text.substr(behind, end - behind);
    out.append(text, copied, behind - copied);
    if (redaction.with == Redaction::With::drop) {
      if (quoted) out += before == '"' ? "null" : "None";
    } else {
      const char quote = in_quotes ? text[behind] : quoted ? before : '\0';
      if (quote != '\0') out += quote;
      out += redaction.with == Redaction::With::hash ? redaction_hash(value) : redaction.text;
      if (quote != '\0') out += quote;
    }
    copied = end;
  }
  if (copied == 0) return false;
  out.append(text, copied);
  return true;
}

// ---------------------------------------------------------------- Redactor: JSON

bool Redactor::redact_json(std::string_view record, std::string& out) {
  // What only begins like an object (a Python dict, a broken line) is text.
  const std::size_t mark = record.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  judged_.clear();
  const bool valid =
      judge_.decode(record.data() + mark, judged_) == record.data() + record.size() + 1;
  if (!valid || !walk_json(record))
    return redact_text(record, out, true);  // no JSON: nothing to keep whole
  const bool changed = !edits_.empty();
  write_edits(record, out);
  return reach_over_json(out) || changed;
}

void Redactor::write_edits(std::string_view record, std::string& out) {
  std::size_t copied = 0;
  for (const Edit& edit : edits_) {
    out.append(record, copied, edit.begin - copied);
    out += edit.text;
    copied = edit.end;
  }
  out.append(record, copied);
}

// The value at [begin, end) under the path as it stands: an edit if a field redaction means it.
bool Redactor::field_edit(std::string_view record, std::size_t begin, std::size_t end) {
  for (std::size_t i = 0; i < redactions_.all().size(); ++i) {
    const Redaction& redaction = redactions_.all()[i];
    if (redaction.kind != Redaction::Kind::field) break;  // they come first
    if (redaction.field.size() > path_.size() ||
        !std::equal(redaction.field.rbegin(), redaction.field.rend(), path_.rbegin()))
      continue;
    const std::string_view value = record.substr(begin, end - begin);
    if (value == "null") continue;
    Edit edit{begin, end, {}};
    if (redaction.with == Redaction::With::drop) {
      edit.text = "null";
    } else if (redaction.with == Redaction::With::text) {
      edit.text = '"';
      escape_json(redaction.text, edit.text);
      edit.text += '"';
    } else {
      plain_.clear();
      if (value.starts_with('"')) {
        unescape_json(value.substr(1, value.size() - 2), plain_);
      } else {
        plain_ = value;
      }
      edit.text = '"' + redaction_hash(plain_) + '"';
    }
    edits_.push_back(std::move(edit));
    found(i, 1);
    return true;
  }
  return false;
}

// Strings and numbers of a JSON object: edits_ for what they hold, pieces_ and borders_ for where
// they are. False: a string has no end.
bool Redactor::walk_json(std::string_view record) {
  edits_.clear();
  pieces_.clear();
  borders_.clear();
  path_.clear();
  std::vector<char> open;
  std::string changed;
  const bool fields =
      !redactions_.all().empty() && redactions_.all().front().kind == Redaction::Kind::field;
  const auto redact_piece = [&](std::size_t begin, std::size_t end, bool string) {
    std::string_view text = record.substr(begin, end - begin);
    if (text.find('\\') != std::string_view::npos) {
      plain_.clear();
      unescape_json(text, plain_);
      const std::size_t size = plain_.size();
      pad(plain_);
      text = {plain_.data(), size};
    }
    changed.clear();
    if (!redact_text(text, changed, string)) return;
    Edit edit{begin, end, {}};
    if (string) {
      escape_json(changed, edit.text);
    } else if (changed.empty()) {
      edit.text = "null";
    } else if (is_number(changed)) {
      edit.text = changed;
    } else {
      edit.text = '"';
      escape_json(changed, edit.text);
      edit.text += '"';
    }
    edits_.push_back(std::move(edit));
  };
  for (std::size_t at = 0; at < record.size();) {
    const char c = record[at];
    if (c == '"') {
      const std::size_t close = closing_quote(record, at, '"');
      if (close == std::string_view::npos) return false;
      std::size_t behind = close + 1;
      while (behind < record.size() && blank(record[behind])) ++behind;
      const bool key =
          behind < record.size() && record[behind] == ':' && !open.empty() && open.back() == '{';
      borders_.push_back(at);
      borders_.push_back(close);
      pieces_.push_back({at, close + 1, true, key});
      redact_piece(at + 1, close, true);
      at = close + 1;
      if (!key || !fields) continue;
      path_.resize(static_cast<std::size_t>(std::count(open.begin(), open.end(), '{')));
      path_.back().clear();
      unescape_json(record.substr(pieces_.back().begin + 1, close - pieces_.back().begin - 1),
                    path_.back());
      std::size_t value = behind + 1;
      while (value < record.size() && blank(record[value])) ++value;
      const std::size_t end = value_end(record, value);
      if (field_edit(record, value, end)) at = end;
      continue;
    }
    if (c == '{' || c == '[') {
      open.push_back(c);
    } else if ((c == '}' || c == ']') && !open.empty()) {
      open.pop_back();
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      std::size_t end = at;
      while (end < record.size() && in_number(record[end])) ++end;
      pieces_.push_back({at, end, false, false});
      redact_piece(at, end, false);
      at = end;
      continue;
    }
    ++at;
  }
  return true;
}

// Regular expressions that reach from one string into the next.
bool Redactor::reach_over_json(std::string& record) {
  bool changed = false;
  for (std::size_t i = 0; i < redactions_.all().size(); ++i) {
    const Redaction& redaction = redactions_.all()[i];
    if (redaction.kind != Redaction::Kind::regex) continue;
    if (!redaction.regex->Match(record, 0, record.size(), re2::RE2::UNANCHORED, nullptr, 0))
      continue;
    RedactionCounts* const counts = counts_;
    counts_ = nullptr;
    const std::size_t record_size = record.size();
    pad(record);
    const bool whole = walk_json({record.data(), record_size});
    record.resize(record_size);
    counts_ = counts;
    if (!whole) return changed;
    edits_.clear();
    // What it finds that holds a string's quote.
    std::array<re2::StringPiece, kGroups> groups;
    const int count = std::min(kGroups, redaction.regex->NumberOfCapturingGroups() + 1);
    std::vector<Edit> safe;
    std::size_t at = 0;
    while (at <= record.size() &&
           redaction.regex->Match(record, at, record.size(), re2::RE2::UNANCHORED, groups.data(),
                                  count)) {
      const auto begin = static_cast<std::size_t>(groups[0].data() - record.data());
      const std::size_t end = begin + groups[0].size();
      at = std::max(end, begin + 1);
      const auto border = std::lower_bound(borders_.begin(), borders_.end(), begin);
      if (border == borders_.end() || *border >= end) continue;
      Edit edit{begin, end, {}};
      if (redaction.with == Redaction::With::hash) {
        edit.text = redaction_hash(std::string_view(groups[0].data(), groups[0].size()));
      } else if (redaction.with == Redaction::With::text) {
        redaction.regex->Rewrite(&edit.text, redaction.text, groups.data(), count);
      }
      for (const Piece& piece : pieces_) {
        if (piece.key || piece.begin >= end || piece.end <= begin) continue;
        std::string value = "\"***\"";
        if (redaction.with == Redaction::With::drop) value = "null";
        if (redaction.with == Redaction::With::hash) value = '"' + edit.text + '"';
        if (!safe.empty() && safe.back().begin == piece.begin) continue;
        safe.push_back({piece.begin, piece.end, std::move(value)});
      }
      edits_.push_back(std::move(edit));
    }
    if (edits_.empty()) continue;
    std::string replaced;
    write_edits(record, replaced);
    const std::size_t size = replaced.size();
    replaced += '\n';
    pad(replaced);
    judged_.clear();
    const std::size_t mark = replaced.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    if (judge_.decode(replaced.data() + mark, judged_) != replaced.data() + size + 1) {
      if (safe.empty()) continue;  // it touches names and punctuation alone
      edits_ = std::move(safe);
      replaced.clear();
      write_edits(record, replaced);
    } else {
      replaced.resize(size);
    }
    if (replaced == record) continue;
    record = std::move(replaced);
    found(i, edits_.size());
    changed = true;
  }
  return changed;
}

}  // namespace logtally::rules
