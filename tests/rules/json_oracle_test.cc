// JsonDecoder against two other readings of the same documents: a slow, obvious parser that is
// written here from RFC 8259, and simdjson's DOM.
//
// Where ours and simdjson differ on purpose:
//   - NaN, Infinity and -Infinity pass here, simdjson refuses them.
//   - Lone surrogates pass here (U+FFFD), simdjson refuses them.
//   - Numbers beyond 64 bits and beyond doubles pass here as text, simdjson refuses them.
//   - Invalid UTF-8 passes here, simdjson refuses it.
#include <simdjson.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "config/utf8.h"
#include "rules/json_decoder.h"
#include "tests/rules/json_line.h"

using namespace logtally::rules;

namespace {

// A value as the reference sees it: its kind, its text as in Token, and an object's members, of
// duplicates the last.
struct Reference {
  TokenKind kind = TokenKind::missing;
  std::string_view text;
  std::map<std::string, std::unique_ptr<Reference>> members{};
};

class ReferenceParser {
 public:
  // Null when the line is not exactly one object.
  static std::unique_ptr<Reference> parse(std::string_view line) {
    ReferenceParser parser(line);
    if (line.empty() || line.front() != '{') return nullptr;
    auto value = parser.value(1);
    if (value) parser.blanks();
    return value && parser.at_ == line.size() ? std::move(value) : nullptr;
  }

 private:
  explicit ReferenceParser(std::string_view text) : text_(text) {}

