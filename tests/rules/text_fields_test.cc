#include "rules/text_fields.h"

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/event.h"
#include "rules/field_plan.h"
#include "rules/json_decoder.h"
#include "rules/value.h"
#include "tests/rules/json_line.h"

namespace logtally::rules {
namespace {

FieldPlan make_plan(const std::vector<std::string>& fields) {
  FieldPlan plan;
  for (const std::string& field : fields) plan.field(parse_field_path(field));
  return plan;
}

std::string kind_name(const Token& token) {
  switch (token.kind) {
    case TokenKind::missing:
      return "missing";
    case TokenKind::null:
      return "null";
    case TokenKind::boolean_true:
      return "true";
    case TokenKind::boolean_false:
      return "false";
    case TokenKind::number:
      return "number:" + std::string{token.text()};
    case TokenKind::not_finite:
      return "not_finite:" + std::string{token.text()};
    case TokenKind::string:
      return std::string{token.escaped ? "raw:" : "text:"} + std::string{token.text()};
    case TokenKind::object:
      return "object:" + std::string{token.text()};
    case TokenKind::array:
      return "array:" + std::string{token.text()};
  }
  return "?";
}

// What a text gives for the fields of a plan.
struct Reading {
  explicit Reading(const std::vector<std::string>& fields)
      : names(fields), plan(make_plan(fields)), json(plan), text_fields(plan), event(plan) {}

  bool parse(std::string_view text, std::string_view behind = "\n") {
    line = std::make_unique<JsonLine>(text, behind);
    return text_fields.parse({line->begin(), text.size()}, event, json, scratch);
  }
  // `skill=text:x ok=true`, in the order of the names; missing ones are left out.
  std::string fields() {
    std::string all;
    for (const std::string& name : names) {
      const FieldPath path = parse_field_path(name);
      const SlotId slot = plan.candidates(plan.field(path)).front();
      if (!event.has(slot)) continue;
      all += (all.empty() ? "" : " ") + name + "=" + kind_name(event.slot(slot));
    }
    return all;
  }

  std::vector<std::string> names;
  FieldPlan plan;
  JsonDecoder json;
  TextFields text_fields;
  Event event;
  Scratch scratch;
  std::unique_ptr<JsonLine> line;
};

const std::vector<std::string> kFields = {"a",     "a.b", "a.b.c", "n",  "s",
                                          "'x.y'", "x.y", "x.z",   "it", "skill"};

struct Case {
  std::string_view in;
  std::string_view want;  // "-": refused
};

void check(const Case* begin, const Case* end) {
  for (const Case* c = begin; c != end; ++c) {
    CAPTURE(c->in);
    Reading reading(kFields);
    const bool parsed = reading.parse(c->in);
    CHECK((parsed ? reading.fields() : "-") == c->want);
  }
}
template <std::size_t N>
void check(const Case (&cases)[N]) {
  check(cases, cases + N);
}

}  // namespace

TEST_CASE("text fields: JSON objects") {
  check({
      {R"({"skill": "memory", "n": 1.5, "other": [1, {"n": 2}]})",
       "n=number:1.5 skill=text:memory"},
      {R"( {"a": {"b": {"c": null}}}  )",
       R"(a=object:{"b": {"c": null}} a.b=object:{"c": null} a.b.c=null)"},
      {R"({})", ""},
      {R"({"s": "a\"b"})", R"(s=raw:a\"b)"},
      {R"({"n": NaN})", "n=not_finite:NaN"},
      {R"({"n": true,})", "-"},
      {R"({"n": tru})", "-"},
      {R"({"n": 01})", "-"},
      {R"({"n": 1} x)", "-"},
      {R"({"n": 1)", "-"},
      {R"([1])", "-"},
      {R"("n")", "-"},
  });
}

TEST_CASE("text fields: JSON is read in place or from a copy") {
  for (const std::string_view rest : {"", " ", "\r", " and more"}) {
    CAPTURE(rest);
    Reading reading({"n"});
    const std::string all = R"({"n": 12})" + std::string{rest};
    const JsonLine line(all);
    CHECK(
        reading.text_fields.parse({line.begin(), 9}, reading.event, reading.json, reading.scratch));
    CHECK(reading.fields() == "n=number:12");
  }
}

