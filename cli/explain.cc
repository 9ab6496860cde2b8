#include "cli/explain.h"

#include <cstdio>

#include "cli/run.h"

namespace logtally::cli {

int explain(const config::CommandLine&, const config::Environment&) {
  std::fputs("error: `explain` is not in this version yet\n", stderr);
  return kExitUsage;
}

}  // namespace logtally::cli
