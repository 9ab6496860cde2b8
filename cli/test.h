// The verb `test`: the tests of rule files.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code.
int test(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
