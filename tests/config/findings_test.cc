#include "config/findings.h"

#include <catch2/catch.hpp>

using namespace logtally::config;

namespace {

Diagnostics sample() {
  const auto file = std::make_shared<const SourceFile>(
      SourceFile{"rules.d/a,b.yaml", "äö: [1,\n  2]\nsecond: \"x\"\n"});
  Diagnostics found;
  found.add("E009", {}, "cannot open \"x\"\n");
  auto& d = found.add("W201", {file, {15, 21}}, "100 % of `second`: yes, all", "why");
  d.notes.emplace_back("a fact");
  d.helps.emplace_back("a help");
  d.also.push_back({{file, {0, 4}}, "here"});
  found.add("E012", {file, {6, 14}}, "over two lines");
  return found;
}

}  // namespace

TEST_CASE("findings: one JSON object a line, sorted, with everything that people see") {
  CHECK(
      findings_json(sample()) ==
      R"({"file":null,"line":null,"column":null,"end_line":null,"end_column":null,"code":"E009","severity":"error","message":"cannot open \"x\"\n","label":"","notes":[],"helps":[],"also":[]})"
      "\n"
      R"({"file":"rules.d/a,b.yaml","line":1,"column":5,"end_line":2,"end_column":5,"code":"E012","severity":"error","message":"over two lines","label":"","notes":[],"helps":[],"also":[]})"
      "\n"
      R"({"file":"rules.d/a,b.yaml","line":3,"column":1,"end_line":3,"end_column":7,"code":"W201","severity":"warning","message":"100 % of `second`: yes, all","label":"why","notes":["a fact"],"helps":["a help"],"also":[{"file":"rules.d/a,b.yaml","line":1,"column":1,"end_line":1,"end_column":3,"label":"here"}]})"
      "\n");
}

TEST_CASE("findings: workflow commands escape what would end them") {
  CHECK(findings_github(sample()) ==
        "::error title=E009::cannot open \"x\"%0A\n"
        "::error file=rules.d/a%2Cb.yaml,line=1,col=5,title=E012::over two lines\n"
        "::warning file=rules.d/a%2Cb.yaml,line=3,col=1,endColumn=7,title=W201::100 %25 of "
        "`second`: yes, all: why%0Anote: a fact%0Ahelp: a help\n");
}

TEST_CASE("findings: strings stay JSON whatever a file holds") {
  CHECK(json_string("a\tb\x7F\xFFä\\") == R"("a\u0009b\u007f\ufffdä\\")");
}
