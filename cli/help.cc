#include "cli/help.h"

#include <cstdio>
#include <variant>

#include "cli/run.h"
#include "config/usage.h"

namespace logtally::cli {

int help(const config::CommandLine& line) {
  if (line.files.empty()) {
    std::fputs(config::help_text().c_str(), stdout);
    return kExitSuccess;
  }
  if (line.files.size() > 1) {
    std::fputs("error: help on one word at a time\n", stderr);
    return kExitUsage;
  }
  const auto answer = config::help_on(line.files[0]);
  if (const auto* wrong = std::get_if<config::UsageError>(&answer)) {
    std::fprintf(stderr, "error: %s\n", wrong->text.c_str());
    return kExitUsage;
  }
  std::fputs(std::get<std::string>(answer).c_str(), stdout);
  return kExitSuccess;
}

int reference(const config::CommandLine& line) {
  const auto page = line.files.size() == 1 ? config::reference_page(line.files[0]) : std::nullopt;
  if (!page) {
    std::fputs("error: __reference cli.md|config.md|errors.md|logtally.1\n", stderr);
    return kExitUsage;
  }
  std::fputs(page->c_str(), stdout);
  return kExitSuccess;
}

}  // namespace logtally::cli
