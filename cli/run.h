// The verb `run`: targets and standard input -> rules -> metrics.
#pragma once

#include "config/options.h"

namespace logtally::cli {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitWrong = 1;  // a file missing, the port in use
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfiguration = 78;  // EX_CONFIG of sysexits.h

// Runs to the end of the input or until a signal; returns the exit code.
int run(const config::CommandLine& line, const config::Environment& environment);

}  // namespace logtally::cli
