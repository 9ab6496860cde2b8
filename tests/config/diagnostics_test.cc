#include "config/diagnostics.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <re2/re2.h>

using namespace logtally::config;

namespace {

std::shared_ptr<const SourceFile> source(std::string name, std::string text) {
  return std::make_shared<const SourceFile>(SourceFile{std::move(name), std::move(text)});
}

// The place of the first occurrence of `token` in the file.
Place place_of(const std::shared_ptr<const SourceFile>& file, std::string_view token) {
  const std::size_t at = file->text.find(token);
  REQUIRE(at != std::string::npos);
  return {file, {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + token.size())}};
}

std::string lines_before(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "#\n";
  return text;
}

}  // namespace

TEST_CASE("diagnostics: show the line above, the token's caret, its label and the notes") {
  const auto file = source("rules.d/10-skills.yaml",
                           lines_before(12) +
                               "      - counter: aria_skill_executions_total\n"
                               "        lables: {skill_name: $skill_name, status: $status}\n");
  Diagnostics found;
  auto& d =
      found.add("E012", place_of(file, "lables"), "unknown key `lables`", "did you mean `labels`?");
  d.lines_above = 1;
  d.notes.push_back("a counter takes: counter, help");
  CHECK(found.render() ==
        "error[E012]: unknown key `lables`\n"
        "  --> rules.d/10-skills.yaml:14:9\n"
        "   |\n"
        "13 |       - counter: aria_skill_executions_total\n"
        "14 |         lables: {skill_name: $skill_name, status: $status}\n"
        "   |         ^^^^^^ did you mean `labels`?\n"
        "   |\n"
        "   = note: a counter takes: counter, help\n");
}

TEST_CASE("diagnostics: a second place in another file stands behind ::: with dashes") {
  const auto a = source("20-llm.yaml", lines_before(8) + "  - counter: aria_requests_total\n");
  const auto b = source("10-requests.yaml", lines_before(6) + "  - counter: aria_requests_total\n");
  Diagnostics found;
  auto& d =
      found.add("E031", place_of(a, "aria_requests_total"), "declared twice", "here {method}");
  d.also.push_back({place_of(b, "aria_requests_total"), "first declared here"});
  d.notes.push_back("a fact");
  d.helps.push_back("what to type");
  CHECK(found.render() ==
        "error[E031]: declared twice\n"
        "  --> 20-llm.yaml:9:14\n"
        "   |\n"
        " 9 |   - counter: aria_requests_total\n"
        "   |              ^^^^^^^^^^^^^^^^^^^ here {method}\n"
        "   |\n"
        "  ::: 10-requests.yaml:7:14\n"
        "   |\n"
        " 7 |   - counter: aria_requests_total\n"
        "   |              ------------------- first declared here\n"
        "   |\n"
        "   = note: a fact\n"
        "   = help: what to type\n");
}

TEST_CASE("diagnostics: a second place near by shares the piece of source") {
  const auto file = source("r.yaml", "a:\n  - name: llm_call\n    when: {event: x, status: y}\n");
  Diagnostics found;
  auto& d = found.add("W401", place_of(file, "name"), "never matched");
  d.also.push_back({place_of(file, "status"), "key absent"});
  CHECK(found.render() ==
        "warning[W401]: never matched\n"
        "  --> r.yaml:2:5\n"
        "   |\n"
        " 2 |   - name: llm_call\n"
        "   |     ^^^^\n"
        " 3 |     when: {event: x, status: y}\n"
        "   |                      ------ key absent\n");
  CHECK(found.errors() == 0);
  CHECK(found.warnings() == 1);
  CHECK_FALSE(found.has_errors());
}

TEST_CASE(
    "diagnostics: shows tabs as arrows and keeps control characters and broken text off the "
    "terminal") {
  const auto file = source("r.yaml", "\twhen: \x1b[31m\xff x\n");
  Diagnostics found;
  found.add("E001", {file, {0, 1}}, "a tab cannot indent YAML", "use spaces");
  CHECK(found.render() ==
        "error[E001]: a tab cannot indent YAML\n"
        "  --> r.yaml:1:1\n"
        "   |\n"
        " 1 | →when: ␛[31m� x\n"
        "   | ^ use spaces\n");
  CHECK(printable("a\nb\xc3") == "a␊b�");
  CHECK(printable("ääää", 3) == "äää…");
  CHECK(printable("\xe2\x80\xae") == "�");  // a right-to-left override would turn the line round
}

TEST_CASE("diagnostics: columns count characters; carets stand under what takes two cells") {
  const auto file = source("r.yaml", "é: '🧠 up', x: y\n");
  Diagnostics found;
  found.add("E012", place_of(file, "x"), "unknown key `x`");
  CHECK(found.render() ==
        "error[E012]: unknown key `x`\n"
        "  --> r.yaml:1:12\n"
        "   |\n"
        " 1 | é: '🧠 up', x: y\n"
        "   |             ^\n");
}

