#include "cli/regex_cost.h"

#include <catch2/catch.hpp>

#include "config/yaml_document.h"

namespace logtally::cli {
namespace {

struct Checked {
  RegexMeasures measures;
  std::vector<std::string> codes;
};

Checked checked(const std::vector<std::string>& regexes, RegexCare care, RegexBudget budget) {
  std::string text = "rules:\n";
  for (std::size_t i = 0; i < regexes.size(); ++i)
    text += "  r" + std::to_string(i) + ": {regex: '" + regexes[i] + "'}\n";
  config::Diagnostics found;
  auto document = config::parse_yaml(
      std::make_shared<const config::SourceFile>(config::SourceFile{"t.yaml", text}), found);
  REQUIRE(document != nullptr);
  const std::vector<rules::RuleSet::Source> sources = {
      {.document = std::move(document), .configuration = false}};
  Checked checked{.measures = check_regexes(sources, care, budget, found), .codes = {}};
  for (const config::Diagnostic* d : found.sorted()) {
    checked.codes.push_back(
        std::to_string(config::line_column(*d->place.file, d->place.span.begin).line) + " " +
        d->code);
  }
  return checked;
}

constexpr RegexBudget kPlenty{.short_ns = 1e12, .all_ns = 1e12};
constexpr RegexBudget kShortOnly{.short_ns = 1e12, .all_ns = 0};
constexpr RegexBudget kNothing{.short_ns = -1, .all_ns = -1};
// Costs several times what is refused, so that a busy machine changes nothing.
const std::string kCrawling = "[ab]*a[ab]{200}c";
const std::string kPlain = "^Job (?P<id>[0-9]+) done$";

using Codes = std::vector<std::string>;

}  // namespace

TEST_CASE("regex cost: every place of what is too expensive is told, and is measured once") {
  const Checked check = checked({kCrawling, kPlain, kCrawling}, RegexCare::check, kPlenty);
  CHECK(check.codes == Codes{"2 E043", "4 E043"});
  CHECK(check.measures.all == 2);
  CHECK(check.measures.note().empty());
  CHECK(checked({kCrawling, kPlain}, RegexCare::run, kPlenty).codes == Codes{"2 W217"});
}

TEST_CASE("regex cost: the plainly bad ones are found with short texts alone") {
  const Checked check =
      checked({kPlain, ".{0,300}error.{0,300}timeout"}, RegexCare::check, kShortOnly);
  CHECK(check.codes == Codes{"3 E043"});
}

TEST_CASE("regex cost: what the budget did not reach is told") {
  const Checked check = checked({kPlain, kCrawling}, RegexCare::check, kNothing);
  CHECK(check.codes.empty());
  CHECK(check.measures.never == 2);
  CHECK(check.measures.note() ==
        "2 of 2 regular expressions were not measured: the time for that is used up");
  CHECK(RegexMeasures{.all = 9, .briefly = 2, .never = 0}.note() ==
        "2 of 9 regular expressions were measured with short texts only: the time for that is used "
        "up");
  CHECK(RegexMeasures{.all = 9, .briefly = 2, .never = 3}.note() ==
        "5 of 9 regular expressions were measured with short texts only, 3 of them not at all: the "
        "time for that is used up");
}

}  // namespace logtally::cli
