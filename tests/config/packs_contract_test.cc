// The shipped packs: that they declare what the engines' dashboards know, that they compile
// together, and what they make of lines.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "config/packs.h"
#include "rules/record_decoder.h"
#include "rules/rule_set.h"
#include "sinks/metrics/exposition.h"
#include "sinks/metrics/registry.h"

namespace {

namespace fs = std::filesystem;
using namespace logtally;

const fs::path kFixtures = fs::path(LOGTALLY_SOURCE_DIR) / "fixtures";

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::shared_ptr<const rules::RuleSet> compile_packs(config::Diagnostics& found) {
  std::vector<rules::RuleSet::Source> sources;
  for (const config::Pack& pack : config::shipped_packs()) {
    auto document = config::parse_yaml(config::pack_source(pack), found);
    if (document != nullptr) sources.push_back({std::move(document), false});
  }
  return rules::RuleSet::compile(sources, found);
}

std::shared_ptr<const rules::RuleSet> compiled_packs() {
  config::Diagnostics found;
  auto set = compile_packs(found);
  INFO(found.render());
  REQUIRE(set != nullptr);
  return set;
}

// The contract as a tree; JSON is read as the YAML that it is.
std::unique_ptr<config::YamlDocument> contract() {
  config::Diagnostics found;
  auto file = config::read_source_file((kFixtures / "contract.json").string());
  REQUIRE(file.has_value());
  auto document = config::parse_yaml(*file, found);
  INFO(found.render());
  REQUIRE(document != nullptr);
  return document;
}

std::vector<std::string> texts(const config::Node* list) {
  std::vector<std::string> all;
  if (list != nullptr) {
    for (const config::Node& item : list->items) all.push_back(item.text);
  }
  return all;
}

std::string type_name(metrics::MetricType type) {
  return type == metrics::MetricType::counter ? "counter"
         : type == metrics::MetricType::gauge ? "gauge"
                                              : "histogram";
}

// One stream of lines, from lines to samples: what continues a record is joined to it.
class Stream {
 public:
  explicit Stream(std::shared_ptr<const rules::RuleSet> set)
      : delta(*set),
        set_(std::move(set)),
        decoder_(*set_),
        event_(set_->plan()),
        registry_(delta.series) {}

  void line(const std::string& text) {
    const rules::LineKind kind = decode(text);
    failed += kind == rules::LineKind::failed_json || kind == rules::LineKind::failed_nul;
    if (judge_.next(text, rules::fit_of(kind)) != rules::Continuation::Line::record && open_) {
      rest_ += (rest_.empty() ? "" : "\n") + text;
      return;
    }
    end();
    first_ = text;
    open_ = true;
  }

  void end() {
    if (!open_) return;
    open_ = false;
    decode(first_);
    const std::string whole = rest_.empty() ? first_ : first_ + "\n" + rest_;
    event_.line = whole;
    event_.rest = rest_;
    event_.origin.file = "input.log";
    event_.origin.arrival_ns = event_.origin.time_ns = kArrival;
    ++event_.origin.offset;
    set_->count(event_, delta);
    rest_.clear();
  }

  // The page without HELP and TYPE.
  std::string samples() {
    registry_.publish(delta.series);
    std::string page, out;
    metrics::append_text(page, registry_.snapshot());
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('#')) out += line + "\n";
    }
    return out;
  }

  // What was skipped, one a line: `rule / action / reason N`.
  std::string skips() const {
    constexpr std::array<std::string_view, metrics::kSkipReasons> kReasons = {
        "missing_field", "not_a_number", "not_finite", "negative", "unknown_key", "over_limit"};
    std::string out;
    for (std::size_t rule = 0; rule < set_->rules().size(); ++rule) {
      const rules::Rule& compiled = set_->rules()[rule];
      for (std::size_t action = 0; action < compiled.actions.size(); ++action) {
        for (std::size_t reason = 0; reason < kReasons.size(); ++reason) {
          const std::uint64_t count = delta.rules[rule].skipped[action][reason];
          if (count == 0) continue;
          out += compiled.name + " / " + compiled.actions[action].name + " / " +
                 std::string(kReasons[reason]) + " " + std::to_string(count) + "\n";
        }
      }
    }
    return out;
  }

  rules::Delta delta;
  std::uint64_t failed = 0;  // lines that begin as JSON and are none

 private:
  static constexpr std::int64_t kArrival = 1'773'482'400'000'000'000;  // later than all the lines

  // The decoder wants a newline and readable bytes behind the line, and the event points into it.
  rules::LineKind decode(const std::string& text) {
    buffer_ = text + '\n';
    buffer_.append(rules::kReadableBehindLine, '\0');
    scratch_.clear();
    return decoder_.decode(std::string_view(buffer_.data(), text.size()), event_, scratch_);
  }

  std::shared_ptr<const rules::RuleSet> set_;
  rules::RecordDecoder decoder_;
  rules::Event event_;
  rules::Scratch scratch_;
  rules::Continuation judge_;
  metrics::Registry registry_;
  std::string buffer_, first_, rest_;
  bool open_ = false;
};

}  // namespace

