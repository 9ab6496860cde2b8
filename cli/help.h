// The verb `help`: the commands and flags, or what a code of a diagnostic means.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code.
int help(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
