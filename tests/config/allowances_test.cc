#include "config/allowances.h"

#include <catch2/catch.hpp>

using namespace logtally::config;

namespace {

// The file's warnings as they are left, with those about its comments; every `!W201` in it is where
// a warning of this code is given.
std::string left(std::string text, bool report_unused = false) {
  Diagnostics found;
  std::vector<std::pair<std::string, std::uint32_t>> wanted;
  for (std::size_t at = text.find('!'); at != std::string::npos; at = text.find('!', at)) {
    wanted.emplace_back(text.substr(at + 1, 4), static_cast<std::uint32_t>(at));
    text.erase(at, 5);
  }
  const auto file = std::make_shared<const SourceFile>(SourceFile{"a.yaml", text});
  const auto document = parse_yaml(file, found);
  REQUIRE(document != nullptr);
  Allowances allowances;
  allowances.read(*document, found);
  for (const auto& [code, at] : wanted) found.add(code, {file, {at, at + 1}}, "x");
  allowances.apply(found);
  if (report_unused) allowances.report_unused([](std::string_view) { return true; }, found);
  std::string out;
  for (const Diagnostic* d : found.sorted()) {
    const LineColumn at = line_column(*d->place.file, d->place.span.begin);
    out += std::to_string(at.line) + ":" + std::to_string(at.column) + " " + d->code + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("allowances: silence a warning on the line, or on the next one") {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"!W201a: 1  # logtally: allow W201\n", ""},
      {"# logtally: allow W201\n!W201a: 1\n", ""},
      {"# logtally: allow W201\n# why\n\n!W201a: 1\n", ""},
      {"# logtally: allow W201\na: 1\n!W201b: 1\n", "3:1 W201\n"},
      {"a: 1  # logtally: allow W201\n!W201b: 1\n", "2:1 W201\n"},
      {"!W201a: 1  # logtally: allow W202\n", "1:1 W201\n"},
      {"!W201a: !W2021  # logtally: allow W201, W202: as the dashboards have it\n", ""},
      {"!W201a: !W2021  # logtally: allow W201 W202\n", ""},
      {"!W201a: '# logtally: allow W201'\n", "1:1 W201\n"},
      {"!W201a: x#logtally:allow\n", "1:1 W201\n"},
      {"!W201a: \"it's\"  # logtally: allow W201\n", ""},
      {"!W201a: |  # logtally: allow W201\n  text # logtally: allow W9\n", ""},
      {"!W201a: 1  #logtally:allow W201\n", ""},
      {"!W201a: 1  # logtally: allow W201\r\n", ""},
      {"!E012a: 1  # logtally: allow W201\n", "1:1 E012\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(left(c.text) == c.want);
  }
}

TEST_CASE("allowances: a comment that cannot be read is told about, at its word") {
  CHECK(left("a: 1  # logtally: allow E012\n") == "1:25 W221\n");
  CHECK(left("a: 1  # logtally: allow W299\n") == "1:25 W221\n");
  CHECK(left("a: 1  # logtally: allow w201\n") == "1:25 W221\n");
  CHECK(left("a: 1  # logtally: alow W201\n") == "1:19 W221\n");
  CHECK(left("a: 1  # logtally: allow\n") == "1:19 W221\n");
  CHECK(left("a: 1  # logtally: allow everything\n") == "1:19 W221\n");
  CHECK(left("a: 1  # logtally: see the wiki\n").empty());
}

TEST_CASE("allowances: one that silences nothing is told about") {
  CHECK(left("!W201a: 1  # logtally: allow W201, W204\n", true) == "1:31 W220\n");
  CHECK(left("# logtally: allow W201\n", true) == "1:19 W220\n");
}
