// The verb `run`: targets and standard input -> rules -> metrics.
#pragma once

#include <cstdint>
#include <functional>

#include "config/options.h"

namespace logtally::cli {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitWrong = 1;  // a file missing, the port in use
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfiguration = 78;  // EX_CONFIG of sysexits.h

// What `exec` adds when it runs the verb in a process of its own.
struct Supervision {
  std::function<void()> ready{};  // called once: the port is open, reading begins
  std::uint64_t restarts = 0;     // of the process, so far
  bool labelled = false;          // standard input has lines in the form of CRI
};

// Runs to the end of the input or until a signal; returns the exit code.
int run(const config::CommandLine& line, const config::Environment& environment,
        const Supervision& supervision = {});

}  // namespace logtally::cli
