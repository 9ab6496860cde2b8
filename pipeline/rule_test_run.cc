#include "pipeline/rule_test_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "pipeline/owned_fd.h"
#include "pipeline/rule_test_trace.h"
#include "pipeline/worker.h"
#include "rules/explainer.h"
#include "rules/record_decoder.h"
#include "rules/timestamp.h"
#include "sinks/metrics/exposition.h"

namespace logtally::pipeline {
namespace {

using config::Place;
using metrics::ExpositionSample;
using rules::RuleTest;
using rules::SampleName;

constexpr std::int64_t kBeginning = 1'767'225'600'000'000'000;  // 2026-01-01T00:00:00Z

// ---------------------------------------------------------------- lines and time

// The times that lines themselves tell, for a clock that follows them.
class LineTimes {
 public:
  explicit LineTimes(const rules::RuleSet& rules)
      : decoder_(rules), event_(rules.plan()), scope_(rules.plan(), rules.known()) {}

  std::optional<std::int64_t> of(std::string_view line) {
    buffer_.assign(line);
    buffer_ += '\n';
    buffer_.append(kReadableBehind, '\0');
    scratch_.clear();
    decoder_.decode({buffer_.data(), line.size()}, event_, scratch_);
    scope_.begin(event_);
    if (const auto own = scope_.own_time_ns()) return own;
    // The time of a wrapper: CRI lines begin with it.
    const std::string_view first = line.substr(0, line.find(' '));
    return first.size() > 10 && first[10] == 'T' ? rules::parse_timestamp(first) : std::nullopt;
  }

 private:
  rules::RecordDecoder decoder_;
  rules::Event event_;
  rules::Scratch scratch_;
  rules::Scope scope_;
  std::string buffer_;
};

Error failure(const char* what) {
  return Error{std::string("cannot ") + what + ": " + std::strerror(errno)};
}

using Families = std::vector<metrics::FamilySnapshot>;

// One run of a test's lines, as far as the page.
class TestRun {
 public:
  // `listener`: a TraceSink that is told the lines, or null.
  template <class Listener>
  TestRun(const RuleTest& test, std::shared_ptr<const rules::RuleSet> rules, Listener* listener)
      : test_(test), rules_(std::move(rules)), tracer_(listener) {
    if constexpr (!std::is_same_v<Listener, rules::TraceSink>) {
      if (listener != nullptr) listener->at(lines_);
    }
  }

  Result<Families> run() {
    int fds[2] = {-1, -1};
    if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return failure("make a pipe");
    const OwnedFd reading(fds[0]);
    writing_.reset(fds[1]);
    set_clock();
    const Clock clock{.wall_ns = [this] { return wall_ns_; }, .steady = [this] { return steady_; }};
    TailOptions tail;
    tail.clock = clock;
    auto inputs = Inputs::open({}, StdinSpec{.fd = reading.get()}, std::move(tail));
    if (!inputs) return inputs.error();
    WorkerOptions options;
    options.wrappers = {Wrapper::automatic};
    options.clock = clock;
    options.trace = tracer_;
    Worker worker(rules_, **inputs, std::move(options));
    metrics::Registry registry(worker.series());
    worker.connect(registry, nullptr);

    for (const RuleTest::Step& step : test_.steps) {
      pass(step.pass, worker);
      if (auto fed = feed(step, worker); !fed) return fed.error();
    }
    writing_.reset();
    worker.run();  // what is left, to the end of the input
    return registry.snapshot();
  }

 private:
  // The clock begins with the first time that a line tells.
  void set_clock() {
    for (const RuleTest::Step& step : test_.steps) {
      for (std::string_view rest = step.text; !rest.empty();) {
        const std::size_t end = rest.find('\n');
        if (const auto time = times_.of(rest.substr(0, end))) {
          wall_ns_ = *time;
          return;
        }
        rest.remove_prefix(end + 1);
      }
    }
  }

  void pass(std::chrono::nanoseconds time, Worker& worker) {
    if (time.count() == 0) return;
    wall_ns_ = rules::add_clamped(wall_ns_, time.count());
    steady_ += time;
    worker.step();
  }

  // Line by line, so that each is read when the clock shows its time.
  Result<void> feed(const RuleTest::Step& step, Worker& worker) {
    std::size_t number = 0;
    for (std::string_view rest = step.text; !rest.empty(); ++number) {
      const std::string_view line = rest.substr(0, rest.find('\n') + 1);
      rest.remove_prefix(line.size());
      lines_.emplace_back(offset_, step.places[std::min(number, step.places.size() - 1)]);
      offset_ += line.size();
      if (const auto time = times_.of(line.substr(0, line.size() - 1)))
        wall_ns_ = std::max(wall_ns_, *time);
      for (std::string_view left = line; !left.empty();) {
        const ssize_t written = ::write(writing_.get(), left.data(), left.size());
        if (written < 0 && errno != EAGAIN && errno != EINTR) return failure("write to a pipe");
        if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
        worker.step();
      }
    }
    return {};
  }

