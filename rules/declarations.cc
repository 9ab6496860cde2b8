// The declaring half of the compiler: which files say what, metrics, maps, lifted and well-known
// names.
#include <algorithm>

#include <re2/re2.h>

#include "config/suggest.h"
#include "rules/bucket_formula.h"
#include "rules/compiler.h"
#include "rules/lint.h"
#include "rules/regex_syntax.h"

namespace logtally::rules {
namespace {

// The built-in spellings of the well-known fields, in the order in which they are looked for.
const std::map<std::string, std::vector<std::string>, std::less<>>& built_in_names() {
  static const std::map<std::string, std::vector<std::string>, std::less<>> names = {
      {"time", {"timestamp", "time", "ts", "@timestamp", "datetime", "asctime"}},
      {"level", {"level", "levelname", "severity", "log.level"}},
      {"logger", {"logger", "logger_name", "name"}},
      {"message", {"message", "msg", "event"}},
  };
  return names;
}

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool valid_metric_name(std::string_view name) {
  return !name.empty() && (letter(name[0]) || name[0] == ':') &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return letter(c) || digit(c) || c == ':'; });
}

bool valid_label_name(std::string_view name) {
  return !name.empty() && letter(name[0]) && !name.starts_with("__") &&
         std::all_of(name.begin(), name.end(), [](char c) { return letter(c) || digit(c); });
}

std::string canonical_scalar(const config::Node& node) {
  if (node.quoted) return node.text;
  std::string lower = node.text;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (lower == "true" || lower == "false") return lower;
  const bool plain = node.text.find_first_not_of("-0123456789") == std::string::npos;
  const metrics::ParsedDecimal number = metrics::parse_decimal(node.text);
  return plain || number.error != metrics::NumberError::none ? node.text
                                                             : metrics::to_string(number.value);
}

bool Compiler::expect_text(const Document& document, const Node& node, std::string_view what) {
  if (node.is_scalar()) return true;
  fault("E010", document, node, std::string(what) + " is a text");
  return false;
}

config::MeantKeys Compiler::check_keys(const Document& document, const Node& map, const Keys& keys,
                                       std::string_view owner) {
  config::MeantKeys meant;
  for (const Node::Entry& entry : map.entries) {
    const auto is = [&](std::string_view name) { return entry.key.text == name; };
    if (std::any_of(keys.allowed.begin(), keys.allowed.end(), is)) continue;
    if (std::any_of(keys.later.begin(), keys.later.end(), is)) {
      config::not_yet(reading(document), entry.key);
    } else {
      meant.names.push_back(config::unknown_key(reading(document), entry.key, owner, keys.allowed));
    }
  }
  return meant;
}

config::Place Compiler::part_of(const Document& document, const Node& node, std::size_t offset,
                                std::size_t length) {
  const std::string& text = document.file->text;
  for (const std::size_t lead : {std::size_t{0}, std::size_t{1}}) {
    const std::size_t begin = node.span.begin + lead;
    if (begin + node.text.size() <= text.size() &&
        text.compare(begin, node.text.size(), node.text) == 0) {
      const auto first = static_cast<std::uint32_t>(begin + std::min(offset, node.text.size()));
      return {document.file,
              {first, static_cast<std::uint32_t>(first + std::max<std::size_t>(length, 1))}};
    }
  }
  return document.place(node);  // escapes or several lines: the text does not stand there as it is
}

