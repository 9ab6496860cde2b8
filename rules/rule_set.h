// RuleSet: compiled rules. count() is a pure function of record and rules: no clock, no randomness,
// no files. Immutable after compile(), so that any number of threads may share one, each with its
// own Event and Delta.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/yaml_document.h"
#include "rules/delta.h"
#include "rules/dispatch.h"
#include "rules/event.h"
#include "rules/formats.h"
#include "rules/redaction.h"
#include "rules/rule.h"
#include "rules/trace.h"

namespace logtally::rules {

// What becomes of the values when rules are loaded anew (RULES.md §8); names, in the order of the
// files. Everything that is not named here goes on as if nothing had happened: series, capped label
// values, rows of tables, timers, event time, and what rules and metrics have counted about
// themselves.
struct Succession {
  std::vector<std::string> new_rules;
  std::vector<std::string> gone_rules;
  std::vector<std::string> switched_on;   // there before, and off
  std::vector<std::string> switched_off;  // still there
  std::vector<std::string> new_metrics;
  std::vector<std::string> gone_metrics;  // off the page; should they return, they start anew
  struct Restarted {
    std::string metric;
    std::string why;  // "type", "labels" or "buckets"
  };
  std::vector<Restarted> restarted;         // other series under the same name
  std::vector<std::string> emptied_tables;  // gone, or with another key or other columns
  struct Crowded {  // a label whose `max` is lower now than what it has: all of it stays
    std::string metric;
    std::string label;
    std::size_t values = 0;
    std::size_t max = 0;
  };
  std::vector<Crowded> crowded;
};

class RuleSet {
 public:
  // Compiles all rule files together. Every fault of every file is added to `diagnostics`; null
  // when there is an error. `configuration`: documents whose further top-level keys (listen,
  // targets ...) belong to somebody else.
  struct Source {
    std::shared_ptr<const config::YamlDocument> document;
    bool configuration = false;
  };
  enum class Lints { none, all };  // all: warnings for what is hardly meant, see lint.h
  static std::shared_ptr<const RuleSet> compile(std::span<const Source> sources,
                                                config::Diagnostics& diagnostics,
                                                Lints lints = Lints::none);

  // What the record does to the series. Returns whether any rule matched. With a sink, every rule
  // is tried and told about.
  bool count(const Event& event, Delta& delta, TraceSink* trace = nullptr) const;

  // The rules that a record of this header may match, whatever its message is: see
  // Event::header_rules. Nothing when the message has a say in that.
  std::optional<std::vector<RuleIndex>> header_rules(const Event& event) const;

  // A silent stream: moves event time by the wall clock when a row or a timer is due, see
  // EventClock. Returns whether anything happened, which is then to be committed like a line.
  bool tick(Delta& delta, std::int64_t wall_ns) const;

  // Gives the series that `init` or closed sets declare their zeros.
  void create_initial_series(Delta& delta) const;

  // Call when series came into delta.series from elsewhere (another Delta, a store): takes up their
  // ageing where Series::touched_ns, ages and kept left it. What has no ttl any more comes back.
  void resume_expiry(Delta& delta) const;

  // For who brings rows into delta.tables from a store: the gauge of the table's rows (`open:`)
  // counts all of them once more, by `change`; and rows beyond what the tables may have now leave.
  void count_rows(std::size_t table, Decimal change, Delta& delta) const;
  void limit_tables(Delta& delta) const;

  // A reload: from now on these rules count into a delta that `before` counted into, which stays
  // alive during the call. See Succession for what goes on. Between two records; what was counted
  // is published. Then tell the registry.
  Succession take_over(Delta& delta, const RuleSet& before) const;

  const FieldPlan& plan() const { return plan_; }
  const WellKnownFields& known() const { return known_; }
  const std::vector<metrics::FamilySpec>& families() const { return families_; }
  // Where each family is declared.
  const std::vector<config::Place>& family_places() const { return family_places_; }
  const std::vector<Rule>& rules() const { return rules_; }
  const Formats& formats() const { return formats_; }
  // What a Redactor takes out of a record before it is decoded.
  const Redactions& redactions() const { return redactions_; }
  const std::vector<TableSpec>& tables() const { return tables_; }
  const std::vector<TableRules>& table_rules() const { return table_rules_; }
  // The labels with a `max`, in the order of LabelPolicy::number.
  struct CappedLabel {
    metrics::FamilyId family = 0;
    std::size_t label = 0;
  };
  const std::vector<std::string>& switched_off() const { return switched_off_; }  // rules, by name
  const std::vector<CappedLabel>& capped_labels() const { return capped_labels_; }
  const LabelPolicy& label_policy(metrics::FamilyId family, std::size_t label) const {
    return label_policies_[family][label];
  }
  bool reads_fields() const { return reads_fields_; }  // some rule has a `<fields>` capture

