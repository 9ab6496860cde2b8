#include "rules/rule_tests.h"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include "config/keys.h"
#include "config/suggest.h"
#include "rules/compiler.h"
#include "rules/durations.h"

namespace logtally::rules {
namespace {

using config::Node;
using config::Place;
using config::Reading;
using metrics::ExpositionLine;
using Part = SampleName::Part;

constexpr std::string_view kTestKeys[] = {"name",   "rules",  "lines",
                                          "expect", "stored", "forwarded"};

// Where a byte of a scalar's text stands in the file, as far as that can be told: a block scalar
// (`|`) has its lines one by one, a text without escapes stands there as it is, of others the whole
// token is shown.
class ScalarText {
 public:
  ScalarText(const config::YamlDocument& document, const Node& node)
      : document_(document), node_(node) {
    const std::string& source = document.file->text;
    if (node.span.begin >= source.size()) return;
    if (source[node.span.begin] == '|') {
      literal_ = true;
      std::size_t at = source.find('\n', node.span.begin);
      while (at != std::string::npos && at + 1 < source.size()) {
        lines_.push_back(at + 1);
        at = source.find('\n', at + 1);
      }
    } else {
      for (const std::size_t lead : {std::size_t{0}, std::size_t{1}}) {
        if (source.compare(node.span.begin + lead, node.text.size(), node.text) == 0) {
          begin_ = node.span.begin + lead;
          break;
        }
      }
    }
  }

  // `line` (from 0) begins at `start` in the scalar's text.
  Place place(std::size_t line, std::size_t start, std::string_view text, std::size_t offset,
              std::size_t length) const {
    const std::string& source = document_.file->text;
    if (literal_) {
      if (line >= lines_.size()) return document_.place(node_);
      const std::size_t end = std::min(source.find('\n', lines_[line]), source.size());
      const std::size_t found =
          std::string_view(source).substr(lines_[line], end - lines_[line]).find(text);
      if (found == std::string_view::npos) return document_.place(node_);
      return span(lines_[line] + found + offset, length);
    }
    return begin_ ? span(*begin_ + start + offset, length) : document_.place(node_);
  }

 private:
  Place span(std::size_t begin, std::size_t length) const {
    return {document_.file,
            {static_cast<std::uint32_t>(begin),
             static_cast<std::uint32_t>(begin + std::max<std::size_t>(length, 1))}};
  }

  const config::YamlDocument& document_;
  const Node& node_;
  bool literal_ = false;
  std::vector<std::size_t> lines_;    // literal: where each begins
  std::optional<std::size_t> begin_;  // of the text, where it stands as it is
};

// Calls f(line number, start, text) for every line of a text.
template <class F>
void for_each_line(std::string_view text, F&& f) {
  std::size_t number = 0;
  for (std::size_t start = 0; start < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    f(number, start, text.substr(start, end - start));
    start = end + 1;
  }
}

std::string ticked(std::string_view text) { return config::in_ticks(text); }

class TestReader {
 public:
  TestReader(const std::shared_ptr<const config::YamlDocument>& document, const RuleSet* rules,
             config::Diagnostics& diagnostics)
      : document_(document), rules_(rules), reading_{*document, diagnostics} {}

  std::vector<RuleTest> read(const Node& tests) {
    std::vector<RuleTest> out;
    if (!tests.is_sequence()) {
      reading_.fault("E010", tests, "`tests` is a list of tests", "write `- name: …` lines");
      return out;
    }
    for (const Node& body : tests.items) {
      const std::size_t before = reading_.diagnostics.errors();
      RuleTest test;
      read_test(body, test);
      if (reading_.diagnostics.errors() == before) out.push_back(std::move(test));
    }
    return out;
  }

 private:
  void read_test(const Node& body, RuleTest& test) {
    if (!config::expect_map(reading_, body, "a test")) return;
    test.document = document_;
    test.body = &body;
    test.place = reading_.place(body);
    if (!body.entries.empty()) test.place = reading_.place(body.entries.front().key);
    for (const Node::Entry& entry : body.entries) {
      const std::string& key = entry.key.text;
      if (key == "name") {
        config::read_text(reading_, entry.value, test.name);
      } else if (key == "rules") {
        read_switches(entry.value, test);
      } else if (key == "lines") {
        read_lines(entry.value, test);
      } else if (key == "expect") {
        read_expectation(entry.value, test);
      } else if (key == "stored") {
        read_rows(entry.value, test);
      } else if (key == "forwarded") {
        config::not_yet(reading_, entry.key);
      } else {
        config::unknown_key(reading_, entry.key, "a test",
                            {std::begin(kTestKeys), std::prev(std::end(kTestKeys))});
      }
    }
    if (body.find("name") == nullptr) {
      missing(test.place, "this test has no `name`", "name: what it shows, in a few words");
    }
    if (body.find("lines") == nullptr) {
      missing(test.place, "this test has no `lines`", "lines: a text, or a list of them");
    }
    if (body.find("expect") == nullptr && body.find("stored") == nullptr &&
        body.find("forwarded") == nullptr) {
      missing(test.place, "this test expects nothing",
              "write `expect:` and have it filled in by `logtally test --update`");
    }
  }

