#include "cli/test.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "cli/format_hint.h"
#include "cli/rule_check.h"
#include "cli/run.h"
#include "cli/test_report.h"
#include "cli/test_suites.h"
#include "pipeline/rule_test_update.h"

namespace logtally::cli {
namespace {

std::vector<TestedSuite> run_all(const std::vector<TestSuite>& suites, pipeline::Tracing tracing) {
  std::vector<TestedSuite> tested;
  for (const TestSuite& suite : suites) {
    TestedSuite done{.suite = &suite, .results = {}};
    for (const rules::RuleTest& test : suite.tests)
      done.results.push_back(pipeline::run_rule_test(test, suite.tested(), tracing));
    tested.push_back(std::move(done));
  }
  return tested;
}

// ---------------------------------------------------------------- --update

using pipeline::TestUpdate;

// The failing tests of one file.
struct FileUpdate {
  std::shared_ptr<const config::YamlDocument> document;
  std::vector<TestUpdate> updates;
};

std::vector<FileUpdate> files_to_update(const TestedSuite& tested) {
  std::vector<FileUpdate> files;
  for (std::size_t i = 0; i < tested.results.size(); ++i) {
    const auto& result = tested.results[i];
    const rules::RuleTest& test = tested.suite->tests[i];
    if (!result || result->passed()) continue;
    if (files.empty() || files.back().document != test.document)
      files.push_back({.document = test.document, .updates = {}});
    files.back().updates.push_back({.test = &test, .result = &*result});
  }
  return files;
}

// Do the tests of the new text pass? Whoever writes files that others wrote looks twice.
bool holds(const TestSuite& suite, const config::SourceFile& file) {
  config::Diagnostics found;
  const std::shared_ptr<const config::YamlDocument> document =
      config::parse_yaml(std::make_shared<const config::SourceFile>(file), found);
  if (document == nullptr) return false;
  const bool is_rule_file =
      std::any_of(suite.sources.begin(), suite.sources.end(),
                  [&](const auto& source) { return source.document->file->name == file.name; });
  const std::vector<rules::RuleTest> tests =
      is_rule_file ? rules::read_tests(document, suite.rules.get(), found)
                   : rules::read_test_file(document, suite.rules.get(), found);
  if (found.has_errors()) return false;
  return std::all_of(tests.begin(), tests.end(), [&](const rules::RuleTest& test) {
    const auto result = pipeline::run_rule_test(test, suite.tested());
    return result && result->passed();
  });
}

// Through a file beside it, so that nobody ever reads half of it. A link stays one.
Result<void> replace_file(const std::string& name, const std::string& text) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path target = fs::canonical(name, error);
  if (error) return Error{"cannot write " + name + ": " + error.message()};
  const fs::path beside = target.string() + ".new";
  {
    std::ofstream file(beside, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) {
      fs::remove(beside, error);
      return Error{"cannot write " + beside.string()};
    }
  }
  fs::permissions(beside, fs::status(target, error).permissions(), error);
  fs::rename(beside, target, error);
  if (error) return Error{"cannot replace " + name + ": " + error.message()};
  return {};
}

// Writes what came out into the files and shows the difference. The number of tests that still
// fail.
std::size_t update_files(const std::vector<TestedSuite>& tested) {
  std::size_t failed = 0;
  for (const TestedSuite& suite : tested) {
    for (const auto& result : suite.results) failed += !result;
    for (const FileUpdate& file : files_to_update(suite)) {
      const std::string& name = file.document->file->name;
      if (suite.suite->shipped) {
        failed += file.updates.size();
        std::fprintf(stderr, "error: %s is built in; its tests are changed in the sources\n",
                     name.c_str());
        continue;
      }
      const std::string& before = file.document->file->text;
      const std::string after = pipeline::updated_text(*file.document, file.updates);
      if (!holds(*suite.suite, {.name = name, .text = after})) {
        failed += file.updates.size();
        std::fprintf(stderr,
                     "error: %s: with what came out the tests would not pass; not written\n",
                     name.c_str());
        continue;
      }
      if (const auto written = replace_file(name, after); !written) {
        failed += file.updates.size();
        std::fprintf(stderr, "error: %s\n", written.error().text.c_str());
        continue;
      }
      std::fputs(pipeline::line_difference(name, before, after).c_str(), stdout);
      std::fputs(fmt::format("updated {} test{} of {}\n", file.updates.size(),
                             file.updates.size() == 1 ? "" : "s", name)
                     .c_str(),
                 stdout);
    }
  }
  return failed;
}

// Whoever reads a report gets one, though nothing could be run.
void tell_program(const config::CommandLine& line, const std::string& message,
                  const std::string& text) {
  if (line.format == "junit") std::fputs(junit_error(message, text).c_str(), stdout);
  if (line.format == "tap") std::fputs(tap_error(message).c_str(), stdout);
}

// Where lines of tests that failed fit no format: what would. Lines of text, or nothing.
std::string formats_for(const std::vector<TestedSuite>& tested) {
  std::string out;
  for (const TestedSuite& suite : tested) {
    std::string bare;
    for (const auto& result : suite.results) {
      if (result && !result->passed()) bare += result->bare;
    }
    if (bare.empty() || suite.suite->rules == nullptr) continue;
    const FormatHint hint = format_hint(*suite.suite->rules, bare);
    out += fmt::format("= note: {}\n= help: {}\n", hint.note, hint.help);
  }
  return out;
}

int tell_none() {
  std::fputs(
      "error: there are no tests\n"
      "         = help: write `tests:` in a rule file, or a file NAME_test.yaml beside it; "
      "`logtally help rules` shows one\n",
      stderr);
  return kExitWrong;
}

}  // namespace

