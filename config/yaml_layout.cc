#include "config/yaml_layout.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace logtally::config {

namespace {

constexpr std::string_view kReserved = "@`%";
constexpr std::size_t kMaxKey = 1024;  // characters; YAML's limit

bool is_blank(char c) { return c == ' ' || c == '\t'; }

class Reader {
 public:
  Reader(std::shared_ptr<const SourceFile> file, YamlLayout& layout, Diagnostics& diagnostics)
      : file_(std::move(file)), text_(file_->text), layout_(layout), diagnostics_(diagnostics) {}

  bool read() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    while (next_line()) {
      if (!line()) return false;
    }
    if (!ended_) layout_.end = text_.size();
    return !failed_;
  }

 private:
  enum class Kind : std::uint8_t { map, sequence };
  struct Block {
    Kind kind;
    std::size_t indent;
    std::size_t begin;      // of its first key or dash
    std::size_t items = 1;  // keys or dashes so far
  };

  // ---- positions ----

  bool at_end() const { return at_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\n';
  }
  static bool breaks(char c) { return c == '\n' || c == '\r'; }
  bool blank_or_break(std::size_t ahead) const {
    return is_blank(peek(ahead)) || breaks(peek(ahead));
  }
  bool at_line_end() const { return at_end() || breaks(peek()); }
  void skip_blanks() {
    while (!at_end() && is_blank(text_[at_])) ++at_;
  }
  void skip_line() {
    at_ = std::min(text_.find('\n', at_), text_.size());
    if (at_ < text_.size()) ++at_;
  }
  // A comment begins at the start of a line or behind a blank.
  bool at_comment() const {
    return peek() == '#' && !at_end() &&
           (at_ == 0 || is_blank(text_[at_ - 1]) || breaks(text_[at_ - 1]));
  }
  std::size_t line_begin(std::size_t offset) const {
    const std::size_t before = offset == 0 ? std::string_view::npos : text_.rfind('\n', offset - 1);
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    return begin == 0 && text_.starts_with("\xEF\xBB\xBF") ? 3 : begin;
  }
  std::size_t line_number(std::size_t offset) const {
    return line_column(*file_, static_cast<std::uint32_t>(offset)).line;
  }
  std::size_t column(std::size_t offset) const { return offset - line_begin(offset); }
  Place place(std::size_t begin, std::size_t end) const {
    return {file_,
            {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(std::max(end, begin))}};
  }
  // To the end of the word or the line.
  std::size_t rest_of_line(std::size_t from) const {
    std::size_t end = std::min(text_.find('\n', from), text_.size());
    while (end > from && (is_blank(text_[end - 1]) || text_[end - 1] == '\r')) --end;
    return end;
  }

  // ---- faults ----

  Diagnostic& fault(std::string_view code, std::size_t begin, std::size_t end, std::string message,
                    std::string label = {}) {
    failed_ = true;
    return diagnostics_.add(std::string(code), place(begin, end), std::move(message),
                            std::move(label));
  }

  bool fault_unclosed(std::size_t open, std::size_t stopped) {
    const char quote = text_[open];
    std::string why =
        stopped >= text_.size()
            ? fmt::format("opened here; the file ends before the closing {}", quote)
            : fmt::format("opened here; not closed before line {}", line_number(stopped));
    fault("E003", open, open + 1, "this quoted text is never closed", std::move(why));
    return false;
  }

  // ---- lines ----

  // Moves to the next line with content and sets its indentation. False at the end of the file or
  // after a fault.
  bool next_line() {
    while (!failed_ && !at_end()) {
      const std::size_t begin = at_;
      while (peek() == ' ' && !at_end()) ++at_;
      const std::size_t spaces = at_;
      skip_blanks();
      if (at_line_end() || at_comment()) {
        skip_line();
        continue;
      }
      if (at_ != spaces) return fault_tab(spaces);
      indent_ = at_ - begin;
      return true;
    }
    return false;
  }

  bool fault_tab(std::size_t tab) {
    std::size_t more = 0;
    for (std::size_t i = text_.find('\n', tab); i != std::string_view::npos;
         i = text_.find('\n', i + 1)) {
      const std::size_t first = text_.find_first_not_of(' ', i + 1);
      if (first != std::string_view::npos && text_[first] == '\t') ++more;
    }
    auto& d = fault("E001", tab, tab + 1, "a tab cannot indent YAML", "use spaces");
    if (more > 0)
      d.notes.push_back(fmt::format("{} more {} a tab", more,
                                    more == 1 ? "line begins with" : "lines begin with"));
    return false;
  }

  bool marker(std::string_view three) const {
    return indent_ == 0 && text_.substr(at_, 3) == three && blank_or_break(3);
  }