TEST_CASE("text fields: Python dicts") {
  check({
      {"{'skill': 'sandbox', 'operation': 'run', 'success': False, 'n': 2.18, 's': 'ValueError'}",
       "n=number:2.18 s=text:ValueError skill=text:sandbox"},
      {"{'n': 1e-05, 's': True, 'a': None}", "a=null n=number:1e-05 s=true"},
      {"{'n': inf, 's': -inf, 'a': nan}", "a=not_finite:nan n=not_finite:inf s=not_finite:-inf"},
      {"{'n': -7, 's': \"it's\"}", "n=number:-7 s=text:it's"},
      {"{\"it's\": \"x\", \"it\": \"y\", 'n': 1}", "n=number:1 it=text:y"},
      {"{'a': {'b': {'c': 'deep'}, 'n': 2}, 'n': 1}",
       "a=object:{'b': {'c': 'deep'}, 'n': 2} a.b=object:{'c': 'deep'} a.b.c=text:deep n=number:1"},
      {"{'a': [1, 2, {'b': 3}], 's': (1,), 'n': ()}",
       "a=array:[1, 2, {'b': 3}] n=array:() s=array:(1,)"},
      {"{'a': {1, 2}, 'n': set(), 's': frozenset({1})}",
       "a=array:{1, 2} n=text:set() s=text:frozenset({1})"},
      {"{'a': <Foo object at 0x7f>, 'n': 1}", "a=text:<Foo object at 0x7f> n=number:1"},
      {"{'a': <Task coro=<run() running at x.py:3>>, 'n': 1}",
       "a=text:<Task coro=<run() running at x.py:3>> n=number:1"},
      {"{'a': <function f(a: int) -> str at 0x1>, 'n': 1}",
       "a=text:<function f(a: int) -> str at 0x1> n=number:1"},
      {"{'a': <User don't, or do>, 'n': 1}", "a=text:<User don't, or do> n=number:1"},
      {"{'a': datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), 'n': 1}",
       "a=text:datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) n=number:1"},
      {"{'a': UUID('12-34'), 's': Decimal('1.5'), 'n': b'\\x00, \\''}",
       "a=text:UUID('12-34') n=text:b'\\x00, \\'' s=text:Decimal('1.5')"},
      {"{'a': Point(x=')', y='}'), 'n': 1}", "a=text:Point(x=')', y='}') n=number:1"},
      {"{'a': <Status.OK: 'o>k'>, 's': Color.RED, 'n': (1+2j)}",
       "a=text:<Status.OK: 'o>k'> n=array:(1+2j) s=text:Color.RED"},
      {"{1: 'x', None: 2, (1, 2): 3, <K.A: 1>: 4, 'n': 5}", "n=number:5"},
      // The last of equal keys, with what is below it.
      {"{'n': 1, 'n': 2}", "n=number:2"},
      {"{'a': {'b': 1}, 'a': 2}", "a=number:2"},
      {"{'a': {'b': {'c': 1}}, 'a': {'b': 3}}", "a=object:{'b': 3} a.b=number:3"},
      {"{'x.y': 1, 'x': {'y': 2}}", "'x.y'=number:1 x.y=number:2"},
  });
}

TEST_CASE("text fields: Python escapes are resolved") {
  check({
      {R"({'s': 'a\'b\n\x41\u00e9'})", "s=text:a'b\nA\xc3\xa9"},
      {R"({'s': "\\ \" \t\r\a\b\f\v"})", "s=text:\\ \" \t\r\a\b\f\v"},
      {R"({'s': '\U0001F680 \ud83d\ude80'})", "s=text:\xf0\x9f\x9a\x80 \xf0\x9f\x9a\x80"},
      {R"({'s': '\ud83d \ude80 \ud83d\u0041'})",
       "s=text:\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd"
       "A"},
      {R"({'s': '\xe9\xZZ\u12 \q C:\dir \U7fffffff'})",
       "s=text:\xc3\xa9\\xZZ\\u12 \\q C:\\dir \xef\xbf\xbd"},
      {R"({'\x6e': 1, 'sk\u0069ll': 'k'})", "n=number:1 skill=text:k"},
  });
}