  void missing(const Place& place, std::string message, std::string help) {
    reading_.diagnostics.add("E011", place, std::move(message)).helps.push_back(std::move(help));
  }

  void read_switches(const Node& node, RuleTest& test) {
    if (!config::expect_map(reading_, node, "`rules` of a test")) return;
    for (const Node::Entry& entry : node.entries) {
      const Node& value = entry.value;
      if (!value.is_scalar() || value.quoted || (value.text != "true" && value.text != "false"))
        reading_.fault("E013", value, "a test switches a rule on or off",
                       config::truth_meant(value));
    }
    if (!node.entries.empty()) test.switched = &node;
  }

  void read_lines(const Node& node, RuleTest& test) {
    if (!node.is_sequence()) {
      add_line(node, std::chrono::nanoseconds(0), test);
      return;
    }
    std::chrono::nanoseconds pass{0};
    for (const Node& item : node.items) {
      if (!item.is_map()) {
        add_line(item, std::exchange(pass, std::chrono::nanoseconds(0)), test);
      } else if (const Node* at = item.find("at"); at != nullptr) {
        for (const Node::Entry& entry : item.entries) {
          if (entry.key.text != "at")
            config::unknown_key(reading_, entry.key, "time in a test", {"at"});
        }
        pass += read_pass(*at);
      } else {
        not_a_line(item);
      }
    }
    if (pass.count() != 0) {
      test.steps.push_back({.pass = pass, .text = {}, .place = reading_.place(node), .places = {}});
    }
  }

  std::chrono::nanoseconds read_pass(const Node& node) {
    constexpr std::int64_t kMost = std::int64_t{10} * 366 * 24 * 3'600 * 1'000'000'000;
    const std::optional<std::int64_t> pass = node.is_scalar() && node.text.starts_with('+')
                                                 ? parse_duration_ns(node.text.substr(1))
                                                 : std::nullopt;
    if (!pass || *pass > kMost) {
      reading_
          .fault("E013", node, "`at` says how much later the next line comes",
                 pass ? "ten years at most" : "a `+` and a duration")
          .helps.emplace_back("at: +90s");
      return std::chrono::nanoseconds(0);
    }
    return std::chrono::nanoseconds(*pass);
  }

  void not_a_line(const Node& node) {
    config::Diagnostic& d = reading_.fault("E010", node, "a line is a text",
                                           node.is_map()        ? "this is a map"
                                           : node.is_sequence() ? "this is a list"
                                                                : "nothing here");
    if (node.is_map()) d.helps.emplace_back("put the whole line in single quotes: '{\"event\":…}'");
  }

  void add_line(const Node& node, std::chrono::nanoseconds pass, RuleTest& test) {
    if (!node.is_scalar()) {
      not_a_line(node);
      return;
    }
    RuleTest::Step step{
        .pass = pass, .text = node.text, .place = reading_.place(node), .places = {}};
    if (!step.text.ends_with('\n')) step.text += '\n';
    const ScalarText source(*document_, node);
    for_each_line(step.text, [&](std::size_t number, std::size_t start, std::string_view line) {
      step.places.push_back(source.place(number, start, line, 0, line.size()));
    });
    test.steps.push_back(std::move(step));
  }

  // ---- expect