  const RuleTest& test_;
  std::shared_ptr<const rules::RuleSet> rules_;
  rules::TraceSink* tracer_;
  LineTimes times_{*rules_};
  std::int64_t wall_ns_ = kBeginning;
  std::chrono::nanoseconds steady_{0};
  OwnedFd writing_;
  std::uint64_t offset_ = 0;
  RuleTestTrace::Lines lines_;  // so far
};

// ---------------------------------------------------------------- lines that count nothing

// Hears which lines of a test no rule matched, and why.
class SilentLines : public rules::Explainer {
 public:
  SilentLines(const rules::RuleSet& rules, TestResult& result)
      : Explainer(rules, [this](const rules::Explanation& told) { hear(told); }), result_(result) {}

  void at(const RuleTestTrace::Lines& lines) { lines_ = &lines; }

  void record_begins(const rules::Event& event, rules::Scope& scope) override {
    const auto behind =
        std::upper_bound(lines_->begin(), lines_->end(), event.origin.offset,
                         [](std::uint64_t offset, const auto& at) { return offset < at.first; });
    if (behind != lines_->begin()) place_ = pipeline::text_of(std::prev(behind)->second);
    Explainer::record_begins(event, scope);
  }

 private:
  void hear(const rules::Explanation& told) {
    if (told.matched || !told.refused.empty()) return;
    std::string text = place_;
    if (told.kind == "bare") {
      text += ": no format fits it";
      result_.bare += told.line.substr(0, told.line.find('\n')) + "\n";
    }
    const auto nearest =
        std::max_element(told.rules.begin(), told.rules.end(),
                         [](const auto& a, const auto& b) { return a.nearness < b.nearness; });
    if (nearest != told.rules.end() && nearest->nearness > 0) {
      text += (told.kind == "bare" ? "; the" : ": the") + std::string(" nearest is rule ") +
              nearest->name + " (" + nearest->place + ")";
      if (!nearest->conditions.empty() && !nearest->conditions.back().why.empty()) {
        const rules::Explanation::Condition& failed = nearest->conditions.back();
        text += ", " + failed.key + " " + failed.text + ": " + failed.why;
      }
    } else if (told.kind != "bare") {
      text += ": no rule comes near it";
    }
    result_.silent.push_back(std::move(text));
  }

