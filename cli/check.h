// The verb `check`: what is wrong with configuration and rules, and what a sample says about them.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code.
int check(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