  void read_expectation(const Node& node, RuleTest& test) {
    test.metrics.emplace();
    if (node.is_null()) return;
    if (!node.is_scalar()) {
      reading_
          .fault("E010", node, "`expect` is a text in the form of the page", "write `expect: |`")
          .helps.emplace_back("a line a sample: aria_llm_requests_total{model=\"kimi\"} 1");
      return;
    }
    test.metrics->node = &node;
    const ScalarText source(*document_, node);
    for_each_line(node.text, [&](std::size_t number, std::size_t start, std::string_view line) {
      const auto read = metrics::read_exposition_line(line);
      const auto at = [&](std::size_t offset, std::size_t length) {
        return source.place(number, start, line, offset, length);
      };
      if (const auto* fault = std::get_if<metrics::ExpositionFault>(&read)) {
        reading_.diagnostics.add("E070", at(fault->offset, fault->length), fault->message);
        return;
      }
      const ExpositionLine& found = std::get<ExpositionLine>(read);
      if (found.kind == ExpositionLine::Kind::blank) return;
      if (rules_ != nullptr && !check_names(found, at)) return;
      RuleTest::Expectation& expectation = *test.metrics;
      if (std::find(expectation.names.begin(), expectation.names.end(), found.sample.name) ==
          expectation.names.end())
        expectation.names.push_back(found.sample.name);
      if (found.kind == ExpositionLine::Kind::name) return;
      for (const RuleTest::Sample& other : expectation.samples) {
        if (other.sample.name != found.sample.name || other.sample.labels != found.sample.labels)
          continue;
        reading_.diagnostics
            .add("E031", at(found.name.offset, line.size() - found.name.offset),
                 "this sample is expected twice")
            .also.push_back({other.place, "first here"});
        return;
      }
      expectation.samples.push_back({.sample = found.sample,
                                     .line = number,
                                     .place = at(found.name.offset, found.name.length)});
    });
  }

  template <class At>
  bool check_names(const ExpositionLine& line, const At& at) {
    const std::string& name = line.sample.name;
    const SampleName found = find_sample_name(*rules_, name);
    if (found.family == SampleName::kNone) {
      const std::string near = config::suggest(name, sample_names());
      reading_.diagnostics.add("E030", at(line.name.offset, line.name.length),
                               "no rule file declares the metric " + ticked(name),
                               near.empty() ? "" : "did you mean `" + near + "`?");
      return false;
    }
    const metrics::FamilySpec& spec = rules_->families()[found.family];
    if (found.part == Part::whole_histogram && line.kind == ExpositionLine::Kind::sample) {
      reading_.diagnostics
          .add("E070", at(line.name.offset, line.name.length),
               ticked(name) + " is a histogram: it has no sample of this name")
          .helps.push_back("its samples are " + name + "_bucket, " + name + "_sum and " + name +
                           "_count");
      return false;
    }
    bool fine = true;
    for (std::size_t i = 0; i < line.sample.labels.size(); ++i) {
      const auto& [label, value] = line.sample.labels[i];
      const Place place = at(line.labels[i].offset, line.labels[i].length);
      if (found.part == Part::bucket && label == "le") {
        fine = check_bound(spec, value, place) && fine;
        continue;
      }
      if (std::find(spec.labels.begin(), spec.labels.end(), label) != spec.labels.end()) continue;
      const std::string near = config::suggest(label, spec.labels);
      config::Diagnostic& d = reading_.diagnostics.add(
          "E034", place, "metric `" + spec.name + "` has no label " + ticked(label),
          near.empty() ? "" : "did you mean `" + near + "`?");
      d.also.push_back({rules_->family_places()[found.family], "declared here"});
      fine = false;
    }
    return fine;
  }

  bool check_bound(const metrics::FamilySpec& spec, const std::string& bound, const Place& place) {
    std::string all;
    for (const Decimal bucket : spec.buckets) {
      const std::string text = metrics::to_string(bucket);
      if (text == bound) return true;
      all += text + ", ";
    }
    if (bound == "+Inf") return true;
    reading_.diagnostics
        .add("E060", place, "metric `" + spec.name + "` has no bucket up to " + ticked(bound))
        .notes.push_back("its buckets: " + all + "+Inf");
    return false;
  }

  std::vector<std::string> sample_names() const {
    std::vector<std::string> names;
    for (const metrics::FamilySpec& spec : rules_->families()) {
      std::vector<std::string> own = spec.aliases;
      own.push_back(spec.name);
      for (const std::string& name : own) {
        names.push_back(name);
        if (spec.type != metrics::MetricType::histogram) continue;
        for (const char* suffix : {"_bucket", "_sum", "_count"}) names.push_back(name + suffix);
      }
    }
    return names;
  }

  // ---- stored