TEST_CASE("text fields: what is no dict is refused") {
  check({
      {"", "-"},
      {"  ", "-"},
      {"{", "-"},
      {"{'n'}", "-"},
      {"{'n': }", "-"},
      {"{'n': 1", "-"},
      {"{'n': 1,}", "-"},
      {"{'n': 1}}", "-"},
      {"{'n': 1} 2", "-"},
      {"{'n' 1}", "-"},
      {"{'n': 1 's': 2}", "-"},
      {"{'n': 'open}", "-"},
      {"{'n': 'open\\'}", "-"},
      {"{n: 1}", "-"},
      {"{'n': true}", "-"},
      {"{'n': two words}", "-"},
      {"{'n': [1, 2}", "-"},
      {"{'n': (1]}", "-"},
      {"{'n': Foo(}", "-"},
      {"{'n': Foo(]}", "-"},
      {"{'n': <open}", "-"},
      {"{'n': 'a' 'b'}", "-"},
      {"{1, 2}", "-"},
      {"{'n': 1, 2}", "-"},
      {"{1, 'n': 2}", "-"},
      {"skill failed: {'n': 1}", "-"},
  });
}

TEST_CASE("text fields: pairs") {
  check({
      {"latency_ms=4.22 operation=query skill=x n=True s='two words' a=None",
       "a=null n=true s=text:two words skill=text:x"},
      {"n=1", "n=number:1"},
      {"  n=1\t s=2  ", "n=number:1 s=number:2"},
      {"n=false s=true a=null", "a=null n=false s=true"},
      {"n= s=? a=n/a", "a=null n=null s=null"},
      {"n='None' s=\"\" a=NoneType", "a=text:NoneType n=text:None s=text:"},
      {"n=nan s=-inf a=NaN", "a=not_finite:NaN n=not_finite:nan s=not_finite:-inf"},
      {"n=007 s=+5 a=4.22ms", "a=text:4.22ms n=text:007 s=text:+5"},
      {"s=O'Brien n=1", "n=number:1 s=text:O'Brien"},
      {"s=http://h/?q=1&r=2 n=1", "n=number:1 s=text:http://h/?q=1&r=2"},
      {R"(s="say \"hi\"\n" n=1)", "n=number:1 s=text:say \"hi\"\n"},
      {R"(s='it\'s \x41')", "s=text:it's A"},
      {"a={'b': {'c': 1}} n=2",
       "a=object:{'b': {'c': 1}} a.b=object:{'c': 1} a.b.c=number:1 n=number:2"},
      {"a=[1, 'x y', 2] n=1", "a=array:[1, 'x y', 2] n=number:1"},
      {"a=<Foo object at 0x7f> n=1", "a=text:<Foo object at 0x7f> n=number:1"},
      {"a=datetime.datetime(2026, 1, 1) n=1", "a=text:datetime.datetime(2026, 1, 1) n=number:1"},
      {"a=ValueError('no such thing') n=1", "a=text:ValueError('no such thing') n=number:1"},
      {"a=[open n=1", "a=text:[open n=number:1"},
      {"a=f(x)y n=1", "a=text:f(x)y n=number:1"},
      {"x.y=1", "'x.y'=number:1"},
      {"x.z=1", "x.z=number:1"},
      {"a.b.c=1 a.q=2", "a.b.c=number:1"},
      {"n=1 n=2", "n=number:2"},
      {"a={'b': 1} a=2", "a=number:2"},
      {"unknown-key@x=1", ""},
      {"skill=m\xc3\xa9t\xc3\xa9o", "skill=text:m\xc3\xa9t\xc3\xa9o"},
      {"n=1 flag", "-"},
      {"some text n=1", "-"},
      {"=1", "-"},
      {"n", "-"},
      {"n =1", "-"},
      {"s='open n=1", "-"},
      {"s='a'b n=1", "-"},
      {"n=1, s=2", "n=text:1, s=number:2"},
      {"a:b=1", "-"},
  });
}

