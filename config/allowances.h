// `# logtally: allow W201`: a comment of an operator that silences a warning where it stands.
//
//   x_total: {type: gauge, help: h}    # logtally: allow W201
//   # logtally: allow W201, W204: the dashboards have it so
//   y_Total: {type: gauge, help: h}
//
// Behind something it speaks of its own line, alone on a line of the next one that is no comment.
// Only warnings can be allowed; text behind the codes is for people.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/yaml_document.h"

namespace logtally::config {

class Allowances {
 public:
  // Takes the comments of a document; those that cannot be read are W221. The document's file is
  // shared, the document itself is not needed any more.
  void read(const YamlDocument& document, Diagnostics& diagnostics);

  // Takes the warnings out that are allowed.
  void apply(Diagnostics& diagnostics);

  // W220 for each code that has silenced nothing so far; `judged`: was a warning of this code
  // looked for at all?
  void report_unused(const std::function<bool(std::string_view code)>& judged,
                     Diagnostics& diagnostics) const;

 private:
  struct Allowance {
    std::string code;
    Place place;             // of the code in its comment
    std::uint32_t line = 0;  // of which it speaks
    bool used = false;
  };
  std::vector<Allowance> all_;
};

}  // namespace logtally::config
