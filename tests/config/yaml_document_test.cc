#include "config/yaml_document.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

using namespace logtally::config;

namespace {

std::shared_ptr<const SourceFile> source(std::string text) {
  return std::make_shared<const SourceFile>(SourceFile{"t.yaml", std::move(text)});
}

std::unique_ptr<YamlDocument> good(std::string text) {
  Diagnostics found;
  auto document = parse_yaml(source(std::move(text)), found);
  INFO(found.render());
  REQUIRE(document != nullptr);
  REQUIRE_FALSE(found.has_errors());
  return document;
}

std::string_view slice(const YamlDocument& document, const Node& node) {
  return std::string_view(document.file->text)
      .substr(node.span.begin, node.span.end - node.span.begin);
}

constexpr std::string_view kRules = R"(# a rule file 🧠
version: 1
'quoted key': "→ \"x\" \u00e9"
formats:   # a comment
  api: {pattern: '🧠 Aria''s API v<version> up…'}   # behind it
rules:
  "http":
    match: {event: x, none: null, tilde: ~, empty: , deep: [a, {b: 1}, [c, "d"]]}
    do:
    - {inc: x, if: $a == "b"}
    - inc: plain text,
        goes on here
      value: >-
        folded
        text

      expect: |
        one # no comment
          two

    -
    - - nested
      - list
    url: http://x:80/a#b
    empty:
    multi: "one
      two"
    list: [
      a, # why
      b,
    ]
last: true
)";

}  // namespace

TEST_CASE("yaml: reads values with the place of every token") {
  const auto doc = good(std::string(kRules));
  const Node& root = doc->root;
  REQUIRE(root.is_map());
  CHECK(root.entries.size() == 5);
  CHECK(root.find("version")->text == "1");
  CHECK_FALSE(root.find("version")->quoted);

  const Node::Entry* key = root.find_entry("quoted key");
  REQUIRE(key != nullptr);
  CHECK(slice(*doc, key->key) == "'quoted key'");
  CHECK(slice(*doc, key->value) == R"("→ \"x\" \u00e9")");
  CHECK(key->value.text == "→ \"x\" é");
  CHECK(key->value.quoted);

  const Node& pattern = *root.find("formats")->find("api")->find("pattern");
  CHECK(slice(*doc, pattern) == "'🧠 Aria''s API v<version> up…'");
  CHECK(pattern.text == "🧠 Aria's API v<version> up…");
  CHECK(slice(*doc, *root.find("formats")->find("api")) ==
        "{pattern: '🧠 Aria''s API v<version> up…'}");

  const Node& http = *root.find("rules")->find("http");
  const Node& match = *http.find("match");
  CHECK(match.find("none")->is_null());
  CHECK(slice(*doc, *match.find("none")) == "null");
  CHECK(match.find("tilde")->is_null());
  CHECK(match.find("empty")->is_null());
  CHECK(slice(*doc, *match.find("empty")) == "empty");
  const Node& deep = *match.find("deep");
  REQUIRE(deep.items.size() == 3);
  CHECK(slice(*doc, deep) == "[a, {b: 1}, [c, \"d\"]]");
  CHECK(slice(*doc, deep.items[1]) == "{b: 1}");
  CHECK(deep.items[2].items[1].quoted);

  const Node& actions = *http.find("do");
  REQUIRE(actions.items.size() == 4);
  CHECK(actions.items[0].find("if")->text == "$a == \"b\"");
  CHECK(slice(*doc, *actions.items[0].find("if")) == "$a == \"b\"");
  CHECK_FALSE(actions.items[0].find("if")->quoted);
  CHECK(actions.items[1].find("inc")->text == "plain text, goes on here");
  CHECK(slice(*doc, *actions.items[1].find("inc")) == "plain text,\n        goes on here");
  CHECK(actions.items[1].find("value")->text == "folded text");
  CHECK(actions.items[1].find("value")->quoted);
  CHECK(slice(*doc, *actions.items[1].find("value")) == ">-\n        folded\n        text");
  CHECK(actions.items[1].find("expect")->text == "one # no comment\n  two\n");
  CHECK(actions.items[2].is_null());
  CHECK(actions.items[3].items[1].text == "list");

  CHECK(http.find("url")->text == "http://x:80/a#b");
  CHECK(http.find("empty")->is_null());
  CHECK(slice(*doc, *http.find("empty")) == "empty");
  CHECK(http.find("multi")->text == "one two");
  CHECK(slice(*doc, *http.find("multi")) == "\"one\n      two\"");
  CHECK(http.find("list")->items.size() == 2);
  CHECK(slice(*doc, *root.find("last")) == "true");
  CHECK(root.find("nothing") == nullptr);
}