  // One line of block text, and whatever its value takes of the lines that follow.
  bool line() {
    if (marker("---")) return document_begin();
    if (marker("...")) return document_end();
    if (ended_) return fault_more_documents();
    if (indent_ == 0 && peek() == '%') {
      fault("E005", at_, rest_of_line(at_), "a directive is not taken here", "take this line out");
      return false;
    }
    started_ = true;
    if (!leave_blocks()) return false;
    return content();
  }

  bool document_begin() {
    if (started_ || ended_) return fault_more_documents();
    started_ = true;
    at_ += 3;
    return rest_is_empty("`---`");
  }

  bool document_end() {
    if (!ended_) layout_.end = at_;
    ended_ = true;
    end_ = at_;
    at_ += 3;
    return rest_is_empty("`...`");
  }

  bool fault_more_documents() {
    if (ended_ && !marker("---")) {
      const std::size_t rest = at_;
      auto& d = fault("E005", end_, end_ + 3, "the file goes on behind its end",
                      "`...` ends a document, and a file holds one only");
      d.also.push_back({place(rest, rest_of_line(rest)), "goes on here"});
      d.helps.emplace_back("take this line out");
      return false;
    }
    fault("E005", at_, rest_of_line(at_), "a file holds one document only",
          "a second one begins here");
    return false;
  }

  bool is_dash() const { return peek() == '-' && blank_or_break(1); }

  // Closes the blocks that this line's indentation ends, and sees that it fits one that is open, or
  // opens one where a value is awaited.
  bool leave_blocks() {
    bool left = false;
    std::optional<Block> list;  // the outermost that was left
    while (!blocks_.empty()) {
      const Block& top = blocks_.back();
      const bool same_level_list_over = top.indent == indent_ && top.kind == Kind::sequence &&
                                        !is_dash() && blocks_.size() > 1 &&
                                        blocks_[blocks_.size() - 2].indent == indent_;
      if (top.indent <= indent_ && !same_level_list_over) break;
      if (top.kind == Kind::sequence) list = top;
      blocks_.pop_back();
      left = true;
    }
    const bool deeper = blocks_.empty() ? true : blocks_.back().indent < indent_;
    if (left) awaiting_ = false;
    if (!blocks_.empty() && !deeper) {
      // `key:` with a list at the same indentation
      const bool list_of_key = awaiting_ && is_dash() && blocks_.back().kind == Kind::map;
      awaiting_ = list_of_key;
      return true;
    }
    if (awaiting_) return true;
    if (left && is_dash()) {
      const bool in_list = !blocks_.empty() && blocks_.back().kind == Kind::sequence;
      const std::optional<Block>& first = in_list ? std::optional(blocks_.back()) : list;
      if (first && first->items == 1 && dashes_below() > 1) return fault_first_item(*first);
    }
    if (left) {
      auto& d = fault("E002", at_, word_end(), "this line's indentation fits no line above it",
                      fmt::format("{} blanks; the block that it ends has fewer or none", indent_));
      if (!blocks_.empty())
        d.also.push_back(
            {place(blocks_.back().begin, blocks_.back().begin + 1), "the block around it"});
      if (!blocks_.empty())
        d.label = fmt::format("indented by {}, the block around it by {}", indent_,
                              blocks_.back().indent);
    } else {
      fault("E002", at_, word_end(), "this line is indented too deeply",
            "the line above has its value already")
          .lines_above = 1;
    }
    return false;
  }

  // The items that follow at this line's indentation, this one too.
  std::size_t dashes_below() const {
    std::size_t dashes = 0;
    for (std::size_t begin = line_begin(at_); begin < text_.size();) {
      const std::size_t next = std::min(text_.find('\n', begin), text_.size() - 1) + 1;
      const std::size_t first = std::min(text_.find_first_not_of(' ', begin), next);
      const bool empty = first + 1 >= next || breaks(text_[first]) || text_[first] == '#';
      if (!empty && first - begin < indent_) break;
      if (!empty && first - begin == indent_) {
        if (text_[first] != '-') break;
        ++dashes;
      }
      begin = next;
    }
    return dashes;
  }

  // One item stands alone at its indentation, and several below it agree upon another.
  bool fault_first_item(const Block& list) {
    auto& d = fault("E002", list.begin, list.begin + 1,
                    "this item is indented otherwise than those below it",
                    fmt::format("by {}, the others by {}", list.indent, indent_));
    d.also.push_back({place(at_, at_ + 1), "the next one"});
    return false;
  }

  std::size_t word_end() const {
    std::size_t end = at_;
    while (end < text_.size() && !is_blank(text_[end]) && !breaks(text_[end])) ++end;
    return end;
  }

  bool open(Kind kind, std::size_t indent) {
    if (blocks_.size() >= kMaxYamlDepth) return fault_deep();
    blocks_.push_back({kind, indent, at_});
    awaiting_ = false;
    return true;
  }