  TestResult& result_;
  const RuleTestTrace::Lines* lines_ = nullptr;
  std::string place_;
};

// ---------------------------------------------------------------- expected and come out

// Samples of a page, as they stand there.
std::vector<ExpositionSample> samples_of(const std::vector<metrics::FamilySnapshot>& families) {
  std::string page;
  metrics::append_text(page, families);
  std::vector<ExpositionSample> samples;
  for (std::string_view rest = page; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const auto read = metrics::read_exposition_line(rest.substr(0, end));
    const auto* line = std::get_if<metrics::ExpositionLine>(&read);
    if (line != nullptr && line->kind == metrics::ExpositionLine::Kind::sample)
      samples.push_back(line->sample);
    rest.remove_prefix(end + 1);
  }
  return samples;
}

// A label without a value is no label.
ExpositionSample without_empty_labels(ExpositionSample sample) {
  std::erase_if(sample.labels, [](const auto& label) { return label.second.empty(); });
  return sample;
}

// The families that the expectation names; when it names none, those that are not as they were at
// the start.
std::vector<ExpositionSample> compared_samples(const RuleTest& test, const rules::RuleSet& rules,
                                               const Families& families) {
  std::vector<metrics::FamilySnapshot> chosen;
  const std::vector<std::string>& names = test.metrics->names;
  if (names.empty()) {
    rules::Delta fresh(rules);
    metrics::Registry untouched(fresh.series);
    untouched.publish(fresh.series);
    const std::vector<metrics::FamilySnapshot> before = untouched.snapshot();
    for (std::size_t i = 0; i < families.size(); ++i) {
      const metrics::FamilySnapshot& family = families[i];
      const bool is_alias = i >= rules.families().size();
      if (!is_alias && samples_of({family}) != samples_of({before[i]})) chosen.push_back(family);
    }
    return samples_of(chosen);
  }
  // A name of a histogram alone stands for all its samples.
  const auto named = [&](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const metrics::FamilySnapshot& family : families) {
    const std::string& name = family.spec->name;
    if (named(name) || named(name + "_bucket") || named(name + "_sum") || named(name + "_count"))
      chosen.push_back(family);
  }
  std::vector<ExpositionSample> samples = samples_of(chosen);
  std::erase_if(samples, [&](const ExpositionSample& sample) {
    if (named(sample.name)) return false;
    const SampleName found = rules::find_sample_name(rules, sample.name);
    const std::size_t suffix = sample.name.rfind('_');
    return found.part == SampleName::Part::value || !named(sample.name.substr(0, suffix));
  });
  return samples;
}

// Sorts what differs: by metric in the expectation's order, then by series, what is missing before
// what came instead.
void sort_by_metric(std::vector<std::pair<ExpositionSample, TestDifference>>& differences,
                    const std::vector<std::string>& names) {
  const auto rank = [&](const ExpositionSample& sample) {
    return std::find(names.begin(), names.end(), sample.name) - names.begin();
  };
  std::stable_sort(differences.begin(), differences.end(), [&](const auto& a, const auto& b) {
    return std::tuple(rank(a.first), std::string_view(a.first.name), a.first.labels,
                      a.second.kind) <
           std::tuple(rank(b.first), std::string_view(b.first.name), b.first.labels, b.second.kind);
  });
}

void compare_samples(const RuleTest& test, const rules::RuleSet& rules, const Families& families,
                     TestResult& result) {
  result.samples = compared_samples(test, rules, families);
  std::set<ExpositionSample> expected;
  for (const RuleTest::Sample& sample : test.metrics->samples)
    expected.insert(without_empty_labels(sample.sample));
  std::set<ExpositionSample> came;
  std::vector<std::pair<ExpositionSample, TestDifference>> differences;
  for (const ExpositionSample& sample : result.samples) {
    ExpositionSample compared = without_empty_labels(sample);
    if (!expected.contains(compared)) {
      differences.push_back({sample,
                             {.kind = TestDifference::Kind::unexpected,
                              .text = metrics::to_string(sample),
                              .notes = {}}});
    }
    came.insert(std::move(compared));
  }
  for (const RuleTest::Sample& sample : test.metrics->samples) {
    if (came.contains(without_empty_labels(sample.sample))) continue;
    differences.push_back({sample.sample,
                           {.kind = TestDifference::Kind::missing,
                            .text = metrics::to_string(sample.sample),
                            .notes = {}}});
  }
  sort_by_metric(differences, test.metrics->names);
  for (auto& [sample, difference] : differences)
    result.wrong_samples.push_back(std::move(difference));
}

rules::StoredRow canonical(rules::StoredRow row) {
  for (std::optional<std::string>& column : row) {
    if (column) column = rules::canonical_column(*column);
  }
  return row;
}

void compare_rows(const RuleTest& test, TestResult& result) {
  std::vector<rules::StoredRow> left;
  for (const rules::StoredRow& row : result.rows) left.push_back(canonical(row));
  for (const RuleTest::Row& row : *test.stored) {
    const auto found = std::find(left.begin(), left.end(), canonical(row.columns));
    if (found != left.end()) {
      left.erase(found);
    } else {
      result.wrong_rows.push_back(
          {.kind = TestDifference::Kind::missing, .text = to_string(row.columns), .notes = {}});
    }
  }
  for (const rules::StoredRow& row : left) {
    result.wrong_rows.push_back(
        {.kind = TestDifference::Kind::unexpected, .text = to_string(row), .notes = {}});
  }
}

// Names the rule behind each difference.
void explain(const rules::RuleSet& rules, const RuleTestTrace& trace, TestResult& result) {
  for (TestDifference& difference : result.wrong_samples) {
    const auto read = metrics::read_exposition_line(difference.text);
    const ExpositionSample& sample = std::get<metrics::ExpositionLine>(read).sample;
    const SampleName name = rules::find_sample_name(rules, sample.name);
    if (name.family == SampleName::kNone) continue;
    const auto family = static_cast<metrics::FamilyId>(name.family);
    if (difference.kind == TestDifference::Kind::missing) {
      difference.notes = trace.obstacles(family);
      continue;
    }
    std::vector<std::string> values;
    for (const std::string& label : rules.families()[family].labels) {
      const auto found = std::find_if(sample.labels.begin(), sample.labels.end(),
                                      [&](const auto& entry) { return entry.first == label; });
      values.push_back(found == sample.labels.end() ? std::string() : found->second);
    }
    difference.notes = trace.makers(family, values);
  }
  for (TestDifference& difference : result.wrong_rows) {
    if (difference.kind == TestDifference::Kind::unexpected) difference.notes = trace.storers();
  }
}

// A scalar that YAML reads as this text.
std::string to_yaml(const std::string& text) {
  const bool plain = !text.empty() &&
                     text.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_./+-") == std::string::npos &&
                     text[0] != '-' && text != "null" && text != "Null" && text != "NULL";
  if (plain) return text;
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  std::string out(1, printable ? '\'' : '"');
  for (const char c : text) {
    if (printable) {
      if (c == '\'') out += '\'';
      out += c;
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
      out += c;
    } else {
      constexpr std::string_view kDigits = "0123456789abcdef";
      out += "\\x";
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out + (printable ? '\'' : '"');
}

void add_notes(config::Diagnostic& diagnostic, const TestResult& result) {
  constexpr std::size_t kMost = 10;
  std::size_t count = 0;
  for (const auto* wrong : {&result.wrong_samples, &result.wrong_rows}) {
    for (const TestDifference& difference : *wrong) {
      if (++count > kMost) continue;
      const bool missing = difference.kind == TestDifference::Kind::missing;
      std::string note = (missing ? "expected: " : "came out: ") + difference.text;
      for (const std::string& reason : difference.notes) note += ", " + reason;
      diagnostic.notes.push_back(std::move(note));
    }
  }
  if (count > kMost)
    diagnostic.notes.push_back("and " + std::to_string(count - kMost) + " more differences");
  constexpr std::size_t kMostLines = 3;
  for (std::size_t i = 0; i < result.silent.size() && i < kMostLines; ++i)
    diagnostic.notes.push_back("no rule matched " + result.silent[i]);
  diagnostic.helps.emplace_back("`logtally test` shows all; with --update it writes what came out");
}

}  // namespace

std::string to_string(const rules::StoredRow& row) {
  std::string out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!row[i]) continue;
    out += (out.empty() ? "" : ", ") + std::string(rules::kInvocationColumns[i]) + ": " +
           to_yaml(*row[i]);
  }
  return "{" + out + "}";
}

Result<TestResult> run_rule_test(const RuleTest& test, const TestedRules& tested, Tracing tracing) {
  TestResult result;
  result.rules = tested.rules;
  if (test.switched != nullptr) {
    config::Diagnostics found;
    result.rules = rules::compile_switched(tested.sources, test, found);
    if (result.rules == nullptr) return Error{found.render()};
  }
  // First as the daemon counts: rules are looked up. Only then with somebody who looks on.
  auto page = TestRun(test, result.rules, static_cast<rules::TraceSink*>(nullptr)).run();
  if (!page) return page.error();
  if (test.metrics) compare_samples(test, *result.rules, *page, result);
  if (result.passed() && !test.stored && tracing == Tracing::of_failures) return result;

  RuleTestTrace trace(*result.rules);
  if (auto again = TestRun(test, result.rules, &trace).run(); !again) return again.error();
  result.rows = trace.rows();
  if (test.stored) compare_rows(test, result);
  explain(*result.rules, trace, result);
  if (!result.passed()) {
    SilentLines silent(*result.rules, result);
    if (auto again = TestRun(test, result.rules, &silent).run(); !again) return again.error();
  }
  result.uses = trace.uses();
  result.filled = trace.filled();
  return result;
}

std::string render_differences(const TestResult& result, std::size_t indent) {
  std::string out;
  const auto line = [&](std::size_t more, std::string_view text) {
    out.append(indent + more, ' ');
    out.append(text);
    out += '\n';
  };
  const auto section = [&](std::string_view title, const std::vector<TestDifference>& wrong) {
    if (wrong.empty()) return;
    line(0, title);
    for (const TestDifference& difference : wrong) {
      const bool missing = difference.kind == TestDifference::Kind::missing;
      line(2, (missing ? "- " : "+ ") + difference.text);
      for (const std::string& note : difference.notes) line(4, "^ " + note);
    }
  };
  section("metrics:", result.wrong_samples);
  section("stored:", result.wrong_rows);
  if (!result.passed() && !result.silent.empty()) {
    line(0, "no rule matched:");
    constexpr std::size_t kMost = 5;
    for (std::size_t i = 0; i < result.silent.size() && i < kMost; ++i) line(2, result.silent[i]);
    if (result.silent.size() > kMost)
      line(2, "and " + std::to_string(result.silent.size() - kMost) + " more");
  }
  return out;
}

bool run_own_tests(const TestedRules& tested, config::Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.errors();
  for (const rules::RuleSet::Source& source : tested.sources) {
    for (const RuleTest& test :
         rules::read_tests(source.document, tested.rules.get(), diagnostics)) {
      const auto result = run_rule_test(test, tested);
      if (!result) {
        diagnostics.add("E071", test.place, "the test `" + test.name + "` cannot be run")
            .notes.push_back(result.error().text);
      } else if (!result->passed()) {
        add_notes(diagnostics.add("E071", test.place, "the test `" + test.name + "` fails"),
                  *result);
      }
    }
  }
  return diagnostics.errors() == before;
}

}  // namespace logtally::pipeline
