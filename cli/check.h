// The verb `check`: every problem of every file, in one run. Exit 0, 1 with errors, 3 with warnings
// alone under --strict.
#pragma once

#include "config/options.h"

namespace logtally::cli {

inline constexpr int kExitWarnings = 3;

int check(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