  bool fault_deep() {
    fault("E008", at_, at_ + 1, "nested too deeply",
          fmt::format("more than {} levels", kMaxYamlDepth));
    return false;
  }

  // Indentation that continuation lines of a value must exceed; -1 at the top.
  std::ptrdiff_t parent_indent() const {
    return blocks_.empty() ? -1 : static_cast<std::ptrdiff_t>(blocks_.back().indent);
  }

  // Dashes, then a key with its value or a bare value.
  bool content() {
    std::size_t here = indent_;
    bool first = true;
    std::size_t tab = std::string_view::npos;  // before what stands behind the dash
    while (is_dash()) {
      if (tab != std::string_view::npos) return fault_tab(tab);
      const bool sibling = first && !blocks_.empty() && blocks_.back().kind == Kind::sequence &&
                           blocks_.back().indent == here;
      if (!sibling) {
        const bool in_map = first && !blocks_.empty() && !awaiting_;
        if (in_map) return fault_stray_item();
        if (!open(Kind::sequence, here)) return false;
      }
      if (sibling) ++blocks_.back().items;
      first = false;
      awaiting_ = true;
      const std::size_t behind = ++at_;
      skip_blanks();
      if (at_line_end() || at_comment()) {
        skip_line();
        return true;
      }
      here = column(at_);
      tab = text_.substr(0, at_).find('\t', behind);
    }
    return key_or_value(here, first, tab);
  }

  bool fault_stray_item() {
    if (const Block& map = blocks_.back(); text_[map.begin] == '-' && map.items == 1)
      return fault_tight_dash(map.begin);
    auto& d = fault("E002", at_, at_ + 1, "a list item among the keys of a map",
                    "this `-` belongs to no list");
    d.also.push_back(
        {place(blocks_.back().begin, blocks_.back().begin + 1), "the map begins here"});
    return false;
  }

  bool fault_tight_dash(std::size_t dash) {
    fault("E002", dash, dash + 1, "a blank is missing behind this `-`", "an item begins with `- `");
    return false;
  }

  bool key_or_value(std::size_t here, bool first, std::size_t tab) {
    const bool sibling = first && !blocks_.empty() && !awaiting_;
    if (peek() == '?' && blank_or_break(1)) {
      fault("E002", at_, at_ + 1, "`?` before a key is not taken here", "write `key: value`");
      return false;
    }
    const std::size_t begin = at_;
    Scalar key;
    if (!scan_simple(sibling ? Where::key : Where::line, key)) return false;
    if (key.is_key) {
      if (sibling && blocks_.back().kind != Kind::map) {
        return text_[begin] == '-' ? fault_tight_dash(begin) : fault_key_in_list(begin, key.end);
      }
      if (sibling) ++blocks_.back().items;
      if (!sibling && tab != std::string_view::npos) return fault_tab(tab);
      if (!sibling) {
        const std::size_t behind = at_;
        at_ = begin;
        if (!open(Kind::map, here)) return false;
        at_ = behind;
      }
      return value();
    }
    if (sibling) return fault_no_key(begin, key.end);
    awaiting_ = false;
    return true;
  }

  bool fault_key_in_list(std::size_t begin, std::size_t end) {
    auto& d =
        fault("E002", begin, end, "a key among the items of a list", "an item begins with `- `");
    d.also.push_back(
        {place(blocks_.back().begin, blocks_.back().begin + 1), "the list begins here"});
    return false;
  }

  bool fault_no_key(std::size_t begin, std::size_t end) {
    if (blocks_.back().kind == Kind::sequence) {
      if (text_[begin] == '-') return fault_tight_dash(begin);
      fault("E002", begin, end, "an item of a list begins with `- `", "no `- ` here");
      return false;
    }
    return fault_no_colon(begin, end);
  }

  bool fault_no_colon(std::size_t begin, std::size_t end) {
    const std::string_view token = text_.substr(begin, end - begin);
    const std::size_t colon = token.find(':');
    if (colon != std::string_view::npos) {
      fault("E002", begin + colon, begin + colon + 1, "a blank is missing behind the colon",
            "write `key: value`");
    } else {
      fault("E002", begin, end, "a line of a map is `key: value`", "no colon here");
    }
    return false;
  }

  // The value behind `key:`; may be on the lines that follow.
  bool value() {
    awaiting_ = true;
    skip_blanks();
    if (at_line_end() || at_comment()) {
      skip_line();
      return true;
    }
    if (is_dash()) {
      fault("E002", at_, at_ + 1, "a list cannot begin on the line of its key",
            "put it on the next line, or write [a, b]");
      return false;
    }
    Scalar scalar;
    if (!scan_simple(Where::value, scalar)) return false;
    if (scalar.is_key) {
      fault("E002", scalar.colon, scalar.colon + 1, "a second `: ` in one line",
            "a value that holds `: ` needs quotes");
      return false;
    }
    awaiting_ = false;
    return true;
  }

