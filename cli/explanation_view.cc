#include "cli/explanation_view.h"

#include <algorithm>

namespace logtally::cli {

using rules::Explanation;

ExplanationView view_of(const Explanation& explanation, bool all) {
  constexpr std::size_t kNearMisses = 3;
  std::vector<const Explanation::Rule*> near;
  for (const Explanation::Rule& rule : explanation.rules) {
    // Beside a match only what was all but one is of interest.
    const std::size_t least = explanation.matched ? Explanation::kNear : 1;
    if (!rule.matched && rule.nearness >= least) near.push_back(&rule);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto* a, const auto* b) { return a->nearness > b->nearness; });
  ExplanationView view;
  if (!near.empty()) view.nearest = near.front();
  if (near.size() > kNearMisses) near.resize(kNearMisses);

  for (const Explanation::Rule& rule : explanation.rules) {
    if (all || rule.matched || std::find(near.begin(), near.end(), &rule) != near.end()) {
      view.shown.push_back(&rule);
      continue;
    }
    const std::string wants =
        rule.failed == "pattern" || rule.failed == "regex" ? "message" : rule.failed;
    auto group =
        std::find_if(view.more.begin(), view.more.end(),
                     [&](const ExplanationView::More& more) { return more.wants == wants; });
    if (group == view.more.end()) {
      view.more.push_back({.wants = wants, .rules = {}});
      group = view.more.end() - 1;
    }
    group->rules.push_back(rule.name);
  }
  return view;
}

}  // namespace logtally::cli