  char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\r') ++at_;
  }
  bool digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > begin;
  }

  bool number() {
    take("-");
    if (!take("0") && !digits()) return false;
    if (take(".") && !digits()) return false;
    if (take("e") || take("E")) {
      if (!take("+")) take("-");
      if (!digits()) return false;
    }
    return true;
  }

  std::optional<std::uint32_t> hex() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const std::size_t digit =
          std::string_view("0123456789abcdefABCDEF").find(at_ < text_.size() ? peek() : '?');
      if (digit == std::string_view::npos) return std::nullopt;
      code = code * 16 + static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
      ++at_;
    }
    return code;
  }

  static void append(std::string& out, std::uint32_t code) {
    // By the ranges of the UTF-8 table, spelled out.
    const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code >= 0xD800 && code <= 0xDFFF) code = 0xFFFD;
    if (code <= 0x7F) return put(code);
    if (code <= 0x7FF) return put(0xC0 + code / 64), put(0x80 + code % 64);
    if (code <= 0xFFFF) {
      return put(0xE0 + code / 4096), put(0x80 + code / 64 % 64), put(0x80 + code % 64);
    }
    put(0xF0 + code / 262144);
    put(0x80 + code / 4096 % 64);
    put(0x80 + code / 64 % 64);
    put(0x80 + code % 64);
  }

  // Behind the opening quote; fills `raw` and `spelled`.
  bool string(std::string_view& raw, std::string& spelled) {
    const std::size_t begin = at_;
    std::uint32_t high = 0;  // a high surrogate that waits for its low one
    for (;;) {
      if (at_ == text_.size()) return false;
      const char c = text_[at_++];
      std::optional<std::uint32_t> code;
      if (c == '\\') {
        if (at_ == text_.size()) return false;
        const char kind = text_[at_++];
        if (kind == 'u') {
          code = hex();
          if (!code) return false;
        } else {
          const std::size_t which = std::string_view("\"\\/bfnrt").find(kind);
          if (which == std::string_view::npos) return false;
          code = static_cast<std::uint32_t>("\"\\/\b\f\n\r\t"[which]);
        }
      }
      if (high != 0) {
        if (code && *code >= 0xDC00 && *code <= 0xDFFF) {
          append(spelled, 0x10000 + (high - 0xD800) * 1024 + (*code - 0xDC00));
          high = 0;
          continue;
        }
        append(spelled, high);
        high = 0;
      }
      if (code) {
        if (*code >= 0xD800 && *code <= 0xDBFF) {
          high = *code;
        } else {
          append(spelled, *code);
        }
        continue;
      }
      if (c == '"') {
        raw = text_.substr(begin, at_ - 1 - begin);
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return false;
      spelled += c;
    }
  }

  std::unique_ptr<Reference> value(std::size_t depth) {
    auto out = std::make_unique<Reference>();
    const std::size_t begin = at_;
    if (take("{")) {
      if (depth > kMaxJsonDepth || !object(*out, depth)) return nullptr;
    } else if (take("[")) {
      if (depth > kMaxJsonDepth || !array(depth)) return nullptr;
      out->kind = TokenKind::array;
    } else if (take("\"")) {
      std::string spelled;
      out->kind = TokenKind::string;
      return string(out->text, spelled) ? std::move(out) : nullptr;
    } else if (take("null")) {
      out->kind = TokenKind::null;
    } else if (take("true")) {
      out->kind = TokenKind::boolean_true;
    } else if (take("false")) {
      out->kind = TokenKind::boolean_false;
    } else if (take("NaN") || take("Infinity") || take("-Infinity")) {
      out->kind = TokenKind::not_finite;
    } else if (number()) {
      out->kind = TokenKind::number;
    } else {
      return nullptr;
    }
    out->text = text_.substr(begin, at_ - begin);
    return out;
  }

  bool object(Reference& out, std::size_t depth) {
    out.kind = TokenKind::object;
    blanks();
    if (take("}")) return true;
    for (;;) {
      blanks();
      std::string_view raw;
      std::string key;
      if (!take("\"") || !string(raw, key)) return false;
      blanks();
      if (!take(":")) return false;
      blanks();
      auto member = value(depth + 1);
      if (!member) return false;
      out.members[key] = std::move(member);
      blanks();
      if (take("}")) return true;
      if (!take(",")) return false;
    }
  }

  bool array(std::size_t depth) {
    blanks();
    if (take("]")) return true;
    for (;;) {
      blanks();
      if (!value(depth + 1)) return false;
      blanks();
      if (take("]")) return true;
      if (!take(",")) return false;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

const Reference* look_up(const Reference& root, const FieldPath& path) {
  const Reference* at = &root;
  for (const std::string& key : path) {
    const auto found = at->members.find(key);
    if (found == at->members.end()) return nullptr;
    at = found->second.get();
  }
  return at;
}

// Documents at random: few keys, which meet the wanted paths and each other, and all kinds of
// values.
class Documents {
 public:
  explicit Documents(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }

  std::string whole() {
    std::string text;
    blanks_ = below(4) == 0;
    odd_ = below(3) == 0;
    object(text, 0);
    if (blanks_) blank(text);
    return text;
  }

  std::string mutated(const std::string& other) {
    std::string text = whole();
    const std::size_t times = 1 + below(3);
    for (std::size_t i = 0; i < times && !text.empty(); ++i) mutate(text, other);
    return text;
  }

 private:
  static constexpr std::string_view kMarks =
      "{}[]\",:\\ \t\r\x01"
      "0123456789-+.eEuntfNI\xff/";

  void mutate(std::string& text, const std::string& other) {
    const std::size_t at = below(text.size());
    switch (below(9)) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        text.resize(at);
        break;
      case 2:
        text.erase(at, 1 + below(4));
        break;
      case 3:
        text[at] = kMarks[below(kMarks.size())];
        break;
      case 4:
        text.insert(at, 1, kMarks[below(kMarks.size())]);
        break;
      case 5:
        text = text.substr(0, at) + other.substr(std::min(below(other.size() + 1), other.size()));
        break;
      case 6: {
        const std::size_t bracket = text.find_first_of("{}[]", at);
        if (bracket == std::string::npos) break;
        const std::size_t next = text.find_first_of("{}[],:", bracket + 1);
        if (next != std::string::npos) std::swap(text[bracket], text[next]);
        break;
      }
      case 7:
        text.insert(at, text.substr(below(text.size()), 1 + below(20)));
        break;
      default:
        text += kMarks[below(kMarks.size())];
        break;
    }
  }

  void blank(std::string& text) {
    if (blanks_ && below(3) == 0) text.append(1 + below(3), " \t\r"[below(3)]);
    if (blanks_ && below(200) == 0) text.append(below(70), ' ');
  }

  void key(std::string& text) {
    static const std::string keys[] = {
        "a", "b", "c", "x", "d", "", "a.b", "a-key-that-is-longer-than-a-vector-of-the-decoder"};
    static const std::string odd[] = {R"(\u0061)", R"(\u0062)", R"(\"q)",    R"(\ud83d)",
                                      "\u00e4",    R"(\u00e4)", R"(c\u0000)"};
    text += '"';
    text += odd_ && below(8) == 0 ? odd[below(std::size(odd))]
                                  : keys[below(below(4) == 0 ? std::size(keys) : 4)];
    text += '"';
  }

  void value(std::string& text, std::size_t depth) {
    static const std::string scalars[] = {"0",
                                          "1",
                                          "-1",
                                          "12345",
                                          "0.5",
                                          "-2.25e-3",
                                          "1E9",
                                          "1e400",
                                          "18446744073709551616",
                                          "true",
                                          "false",
                                          "null",
                                          "null",
                                          "NaN",
                                          "Infinity",
                                          "-Infinity",
                                          "123456789012345678901234567890.125"};
    switch (below(depth > 4 ? 6 : 11)) {
      case 0:
      case 1:
      case 2:
        text += scalars[below(std::size(scalars))];
        break;
      case 3:
      case 4:
      case 5:
        string(text);
        break;
      case 6:
      case 7:
      case 8:
        object(text, depth + 1);
        break;
      default: {
        text += '[';
        const std::size_t count = below(4);
        for (std::size_t i = 0; i < count; ++i) {
          if (i != 0) text += ',';
          blank(text);
          value(text, depth + 1);
          blank(text);
        }
        text += ']';
      }
    }
  }

  void string(std::string& text) {
    static const std::string pieces[] = {"x",       "text",           "\\n",     "\\\"", "\\\\",
                                         "\\u0041", "\\ud83d\\ude00", "\\udead", "}",    "]",
                                         ",\"a\":", "\u20ac",         "\\u0000", "\x7f"};
    text += '"';
    if (below(3) != 0) {
      const std::size_t count = below(below(10) == 0 ? 40 : 4);
      for (std::size_t i = 0; i < count; ++i) {
        const std::string& piece = pieces[below(odd_ ? std::size(pieces) : 2)];
        text += piece == ",\"a\":" ? ",\\\"a\\\":" : piece;
      }
    }
    text += '"';
  }

  void object(std::string& text, std::size_t depth) {
    text += '{';
    blank(text);
    const std::size_t count = below(depth == 0 ? 7 : 4);
    for (std::size_t i = 0; i < count; ++i) {
      if (i != 0) text += ',';
      blank(text);
      key(text);
      blank(text);
      text += ':';
      blank(text);
      value(text, depth);
      blank(text);
    }
    text += '}';
  }

  std::mt19937 random_;
  bool blanks_ = false;
  bool odd_ = false;
};

// A set of wanted paths, and decoders that never saw a line, or all of them.
struct Wanted {
  explicit Wanted(const std::vector<std::string>& fields) {
    for (const std::string& field : fields) {
      paths.push_back(parse_field_path(field));
      slots.push_back(plan.candidates(plan.field(paths.back())).front());
    }
    best = std::make_unique<JsonDecoder>(plan);
    portable = std::make_unique<JsonDecoder>(plan);
    portable->use(JsonDecoder::Kernel::portable);
    fresh = std::make_unique<JsonDecoder>(plan);
    event = std::make_unique<Event>(plan);
  }

  // What is wrong with the decoder's result; empty: nothing.
  std::string judge(JsonDecoder& decoder, const JsonLine& line, const Reference* want) {
    event->clear();
    const char* const end = decoder.decode(line.begin(), *event);
    if ((end != nullptr) != (want != nullptr)) return end != nullptr ? "accepted" : "refused";
    if (end == nullptr) return {};
    if (end != line.end()) return "ends elsewhere";
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const Reference* const value = look_up(*want, paths[i]);
      const bool has = event->has(slots[i]);
      if (has != (value != nullptr))
        return to_string(paths[i]) + (has ? " is there" : " is missing");
      if (!has) continue;
      const Token& token = event->slot(slots[i]);
      if (token.kind != value->kind) return to_string(paths[i]) + " is of another kind";
      if (token.text() != value->text)
        return to_string(paths[i]) + " is " + std::string(token.text());
      const bool escaped =
          token.kind == TokenKind::string && token.text().find('\\') != std::string_view::npos;
      if (token.escaped != escaped) return to_string(paths[i]) + " is escaped or not";
    }
    return {};
  }

  FieldPlan plan;
  std::vector<FieldPath> paths;
  std::vector<SlotId> slots;
  std::unique_ptr<JsonDecoder> best;
  std::unique_ptr<JsonDecoder> portable;
  std::unique_ptr<JsonDecoder> fresh;
  std::unique_ptr<Event> event;
};

bool valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto point = logtally::config::decode_utf8(text, at);
    if (!point.valid) return false;
    at += point.length;
  }
  return true;
}

}  // namespace

