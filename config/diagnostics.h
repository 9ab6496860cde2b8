// Diagnostics: what is wrong with a file that an operator wrote, where exactly, why, and what to
// type instead. A load reports all problems it finds, sorted by place, with stable codes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace logtally::config {

// A file as it was read; spans point into `text`.
struct SourceFile {
  std::string name;  // as the operator named it
  std::string text;
};

// Bytes [begin, end) of a source file.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

struct Place {
  std::shared_ptr<const SourceFile> file;  // null: no file (a flag, an environment variable)
  Span span;
};

enum class Severity : std::uint8_t { error, warning };

struct Diagnostic {
  std::string code;     // "E012"; stable, listed in the table of codes (diagnostic_codes())
  std::string message;  // one line: what is wrong
  Place place;
  std::string label;  // beside the caret: why
  struct Secondary {
    Place place;
    std::string label;
  };
  std::vector<Secondary> also;     // other places that matter ("first declared here")
  std::uint32_t lines_above = 0;   // lines of the source shown above the place, for orientation
  std::vector<std::string> notes;  // facts
  std::vector<std::string> helps;  // what to type

  Severity severity() const { return code.starts_with('W') ? Severity::warning : Severity::error; }
};

// 1-based line and column (in characters) of a byte offset.
struct LineColumn {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};
LineColumn line_column(const SourceFile& file, std::uint32_t offset);

// Text of an operator's file as a message may hold it: control characters and broken UTF-8 made
// visible, at most `limit` characters, then "…".
std::string printable(std::string_view text, std::size_t limit = 80);

// "`text`", printable.
std::string in_ticks(std::string_view text);

class Diagnostics {
 public:
  // Returns the diagnostic so that notes and helps can be added:  d.add("E012", place, "unknown key
  // `x`").helps.push_back(...) The reference is valid until the next add.
  Diagnostic& add(std::string code, Place place, std::string message, std::string label = {});

  bool has_errors() const;
  std::size_t errors() const;
  std::size_t warnings() const;
  const std::vector<Diagnostic>& all() const { return all_; }
  // By file, line and column. Valid until the next add() or remove_if().
  std::vector<const Diagnostic*> sorted() const;

  void remove_if(const std::function<bool(const Diagnostic&)>& unwanted);
  void amend(const std::function<void(Diagnostic&)>& change);  // each in turn

  // Human form, sorted by file, line and column, at most `limit` findings and then "… and N more";
  // where not all are shown, errors come before warnings. Values of keys that hold secrets
  // (password, token, ...) are shown as dots.
  std::string render(bool colour = false, std::size_t limit = 20) const;

 private:
  std::vector<Diagnostic> all_;
};

// The table of codes: each with a short title, in order of code.
struct CodeRow {
  std::string_view code;
  std::string_view title;
};
const std::vector<CodeRow>& diagnostic_codes();

}  // namespace logtally::config