TEST_CASE("yaml: takes an empty file, a byte order mark, CRLF and document markers") {
  CHECK(good("")->root.is_null());
  CHECK(good("# only a comment\n\n")->root.is_null());
  const auto crlf = good("\xEF\xBB\xBFkey: v\r\ntwo: 'w'\r\n");
  CHECK(slice(*crlf, *crlf->root.find("key")) == "v");
  CHECK(slice(*crlf, *crlf->root.find("two")) == "'w'");
  CHECK(good("--- # one\na: 1\n...\n")->root.find("a")->text == "1");
  CHECK(good("key:\n- a\n- b\nother: 1\n")->root.find("key")->items.size() == 2);
  CHECK(good("{null: a, ~: b}\n")->root.entries.size() == 2);
  CHECK(good("a: {\n  b: 1\n}\n")->root.find("a")->find("b")->text == "1");
}

TEST_CASE("yaml: one fault, one message, at its own place") {
  struct Case {
    std::string text;
    std::string code;
    std::uint32_t line, column;
    std::string message;  // its beginning
  };
  const Case cases[] = {
      {"a: 1\n\tb: 2\n", "E001", 2, 1, "a tab cannot indent YAML"},
      {"a:\n  \tb: 2\n", "E001", 2, 3, "a tab cannot indent YAML"},
      {"a: [1,\n\t2]\n", "E001", 2, 1, "a tab cannot indent YAML"},
      {"a: 1\nb: \"x\nc: 2\n", "E003", 2, 4, "this quoted text is never closed"},
      {"a: 1\nb: 'x\nc: 'y'\nd: 1\n", "E003", 2, 4, "this quoted text is never closed"},
      {"a: 1\nb: {c: \"x\nd: \"y\"\n", "E003", 2, 8, "this quoted text is never closed"},
      {"a: {b: \"x,\n    c: \"y\"}\n", "E003", 1, 8, "this quoted text is never closed"},
      {"a:\n  - \"x\n  - y\n", "E003", 2, 5, "this quoted text is never closed"},
      {"a: 'it's'\n", "E002", 1, 8, "text behind the quoted text"},
      {"a: 1\nb: 2\na: 3\n", "E004", 3, 1, "the key `a` stands twice"},
      {"a: {b: 1, 'b': 2}\n", "E004", 1, 11, "the key `b` stands twice"},
      {"a: &x 1\n", "E005", 1, 4, "an anchor is not taken here"},
      {"a: *x\n", "E005", 1, 4, "an alias is not taken here"},
      {"a: [*x]\n", "E005", 1, 5, "an alias is not taken here"},
      {"a: !!str x\n", "E005", 1, 4, "a tag is not taken here"},
      {"a: ! x\n", "E005", 1, 4, "a tag is not taken here"},
      {"<<: {a: 1}\n", "E005", 1, 1, "a merge key is not taken here"},
      {"a: {<<: b}\n", "E005", 1, 5, "a merge key is not taken here"},
      {"a: 1\n---\nb: 2\n", "E005", 2, 1, "a file holds one document only"},
      {"a: 1\n...\nb: 2\n", "E005", 2, 1, "the file goes on behind its end"},
      {"a: 1\n...\n---\nb: 2\n", "E005", 3, 1, "a file holds one document only"},
      {"%YAML 1.2\n---\na: 1\n", "E005", 1, 1, "a directive is not taken here"},
      {"a: \xff\n", "E007", 1, 4, "this is not UTF-8 text"},
      {std::string("a: 1\0b\n", 7), "E007", 1, 5, "text cannot hold a NUL character"},
      {"a: \"\\0\"\n", "E007", 1, 5, "text cannot hold a NUL character"},
      {"a: b\x04: c\n", "E007", 1, 5, "text cannot hold a control character"},
      {"a: x\ry\n", "E007", 1, 5, "text cannot hold a control character"},
      {"a: b: c\n", "E002", 1, 5, "a second `: ` in one line"},
      {"a: {b: 1\nc: 2\n", "E002", 1, 4, "this `{` is never closed"},
      {"a: [b, c\n", "E002", 1, 4, "this `[` is never closed"},
      {"a: [b, {c: 1]\n", "E002", 1, 13, "`]` does not close `{`"},
      {"a: b]\nc: }\n", "E002", 2, 4, "`}` closes nothing"},
      {"a: [b] c\n", "E002", 1, 8, "text behind the closing bracket"},
      {"a: {b: \"x\" c: 1}\n", "E002", 1, 12, "a comma is missing before this"},
      {"a: {b: 1 c: 2}\n", "E002", 1, 11, "a second colon in one entry"},
      {"a: [b,, c]\n", "E002", 1, 7, "nothing stands before this comma"},
      {"a: {p: x?y}\n", "E002", 1, 9, "`?` inside brackets needs quotes"},
      {"a: {p: x[y]}\n", "E002", 1, 9, "`[` inside brackets needs quotes"},
      {"a:\n    b: 1\n  c: 2\n", "E002", 3, 3, "this line's indentation fits no line above it"},
      {"a: 1\n  b: 2\n", "E002", 2, 3, "this line is indented too deeply"},
      {"a: 'x'\n  b: 2\n", "E002", 2, 3, "this line is indented too deeply"},
      {"a: 1\nfoo\nb: 2\n", "E002", 2, 1, "a line of a map is `key: value`"},
      {"version 1\nb: 2\n", "E002", 1, 1, "a line of a map is `key: value`"},
      {"- foo\n  b: 2\n", "E002", 1, 3, "a line of a map is `key: value`"},
      {"a: 1\nb:2\nc: 3\n", "E002", 2, 2, "a blank is missing behind the colon"},
      {"a: - b\n", "E002", 1, 4, "a list cannot begin on the line of its key"},
      {"a: 1\n- b\n", "E002", 2, 1, "a list item among the keys of a map"},
      {"- a\nb: 1\n", "E002", 2, 1, "a key among the items of a list"},
      {"a:\n  -b: 1\n  - c: 2\n", "E002", 2, 3, "a blank is missing behind this `-`"},
      {"a:\n  - b: 1\n  -c: 2\n", "E002", 3, 3, "a blank is missing behind this `-`"},
      {"a:\n   - b: 1\n  - c: 2\n  - d: 3\n", "E002", 2, 4, "this item is indented otherwise"},
      {"a:\n  - b: 1\n   - c: 2\n   - d: 3\n", "E002", 2, 3, "this item is indented otherwise"},
      {"a:\n  - b: 1\n  - c: 2\n   - d: 3\n", "E002", 4, 4, "this line's indentation fits no line"},
      {"a: {b: 1, c}\n", "E002", 1, 11, "an entry of { } is `key: value`"},
      {"a: {b: round($x, 2), c: 1}\n", "E002", 1, 8, "inside { } a comma ends a value"},
      {"a: @b\n", "E002", 1, 4, "text cannot begin with `@`"},
      {"a: > 3\n", "E002", 1, 4, "`>` begins a block of text"},
      {"a: |\n    x\n  y\nb: 1\n", "E002", 3, 3,
       "this line is indented less than the text it belongs to"},
      {"? a\n: b\n", "E002", 1, 1, "`?` before a key is not taken here"},
      {": b\n", "E002", 1, 1, "no key before this colon"},
      {"[a]: b\n", "E002", 1, 1, "a key must be text on one line"},
      {"x: {[a]: b}\n", "E002", 1, 5, "a key must be text"},
      {"a: \"\\d\"\n", "E002", 1, 5, "this is no escape of text in double quotes"},
      {"a: \"\\u12\"\n", "E002", 1, 5, "\\u takes 4 hexadecimal digits"},
      {"é: 🧠 x\n→: \"y\n", "E003", 2, 4, "this quoted text is never closed"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    Diagnostics found;
    const auto file = source(c.text);
    parse_yaml(file, found);
    REQUIRE(found.all().size() == 1);
    const Diagnostic& d = found.all().front();
    CHECK(d.code == c.code);
    CHECK(d.message.substr(0, c.message.size()) == c.message);
    const LineColumn at = line_column(*file, d.place.span.begin);
    CHECK(at.line == c.line);
    CHECK(at.column == c.column);
  }
}

TEST_CASE("yaml: a lost quote is reported on its own line, whichever it is") {
  const std::string text =
      "a: 'one'\nb: {c: \"two\", d: 'three'}   # don't\ne:\n  - 'four'\n  - x: \"five: 'x'\"\n    "
      "y: 'six'\nf: |\n  it's\n";
  int dropped = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '"' && text[i] != '\'') continue;
    std::string broken = text;
    broken.erase(i, 1);
    Diagnostics found;
    const auto file = source(broken);
    if (parse_yaml(file, found) != nullptr)
      continue;  // a comment, a block of text, or text within other quotes
    ++dropped;
    CAPTURE(broken, found.render());
    REQUIRE(found.all().size() == 1);
    CHECK(line_column(*file, found.all()[0].place.span.begin).line ==
          line_column(*file, static_cast<std::uint32_t>(i)).line);
  }
  CHECK(dropped == 7);
}

