// The last step of the compiler: under what each rule is filed in the dispatch.
#include <algorithm>
#include <map>

#include "rules/compiler.h"

namespace logtally::rules {
namespace {

// The texts of which a field must be one, when the test says so.
std::optional<std::vector<std::string>> required_values(const Test& test) {
  if (test.kind == Test::Kind::equal) {
    return test.as_written == test.text ? std::vector{test.text}
                                        : std::vector{test.text, test.as_written};
  }
  if (test.kind != Test::Kind::any_of) return std::nullopt;
  std::vector<std::string> all;
  for (const Test& inner : test.inner) {
    if (inner.kind != Test::Kind::equal) return std::nullopt;
    all.push_back(inner.text);
    if (inner.as_written != inner.text) all.push_back(inner.as_written);
  }
  return all;
}

bool requires_presence(const Test& test) {
  switch (test.kind) {
    case Test::Kind::equal:
    case Test::Kind::exists:
    case Test::Kind::prefix:
    case Test::Kind::regex:
      return true;
    case Test::Kind::any_of:
      return std::all_of(test.inner.begin(), test.inner.end(), requires_presence);
    case Test::Kind::all_of:
      return std::any_of(test.inner.begin(), test.inner.end(), requires_presence);
    case Test::Kind::missing:
    case Test::Kind::negation:
      return false;
  }
  return false;
}

}  // namespace

// Each rule is filed where it has the fewest neighbours: under a value that its conditions ask for,
// under the text with which its patterns begin, under the presence of a field. Ties go to the
// cheaper look-up.
void Compiler::build_dispatch() {
  struct Filing {
    enum class Kind : std::uint8_t { value, level, prefix, format, presence } kind = Kind::value;
    FieldId field = 0;
    std::vector<std::string> texts;
    std::optional<std::size_t> condition;
    std::string key(const std::string& text) const {
      return std::to_string(static_cast<int>(kind)) + "/" + std::to_string(field) + "/" + text;
    }
  };
  std::vector<std::vector<Filing>> options(set_->rules_.size());
  std::map<std::string, std::size_t> popularity;
  for (std::size_t i = 0; i < set_->rules_.size(); ++i) {
    const Rule& rule = set_->rules_[i];
    for (std::size_t c = 0; c < rule.conditions.size(); ++c) {
      const Condition& condition = rule.conditions[c];
      const auto values = required_values(condition.test);
      const bool any_empty =
          values && std::find(values->begin(), values->end(), "") != values->end();
      if (condition.field.source == Ref::Source::field) {
        if (values) options[i].push_back({Filing::Kind::value, condition.field.index, *values, c});
        if (requires_presence(condition.test)) {
          const bool decides = condition.test.kind == Test::Kind::exists;
          options[i].push_back({Filing::Kind::presence,
                                condition.field.index,
                                {""},
                                decides ? std::optional(c) : std::nullopt});
        }
      } else if (condition.field.source == Ref::Source::message && values) {
        // What is equal to a text begins with it; the condition itself stays.
        if (!any_empty) options[i].push_back({Filing::Kind::prefix, 0, *values, {}});
      } else if (condition.field.source == Ref::Source::format) {
        if (condition.test.kind == Test::Kind::missing)
          options[i].push_back({Filing::Kind::format, 0, {""}, c});
        else if (values && !any_empty)  // no format has that name
          options[i].push_back({Filing::Kind::format, 0, *values, c});
      } else if (condition.field.source == Ref::Source::level && values) {
        // A text that is no level is compared as it stands.
        const auto levels = std::count_if(values->begin(), values->end(), [](const std::string& v) {
          return parse_level(v) != Level::none;
        });
        if (levels == static_cast<std::ptrdiff_t>(values->size()))
          options[i].push_back({Filing::Kind::level, 0, *values, c});
        if (levels == 0)
          options[i].push_back({Filing::Kind::value, set_->known_.level, *values, c});
      }
    }
    if (!rule.patterns.empty()) {
      Filing filing{Filing::Kind::prefix, 0, {}, {}};
      for (const Pattern& pattern : rule.patterns)
        filing.texts.emplace_back(pattern.usual_prefix());
      const bool usable = std::none_of(filing.texts.begin(), filing.texts.end(),
                                       [](const std::string& t) { return t.empty(); });
      if (usable) options[i].push_back(std::move(filing));
    }
    for (const Filing& filing : options[i]) {
      for (const std::string& text : filing.texts) ++popularity[filing.key(text)];
    }
  }
  for (std::size_t i = 0; i < set_->rules_.size(); ++i) {
    Rule& rule = set_->rules_[i];
    const auto index = static_cast<RuleIndex>(i);
    const Filing* best = nullptr;
    std::size_t best_cost = 0;
    for (const Filing& filing : options[i]) {
      // Fields that are there, levels and formats are shared by far more records than values and
      // texts are.
      std::size_t cost = filing.kind == Filing::Kind::presence ? 1000
                         : filing.kind == Filing::Kind::level  ? 2000
                         : filing.kind == Filing::Kind::format ? 3000
                                                               : 0;
      for (const std::string& text : filing.texts) cost += popularity[filing.key(text)];
      if (best == nullptr || cost < best_cost) {
        best = &filing;
        best_cost = cost;
      }
    }
    if (best == nullptr) {
      set_->dispatch_.always(index);
      continue;
    }
    rule.decided = best->condition;
    for (const std::string& text : best->texts) {
      switch (best->kind) {
        case Filing::Kind::value:
          set_->dispatch_.under_value(best->field, text, index);
          break;
        case Filing::Kind::level:
          set_->dispatch_.under_level(parse_level(text), index);
          break;
        case Filing::Kind::prefix:
          set_->dispatch_.under_message_prefix(text, index);
          break;
        case Filing::Kind::format:
          set_->dispatch_.under_format(text, index);
          break;
        case Filing::Kind::presence:
          set_->dispatch_.under_presence(best->field, index);
          break;
      }
    }
  }
  set_->dispatch_.finish(set_->known_);
}

}  // namespace logtally::rules