std::shared_ptr<const RuleSet> Compiler::compile(std::span<const RuleSet::Source> sources) {
  for (const RuleSet::Source& source : sources) collect(source);
  set_->plan_.lift(lift_);
  resolve_well_known();
  for (const auto& [document, node] : map_nodes_) compile_maps(*document, *node);
  for (const auto& [document, node] : format_nodes_) compile_formats(*document, *node);
  for (const auto& [document, node] : metric_nodes_) compile_metrics(*document, *node);
  for (const auto& [alias, place] : alias_places_) {
    if (const auto metric = metrics_.find(alias); metric != metrics_.end()) {
      diagnostics_.add("E031", place, "the name `" + alias + "` is given twice")
          .also.push_back({metric->second.place, "a metric is declared by it here"});
    }
  }
  check_sample_names();
  for (const auto& [document, node] : table_nodes_) compile_tables(*document, *node);
  for (const auto& [document, node] : redaction_nodes_) compile_redactions(*document, *node);
  set_->redactions_ = Redactions(std::move(redactions_));
  check_exemplars();
  for (const Switch& s : switches_) {
    const auto found = rule_entries_.find(s.key->text);
    if (found != rule_entries_.end()) {
      found->second.enabled = s.enabled;
      continue;
    }
    config::Diagnostic& d =
        fault("E037", *s.document, *s.key, "there is no rule `" + s.key->text + "` to switch");
    if (const std::string near = config::suggest(s.key->text, rule_order_); !near.empty())
      d.label = "did you mean `" + near + "`?";
  }
  check_rule_count();
  for (const std::string& name : rule_order_) compile_rule(rule_entries_.at(name));
  check_field_redactions();
  if (lints_ == RuleSet::Lints::all) {
    lint_metrics(sources, diagnostics_);
    lint_usage(sources, diagnostics_);
    lint_names(sources, diagnostics_);
    lint_rules(sources, *set_, diagnostics_);
  }
  if (diagnostics_.has_errors()) return nullptr;
  build_dispatch();
  return std::move(set_);
}

void Compiler::collect(const RuleSet::Source& source) {
  const Document& document = *source.document;
  if (document.root.is_null()) return;
  if (!config::expect_map(reading(document), document.root, "a rule file")) return;
  if (!source.configuration) {
    check_keys(document, document.root,
               {.allowed = {"version", "lift", "normalise", "formats", "metrics", "maps", "tables",
                            "redact", "rules", "tests"},
                .later = {}},
               "a rule file");
    if (const Node* version = document.root.find("version");
        version != nullptr && version->text != "1") {
      fault("E013", document, *version, "this version of logtally reads `version: 1`");
    }
  }
  if (const Node* node = document.root.find("lift")) collect_lift(document, *node);
  if (const Node* node = document.root.find("normalise")) collect_normalise(document, *node);
  if (const Node* node = document.root.find("maps")) map_nodes_.emplace_back(&document, node);
  if (const Node* node = document.root.find("formats")) format_nodes_.emplace_back(&document, node);
  if (const Node* node = document.root.find("tables")) table_nodes_.emplace_back(&document, node);
  if (const Node* node = document.root.find("redact"))
    redaction_nodes_.emplace_back(&document, node);
  if (const Node* node = document.root.find("metrics")) metric_nodes_.emplace_back(&document, node);
  if (const Node* node = document.root.find("rules");
      node != nullptr && (node->is_map() || !source.configuration)) {
    collect_rules(document, *node);  // a list in the configuration names files
  }
}

void Compiler::collect_lift(const Document& document, const Node& node) {
  std::vector<std::string> names;
  if (!config::read_texts(reading(document), node, names)) return;
  for (std::string& name : names) {
    if (std::find(lift_.begin(), lift_.end(), name) == lift_.end())
      lift_.push_back(std::move(name));
  }
}

void Compiler::collect_normalise(const Document& document, const Node& node) {
  if (!config::expect_map(reading(document), node, "`normalise`")) return;
  for (const Node::Entry& entry : node.entries) {
    std::vector<std::string> names;
    if (!config::read_texts(reading(document), entry.value, names)) continue;
    for (const std::string& name : names) {
      FieldPath path = parse_field_path(name);
      if (path.empty()) {
        fault("E013", document, entry.value, "`" + name + "` is no field");
      } else {
        normalise_[entry.key.text].push_back(std::move(path));
      }
    }
  }
}

void Compiler::resolve_well_known() {
  well_known_ = normalise_;
  for (const auto& [name, spellings] : built_in_names()) {
    std::vector<FieldPath>& paths = well_known_[name];
    for (const std::string& spelling : spellings) {
      FieldPath path = parse_field_path(spelling);
      if (std::find(paths.begin(), paths.end(), path) == paths.end())
        paths.push_back(std::move(path));
    }
  }
  FieldPlan& plan = set_->plan_;
  set_->known_ = {.time = plan.first_of(well_known_.at("time")),
                  .level = plan.first_of(well_known_.at("level")),
                  .logger = plan.first_of(well_known_.at("logger")),
                  .message = plan.first_of(well_known_.at("message")),
                  .exception = plan.first_of({{"exception"}}),
                  .exception_type = plan.first_of({{"exception", "type"}})};
}

