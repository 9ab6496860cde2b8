#include "rules/json_decoder.h"

#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/rules/json_line.h"

using namespace logtally::rules;

namespace {

const char* kind_name(TokenKind kind) {
  switch (kind) {
    case TokenKind::missing:
      return "missing";
    case TokenKind::null:
      return "null";
    case TokenKind::boolean_true:
      return "true";
    case TokenKind::boolean_false:
      return "false";
    case TokenKind::number:
      return "number";
    case TokenKind::not_finite:
      return "not_finite";
    case TokenKind::string:
      return "string";
    case TokenKind::object:
      return "object";
    case TokenKind::array:
      return "array";
  }
  return "?";
}

// The fields of a line in one text: `kind:text` for each, strings unescaped, `-` where nothing is;
// "refused" for a line that is not one JSON object.
std::string told(const Event& event, const std::vector<SlotId>& slots) {
  std::string out;
  for (const SlotId slot : slots) {
    if (!out.empty()) out += " | ";
    if (!event.has(slot)) {
      out += '-';
      continue;
    }
    const Token& token = event.slot(slot);
    out += kind_name(token.kind);
    out += ':';
    if (token.kind == TokenKind::string) {
      unescape_json(token.text(), out);
    } else {
      out += token.text();
    }
  }
  return out;
}

// Decodes in every way that must make no difference: both passes, fresh and with all that lines
// before have taught, three times over, and with different bytes behind the newline.
class Bench {
 public:
  explicit Bench(const std::vector<std::string>& fields) : plan_(made(fields)) {
    for (const std::string& field : fields) {
      slots_.push_back(plan_.candidates(plan_.field(parse_field_path(field))).front());
    }
    learned_portable_.use(JsonDecoder::Kernel::portable);
  }

  std::string decode(std::string_view text) {
    JsonDecoder fresh(plan_);
    JsonDecoder fresh_portable(plan_);
    fresh_portable.use(JsonDecoder::Kernel::portable);
    const std::string want = once(fresh, text, "\n");
    for (JsonDecoder* decoder : {&fresh, &fresh_portable, &learned_, &learned_portable_}) {
      for (const std::string_view behind : {"\n", "}", "\"", "0", " ", "{\"a\":1}\n", "\\u00"}) {
        const std::string got = once(*decoder, text, behind);
        if (got != want) {
          return "differs: `" + want + "`, later `" + got + "` before `" + std::string(behind) +
                 "`";
        }
      }
    }
    return want;
  }

  const FieldPlan& plan() const { return plan_; }
  const std::vector<SlotId>& slots() const { return slots_; }
  JsonDecoder& learned() { return learned_; }

 private:
  static FieldPlan made(const std::vector<std::string>& fields) {
    FieldPlan plan;
    for (const std::string& field : fields) plan.field(parse_field_path(field));
    return plan;
  }

  std::string once(JsonDecoder& decoder, std::string_view text, std::string_view behind) {
    const JsonLine line(text, behind);
    Event event(plan_);
    const char* const end = decoder.decode(line.begin(), event);
    if (end == nullptr) return "refused";
    if (end != line.end()) return "ends elsewhere";
    if (event.line != text) return "has another text: " + std::string(event.line);
    return told(event, slots_);
  }

  FieldPlan plan_;
  std::vector<SlotId> slots_;
  JsonDecoder learned_{plan_};
  JsonDecoder learned_portable_{plan_};
};

struct Row {
  std::string text;
  std::string want;
};

void check(Bench& bench, const std::vector<Row>& rows) {
  // Twice, the second time backwards: neither what was learned nor its order matters.
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(bench.decode(row.text) == row.want);
  }
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    INFO(row->text);
    CHECK(bench.decode(row->text) == row->want);
  }
}

std::string nested(std::size_t levels, char open, char close) {
  return std::string(levels, open) + std::string(levels, close);
}

// `levels` objects in each other, the outermost included.
std::string nested_objects(std::size_t levels) {
  std::string text;
  for (std::size_t i = 1; i < levels; ++i) text += "{\"k\":";
  text += "{}";
  return text + std::string(levels - 1, '}');
}

}  // namespace

