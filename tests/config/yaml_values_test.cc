// What the values of a YAML file are, form by form.
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "config/yaml_document.h"

using namespace logtally::config;

namespace {

std::string shown(const Node& node) {
  std::string out;
  switch (node.kind) {
    case Node::Kind::null:
      return "null";
    case Node::Kind::scalar:
      return node.quoted ? "\"" + node.text + "\"" : node.text;
    case Node::Kind::sequence:
      for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + shown(item);
      return "[" + out + "]";
    case Node::Kind::map:
      for (const Node::Entry& entry : node.entries)
        out += (out.empty() ? "" : ", ") + shown(entry.key) + ": " + shown(entry.value);
      return "{" + out + "}";
  }
  return out;
}

// The tree, or the faults.
std::string read(std::string text) {
  Diagnostics found;
  const auto doc =
      parse_yaml(std::make_shared<const SourceFile>(SourceFile{"t.yaml", std::move(text)}), found);
  return found.all().empty() ? shown(doc->root) : found.render();
}

// The first fault: "2:5 E002 message".
std::string refused(std::string text) {
  const auto file = std::make_shared<const SourceFile>(SourceFile{"t.yaml", std::move(text)});
  Diagnostics found;
  parse_yaml(file, found);
  REQUIRE(found.all().size() == 1);
  const Diagnostic& d = found.all().front();
  const LineColumn at = line_column(*file, d.place.span.begin);
  return std::to_string(at.line) + ":" + std::to_string(at.column) + " " + d.code + " " + d.message;
}

}  // namespace

TEST_CASE("yaml values: nothing, null and words like it") {
  CHECK(read("a:\nb: ~\nc: null\nd: Null\ne: NULL\nf: nULL\ng: ''\nh: '~'\ni: \"null\"\n") ==
        "{a: null, b: null, c: null, d: null, e: null, f: nULL, g: \"\", h: \"~\", i: \"null\"}");
  CHECK(read("-\n- ~\n- a\n") == "[null, null, a]");
  CHECK(read("{a: , b: ~, c:, d:}\n") == "{a: null, b: null, c: null, d: null}");
  CHECK(read("a:\nnull: 1\n~: 2\n") == "{a: null, null: 1, ~: 2}");
  CHECK(read("yes: no\non: 0x1F\n.inf: 1e3\n") == "{yes: no, on: 0x1F, .inf: 1e3}");
}

TEST_CASE("yaml values: an empty item stands at its dash") {
  const auto doc = [](std::string text) {
    Diagnostics found;
    return parse_yaml(std::make_shared<const SourceFile>(SourceFile{"t.yaml", std::move(text)}),
                      found);
  }("a:\n  - # inc: x\n  - b\n  -\n");
  const Node& list = *doc->root.find("a");
  REQUIRE(list.items.size() == 3);
  CHECK(list.items[0].span.begin == 5);
  CHECK(list.items[0].span.end == 6);
  CHECK(list.items[2].span.begin == 24);
}

TEST_CASE("yaml values: blocks of text with every end and indentation") {
  struct Case {
    std::string head, text;
  };
  const Case cases[] = {
      {"|", "\"x\n  y\n\nz\n\""},        {"|-", "\"x\n  y\n\nz\""},
      {"|+", "\"x\n  y\n\nz\n\n\""},     {">", "\"x\n  y\n\nz\n\""},
      {">-", "\"x\n  y\n\nz\""},         {">+", "\"x\n  y\n\nz\n\n\""},
      {"|1", "\" x\n   y\n\n z\n\""},    {"|1-", "\" x\n   y\n\n z\""},
      {"|+1", "\" x\n   y\n\n z\n\n\""}, {"|2 # c", "\"x\n  y\n\nz\n\""},
      {">\t# c", "\"x\n  y\n\nz\n\""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.head);
    const std::string expected = "{a: " + c.text + ", b: 1}";
    CHECK(read("a: " + c.head + "\n  x\n    y\n\n  z\n\nb: 1\n") == expected);
    CHECK(read("a: " + c.head + "\r\n  x\r\n    y\r\n\r\n  z\r\n\r\nb: 1\r\n") == expected);
  }
  CHECK(read("a: >\n  x\n  y\n\n\n  z\n") == "{a: \"x y\n\nz\n\"}");
  CHECK(read("a: |\n\n  x\n") == "{a: \"\nx\n\"}");
  CHECK(read("a: |\nb: 1\n") == "{a: \"\", b: 1}");
  CHECK(read("a: |\n  x") == "{a: \"x\"}");
  CHECK(read("- |\n x\n- - >-\n   y\n") == "[\"x\n\", [\"y\"]]");
  CHECK(read("|\n  x\n") == "\"x\n\"");
  CHECK(refused("a: |--\n  x\n") == "1:4 E002 `|` begins a block of text on the lines below");
  CHECK(refused("a: >12\n  x\n") == "1:4 E002 `>` begins a block of text on the lines below");
  CHECK(refused("a: |\n      \n  x\n") == "2:6 E002 too many blanks on the empty line here");
  CHECK(refused("|\nx\n") == "2:1 E002 this line is indented too deeply");
}

