#include "cli/help.h"

#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "cli/run.h"
#include "config/diagnostics.h"
#include "config/keys.h"
#include "config/packs.h"
#include "config/rule_words.h"
#include "config/suggest.h"
#include "config/usage.h"

namespace logtally::cli {

namespace {

// As it stands in the binary, so that it can be kept as a file.
int print_pack(const std::string& name) {
  if (const config::Pack* pack = config::find_pack(name)) {
    std::fwrite(pack->text.data(), 1, pack->text.size(), stdout);
    return kExitSuccess;
  }
  std::vector<std::string_view> names;
  for (const config::Pack& shipped : config::shipped_packs()) names.push_back(shipped.name);
  const std::string near = config::suggest(name, names);
  std::fprintf(stderr, "error: there is no pack %s; %s\n", config::in_ticks(name).c_str(),
               near.empty() ? ("there are: " + config::join(names)).c_str()
                            : ("did you mean `" + near + "`?").c_str());
  return kExitUsage;
}

}  // namespace

int help(const config::CommandLine& line) {
  if (line.files.empty()) {
    std::fputs(config::help_text().c_str(), stdout);
    return kExitSuccess;
  }
  if (line.files.size() == 2 && line.files[0] == "pack") return print_pack(line.files[1]);
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
  auto page = line.files.size() == 1 ? config::reference_page(line.files[0]) : std::nullopt;
  if (!page && line.files.size() == 1) page = config::rule_words_table(line.files[0]);
  if (!page) {
    std::fputs("error: __reference cli.md|config.md|errors.md|logtally.1|TOPIC\n", stderr);
    return kExitUsage;
  }
  std::fputs(page->c_str(), stdout);
  return kExitSuccess;
}

}  // namespace logtally::cli
