// logtally: the table of contents.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "cli/check.h"
#include "cli/completion.h"
#include "cli/exec.h"
#include "cli/explain.h"
#include "cli/help.h"
#include "cli/run.h"
#include "cli/test.h"
#include "cli/version.h"
#include "config/options.h"

int main(int argc, char** argv) {
  using namespace logtally;
  config::Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto exists = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  };
  const auto parsed = config::parse_command_line(arguments, environment, exists);
  if (const auto* wrong = std::get_if<config::UsageError>(&parsed)) {
    std::fprintf(stderr, "error: %s\n", wrong->text.c_str());
    return cli::kExitUsage;
  }
  const auto& line = std::get<config::CommandLine>(parsed);
  switch (line.verb) {
    case config::Verb::help:
      return cli::help(line);
    case config::Verb::version:
      std::fputs((line.format == "json" ? cli::version_json() : cli::version_text()).c_str(),
                 stdout);
      return cli::kExitSuccess;
    case config::Verb::completion:
      return cli::completion(line);
    case config::Verb::complete:
      return cli::complete(line, environment);
    case config::Verb::reference:
      return cli::reference(line);
    case config::Verb::check:
      return cli::check(line, environment);
    case config::Verb::test:
      return cli::test(line, environment);
    case config::Verb::explain:
      return cli::explain(line, environment);
    case config::Verb::exec:
      return cli::exec(line, environment);
    case config::Verb::run:
      break;
  }
  return cli::run(line, environment);
}
