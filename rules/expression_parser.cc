// Expressions from text: recursive descent, one token ahead.
#include <algorithm>
#include <array>

#include <re2/re2.h>

#include "config/suggest.h"
#include "rules/expression_node.h"
#include "rules/level.h"
#include "rules/regex_syntax.h"

namespace logtally::rules {
namespace {

struct FunctionRow {
  std::string_view name;
  Function function;
  std::size_t least;
  std::size_t most;
};
constexpr std::array<FunctionRow, 9> kFunctions = {{
    {"len", Function::len, 1, 1},
    {"lower", Function::lower, 1, 1},
    {"upper", Function::upper, 1, 1},
    {"trim", Function::trim, 1, 1},
    {"replace", Function::replace, 3, 3},
    {"num", Function::num, 1, 1},
    {"round", Function::round, 1, 2},
    {"min", Function::min, 2, 8},
    {"max", Function::max, 2, 8},
}};

constexpr std::size_t kMaxExpressionDepth = 64;
// A chain of operators is as deep as it is long when it is evaluated.
constexpr std::size_t kMaxExpressionNodes = 1000;

// Names one after another, at most twenty of them.
std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 20;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMost; ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kMost ? text + " ..." : text;
}

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

class ExpressionParser {
 public:
  ExpressionParser(std::string_view source, const Names& names) : source_(source), names_(names) {
    advance();
  }

  std::variant<Expression, ExpressionFault> parse() {
    const std::uint32_t root = parse_or();
    if (!fault_ && token_ != Kind::end)
      fail("E020", "this does not belong to the expression", begin_, at_ - begin_);
    if (fault_) return *fault_;
    expression_.root_ = root;
    expression_.source_ = source_;
    return std::move(expression_);
  }

 private:
  enum class Kind : std::uint8_t { end, number, text, field, word, symbol, bad };
  using Node = Expression::Node;

  void fail(std::string code, std::string text, std::size_t offset, std::size_t length,
            std::string help = {}) {
    if (!fault_)
      fault_ = ExpressionFault{std::move(code), std::move(text), offset,
                               std::max<std::size_t>(length, 1), std::move(help)};
    token_ = Kind::end;
  }

  void advance() {
    if (fault_) return;
    while (at_ < source_.size() &&
           (source_[at_] == ' ' || source_[at_] == '\t' || source_[at_] == '\n'))
      ++at_;
    begin_ = at_;
    if (at_ == source_.size()) {
      token_ = Kind::end;
      value_.clear();
      return;
    }
    const char c = source_[at_];
    if (digit(c) || (c == '.' && at_ + 1 < source_.size() && digit(source_[at_ + 1])))
      return read_number();
    if (c == '"' || c == '\'') return read_text(c);
    if (c == '$') return read_field();
    if (name_start(c)) {
      while (at_ < source_.size() && (name_start(source_[at_]) || digit(source_[at_]))) ++at_;
      token_ = Kind::word;
      value_ = source_.substr(begin_, at_ - begin_);
      return;
    }
    for (const std::string_view symbol : {"==", "!=", "<=", ">=", "=~", "!~"}) {
      if (source_.substr(at_).starts_with(symbol)) return take_symbol(symbol.size());
    }
    if (std::string_view("+-*/%<>(),.").find(c) != std::string_view::npos) return take_symbol(1);
    if (c == '=') return fail("E020", "`=` is no operator here", begin_, 1, "equality is `==`");
    if (c == '&' || c == '|' || c == '!')
      return fail("E020", "this is no operator here", begin_, 1, "write `and`, `or`, `not`");
    fail("E020", "this character does not belong in an expression", begin_, 1);
  }

  void take_symbol(std::size_t length) {
    token_ = Kind::symbol;
    value_ = source_.substr(at_, length);
    at_ += length;
  }

  void read_number() {
    while (at_ < source_.size() && (digit(source_[at_]) || source_[at_] == '.')) ++at_;
    if (at_ + 1 < source_.size() && (source_[at_] | 0x20) == 'e' &&
        (digit(source_[at_ + 1]) || ((source_[at_ + 1] == '-' || source_[at_ + 1] == '+') &&
                                     at_ + 2 < source_.size() && digit(source_[at_ + 2])))) {
      at_ += 2;
      while (at_ < source_.size() && digit(source_[at_])) ++at_;
    }
    token_ = Kind::number;
    value_ = source_.substr(begin_, at_ - begin_);
    number_ = metrics::parse_decimal(value_);
    if (number_.error != metrics::NumberError::none)
      fail("E020", "not a number", begin_, at_ - begin_);
  }

