#include "cli/help.h"

#include <cstdio>

#include "cli/run.h"

namespace logtally::cli {

int help(const config::CommandLine&, const config::Environment&) {
  std::fputs(config::help_text().c_str(), stdout);
  return kExitSuccess;
}

}  // namespace logtally::cli
