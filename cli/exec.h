// The verb `exec`: starts a command and counts what it prints.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code: the command's, or why it was not started.
int exec(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