int test(const config::CommandLine& line, const config::Environment& environment) {
  if (line.from_stdin) {
    std::fputs("error: `test` reads files, not standard input\n", stderr);
    return kExitUsage;
  }
  config::Diagnostics diagnostics;
  const std::vector<TestSuite> suites = find_suites(line, diagnostics);
  const auto colour = [&](int fd) {
    return config::wants_colour(line.colour, isatty(fd) == 1, environment);
  };
  if (diagnostics.has_errors()) {
    std::fputs(diagnostics.render(colour(STDERR_FILENO)).c_str(), stderr);
    tell_program(line, "the rule files are invalid: " + first_error(diagnostics),
                 diagnostics.render());
    return kExitWrong;
  }
  std::size_t tests = 0;
  for (const TestSuite& suite : suites) tests += suite.tests.size();
  if (tests == 0) {
    tell_program(line, "there are no tests", "write `tests:` in a rule file");
    return tell_none();
  }

  const std::vector<TestedSuite> tested =
      run_all(suites, line.coverage ? pipeline::Tracing::always : pipeline::Tracing::of_failures);

  if (line.update) {
    const std::size_t failed = update_files(tested);
    std::fputs(fmt::format("{} passed, {} failed\n", tests - failed, failed).c_str(), stdout);
    return failed > 0 ? kExitWrong : kExitSuccess;
  }
  std::string report;
  if (line.format == "junit") {
    report = junit_report(tested);
  } else if (line.format == "tap") {
    report = tap_report(tested);
  } else {
    const Detail detail = line.verbosity < 0   ? Detail::failures
                          : line.verbosity > 0 ? Detail::all
                                               : Detail::usual;
    report = human_report(tested, detail, colour(STDOUT_FILENO));
  }
  if (line.format == "human" && report.size() > 1)  // its last line is the summary
    report.insert(report.rfind('\n', report.size() - 2) + 1, formats_for(tested));
  std::fputs(report.c_str(), stdout);
  bool wrong = count_tests(tested).failed > 0;
  if (line.coverage) {
    const Coverage coverage = coverage_of(tested);
    // The streams for programs hold results and nothing else.
    std::fputs(coverage_report(coverage).c_str(), line.format == "human" ? stdout : stderr);
    wrong = wrong || (line.strict && !coverage.complete());
  }
  return wrong ? kExitWrong : kExitSuccess;
}

}  // namespace logtally::cli
