// The verb `help`: the commands and flags, one command, a topic, or what a code
// means.
#pragma once

#include "config/options.h"

namespace logtally::cli {

// Returns the exit code.
int help(const config::CommandLine& line);

// Hidden: prints a page of docs/, or a table of docs/rules.md by its topic, for
// `tests/e2e/reference_test.py`.
int reference(const config::CommandLine& line);

}  // namespace logtally::cli
