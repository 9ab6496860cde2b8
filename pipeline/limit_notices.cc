#include "pipeline/limit_notices.h"

#include <algorithm>

#include <fmt/format.h>

namespace logtally::pipeline {

std::vector<std::string> LimitNotices::first_times(const rules::RuleSet& rules,
                                                   const metrics::Totals& totals) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < totals.metrics.size(); ++i) {
    const metrics::FamilySpec& family = rules.families()[i];
    if (totals.metrics[i].overflowed == 0 || !told_.insert(family.name).second) continue;
    const std::size_t own = family.max_series != 0 ? family.max_series : limits_.family;
    if (totals.metrics[i].series >= own) {
      lines.push_back(fmt::format(
          "metric {} has its {} series ({}): further ones are counted under `other`", family.name,
          own, family.max_series != 0 ? "its max_series" : "limits.series_per_metric"));
    } else {
      lines.push_back(
          fmt::format("all metrics together have their {} series (limits.series): further ones of "
                      "{} are counted under `other`",
                      limits_.all, family.name));
    }
  }
  for (std::size_t i = 0; i < totals.overflows.size(); ++i) {
    const auto& [id, label] = rules.capped_labels()[i];
    const metrics::FamilySpec& family = rules.families()[id];
    const std::string& name = family.labels[label];
    if (totals.overflows[i] == 0 || !told_.insert(family.name + '{' + name).second) continue;
    const rules::LabelPolicy& policy = rules.label_policy(id, label);
    lines.push_back(fmt::format("label {} of {} has its {} values (max): further ones become `{}`",
                                name, family.name, policy.max, policy.overflow));
  }
  return lines;
}

}  // namespace logtally::pipeline