void Compiler::collect_rules(const Document& document, const Node& node) {
  if (!config::expect_map(reading(document), node, "`rules`")) return;
  for (const Node::Entry& entry : node.entries) {
    const bool on = entry.value.text == "true" && !entry.value.quoted;
    const bool off = entry.value.text == "false" && !entry.value.quoted;
    if (entry.value.is_scalar() && (on || off)) {
      switches_.push_back({&document, &entry.key, on});
      continue;
    }
    if (entry.value.is_scalar()) {
      if (const std::string meant = config::truth_meant(entry.value); meant.starts_with("write")) {
        fault("E010", document, entry.value,
              "a rule is a map, or true or false to switch one of another file", meant);
        continue;
      }
    }
    const auto [at, born] = rule_entries_.try_emplace(
        entry.key.text, RuleEntry{&document, &entry.key, &entry.value, true});
    if (born) {
      rule_order_.push_back(entry.key.text);
      continue;
    }
    config::Diagnostic& d =
        fault("E031", document, entry.key, "rule `" + entry.key.text + "` is defined twice");
    d.also.push_back({at->second.document->place(*at->second.key), "first defined here"});
    d.helps.push_back(
        "names are unique over all files: give this rule another name; both act then, "
        "unless one file switches the other off: `" +
        entry.key.text + ": false`");
  }
}

void Compiler::twice(config::Diagnostic& d, const config::Place& first, std::string_view done) {
  d.also.push_back({first, "first " + std::string(done) + " here"});
  if (first.file == d.place.file) return;
  d.helps.emplace_back(
      "rules of every file use what another file or pack declares: leave this out to use that one, "
      "or give it another name");
}

// ---------------------------------------------------------------- metrics

void Compiler::compile_metrics(const Document& document, const Node& node) {
  if (!config::expect_map(reading(document), node, "`metrics`")) return;
  for (const Node::Entry& entry : node.entries) compile_metric(document, entry.key, entry.value);
}