  void read_text(char quote) {
    const std::size_t close = source_.find(quote, at_ + 1);
    if (close == std::string_view::npos) {
      return fail("E021", "this quoted text is never closed", begin_, source_.size() - begin_);
    }
    token_ = Kind::text;
    value_ = source_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
  }

  void read_field() {
    ++at_;
    const std::size_t first = at_;
    for (;;) {
      if (at_ < source_.size() && source_[at_] == '\'') {
        const std::size_t close = source_.find('\'', at_ + 1);
        if (close == std::string_view::npos)
          return fail("E021", "this quoted name is never closed", begin_, source_.size() - begin_);
        at_ = close + 1;
      } else {
        const std::size_t part = at_;
        while (at_ < source_.size() &&
               (name_start(source_[at_]) || digit(source_[at_]) || source_[at_] == '@'))
          ++at_;
        if (at_ == part)
          return fail("E020", "a field's name is missing behind `$`", begin_, at_ - begin_,
                      "$name, $name.inner or $'odd name'");
      }
      const bool more =
          at_ + 1 < source_.size() && source_[at_] == '.' &&
          (name_start(source_[at_ + 1]) || source_[at_ + 1] == '\'' || source_[at_ + 1] == '@');
      if (!more) break;
      ++at_;
    }
    token_ = Kind::field;
    value_ = source_.substr(first, at_ - first);
  }

  bool is_symbol(std::string_view symbol) const {
    return token_ == Kind::symbol && value_ == symbol;
  }
  bool is_word(std::string_view word) const { return token_ == Kind::word && value_ == word; }

  std::uint32_t add(Node node) {
    if (expression_.nodes_.size() == kMaxExpressionNodes) {
      fail("E020", "the expression is too long", 0, source_.size());
      return 0;
    }
    expression_.nodes_.push_back(std::move(node));
    return static_cast<std::uint32_t>(expression_.nodes_.size() - 1);
  }
  std::uint32_t add(Operation operation, std::uint32_t left, std::uint32_t right = 0) {
    Node node;
    node.operation = operation;
    node.left = left;
    node.right = right;
    return add(std::move(node));
  }

  std::uint32_t parse_or() {
    if (++depth_ > kMaxExpressionDepth) {
      fail("E020", "the expression is nested too deeply", begin_, 1);
      return 0;
    }
    std::uint32_t left = parse_and();
    while (is_word("or")) {
      advance();
      left = add(Operation::either, left, parse_and());
    }
    --depth_;
    return left;
  }

  std::uint32_t parse_and() {
    std::uint32_t left = parse_not();
    while (is_word("and")) {
      advance();
      left = add(Operation::both, left, parse_not());
    }
    return left;
  }

  std::uint32_t parse_not() {
    if (!is_word("not")) return parse_comparison();
    if (++depth_ > kMaxExpressionDepth)
      fail("E020", "the expression is nested too deeply", begin_, 1);
    advance();
    const std::uint32_t operand = parse_not();
    --depth_;
    return add(Operation::negate_truth, operand);
  }

  std::uint32_t parse_comparison() {
    const std::uint32_t left = parse_sum();
    struct Comparison {
      std::string_view symbol;
      Operation operation;
    };
    static constexpr Comparison kRows[] = {
        {"==", Operation::equal},  {"!=", Operation::unequal},
        {"<", Operation::less},    {"<=", Operation::less_equal},
        {">", Operation::greater}, {">=", Operation::greater_equal}};
    for (const Comparison& row : kRows) {
      if (!is_symbol(row.symbol)) continue;
      advance();
      const std::uint32_t right = parse_sum();
      const bool is_equality =
          row.operation == Operation::equal || row.operation == Operation::unequal;
      if (is_equality && !fault_) {
        fold_level(left, right);
        fold_level(right, left);
      }
      return add(row.operation, left, right);
    }
    if (is_symbol("=~") || is_symbol("!~")) {
      const Operation operation = value_ == "=~" ? Operation::fits : Operation::fits_not;
      advance();
      if (token_ != Kind::text) {
        fail("E020", "behind `=~` stands a regular expression in quotes", begin_, at_ - begin_);
        return 0;
      }
      return add_regex(operation, left);
    }
    return left;
  }