TEST_CASE("text fields: a refused text leaves the event alone, and null hides nothing") {
  Reading reading({"n", "s", "skill"});
  std::vector<std::unique_ptr<JsonLine>> lines;  // all that the event may look at
  const auto parse = [&](std::string_view text) {
    const bool parsed = reading.parse(text);
    lines.push_back(std::move(reading.line));
    return parsed;
  };
  REQUIRE(parse("n=1 s=first"));
  for (const std::string_view text : {"n=2 s=x broken", "{'n': 2, 's': 'x'",
                                      R"({"n": 2, "s": "x"} y)", R"({"n": 2, "s": nul})", "text"}) {
    CAPTURE(text);
    CHECK_FALSE(parse(text));
    CHECK(reading.fields() == "n=number:1 s=text:first");
  }
  CHECK(parse("n=None skill=None s=second"));
  CHECK(reading.fields() == "n=number:1 s=text:second skill=null");
  CHECK(parse(R"({"n": null})"));
  CHECK(reading.fields() == "n=number:1 s=text:second skill=null");
}

TEST_CASE("text fields: nesting is bounded") {
  const auto nested = [](std::size_t depth, std::string_view open, std::string_view close) {
    std::string text = "{'n': 1, 's': ";
    for (std::size_t i = 0; i < depth; ++i) text += open;
    text += "1";
    for (std::size_t i = 0; i < depth; ++i) text += close;
    return text + "}";
  };
  for (const auto& [open, close] :
       {std::pair{"[", "]"}, {"(", ",)"}, {"{'k': ", "}"}, {"{", "}"}}) {
    CAPTURE(open);
    Reading reading({"n"});
    CHECK(reading.parse(nested(TextFields::kMaxDepth - 1, open, close)));
    CHECK_FALSE(reading.parse(nested(TextFields::kMaxDepth, open, close)));
    CHECK_FALSE(reading.parse(nested(100'000, open, close)));
  }
  Reading reading({"n"});
  CHECK(reading.parse(nested(TextFields::kMaxDepth, "F(", ")")));
  CHECK_FALSE(reading.parse(nested(TextFields::kMaxDepth + 1, "F(", ")")));
}

TEST_CASE("text fields: time is linear in the text") {
  // Texts that make a careless reader look at the rest again and again; quadratic would be minutes.
  Reading reading({"n"});
  for (const std::string_view piece : {"a=F('\\' ", "a=[ ", "a=F(\" ", "a=<A ", "a='x' ", "'",
                                       "{'a': ", "{\"a\":", "a=F(1,", "a.a."}) {
    std::string text;
    while (text.size() < 1'000'000) text += piece;
    reading.scratch.clear();
    CAPTURE(piece);
    CHECK((reading.parse(text) || true));
    CHECK((reading.parse("{" + text + "}") || true));
  }
}

TEST_CASE("text fields: mutated texts neither crash nor half count") {
  const std::string_view seeds[] = {
      "{'skill': 'sandbox', 'success': False, 'n': 2.18, 's': None, 'a': {'b': [1, 2]}, \"it's\": "
      "'a\\'b\\n\\x41\\u00e9'}",
      "{'a': <Foo at 0x7f>, 's': datetime.datetime(2026, 1, 1), 'n': UUID('1-2'), 'x': {1, 2}, (1, "
      "2): b'\\''}",
      "latency_ms=4.22 operation=query skill=x n=True s='two words' a=None x.y=[1, 'b c'] z=<A "
      "b=c>",
      R"({"skill": "memory", "n": 1.5e3, "s": "\ud83d\ude80", "a": {"b": {"c": [1, null]}}})",
  };
  constexpr std::string_view kBytes = "'\"\\{}[]()<>=:, \n.-xu0n1TrueNa\x1b\xff";
  std::mt19937 random(11);
  Reading reading(kFields);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text{seeds[random() % std::size(seeds)]};
    for (std::size_t n = random() % 4; n > 0 && !text.empty(); --n) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          text.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        case 2:
          text.erase(at, random() % 8);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 16));
          break;
      }
    }
    reading.event.clear();
    reading.scratch.clear();
    const bool parsed = reading.parse(text);
    accepted += parsed ? 1 : 0;
    CAPTURE(text);
    if (!parsed) REQUIRE(reading.fields().empty());
    const std::string once = reading.fields();
    // What is behind the text, or a fresh reader, changes nothing.
    reading.event.clear();
    REQUIRE(reading.parse(text, "'}\"x=1 ") == parsed);
    REQUIRE(reading.fields() == once);
  }
  CHECK(accepted > 3000);
  CHECK(accepted < 17'000);
}

}  // namespace logtally::rules
