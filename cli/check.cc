#include "cli/check.h"

#include <cstdio>

#include "cli/run.h"

namespace logtally::cli {

int check(const config::CommandLine&, const config::Environment&) {
  std::fputs("error: `check` is not in this version yet\n", stderr);
  return kExitUsage;
}

}  // namespace logtally::cli