  // Levels of lines are folded, so a constant that one is compared with is, too: `$level ==
  // "WARN"` is what `match: {level: WARN}` is.
  void fold_level(std::uint32_t name, std::uint32_t constant) {
    const Node& field = expression_.nodes_[name];
    Node& other = expression_.nodes_[constant];
    if (field.operation != Operation::name || field.ref.source != Ref::Source::level ||
        other.operation != Operation::constant)
      return;
    const Level level = parse_level(other.text);
    if (level == Level::none) return;
    other.constant = Value::of(level_name(level));
    other.text = level_name(level);
  }

  std::uint32_t add_regex(Operation operation, std::uint32_t left) {
    Node node;
    node.operation = operation;
    node.left = left;
    auto compiled = compile_regex(value_);
    if (const auto* refused = std::get_if<RegexFault>(&compiled)) {
      fail("E041", refused->text, begin_ + 1 + refused->offset, refused->length,
           refused->syntax ? "RE2 syntax (linear time): no look-ahead, no back-references" : "");
      return 0;
    }
    node.regex = std::get<std::shared_ptr<const re2::RE2>>(compiled);
    advance();
    return add(std::move(node));
  }

  std::uint32_t parse_sum() {
    std::uint32_t left = parse_product();
    while (is_symbol("+") || is_symbol("-")) {
      const Operation operation = value_ == "+" ? Operation::plus : Operation::minus;
      advance();
      left = add(operation, left, parse_product());
    }
    return left;
  }

  std::uint32_t parse_product() {
    std::uint32_t left = parse_unary();
    while (is_symbol("*") || is_symbol("/") || is_symbol("%")) {
      const Operation operation = value_ == "*"   ? Operation::times
                                  : value_ == "/" ? Operation::over
                                                  : Operation::modulo;
      advance();
      left = add(operation, left, parse_unary());
    }
    return left;
  }

  std::uint32_t parse_unary() {
    if (!is_symbol("-")) return parse_primary();
    if (++depth_ > kMaxExpressionDepth)
      fail("E020", "the expression is nested too deeply", begin_, 1);
    advance();
    const std::uint32_t operand = parse_unary();
    --depth_;
    return add(Operation::negate, operand);
  }

  std::uint32_t parse_primary() {
    Node node;
    switch (token_) {
      case Kind::number:
        node.constant = Value::of(number_.value);
        node.text = source_.substr(begin_, at_ - begin_);  // as it was written
        break;
      case Kind::text:
        node.text = value_;
        break;
      case Kind::field: {
        node.operation = Operation::name;
        node.ref = names_.field(std::string(value_));
        auto& refs = expression_.refs_;
        if (std::find(refs.begin(), refs.end(), node.ref) == refs.end()) {
          refs.push_back(node.ref);
          expression_.ref_names_.push_back(value_);
        }
        break;
      }
      case Kind::word:
        if (value_ == "true" || value_ == "false") {
          node.constant = Value::of(value_ == "true");
          break;
        }
        if (value_ == "null") {
          node.constant = Value::absent();
          break;
        }
        return parse_call();
      case Kind::symbol:
        if (value_ == "(") {
          advance();
          const std::uint32_t inner = parse_or();
          expect(")");
          return inner;
        }
        [[fallthrough]];
      case Kind::end:
      case Kind::bad:
        fail("E020",
             token_ == Kind::end ? "the expression ends here, a value is missing"
                                 : "a value is expected here",
             begin_, std::max<std::size_t>(at_ - begin_, 1));
        return 0;
    }
    if (token_ == Kind::text) node.constant.kind = Value::Kind::text;
    advance();
    return add(std::move(node));
  }

  void expect(std::string_view symbol) {
    if (is_symbol(symbol)) return advance();
    fail("E020", "`" + std::string(symbol) + "` is missing here", begin_,
         std::max<std::size_t>(at_ - begin_, 1));
  }

