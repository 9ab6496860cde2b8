// Diagnostics for programs: editors and continuous runs. Sorted, all of them, nothing else on the
// stream.
#pragma once

#include <string>

#include "config/diagnostics.h"

namespace logtally::config {

// One JSON object a line for each finding:
//   file (null: none), line, column, end_line, end_column (1-based, columns in characters, the end
//   is behind the last one), code, severity ("error", "warning"), message, label, notes, helps,
//   also: [{file, line, column, end_line, end_column, label}]
std::string findings_json(const Diagnostics& diagnostics);

// Workflow commands: ::error file=a.yaml,line=3,col=5,endColumn=11,title=E012::unknown key …
std::string findings_github(const Diagnostics& diagnostics);

// A text as a JSON string, quotes included; what is no UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

}  // namespace logtally::config