 private:
  friend class Compiler;
  RuleSet() : dispatch_(plan_) {}

  // count() with a sink: every rule is tried.
  bool count_aloud(const Event& event, Delta& delta, TraceSink& trace) const;
  void pass_time(const Event& event, Scope& scope, Delta& delta) const;
  bool matches(const Rule& rule, Scope& scope, Delta& delta, TraceSink* trace) const;
  bool fit_patterns(const Rule& rule, Scope& scope, Delta& delta) const;
  void act(const Rule& rule, RuleIndex index, Scope& scope, Delta& delta, TraceSink* trace) const;
  // The same for a rule with plain actions, while no timer waits and nobody listens.
  void act_plainly(const Rule& rule, RuleIndex index, Scope& scope, Delta& delta) const;
  LabelMemo::Cell* cells(const Rule& rule, RuleIndex index, Scope& scope, Delta& delta) const;
  // The cell's series, looked up or counted once more; false: refused, for cell.reason.
  bool prepare(const Action& action, Scope& scope, Delta& delta, LabelMemo::Cell& cell) const;
  void resolve(const Action& action, Scope& scope, Delta& delta, LabelMemo::Cell& cell) const;
  // Puts the metric's exemplar beside what the action has just counted, if the record has one.
  static void exemplify(const Action& action, metrics::Series& series, Decimal value, Scope& scope,
                        Delta& delta);
  // The record's time moves event time. Called when something waits for it, or begins to: while
  // there are no rows and no timers, event time changes nothing, and no record's time is read for
  // it.
  void move_time(Scope& scope, Delta& delta) const;
  // Event time has come to `now_ns`: rows and timers that are due.
  void advance(Delta& delta, std::int64_t now_ns) const;
  void row_gone(std::size_t table, const Row& row, Table::Gone why, Delta& delta) const;
  void count_row(std::size_t table, const Row& row, Decimal change, std::int64_t at_ns,
                 Delta& delta) const;
  // A series that an action or a row has changed, at this event time, begins to age anew.
  void begin_ageing(metrics::Series& series, std::int64_t at_ns, Delta& delta) const;
  // Whatever timer the series has.
  static void call_off(metrics::Series& series, Delta& delta);
  std::optional<SkipReason> track(const Rule& rule, const Action& action, Scope& scope,
                                  Delta& delta) const;
  std::optional<SkipReason> remove_series(const Rule& rule, const Action& action, Scope& scope,
                                          Delta& delta) const;
  std::optional<SkipReason> set_gauge(const Rule& rule, const Action& action,
                                      metrics::Series& series, Decimal value, Scope& scope,
                                      Delta& delta) const;

  Succession compare(const RuleSet& before) const;
  bool same_open(std::size_t table, const RuleSet& before, std::size_t old_table) const;
  void follow_capped(Delta& delta, const RuleSet& before, Succession& told) const;

  FieldPlan plan_;
  WellKnownFields known_;
  std::vector<metrics::FamilySpec> families_;
  std::vector<config::Place> family_places_;
  std::vector<std::vector<LabelPolicy>> label_policies_;  // by family and label
  std::vector<InitialSeries> initial_series_;             // by family
  std::vector<CappedLabel> capped_labels_;
  std::vector<std::unique_ptr<Map>> maps_;
  std::vector<Rule> rules_;
  std::vector<std::string> switched_off_;
  Formats formats_;
  Redactions redactions_;
  std::vector<TableSpec> tables_;
  std::vector<TableRules> table_rules_;
  bool keeps_time_ = false;  // tables, or gauges that fall back: event time is wanted
  bool reads_fields_ = false;
  Dispatch dispatch_;
};

// A label's value as its declaration allows it: itself, or the overflow value. Counts a value
// beyond `max`, and sets `over_max` then.
std::string_view allowed_value(const LabelPolicy& policy, std::string_view value, Delta& delta,
                               bool& over_max);

// The value of one label of an action before its declaration has its say: what is written or found,
// else the `default`.
Value label_source_value(const LabelSource& source, Scope& scope);

// The value of one label of an action: text, or the reason why there is none.
Value label_value(const LabelSource& source, Scope& scope, Delta& delta, bool& over_max);

// Whether a field's token passes a test; for conditions and their tests.
bool passes(const Test& test, const Ref& field, Scope& scope);

}  // namespace logtally::rules
