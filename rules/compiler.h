// Compiler: rule files -> RuleSet. Internal to rules/; the way in is RuleSet::compile(). It reports
// all faults of all files, each with its place, and never stops at the first.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/keys.h"
#include "config/yaml_document.h"
#include "rules/rule_set.h"

namespace logtally::rules {

class Compiler {
 public:
  explicit Compiler(config::Diagnostics& diagnostics, RuleSet::Lints lints = RuleSet::Lints::none)
      : diagnostics_(diagnostics), lints_(lints), set_(new RuleSet) {}

  std::shared_ptr<const RuleSet> compile(std::span<const RuleSet::Source> sources);

 private:
  using Node = config::Node;
  using Document = config::YamlDocument;

  // A metric as declared, beyond what the registry has to know.
  struct Metric {
    metrics::FamilyId id = 0;
    config::Place place;
    Base base = Base::none;  // `unit`, else from the name
    bool typed = true;  // false: its type is missing or wrong, and nothing is said of what fits it
    std::vector<std::optional<std::string>> label_defaults;  // by label
    struct {
      const Document* document = nullptr;
      const Node* node = nullptr;
    } exemplar;  // null: none, or a faulty one
  };
  struct RuleEntry {
    const Document* document = nullptr;
    const Node* key = nullptr;
    const Node* body = nullptr;
    bool enabled = true;
  };
  struct Switch {  // `rules: {NAME: true|false}`
    const Document* document = nullptr;
    const Node* key = nullptr;
    bool enabled = true;
  };
  // A table as declared: its key is compiled anew in every rule that uses it.
  struct TableEntry {
    const Document* document = nullptr;
    config::Place place;
    std::uint16_t index = 0;
    std::vector<const Node*> key;
  };
  // Names while one rule is compiled.
  struct RuleNames {
    std::vector<std::string> captures;
    std::vector<std::pair<std::string, std::uint16_t>> lets;  // visible ones: name, number
    std::vector<std::vector<Ref>> let_inputs;  // by number: base names that it depends on
    std::vector<std::string> rows;             // columns that `take` actions have given so far
  };

  // declarations.cc: what files declare
  void collect(const RuleSet::Source& source);
  void collect_lift(const Document& document, const Node& node);
  void collect_normalise(const Document& document, const Node& node);
  void collect_rules(const Document& document, const Node& node);
  void compile_metrics(const Document& document, const Node& node);
  void compile_metric(const Document& document, const Node& key, const Node& body);
  void compile_labels(const Document& document, const Node& node, metrics::FamilySpec& spec,
                      Metric& metric, std::vector<LabelPolicy>& policies);
  void compile_buckets(const Document& document, const Node& node, metrics::FamilySpec& spec);
  void compile_limits(const Document& document, const Node& body, metrics::FamilySpec& spec);
  void compile_formula(const Document& document, const Node& node, metrics::FamilySpec& spec);
  std::optional<InitialSeries> compile_init(const Document& document, const Node& node,
                                            const metrics::FamilySpec& spec, const Metric& metric,
                                            const std::vector<LabelPolicy>& policies);
  bool compile_init_values(const Document& document, const Node& node, const std::string& label,
                           const LabelPolicy& policy, std::vector<std::string>& into);
  void check_sample_names();
  void check_rule_count();
  void compile_formats(const Document& document, const Node& node);
  void compile_format(const Document& document, const Node& key, const Node& body);
  void compile_tables(const Document& document, const Node& node);
  void compile_table(const Document& document, const Node& key, const Node& body);
  void compile_open(const Document& document, const Node& node, const TableSpec& spec,
                    TableRules& rules);
  void compile_maps(const Document& document, const Node& node);
  void compile_rewrite(const Document& document, const Node& node, Map& map);
  void compile_redactions(const Document& document, const Node& node);
  void compile_redaction(const Document& document, const Node& key, const Node& body);
  void check_field_redactions();
  void resolve_well_known();

  // exemplars.cc
  void declare_exemplar(const Document& document, const Node& node, Metric& metric);
  void check_exemplars();
  void compile_exemplar(const Metric& metric, Action& action, RuleNames& names);

