// A compiled rule: what the compiler makes of one entry of `rules:`.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "rules/durations.h"
#include "rules/expression.h"
#include "rules/pattern.h"
#include "rules/scope.h"
#include "sinks/metrics/delta.h"

namespace logtally::rules {

inline constexpr std::size_t kMaxLabels = 16;

// One condition on a field.
struct Test {
  enum class Kind : std::uint8_t {
    equal,
    any_of,
    all_of,
    missing,
    exists,
    prefix,
    regex,
    negation
  };
  Kind kind = Kind::equal;
  std::string text;        // equal (canonical), prefix
  std::string as_written;  // equal: `1.10` fits the number 1.1 and the text "1.10"
  std::shared_ptr<const re2::RE2> regex;
  std::vector<Test> inner;  // any_of, all_of, negation (one)
};

struct Condition {
  Ref field;
  std::string name;  // as written, for explain
  Test test;
};

// Which values a label may have; anything else becomes `overflow`.
struct LabelPolicy {
  std::vector<std::string> values;  // closed set; empty: open
  std::uint32_t max = 0;            // values at most, the first ones; 0: any number
  std::string overflow = "other";
  std::uint32_t number = 0;  // among the labels with a `max`
};

// The series that a family has from the start, at 0: all combinations of these values.
struct InitialSeries {
  bool wanted = true;
  std::vector<std::vector<std::string>> values;  // by label
};

// What a family has without `init`: zeros when all its labels are closed sets, few enough.
InitialSeries closed_sets(const std::vector<LabelPolicy>& labels);

// Where the value of a label comes from, and what becomes of it.
struct LabelSource {
  std::optional<Expression> expression;  // none: constant
  std::string constant;
  std::optional<Ref> ref;                // the expression is this one name
  std::optional<std::string> otherwise;  // `default`: the value of a missing label
  const LabelPolicy* policy = nullptr;
};

// One label of a metric's exemplar.
struct ExemplarSource {
  std::string name;
  Expression value;
  std::optional<Ref> ref;  // the value is this one name
};

struct Action {
  enum class Kind : std::uint8_t {
    inc,
    dec,
    add,
    set,
    set_count,
    observe,
    remove,
    remember,
    take,
    store
  };
  Kind kind = Kind::inc;
  metrics::FamilyId family = 0;
  std::string name;     // "observe aria_x_seconds", label of the skip counter
  config::Place place;  // of the action as written
  std::string unit;     // as written; empty: none
  std::optional<Expression> only_if;
  std::optional<Expression> value;  // add, set, observe
  std::optional<Ref> value_ref;     // the value is this one name
  std::int8_t shift = 0;            // powers of ten between the field's unit and the metric's
  std::int64_t multiplier = 1;
  std::optional<Base> quantity;          // `unit: auto`
  std::vector<LabelSource> labels;       // in the order of the family's labels
  std::vector<ExemplarSource> exemplar;  // empty: none
  bool loose = false;    // they depend on a row that was taken: nothing to remember them by
  bool expires = false;  // the family has a ttl

  std::optional<Expression> hold;  // set: `for`, seconds or a duration
  std::optional<Expression> then;  // set: what it falls back to; none: what it was
  std::vector<std::optional<LabelSource>>
      removed;                  // remove: labels that a series must have; none: any
  std::uint16_t table = 0;      // remember, take
  std::vector<Expression> key;  // remember, take: its parts
  std::vector<Ref> columns;     // remember: by column. store: by column of the invocation
  std::uint16_t first_row =
      0;  // take: number of the row's first column in the Scope; behind the last: $elapsed
};

// What most actions are: they count one, or a field as it stands. No `if`, no exemplar, no ttl, no
// quantity; labels that can be remembered.
struct PlainAction {
  std::optional<Ref> value;   // none: `fixed`
  std::int8_t shift = 0;      // as in Action
  bool not_negative = false;  // what is less than zero is skipped
  bool observes = false;      // else it adds
  metrics::Decimal fixed;

  static std::optional<PlainAction> of(const Action& action, metrics::MetricType type);
};

// The columns of `store: skill_invocation`.
inline constexpr std::array<std::string_view, 7> kInvocationColumns = {
    "skill_name", "tool_name", "duration_ms", "success", "error_type", "tokens_used", "model_used"};

// A table as declared, beyond what Table has to know.
struct TableRules {
  std::optional<metrics::FamilyId> open;   // gauge of its rows
  std::vector<std::int16_t> open_columns;  // by label of the gauge: the column, -1: none
  std::vector<std::optional<std::string>> open_defaults;
};

struct Rule {
  std::string name;
  config::Place place;  // of its name
  std::vector<Condition> conditions;
  std::optional<std::size_t> decided;  // the condition that the dispatch has decided
  std::vector<Pattern> patterns;
  std::vector<std::vector<std::int16_t>>
      pattern_captures;                      // per pattern: its captures -> the rule's, -1: dropped
  std::vector<std::int16_t> fields_capture;  // per pattern: its capture `<fields>`, -1: none
  bool captures_as_found = false;            // one pattern, whose captures are the rule's, in order
  std::shared_ptr<const re2::RE2> regex;
  std::vector<std::int16_t> regex_captures;  // group - 1 -> the rule's captures, -1: unnamed
  std::size_t captures = 0;
  std::vector<std::string> capture_names;  // as many
  std::optional<Expression> only_if;
  std::vector<std::string> let_names;
  std::vector<Expression> lets;
  std::vector<Action> actions;
  std::vector<PlainAction> plain;  // the same, when all of them are plain; else empty
  std::vector<Ref> label_inputs;   // all that the labels of all actions depend on
};

}  // namespace logtally::rules
