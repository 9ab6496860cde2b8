#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "rules/characters.h"
#include "rules/lint.h"

namespace logtally::rules {
namespace {

using config::Node;

// The names that stand before a `(` in any scalar: what expressions may call. Too many rather than
// too few: nothing is called unused that is not.
void gather_calls(const Node& node, std::set<std::string, std::less<>>& calls) {
  const std::string& text = node.text;
  for (std::size_t at = text.find('('); at != std::string::npos; at = text.find('(', at + 1)) {
    std::size_t end = at;
    while (end > 0 && text[end - 1] == ' ') --end;
    std::size_t begin = end;
    while (begin > 0 && is_name(text[begin - 1])) --begin;
    if (begin < end) calls.insert(text.substr(begin, end - begin));
  }
  for (const Node& item : node.items) gather_calls(item, calls);
  for (const Node::Entry& entry : node.entries) gather_calls(entry.value, calls);
}

struct Uses {
  std::set<std::string, std::less<>> metrics;
  std::set<std::string, std::less<>> remembered;
  std::set<std::string, std::less<>> taken;
  std::set<std::string, std::less<>> calls;
  std::set<std::string, std::less<>> with_open;  // tables whose rows a gauge counts
};

void gather_actions(const Node& rule, Uses& uses) {
  const Node* actions = rule.find("do");
  if (actions == nullptr) return;
  for (const Node& action : actions->items) {
    for (const Node::Entry& entry : action.entries) {
      const std::string& key = entry.key.text;
      if (key == "remember") {
        uses.remembered.insert(entry.value.text);
      } else if (key == "take") {
        uses.taken.insert(entry.value.text);
      } else {
        uses.metrics.insert(entry.value.text);  // `value: 1` does no harm
      }
    }
  }
}

void report_table(const config::YamlDocument& document, const Node& key, const Uses& uses,
                  config::Diagnostics& diagnostics) {
  const std::string& name = key.text;
  const bool filled = uses.remembered.contains(name);
  const bool read = uses.taken.contains(name) || uses.calls.contains(name);
  if (filled && (read || uses.with_open.contains(name))) return;
  if (!filled && !read) {
    diagnostics.add("W215", document.place(key), "no rule uses table `" + name + "`");
  } else if (!filled) {
    diagnostics
        .add("W215", document.place(key), "no rule fills table `" + name + "`", "it stays empty")
        .helps.push_back("an earlier line's rule has: do: [remember: " + name + "]");
  } else {
    diagnostics
        .add("W215", document.place(key), "no rule reads table `" + name + "`",
             "its rows only time out")
        .helps.push_back("take: " + name + ", or " + name + "($key).column in an expression");
  }
}

// Is there an error elsewhere than in what files declare: in a rule, a key of a file, a whole file?
// Then nobody knows what is used.
bool uses_are_unsure(std::span<const RuleSet::Source> sources,
                     const config::Diagnostics& diagnostics) {
  const auto in_declarations = [&](const config::Diagnostic& d) {
    for (const RuleSet::Source& source : sources) {
      if (d.place.file != source.document->file) continue;
      for (const Node::Entry& part : source.document->root.entries) {
        if (part.key.text != "rules" && d.place.span.begin >= part.value.span.begin &&
            d.place.span.begin < part.value.span.end)
          return true;
      }
    }
    return false;
  };
  return std::any_of(diagnostics.all().begin(), diagnostics.all().end(),
                     [&](const config::Diagnostic& d) {
                       return d.severity() == config::Severity::error && !in_declarations(d);
                     });
}

// The name itself is refused: how it was meant, nobody knows either.
bool is_refused(const config::YamlDocument& document, const Node& key,
                const config::Diagnostics& diagnostics) {
  return std::any_of(diagnostics.all().begin(), diagnostics.all().end(),
                     [&](const config::Diagnostic& d) {
                       return d.severity() == config::Severity::error &&
                              d.place.file == document.file && d.place.span.begin == key.span.begin;
                     });
}

}  // namespace

void lint_usage(std::span<const RuleSet::Source> sources, config::Diagnostics& diagnostics) {
  if (uses_are_unsure(sources, diagnostics)) return;
  Uses uses;
  for (const RuleSet::Source& source : sources) {
    const Node& root = source.document->root;
    for (const std::string_view part : {"rules", "tables", "metrics"}) {
      if (const Node* node = root.find(part)) gather_calls(*node, uses.calls);
    }
    if (const Node* rules = root.find("rules")) {
      for (const Node::Entry& rule : rules->entries) gather_actions(rule.value, uses);
    }
    if (const Node* tables = root.find("tables")) {
      for (const Node::Entry& table : tables->entries) {
        const Node* open = table.value.find("open");
        if (open == nullptr) continue;
        uses.metrics.insert(open->text);
        uses.with_open.insert(table.key.text);
      }
    }
  }
  for (const RuleSet::Source& source : sources) {
    const config::YamlDocument& document = *source.document;
    if (const Node* metrics = document.root.find("metrics")) {
      for (const Node::Entry& metric : metrics->entries) {
        if (uses.metrics.contains(metric.key.text) || is_refused(document, metric.key, diagnostics))
          continue;
        diagnostics.add("W213", document.place(metric.key),
                        "no rule changes metric `" + metric.key.text + "`",
                        "it stays without a sample");
      }
    }
    if (const Node* maps = document.root.find("maps")) {
      for (const Node::Entry& map : maps->entries) {
        if (uses.calls.contains(map.key.text) || is_refused(document, map.key, diagnostics))
          continue;
        diagnostics
            .add("W214", document.place(map.key), "no expression calls map `" + map.key.text + "`")
            .helps.push_back("let: {x: " + map.key.text + "($some_field)}");
      }
    }
    if (const Node* tables = document.root.find("tables")) {
      for (const Node::Entry& table : tables->entries)
        if (!is_refused(document, table.key, diagnostics))
          report_table(document, table.key, uses, diagnostics);
    }
  }
}

}  // namespace logtally::rules