TEST_CASE("yaml: all duplicate keys are reported, with the first one's place") {
  Diagnostics found;
  const auto doc = parse_yaml(source("a: 1\na: 2\nb: {c: 1, c: 2}\n"), found);
  REQUIRE(doc != nullptr);
  CHECK(found.errors() == 2);
  CHECK(doc->root.find("a")->text == "1");
  CHECK(found.render() ==
        "error[E004]: the key `a` stands twice\n"
        "  --> t.yaml:2:1\n"
        "   |\n"
        " 1 | a: 1\n"
        "   | - first here\n"
        " 2 | a: 2\n"
        "   | ^ a second time here\n"
        "\n"
        "error[E004]: the key `c` stands twice\n"
        "  --> t.yaml:3:11\n"
        "   |\n"
        " 3 | b: {c: 1, c: 2}\n"
        "   |     - first here\n"
        "   |           ^ a second time here\n");
}

TEST_CASE("yaml: an unclosed quote says where it opened") {
  Diagnostics found;
  parse_yaml(source("a:\n  - name: \"skill_execution"), found);
  CHECK(found.render() ==
        "error[E003]: this quoted text is never closed\n"
        "  --> t.yaml:2:11\n"
        "   |\n"
        " 2 |   - name: \"skill_execution\n"
        "   |           ^ opened here; the file ends before the closing \"\n");
}

