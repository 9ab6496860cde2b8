// The verb `explain`: what one line does, and why other rules do nothing with it.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code.
int explain(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
