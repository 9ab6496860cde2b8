// Exemplars: which of a record's values stand beside what it counted, so that a graph leads to a
// trace. Declared with the metric (`exemplar: {trace_id: $trace_id}`); its expressions mean what
// they mean in the rule that counts, so each action compiles them for itself.
#include <algorithm>
#include <array>

#include "rules/compiler.h"

namespace logtally::rules {
namespace {

constexpr std::size_t kMaxExemplarLabels = 8;

}  // namespace

void Compiler::declare_exemplar(const Document& document, const Node& node, Metric& metric) {
  if (set_->families_.back().type == metrics::MetricType::gauge) {
    fault("E035", document, node, "a gauge has no exemplars", "counters and histograms have");
    return;
  }
  if (!config::expect_map(reading(document), node, "`exemplar`")) return;
  if (node.entries.empty()) {
    fault("E011", document, node, "`exemplar` names no label")
        .helps.emplace_back("exemplar: {trace_id: $trace_id}");
    return;
  }
  if (node.entries.size() > kMaxExemplarLabels) {
    fault("E033", document, node,
          "more than " + std::to_string(kMaxExemplarLabels) + " labels in an exemplar");
    return;
  }
  bool faulty = false;
  std::size_t characters = 0;
  for (const Node::Entry& entry : node.entries) {
    characters += entry.key.text.size();
    if (entry.key.is_scalar() && valid_label_name(entry.key.text)) continue;
    faulty = true;
    fault("E033", document, entry.key, "`" + entry.key.text + "` is no name for a label",
          "letters, digits and `_`, not a digit first, not `__`");
  }
  if (!faulty && characters >= metrics::Delta::kMaxExemplarCharacters) {
    faulty = true;
    fault("E033", document, node, "the names of the labels leave no room for their values",
          "names and values of an exemplar have 128 characters together");
  }
  if (!faulty) metric.exemplar = {&document, &node};
}

// Once for the faults in the expressions themselves, so that they are told where no rule counts the
// metric, and only once where several do.
void Compiler::check_exemplars() {
  for (auto& [name, metric] : metrics_) {
    if (metric.exemplar.node == nullptr) continue;
    const std::size_t before = diagnostics_.errors();
    RuleNames names;
    Action ignored;
    compile_exemplar(metric, ignored, names);
    if (diagnostics_.errors() != before) metric.exemplar = {};
  }
}

void Compiler::compile_exemplar(const Metric& metric, Action& action, RuleNames& names) {
  if (metric.exemplar.node == nullptr) return;
  for (const Node::Entry& entry : metric.exemplar.node->entries) {
    auto value = compile_expression(*metric.exemplar.document, entry.value, names);
    if (!value) continue;
    ExemplarSource source{.name = entry.key.text, .value = std::move(*value), .ref = {}};
    if (const Ref* ref = source.value.single()) source.ref = *ref;
    action.exemplar.push_back(std::move(source));
  }
}

void RuleSet::exemplify(const Action& action, metrics::Series& series, Decimal value, Scope& scope,
                        Delta& delta) {
  std::array<metrics::ExemplarLabel, kMaxExemplarLabels> labels;
  std::size_t count = 0;
  for (const ExemplarSource& source : action.exemplar) {
    std::string_view text;
    if (source.ref) {
      const Token token = scope.token(*source.ref);
      if (token.present()) text = scope.text(token);
    } else if (const Value made = source.value.evaluate(scope); made.usable()) {
      text = value_text(made, scope);
    }
    if (!text.empty()) labels[count++] = {.name = source.name, .value = text};
  }
  if (count == 0) return;
  delta.series.exemplify(series, value, std::span(labels).first(count), scope.own_time_ns());
}

}  // namespace logtally::rules