TEST_CASE("yaml: hostile files are refused in little time") {
  const auto repeat = [](std::string_view part) {
    std::string text;
    while (text.size() + part.size() <= kMaxYamlBytes) text += part;
    return text;
  };
  std::string deep_map;
  for (int i = 0; i < 40; ++i) deep_map += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  struct Case {
    std::string text, code;
  };
  const Case cases[] = {
      {repeat("["), "E008"},       {repeat("{a: "), "E008"},
      {repeat("- "), "E008"},      {deep_map, "E008"},
      {repeat("a,"), "ok"},        {"[a" + repeat(",a").substr(2), "E008"},
      {repeat("- a\n"), "E008"},   {repeat("'"), "ok"},
      {repeat("\""), "E002"},      {repeat("&a "), "E005"},
      {repeat("? "), "E002"},      {repeat("a: b\n"), "E008"},
      {repeat("[") + "[", "E006"}, {"a: &a [x]\nb: [*a, *a]\n", "E005"},
      {repeat("x ") + "", "ok"},   {repeat("x\n"), "ok"},
      {repeat("#\n"), "ok"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text.substr(0, 20), c.text.size());
    Diagnostics found;
    const auto begin = std::chrono::steady_clock::now();
    const auto doc = parse_yaml(source(c.text), found);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    CHECK(took.count() < 5.0);  // generous for sanitizers
    if (c.code == "ok") {
      CHECK(doc != nullptr);
      CHECK(found.all().empty());
    } else {
      REQUIRE_FALSE(found.all().empty());
      CHECK(found.all()[0].code == c.code);
    }
    CHECK(found.render().size() < 20000);
  }
}

TEST_CASE("yaml: reads regular files up to the limit only") {
  const auto dir =
      std::filesystem::temp_directory_path() / ("logtally-yaml-" + std::to_string(::getpid()));
  std::filesystem::create_directory(dir);
  const auto write = [&](const char* name, std::size_t size) {
    std::ofstream(dir / name) << std::string(size, '#');
    return (dir / name).string();
  };
  const auto full = read_source_file(write("full.yaml", kMaxYamlBytes));
  REQUIRE(full.has_value());
  CHECK((*full)->text.size() == kMaxYamlBytes);
  CHECK((*full)->name == (dir / "full.yaml").string());
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  struct Case {
    std::string path, why;
  };
  const Case cases[] = {{write("large.yaml", kMaxYamlBytes + 1), "larger than 256 KiB"},
                        {dir.string(), "it is a directory"},
                        {(dir / "fifo").string(), "it is not a regular file"},
                        {"/dev/null", "it is not a regular file"},
                        {(dir / "none").string(), "No such file"}};
  for (const Case& c : cases) {
    CAPTURE(c.path);
    const auto got = read_source_file(c.path);
    REQUIRE(got.has_error());
    CHECK(got.error().text.find(c.why) != std::string::npos);
    CHECK(got.error().text.find(c.path) != std::string::npos);
  }
  std::filesystem::remove_all(dir);
}