TEST_CASE("json_oracle: accepts and finds what the reference does, whatever was decoded before") {
  constexpr int kDocuments = 320000;
  Wanted wanted[] = {Wanted({"a"}), Wanted({"a.b", "a.c.x", "b", "b.a", "''", "'a.b'"}),
                     Wanted({"a", "a.a", "a.a.a", "a.b", "b.c", "x.x.x.x", "c.''",
                             "a-key-that-is-longer-than-a-vector-of-the-decoder.a", "'\u00e4'"}),
                     Wanted({"x.a", "x.b", "x.c", "c", "c.c", "'\"q'", "d.a.b.c"})};
  Documents documents(20240229);
  simdjson::dom::parser dom;
  std::string other = "{}";
  int accepted = 0;
  int compared = 0;
  std::string wrong;
  std::string document;
  for (int i = 0; i < kDocuments && wrong.empty(); ++i) {
    const bool whole = i % 2 == 0;
    document = whole ? documents.whole() : documents.mutated(other);
    if (whole) other = document;
    document.resize(std::min(document.find('\n'), document.size()));
    const auto want = ReferenceParser::parse(document);
    if (want) ++accepted;
    if (whole && !want) wrong = "the reference refuses";

    static const std::string_view kBehind[] = {"\n", "}", "\"", "0", ",\"a\":1}\n", " "};
    const JsonLine line(document, kBehind[static_cast<std::size_t>(i) % std::size(kBehind)]);
    Wanted& fields = wanted[documents.below(std::size(wanted))];
    if (wrong.empty()) wrong = fields.judge(*fields.best, line, want.get());
    if (wrong.empty()) wrong = fields.judge(*fields.portable, line, want.get());
    if (wrong.empty() && i % 4 == 0) wrong = fields.judge(*fields.best, line, want.get());
    if (wrong.empty() && i % 16 == 0) {
      fields.fresh->use(i % 32 == 0 ? JsonDecoder::Kernel::best : JsonDecoder::Kernel::portable);
      fields.fresh->forget();
      wrong = fields.judge(*fields.fresh, line, want.get());
      if (wrong.empty()) wrong = fields.judge(*fields.fresh, line, want.get());
    }

    if (wrong.empty() && !document.empty() && document.front() == '{' && valid_utf8(document) &&
        document.find("NaN") == std::string::npos &&
        document.find("Infinity") == std::string::npos) {
      const simdjson::error_code error = dom.parse(simdjson::padded_string(document)).error();
      const bool beyond = error == simdjson::NUMBER_ERROR;
      const bool surrogate =
          error == simdjson::STRING_ERROR && document.find("\\ud") != std::string::npos;
      if (error == simdjson::SUCCESS && !want) wrong = "simdjson accepts";
      if (error != simdjson::SUCCESS && want && !beyond && !surrogate) wrong = "simdjson refuses";
      ++compared;
    }
  }
  INFO(document);
  REQUIRE(wrong == "");
  // Both sides of the question are asked often.
  CHECK(accepted > kDocuments * 17 / 32);
  CHECK(accepted < kDocuments * 24 / 32);
  CHECK(compared > kDocuments / 3);
}

TEST_CASE("json_oracle: the reference itself knows right from wrong") {
  for (const char* text :
       {R"({})", R"({"a":[1,{"b":null}]} )", R"({"a":-0.5e-3,"a":NaN})", R"({"a":"\ud83d"})"}) {
    INFO(text);
    CHECK(ReferenceParser::parse(text) != nullptr);
  }
  for (const char* text :
       {"", "[]", R"({"a":01})", R"({"a":1.})", R"({"a":+1})", R"({"a":1,})", R"({"a":[1,]})",
        R"({"a":"\x"})", R"({"a":1}{)", R"({"a":nan})", R"({"a)"}) {
    INFO(text);
    CHECK(ReferenceParser::parse(text) == nullptr);
  }
  const auto root = ReferenceParser::parse(R"({"a":{"b":1},"\u0061":{"c":"x\n"}})");
  REQUIRE(root != nullptr);
  CHECK(look_up(*root, {"a", "b"}) == nullptr);
  REQUIRE(look_up(*root, {"a", "c"}) != nullptr);
  CHECK(look_up(*root, {"a", "c"})->text == R"(x\n)");
}
