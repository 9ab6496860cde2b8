// The verb `completion`: a completion script for bash, zsh or fish.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code.
int completion(const config::CommandLine& line);

// Hidden, for these scripts: `__complete rules WORD…` prints the names of the rules that a command
// line of these WORDs would load, one a line; nothing where they cannot be loaded.
int complete(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
