// Names that nothing gives: `$nmae` beside a capture `<name>`.
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/suggest.h"
#include "rules/characters.h"
#include "rules/lint.h"

namespace logtally::rules {
namespace {

using config::Node;

// take(word, the character before it) for every name in a text.
template <class Take>
void for_each_name(std::string_view text, Take&& take) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_name(text[end])) ++end;
    if (end > at) take(text.substr(at, end - at), at == 0 ? ' ' : text[at - 1]);
    at = end + 1;
  }
}

struct Uses {
  std::size_t times = 0;
  const Node* first = nullptr;
};

// `$name` in what a rule does, not in what it looks for.
void gather_uses(const Node& node, std::map<std::string, Uses, std::less<>>& uses) {
  if (node.is_scalar()) {
    for_each_name(node.text, [&](std::string_view name, char before) {
      if (before != '$') return;
      Uses& of_name = uses[std::string(name)];
      ++of_name.times;
      if (of_name.first == nullptr) of_name.first = &node;
    });
  }
  for (const Node& item : node.items) gather_uses(item, uses);
  for (const Node::Entry& entry : node.entries) {
    if (entry.key.text != "pattern" && entry.key.text != "regex") gather_uses(entry.value, uses);
  }
}

// What stands behind a `<`, of patterns and of `(?P<name>...)`.
void gather_captures(const Node& node, std::vector<std::string>& captures) {
  for_each_name(node.text, [&](std::string_view name, char before) {
    if (before == '<' && !name.starts_with('_')) captures.emplace_back(name);
  });
  for (const Node& item : node.items) gather_captures(item, captures);
}

}  // namespace

void lint_names(std::span<const RuleSet::Source> sources, config::Diagnostics& diagnostics) {
  // A name that stands anywhere else, as a key, in a format, in another rule, may be a field.
  std::map<std::string, std::size_t, std::less<>> times;
  for (const RuleSet::Source& source : sources) {
    for_each_name(source.document->file->text,
                  [&](std::string_view name, char) { ++times[std::string(name)]; });
  }
  static const std::set<std::string, std::less<>> kGiven = {"time", "level", "logger", "message",
                                                            "elapsed"};
  for (const RuleSet::Source& source : sources) {
    const Node* rules = source.document->root.find("rules");
    if (rules == nullptr) continue;
    for (const Node::Entry& rule : rules->entries) {
      std::vector<std::string> captures;
      for (const std::string_view part : {"pattern", "regex"}) {
        if (const Node* node = rule.value.find(part)) gather_captures(*node, captures);
      }
      if (captures.empty()) continue;
      std::map<std::string, Uses, std::less<>> uses;
      gather_uses(rule.value, uses);
      for (const auto& [name, use] : uses) {
        if (name.starts_with('_') || kGiven.contains(name)) continue;
        const auto all = times.find(name);
        if (all != times.end() && all->second > use.times) continue;
        const std::string near = config::suggest(name, captures);
        if (near.empty()) continue;
        diagnostics.add("W219", source.document->place(*use.first),
                        "nothing here gives `$" + name + "`", "did you mean `$" + near + "`?");
      }
    }
  }
}

}  // namespace logtally::rules
