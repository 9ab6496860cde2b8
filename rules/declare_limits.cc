// The declaring half of the compiler, continued: what bounds a metric's series and what gives them
// their zeros.
#include <algorithm>
#include <limits>

#include "config/suggest.h"
#include "rules/bucket_formula.h"
#include "rules/compiler.h"
#include "rules/durations.h"

namespace logtally::rules {

void Compiler::compile_limits(const Document& document, const Node& body,
                              metrics::FamilySpec& spec) {
  if (const Node* most = body.find("max_series")) {
    std::uint64_t series = 0;
    if (config::read_count(reading(document), *most, 1, 1'000'000, series))
      spec.max_series = static_cast<std::uint32_t>(series);
  }
  if (const Node* ttl = body.find("ttl"); ttl != nullptr && expect_text(document, *ttl, "`ttl`")) {
    const auto ns = parse_duration_ns(ttl->text);
    if (ns && *ns > 0) {
      spec.ttl_ns = *ns;
      set_->keeps_time_ = true;
    } else {
      fault("E013", document, *ttl, "`" + ttl->text + "` is no time to live",
            ns ? "longer than nothing" : "a duration")
          .helps.emplace_back("ttl: 24h; without one a series stays for ever");
    }
  }
}

void Compiler::compile_formula(const Document& document, const Node& node,
                               metrics::FamilySpec& spec) {
  auto expanded = expand_bucket_formula(node.text);
  if (auto* bounds = std::get_if<std::vector<Decimal>>(&expanded)) {
    spec.buckets = std::move(*bounds);
    return;
  }
  FormulaFault& wrong = std::get<FormulaFault>(expanded);
  diagnostics_.add(std::move(wrong.code), part_of(document, node, wrong.offset, wrong.length),
                   std::move(wrong.message), std::move(wrong.label));
}

// `init`, once labels and limits are known.
std::optional<InitialSeries> Compiler::compile_init(const Document& document, const Node& node,
                                                    const metrics::FamilySpec& spec,
                                                    const Metric& metric,
                                                    const std::vector<LabelPolicy>& policies) {
  InitialSeries initial;
  initial.values.resize(spec.labels.size());
  if (node.is_scalar() && !node.quoted && (node.text == "true" || node.text == "false")) {
    initial.wanted = node.text == "true";
    if (!initial.wanted) return initial;
  } else if (!node.is_map()) {
    fault("E010", document, node, "`init` is a map of labels and their values, or true or false")
        .helps.emplace_back("init: {status: [success, error]}");
    return std::nullopt;
  }
  bool good = true;
  for (const Node::Entry& entry : node.entries) {
    const auto label = std::find(spec.labels.begin(), spec.labels.end(), entry.key.text);
    if (label == spec.labels.end()) {
      const std::string near = config::suggest(entry.key.text, spec.labels);
      fault("E034", document, entry.key,
            "`" + spec.name + "` has no label `" + entry.key.text + "`",
            near.empty() ? "" : "did you mean `" + near + "`?");
      good = false;
      continue;
    }
    const auto index = static_cast<std::size_t>(label - spec.labels.begin());
    good = compile_init_values(document, entry.value, *label, policies[index],
                               initial.values[index]) &&
           good;
  }
  std::string missing;
  for (std::size_t i = 0; i < spec.labels.size(); ++i) {
    if (!initial.values[i].empty() || node.find(spec.labels[i]) != nullptr) continue;
    if (!policies[i].values.empty()) {
      initial.values[i] = policies[i].values;
    } else if (metric.label_defaults[i]) {
      initial.values[i] = {*metric.label_defaults[i]};
    } else {
      missing += (missing.empty() ? "`" : ", `") + spec.labels[i] + "`";
    }
  }
  if (!missing.empty()) {
    fault("E011", document, node, "`init` does not say which values " + missing + " has")
        .helps.emplace_back("list them here, or give the label `values` or a `default`");
    return std::nullopt;
  }
  if (!good) return std::nullopt;

  const std::size_t most = spec.max_series != 0 ? spec.max_series : metrics::SeriesLimits().family;
  std::size_t product = 1;
  for (const auto& values : initial.values) product = std::min(product * values.size(), most + 1);
  if (product > most) {
    fault("E038", document, node, "`init` makes more than " + std::to_string(most) + " series",
          spec.max_series != 0 ? "`max_series` of this metric" : "the limit of a metric")
        .helps.emplace_back("list fewer values, or raise `max_series`");
    return std::nullopt;
  }
  return initial;
}

bool Compiler::compile_init_values(const Document& document, const Node& node,
                                   const std::string& label, const LabelPolicy& policy,
                                   std::vector<std::string>& into) {
  bool good = true;
  const auto add = [&](const Node& value) {
    if (!value.is_scalar() || value.is_null()) {
      fault("E010", document, value, "a label's value is a text");
      good = false;
      return;
    }
    std::string text = canonical_scalar(value);
    if (std::find(into.begin(), into.end(), text) != into.end()) {
      fault("E004", document, value, "`" + text + "` stands twice");
      good = false;
      return;
    }
    if (!policy.values.empty() && text != policy.overflow &&
        std::find(policy.values.begin(), policy.values.end(), text) == policy.values.end()) {
      const std::string near = config::suggest(text, policy.values);
      fault("E013", document, value, "`" + text + "` is not among the `values` of `" + label + "`",
            near.empty() ? "" : "did you mean `" + near + "`?");
      good = false;
      return;
    }
    into.push_back(std::move(text));
  };
  if (node.is_sequence()) {
    for (const Node& value : node.items) add(value);
    if (node.items.empty()) {
      fault("E010", document, node, "`init` lists the values of a label, at least one");
      return false;
    }
  } else {
    add(node);
  }
  if (policy.max != 0 && into.size() > policy.max) {
    fault("E038", document, node,
          "more values than the label's `max` of " + std::to_string(policy.max));
    return false;
  }
  return good;
}

void Compiler::check_rule_count() {
  constexpr std::size_t kMost = std::numeric_limits<RuleIndex>::max();
  if (rule_order_.size() <= kMost) return;
  const RuleEntry& first = rule_entries_.at(rule_order_[kMost]);
  fault("E038", *first.document, *first.key,
        "there are " + std::to_string(rule_order_.size()) + " rules, " + std::to_string(kMost) +
            " at most",
        "the first one too many")
      .helps.emplace_back("one rule can do for many values: match: {field: [a, b, c]}");
  rule_order_.resize(kMost);
}

// One name, one family on the page: a histogram's samples have names of their own that no other
// family may have.
void Compiler::check_sample_names() {
  std::map<std::string, const config::Place*, std::less<>> names;
  for (const auto& [name, metric] : metrics_) names.emplace(name, &metric.place);
  for (const auto& [alias, place] : alias_places_) names.emplace(alias, &place);
  for (const metrics::FamilySpec& family : set_->families_) {
    if (family.type != metrics::MetricType::histogram) continue;
    std::vector<std::string> own = family.aliases;
    own.push_back(family.name);
    for (const std::string& name : own) {
      for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
        const auto taken = names.find(name + std::string(suffix));
        if (taken == names.end()) continue;
        config::Diagnostic& d = diagnostics_.add(
            "E031", *taken->second,
            "the histogram `" + name + "` has samples named `" + taken->first + "`");
        if (const auto histogram = names.find(name); histogram != names.end())
          d.also.push_back({*histogram->second, "the histogram is named here"});
      }
    }
  }
}

}  // namespace logtally::rules
