#include "cli/test_report.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "config/utf8.h"
#include "sinks/metrics/exposition_reader.h"

namespace logtally::cli {
namespace {

using rules::RuleTest;

std::string place_text(const config::Place& place) {
  return fmt::format("{}:{}", place.file->name,
                     config::line_column(*place.file, place.span.begin).line);
}

bool passed(const Result<pipeline::TestResult>& result) { return result && result->passed(); }

std::string failure_text(const Result<pipeline::TestResult>& result, std::size_t indent) {
  if (result) return pipeline::render_differences(*result, indent);
  std::string out;
  for (std::string_view rest = result.error().text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    out += std::string(indent, ' ') + std::string(rest.substr(0, end)) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

// Calls f(test, result) for every test of every suite, in order.
template <class F>
void for_each_test(const std::vector<TestedSuite>& tested, F&& f) {
  for (const TestedSuite& suite : tested) {
    for (std::size_t i = 0; i < suite.results.size(); ++i)
      f(*suite.suite, suite.suite->tests[i], suite.results[i]);
  }
}

// Text as XML holds it: what XML 1.0 has no character for becomes U+FFFD.
std::string xml(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const config::CodePoint c = config::decode_utf8(text, at);
    const bool allowed = c.valid && (c.value >= 0x20 || c.value == '\t' || c.value == '\n') &&
                         c.value != 0xFFFE && c.value != 0xFFFF;
    if (!allowed) {
      out += "\xEF\xBF\xBD";
    } else if (c.value == '<') {
      out += "&lt;";
    } else if (c.value == '>') {
      out += "&gt;";
    } else if (c.value == '&') {
      out += "&amp;";
    } else if (c.value == '"') {
      out += "&quot;";
    } else if (c.value == '\n') {
      out += "&#10;";
    } else {
      out += text.substr(at, c.length);
    }
    at += std::max<std::size_t>(c.length, 1);
  }
  return out;
}

}  // namespace

TestCounts count_tests(const std::vector<TestedSuite>& tested) {
  TestCounts counts;
  for_each_test(tested, [&](const TestSuite&, const RuleTest&, const auto& result) {
    ++(passed(result) ? counts.passed : counts.failed);
  });
  return counts;
}

std::string human_report(const std::vector<TestedSuite>& tested, Detail detail, bool colour) {
  const std::string ok = colour ? "\x1b[32mok\x1b[0m    " : "ok    ";
  const std::string fail = colour ? "\x1b[1;31mFAIL\x1b[0m  " : "FAIL  ";
  std::string out;
  for (const TestedSuite& suite : tested) {
    const bool one_line = suite.suite->shipped && detail == Detail::usual;
    std::size_t silent = 0;
    for (std::size_t i = 0; i < suite.results.size(); ++i) {
      const RuleTest& test = suite.suite->tests[i];
      const std::string head = place_text(test.place) + ": " + config::printable(test.name, 200);
      if (!passed(suite.results[i])) {
        out += fail + head + "\n" + failure_text(suite.results[i], 6);
      } else if (one_line || detail == Detail::failures) {
        ++silent;
      } else {
        out += ok + head + "\n";
      }
    }
    if (one_line && silent > 0) {
      out +=
          fmt::format("{}{} test{} of {}\n", ok, silent, silent == 1 ? "" : "s", suite.suite->name);
    }
  }
  const TestCounts counts = count_tests(tested);
  return out + fmt::format("{} passed, {} failed\n", counts.passed, counts.failed);
}

std::string junit_report(const std::vector<TestedSuite>& tested) {
  // A suite of JUnit is a file of ours.
  struct File {
    std::string name;
    std::string cases;
    std::size_t tests = 0;
    std::size_t failures = 0;
  };
  std::vector<File> files;
  for_each_test(tested, [&](const TestSuite&, const RuleTest& test, const auto& result) {
    const std::string& name = test.document->file->name;
    auto file = std::find_if(files.begin(), files.end(),
                             [&](const File& known) { return known.name == name; });
    if (file == files.end()) file = files.insert(files.end(), {.name = name, .cases = {}});
    ++file->tests;
    const auto line = config::line_column(*test.document->file, test.place.span.begin).line;
    file->cases += fmt::format("    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\"",
                               xml(test.name), xml(name), xml(name), line);
    if (passed(result)) {
      file->cases += "/>\n";
      return;
    }
    ++file->failures;
    file->cases +=
        fmt::format(">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                    result ? "not as expected" : "cannot be run", xml(failure_text(result, 0)));
  });
  const TestCounts counts = count_tests(tested);
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  out += fmt::format("<testsuites name=\"logtally\" tests=\"{}\" failures=\"{}\">\n",
                     counts.passed + counts.failed, counts.failed);
  for (const File& file : files) {
    out += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\">\n{}",
                       xml(file.name), file.tests, file.failures, file.cases);
    out += "  </testsuite>\n";
  }
  return out + "</testsuites>\n";
}

std::string tap_report(const std::vector<TestedSuite>& tested) {
  const TestCounts counts = count_tests(tested);
  std::string out = fmt::format("TAP version 13\n1..{}\n", counts.passed + counts.failed);
  std::size_t number = 0;
  for_each_test(tested, [&](const TestSuite&, const RuleTest& test, const auto& result) {
    std::string name;  // `#` begins a directive
    for (const char c : config::printable(test.name, 200))
      name += c == '#' ? std::string("\\#") : std::string(1, c);
    out += fmt::format("{} {} - {}: {}\n", passed(result) ? "ok" : "not ok", ++number,
                       place_text(test.place), name);
    if (!passed(result)) out += "  ---\n  message: |\n" + failure_text(result, 4) + "  ...\n";
  });
  return out;
}

std::string junit_error(std::string_view message, std::string_view text) {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites name=\"logtally\" tests=\"1\" failures=\"0\" errors=\"1\">\n"
      "  <testsuite name=\"rule files\" tests=\"1\" failures=\"0\" errors=\"1\">\n"
      "    <testcase name=\"the tests can be run\" classname=\"rule files\">\n"
      "      <error message=\"{}\">{}</error>\n"
      "    </testcase>\n  </testsuite>\n</testsuites>\n",
      xml(message), xml(text));
}

std::string tap_error(std::string_view message) {
  return fmt::format("TAP version 13\nBail out! {}\n", message);
}

bool Coverage::complete() const {
  return std::all_of(parts.begin(), parts.end(),
                     [](const Part& part) { return part.touched == part.all; });
}

Coverage coverage_of(const std::vector<TestedSuite>& tested) {
  // By place and name: the same rule, compiled for several tests, is one.
  using Key = std::tuple<std::string, std::uint32_t, std::string>;  // file, where, how it is told
  std::map<Key, bool> rules;
  std::map<Key, bool> actions;
  std::map<Key, bool> metrics;
  const auto key_of = [](const config::Place& place, const std::string& text) {
    return Key{place.file->name, place.span.begin, place_text(place) + ": " + text};
  };
  const auto rule_key = [&](const rules::Rule& rule) {
    return key_of(rule.place, "rule " + rule.name);
  };
  const auto action_key = [&](const rules::Rule& rule, const rules::Action& action) {
    return key_of(action.place, action.name + " (rule " + rule.name + ")");
  };
  const auto metric_key = [&](const rules::RuleSet& set, std::size_t family) {
    return key_of(set.family_places()[family], "metric " + set.families()[family].name);
  };
  const auto add_all = [&](const rules::RuleSet& set) {
    for (const rules::Rule& rule : set.rules()) {
      rules.try_emplace(rule_key(rule), false);
      for (const rules::Action& action : rule.actions) {
        actions.try_emplace(action_key(rule, action), false);
        if (action.kind < rules::Action::Kind::remove)
          metrics.try_emplace(metric_key(set, action.family), false);
      }
    }
    for (const rules::TableRules& table : set.table_rules()) {
      if (table.open) metrics.try_emplace(metric_key(set, *table.open), false);
    }
  };
  for (const TestedSuite& suite : tested) {
    if (suite.suite->rules != nullptr) add_all(*suite.suite->rules);
  }
  for_each_test(tested, [&](const TestSuite& suite, const RuleTest& test, const auto& result) {
    if (!result) return;
    const rules::RuleSet& set = *result->rules;
    if (result->rules != suite.rules) add_all(set);
    for (std::size_t i = 0; i < result->uses.size(); ++i) {
      const rules::Rule& rule = set.rules()[i];
      if (result->uses[i].matched) rules[rule_key(rule)] = true;
      for (std::size_t a = 0; a < rule.actions.size(); ++a) {
        if (result->uses[i].acted[a]) actions[action_key(rule, rule.actions[a])] = true;
      }
    }
    if (!test.metrics) return;
    for (const RuleTest::Sample& sample : test.metrics->samples) {
      const rules::SampleName name = rules::find_sample_name(set, sample.sample.name);
      if (name.family != rules::SampleName::kNone && name.family < result->filled.size() &&
          result->filled[name.family])
        metrics[metric_key(set, name.family)] = true;
    }
  });
  Coverage coverage;
  const std::pair<std::string_view, const std::map<Key, bool>*> parts[] = {
      {"rules", &rules}, {"actions", &actions}, {"metrics", &metrics}};
  for (const auto& [what, all] : parts) {
    Coverage::Part part{.what = what, .touched = 0, .all = all->size(), .untouched = {}};
    Coverage::Part own{.what = what, .touched = 0, .all = 0, .untouched = {}};
    for (const auto& [key, touched] : *all) {
      part.touched += touched;
      if (!touched) part.untouched.push_back(std::get<2>(key));
      if (std::get<0>(key).starts_with("pack ")) continue;
      own.touched += touched;
      ++own.all;
    }
    coverage.parts.push_back(std::move(part));
    coverage.own.push_back(std::move(own));
  }
  return coverage;
}

std::string coverage_report(const Coverage& coverage) {
  std::string out;
  for (const Coverage::Part& part : coverage.parts) {
    if (part.untouched.empty()) continue;
    out += fmt::format("no test touches {} of the {}:\n", part.untouched.size(), part.what);
    for (const std::string& text : part.untouched) out += "  " + text + "\n";
  }
  const auto add = [&](std::string_view title, const std::vector<Coverage::Part>& parts) {
    out += title;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      out += fmt::format("{}{} % of {} {}", i == 0 ? "" : ", ", parts[i].percent(), parts[i].all,
                         parts[i].what);
    }
    out += '\n';
  };
  add("coverage: ", coverage.parts);
  const auto all_of = [](const std::vector<Coverage::Part>& parts) {
    std::size_t all = 0;
    for (const Coverage::Part& part : parts) all += part.all;
    return all;
  };
  if (const std::size_t own = all_of(coverage.own); own > 0 && own < all_of(coverage.parts))
    add("of these, without the packs: ", coverage.own);
  return out;
}

}  // namespace logtally::cli