TEST_CASE("diagnostics: line and column of any offset") {
  const SourceFile file{"x", "ab\n→c\r\n\nlast\n"};
  struct Case {
    std::uint32_t offset, line, column;
  };
  const Case cases[] = {{0, 1, 1}, {1, 1, 2},  {2, 1, 3},  {3, 2, 1},  {6, 2, 2},
                        {9, 3, 1}, {10, 4, 1}, {14, 4, 5}, {15, 4, 5}, {4000, 4, 5}};
  for (const Case& c : cases) {
    CAPTURE(c.offset);
    CHECK(line_column(file, c.offset).line == c.line);
    CHECK(line_column(file, c.offset).column == c.column);
  }
  CHECK(line_column(SourceFile{"x", ""}, 0).line == 1);
  CHECK(line_column(SourceFile{"x", "\xEF\xBB\xBFkey: 1\n"}, 3).column == 1);
}

TEST_CASE("diagnostics: sorted by file and place, cut at the limit") {
  const auto a = source("a.yaml", "one: 1\ntwo: 2\n");
  const auto b = source("b.yaml", "one: 1\n");
  Diagnostics found;
  found.add("E012", place_of(b, "one"), "fourth");
  found.add("E012", place_of(a, "two"), "third");
  found.add("E012", place_of(a, "one"), "second");
  found.add("E015", {}, "first").helps.push_back("export it");
  CHECK(found.render(false, 2) ==
        "error[E015]: first\n"
        "   = help: export it\n"
        "\n"
        "error[E012]: second\n"
        "  --> a.yaml:1:1\n"
        "   |\n"
        " 1 | one: 1\n"
        "   | ^^^\n"
        "\n"
        "… and 2 more\n");
  const std::string all = found.render();
  CHECK(all.find("third") < all.find("fourth"));
  CHECK(all.find("more") == std::string::npos);
}

TEST_CASE("diagnostics: a span over several lines is marked to the end of its first") {
  const auto file = source("a.yaml", "do: |\n  one\n  two\n");
  Diagnostics found;
  found.add("E013", {file, {4, 16}}, "bad");
  CHECK(found.render().find("   |     ^\n") != std::string::npos);
}

TEST_CASE("diagnostics: a long line is shown around the place") {
  const auto file =
      source("a.yaml", std::string(5000, 'x') + " here " + std::string(5000, 'y') + "\n");
  Diagnostics found;
  found.add("E013", place_of(file, "here"), "bad", "this");
  const std::string text = found.render();
  CHECK(text.size() < 800);
  const std::size_t caret = text.find("^^^^ this");
  const std::size_t row = text.rfind('\n', caret);
  const std::size_t line = text.rfind('\n', row - 1);
  CHECK(text.find("here") - line == caret - row + 2);  // "…" has three bytes in one cell
  CHECK(text.find("a.yaml:1:5002") != std::string::npos);
}

TEST_CASE("diagnostics: never echoes a secret") {
  const auto file = source("a.yaml", "loki: {basic_auth: {password: hunter2, user: bob}, x: y}\n");
  Diagnostics found;
  found.add("E014", place_of(file, "loki"), "`loki` is not in this version yet");
  const std::string text = found.render();
  CHECK(text.find("hunter2") == std::string::npos);
  CHECK(text.find("password: •••••••, user: bob") != std::string::npos);
}

TEST_CASE("diagnostics: colours only when asked, and they change nothing else") {
  const auto file = source("a.yaml", "one: 1\n");
  Diagnostics found;
  found.add("E012", place_of(file, "one"), "unknown key `one`", "why").notes.push_back("fact");
  CHECK(found.render().find('\x1b') == std::string::npos);
  std::string coloured = found.render(true);
  CHECK(coloured.find("\x1b[1;31merror[E012]\x1b[0m") == 0);
  for (std::size_t at = coloured.find('\x1b'); at != std::string::npos;
       at = coloured.find('\x1b', at)) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  CHECK(coloured == found.render());
}

TEST_CASE("diagnostics: the table of codes is in order and without doubles") {
  const auto& codes = diagnostic_codes();
  for (std::size_t i = 1; i < codes.size(); ++i) CHECK(codes[i - 1].code < codes[i].code);
}

TEST_CASE("diagnostics: every code that a source names is in the table") {
  std::set<std::string, std::less<>> known;
  for (const CodeRow& row : diagnostic_codes()) known.emplace(row.code);
  const re2::RE2 code("\"([EW][0-9]{3})\"");
  std::size_t found = 0;
  for (const char* module : {"config", "rules", "sinks", "pipeline", "cli"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             std::filesystem::path(LOGTALLY_SOURCE_DIR) / module)) {
      if (entry.path().extension() != ".cc" && entry.path().extension() != ".h") continue;
      std::ifstream file(entry.path());
      std::stringstream text;
      text << file.rdbuf();
      const std::string source = text.str();
      re2::StringPiece rest(source);
      for (std::string name; re2::RE2::FindAndConsume(&rest, code, &name);) {
        CAPTURE(entry.path(), name);
        CHECK(known.contains(name));
        ++found;
      }
    }
  }
  CHECK(found > 100);
}
