#include "cli/test.h"

#include <cstdio>

#include "cli/run.h"

namespace logtally::cli {

int test(const config::CommandLine&, const config::Environment&) {
  std::fputs("error: `test` is not in this version yet\n", stderr);
  return kExitUsage;
}

}  // namespace logtally::cli