  bool rest_is_empty(std::string_view what) {
    skip_blanks();
    if (at_line_end() || at_comment()) {
      skip_line();
      return true;
    }
    fault("E002", at_, rest_of_line(at_), fmt::format("nothing may follow {} on its line", what));
    return false;
  }

  // ---- scalars in block text ----

  // Where a scalar stands: behind a key's colon; at the beginning of a line or behind a dash, where
  // it may be a first key or a value; where only a key can be.
  enum class Where : std::uint8_t { value, line, key };

  struct Scalar {
    bool is_key = false;
    std::size_t end = 0;    // behind the token
    std::size_t colon = 0;  // of a key
  };

  // A key with its colon (the position is then behind the colon), or a whole value to the end of
  // its last line.
  bool scan_simple(Where where, Scalar& out) {
    const char c = peek();
    const std::size_t begin = at_;
    if (c == '"' || c == '\'') {
      if (!quoted(parent_indent())) return false;
      return key_or_end(begin, "the quoted text", out);
    }
    if (c == '[' || c == '{') {
      if (!flow(parent_indent())) return false;
      return key_or_end(begin, "the closing bracket", out);
    }
    if (c == '|' || c == '>') return block_text(out);
    if (!may_begin_plain(false)) return false;
    return plain_in_block(where, out);
  }

  bool key_or_end(std::size_t begin, std::string_view what, Scalar& out) {
    out.end = at_;
    skip_blanks();
    if (peek() == ':' && !at_end() && blank_or_break(1)) {
      const bool one_line = text_.substr(begin, at_ - begin).find('\n') == std::string_view::npos;
      const bool bracket = text_[begin] == '[' || text_[begin] == '{';
      if (!one_line && !bracket) return fault_unclosed(begin, line_begin(at_));
      if (!one_line || bracket) {
        fault("E002", begin, begin + 1, "a key must be text on one line");
        return false;
      }
      out.is_key = true;
      out.colon = at_;
      ++at_;
      return key_fits(begin, out.colon);
    }
    if (at_line_end() || at_comment()) {
      skip_line();
      return true;
    }
    return fault_behind(begin, out.end, what);
  }

  // Does the parser still look for a colon so far behind a key's begin?
  bool key_fits(std::size_t begin, std::size_t colon) {
    if (colon - begin <= kMaxKey) return true;
    const std::string_view key = text_.substr(begin, colon - begin);
    if (std::count_if(key.begin(), key.end(), [](char c) { return (c & 0xC0) != 0x80; }) <=
        static_cast<std::ptrdiff_t>(kMaxKey)) {
      return true;
    }
    fault("E002", begin, begin + 1, fmt::format("a key of more than {} characters", kMaxKey),
          "begins here");
    return false;
  }

  // Something follows a closed quote or bracket. If the quotes stand on different lines, the first
  // was never closed and the second opens another text.
  bool fault_behind(std::size_t begin, std::size_t end, std::string_view what) {
    const bool quote = text_[begin] == '"' || text_[begin] == '\'';
    const std::size_t break_at = text_.substr(begin, end - begin).find('\n');
    if (quote && break_at != std::string_view::npos)
      return fault_unclosed(begin, begin + break_at + 1);
    auto& d = fault("E002", at_, rest_of_line(at_), fmt::format("text behind {}", what),
                    "does not belong to it");
    if (text_[begin] == '\'') d.helps.push_back("inside '…' a ' is written ''");
    if (text_[begin] == '"')
      d.helps.push_back("inside \"…\" a \" is written \\\"; or use '…' around it all");
    return false;
  }

  bool may_begin_plain(bool in_flow) {
    const char c = peek();
    if (c == '&' || c == '*' || c == '!') {
      const std::string_view what = c == '&' ? "an anchor" : c == '*' ? "an alias" : "a tag";
      fault("E005", at_, word_end(), fmt::format("{} is not taken here", what),
            fmt::format("text that begins with {} needs quotes", c));
      return false;
    }
    if (kReserved.find(c) != std::string_view::npos || c == ',' || c == '#' ||
        (in_flow && (c == '|' || c == '>' || c == '?')) || (c == '?' && blank_or_break(1))) {
      fault("E002", at_, at_ + 1, fmt::format("text cannot begin with `{}`", c),
            "put it in quotes");
      return false;
    }
    if (c == ']' || c == '}') {
      fault("E002", at_, at_ + 1, fmt::format("`{}` closes nothing", c),
            fmt::format("no `{}` is open", c == ']' ? '[' : '{'));
      return false;
    }
    if (c == ':' && blank_or_break(1)) {
      fault("E002", at_, at_ + 1, "no key before this colon");
      return false;
    }
    if (c == '-' && blank_or_break(1)) {
      fault("E002", at_, at_ + 1, "a list item cannot stand here",
            "use [a, b] inside brackets, or quote the `-`");
      return false;
    }
    return true;
  }

