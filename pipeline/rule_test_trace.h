// RuleTestTrace: what rules did while the lines of a test were counted, so that a failure can name
// the rule behind each sample. Internal to rule_test_run.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/diagnostics.h"
#include "pipeline/rule_test_run.h"
#include "rules/rule_set.h"
#include "rules/trace.h"

namespace logtally::pipeline {

// "rules.d/10-skills.yaml:9"
std::string text_of(const config::Place& place);

class RuleTestTrace : public rules::TraceSink {
 public:
  // The rules outlive it.
  explicit RuleTestTrace(const rules::RuleSet& rules);

  // The lines of the test, by the offset at which each begins; they may grow.
  using Lines = std::vector<std::pair<std::uint64_t, config::Place>>;
  void at(const Lines& lines) { lines_ = &lines; }

  void rule_matched(const rules::Rule& rule) override;
  void rule_failed(const rules::Rule&, std::string_view, std::string_view) override {}
  void action_done(const rules::Rule& rule, const rules::Action& action,
                   const metrics::Series& series, metrics::Decimal value) override;
  void record_begins(const rules::Event& event, rules::Scope& scope) override;
  void row_remembered(const rules::Rule& rule, const rules::Action& action,
                      const rules::Row& row) override;
  void row_taken(const rules::Rule& rule, const rules::Action& action, const rules::Row& row,
                 std::optional<metrics::Decimal> elapsed) override;
  void rows_counted(const metrics::Series& series, metrics::Decimal change) override;
  void timer_fired(const metrics::Series& series,
                   std::optional<metrics::Decimal> falls_back_to) override;
  void series_deleted(const rules::Rule& rule, const rules::Action& action,
                      std::size_t how_many) override;
  void stored(const rules::Rule& rule, const rules::Action& action,
              const rules::Invocation& invocation) override;
  void action_skipped(const rules::Rule& rule, const rules::Action& action,
                      rules::SkipReason reason) override;

  // Why a series is what it is, for people. `values` by label of the family.
  std::vector<std::string> makers(metrics::FamilyId family,
                                  const std::vector<std::string>& values) const;
  // Why a family lacks a series: actions that were skipped.
  std::vector<std::string> obstacles(metrics::FamilyId family) const;
  std::vector<std::string> storers() const;

  const std::vector<RuleUse>& uses() const { return uses_; }
  const std::vector<bool>& filled() const { return filled_; }
  const std::vector<rules::StoredRow>& rows() const { return rows_; }

 private:
  // An action, and the lines at which it did the same.
  struct Deed {
    const rules::Rule* rule = nullptr;
    const rules::Action* action = nullptr;
    std::vector<config::Place> lines;
  };
  RuleUse& use_of(const rules::Rule& rule);
  void acted(const rules::Rule& rule, const rules::Action& action);
  void add(std::vector<Deed>& deeds, const rules::Rule& rule, const rules::Action& action);
  static std::vector<std::string> notes(std::string_view what, const std::vector<Deed>& deeds);

  const rules::RuleSet& rules_;
  const Lines* lines_ = nullptr;
  config::Place line_;         // of the record that is counted
  std::vector<RuleUse> uses_;  // by rule
  std::vector<bool> filled_;   // by family
  std::map<std::pair<metrics::FamilyId, std::vector<std::string>>, std::vector<Deed>> made_;
  std::map<metrics::FamilyId, std::vector<Deed>> counted_rows_;              // gauges of tables
  std::set<std::pair<metrics::FamilyId, std::vector<std::string>>> fallen_;  // gauges, by time
  std::map<std::pair<metrics::FamilyId, std::size_t>, std::vector<Deed>> skipped_;  // and reason
  std::vector<Deed> stored_;
  std::vector<rules::StoredRow> rows_;
};

}  // namespace logtally::pipeline