  std::uint32_t parse_call() {
    const std::string name(value_);
    const std::size_t name_begin = begin_;
    advance();
    if (!is_symbol("(")) {
      std::string help = "a field is written `$" + name + "`, text stands in quotes";
      fail("E023", "`" + name + "` is neither a field nor a text", name_begin, name.size(),
           std::move(help));
      return 0;
    }
    advance();
    Node node;
    const std::size_t arguments_begin = begin_;
    if (!is_symbol(")")) {
      for (;;) {
        node.arguments.push_back(parse_or());
        if (!is_symbol(",")) break;
        advance();
      }
    }
    const std::size_t close = begin_;
    expect(")");
    if (fault_) return 0;
    if (const auto* row = std::find_if(kFunctions.begin(), kFunctions.end(),
                                       [&](const FunctionRow& r) { return r.name == name; });
        row != kFunctions.end()) {
      if (node.arguments.size() < row->least || node.arguments.size() > row->most) {
        fail("E024",
             "`" + name + "` takes " + std::to_string(row->least) +
                 (row->most > row->least ? " to " + std::to_string(row->most) : "") +
                 (row->most == 1 ? " value" : " values") + ", here are " +
                 std::to_string(node.arguments.size()),
             name_begin, close + 1 - name_begin);
        return 0;
      }
      node.operation = Operation::call;
      node.function = row->function;
      return add(std::move(node));
    }
    if (const auto table = names_.table ? names_.table(name) : std::nullopt) {
      return parse_row(std::move(node), name, *table, name_begin, close);
    }
    node.map = names_.map(name);
    if (node.map == nullptr) {
      std::vector<std::string> candidates = names_.callables();
      for (std::size_t i = 0; i < kFunctions.size(); ++i)
        candidates.emplace(candidates.begin() + static_cast<std::ptrdiff_t>(i), kFunctions[i].name);
      const std::string near = config::suggest(name, candidates);
      fail("E025", "there is no map and no function `" + name + "`", name_begin, name.size(),
           near.empty() ? "there are: " + joined(candidates) : "did you mean `" + near + "`?");
      return 0;
    }
    if (node.arguments.size() != 1) {
      fail("E024",
           "a map is called with one value, here are " + std::to_string(node.arguments.size()),
           arguments_begin, close - arguments_begin);
      return 0;
    }
    node.operation = Operation::look_up;
    if (is_symbol(".")) {
      advance();
      if (token_ != Kind::word) {
        fail("E020", "a key of the map is missing behind the point", begin_, 1);
        return 0;
      }
      node.text = value_;
      advance();
    }
    return add(std::move(node));
  }

  // `session($id).model`
  std::uint32_t parse_row(Node node, const std::string& name, const TableName& table,
                          std::size_t begin, std::size_t close) {
    if (node.arguments.size() != table.key_parts) {
      fail("E024",
           "the key of table `" + name + "` has " + std::to_string(table.key_parts) +
               (table.key_parts == 1 ? " part" : " parts") + ", here are " +
               std::to_string(node.arguments.size()),
           begin, close + 1 - begin);
      return 0;
    }
    if (!is_symbol(".")) {
      fail("E020", "a column of the table is missing here", begin_, 1,
           name + "(...)." + (table.columns->empty() ? "column" : table.columns->front()));
      return 0;
    }
    advance();
    const auto column = std::find(table.columns->begin(), table.columns->end(), value_);
    if (token_ != Kind::word || column == table.columns->end()) {
      const std::string near = config::suggest(value_, *table.columns);
      fail("E026", "table `" + name + "` has no column `" + value_ + "`", begin_, at_ - begin_,
           near.empty() ? "" : "did you mean `" + near + "`?");
      return 0;
    }
    node.operation = Operation::look_up_row;
    node.table = table.index;
    node.column = static_cast<std::size_t>(column - table.columns->begin());
    expression_.calls_table_ = true;
    advance();
    return add(std::move(node));
  }

  std::string_view source_;
  const Names& names_;
  Expression expression_;
  std::optional<ExpressionFault> fault_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;  // of the token
  std::size_t depth_ = 0;
  Kind token_ = Kind::end;
  std::string value_;
  metrics::ParsedDecimal number_;
};

std::variant<Expression, ExpressionFault> Expression::compile(std::string_view source,
                                                              const Names& names) {
  return ExpressionParser(source, names).parse();
}

}  // namespace logtally::rules