  // To the end of the plain text on this line: before `: `, ` #` or the line's end.
  std::size_t plain_line_end() {
    std::size_t end = at_;
    while (!at_line_end()) {
      if (peek() == ':' && blank_or_break(1)) break;
      if (at_comment()) break;
      if (!is_blank(peek())) end = at_ + 1;
      ++at_;
    }
    return end;
  }

  bool plain_in_block(Where where, Scalar& out) {
    const std::size_t begin = at_;
    const std::size_t first_end = rest_of_line(begin);
    out.end = plain_line_end();
    if (peek() == ':' && !at_line_end()) {
      if (text_.substr(begin, out.end - begin) == "<<") {
        fault("E005", begin, out.end, "a merge key is not taken here", "write the keys out");
        return false;
      }
      add_scalar(begin, out.end);
      out.is_key = true;
      out.colon = at_++;
      return !failed_ && key_fits(begin, out.colon);
    }
    // Deeper lines continue the text; a comment ends it.
    while (where != Where::key && at_line_end() && !at_end()) {
      const std::size_t line_end = at_;
      while (!at_end() && at_line_end()) {
        skip_line();
        const std::size_t start = at_;
        skip_blanks();
        if (!at_line_end()) {
          at_ = start;
          break;
        }
      }
      const std::size_t start = at_;
      while (peek() == ' ' && !at_end()) ++at_;
      const auto deep = static_cast<std::ptrdiff_t>(at_ - start);
      if (at_end() || deep <= parent_indent() || peek() == '#' || (deep == 0 && starts_marker())) {
        at_ = line_end;
        break;
      }
      if (peek() == '\t') return fault_tab(at_);
      const std::size_t word = at_;
      const std::size_t end = plain_line_end();
      if (peek() == ':' && !at_line_end()) {
        if (where == Where::line && column(word) == column(begin))
          return fault_no_colon(begin, first_end);
        auto& d = fault("E002", word, end, "this line is indented too deeply",
                        "the line above has its value already");
        d.lines_above = 1;
        return false;
      }
      out.end = end;
    }
    add_scalar(begin, out.end);
    skip_line();
    return !failed_;
  }

  bool starts_marker() const {
    const std::string_view three = text_.substr(at_, 3);
    return (three == "---" || three == "...") && blank_or_break(3);
  }

  // `|` and `>`: the header, then all lines that are deeper than the parent.
  bool block_text(Scalar& out) {
    const std::size_t begin = at_;
    const char kind = peek();
    ++at_;
    std::ptrdiff_t wanted = -1;
    for (bool chomped = false; !at_end(); ++at_) {
      const bool chomps = peek() == '+' || peek() == '-';
      const bool indents = peek() >= '1' && peek() <= '9';
      if ((!chomps || chomped) && (!indents || wanted > 0)) break;
      chomped |= chomps;
      if (indents) wanted = peek() - '0';
    }
    const std::size_t header_end = at_;
    skip_blanks();
    if (!at_line_end() && !at_comment()) {
      fault("E002", begin, begin + 1,
            fmt::format("`{}` begins a block of text on the lines below", kind),
            fmt::format("text that begins with {} needs quotes", kind));
      return false;
    }
    out.end = header_end;
    skip_line();
    const std::ptrdiff_t parent = std::max<std::ptrdiff_t>(parent_indent(), 0);
    const std::ptrdiff_t least = parent + std::max<std::ptrdiff_t>(1, wanted);
    std::ptrdiff_t depth = wanted > 0 ? least : -1;  // of the text: that of its first line
    std::ptrdiff_t deepest_blank = 0;                // of the blank lines before it
    std::size_t deepest_end = 0;
    while (!at_end()) {
      const std::size_t start = at_;
      while (peek() == ' ' && !at_end()) ++at_;
      const auto deep = static_cast<std::ptrdiff_t>(at_ - start);
      if (at_line_end()) {
        if (depth < 0 && deep > deepest_blank) deepest_blank = deep, deepest_end = at_;
        skip_line();
        continue;
      }
      if (deep < std::max(least, depth) && idle_tabs()) continue;
      if (failed_) return false;
      if (deep < least || (deep < depth && peek() == '#')) {
        at_ = start;
        break;
      }
      if (deep < depth) {
        fault("E002", at_, word_end(), "this line is indented less than the text it belongs to",
              fmt::format("the first line of the text is indented by {}", depth));
        return false;
      }
      if (deepest_blank > deep) {
        fault("E002", deepest_end - 1, deepest_end, "too many blanks on the empty line here",
              fmt::format("{}; the text below is indented by {}", deepest_blank, deep));
        return false;
      }
      if (depth < 0 && peek() == '\t' && !name_indentation(begin + 1, deep - parent)) return false;
      if (depth < 0) depth = deep;
      deepest_blank = 0;
      out.end = rest_of_line(at_);
      skip_line();
    }
    add_scalar(begin, out.end);
    return !failed_;
  }