TEST_CASE("packs: every metric of the contract is declared exactly") {
  const auto set = compiled_packs();
  const auto document = contract();
  std::size_t checked = 0;
  for (const char* engine : {"aria", "skillmeat"}) {
    const config::Node* wanted = document->root.find(engine);
    REQUIRE(wanted != nullptr);
    for (const config::Node& metric : wanted->items) {
      const std::string name = metric.find("name")->text;
      CAPTURE(name);
      const auto& families = set->families();
      const auto found = std::find_if(families.begin(), families.end(),
                                      [&](const auto& f) { return f.name == name; });
      REQUIRE(found != families.end());
      CHECK(type_name(found->type) == metric.find("type")->text);

      std::vector<std::string> labels = texts(metric.find("labels"));
      if (name == "aria_build_info")
        labels = {"version", "python", "engine"};  // an info metric: the contract leaves them open
      CHECK(found->labels == labels);

      std::vector<metrics::Decimal> buckets;
      for (const std::string& bound : texts(metric.find("buckets")))
        buckets.push_back(metrics::parse_decimal(bound).value);
      CHECK(found->buckets == buckets);

      const config::Node* help = metric.find("help");
      if (help->is_null()) {
        CHECK_FALSE(found->help.empty());
      } else {
        CHECK(found->help == help->text);
      }
      ++checked;
    }
  }
  CHECK(checked == 33 + 48);
}

TEST_CASE(
    "packs: they compile together, and nothing is said but about gauges that have to be called "
    "total") {
  config::Diagnostics found;
  CHECK(compile_packs(found) != nullptr);
  const auto document = contract();
  const std::vector<std::string> gauges = texts(document->root.find("gauges_ending_in_total"));
  REQUIRE_FALSE(gauges.empty());
  for (const config::Diagnostic& d : found.all()) {
    INFO(d.code << " " << d.message);
    CHECK(d.severity() == config::Severity::warning);
    REQUIRE(d.place.file != nullptr);
    const std::string at =
        d.place.file->text.substr(d.place.span.begin, d.place.span.end - d.place.span.begin);
    CHECK(std::find(gauges.begin(), gauges.end(), at) != gauges.end());
  }
}

TEST_CASE(
    "packs: names begin with the engine's, help is one line, a histogram says its unit or counts") {
  const auto set = compiled_packs();
  for (const metrics::FamilySpec& family : set->families()) {
    CAPTURE(family.name);
    CHECK((family.name.starts_with("aria_") || family.name.starts_with("skillmeat_")));
    CHECK_FALSE(family.help.empty());
    CHECK(family.help.find('\n') == std::string::npos);
    CHECK((family.type == metrics::MetricType::histogram) == !family.buckets.empty());
  }
}

// fixtures/packs/NAME: input.log; metrics.prom, the samples that it gives; skips.txt, what is
// refused (no file: nothing).
TEST_CASE(
    "packs: the lines of the fixtures give their metrics, and every rule that is on has a line") {
  const auto set = compiled_packs();
  std::vector<std::uint64_t> matched(set->rules().size());
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(kFixtures / "packs"))
    folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  REQUIRE_FALSE(folders.empty());
  for (const fs::path& folder : folders) {
    INFO(folder.filename().string());
    Stream stream(set);
    std::istringstream input(text_of(folder / "input.log"));
    for (std::string line; std::getline(input, line);) stream.line(line);
    stream.end();
    CHECK(stream.failed == 0);
    CHECK(stream.samples() == text_of(folder / "metrics.prom"));
    CHECK(stream.skips() == text_of(folder / "skips.txt"));
    for (std::size_t i = 0; i < matched.size(); ++i) matched[i] += stream.delta.rules[i].matched;
  }
  for (std::size_t i = 0; i < matched.size(); ++i) {
    INFO("no line of fixtures/packs matches the rule " << set->rules()[i].name);
    CHECK(matched[i] > 0);
  }
}
