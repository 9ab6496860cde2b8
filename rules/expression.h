// Expressions (RULES.md §5): `$latency_ms / 1000`, `outcome($success)`, `$a or lower($b)`. Compiled
// once, evaluated per record.
//
//   or, and, not; == != < <= > >= =~ !~; + -; * / %; unary -; calls of functions and maps, `.key`
//   on a map's result
//
// Numbers in text are numbers. `or` gives its right side when the left is missing or false. A
// comparison with a missing field is false. `=~` with a group gives the group's text. Division by
// zero and results out of range are refused.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/scope.h"
#include "rules/value.h"

namespace re2 {
class RE2;
}

namespace logtally::rules {

// A named map: values by key (text or a further map), or a chain of rewrites.
struct Map {
  using Entries =
      std::map<std::string,
               std::variant<std::string, std::map<std::string, std::string, std::less<>>>,
               std::less<>>;
  struct Rewrite {
    std::shared_ptr<const re2::RE2> regex;
    std::string replacement;
  };
  std::string name;
  Entries entries;
  std::vector<Rewrite> rewrites;
};

struct ExpressionFault {
  std::string code;  // of the diagnostic
  std::string text;
  std::size_t offset = 0;  // bytes into the source
  std::size_t length = 0;
  std::string help;
};

// A table as expressions call it.
struct TableName {
  std::uint16_t index = 0;
  std::size_t key_parts = 1;
  const std::vector<std::string>* columns = nullptr;
};

// How the names in a source are resolved.
struct Names {
  std::function<Ref(const std::string& path)> field;     // `a.b`, without the `$`
  std::function<const Map*(std::string_view name)> map;  // null: there is none
  std::function<std::optional<TableName>(std::string_view name)> table;
  std::function<std::vector<std::string>()> callables;  // for suggestions
};

class Expression {
 public:
  static std::variant<Expression, ExpressionFault> compile(std::string_view source,
                                                           const Names& names);
  static Expression constant(std::string_view text);  // a value without `$`: itself
  static Expression constant_truth(bool truth);       // `true` and `false` without quotes

  Value evaluate(Scope& scope) const { return evaluate(root_, scope); }
  bool holds(Scope& scope) const;  // missing, refused and false do not

  // When the whole expression is one name: that.
  const Ref* single() const;
  bool is_constant() const { return refs_.empty(); }
  bool calls_table() const {
    return calls_table_;
  }  // its value is not a function of its names alone
  const std::vector<Ref>& refs() const { return refs_; }  // every name it uses, once
  const std::vector<std::string>& ref_names() const { return ref_names_; }  // as written, without $
  const std::string& source() const { return source_; }                     // as written

  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

 private:
  friend class ExpressionParser;
  struct Node;
  Expression();
  Value evaluate(std::uint32_t node, Scope& scope) const;
  Value compare(const Node& node, Scope& scope) const;
  Value calculate(const Node& node, Scope& scope) const;
  Value call(const Node& node, Scope& scope) const;
  Value look_up(const Node& node, Scope& scope) const;
  Value look_up_row(const Node& node, Scope& scope) const;

  std::vector<Node> nodes_;
  std::uint32_t root_ = 0;
  std::vector<Ref> refs_;
  std::vector<std::string> ref_names_;
  std::string source_;
  bool calls_table_ = false;
};

// Text of a usable value: numbers in canonical form, booleans as true and false.
std::string_view value_text(const Value& value, Scope& scope);
// A value as a number; refused with not_a_number or what parse_decimal says; missing stays missing.
Value value_number(const Value& value, int shift = 0);
// Equality of RULES.md §3 and §5: as numbers when both are, else as text.
bool values_equal(const Value& a, const Value& b, Scope& scope);
bool value_true(const Value& value);

}  // namespace logtally::rules
