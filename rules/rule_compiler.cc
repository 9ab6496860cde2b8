// The acting half of the compiler: rules, their conditions, patterns and actions.
#include <algorithm>

#include <re2/re2.h>

#include "config/suggest.h"
#include "rules/compiler.h"

namespace logtally::rules {
namespace {

struct ActionRow {
  std::string_view name;
  Action::Kind kind;
  bool counter;
  bool gauge;
  bool histogram;
  bool wants_value;
};
constexpr ActionRow kActions[] = {
    {"inc", Action::Kind::inc, true, true, false, false},
    {"dec", Action::Kind::dec, false, true, false, false},
    {"add", Action::Kind::add, true, true, false, true},
    {"set", Action::Kind::set, true, true, false, true},
    {"observe", Action::Kind::observe, false, false, true, true},
    {"delete", Action::Kind::remove, true, true, true, false},
};
// Actions on no metric.
const std::vector<std::string_view> kTrackingActions = {"remember", "take", "store"};
const std::vector<std::string_view> kLaterActions = {"drop", "sample"};

constexpr std::string_view kTypeNames[] = {"counter", "gauge", "histogram"};

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// The spellings of what logtally itself knows of a record.
std::optional<Ref::Source> built_in(std::string_view name) {
  constexpr std::pair<std::string_view, Ref::Source> kNames[] = {
      {"_line", Ref::Source::line},           {"_rest", Ref::Source::rest},
      {"_exception", Ref::Source::exception}, {"_format", Ref::Source::format},
      {"_file", Ref::Source::file},           {"_stream", Ref::Source::stream},
      {"level", Ref::Source::level},          {"time", Ref::Source::time},
      {"message", Ref::Source::message},
  };
  for (const auto& [known, source] : kNames) {
    if (known == name) return source;
  }
  return std::nullopt;
}

}  // namespace

// ---------------------------------------------------------------- names and expressions

Ref Compiler::resolve_line_field(const FieldPath& path) {
  if (path.size() == 1) {
    if (const auto source = built_in(path[0])) return {.source = *source};
    if (const auto known = well_known_.find(path[0]); known != well_known_.end()) {
      return field_ref(set_->plan_.first_of(known->second));
    }
  }
  return field_ref(set_->plan_.field(path));
}

Ref Compiler::field_ref(FieldId field) const {
  const std::vector<SlotId>& candidates = set_->plan_.candidates(field);
  return {.source = Ref::Source::field,
          .index = field,
          .under = Ref::kNoField,
          .slot = candidates.size() == 1 ? candidates[0] : kNoSlot};
}

Ref Compiler::resolve(const std::string& text, RuleNames& names) {
  const FieldPath path = parse_field_path(text);
  if (path.size() == 1) {
    for (auto let = names.lets.rbegin(); let != names.lets.rend(); ++let) {
      if (let->first == path[0]) return {.source = Ref::Source::let, .index = let->second};
    }
    if (const auto row = std::find(names.rows.rbegin(), names.rows.rend(), path[0]);
        row != names.rows.rend()) {
      const Ref under = resolve_line_field(path);
      return {.source = Ref::Source::row,
              .index = static_cast<std::uint16_t>(names.rows.rend() - row - 1),
              .under = under.source == Ref::Source::field ? under.index : Ref::kNoField};
    }
    const auto capture = std::find(names.captures.begin(), names.captures.end(), path[0]);
    if (capture != names.captures.end()) {
      const Ref under = resolve_line_field(path);
      return {.source = Ref::Source::capture,
              .index = static_cast<std::uint16_t>(capture - names.captures.begin()),
              .under = under.source == Ref::Source::field ? under.index : Ref::kNoField};
    }
  }
  return resolve_line_field(path);
}

Names Compiler::names_for(RuleNames& names) {
  return {.field = [this, &names](const std::string& path) { return resolve(path, names); },
          .map = [this](std::string_view name) -> const Map* {
            const auto found = maps_.find(name);
            return found == maps_.end() ? nullptr : found->second.first;
          },
          .table = [this](std::string_view name) -> std::optional<TableName> {
            const auto found = tables_.find(name);
            if (found == tables_.end()) return std::nullopt;
            return TableName{.index = found->second.index,
                             .key_parts = found->second.key.size(),
                             .columns = &set_->tables_[found->second.index].columns};
          },
          .callables =
              [this] {
                std::vector<std::string> all;
                for (const auto& [name, map] : maps_) all.push_back(name);
                for (const auto& [name, table] : tables_) all.push_back(name);
                return all;
              }};
}

std::optional<Expression> Compiler::compile_expression(const Document& document, const Node& node,
                                                       RuleNames& names) {
  if (!node.is_scalar()) {
    fault("E010", document, node, "a text or an expression is expected");
    return std::nullopt;
  }
  if (node.text.find('$') == std::string::npos) {
    const std::string text = canonical_scalar(node);
    if (!node.quoted && (text == "true" || text == "false"))
      return Expression::constant_truth(text == "true");
    return Expression::constant(text);
  }
  auto compiled = Expression::compile(node.text, names_for(names));
  if (auto* fault = std::get_if<ExpressionFault>(&compiled)) {
    config::Diagnostic& d = diagnostics_.add(
        fault->code, part_of(document, node, fault->offset, fault->length), fault->text);
    if (!fault->help.empty()) d.helps.push_back(fault->help);
    return std::nullopt;
  }
  return std::move(std::get<Expression>(compiled));
}

// `if`: text in which no field is named is the same on every line, and not what was meant.
std::optional<Expression> Compiler::compile_condition(const Document& document, const Node& node,
                                                      RuleNames& names) {
  const std::string text = node.is_scalar() ? canonical_scalar(node) : "$";
  if (text != "true" && text != "false" && text.find('$') == std::string::npos) {
    const bool is_word = text.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.") ==
                         std::string::npos;
    const std::size_t word = text.find_first_of(" =!<>(");
    const std::string name = is_word ? text : text.substr(0, std::min(word, text.size()));
    config::Diagnostic& d =
        fault("E023", document, node, "this `if` names no field", "it is the same on every line");
    d.helps.push_back("a field is written with a `$`" +
                      (valid_label_name(name) && word != std::string::npos && text[word] != '('
                           ? ": `$" + text + "`"
                           : std::string(": `$status >= 500`, `len($name) > 3`")));
    return std::nullopt;
  }
  return compile_expression(document, node, names);
}

// ---------------------------------------------------------------- one rule

void Compiler::compile_rule(const RuleEntry& entry) {
  const Document& document = *entry.document;
  const Node& body = *entry.body;
  Rule rule;
  rule.name = entry.key->text;
  rule.place = document.place(*entry.key);
  RuleNames names;
  if (!config::expect_map(reading(document), body, "a rule")) return;
  const config::MeantKeys meant = check_keys(
      document, body,
      {.allowed = {"match", "pattern", "regex", "if", "let", "do", "enabled"}, .later = {}},
      "a rule");

  bool enabled = entry.enabled;
  if (const Node* node = body.find("enabled")) {
    if (node->is_scalar() && !node->quoted && (node->text == "true" || node->text == "false")) {
      const bool switched = std::any_of(switches_.begin(), switches_.end(),
                                        [&](const Switch& s) { return s.key->text == rule.name; });
      if (!switched) enabled = node->text == "true";
    } else {
      fault("E013", document, *node, "`enabled` is true or false", config::truth_meant(*node));
    }
  }
  if (const Node* node = body.find("match")) compile_match(document, *node, rule);
  if (const Node* node = body.find("pattern")) compile_patterns(document, *node, rule, names);
  const Node* pattern = body.find("pattern");
  if (const Node* node = body.find("regex"); node != nullptr && pattern != nullptr) {
    const bool regex_first = node->span.begin < pattern->span.begin;
    fault("E013", document, regex_first ? *pattern : *node,
          "a rule has a `pattern` or a `regex`, not both")
        .also.push_back({document.place(regex_first ? *node : *pattern), "the other one"});
  } else if (node != nullptr) {
    compile_rule_regex(document, *node, rule, names);
  }
  if (const Node* node = body.find("if")) rule.only_if = compile_condition(document, *node, names);
  if (const Node* node = body.find("let")) compile_lets(document, *node, rule, names);
  if (const Node* node = body.find("do")) {
    compile_actions(document, *node, rule, names);
  } else if (!meant.contain("do")) {
    fault("E011", document, *entry.key, "rule `" + rule.name + "` does nothing")
        .helps.emplace_back("do: [inc: SOME_METRIC]");
  }
  if (set_->plan_.full() && !too_many_fields_) {
    too_many_fields_ = true;
    fault("E022", document, *entry.key,
          "with rule `" + rule.name + "` the rules use more than 4,000 different fields");
  }
  rule.captures = names.captures.size();
  rule.capture_names = names.captures;
  gather_label_inputs(rule, names);
  simplify(rule);
  if (enabled) {
    set_->rules_.push_back(std::move(rule));
  } else {
    set_->switched_off_.push_back(rule.name);
  }
}

// ---------------------------------------------------------------- conditions

void Compiler::compile_match(const Document& document, const Node& node, Rule& rule) {
  if (!config::expect_map(reading(document), node, "`match`")) return;
  for (const Node::Entry& entry : node.entries) {
    const FieldPath path = parse_field_path(entry.key.text);
    if (path.empty()) {
      fault("E013", document, entry.key, "`" + entry.key.text + "` is no field",
            "name, name.inner or 'odd name'");
      continue;
    }
    Condition condition;
    condition.name = entry.key.text;
    condition.field = resolve_line_field(path);
    auto test = compile_test(document, entry.value, condition.field);
    if (!test) continue;
    condition.test = std::move(*test);
    rule.conditions.push_back(std::move(condition));
  }
}

std::optional<Test> Compiler::compile_test(const Document& document, const Node& node,
                                           const Ref& field) {
  Test test;
  switch (node.kind) {
    case Node::Kind::null:
      test.kind = Test::Kind::missing;
      return test;
    case Node::Kind::scalar: {
      test.text = canonical_scalar(node);
      if (field.source == Ref::Source::level) {
        if (const Level level = parse_level(test.text); level != Level::none)
          test.text = level_name(level);
      }
      test.as_written = field.source == Ref::Source::level ? test.text : node.text;
      return test;
    }
    case Node::Kind::sequence:
      test.kind = Test::Kind::any_of;
      for (const Node& item : node.items) {
        auto inner = compile_test(document, item, field);
        if (!inner) return std::nullopt;
        test.inner.push_back(std::move(*inner));
      }
      if (test.inner.empty()) {
        fault("E013", document, node, "an empty list fits nothing");
        return std::nullopt;
      }
      return test;
    case Node::Kind::map:
      break;
  }
  check_keys(document, node, {.allowed = {"not", "prefix", "re", "exists"}, .later = {}},
             "a condition");
  test.kind = Test::Kind::all_of;
  for (const Node::Entry& entry : node.entries) {
    Test part;
    if (entry.key.text == "not") {
      auto inner = compile_test(document, entry.value, field);
      if (!inner) continue;
      part.kind = Test::Kind::negation;
      part.inner.push_back(std::move(*inner));
    } else if (entry.key.text == "prefix") {
      if (!expect_text(document, entry.value, "`prefix`")) continue;
      part.kind = Test::Kind::prefix;
      part.text = entry.value.text;
    } else if (entry.key.text == "re") {
      part.kind = Test::Kind::regex;
      part.regex = compile_regular_expression(document, entry.value);
      if (!part.regex) continue;
    } else if (entry.key.text == "exists") {
      if (!entry.value.is_scalar() || (entry.value.text != "true" && entry.value.text != "false")) {
        fault("E013", document, entry.value, "`exists` is true or false",
              config::truth_meant(entry.value));
        continue;
      }
      part.kind = entry.value.text == "true" ? Test::Kind::exists : Test::Kind::missing;
    } else {
      continue;
    }
    test.inner.push_back(std::move(part));
  }
  if (test.inner.empty()) {
    if (node.entries.empty()) fault("E013", document, node, "an empty condition");
    return std::nullopt;
  }
  return test.inner.size() == 1 ? std::move(test.inner[0]) : std::move(test);
}

// ---------------------------------------------------------------- patterns

void Compiler::compile_patterns(const Document& document, const Node& node, Rule& rule,
                                RuleNames& names) {
  const auto one = [&](const Node& item) {
    if (!expect_text(document, item, "`pattern`")) return;
    auto compiled = Pattern::compile(item.text, PatternUse::message);
    if (const auto* fault = std::get_if<PatternFault>(&compiled)) {
      diagnostics_.add("E040", part_of(document, item, fault->offset, fault->length), fault->text);
      return;
    }
    const Pattern& pattern = rule.patterns.emplace_back(std::move(std::get<Pattern>(compiled)));
    std::vector<std::int16_t>& places = rule.pattern_captures.emplace_back();
    rule.fields_capture.push_back(-1);
    for (const Capture& capture : pattern.captures()) {
      if (capture.name == "fields") {  // its keys become fields
        rule.fields_capture.back() = static_cast<std::int16_t>(places.size());
        set_->reads_fields_ = true;
        places.push_back(-1);
        continue;
      }
      const auto known = std::find(names.captures.begin(), names.captures.end(), capture.name);
      places.push_back(static_cast<std::int16_t>(known - names.captures.begin()));
      if (known == names.captures.end()) names.captures.push_back(capture.name);
    }
  };
  if (node.is_sequence()) {
    if (node.items.empty()) fault("E013", document, node, "an empty list fits nothing");
    for (const Node& item : node.items) one(item);
  } else {
    one(node);
  }
  rule.captures_as_found = rule.patterns.size() == 1 && rule.fields_capture.front() < 0;
}

void Compiler::compile_rule_regex(const Document& document, const Node& node, Rule& rule,
                                  RuleNames& names) {
  rule.regex = compile_regular_expression(document, node);
  if (!rule.regex) return;
  constexpr int kMaxGroups = 16;
  const int groups = rule.regex->NumberOfCapturingGroups();
  if (groups > kMaxGroups) {
    fault("E041", document, node, "the regular expression has more than 16 groups")
        .helps.emplace_back("groups without a name: (?:...)");
    rule.regex = nullptr;
    return;
  }
  rule.regex_captures.assign(static_cast<std::size_t>(groups), -1);
  for (const auto& [name, group] : rule.regex->NamedCapturingGroups()) {
    rule.regex_captures[static_cast<std::size_t>(group - 1)] =
        static_cast<std::int16_t>(names.captures.size());
    names.captures.push_back(name);
  }
}

void Compiler::compile_lets(const Document& document, const Node& node, Rule& rule,
                            RuleNames& names) {
  if (!config::expect_map(reading(document), node, "`let`")) return;
  for (const Node::Entry& entry : node.entries) {
    if (!valid_label_name(entry.key.text)) {
      fault("E032", document, entry.key,
            "`" + entry.key.text + "` is no name for a field of the rule",
            "letters, digits and `_`");
      continue;
    }
    std::optional<Expression> expression;
    if (entry.value.is_null()) {
      expression = Expression::constant("");
    } else {
      expression = compile_expression(document, entry.value, names);  // sees the lets before it
    }
    if (!expression) expression = Expression::constant("");  // known all the same
    std::vector<Ref> inputs;
    if (expression->calls_table()) {
      // What a table holds is no function of the record: the value itself is the only input, and
      // there are fewer of them than keys.
      inputs.push_back(
          {.source = Ref::Source::let, .index = static_cast<std::uint16_t>(rule.lets.size())});
    }
    for (const Ref& ref : expression->refs()) {
      if (expression->calls_table()) break;
      if (ref.source == Ref::Source::let) {
        inputs.insert(inputs.end(), names.let_inputs[ref.index].begin(),
                      names.let_inputs[ref.index].end());
      } else {
        inputs.push_back(ref);
      }
    }
    names.let_inputs.push_back(std::move(inputs));
    names.lets.emplace_back(entry.key.text, static_cast<std::uint16_t>(rule.lets.size()));
    rule.let_names.push_back(entry.key.text);
    rule.lets.push_back(std::move(*expression));
  }
}

// ---------------------------------------------------------------- actions

void Compiler::compile_actions(const Document& document, const Node& node, Rule& rule,
                               RuleNames& names) {
  if (!node.is_sequence() || node.items.empty()) {
    fault("E010", document, node, "`do` is a list of actions")
        .helps.emplace_back("do: [inc: SOME_METRIC]");
    return;
  }
  for (const Node& item : node.items) {
    if (config::expect_map(reading(document), item, "an action"))
      compile_action(document, item, rule, names);
  }
}

void Compiler::compile_action(const Document& document, const Node& node, Rule& rule,
                              RuleNames& names) {
  std::vector<std::string_view> allowed;
  for (const ActionRow& row : kActions) allowed.push_back(row.name);
  allowed.insert(allowed.end(), kTrackingActions.begin(), kTrackingActions.end());
  allowed.insert(allowed.end(), {"value", "unit", "labels", "if", "for", "then"});
  const config::MeantKeys meant =
      check_keys(document, node, {.allowed = allowed, .later = kLaterActions}, "an action");

  if (compile_tracking(document, node, rule, names)) return;

  const ActionRow* row = nullptr;
  const Node::Entry* named = nullptr;
  for (const Node::Entry& entry : node.entries) {
    const auto* found = std::find_if(std::begin(kActions), std::end(kActions),
                                     [&](const ActionRow& r) { return r.name == entry.key.text; });
    if (found == std::end(kActions)) continue;
    if (row != nullptr) {
      fault("E013", document, entry.key,
            "an action does one thing, here are `" + std::string(row->name) + "` and `" +
                entry.key.text + "`");
      return;
    }
    row = found;
    named = &entry;
  }
  if (row == nullptr) {
    const bool later =
        std::any_of(node.entries.begin(), node.entries.end(), [](const Node::Entry& e) {
          return std::find(kLaterActions.begin(), kLaterActions.end(), e.key.text) !=
                 kLaterActions.end();
        });
    const bool unknown =
        std::any_of(node.entries.begin(), node.entries.end(), [&](const Node::Entry& e) {
          return std::find(allowed.begin(), allowed.end(), e.key.text) == allowed.end();
        });
    if (!later && !unknown)
      fault("E011", document, node, "this action does not say what it does")
          .helps.emplace_back("inc, dec, add, set or observe: METRIC");
    return;
  }
  if (!expect_text(document, named->value, "`" + std::string(row->name) + "`")) return;
  const Metric* found = find_metric(document, named->value,
                                    !row->counter ? (row->histogram ? "histogram" : "gauge")
                                    : row->kind == Action::Kind::set ? "gauge"
                                                                     : "counter");
  if (found == nullptr) return;
  const Metric& metric = *found;
  const metrics::MetricType type = set_->families_[metric.id].type;
  const bool fits = type == metrics::MetricType::counter ? row->counter
                    : type == metrics::MetricType::gauge ? row->gauge
                                                         : row->histogram;
  if (!fits && !metric.typed) return;
  if (!fits) {
    fault("E035", document, named->key,
          "`" + std::string(row->name) + "` is not for a " +
              std::string(kTypeNames[static_cast<std::size_t>(type)]))
        .also.push_back({metric.place, "declared here"});
    return;
  }

  Action action;
  action.place = document.place(named->key);
  action.family = metric.id;
  action.expires = set_->families_[metric.id].ttl_ns != 0;
  action.kind = row->kind == Action::Kind::set && type == metrics::MetricType::counter
                    ? Action::Kind::set_count
                    : row->kind;
  action.name = std::string(row->name) + " " + named->value.text;
  const auto same = std::count_if(rule.actions.begin(), rule.actions.end(), [&](const Action& a) {
    return a.name == action.name || a.name.starts_with(action.name + " #");
  });
  if (same > 0) action.name += " #" + std::to_string(same + 1);

  if (const Node* only_if = node.find("if"))
    action.only_if = compile_condition(document, *only_if, names);
  const Node* value = node.find("value");
  if (value != nullptr && !row->wants_value) {
    fault("E035", document, *value, "`" + std::string(row->name) + "` takes no value")
        .helps.emplace_back("add: METRIC takes one");
  } else if (value == nullptr && row->wants_value) {
    if (!meant.contain("value"))
      fault("E036", document, named->key, "`" + std::string(row->name) + "` needs a `value`")
          .helps.emplace_back("value: $some_field");
  } else if (value != nullptr) {
    compile_value(document, *value, action, names);
  }
  // Without the value that was wanted, that is the fault, and not the unit.
  if (const Node* unit = node.find("unit"); unit != nullptr && (action.value || !row->wants_value))
    compile_unit(document, *unit, metric, action);
  if (!meant.contain("for")) compile_set_for(document, node, action, named->key, names);
  if (action.kind == Action::Kind::remove) {
    compile_delete(document, node, named->value, action, names);
  } else {
    compile_action_labels(document, node.find("labels"), metric, action, names);
    compile_exemplar(metric, action, names);
  }
  rule.actions.push_back(std::move(action));
}

const Compiler::Metric* Compiler::find_metric(const Document& document, const Node& name,
                                              std::string_view type) {
  const auto found = metrics_.find(name.text);
  if (found != metrics_.end()) return &found->second;
  std::vector<std::string> declared;
  for (const auto& [known, metric] : metrics_) declared.push_back(known);
  const std::string near = config::suggest(name.text, declared);
  config::Diagnostic& d =
      fault("E030", document, name, "metric `" + name.text + "` is not declared",
            near.empty() ? "" : "did you mean `" + near + "`?");
  d.helps.push_back("declare it: metrics: {" + name.text + ": {type: " + std::string(type) +
                    ", help: ...}}");
  return nullptr;
}

void Compiler::compile_set_for(const Document& document, const Node& node, Action& action,
                               const Node& where, RuleNames& names) {
  const Node* hold = node.find("for");
  const Node* then = node.find("then");
  if (hold == nullptr && then == nullptr) return;
  if (action.kind != Action::Kind::set) {
    fault("E035", document, hold != nullptr ? *hold : *then,
          "`for` and `then` go with `set` on a gauge");
    return;
  }
  if (hold == nullptr) {
    fault("E011", document, where,
          "`then` says to what the gauge falls back, `for` after how long is missing")
        .helps.emplace_back("for: 30s");
    return;
  }
  action.hold = compile_expression(document, *hold, names);
  if (action.hold && hold->text.find('$') == std::string::npos && !parse_duration_ns(hold->text)) {
    fault("E013", document, *hold, "`" + hold->text + "` is no duration")
        .helps.emplace_back("for: 30s, for: 5m, or an expression in seconds");
  }
  if (then != nullptr) action.then = compile_expression(document, *then, names);
  set_->keeps_time_ = true;
}

void Compiler::compile_delete(const Document& document, const Node& node, const Node& target,
                              Action& action, RuleNames& names) {
  const Metric& metric = metrics_.find(target.text)->second;
  const metrics::FamilySpec& spec = set_->families_[metric.id];
  const Node* labels = node.find("labels");
  check_label_names(document, labels, metric);
  for (std::size_t i = 0; i < spec.labels.size(); ++i) {
    const Node* value =
        labels != nullptr && labels->is_map() ? labels->find(spec.labels[i]) : nullptr;
    action.removed.emplace_back();
    if (value != nullptr) action.removed.back() = compile_label(document, value, metric, i, names);
  }
}

// `remember`, `take` and `store`; false when the action is another.
bool Compiler::compile_tracking(const Document& document, const Node& node, Rule& rule,
                                RuleNames& names) {
  const Node::Entry* named = nullptr;
  for (const Node::Entry& entry : node.entries) {
    if (std::find(kTrackingActions.begin(), kTrackingActions.end(), entry.key.text) !=
        kTrackingActions.end())
      named = &entry;
  }
  if (named == nullptr) return false;
  check_keys(document, node, {.allowed = {named->key.text, "if"}, .later = {}},
             "`" + named->key.text + "`");
  if (!expect_text(document, named->value, "`" + named->key.text + "`")) return true;
  Action action;
  action.place = document.place(named->key);
  action.name = named->key.text + " " + named->value.text;
  if (const Node* only_if = node.find("if"))
    action.only_if = compile_condition(document, *only_if, names);

  if (named->key.text == "store") {
    action.kind = Action::Kind::store;
    if (named->value.text != "skill_invocation") {
      fault("E013", document, named->value, "`" + named->value.text + "` cannot be stored")
          .helps.emplace_back("store: skill_invocation");
      return true;
    }
    for (const std::string_view column : kInvocationColumns)
      action.columns.push_back(resolve(std::string(column), names));
    rule.actions.push_back(std::move(action));
    return true;
  }
  const auto found = tables_.find(named->value.text);
  if (found == tables_.end()) {
    std::vector<std::string> declared;
    for (const auto& [name, table] : tables_) declared.push_back(name);
    const std::string near = config::suggest(named->value.text, declared);
    fault("E030", document, named->value, "table `" + named->value.text + "` is not declared",
          near.empty() ? "" : "did you mean `" + near + "`?");
    return true;
  }
  const TableEntry& table = found->second;
  const TableSpec& spec = set_->tables_[table.index];
  action.table = table.index;
  for (const Node* part : table.key) {
    auto key = compile_expression(*table.document, *part, names);
    if (!key) return true;
    action.key.push_back(std::move(*key));
  }
  if (named->key.text == "remember") {
    action.kind = Action::Kind::remember;
    for (const std::string& column : spec.columns) action.columns.push_back(resolve(column, names));
  } else {
    action.kind = Action::Kind::take;
    action.first_row = static_cast<std::uint16_t>(names.rows.size());
    names.rows.insert(names.rows.end(), spec.columns.begin(), spec.columns.end());
    names.rows.emplace_back("elapsed");
  }
  rule.actions.push_back(std::move(action));
  return true;
}

void Compiler::compile_value(const Document& document, const Node& node, Action& action,
                             RuleNames& names) {
  action.value = compile_expression(document, node, names);
  if (!action.value) return;
  if (node.text.find('$') == std::string::npos &&
      metrics::parse_decimal(node.text).error != metrics::NumberError::none) {
    config::Diagnostic& d = fault("E013", document, node, "`" + node.text + "` is no number");
    d.helps.push_back("a field is written `$" + node.text + "`");
  }
  if (const Ref* single = action.value->single();
      single != nullptr &&
      (single->source == Ref::Source::field || single->source == Ref::Source::capture)) {
    action.value_ref = *single;
  }
}

void Compiler::compile_unit(const Document& document, const Node& node, const Metric& metric,
                            Action& action) {
  if (!expect_text(document, node, "`unit`")) return;
  action.unit = node.text;
  const std::string& name = set_->families_[metric.id].name;
  if (!action.value) {
    fault("E035", document, node, "a unit goes with a `value`");
    return;
  }
  if (metric.base == Base::none) {
    fault("E051", document, node, "`" + name + "` does not say its unit")
        .helps.emplace_back(
            "end its name in _seconds, _bytes, _ratio or _usd, or declare it with `unit:`");
    return;
  }
  if (node.text == "auto") {
    action.quantity = metric.base;
    return;
  }
  const std::optional<Unit> unit = find_unit(node.text);
  if (!unit) {
    static const std::vector<std::string> kNames = {
        "ns",  "us",    "ms",   "s",     "min",     "h",      "d",   "kB",
        "KB",  "MB",    "GB",   "TB",    "KiB",     "MiB",    "GiB", "TiB",
        "usd", "cents", "auto", "ratio", "percent", "millis", "secs"};
    std::string meant(unit_meant_by(node.text));
    if (meant.empty()) meant = config::suggest(node.text, kNames);
    if (const std::string_view spelt = unit_meant_by(meant); !spelt.empty()) meant = spelt;
    fault("E050", document, node, "`" + node.text + "` is no unit",
          meant.empty() ? "" : "did you mean `" + meant + "`?")
        .notes.emplace_back(
            "ns us ms s m min h d; B KB MB GB TB KiB MiB GiB TiB; % ratio; usd cents; auto reads "
            "it from the text");
    return;
  }
  if (unit->base != metric.base) {
    fault("E051", document, node,
          "`" + node.text + "` is a unit of " + std::string(base_name(unit->base)) + ", `" + name +
              "` is in " + std::string(base_name(metric.base)));
    return;
  }
  action.shift = static_cast<std::int8_t>(unit->shift10);
  action.multiplier = static_cast<std::int64_t>(unit->multiplier);
}

void Compiler::check_label_names(const Document& document, const Node* node, const Metric& metric) {
  const metrics::FamilySpec& spec = set_->families_[metric.id];
  if (node == nullptr || !config::expect_map(reading(document), *node, "`labels`")) return;
  for (const Node::Entry& entry : node->entries) {
    if (std::find(spec.labels.begin(), spec.labels.end(), entry.key.text) != spec.labels.end())
      continue;
    const std::string near = config::suggest(entry.key.text, spec.labels);
    config::Diagnostic& d = fault("E034", document, entry.key,
                                  "`" + spec.name + "` has no label `" + entry.key.text + "`",
                                  near.empty() ? "" : "did you mean `" + near + "`?");
    d.also.push_back({metric.place, spec.labels.empty()
                                        ? "declared here without labels"
                                        : "declared here with " + list_of(spec.labels)});
  }
}

// The label's source in an action: what is written there, else the field of the label's name.
LabelSource Compiler::compile_label(const Document& document, const Node* value,
                                    const Metric& metric, std::size_t label, RuleNames& names) {
  const std::string& name = set_->families_[metric.id].labels[label];
  LabelSource source;
  source.otherwise = metric.label_defaults[label];
  source.policy = &set_->label_policies_[metric.id][label];
  if (value == nullptr) {
    source.expression =
        std::move(std::get<Expression>(Expression::compile("$" + name, names_for(names))));
  } else if (value->is_null()) {
    source.constant = "";
  } else if (value->is_scalar() && value->text.find('$') == std::string::npos) {
    source.constant = canonical_scalar(*value);
  } else {
    source.expression = compile_expression(document, *value, names);
  }
  if (source.expression) {
    const Ref* single = source.expression->single();
    if (single != nullptr && single->source != Ref::Source::let) source.ref = *single;
  }
  return source;
}

void Compiler::compile_action_labels(const Document& document, const Node* node,
                                     const Metric& metric, Action& action, RuleNames& names) {
  const metrics::FamilySpec& spec = set_->families_[metric.id];
  check_label_names(document, node, metric);
  for (std::size_t i = 0; i < spec.labels.size(); ++i) {
    const Node* value = node != nullptr && node->is_map() ? node->find(spec.labels[i]) : nullptr;
    action.labels.push_back(compile_label(document, value, metric, i, names));
    if (!action.labels.back().expression) continue;
    // What a row holds is known only once it was taken: nothing to remember the series by.
    const Expression& expression = *action.labels.back().expression;
    action.loose = action.loose || expression.calls_table();
    for (const Ref& ref : expression.refs()) {
      if (ref.source == Ref::Source::row) action.loose = true;
    }
  }
}

std::optional<PlainAction> PlainAction::of(const Action& action, metrics::MetricType type) {
  if (action.only_if || !action.exemplar.empty() || action.loose || action.expires ||
      action.quantity || action.multiplier != 1 || (action.value && !action.value_ref))
    return std::nullopt;
  PlainAction plain{.value = action.value_ref, .shift = action.shift, .fixed = {}};
  switch (action.kind) {
    case Action::Kind::inc:
      plain.fixed = metrics::Decimal::of(1);
      return plain;
    case Action::Kind::dec:
      plain.fixed = metrics::Decimal::of(-1);
      return plain;
    case Action::Kind::add:
      plain.not_negative = type == metrics::MetricType::counter;
      return plain;
    case Action::Kind::observe:
      plain.observes = true;
      return plain;
    default:
      return std::nullopt;
  }
}

void Compiler::simplify(Rule& rule) const {
  for (const Action& action : rule.actions) {
    std::optional<PlainAction> plain;
    if (action.kind < Action::Kind::remove)
      plain = PlainAction::of(action, set_->families_[action.family].type);
    if (!plain) {
      rule.plain.clear();
      return;
    }
    rule.plain.push_back(*plain);
  }
}

void Compiler::gather_label_inputs(Rule& rule, const RuleNames& names) {
  const auto take = [&](const Ref& ref) {
    if (std::find(rule.label_inputs.begin(), rule.label_inputs.end(), ref) ==
        rule.label_inputs.end())
      rule.label_inputs.push_back(ref);
  };
  for (const Action& action : rule.actions) {
    if (action.loose) continue;
    for (const LabelSource& source : action.labels) {
      if (!source.expression) continue;
      for (const Ref& ref : source.expression->refs()) {
        if (ref.source != Ref::Source::let) {
          take(ref);
          continue;
        }
        for (const Ref& input : names.let_inputs[ref.index]) take(input);
      }
    }
  }
}

}  // namespace logtally::rules