  void read_rows(const Node& node, RuleTest& test) {
    if (!node.is_sequence()) {
      reading_.fault("E010", node, "`stored` is a list of rows", "write [] when there are none");
      return;
    }
    test.stored.emplace();
    for (const Node& item : node.items) {
      if (!config::expect_map(reading_, item, "a stored row")) continue;
      RuleTest::Row row{.columns = {}, .place = reading_.place(item)};
      for (const Node::Entry& entry : item.entries) {
        const auto column =
            std::find(kInvocationColumns.begin(), kInvocationColumns.end(), entry.key.text);
        if (column == kInvocationColumns.end()) {
          config::unknown_key(reading_, entry.key, "a stored row",
                              {kInvocationColumns.begin(), kInvocationColumns.end()});
        } else if (entry.value.is_scalar()) {
          row.columns[static_cast<std::size_t>(column - kInvocationColumns.begin())] =
              entry.value.text;
        } else if (!entry.value.is_null()) {
          reading_.fault("E010", entry.value, "a column holds a text or a number");
        }
      }
      test.stored->push_back(std::move(row));
    }
  }

  std::shared_ptr<const config::YamlDocument> document_;
  const RuleSet* rules_;
  Reading reading_;
};

}  // namespace

std::string canonical_column(std::string_view text) {
  const metrics::ParsedDecimal number = metrics::parse_decimal(text);
  if (number.error == metrics::NumberError::none) return metrics::to_string(number.value);
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower == "true" || lower == "false" ? lower : std::string(text);
}

SampleName find_sample_name(const RuleSet& rules, std::string_view name) {
  const auto named = [](const metrics::FamilySpec& spec, std::string_view wanted) {
    return spec.name == wanted ||
           std::find(spec.aliases.begin(), spec.aliases.end(), wanted) != spec.aliases.end();
  };
  const std::vector<metrics::FamilySpec>& families = rules.families();
  for (std::size_t family = 0; family < families.size(); ++family) {
    if (!named(families[family], name)) continue;
    return {.family = family,
            .part = families[family].type == metrics::MetricType::histogram ? Part::whole_histogram
                                                                            : Part::value};
  }
  constexpr std::pair<std::string_view, Part> kSuffixes[] = {
      {"_bucket", Part::bucket}, {"_sum", Part::sum}, {"_count", Part::count}};
  for (const auto& [suffix, part] : kSuffixes) {
    if (!name.ends_with(suffix)) continue;
    const std::string_view base = name.substr(0, name.size() - suffix.size());
    for (std::size_t family = 0; family < families.size(); ++family) {
      if (families[family].type == metrics::MetricType::histogram && named(families[family], base))
        return {.family = family, .part = part};
    }
  }
  return {};
}

std::vector<RuleTest> read_tests(const std::shared_ptr<const config::YamlDocument>& document,
                                 const RuleSet* rules, config::Diagnostics& diagnostics) {
  if (!document->root.is_map()) return {};
  const Node* tests = document->root.find("tests");
  if (tests == nullptr) return {};
  return TestReader(document, rules, diagnostics).read(*tests);
}

std::vector<RuleTest> read_test_file(const std::shared_ptr<const config::YamlDocument>& document,
                                     const RuleSet* rules, config::Diagnostics& diagnostics) {
  const Node& root = document->root;
  TestReader reader(document, rules, diagnostics);
  if (root.is_null()) return {};
  if (root.is_sequence()) return reader.read(root);
  const Reading reading{*document, diagnostics};
  if (!config::expect_map(reading, root, "a file of tests")) return {};
  for (const Node::Entry& entry : root.entries) {
    if (entry.key.text == "version") {
      if (entry.value.text != "1")
        reading.fault("E013", entry.value, "this version of logtally reads `version: 1`");
    } else if (entry.key.text != "tests") {
      config::unknown_key(reading, entry.key, "a file of tests", {"version", "tests"});
    }
  }
  const Node* tests = root.find("tests");
  return tests == nullptr ? std::vector<RuleTest>() : reader.read(*tests);
}

std::shared_ptr<const RuleSet> compile_switched(std::span<const RuleSet::Source> sources,
                                                const RuleTest& test,
                                                config::Diagnostics& diagnostics) {
  // One more file that says nothing but `rules:`, its places those of the test.
  auto document = std::make_shared<config::YamlDocument>();
  document->file = test.document->file;
  document->root.kind = Node::Kind::map;
  document->root.span = test.switched->span;
  Node key;
  key.kind = Node::Kind::scalar;
  key.text = "rules";
  key.span = test.switched->span;
  document->root.entries.push_back({.key = std::move(key), .value = *test.switched});
  std::vector<RuleSet::Source> all(sources.begin(), sources.end());
  all.push_back({.document = std::move(document), .configuration = false});
  return RuleSet::compile(all, diagnostics);
}

}  // namespace logtally::rules
