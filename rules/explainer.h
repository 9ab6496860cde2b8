// Explainer: a TraceSink that makes an Explanation of every record. It listens and reads what is
// there already; nothing that it evaluates may use a table's row, so that a run with it counts the
// same as one without.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/explanation.h"
#include "rules/misfit.h"
#include "rules/rule_set.h"
#include "rules/trace.h"

namespace logtally::rules {

class Explainer : public TraceSink {
 public:
  // The rules outlive it. `tell` gets every record and every refused line, in the order in which
  // they are counted; the explanation is valid until it returns.
  Explainer(const RuleSet& rules, std::function<void(const Explanation&)> tell);

  void rule_matched(const Rule& rule) override;
  void rule_failed(const Rule& rule, std::string_view what, std::string_view seen) override;
  void action_done(const Rule& rule, const Action& action, const metrics::Series& series,
                   Decimal value) override;
  void action_skipped(const Rule& rule, const Action& action, SkipReason reason) override;

  void record_begins(const Event& event, Scope& scope) override;
  void record_done(const Event& event, bool matched) override;
  void line_refused(std::string_view reason, std::string_view line) override;
  void redacted(std::string_view name, std::size_t times) override;
  void rule_done(const Rule& rule) override;
  void action_untrue(const Rule& rule, const Action& action) override;
  void series_found(const Rule& rule, const Action& action, const metrics::Series& series) override;
  void row_remembered(const Rule& rule, const Action& action, const Row& row) override;
  void row_taken(const Rule& rule, const Action& action, const Row& row,
                 std::optional<Decimal> elapsed) override;
  void row_missed(const Rule& rule, const Action& action, std::string_view key) override;
  void row_gone(const TableSpec& table, const Row& row, Table::Gone why) override;
  void rows_counted(const metrics::Series& series, Decimal change) override;
  void timer_armed(const Rule& rule, const Action& action, const metrics::Series& series,
                   std::int64_t for_ns, std::optional<Decimal> falls_back_to) override;
  void timer_cancelled(const metrics::Series& series) override;
  void timer_fired(const metrics::Series& series, std::optional<Decimal> value) override;
  void series_deleted(const Rule& rule, const Action& action, std::size_t how_many) override;
  void stored(const Rule& rule, const Action& action, const Invocation& invocation) override;

 private:
  struct Found {
    Token token;
    std::string path;        // of the field; empty: not there
    bool in_fields = false;  // of a `<fields>` capture
  };
  Found find(FieldId field) const;
  void describe_record(const Event& event);
  void describe_time(const Event& event);
  void describe_format(const Event& event);
  Explanation::Named well_known(std::string_view name, FieldId field) const;
  Explanation::Named named(const std::string& name, const Ref& ref) const;
  OptionalText text_of(const Ref& ref) const;
  std::string text_of(const Value& value) const;
  Explanation::Condition condition_of(const Condition& condition) const;
  Explanation::Rule& begin(const Rule& rule);
  void fail_pattern(const Rule& rule, Explanation::Rule& told);
  Explanation::Action& begin(const Action& action);
  void describe_labels(const Action& action, const metrics::Series& series,
                       Explanation::Series& told) const;
  std::string series_text(const metrics::Series& series) const;
  std::string culprit(const Action& action, SkipReason reason) const;
  std::string missing_of(const Expression& expression) const;
  std::string with_values(const Expression& expression) const;
  bool may_evaluate(const Expression& expression) const;
  void describe_fields(const Rule& rule, Explanation::Rule& told) const;

  const RuleSet& rules_;
  Misfits misfits_;
  std::vector<std::string> places_;      // of the rules, FILE:LINE
  std::vector<std::string> slot_paths_;  // of the fields' slots
  std::function<void(const Explanation&)> tell_;
  Explanation now_;
  Scope* scope_ = nullptr;          // of the record that is counted
  std::vector<std::string> notes_;  // for the action that is told next
  std::optional<std::string> missed_key_;
  std::optional<Explanation::Action> found_;  // series_found(), until it is done or skipped
  bool expiring_ = false;                     // the gauge told next counts a row that is over
};

// A time as RFC 3339 in UTC, with as many fraction digits as it needs: three, six or nine, or none.
std::string rfc3339(std::int64_t ns);

std::string_view reason_name(SkipReason reason);  // `missing_field`, as the counter's label has it

}  // namespace logtally::rules