TEST_CASE("yaml values: text over several lines") {
  CHECK(read("a: x\n  y\n\n  z # c\nb: 1\n") == "{a: x y\nz, b: 1}");
  CHECK(read("a: 'x\n  y\n\n  z'\n") == "{a: \"x y\nz\"}");
  CHECK(read("a: \"x\n  y\\\n  z\\n\"\n") == "{a: \"x yz\n\"}");
  CHECK(read("a: 'x\n\n\n  '\n") == "{a: \"x\n\n\"}");
  CHECK(read("[a b\n c, d]\n") == "[a b c, d]");
}

TEST_CASE("yaml values: escapes") {
  CHECK(read(R"(a: "\t\"\/\\\x41\u00e9\U0001F9E0\_\N\e")") ==
        "{a: \"\t\"/\\A\u00e9\U0001F9E0\u00a0\u0085\x1b\"}");
  CHECK(read(R"(a: 'it''s \n')") == R"({a: "it's \n"})");
}

TEST_CASE("yaml values: tabs that do not indent") {
  CHECK(read("a:\tb\t# c\n\t\nc:\t'd'\t\n \t# e\nf: [\tg,\th\t]\n") ==
        "{a: b, c: \"d\", f: [g, h]}");
  CHECK(read("-\ta\n- \tb\n") == "[a, b]");
  CHECK(read("a: x\ty\nb: 'x\ty'\n") == "{a: x\ty, b: \"x\ty\"}");
  CHECK(read("a: x\n\t\n  y\n") == "{a: x\ny}");
  CHECK(read("a: |\n  x\t\n\t\n \t\n  y\t\n\t\nb: 1\n") == "{a: \"x\t\n\n\ny\t\n\", b: 1}");
  CHECK(read("a: |\n  \tat x\n  y\nb: >\n  \tx\n  y\n  z\n") ==
        "{a: \"\tat x\ny\n\", b: \"\tx\ny z\n\"}");
  CHECK(read("é: |\n  \t→\nb: [x, 'y']\n") == "{é: \"\t→\n\", b: [x, \"y\"]}");
  CHECK(refused("-\ta: 1\n") == "1:2 E001 a tab cannot indent YAML");
  CHECK(refused("- \t- a\n") == "1:3 E001 a tab cannot indent YAML");
  CHECK(refused("a: |\n            \tx\n") ==
        "2:13 E002 a block of text that begins with a tab is indented too deeply");
}

TEST_CASE("yaml values: colons inside brackets") {
  CHECK(read("[::1, :x, a:b, http://x:80/]\n") == "[::1, :x, a:b, http://x:80/]");
  CHECK(read("{a: ::1, \"b\":c, 'd':, e:}\n") == "{a: ::1, \"b\": c, \"d\": null, e: null}");
  CHECK(read("[a: 1, b:]\n") == "[{a: 1}, {b: null}]");
}

TEST_CASE("yaml values: keys are text on one line, and not endless") {
  const std::string longest(1024, 'k');
  CHECK(read(longest + ": 1\n") == "{" + longest + ": 1}");
  CHECK(read("{\"" + longest.substr(2) + "\": 1}\n") == "{\"" + longest.substr(2) + "\": 1}");
  std::string letters;
  for (int i = 0; i < 1024; ++i) letters += "é";
  CHECK(read("a:\n  " + letters + ": 1\n") == "{a: {" + letters + ": 1}}");
  CHECK(refused("a: 1\n" + letters + "é: 1\n") == "2:1 E002 a key of more than 1024 characters");
  CHECK(refused("{a: 1, " + longest + "k: 1}\n") == "1:8 E002 a key of more than 1024 characters");
  CHECK(refused("{'" + longest + "': 1}\n") == "1:2 E002 a key of more than 1024 characters");
  CHECK(refused("{a\n : 1}\n") == "1:2 E002 a key must be text on one line");
  CHECK(refused("{\"a\n \": 1}\n") == "1:2 E003 this quoted text is never closed");
  CHECK(refused("a: [b, c\n  d: 1\n") == "1:8 E002 a key must be text on one line");
  CHECK(refused("a: ? b\n") == "1:4 E002 text cannot begin with `?`");
}

TEST_CASE("yaml values: begin and end of a document") {
  CHECK(read("\xEF\xBB\xBF- a\n- b\n") == "[a, b]");
  CHECK(read("---\n\xC3\xA9: 1\n...\n# c\n...\n") == "{é: 1}");
  CHECK(read("...\n") == "null");
  CHECK(read("---\n") == "null");
  CHECK(refused("\xEF\xBB\xBF\xC3\xA9: 1\nb: \xEF\xBB\xBF\n") ==
        "2:4 E007 text cannot hold a control character");
  CHECK(refused("a: \xEF\xBF\xBF\n") == "1:4 E007 this stands for no character");
  CHECK(refused("{a: 1,\n---\n}\n") == "1:1 E002 this `{` is never closed");
  CHECK(refused("'a\n...\n'\n") == "1:1 E003 this quoted text is never closed");
}