  // Over a line that holds nothing but tabs, before the text's indentation.
  bool idle_tabs() {
    const std::size_t begin = at_;
    skip_blanks();
    if (begin == at_) return false;
    if (!at_line_end()) return fault_tab(begin);
    for (std::size_t i = begin; i < at_; ++i) {
      if (text_[i] == '\t') layout_.idle_tabs.push_back(i);
    }
    skip_line();
    return true;
  }

  // The first line of a block of text begins with a tab.
  bool name_indentation(std::size_t behind, std::ptrdiff_t width) {
    if (width <= 9) {
      layout_.additions.push_back({behind, static_cast<char>('0' + width)});
      return true;
    }
    fault("E002", at_, at_ + 1, "a block of text that begins with a tab is indented too deeply",
          fmt::format("by {} blanks; at most 9", width));
    return false;
  }

  // ---- quotes, in block and flow text ----

  // At the opening quote; moves behind the closing one. Lines that continue it are deeper than
  // `parent`: one that is not shows that the quote was never closed.
  bool quoted(std::ptrdiff_t parent) {
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    while (true) {
      if (at_end()) return fault_unclosed(begin, text_.size());
      const char c = text_[at_];
      if (c == '\n') {
        const std::size_t start = ++at_;
        while (peek() == ' ' && !at_end()) ++at_;
        const auto deep = static_cast<std::ptrdiff_t>(at_ - start);
        const std::size_t content = at_;
        skip_blanks();
        if (at_end()) return fault_unclosed(begin, text_.size());
        if (at_line_end()) continue;
        if (deep <= parent || (deep == 0 && starts_marker())) return fault_unclosed(begin, start);
        if (content != at_) return fault_tab(content);
      } else if (c == quote && quote == '\'' && peek(1) == '\'') {
        at_ += 2;
      } else if (c == quote) {
        ++at_;
        add_scalar(begin, at_);
        return !failed_;
      } else if (c == '\\' && quote == '"') {
        if (!escape()) return false;
      } else {
        ++at_;
      }
    }
  }

  bool escape() {
    const char c = peek(1);
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    const bool known = digits > 0 || breaks(c) ||
                       std::string_view("0abtnvfre \"/\\N_LP").find(c) != std::string_view::npos;
    if (!known) {
      std::size_t end = at_ + 2;
      while (end < text_.size() && (text_[end] & 0xC0) == 0x80) ++end;
      auto& d = fault("E002", at_, std::min(end, text_.size()),
                      "this is no escape of text in double quotes");
      d.helps.push_back(
          "in single quotes a \\ is itself: '…'; in double quotes it is written \\\\");
      return false;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char h = peek(2 + i);
      const int digit = h >= '0' && h <= '9'   ? h - '0'
                        : h >= 'a' && h <= 'f' ? h - 'a' + 10
                        : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                               : -1;
      if (digit < 0) {
        fault("E002", at_, at_ + 2, fmt::format("\\{} takes {} hexadecimal digits", c, digits));
        return false;
      }
      value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    if (digits > 0 && (value == 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))) {
      fault("E002", at_, at_ + 2 + digits, "this escape names no character");
      return false;
    }
    if (c == '0') {
      fault("E007", at_, at_ + 2, "text cannot hold a NUL character");
      return false;
    }
    at_ += breaks(c) ? 1 : 2 + digits;
    return true;
  }

  // ---- flow text: [ ] and { } ----

  struct Bracket {
    std::size_t begin;
    char close;
    bool filled = false;     // something stands since the last comma (or behind the colon)
    bool colon = false;      // a colon since the last comma
    bool json_key = false;   // what stands may be followed by a colon without a blank
    std::size_t last = 0;    // begin of what stands
    std::size_t before = 0;  // begin of the value before the last comma; 0: none
  };

  // At the opening bracket; moves behind the closing one.
  bool flow(std::ptrdiff_t parent) {
    std::vector<Bracket> open;
    const std::size_t outer = at_;
    do {
      if (!flow_break(parent, open.empty() ? outer : open.back().begin)) return false;
      if (!flow_token(parent, open)) return false;
    } while (!open.empty());
    return true;
  }