TEST_CASE("json_decoder: reads values of every kind") {
  Bench bench({"a"});
  check(bench, {
                   {R"({})", "-"},
                   {R"({"b":1})", "-"},
                   {R"({"a":"x"})", "string:x"},
                   {R"({"a":""})", "string:"},
                   {R"({"a":null})", "null:null"},
                   {R"({"a":true})", "true:true"},
                   {R"({"a":false})", "false:false"},
                   {R"({"a":{}})", "object:{}"},
                   {R"({"a":[]})", "array:[]"},
                   {R"({"a":{"a":1,"b":[{}]}})", R"(object:{"a":1,"b":[{}]})"},
                   {R"({"a":[1,"a",[2],{"a":3}]})", R"(array:[1,"a",[2],{"a":3}])"},
                   {R"({"a":"]}"})", "string:]}"},
                   {R"({"a":["]","}"]})", R"(array:["]","}"])"},
                   {R"({"b":{"a":1},"a":2})", "number:2"},
                   {R"({"b":[{"a":1}],"c":"a"})", "-"},
                   {R"([])", "refused"},
                   {R"("a")", "refused"},
                   {R"(1)", "refused"},
                   {R"(null)", "refused"},
                   {"", "refused"},
                   {"  ", "refused"},
               });
}

TEST_CASE("json_decoder: passes numbers as they are written") {
  Bench bench({"a"});
  for (const std::string number : {
           "0",
           "-0",
           "1",
           "-1",
           "18446744073709551615",
           "18446744073709551616",
           "9223372036854775807",
           "-9223372036854775808",
           "-9223372036854775809",
           "123456789012345678901234567890123456789012345678901234567890",
           "0.5",
           "-0.5",
           "1.0",
           "12.375",
           "0.000000001",
           "1e5",
           "1E5",
           "1e+5",
           "1e-05",
           "1.5e-7",
           "0e0",
           "1e400",
           "1234567890123456",
           "12345678901234567",
           "12345678901234567890123456789012",
           "0.12345678901234567890123456789012345",
           "1e00000000000000000000000000000000000001",
       }) {
    INFO(number);
    CHECK(bench.decode("{\"a\":" + number + "}") == "number:" + number);
    CHECK(bench.decode("{\"a\": " + number + " ,\"b\":" + number + "}") == "number:" + number);
    CHECK(bench.decode("{\"b\":[" + number + ",{\"c\":" + number + "}],\"a\":" + number + "}") ==
          "number:" + number);
  }
}

TEST_CASE("json_decoder: refuses what is no number and no word of JSON") {
  Bench bench({"a"});
  for (const std::string word : {
           "01",         "-01",   "00",        "1.",      ".5",        "-",        "+1",
           "1e",         "1e+",   "1e-",       "1.e5",    "-.5",       "--1",      "1-2",
           "0x10",       "1_000", "1a",        "1.2.3",   "1e5.5",     "1e5e5",    "-a",
           "tru",        "truee", "True",      "TRUE",    "fals",      "False",    "nul",
           "nulll",      "None",  "nan",       "NAN",     "Na",        "NaNN",     "-NaN",
           "+NaN",       "inf",   "Inf",       "Infinit", "Infinityy", "infinity", "+Infinity",
           "--Infinity", "-Inf",  "undefined", "'x'",     "x",         "",         "?",
           "\\",         "\x01",  "\"",        "\"\\\"",  ":",         ",",        "]",
           "}",
       }) {
    INFO(word);
    const std::string refused = "refused";
    CHECK(bench.decode("{\"a\":1,\"a\":" + word + ",\"c\":1}") == refused);
    CHECK(bench.decode("{\"b\":" + word + "}") == refused);
    CHECK(bench.decode("{\"b\":" + word) == refused);
    CHECK(bench.decode("{\"b\":{\"c\":" + word + "}}") == refused);
    if (!word.empty()) CHECK(bench.decode("{\"b\":[" + word + "]}") == refused);
    CHECK(bench.decode("{\"b\":[1," + word + "]}") == refused);
  }
}

TEST_CASE("json_decoder: passes the words that Python writes for what is no finite number") {
  Bench bench({"a", "b"});
  check(bench,
        {
            {R"({"a":NaN,"b":1})", "not_finite:NaN | number:1"},
            {R"({"a":Infinity,"b":-Infinity})", "not_finite:Infinity | not_finite:-Infinity"},
            {R"({"a":[NaN,Infinity,-Infinity,-1]})", "array:[NaN,Infinity,-Infinity,-1] | -"},
            {R"({"a":"NaN","b":"-Infinity"})", "string:NaN | string:-Infinity"},
        });
}

