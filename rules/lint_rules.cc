#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <re2/re2.h>

#include "config/suggest.h"
#include "rules/compiler.h"
#include "rules/event.h"
#include "rules/lint.h"

namespace logtally::rules {
namespace {

using config::Node;

// A rule as it stands in its file.
struct Written {
  const config::YamlDocument* document = nullptr;
  const Node* key = nullptr;
  const Node* body = nullptr;
};
using WrittenRules = std::map<std::string_view, Written>;

WrittenRules written_rules(std::span<const RuleSet::Source> sources) {
  WrittenRules written;
  for (const RuleSet::Source& source : sources) {
    const Node* rules = source.document->root.find("rules");
    if (rules == nullptr) continue;
    for (const Node::Entry& rule : rules->entries) {
      if (rule.value.is_map())
        written.emplace(rule.key.text, Written{source.document.get(), &rule.key, &rule.value});
    }
  }
  return written;
}

bool has_error(const Written& rule, const config::Diagnostics& diagnostics) {
  return std::any_of(
      diagnostics.all().begin(), diagnostics.all().end(), [&](const config::Diagnostic& d) {
        return d.severity() == config::Severity::error && d.place.file == rule.document->file &&
               d.place.span.begin >= rule.key->span.begin &&
               d.place.span.begin <= std::max(rule.body->span.end, rule.key->span.end);
      });
}

// ---------------------------------------------------------------- what can never match

// A field's value in thought: a text, or missing.
using Thought = std::optional<std::string>;

bool would_pass(const Test& test, const Thought& value) {
  const auto inner = [&](const Test& t) { return would_pass(t, value); };
  switch (test.kind) {
    case Test::Kind::any_of:
      return std::any_of(test.inner.begin(), test.inner.end(), inner);
    case Test::Kind::all_of:
      return std::all_of(test.inner.begin(), test.inner.end(), inner);
    case Test::Kind::negation:
      return !inner(test.inner[0]);
    case Test::Kind::missing:
      return !value;
    case Test::Kind::exists:
      return value.has_value();
    case Test::Kind::equal:
      return value && (*value == test.text || *value == test.as_written);
    case Test::Kind::prefix:
      return value && value->starts_with(test.text);
    case Test::Kind::regex:
      return value && re2::RE2::PartialMatch(*value, *test.regex);
  }
  return true;
}

// Values that decide: if none of them passes, no other does, unless a regex asks for one that
// nobody thought of.
void gather_thoughts(const Test& test, std::vector<Thought>& thoughts, bool& has_regex) {
  if (test.kind == Test::Kind::equal || test.kind == Test::Kind::prefix) {
    thoughts.emplace_back(test.text);
    thoughts.emplace_back(test.text + "\x01");
  }
  has_regex = has_regex || test.kind == Test::Kind::regex;
  for (const Test& inner : test.inner) gather_thoughts(inner, thoughts, has_regex);
}

// The values to which a test restricts its field; none: no such list.
bool is_closed(const Test& test) {
  if (test.kind == Test::Kind::equal || test.kind == Test::Kind::missing) return true;
  if (test.kind == Test::Kind::any_of)
    return std::all_of(test.inner.begin(), test.inner.end(), is_closed);
  if (test.kind == Test::Kind::all_of)
    return std::any_of(test.inner.begin(), test.inner.end(), is_closed);
  return false;
}

// The values that pass all tests, of those that were thought of.
struct Possible {
  std::vector<Thought> values;
  bool others = false;  // there may be more
};

Possible possible_values(const std::vector<const Test*>& tests) {
  std::vector<Thought> thoughts = {std::nullopt, ""};
  bool has_regex = false;
  bool closed = false;
  for (const Test* test : tests) {
    gather_thoughts(*test, thoughts, has_regex);
    closed = closed || is_closed(*test);
  }
  thoughts.emplace_back("\x01logtally");
  Possible possible;
  possible.others = !closed && has_regex;
  for (const Thought& value : thoughts) {
    if (std::all_of(tests.begin(), tests.end(),
                    [&](const Test* t) { return would_pass(*t, value); })) {
      possible.values.push_back(value);
      if (value && value->find('\x01') != std::string::npos) possible.others = true;
    }
  }
  return possible;
}

class RuleLint {
 public:
  RuleLint(const RuleSet& rules, config::Diagnostics& diagnostics)
      : rules_(rules), diagnostics_(diagnostics) {}

