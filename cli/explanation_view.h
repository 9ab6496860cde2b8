// An Explanation as people and programs read it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/explanation.h"

namespace logtally::cli {

// Which rules are told of one by one, and how the others are summed up.
struct ExplanationView {
  std::vector<const rules::Explanation::Rule*> shown;  // in their order
  struct More {
    std::string wants;  // what is another than they want: a field's name, "message", "if"
    std::vector<std::string_view> rules;
  };
  std::vector<More> more;
  const rules::Explanation::Rule* nearest =
      nullptr;  // of those that did not match; null: none near
};

// The rules that matched and the few that nearly did; all of them with `all`. Borrows from the
// explanation.
ExplanationView view_of(const rules::Explanation& explanation, bool all);

struct ExplanationStyle {
  bool colour = false;
  bool all = false;  // every rule
};

// For people, several lines.
std::string explanation_text(const rules::Explanation& explanation, const ExplanationStyle& style);

// One JSON object on one line, with its newline; docs/explain.md has its shape.
std::string explanation_json(const rules::Explanation& explanation, bool all);

}  // namespace logtally::cli