  // Over blanks, comments and line breaks. A line that is no deeper than the parent, unless it
  // closes, shows that the bracket was never closed.
  bool flow_break(std::ptrdiff_t parent, std::size_t innermost) {
    while (true) {
      skip_blanks();
      if (at_end()) return fault_open_bracket(innermost, text_.size());
      if (at_comment()) at_ = std::min(text_.find('\n', at_), text_.size());
      if (at_end()) return fault_open_bracket(innermost, text_.size());
      if (!at_line_end()) return true;
      skip_line();
      const std::size_t start = at_;
      while (peek() == ' ' && !at_end()) ++at_;
      const auto deep = static_cast<std::ptrdiff_t>(at_ - start);
      const std::size_t content = at_;
      skip_blanks();
      if (at_end()) return fault_open_bracket(innermost, text_.size());
      if (at_line_end() || at_comment()) continue;
      if (content != at_) return fault_tab(content);
      if ((deep <= parent && peek() != ']' && peek() != '}') || (deep == 0 && starts_marker()))
        return fault_open_bracket(innermost, start);
    }
  }

  bool fault_open_bracket(std::size_t begin, std::size_t stopped) {
    const char open = text_[begin];
    std::string why =
        stopped >= text_.size()
            ? fmt::format("opened here; the file ends before the closing {}", closing(open))
            : fmt::format("opened here; not closed before line {}", line_number(stopped));
    fault("E002", begin, begin + 1, fmt::format("this `{}` is never closed", open), std::move(why));
    return false;
  }

  static char closing(char open) { return open == '[' ? ']' : '}'; }

  bool flow_token(std::ptrdiff_t parent, std::vector<Bracket>& open) {
    const char c = peek();
    if (c == '[' || c == '{') {
      if (!open.empty() && !flow_slot(open.back())) return false;
      if (blocks_.size() + open.size() >= kMaxYamlDepth) return fault_deep();
      open.push_back({at_, closing(c)});
      ++at_;
      return true;
    }
    Bracket& top = open.back();
    if (c == ']' || c == '}') return flow_close(open);
    if (c == ',') {
      if (top.filled && !top.colon && top.close == '}') return fault_no_colon_in_braces(top);
      if (!top.filled && !top.colon) {
        fault("E002", at_, at_ + 1, "nothing stands before this comma");
        return false;
      }
      top.before = top.colon && top.filled ? top.last : 0;
      top.filled = top.colon = top.json_key = false;
      ++at_;
      return true;
    }
    const bool separates = blank_or_break(1) || peek(1) == ',' || peek(1) == ']' || peek(1) == '}';
    if (c == ':' && top.filled && !top.colon && (separates || top.json_key)) {
      if (!flow_key(top)) return false;
      top.colon = true;
      top.filled = top.json_key = false;
      ++at_;
      if (separates && !blank_or_break(0)) layout_.additions.push_back({at_, ' '});
      return true;
    }
    if (c == ':' && separates) {
      fault("E002", at_, at_ + 1,
            top.colon ? "a second colon in one entry" : "no key before this colon",
            top.colon ? "a comma is missing before it, or the value needs quotes" : "");
      return false;
    }
    if (!flow_slot(top)) return false;
    if (c == '"' || c == '\'') {
      top.json_key = true;
      return quoted(parent);
    }
    if (!may_begin_plain(true)) return false;
    return plain_in_flow(parent);
  }

  // At the colon of an entry: is its key one?
  bool flow_key(const Bracket& entry) {
    const std::size_t broken = text_.substr(entry.last, at_ - entry.last).find('\n');
    if (broken == std::string_view::npos) return key_fits(entry.last, at_);
    const std::size_t next_line = entry.last + broken + 1;
    const bool quote = text_[entry.last] == '"' || text_[entry.last] == '\'';
    if (quote && layout_end(entry.last) > next_line) return fault_unclosed(entry.last, next_line);
    auto& d = fault("E002", entry.last, entry.last + 1, "a key must be text on one line",
                    fmt::format("its colon is on line {}", line_number(at_)));
    d.helps.push_back(fmt::format("is a comma or the closing {} missing on line {}?", entry.close,
                                  line_number(entry.last)));
    return false;
  }

  // Something is about to stand here: is there room since the last comma or colon?
  bool flow_slot(Bracket& top) {
    if (!top.filled) {
      top.filled = true;
      top.last = at_;
      return true;
    }
    const bool quote = text_[top.last] == '"' || text_[top.last] == '\'';
    const std::size_t break_at = text_.substr(top.last, at_ - top.last).find('\n');
    if (quote && break_at != std::string_view::npos &&
        layout_.scalars.back().end > top.last + break_at) {
      return fault_unclosed(top.last, top.last + break_at + 1);
    }
    auto& d = fault("E002", at_, at_ + 1, "a comma is missing before this");
    d.also.push_back({place(top.last, top.last + 1), "belongs to the entry that begins here"});
    if (quote)
      d.helps.push_back(text_[top.last] == '\'' ? "inside '…' a ' is written ''"
                                                : "inside \"…\" a \" is written \\\"");
    return false;
  }

