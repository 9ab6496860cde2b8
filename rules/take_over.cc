// The part of RuleSet that follows another one: a reload.
#include <algorithm>

#include "rules/rule_set.h"

namespace logtally::rules {
namespace {

template <class T>
const T* find_name(const std::vector<T>& all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const T& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string why_restarted(const metrics::FamilySpec& before, const metrics::FamilySpec& now) {
  if (before.type != now.type) return "type";
  return before.buckets != now.buckets ? "buckets" : "labels";
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether rows of the one are rows of the other.
bool same_rows(const TableSpec& a, const TableSpec& b) {
  return a.name == b.name && a.key == b.key && a.columns == b.columns && a.queue == b.queue;
}

// What rules have counted about themselves, by the names of rules and of their actions.
std::vector<metrics::RuleTotals> follow_totals(const std::vector<Rule>& rules,
                                               const std::vector<Rule>& before,
                                               const std::vector<metrics::RuleTotals>& counted) {
  std::vector<metrics::RuleTotals> totals(rules.size());
  for (std::size_t r = 0; r < rules.size(); ++r) {
    totals[r].skipped.resize(rules[r].actions.size());
    const Rule* const old = find_name(before, rules[r].name);
    if (old == nullptr) continue;
    const metrics::RuleTotals& had = counted[static_cast<std::size_t>(old - before.data())];
    totals[r].matched = had.matched;
    for (std::size_t a = 0; a < rules[r].actions.size(); ++a) {
      const Action* const action = find_name(old->actions, rules[r].actions[a].name);
      if (action != nullptr)
        totals[r].skipped[a] = had.skipped[static_cast<std::size_t>(action - old->actions.data())];
    }
  }
  return totals;
}

}  // namespace

Succession RuleSet::take_over(Delta& delta, const RuleSet& before) const {
  Succession told = compare(before);

  // Rows whose gauge (`open:`) is another one now leave the old gauge and enter the new one.
  for (std::size_t i = 0; i < before.tables_.size(); ++i) {
    const TableSpec* const now = find_name(tables_, before.tables_[i].name);
    if (now != nullptr && same_rows(*now, before.tables_[i]) &&
        same_open(static_cast<std::size_t>(now - tables_.data()), before, i))
      continue;
    delta.tables[i].visit([&](const Row& row) {
      before.count_row(i, row, Decimal::of(-1), delta.clock.now_ns(), delta);
    });
  }

  const auto stays = [&](const metrics::FamilySpec& family) {
    const auto* const now = find_name(families_, family.name);
    return now != nullptr && metrics::same_series(*now, family);
  };
  std::vector<metrics::Series*> lost;
  delta.timers.visit([&](const Timer& timer) {
    if (!stays(before.families_[timer.series->family])) lost.push_back(timer.series);
  });
  for (metrics::Series* const series : lost) delta.timers.cancel(series);

  delta.series.redefine(families_);
  resume_expiry(delta);
  follow_capped(delta, before, told);

  std::vector<Table> tables;
  for (const TableSpec& spec : tables_) {
    const TableSpec* const old = find_name(before.tables_, spec.name);
    if (old == nullptr || !same_rows(*old, spec)) {
      tables.emplace_back(spec);
    } else {
      tables.push_back(
          std::move(delta.tables[static_cast<std::size_t>(old - before.tables_.data())]));
    }
  }
  delta.tables = std::move(tables);
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const TableSpec* const old = find_name(before.tables_, tables_[i].name);
    if (old != nullptr &&
        !same_open(i, before, static_cast<std::size_t>(old - before.tables_.data())))
      count_rows(i, Decimal::of(1), delta);
  }
  limit_tables(delta);

  delta.rules = follow_totals(rules_, before.rules_, delta.rules);
  delta.prepare(*this);
  create_initial_series(delta);
  return told;
}

void RuleSet::count_rows(std::size_t table, Decimal change, Delta& delta) const {
  delta.tables[table].visit(
      [&](const Row& row) { count_row(table, row, change, delta.clock.now_ns(), delta); });
}

void RuleSet::limit_tables(Delta& delta) const {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    delta.tables[i].limit(tables_[i].ttl_ns, tables_[i].max,
                          [&](const Row& row, Table::Gone why) { row_gone(i, row, why, delta); });
  }
}

// What is new, gone and restarted.
Succession RuleSet::compare(const RuleSet& before) const {
  Succession told;
  for (const Rule& rule : rules_) {
    if (find_name(before.rules_, rule.name) != nullptr) continue;
    (holds(before.switched_off_, rule.name) ? told.switched_on : told.new_rules)
        .push_back(rule.name);
  }
  for (const Rule& rule : before.rules_) {
    if (find_name(rules_, rule.name) != nullptr) continue;
    (holds(switched_off_, rule.name) ? told.switched_off : told.gone_rules).push_back(rule.name);
  }
  for (const metrics::FamilySpec& family : families_) {
    const auto* const old = find_name(before.families_, family.name);
    if (old == nullptr) {
      told.new_metrics.push_back(family.name);
    } else if (!metrics::same_series(*old, family)) {
      told.restarted.push_back({.metric = family.name, .why = why_restarted(*old, family)});
    }
  }
  for (const metrics::FamilySpec& family : before.families_) {
    if (find_name(families_, family.name) == nullptr) told.gone_metrics.push_back(family.name);
  }
  for (const TableSpec& table : before.tables_) {
    const TableSpec* const now = find_name(tables_, table.name);
    if (now == nullptr || !same_rows(*now, table)) told.emptied_tables.push_back(table.name);
  }
  return told;
}

// Whether the rows of a table are counted by the same series as before.
bool RuleSet::same_open(std::size_t table, const RuleSet& before, std::size_t old_table) const {
  const TableRules& now = table_rules_[table];
  const TableRules& old = before.table_rules_[old_table];
  if (!now.open || !old.open) return !now.open && !old.open;
  const metrics::FamilySpec& family = families_[*now.open];
  return metrics::same_series(family, before.families_[*old.open]) &&
         family.labels == before.families_[*old.open].labels &&
         now.open_columns == old.open_columns && now.open_defaults == old.open_defaults;
}

// The values that a label with a `max` has had stay admitted, though the max be lower now. A label
// that has a `max` only now has had those of its series.
void RuleSet::follow_capped(Delta& delta, const RuleSet& before, Succession& told) const {
  std::vector<CappedValues> capped(capped_labels_.size());
  for (std::size_t i = 0; i < capped.size(); ++i) {
    const metrics::FamilySpec& family = families_[capped_labels_[i].family];
    const std::string& label = family.labels[capped_labels_[i].label];
    bool known = false;
    std::uint32_t max_before = 0;
    for (std::size_t b = 0; b < before.capped_labels_.size(); ++b) {
      const metrics::FamilySpec& old = before.families_[before.capped_labels_[b].family];
      if (old.name != family.name || old.labels[before.capped_labels_[b].label] != label) continue;
      capped[i].overflowed = delta.capped[b].overflowed;
      max_before =
          before.label_policies_[before.capped_labels_[b].family][before.capped_labels_[b].label]
              .max;
      known = metrics::same_series(old, family);
      if (known) capped[i].values = std::move(delta.capped[b].values);
    }
    const LabelPolicy& policy = label_policies_[capped_labels_[i].family][capped_labels_[i].label];
    if (!known) {
      delta.series.for_each(capped_labels_[i].family, [&](const metrics::Series& series) {
        const std::string& value = series.labels[capped_labels_[i].label];
        if (value != policy.overflow) capped[i].values.insert(value);
      });
    }
    if (capped[i].values.size() > policy.max && max_before != policy.max)
      told.crowded.push_back({.metric = family.name,
                              .label = label,
                              .values = capped[i].values.size(),
                              .max = policy.max});
  }
  delta.capped = std::move(capped);
}

}  // namespace logtally::rules