  // Reports at most one reason: the first that is found.
  void unreachable(const Rule& rule, const Written& written) {
    std::map<std::string, std::vector<std::size_t>> by_field;
    for (std::size_t i = 0; i < rule.conditions.size(); ++i) {
      const Ref& ref = rule.conditions[i].field;
      by_field[std::to_string(static_cast<int>(ref.source)) + "/" + std::to_string(ref.index)]
          .push_back(i);
    }
    for (const auto& [field, conditions] : by_field) {
      std::vector<const Test*> tests;
      for (const std::size_t c : conditions) tests.push_back(&rule.conditions[c].test);
      const Possible possible = possible_values(tests);
      const Condition& last = rule.conditions[conditions.back()];
      const Node::Entry* at = entry_of(written, last.name);
      if (at == nullptr) continue;
      if (possible.values.empty() && !possible.others) {
        config::Diagnostic& d =
            report(rule, written, at->value, "`" + last.name + "` can have no value that fits");
        if (conditions.size() > 1) {
          const std::string& first = rule.conditions[conditions.front()].name;
          if (const Node::Entry* other = entry_of(written, first))
            d.also.push_back(
                {written.document->place(other->value), "and this, of the same field"});
        }
        return;
      }
      if (possible.others) continue;
      if (built_in(rule, written, last, *at, possible.values)) return;
      if (last.field.source == Ref::Source::message && message(rule, written, *at, possible.values))
        return;
    }
    if (rule.only_if && rule.only_if->is_constant() && !rule.only_if->calls_table() &&
        written.body->find("if") != nullptr) {
      constant_if(rule, written);
    }
  }

 private:
  static const Node::Entry* entry_of(const Written& written, const std::string& name) {
    const Node* match = written.body->find("match");
    return match == nullptr ? nullptr : match->find_entry(name);
  }

  config::Diagnostic& report(const Rule& rule, const Written& written, const Node& at,
                             std::string label) {
    return diagnostics_.add("W211", written.document->place(at),
                            "rule `" + rule.name + "` can never match", std::move(label));
  }

  // `_format` and `_stream` have values that are known.
  bool built_in(const Rule& rule, const Written& written, const Condition& condition,
                const Node::Entry& at, const std::vector<Thought>& values) {
    std::vector<std::string> known;
    if (condition.field.source == Ref::Source::format) {
      known.emplace_back(Event::kJsonFormat);
      for (const Format& format : rules_.formats().all()) known.push_back(format.name);
    } else if (condition.field.source == Ref::Source::stream) {
      known = {"stdout", "stderr"};
    } else {
      return false;
    }
    for (const Thought& value : values) {
      if (!value || std::find(known.begin(), known.end(), *value) != known.end()) return false;
    }
    const std::string near = values.empty() ? "" : config::suggest(*values.front(), known);
    config::Diagnostic& d = report(rule, written, at.value,
                                   near.empty() ? "`" + condition.name + "` never has this value"
                                                : "did you mean `" + near + "`?");
    std::string all;
    for (const std::string& one : known) all += (all.empty() ? "" : ", ") + one;
    d.notes.push_back("`" + condition.name + "` is one of: " + all);
    return true;
  }