void Compiler::compile_metric(const Document& document, const Node& key, const Node& body) {
  if (!valid_metric_name(key.text)) {
    fault("E032", document, key, "`" + key.text + "` is no name for a metric",
          "letters, digits, `_` and `:`, not a digit first");
    return;
  }
  if (const auto known = metrics_.find(key.text); known != metrics_.end()) {
    twice(fault("E031", document, key, "metric `" + key.text + "` is declared twice"),
          known->second.place, "declared");
    return;
  }
  Metric metric;
  metric.place = document.place(key);
  metric.id = static_cast<metrics::FamilyId>(set_->families_.size());
  metric.base = base_of_metric(key.text);
  metrics::FamilySpec spec;
  spec.name = key.text;
  std::vector<LabelPolicy> policies;
  std::optional<InitialSeries> initial;

  if (config::expect_map(reading(document), body, "a metric")) {
    const config::MeantKeys meant =
        check_keys(document, body,
                   {.allowed = {"type", "help", "labels", "buckets", "unit", "min", "init",
                                "max_series", "ttl", "aliases", "exemplar"},
                    .later = {}},
                   "a metric");
    if (const Node* type = body.find("type"); type == nullptr) {
      metric.typed = false;
      if (!meant.contain("type"))
        fault("E011", document, key, "metric `" + key.text + "` has no `type`")
            .helps.emplace_back("type: counter, gauge or histogram");
    } else {
      constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
      std::size_t index = 0;
      metric.typed = config::read_word(reading(document), *type, kTypes, index);
      if (metric.typed) spec.type = static_cast<metrics::MetricType>(index);
    }
    if (const Node* help = body.find("help"); help == nullptr) {
      if (!meant.contain("help"))
        fault("E011", document, key, "metric `" + key.text + "` has no `help`")
            .helps.emplace_back("one line for the people who read the page");
    } else if (expect_text(document, *help, "`help`")) {
      spec.help = help->text;
    }
    if (const Node* labels = body.find("labels"))
      compile_labels(document, *labels, spec, metric, policies);
    if (const Node* unit = body.find("unit");
        unit != nullptr && expect_text(document, *unit, "`unit`")) {
      constexpr std::pair<std::string_view, Base> kBases[] = {{"seconds", Base::seconds},
                                                              {"bytes", Base::bytes},
                                                              {"ratio", Base::ratio},
                                                              {"usd", Base::usd}};
      const auto* found = std::find_if(std::begin(kBases), std::end(kBases),
                                       [&](const auto& b) { return b.first == unit->text; });
      if (found == std::end(kBases)) {
        fault("E050", document, *unit, "`" + unit->text + "` is no base unit",
              "seconds, bytes, ratio or usd");
      } else if (metric.base != Base::none && metric.base != found->second) {
        fault("E051", document, *unit,
              "the name says " + std::string(base_name(metric.base)) + ", the unit " + unit->text);
      } else {
        metric.base = found->second;
      }
    }
    if (const Node* buckets = body.find("buckets")) {
      if (spec.type == metrics::MetricType::histogram) {
        compile_buckets(document, *buckets, spec);
      } else if (metric.typed) {
        fault("E035", document, *buckets, "only histograms have buckets");
      }
    } else if (spec.type == metrics::MetricType::histogram) {
      for (const char* bound :
           {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"}) {
        spec.buckets.push_back(metrics::parse_decimal(bound).value);
      }
      if (!meant.contain("buckets"))
        fault("W203", document, key, "histogram `" + key.text + "` names no buckets")
            .notes.emplace_back("it gets 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10");
    }
    if (const Node* aliases = body.find("aliases");
        aliases != nullptr && config::read_texts(reading(document), *aliases, spec.aliases)) {
      for (const std::string& alias : spec.aliases) {
        if (!valid_metric_name(alias))
          fault("E032", document, *aliases, "`" + alias + "` is no name for a metric");
        const auto [known, born] = alias_places_.try_emplace(alias, document.place(*aliases));
        if (!born)
          fault("E031", document, *aliases, "the name `" + alias + "` is given twice")
              .also.push_back({known->second, "first given here"});
      }
    }
    if (const Node* min = body.find("min")) {
      spec.min = number_of(document, *min, "`min`");
      if (spec.type != metrics::MetricType::gauge && metric.typed)
        fault("E035", document, *min, "only gauges have a `min`");
    }
    compile_limits(document, body, spec);
    if (const Node* init = body.find("init"))
      initial = compile_init(document, *init, spec, metric, policies);
  }
  // A faulty metric is known all the same: what uses it need not be reported too.
  set_->families_.push_back(std::move(spec));
  if (const Node* exemplar = body.find("exemplar")) declare_exemplar(document, *exemplar, metric);
  set_->family_places_.push_back(metric.place);
  for (std::size_t label = 0; label < policies.size(); ++label) {
    if (policies[label].max == 0) continue;
    policies[label].number = static_cast<std::uint32_t>(set_->capped_labels_.size());
    set_->capped_labels_.push_back({.family = metric.id, .label = label});
  }
  set_->initial_series_.push_back(initial ? std::move(*initial) : closed_sets(policies));
  set_->label_policies_.push_back(std::move(policies));
  metrics_.emplace(key.text, std::move(metric));
}

void Compiler::compile_labels(const Document& document, const Node& node, metrics::FamilySpec& spec,
                              Metric& metric, std::vector<LabelPolicy>& policies) {
  const auto add = [&](const Node& name) {
    if (!name.is_scalar() || !valid_label_name(name.text)) {
      fault("E033", document, name, "`" + name.text + "` is no name for a label",
            "letters, digits and `_`, not a digit first, not `__`");
    } else if (name.text == "le" || name.text == "quantile") {
      fault("E033", document, name,
            "the label `" + name.text + "` belongs to histograms and summaries themselves");
    } else if (std::find(spec.labels.begin(), spec.labels.end(), name.text) != spec.labels.end()) {
      fault("E004", document, name, "label `" + name.text + "` stands twice");
    } else if (spec.labels.size() == kMaxLabels) {
      fault("E033", document, name, "more than " + std::to_string(kMaxLabels) + " labels");
    } else {
      spec.labels.push_back(name.text);
      metric.label_defaults.emplace_back();
      policies.emplace_back();
      return true;
    }
    return false;
  };
  if (node.is_sequence()) {
    for (const Node& name : node.items) add(name);
    return;
  }
  if (!node.is_map()) {
    fault("E010", document, node, "`labels` is a list of names, or a map of names")
        .helps.emplace_back("labels: [method, status]");
    return;
  }
  for (const Node::Entry& entry : node.entries) {
    if (!add(entry.key)) continue;
    if (entry.value.is_null()) continue;
    if (!config::expect_map(reading(document), entry.value, "a label")) continue;
    check_keys(document, entry.value,
               {.allowed = {"default", "values", "max", "overflow"}, .later = {}}, "a label");
    if (const Node* otherwise = entry.value.find("default"); otherwise != nullptr) {
      if (expect_text(document, *otherwise, "`default`"))
        metric.label_defaults.back() = canonical_scalar(*otherwise);
    }
    if (const Node* overflow = entry.value.find("overflow");
        overflow != nullptr && expect_text(document, *overflow, "`overflow`")) {
      policies.back().overflow = canonical_scalar(*overflow);
    }
    if (const Node* most = entry.value.find("max"); most != nullptr) {
      std::uint64_t max = 0;
      if (config::read_count(reading(document), *most, 1, 100'000, max))
        policies.back().max = static_cast<std::uint32_t>(max);
    }
    if (const Node* closed = entry.value.find("values"); closed != nullptr) {
      if (!closed->is_sequence() || closed->items.empty()) {
        fault("E010", document, *closed,
              "`values` is a list of the values that the label can have");
        continue;
      }
      for (const Node& value : closed->items) {
        if (expect_text(document, value, "a label's value"))
          policies.back().values.push_back(canonical_scalar(value));
      }
    }
  }
}

void Compiler::compile_buckets(const Document& document, const Node& node,
                               metrics::FamilySpec& spec) {
  if (node.is_scalar() && is_bucket_formula(node.text))
    return compile_formula(document, node, spec);
  if (!node.is_sequence() || node.items.empty()) {
    fault("E060", document, node, "`buckets` is a list of upper bounds, or a formula")
        .helps.emplace_back("buckets: [0.1, 0.5, 1, 5], or exp(0.005, 2, 12)");
    return;
  }
  if (node.items.size() > kMaxBuckets) {
    fault("E060", document, node, "more than " + std::to_string(kMaxBuckets) + " buckets");
    return;
  }
  const Node* before = nullptr;
  for (const Node& item : node.items) {
    if (item.is_scalar() && (item.text == "+Inf" || item.text == "Inf" || item.text == ".inf") &&
        &item == &node.items.back()) {
      continue;  // always there: naming it is harmless
    }
    const auto bound = number_of(document, item, "a bucket's bound");
    if (!bound) continue;
    if (!spec.buckets.empty() && *bound <= spec.buckets.back()) {
      const bool equal = *bound == spec.buckets.back();
      fault("E061", document, item, "buckets must increase",
            (equal ? "equal to the " : "smaller than the ") + before->text + " before it");
      continue;
    }
    spec.buckets.push_back(*bound);
    before = &item;
  }
}

std::optional<Decimal> Compiler::number_of(const Document& document, const Node& node,
                                           std::string_view what) {
  const metrics::ParsedDecimal parsed = node.is_scalar() && !node.quoted
                                            ? metrics::parse_decimal(node.text)
                                            : metrics::parse_decimal("");
  if (parsed.error == metrics::NumberError::none) return parsed.value;
  fault("E013", document, node, std::string(what) + " is a number",
        parsed.error == metrics::NumberError::over_limit ? "too large" : "this is none");
  return std::nullopt;
}

// ---------------------------------------------------------------- maps

void Compiler::compile_maps(const Document& document, const Node& node) {
  if (!config::expect_map(reading(document), node, "`maps`")) return;
  for (const Node::Entry& entry : node.entries) {
    if (const auto known = maps_.find(entry.key.text); known != maps_.end()) {
      twice(fault("E031", document, entry.key, "map `" + entry.key.text + "` is defined twice"),
            known->second.second, "defined");
      continue;
    }
    if (!valid_label_name(entry.key.text)) {
      fault("E032", document, entry.key, "`" + entry.key.text + "` is no name for a map",
            "letters, digits and `_`, not a digit first");
      continue;
    }
    auto map = std::make_unique<Map>();
    map->name = entry.key.text;
    if (config::expect_map(reading(document), entry.value, "a map")) {
      const Node* rewrite = entry.value.find("rewrite");
      if (rewrite != nullptr && rewrite->is_sequence()) {
        check_keys(document, entry.value, {.allowed = {"rewrite"}, .later = {}},
                   "a map that rewrites");
        compile_rewrite(document, *rewrite, *map);
      } else {
        for (const Node::Entry& row : entry.value.entries) {
          if (row.value.is_scalar()) {
            map->entries.emplace(canonical_scalar(row.key), canonical_scalar(row.value));
          } else if (row.value.is_map()) {
            std::map<std::string, std::string, std::less<>> inner;
            for (const Node::Entry& cell : row.value.entries) {
              if (expect_text(document, cell.value, "a map's value"))
                inner.emplace(canonical_scalar(cell.key), canonical_scalar(cell.value));
            }
            map->entries.emplace(canonical_scalar(row.key), std::move(inner));
          } else {
            fault("E010", document, row.value.is_null() ? row.key : row.value,
                  "a map's value is a text, or a map of texts");
          }
        }
      }
    }
    maps_.emplace(map->name, std::pair(map.get(), document.place(entry.key)));
    set_->maps_.push_back(std::move(map));
  }
}

void Compiler::compile_rewrite(const Document& document, const Node& node, Map& map) {
  for (const Node& row : node.items) {
    if (!row.is_sequence() || row.items.size() != 2 || !row.items[0].is_scalar() ||
        !row.items[1].is_scalar()) {
      fault("E010", document, row,
            "a rewrite is a pair: the regular expression and the text in its place")
          .helps.emplace_back("rewrite: [['/\\d+', '/{id}']]");
      continue;
    }
    const auto regex = compile_regular_expression(document, row.items[0]);
    if (!regex) continue;
    std::string error;
    if (!regex->CheckRewriteString(row.items[1].text, &error)) {
      fault("E041", document, row.items[1],
            "the replacement does not go with its regular expression", error);
      continue;
    }
    map.rewrites.push_back({regex, row.items[1].text});
  }
}

std::shared_ptr<const re2::RE2> Compiler::compile_regular_expression(const Document& document,
                                                                     const Node& node) {
  if (!expect_text(document, node, "a regular expression")) return nullptr;
  if (regex_instructions_ > kMaxRegexInstructions) return nullptr;
  auto compiled = compile_regex(node.text);
  const auto* wrong = std::get_if<RegexFault>(&compiled);
  if (wrong == nullptr) {
    auto regex = std::get<std::shared_ptr<const re2::RE2>>(compiled);
    regex_instructions_ += static_cast<std::size_t>(regex->ProgramSize());
    if (regex_instructions_ <= kMaxRegexInstructions) return regex;
    fault("E041", document, node, "with this one the regular expressions are too large together",
          "the rest is not looked at")
        .helps.emplace_back(
            "fewer counted repetitions {n,m}: each is written out n times; `.` stands for many");
    return nullptr;
  }
  if (wrong->too_large) regex_instructions_ += kInstructionsOfTooLarge;
  config::Diagnostic& d = diagnostics_.add(
      "E041", part_of(document, node, wrong->offset, wrong->length), wrong->text, wrong->label);
  if (wrong->syntax)
    d.notes.emplace_back("RE2 syntax (linear time): no look-ahead, no back-references");
  return nullptr;
}

std::shared_ptr<const RuleSet> RuleSet::compile(std::span<const Source> sources,
                                                config::Diagnostics& diagnostics, Lints lints) {
  return Compiler(diagnostics, lints).compile(sources);
}

}  // namespace logtally::rules