  bool flow_close(std::vector<Bracket>& open) {
    const Bracket top = open.back();
    if (peek() != top.close) {
      auto& d = fault("E002", at_, at_ + 1,
                      fmt::format("`{}` does not close `{}`", peek(), text_[top.begin]),
                      fmt::format("`{}` is due first", top.close));
      d.also.push_back({place(top.begin, top.begin + 1), "opened here"});
      return false;
    }
    if (top.filled && !top.colon && top.close == '}') return fault_no_colon_in_braces(top);
    ++at_;
    layout_.brackets.push_back(
        {static_cast<std::uint32_t>(top.begin), static_cast<std::uint32_t>(at_)});
    open.pop_back();
    if (!open.empty()) open.back().json_key = true;
    return count_node();
  }

  // Inside { } a comma ends a value, be it in the middle of `round($a, 2)`.
  bool fault_no_colon_in_braces(const Bracket& top) {
    const std::size_t end = layout_end(top.last);
    const std::string_view value =
        top.before == 0 ? std::string_view() : text_.substr(top.before, top.last - top.before);
    const bool torn =
        !value.empty() && value[0] != '"' && value[0] != '\'' && value[0] != '[' &&
        value[0] != '{' &&
        std::count(value.begin(), value.end(), '(') > std::count(value.begin(), value.end(), ')');
    if (torn) {
      fault("E002", top.before, end, "inside { } a comma ends a value",
            "with a comma in it, it needs quotes");
    } else {
      fault("E002", top.last, end, "an entry of { } is `key: value`", "no colon here");
    }
    return false;
  }

  // Behind the scalar or the brackets that begin at `begin` and were read last.
  std::size_t layout_end(std::size_t begin) const {
    if (!layout_.scalars.empty() && layout_.scalars.back().begin == begin)
      return layout_.scalars.back().end;
    if (!layout_.brackets.empty() && layout_.brackets.back().begin == begin)
      return layout_.brackets.back().end;
    return begin + 1;
  }

  bool plain_in_flow(std::ptrdiff_t parent) {
    const std::size_t begin = at_;
    std::size_t end = at_;
    while (true) {
      while (!at_line_end()) {
        const char c = peek();
        if (c == ',' || c == '[' || c == ']' || c == '{' || c == '}') break;
        if (c == ':' && (blank_or_break(1) || peek(1) == ',' || peek(1) == ']' || peek(1) == '}'))
          break;
        if (at_comment()) break;
        if (c == '?') {
          fault("E002", at_, at_ + 1, "`?` inside brackets needs quotes around its text");
          return false;
        }
        if (!is_blank(c)) end = at_ + 1;
        ++at_;
      }
      if (!at_line_end() || at_end()) break;
      const std::size_t here = at_;
      if (!plain_goes_on(parent)) {
        at_ = here;
        break;
      }
    }
    if (peek() == '[' || peek() == '{') {
      if (!at_end()) {
        fault("E002", at_, at_ + 1,
              fmt::format("`{}` inside brackets needs quotes around its text", peek()));
        return false;
      }
    }
    if (text_.substr(begin, end - begin) == "<<" && peek() == ':') {
      fault("E005", begin, end, "a merge key is not taken here", "write the keys out");
      return false;
    }
    add_scalar(begin, end);
    return !failed_;
  }

  // Behind the line break: does the next line continue plain text?
  bool plain_goes_on(std::ptrdiff_t parent) {
    while (!at_end() && at_line_end()) {
      skip_line();
      const std::size_t start = at_;
      skip_blanks();
      if (at_line_end()) continue;
      if (at_ == start && starts_marker()) return false;
      return static_cast<std::ptrdiff_t>(at_ - start) > parent && peek() != '#';
    }
    return false;
  }

  // ---- what was found ----

  void add_scalar(std::size_t begin, std::size_t end) {
    layout_.scalars.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
    count_node();
  }

  bool count_node() {
    if (layout_.scalars.size() + layout_.brackets.size() <= kMaxYamlNodes) return true;
    if (!failed_) {
      fault("E008", at_ - 1, at_, "too many values in one file",
            fmt::format("more than {}", kMaxYamlNodes));
    }
    return false;
  }

  std::shared_ptr<const SourceFile> file_;
  std::string_view text_;
  YamlLayout& layout_;
  Diagnostics& diagnostics_;
  std::size_t at_ = 0;
  std::size_t indent_ = 0;     // of the current line
  std::size_t end_ = 0;        // of the document: where `...` stands, once it was met
  std::vector<Block> blocks_;  // open block maps and sequences, outermost first
  bool awaiting_ = true;       // a value is due: at the top, behind `key:`, behind `-`
  bool started_ = false;
  bool ended_ = false;
  bool failed_ = false;
};

}  // namespace

bool read_yaml_layout(const std::shared_ptr<const SourceFile>& file, YamlLayout& layout,
                      Diagnostics& diagnostics) {
  return Reader(file, layout, diagnostics).read();
}

}  // namespace logtally::config