  // A message that is given, and a pattern or a regex that does not fit it.
  bool message(const Rule& rule, const Written& written, const Node::Entry& at,
               const std::vector<Thought>& values) {
    if (rule.patterns.empty() && !rule.regex) return false;
    std::array<std::string_view, Pattern::kMaxCaptures> captures;
    for (const Thought& value : values) {
      if (!value) continue;
      const std::string padded = *value + "\n" + std::string(64, '\0');
      const std::string_view text = std::string_view(padded).substr(0, value->size());
      if (rule.regex && re2::RE2::PartialMatch(*value, *rule.regex)) return false;
      if (std::any_of(rule.patterns.begin(), rule.patterns.end(),
                      [&](const Pattern& p) { return p.match(text, captures); }))
        return false;
    }
    const Node::Entry* pattern = written.body->find_entry(rule.regex ? "regex" : "pattern");
    config::Diagnostic& d = report(rule, written, at.value, "no such message fits the pattern");
    if (pattern != nullptr) d.also.push_back({written.document->place(pattern->value), "this one"});
    return true;
  }

  void constant_if(const Rule& rule, const Written& written) {
    FieldPlan plan;
    const WellKnownFields known{};
    Scope scope(plan, known);
    Event event(plan);
    scope.begin(event);
    scope.enter({});
    if (rule.only_if->holds(scope)) return;
    report(rule, written, *written.body->find("if"), "this is never true")
        .helps.emplace_back("enabled: false switches a rule off; a field is written `$name`");
  }

  const RuleSet& rules_;
  config::Diagnostics& diagnostics_;
};

// ---------------------------------------------------------------- what is there twice

// A node as a text that is the same for the same meaning: keys of maps in order.
std::string canonical(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "~";
    case Node::Kind::scalar: {
      const std::string text = canonical_scalar(node);
      return std::to_string(text.size()) + ":" + text;
    }
    case Node::Kind::sequence: {
      std::string text = "[";
      for (const Node& item : node.items) text += canonical(item) + ",";
      return text + "]";
    }
    case Node::Kind::map: {
      std::map<std::string, std::string> sorted;
      for (const Node::Entry& entry : node.entries)
        sorted.emplace(entry.key.text, canonical(entry.value));
      std::string text = "{";
      for (const auto& [key, value] : sorted)
        text += std::to_string(key.size()) + ":" + key + "=" + value + ",";
      return text + "}";
    }
  }
  return {};
}

std::string canonical_part(const Node& body, std::string_view key) {
  const Node* node = body.find(key);
  return node == nullptr ? "" : canonical(*node);
}

// On which lines a rule acts, and what its fields are.
std::string trigger_of(const Written& rule) {
  std::string text;
  for (const std::string_view part : {"match", "pattern", "regex", "if", "let"})
    text += canonical_part(*rule.body, part) + "|";
  return text;
}

}  // namespace

void lint_rules(std::span<const RuleSet::Source> sources, const RuleSet& rules,
                config::Diagnostics& diagnostics) {
  const WrittenRules written = written_rules(sources);
  RuleLint lint(rules, diagnostics);
  std::map<std::string, std::vector<const Written*>> by_trigger;
  for (const Rule& rule : rules.rules()) {
    const auto found = written.find(rule.name);
    if (found == written.end() || has_error(found->second, diagnostics)) continue;
    lint.unreachable(rule, found->second);

    std::vector<const Written*>& same = by_trigger[trigger_of(found->second)];
    const Node* actions = found->second.body->find("do");
    for (const Written* other : same) {
      const Node* others = other->body->find("do");
      const Node* twice = nullptr;
      const Node* first = nullptr;
      for (const Node& action : actions->items) {
        for (const Node& before : others->items) {
          if (twice == nullptr && canonical(action) == canonical(before)) {
            twice = &action;
            first = &before;
          }
        }
      }
      if (twice == nullptr) continue;
      config::Diagnostic& d = diagnostics.add(
          "W212", found->second.document->place(*twice),
          "rules `" + other->key->text + "` and `" + rule.name + "` do the same on the same lines",
          "each line counts twice");
      d.also.push_back({other->document->place(*first), "first here"});
      d.helps.push_back("switch one off: rules: {" + rule.name + ": false}");
      break;
    }
    same.push_back(&found->second);
  }
}

}  // namespace logtally::rules
