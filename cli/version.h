// What this binary is made of.
#pragma once

#include <string>

#include "sinks/metrics/own_metrics.h"

namespace logtally::cli {

// `logtally 0.1.0 (1a2b3c4)`, then the compiler and the libraries with their versions, then what
// this build has: packs, encodings of the page, the kernel that reads JSON on this machine.
std::string version_text();

// The same for programs: one JSON object on one line.
std::string version_json();
metrics::BuildInfo build_info();

}  // namespace logtally::cli