TEST_CASE("json_decoder: resolves escapes") {
  using namespace std::string_literals;
  Bench bench({"a"});
  check(bench,
        {
            {R"({"a":"\"\\\/\b\f\n\r\t"})", "string:\"\\/\b\f\n\r\t"},
            {R"({"a":"\u0041\u00e4\u20AC"})", "string:A\u00e4\u20ac"},
            {R"({"a":"\ud83d\ude00"})", "string:\U0001F600"},
            {R"({"a":"\uD83D\uDE00x"})", "string:\U0001F600x"},
            {R"({"a":"\udbff\udfff"})", "string:\U0010FFFF"},
            {R"({"a":"\ud83d"})", "string:\uFFFD"},
            {R"({"a":"\ude00"})", "string:\uFFFD"},
            {R"({"a":"\ud83dx"})", "string:\uFFFDx"},
            {R"({"a":"\ud83d\n"})", "string:\uFFFD\n"},
            {R"({"a":"\ud83d\u0041"})", "string:\uFFFDA"},
            {R"({"a":"\ud83d\ud83d\ude00"})", "string:\uFFFD\U0001F600"},
            {R"({"a":"\ude00\ud83d"})", "string:\uFFFD\uFFFD"},
            {R"({"a":"\u0000"})", "string:\0"s},
            {R"({"a":"x\u0000y"})", "string:x\0y"s},
            {R"({"a":"\\u0041"})", "string:\\u0041"},
            {R"({"a":"\\\"","a":"\\\\"})", "string:\\\\"},
            {R"({"a":"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"})", "string:" + std::string(17, '\\')},
            {R"({"a":"x\x"})", "refused"},
            {R"({"a":"\'"})", "refused"},
            {R"({"a":"\U0041"})", "refused"},
            {R"({"a":"\u004"})", "refused"},
            {R"({"a":"\u004g"})", "refused"},
            {R"({"a":"\u00 1"})", "refused"},
            {R"({"a":"\u-001"})", "refused"},
            {R"({"a":"\u004`"})", "refused"},
            {R"({"a":"\u004@"})", "refused"},
            {R"({"a":"\u004/"})", "refused"},
            {R"({"a":"\u004:"})", "refused"},
            {R"({"a":"\ud83d\u"})", "refused"},
            {R"({"a":"\)", "refused"},
            {R"({"a":"\u)", "refused"},
            {R"({"a":"\u0)", "refused"},
            {R"({"a":"\u004)", "refused"},
            {R"({"a":"\u0041)", "refused"},
            {R"({"b":"\q"})", "refused"},
            {R"({"b":["\q"]})", "refused"},
            {R"({"\q":1})", "refused"},
        });
}

TEST_CASE("json_decoder: finds quotes and escapes wherever a string ends") {
  // Every length across several vectors of either pass, alone, behind an escape, and before one.
  Bench bench({"a", "z"});
  for (std::size_t length = 0; length < 100; ++length) {
    const std::string text(length, 'x');
    CHECK(bench.decode("{\"a\":\"" + text + "\",\"z\":1}") == "string:" + text + " | number:1");
    CHECK(bench.decode("{\"a\":\"" + text + "\\\"\",\"z\":1}") ==
          "string:" + text + "\" | number:1");
    CHECK(bench.decode("{\"a\":\"\\n" + text + "\\u0041" + text + "\",\"z\":1}") ==
          "string:\n" + text + "A" + text + " | number:1");
    CHECK(bench.decode("{\"a\":\"" + text) == "refused");
    CHECK(bench.decode("{\"a\":\"" + text + "\\") == "refused");
    CHECK(bench.decode("{\"a\":\"" + text + "\\u12") == "refused");
    CHECK(bench.decode("{\"a\":\"" + text + "\t\"}") == "refused");
    CHECK(bench.decode("{\"a\":" + std::string(length + 1, '7') + ",\"z\":2}") ==
          "number:" + std::string(length + 1, '7') + " | number:2");
    CHECK(bench.decode("{\"a\":" + std::string(length + 1, '7')) == "refused");
    CHECK(bench.decode("{\"b" + text + "\":1,\"z\":2}") == "- | number:2");
    CHECK(bench.decode("{\"b" + text + "\":\"1\",\"z\":\"2\"}") == "- | string:2");
  }
}

TEST_CASE("json_decoder: refuses control characters and passes invalid UTF-8") {
  Bench bench({"a"});
  for (int c = 0; c < 0x20; ++c) {
    if (c == '\n') continue;
    INFO(c);
    const std::string control(1, static_cast<char>(c));
    CHECK(bench.decode("{\"a\":\"" + control + "\"}") == "refused");
    CHECK(bench.decode("{\"b\":[\"" + control + "\"]}") == "refused");
    CHECK(bench.decode("{\"" + control + "\":1}") == "refused");
    const bool blank = c == '\t' || c == '\r';
    CHECK(bench.decode("{" + control + "\"a\":1}") == (blank ? "number:1" : "refused"));
    CHECK(bench.decode("{\"a\":" + control + "1}") == (blank ? "number:1" : "refused"));
    CHECK(bench.decode("{\"a\":1}" + control) == (blank ? "number:1" : "refused"));
  }
  for (const std::string bytes : {"\x7f", "\x80", "\xff", "\xc3", "\xc3(", "\xed\xa0\x80",
                                  "\xf8\x88", "\xe2\x82\xac", "\xef\xbb\xbf"}) {
    CHECK(bench.decode("{\"a\":\"" + bytes + "\"}") == "string:" + bytes);
    CHECK(bench.decode("{\"" + bytes + "\":1,\"a\":1}") == "number:1");
    CHECK(bench.decode("{\"a\":" + bytes + "}") == "refused");
    CHECK(bench.decode(bytes + "{\"a\":1}") == "refused");
  }
}

TEST_CASE("json_decoder: takes the last of duplicate keys, as Python does") {
  SECTION("scalars") {
    Bench bench({"a"});
    check(bench, {
                     {R"({"a":1,"a":2})", "number:2"},
                     {R"({"a":"x","b":0,"a":null})", "null:null"},
                     {R"({"a":1,"\u0061":2})", "number:2"},
                     {R"({"\u0061":1,"a":2})", "number:2"},
                     {R"({"a":1,"a":{"a":2}})", R"(object:{"a":2})"},
                 });
  }
  SECTION("containers that are looked into") {
    Bench bench({"a.x", "a.y", "a.n.m"});
    check(bench, {
                     {R"({"a":{"x":1},"a":{"y":2}})", "- | number:2 | -"},
                     {R"({"a":{"x":1,"x":2}})", "number:2 | - | -"},
                     {R"({"a":{"x":1},"a":5})", "- | - | -"},
                     {R"({"a":{"x":1},"a":"s"})", "- | - | -"},
                     {R"({"a":{"x":1},"a":[{"x":2}]})", "- | - | -"},
                     {R"({"a":{"x":1},"a":null,"b":1})", "- | - | -"},
                     {R"({"a":{"x":1},"a":{}})", "- | - | -"},
                     {R"({"a":5,"a":{"x":1}})", "number:1 | - | -"},
                     {R"({"a":{"x":1},"a":5,"a":{"y":2}})", "- | number:2 | -"},
                     {R"({"a":{"n":{"m":1}},"a":{"x":1}})", "number:1 | - | -"},
                     {R"({"a":{"n":{"m":1},"n":{}}})", "- | - | -"},
                     {R"({"a":{"n":{"m":1},"n":[],"y":1}})", "- | number:1 | -"},
                     {R"({"a":{"n":{"m":1},"n":{"m":2}}})", "- | - | number:2"},
                     {R"({"a":{"n":{}},"a":{"n":{"m":3}}})", "- | - | number:3"},
                     {R"({"a":{"n":{}},"a":5,"a":{"n":{}},"b":{}})", "- | - | -"},
                     {R"({"a":{},"a":{"x":1}})", "number:1 | - | -"},
                     {R"({"a":{"n":{}},"a":{"y":7}})", "- | number:7 | -"},
                     {R"({"a":{"x":1},"\u0061":{"y":2}})", "- | number:2 | -"},
                     {R"({"a":{"x":1},"\u0061":0})", "- | - | -"},
                     {R"({"a":{"a":{"x":1},"y":2},"b":{"x":3}})", "- | number:2 | -"},
                 });
  }
  SECTION("containers that are asked for themselves too") {
    Bench bench({"a", "a.x", "a.n", "a.n.m"});
    check(bench, {
                     {R"({"a":{"x":1}})", R"(object:{"x":1} | number:1 | - | -)"},
                     {R"({"a":{"x":1},"a":{"n":2}})", R"(object:{"n":2} | - | number:2 | -)"},
                     {R"({"a":{"x":1},"a":{}})", "object:{} | - | - | -"},
                     {R"({"a":{},"a":{"x":1}})", R"(object:{"x":1} | number:1 | - | -)"},
                     {R"({"a":{"x":1},"a":5})", "number:5 | - | - | -"},
                     {R"({"a":5,"a":{"x":1}})", R"(object:{"x":1} | number:1 | - | -)"},
                     {R"({"a":[{"x":1}]})", R"(array:[{"x":1}] | - | - | -)"},
                     {R"({"a":{"x":1},"a":5,"a":{"n":{"m":1}}})",
                      R"(object:{"n":{"m":1}} | - | object:{"m":1} | number:1)"},
                     {R"({"a":{"n":{"m":1},"n":{},"x":2}})",
                      R"(object:{"n":{"m":1},"n":{},"x":2} | number:2 | object:{} | -)"},
                     {R"({"a":{"n":{}},"a":{"x":7}})", R"(object:{"x":7} | number:7 | - | -)"},
                     {R"({"a":{"n":{}},"a":5})", "number:5 | - | - | -"},
                     {R"({"a":{"n":{}},"a":{}})", "object:{} | - | - | -"},
                     {R"({"a":{ "n" : { } } })", R"(object:{ "n" : { } } | - | object:{ } | -)"},
                     {R"({"a":{"x":1},"b":2 } )", R"(object:{"x":1} | number:1 | - | -)"},
                 });
  }
}

TEST_CASE("json_decoder: sees through a change of a value's kind") {
  // The same key with every kind of value, each followed by every other, with and without blanks.
  const std::vector<Row> values = {{"1", "number:1"},
                                   {"-2.5e3", "number:-2.5e3"},
                                   {"\"s\"", "string:s"},
                                   {"\"\\n\"", "string:\n"},
                                   {"null", "null:null"},
                                   {"true", "true:true"},
                                   {"false", "false:false"},
                                   {"NaN", "not_finite:NaN"},
                                   {"[1,2]", "array:[1,2]"},
                                   {"{}", "object:{}"},
                                   {"{\"x\":3}", "object:{\"x\":3}"}};
  for (const bool looked_into : {false, true}) {
    Bench bench(looked_into ? std::vector<std::string>{"a", "z", "a.x"}
                            : std::vector<std::string>{"a", "z"});
    for (const std::string blank : {"", " "}) {
      for (const Row& first : values) {
        for (const Row& second : values) {
          for (const Row& row : {first, second, first, second}) {
            const std::string line = "{\"w\":0,\"a\":" + blank + row.text + ",\"z\":1}";
            std::string want = row.want + " | number:1";
            if (looked_into) want += row.text == "{\"x\":3}" ? " | number:3" : " | -";
            INFO(line);
            CHECK(bench.decode(line) == want);
          }
        }
      }
    }
  }
}

TEST_CASE("json_decoder: looks into an object under a key that held something else before") {
  Bench bench({"extra.event"});
  check(bench, {
                   {R"({"t":1,"extra":null,"z":1})", "-"},
                   {R"({"t":1,"extra":[1],"z":1})", "-"},
                   {R"({"t":1,"extra":{"event":"x"},"z":1})", "string:x"},
                   {R"({"t":1,"extra":"{\"event\":1}","z":1})", "-"},
                   {R"({"t":1,"extra":{"event":["x"]},"z":1})", R"(array:["x"])"},
                   {R"({"t":1,"extra": {"event" : null},"z":1})", "null:null"},
                   {R"({"t":1,"extra":{}})", "-"},
                   {R"({"t":1,"extra":5})", "-"},
                   {R"({"t":1,"extra":5]})", "refused"},
                   {R"({"t":1,"extra":})", "refused"},
                   {R"({"t":1,"extra":[1}})", "refused"},
               });
}

TEST_CASE("json_decoder: refuses an object that is not closed, whatever follows") {
  Bench bench({"a", "b.c"});
  const std::string whole = R"({"a":"x\n","b":{"c":[1,{"d":null}],"e":-1.5e3},"f":true})";
  bench.decode(whole);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string text = whole.substr(0, size);
    INFO(text);
    CHECK(bench.decode(text) == "refused");
    CHECK(bench.decode(text + " ") == "refused");
  }
}

TEST_CASE("json_decoder: refuses structure that is out of place") {
  Bench bench({"a", "b.c"});
  for (const std::string text : {R"({"a":1}x)",       R"({"a":1}{})",     R"({"a":1}})",
                                 R"({"a":1},)",       R"({"a":1} ,)",     R"({"a":1}])",
                                 R"({"a":1,})",       R"({,"a":1})",      R"({,})",
                                 R"({"a":1,,"b":2})", R"({"a":1 "b":2})", R"({"a" 1})",
                                 R"({"a"})",          R"({"a",1})",       R"({"a"::1})",
                                 R"({a:1})",          R"({'a':1})",       R"({1:1})",
                                 R"({null:1})",       R"({"a":1;"b":2})", R"({"a":1]])",
                                 R"({"a":[1})",       R"({"a":[1}])",     R"({"a":[1,]})",
                                 R"({"a":[,1]})",     R"({"a":[,]})",     R"({"a":[1 2]})",
                                 R"({"a":["b":1]})",  R"({"a":[}})",      R"({"a":{]})",
                                 R"({"a":{"x":1]})",  R"({"a":{"x"}})",   R"({"a":{"x":}})",
                                 R"({"a":{"x":1,}})", R"({"a":{,}})",     R"({"b":{,"c":1}})",
                                 R"({"b":{"c":1,}})", R"({"b":{"c":1]})", R"({"b":{"c":1},})",
                                 R"({"b":{"c" 1}})",  R"({"b":{1}})",     R"({"b":{"c":1}]})",
                                 R"({"b":{"c":1}}})", R"({"b":{}}})",     R"({"b":{} "a":1})",
                                 R"({"b":{}{}})",     "{\"a\":1}\v",      "{\"a\":1}\f",
                                 "{\"a\":1}\xc2\xa0", R"({"a":1}//)",     R"({"a":1/**/})",
                                 R"({{}:1})",         R"({[]:1})"}) {
    INFO(text);
    CHECK(bench.decode(text) == "refused");
  }
}

TEST_CASE("json_decoder: passes blanks everywhere") {
  Bench bench({"a", "b.c"});
  for (const std::string b :
       {" ", "\t", "\r", " \t\r ", "                                       "}) {
    const std::string blank = b;
    std::string text =
        "{_\"a\"_:_1_,_\"b\"_:_{_\"c\"_:_[_1_,_{_\"d\"_:_null_,_\"e\"_:_{_}_}_,_[_]_]_}_}_";
    for (std::size_t at = text.find('_'); at != std::string::npos; at = text.find('_')) {
      text.replace(at, 1, b);
    }
    std::string array = "[_1_,_{_\"d\"_:_null_,_\"e\"_:_{_}_}_,_[_]_]";
    for (std::size_t at = array.find('_'); at != std::string::npos; at = array.find('_')) {
      array.replace(at, 1, b);
    }
    CHECK(bench.decode(text) == "number:1 | array:" + array);
    CHECK(bench.decode("{" + b + "}" + b) == "- | -");
  }
  CHECK(bench.decode("{\"a\":1}\r") == "number:1 | -");
  CHECK(bench.decode("{\"a\":\"x\"}\r") == "string:x | -");
  CHECK(bench.decode("{\"b\":{\"c\":\"x\"}}\r") == "- | string:x");
}

TEST_CASE("json_decoder: counts nesting from the outermost object, whether looked into or not") {
  for (const std::string wanted : {"z", "a", "a.b", "a.b.c"}) {
    Bench bench({wanted});
    const auto fits = [&](const std::string& text) { return bench.decode(text) != "refused"; };
    for (const std::size_t levels : {1023U, 1024U, 1025U}) {
      INFO(wanted << ' ' << levels);
      const bool want = levels <= kMaxJsonDepth;
      CHECK(fits(nested_objects(levels)) == want);
      CHECK(fits("{\"a\":" + nested(levels - 1, '[', ']') + "}") == want);
      CHECK(fits("{\"a\":" + nested_objects(levels - 1) + "}") == want);
      CHECK(fits("{\"a\":{\"b\":" + nested(levels - 2, '[', ']') + "}}") == want);
      CHECK(fits("{\"a\":{\"b\":{\"c\":" + nested_objects(levels - 3) + "}}}") == want);
    }
    CHECK_FALSE(fits("{\"a\":" + std::string(100000, '[')));
    CHECK_FALSE(fits("{\"a\":" + nested(100000, '[', ']') + "}"));
  }
}

TEST_CASE("json_decoder: looks up fields that are nested deeper than a line may be") {
  std::string path = "a";
  for (int i = 1; i < 1100; ++i) path += ".a";
  Bench bench({path, "a.z"});
  const auto line = [](std::size_t levels) {
    std::string text;
    for (std::size_t i = 0; i < levels; ++i) text += "{\"a\":";
    return text + "1" + std::string(levels, '}');
  };
  CHECK(bench.decode(line(1024)) == "- | -");
  CHECK(bench.decode(line(1025)) == "refused");
  CHECK(bench.decode(line(1100)) == "refused");
}

TEST_CASE("json_decoder: knows keys by what they spell") {
  using namespace std::string_literals;
  const std::string long_key(70, 'k');
  Bench bench({"event", "''", "'a.b'", "''.''", long_key, "\u00e4", "'a\"b'"});
  check(bench,
        {
            {R"({"event":1})", "number:1 | - | - | - | - | - | -"},
            {R"({"ev\u0065nt":1})", "number:1 | - | - | - | - | - | -"},
            {R"({"\u0065\u0076\u0065\u006E\u0074":"x"})", "string:x | - | - | - | - | - | -"},
            {R"({"ev\\u0065nt":1})", "- | - | - | - | - | - | -"},
            {R"({"event\u0000":1})", "- | - | - | - | - | - | -"},
            {R"({"even":1,"events":2,"Event":3," event":4})", "- | - | - | - | - | - | -"},
            {R"({"":2})", "- | number:2 | - | - | - | - | -"},
            {R"({"a.b":3,"a":{"b":4}})", "- | - | number:3 | - | - | - | -"},
            {R"({"":{"":5}})", R"(- | object:{"":5} | - | number:5 | - | - | -)"},
            {"{\"" + long_key + "\":6}", "- | - | - | - | number:6 | - | -"},
            {"{\"" + long_key + "\":\"6\",\"event\":1}", "number:1 | - | - | - | string:6 | - | -"},
            {"{\"" + long_key + "k\":6}", "- | - | - | - | - | - | -"},
            {"{\"\u00e4\":7}", "- | - | - | - | - | number:7 | -"},
            {R"({"\u00e4":7})", "- | - | - | - | - | number:7 | -"},
            {R"({"a\"b":8})", "- | - | - | - | - | - | number:8"},
        });
}

TEST_CASE("json_decoder: finds a field at the first of its places that has one") {
  FieldPlan plan;
  plan.lift({"extra", "ctx"});
  const FieldId event = plan.field(parse_field_path("event"));
  const FieldId nested_event = plan.field(parse_field_path("extra.event"));
  const FieldId well_known = plan.first_of(
      {parse_field_path("level"), parse_field_path("levelname"), parse_field_path("extra.level")});
  JsonDecoder decoder(plan);
  const auto field = [&](std::string_view text, FieldId id) {
    const JsonLine line(text);
    Event record(plan);
    REQUIRE(decoder.decode(line.begin(), record) != nullptr);
    return std::string(record.field(plan.candidates(id)).text());
  };
  CHECK(field(R"({"event":1,"extra":{"event":2},"ctx":{"event":3}})", event) == "1");
  CHECK(field(R"({"ctx":{"event":3},"extra":{"event":2},"event":1})", event) == "1");
  CHECK(field(R"({"ctx":{"event":3},"extra":{"event":2}})", event) == "2");
  CHECK(field(R"({"ctx":{"event":3},"extra":{"event":2},"event":null})", event) == "2");
  CHECK(field(R"({"ctx":{"event":3},"extra":{"event":null}})", event) == "3");
  CHECK(field(R"({"ctx":{"event":3},"extra":[]})", event) == "3");
  CHECK(field(R"({"ctx":"event"})", event).empty());
  CHECK(field(R"({"event":1,"extra":{"event":2}})", nested_event) == "2");
  CHECK(field(R"({"event":1})", nested_event).empty());
  CHECK(field(R"({"ctx":{"extra":{"event":4}}})", nested_event) == "4");
  CHECK(field(R"({"levelname":"b","extra":{"level":"c"},"level":"a"})", well_known) == "a");
  CHECK(field(R"({"extra":{"level":"c"},"levelname":"b"})", well_known) == "b");
  CHECK(field(R"({"extra":{"level":"c"}})", well_known) == "c");
}

TEST_CASE("json_decoder: gives a line the same result however often it comes") {
  Bench bench({"a.x", "b", "t"});
  const std::vector<Row> rows = {
      {R"({"t":1,"a":{"x":1},"b":2})", "number:1 | number:2 | number:1"},
      {R"({"t":1,"b":2,"a":{"x":1}})", "number:1 | number:2 | number:1"},
      {R"({"t":1,"b":"2","a":{"y":0,"x":1}})", "number:1 | string:2 | number:1"},
      {R"({"t":1,"b":null})", "- | null:null | number:1"},
      {R"({"a":{},"t":1})", "- | - | number:1"},
      {R"({"t":1,"b":2,"a":{"x":1})", "refused"},
  };
  for (JsonDecoder::Kernel kernel : {JsonDecoder::Kernel::best, JsonDecoder::Kernel::portable}) {
    bench.learned().use(kernel);
    for (int i = 0; i < 1000; ++i) {
      const Row& row = rows[static_cast<std::size_t>(i * i + i / 7) % rows.size()];
      const JsonLine line(row.text);
      Event event(bench.plan());
      const bool decoded = bench.learned().decode(line.begin(), event) != nullptr;
      REQUIRE((decoded ? told(event, bench.slots()) : "refused") == row.want);
    }
  }
}

TEST_CASE("json_decoder: decodes the same with all its tables full") {
  Bench bench({"a", "b.x", "b.y", "c.d.e"});
  const std::vector<Row> rows = {
      {R"({"a":1,"b":{"x":"s","y":[1]},"c":{"d":{"e":true}}})",
       "number:1 | string:s | array:[1] | true:true"},
      {R"({"q":0,"a":"1","b":{"z":{},"y":2},"c":{"d":3}})", "string:1 | - | number:2 | -"},
      {R"({"a":1,"b":{"x":1})", "refused"},
  };
  const std::string before = bench.decode(rows[0].text);
  std::size_t most = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string n = std::to_string(i);
    bench.decode("{\"k" + n + "\":1,\"a\":2,\"b\":{\"k" + n + "\":\"x\",\"x\":1},\"c\":{\"" + n +
                 "\":0,\"d\":{\"j" + n + "\":null}}}");
    most = std::max(most, bench.learned().shapes().edges.size());
  }
  CHECK(most > 500);
  CHECK(most <= 2048);
  check(bench, rows);
  CHECK(before == rows[0].want);
}

TEST_CASE("json_decoder: forgets at times, in between two lines") {
  FieldPlan plan;
  const SlotId slot = plan.candidates(plan.field(parse_field_path("a.b"))).front();
  JsonDecoder decoder(plan);
  // Keys with escapes are parsed each time.
  std::string text = "{\"a\":{\"b\":1";
  for (int i = 0; i < 1000; ++i) text += ",\"\\n\":0";
  text += "}}";
  const JsonLine line(text);
  std::uint64_t most = 0;
  for (int i = 0; i < 1100; ++i) {
    Event event(plan);
    REQUIRE(decoder.decode(line.begin(), event) == line.end());
    REQUIRE(event.has(slot));
    REQUIRE(event.slot(slot).text() == "1");
    most = std::max(most, decoder.shapes().parsed_since_reset);
  }
  CHECK(most > 1000000);
  CHECK(decoder.shapes().parsed_since_reset < most);
}
