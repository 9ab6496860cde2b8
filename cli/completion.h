// The verb `completion`: a completion script for bash, zsh or fish.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code.
int completion(const config::CommandLine& line);

}  // namespace logtally::cli