  // rule_compiler.cc: rules
  void compile_rule(const RuleEntry& entry);
  void compile_match(const Document& document, const Node& node, Rule& rule);
  std::optional<Test> compile_test(const Document& document, const Node& node, const Ref& field);
  void compile_patterns(const Document& document, const Node& node, Rule& rule, RuleNames& names);
  void compile_rule_regex(const Document& document, const Node& node, Rule& rule, RuleNames& names);
  void compile_lets(const Document& document, const Node& node, Rule& rule, RuleNames& names);
  void compile_actions(const Document& document, const Node& node, Rule& rule, RuleNames& names);
  void compile_action(const Document& document, const Node& node, Rule& rule, RuleNames& names);
  void check_label_names(const Document& document, const Node* node, const Metric& metric);
  void compile_action_labels(const Document& document, const Node* node, const Metric& metric,
                             Action& action, RuleNames& names);
  void compile_set_for(const Document& document, const Node& node, Action& action,
                       const Node& where, RuleNames& names);
  void compile_delete(const Document& document, const Node& node, const Node& target,
                      Action& action, RuleNames& names);
  bool compile_tracking(const Document& document, const Node& node, Rule& rule, RuleNames& names);
  LabelSource compile_label(const Document& document, const Node* value, const Metric& metric,
                            std::size_t label, RuleNames& names);
  // `type`: what the metric would be declared as, for the message.
  const Metric* find_metric(const Document& document, const Node& name, std::string_view type);
  void compile_value(const Document& document, const Node& node, Action& action, RuleNames& names);
  void compile_unit(const Document& document, const Node& node, const Metric& metric,
                    Action& action);
  void simplify(Rule& rule) const;
  void gather_label_inputs(Rule& rule, const RuleNames& names);
  void build_dispatch();

  // Values in files
  std::optional<Expression> compile_expression(const Document& document, const Node& node,
                                               RuleNames& names);
  std::optional<Expression> compile_condition(const Document& document, const Node& node,
                                              RuleNames& names);
  Names names_for(RuleNames& names);
  Ref resolve(const std::string& path, RuleNames& names);
  Ref resolve_line_field(const FieldPath& path);
  Ref field_ref(FieldId field) const;
  std::shared_ptr<const re2::RE2> compile_regular_expression(const Document& document,
                                                             const Node& node);
  std::optional<Decimal> number_of(const Document& document, const Node& node,
                                   std::string_view what);

  bool expect_text(const Document& document, const Node& node, std::string_view what);
  // Reports keys that are neither allowed nor known to be coming.
  struct Keys {
    std::vector<std::string_view> allowed;
    std::vector<std::string_view> later;
  };
  config::MeantKeys check_keys(const Document& document, const Node& map, const Keys& keys,
                               std::string_view owner);
  config::Reading reading(const Document& document) { return {document, diagnostics_}; }
  // E031: where the name was given first, and what to do about it. `done`: "declared".
  static void twice(config::Diagnostic& d, const config::Place& first, std::string_view done);

  config::Diagnostic& fault(std::string code, const Document& document, const Node& node,
                            std::string message, std::string label = {}) {
    return diagnostics_.add(std::move(code), document.place(node), std::move(message),
                            std::move(label));
  }
  // The place of a part of a scalar's text.
  static config::Place part_of(const Document& document, const Node& node, std::size_t offset,
                               std::size_t length);

  config::Diagnostics& diagnostics_;
  RuleSet::Lints lints_;
  std::shared_ptr<RuleSet> set_;
  std::vector<std::string> lift_;
  std::map<std::string, std::vector<FieldPath>, std::less<>> normalise_;  // as the files say
  std::vector<std::pair<const Document*, const Node*>> metric_nodes_;
  std::vector<std::pair<const Document*, const Node*>> map_nodes_;
  std::vector<std::pair<const Document*, const Node*>> format_nodes_;
  std::vector<std::pair<const Document*, const Node*>> table_nodes_;
  std::vector<std::pair<const Document*, const Node*>> redaction_nodes_;
  std::map<std::string, config::Place, std::less<>> redaction_places_;
  std::map<std::string, std::string, std::less<>> redaction_sources_;  // as written, to compare
  std::vector<Redaction> redactions_;
  struct FieldRedaction {
    std::string redaction;
    std::string field;  // a name alone: paths mean JSON
    config::Place place;
  };
  std::vector<FieldRedaction> field_redactions_;
  std::map<std::string, config::Place, std::less<>> formats_;
  std::map<std::string, TableEntry, std::less<>> tables_;
  std::map<std::string, Metric, std::less<>> metrics_;
  std::map<std::string, config::Place, std::less<>> alias_places_;
  std::map<std::string, std::pair<const Map*, config::Place>, std::less<>> maps_;
  std::map<std::string, std::vector<FieldPath>, std::less<>>
      well_known_;  // with the built-in names
  std::vector<std::string> rule_order_;
  std::map<std::string, RuleEntry, std::less<>> rule_entries_;
  std::vector<Switch> switches_;
  bool too_many_fields_ = false;        // reported once
  std::size_t regex_instructions_ = 0;  // of all that are compiled; over the limit: reported once
};

// A plain scalar as it is compared: booleans in lower case, numbers in canonical form. Quoted text
// is itself.
std::string canonical_scalar(const config::Node& node);

bool valid_metric_name(std::string_view name);
bool valid_label_name(std::string_view name);

}  // namespace logtally::rules
