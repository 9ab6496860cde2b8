// Every typo of every known key, at every place where keys stand: the suggestion, the line and the
// column. The keys come from the program itself: a key that nobody knows is answered with all that
// are. By default a sample of the typos; LOGTALLY_ALL_TYPOS=1 tries every one.
#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "config/keys.h"
#include "config/settings.h"
#include "config/suggest.h"
#include "rules/rule_set.h"

using namespace logtally;

namespace {

// A map of a file, with `@` where one more line with a key goes.
struct MapPlace {
  const char* name;
  const char* text;
  bool configuration = false;
};
const MapPlace kMaps[] = {
    {"a rule file", "version: 1\n@: 1\n"},
    {"a metric", "metrics:\n  a_total:\n    type: counter\n    help: h\n    @: 1\n"},
    {"a label",
     "metrics:\n  a_total:\n    type: counter\n    help: h\n    labels:\n      x:\n        "
     "default: a\n        @: 1\n"},
    {"a format", "formats:\n  f:\n    pattern: '<level> <message>'\n    @: 1\n"},
    {"a time",
     "formats:\n  f:\n    pattern: '<time> <message>'\n    time:\n      layout: '%Y'\n      @: "
     "1\n"},
    {"a table", "tables:\n  t:\n    key: $a\n    @: 1\n"},
    {"a map that rewrites", "maps:\n  m:\n    rewrite: [['a', 'b']]\n    @: 1\n"},
    {"a rule", "rules:\n  r:\n    do: [store: skill_invocation]\n    @: 1\n"},
    {"a condition",
     "rules:\n  r:\n    do: [store: skill_invocation]\n    match:\n      a:\n        exists: "
     "true\n        @: 1\n"},
    {"an action",
     "metrics: {a_total: {type: counter, help: h}}\nrules:\n  r:\n    do:\n      - inc: a_total\n"
     "        @: 1\n"},
    {"an action on a table",
     "tables: {t: {key: $a}}\nrules:\n  r:\n    do:\n      - remember: t\n        @: 1\n"},
    {"logtally.yaml", "version: 1\n@: 1\n", true},
    {"a target", "targets:\n  - name: a\n    path: /a\n    @: 1\n", true},
    {"limits", "limits:\n  series: 5\n  @: 1\n", true},
    {"state", "state:\n  dir: none\n  @: 1\n", true},
};

struct Answer {
  std::uint32_t line = 0;  // of the key
  std::uint32_t column = 0;
  const config::Diagnostic* unknown = nullptr;  // E012 at the key
  config::Diagnostics all;
};

void ask(const MapPlace& place, const std::string& key, Answer& answer) {
  std::string text = place.text;
  const std::size_t at = text.find('@');
  text.replace(at, 1, key);
  auto file = std::make_shared<const config::SourceFile>(config::SourceFile{"x.yaml", text});
  answer.line = config::line_column(*file, static_cast<std::uint32_t>(at)).line;
  answer.column = config::line_column(*file, static_cast<std::uint32_t>(at)).column;
  std::shared_ptr<const config::YamlDocument> document = config::parse_yaml(file, answer.all);
  if (document == nullptr) return;
  if (place.configuration) config::load_settings(*document, answer.all);
  const rules::RuleSet::Source source{.document = document, .configuration = place.configuration};
  rules::RuleSet::compile(std::span(&source, 1), answer.all);
  for (const config::Diagnostic& d : answer.all.all()) {
    const config::LineColumn where = config::line_column(*d.place.file, d.place.span.begin);
    if (d.code == "E012" && where.line == answer.line && where.column == answer.column &&
        d.place.span.end - d.place.span.begin == key.size())
      answer.unknown = &d;
  }
}

// All that are one deletion, insertion, substitution or swap of neighbours away.
std::vector<std::string> typos_of(const std::string& key) {
  const std::string letters = "abcdefghijklmnopqrstuvwxyz_";
  std::set<std::string> typos;
  for (std::size_t i = 0; i <= key.size(); ++i) {
    for (const char c : letters) {
      typos.insert(key.substr(0, i) + c + key.substr(i));
      if (i < key.size()) typos.insert(key.substr(0, i) + c + key.substr(i + 1));
    }
    if (i < key.size()) typos.insert(key.substr(0, i) + key.substr(i + 1));
    if (i + 1 < key.size())
      typos.insert(key.substr(0, i) + key[i + 1] + key[i] + key.substr(i + 2));
  }
  typos.erase(key);
  typos.erase("");
  return {typos.begin(), typos.end()};
}

std::vector<std::string> keys_at(const MapPlace& place) {
  Answer answer;
  ask(place, "qqqqqqqqqqqq", answer);
  REQUIRE(answer.unknown != nullptr);
  REQUIRE(answer.unknown->notes.size() == 1);
  std::string list = answer.unknown->notes[0];
  list = list.substr(list.find("takes: ") + 7);
  std::vector<std::string> keys;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(", ", at), list.size());
    keys.push_back(list.substr(at, end - at));
    at = end + 2;
  }
  return keys;
}

}  // namespace

TEST_CASE("typos: of every known key, with the right suggestion at the right place") {
  const bool all = std::getenv("LOGTALLY_ALL_TYPOS") != nullptr;
  std::mt19937 random(4);
  std::size_t tried = 0;
  std::size_t suggested = 0;
  std::size_t placed = 0;
  std::size_t alone = 0;
  std::string wrong;
  std::size_t number_of_keys = 0;
  for (const MapPlace& place : kMaps) {
    CAPTURE(place.name);
    const std::vector<std::string> keys = keys_at(place);
    REQUIRE(!keys.empty());
    for (const std::string& key : keys) {
      ++number_of_keys;
      std::vector<std::string> typos = typos_of(key);
      constexpr std::size_t kSample = 40;
      if (!all && typos.size() > kSample) {
        std::shuffle(typos.begin(), typos.end(), random);
        typos.resize(kSample);
      }
      for (const std::string& typo : typos) {
        if (std::find(keys.begin(), keys.end(), typo) != keys.end()) continue;  // another key
        Answer answer;
        ask(place, typo, answer);
        // A key that is known and to come, or one that YAML itself reads otherwise, is no typo.
        const bool known = std::any_of(
            answer.all.all().begin(), answer.all.all().end(),
            [](const config::Diagnostic& d) { return d.code == "E014" || d.code == "E004"; });
        if (known) continue;
        ++tried;
        if (answer.unknown == nullptr) {
          wrong += std::string(place.name) + ": " + typo + " is not placed\n";
          continue;
        }
        ++placed;
        if (answer.all.all().size() == 1) ++alone;
        if (answer.unknown->label == "did you mean `" + key + "`?") {
          ++suggested;
        } else {
          wrong += std::string(place.name) + ": " + typo + " for " + key + ": " +
                   answer.unknown->label + "\n";
        }
      }
    }
  }
  const double share = 100.0 * static_cast<double>(suggested) / static_cast<double>(tried);
  WARN(number_of_keys << " keys, " << tried << " typos: " << share << " % with the right key, "
                      << placed << " at the right line and column, " << alone << " alone");
  CAPTURE(wrong);
  CHECK(number_of_keys > 60);
  CHECK(tried > 2000);
  CHECK(placed == tried);
  CHECK(share >= 95.0);
}
