#include "cli/completion.h"

#include <cstdio>

#include "cli/run.h"

namespace logtally::cli {

int completion(const config::CommandLine&) {
  std::fputs("error: `completion` is not in this version yet\n", stderr);
  return kExitUsage;
}

}  // namespace logtally::cli
