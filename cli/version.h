// What this binary is made of.
#pragma once

#include <string>

#include "sinks/metrics/own_metrics.h"

namespace logtally::cli {

// `logtally 0.1.0 (1a2b3c4)`, then the compiler and the libraries with their versions.
std::string version_text();
metrics::BuildInfo build_info();

}  // namespace logtally::cli
