#include "config/diagnostics.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "config/utf8.h"

namespace logtally::config {

namespace {

// Cells that a terminal gives to a character, as far as configuration files need it.
std::size_t cells(char32_t c) {
  const auto in = [c](char32_t low, char32_t high) { return c >= low && c <= high; };
  if (in(0x300, 0x36F) || in(0x200B, 0x200F) || in(0xFE00, 0xFE0F) || in(0xE0100, 0xE01EF))
    return 0;
  if (in(0x1100, 0x115F) || in(0x2E80, 0xA4CF) || in(0xAC00, 0xD7A3) || in(0xF900, 0xFAFF) ||
      in(0xFE30, 0xFE6F) || in(0xFF00, 0xFF60) || in(0xFFE0, 0xFFE6) || in(0x1F300, 0x1FAFF) ||
      in(0x20000, 0x3FFFD)) {
    return 2;
  }
  return 1;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// Appends the character at text[at] in a form that is safe on a terminal: a tab as an arrow, other
// control characters as their pictures, what is no UTF-8 as the replacement character.
CodePoint append_visible(std::string& out, std::string_view text, std::size_t at) {
  CodePoint c = decode_utf8(text, at);
  const bool shown_as_itself = c.valid && c.value >= 0x20 && (c.value < 0x7F || c.value > 0x9F) &&
                               !(c.value >= 0x202A && c.value <= 0x202E) &&
                               !(c.value >= 0x2066 && c.value <= 0x2069);
  if (shown_as_itself) {
    out += text.substr(at, c.length);
    return c;
  }
  if (!c.valid || c.value > 0x7F) {
    c.value = 0xFFFD;
  } else if (c.value == '\t') {
    c.value = 0x2192;
  } else {
    c.value = c.value == 0x7F ? 0x2421 : 0x2400 + c.value;
  }
  append_utf8(out, c.value);
  return c;
}

// One line of a source file, [begin, end) without its line break.
struct Line {
  std::uint32_t number = 1;
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::string_view text_of(const SourceFile& file, const Line& line) {
  return std::string_view(file.text).substr(line.begin, line.end - line.begin);
}

Line line_at(const SourceFile& file, std::size_t offset) {
  const std::string_view text = file.text;
  offset = std::min(offset, text.size());
  // What is wrong at the very end of a file is shown on its last line.
  if (offset == text.size() && offset > 0 && text[offset - 1] == '\n') --offset;
  Line line;
  // Thousands of findings ask for their line: the library's search is faster than a count.
  for (std::size_t i = text.find('\n'); i < offset; i = text.find('\n', i + 1)) ++line.number;
  const std::size_t before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  line.begin = before == std::string_view::npos ? 0 : before + 1;
  if (line.begin == 0 && text.starts_with("\xEF\xBB\xBF"))
    line.begin = 3;  // a byte order mark is no column
  line.end = std::min(text.find('\n', offset), text.size());
  if (line.end > line.begin && text[line.end - 1] == '\r') --line.end;
  return line;
}

constexpr std::array<std::string_view, 6> kSecretKeys = {"password", "token",   "secret",
                                                         "bearer",   "api_key", "credentials"};

// Blots out the value behind a key that holds a secret; every byte of it becomes one dot of `blot`.
std::string without_secrets(std::string_view line) {
  std::string out(line);
  for (const std::string_view key : kSecretKeys) {
    for (std::size_t at = out.find(key); at != std::string::npos; at = out.find(key, at + 1)) {
      std::size_t value = at + key.size();
      if (value < out.size() && (out[value] == '"' || out[value] == '\'')) ++value;
      if (value >= out.size() || out[value] != ':') continue;
      value = out.find_first_not_of(" \t", value + 1);
      if (value == std::string::npos) continue;
      const std::size_t end = std::min(out.find_first_of(",}", value), out.size());
      for (std::size_t i = value; i < end; ++i) {
        if (out[i] != ' ') out[i] = '\x01';
      }
    }
  }
  return out;
}

struct Mark {
  Span span;
  std::string label;
  bool primary = false;
};

struct Palette {
  std::string_view error, warning, gutter, primary, secondary, bold, reset;
};
constexpr Palette kPlain = {};
constexpr Palette kColour = {"\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[1;31m",
                             "\x1b[1;34m", "\x1b[1m",    "\x1b[0m"};

constexpr std::size_t kMaxCells =
    160;  // of one source line; longer ones are shown around the place
constexpr std::uint32_t kNear =
    3;  // lines between two places of one file that are shown in one piece

// Renders one finding.
class Page {
 public:
  Page(const Diagnostic& diagnostic, bool colour)
      : diagnostic_(diagnostic), palette_(colour ? kColour : kPlain) {}

  std::string render() {
    head();
    if (diagnostic_.place.file != nullptr) {
      gutter_width_ = widest_number();
      source();
    }
    facts();
    return std::move(out_);
  }

 private:
  struct Block {
    const SourceFile* file;
    std::vector<Mark> marks;
  };

  void head() {
    const bool warning = diagnostic_.severity() == Severity::warning;
    out_ += warning ? palette_.warning : palette_.error;
    out_ += warning ? "warning" : "error";
    if (!diagnostic_.code.empty()) out_ += fmt::format("[{}]", diagnostic_.code);
    out_ += palette_.reset;
    out_ += palette_.bold;
    out_ += fmt::format(": {}", printable(diagnostic_.message, 1000));
    out_ += palette_.reset;
    out_ += '\n';
  }

  std::size_t widest_number() const {
    std::uint32_t number = line_at(*diagnostic_.place.file, diagnostic_.place.span.begin).number;
    for (const auto& other : diagnostic_.also) {
      if (other.place.file)
        number = std::max(number, line_at(*other.place.file, other.place.span.begin).number);
    }
    return std::max<std::size_t>(2, fmt::formatted_size("{}", number));
  }

  // Places of the same file that are near the main one share its piece of source, the others follow
  // behind ":::".
  void source() {
    const Place& main = diagnostic_.place;
    const std::uint32_t main_line = line_at(*main.file, main.span.begin).number;
    Block first{main.file.get(), {{main.span, diagnostic_.label, true}}};
    std::vector<Block> rest;
    for (const auto& other : diagnostic_.also) {
      if (other.place.file == nullptr) continue;
      const std::uint32_t line = line_at(*other.place.file, other.place.span.begin).number;
      const std::uint32_t distance = line > main_line ? line - main_line : main_line - line;
      Mark mark{other.place.span, other.label, false};
      if (other.place.file->name == main.file->name && distance <= kNear) {
        first.marks.push_back(std::move(mark));
      } else {
        rest.push_back({other.place.file.get(), {std::move(mark)}});
      }
    }
    where("-->", *main.file, main.span);
    piece(first, diagnostic_.lines_above);
    for (const Block& block : rest) {
      empty_gutter();
      where(":::", *block.file, block.marks.front().span);
      piece(block, 0);
    }
  }

  void where(std::string_view arrow, const SourceFile& file, Span span) {
    const LineColumn at = line_column(file, span.begin);
    out_ += fmt::format("{:{}}{}{}{} {}:{}:{}\n", "", gutter_width_, palette_.gutter, arrow,
                        palette_.reset, printable(file.name, 1000), at.line, at.column);
  }

  void empty_gutter() {
    out_ += fmt::format("{:{}} {}|{}\n", "", gutter_width_, palette_.gutter, palette_.reset);
  }

  void piece(const Block& block, std::uint32_t lines_above) {
    empty_gutter();
    std::map<std::uint32_t, std::pair<Line, std::vector<const Mark*>>> lines;
    for (const Mark& mark : block.marks) {
      const Line line = line_at(*block.file, mark.span.begin);
      auto& entry = lines[line.number];
      entry.first = line;
      entry.second.push_back(&mark);
    }
    Line above = lines.begin()->second.first;
    for (std::uint32_t i = 0; i < lines_above && above.number > 1; ++i) {
      above = line_at(*block.file, above.begin - 1);
      lines[above.number].first = above;
    }
    std::uint32_t previous = lines.begin()->first;
    for (auto& [number, entry] : lines) {
      if (number == previous + 2) {
        show(*block.file, line_at(*block.file, entry.first.begin - 1), {});
      } else if (number > previous + 2) {
        out_ += "...\n";
      }
      previous = number;
      std::stable_sort(entry.second.begin(), entry.second.end(),
                       [](const Mark* a, const Mark* b) { return a->span.begin < b->span.begin; });
      show(*block.file, entry.first, entry.second);
    }
  }

  // The source line and below it a row for each mark.
  void show(const SourceFile& file, const Line& line, const std::vector<const Mark*>& marks) {
    const std::string text = without_secrets(text_of(file, line));
    std::vector<std::size_t> columns(text.size() +
                                     1);  // cell in which each byte's character begins
    std::size_t column = 0;
    for (std::size_t i = 0; i < text.size();) {
      const CodePoint c = decode_utf8(text, i);
      for (std::size_t k = 0; k < c.length; ++k) columns[i + k] = column;
      column += c.valid ? cells(c.value) : 1;
      i += c.length;
    }
    columns[text.size()] = column;

    const auto cell = [&](std::uint32_t offset) {
      return columns[std::min<std::size_t>(offset > line.begin ? offset - line.begin : 0,
                                           text.size())];
    };
    std::size_t from = 0;  // first cell shown
    if (column > kMaxCells && !marks.empty()) {
      const std::size_t wanted = cell(marks.front()->span.begin);
      from = wanted > kMaxCells / 2 ? wanted - kMaxCells / 2 : 0;
    }
    std::string shown = from > 0 ? "…" : "";
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t length = decode_utf8(text, i).length;
      if (columns[i] >= from + kMaxCells) {
        shown += "…";
        break;
      }
      if (columns[i] >= from) {
        if (text[i] == '\x01') {
          shown += "•";
        } else {
          append_visible(shown, text, i);
        }
      }
      i += length;
    }
    while (shown.ends_with(' ')) shown.pop_back();
    out_ += fmt::format("{}{:>{}} |{}{}{}\n", palette_.gutter, line.number, gutter_width_,
                        palette_.reset, shown.empty() ? "" : " ", shown);

    for (const Mark* mark : marks) {
      const std::size_t begin = std::clamp(cell(mark->span.begin), from, from + kMaxCells);
      const std::size_t end = std::min(cell(mark->span.end), from + kMaxCells);
      const std::size_t length = end > begin ? end - begin : 1;
      out_ += fmt::format(
          "{:{}} {}|{} {:{}}{}{}{}{}{}\n", "", gutter_width_, palette_.gutter, palette_.reset, "",
          begin - from + (from > 0 ? 1 : 0), mark->primary ? palette_.primary : palette_.secondary,
          std::string(length, mark->primary ? '^' : '-'), mark->label.empty() ? "" : " ",
          printable(mark->label, 1000), palette_.reset);
    }
  }

  void facts() {
    if (diagnostic_.notes.empty() && diagnostic_.helps.empty()) return;
    if (diagnostic_.place.file != nullptr) empty_gutter();
    for (const std::string& note : diagnostic_.notes) fact("note", note);
    for (const std::string& help : diagnostic_.helps) fact("help", help);
  }

  void fact(std::string_view kind, std::string_view text) {
    out_ += fmt::format("{:{}} {}={} {}{}{}: {}\n", "", gutter_width_, palette_.gutter,
                        palette_.reset, palette_.bold, kind, palette_.reset, printable(text, 2000));
  }

  const Diagnostic& diagnostic_;
  const Palette& palette_;
  std::size_t gutter_width_ = 2;
  std::string out_;
};

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++count) {
    if (count == limit) return out + "…";
    i += append_visible(out, text, i).length;
  }
  return out;
}

std::string in_ticks(std::string_view text) { return "`" + printable(text) + "`"; }

LineColumn line_column(const SourceFile& file, std::uint32_t offset) {
  const Line line = line_at(file, offset);
  LineColumn at{line.number, 1};
  const std::string_view text = file.text;
  const std::size_t end = std::min<std::size_t>(offset, line.end);
  for (std::size_t i = line.begin; i < end; i += decode_utf8(text, i).length) ++at.column;
  return at;
}

Diagnostic& Diagnostics::add(std::string code, Place place, std::string message,
                             std::string label) {
  Diagnostic& diagnostic = all_.emplace_back();
  diagnostic.code = std::move(code);
  diagnostic.place = std::move(place);
  diagnostic.message = std::move(message);
  diagnostic.label = std::move(label);
  return diagnostic;
}

bool Diagnostics::has_errors() const { return errors() > 0; }

std::size_t Diagnostics::errors() const { return all_.size() - warnings(); }

std::size_t Diagnostics::warnings() const {
  return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), [](const Diagnostic& d) {
    return d.severity() == Severity::warning;
  }));
}

std::vector<const Diagnostic*> Diagnostics::sorted() const {
  std::vector<const Diagnostic*> sorted;
  sorted.reserve(all_.size());
  for (const Diagnostic& diagnostic : all_) sorted.push_back(&diagnostic);
  const auto order = [](const Diagnostic* d) {
    const SourceFile* file = d->place.file.get();
    return std::tuple(file == nullptr ? std::string_view() : std::string_view(file->name),
                      d->place.span.begin);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Diagnostic* a, const Diagnostic* b) { return order(a) < order(b); });
  return sorted;
}

void Diagnostics::remove_if(const std::function<bool(const Diagnostic&)>& unwanted) {
  std::erase_if(all_, unwanted);
}

void Diagnostics::amend(const std::function<void(Diagnostic&)>& change) {
  for (Diagnostic& diagnostic : all_) change(diagnostic);
}

std::string Diagnostics::render(bool colour, std::size_t limit) const {
  std::vector<const Diagnostic*> shown = sorted();
  // Warnings give way first: the last of them.
  std::size_t surplus = shown.size() > limit ? shown.size() - limit : 0;
  for (const Severity giving : {Severity::warning, Severity::error}) {
    for (std::size_t i = shown.size(); i-- > 0 && surplus > 0;) {
      if (shown[i]->severity() != giving) continue;
      shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(i));
      --surplus;
    }
  }
  std::string out;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (i > 0) out += '\n';
    out += Page(*shown[i], colour).render();
  }
  if (all_.size() > limit)
    out += fmt::format("{}… and {} more\n", limit > 0 ? "\n" : "", all_.size() - limit);
  return out;
}

// Every code that a diagnostic may carry, in order of code. Codes are stable: a row is never given
// another meaning, and a code that is no longer used stays. E00x: the text of a file; E01x: keys
// and values of any file; the rules module adds from E02x on.
const std::vector<CodeRow>& diagnostic_codes() {
  static const std::vector<CodeRow> kCodes = {
      {"E001", "a tab indents a line"},
      {"E002", "not YAML"},
      {"E003", "quoted text is never closed"},
      {"E004", "a key stands twice in one map"},
      {"E005",
       "anchors, aliases, tags, merge keys, directives and several documents are not taken"},
      {"E006", "the file is too large"},
      {"E007", "the file is not UTF-8 text"},
      {"E008", "nested too deeply, or too many values"},
      {"E009", "a file cannot be read"},
      {"E010", "a value of another kind is expected (text, a list, a map)"},
      {"E011", "a key is missing"},
      {"E012", "unknown key"},
      {"E013", "bad value"},
      {"E014", "not in this version yet"},
      {"E015", "bad environment variable"},
      {"E020", "an expression that cannot be read"},
      {"E021", "quoted text or a quoted name in an expression is never closed"},
      {"E022", "the rules use too many different fields"},
      {"E023", "a word in an expression that is neither a field nor a text"},
      {"E024", "a function or a map with the wrong number of values"},
      {"E025", "no such function, map or table"},
      {"E026", "no such column of a table"},
      {"E030", "a metric that is not declared"},
      {"E031", "a name that is defined twice"},
      {"E032", "a bad name for a metric, a map or a field"},
      {"E033", "a bad name for a label, or too many labels"},
      {"E034", "a label that the metric has not"},
      {"E035", "an action or a key that does not go with the metric's type"},
      {"E036", "an action without its value"},
      {"E037", "a switch for a rule that is not there"},
      {"E038", "more series, label values or rules than there may be"},
      {"E040", "a bad pattern"},
      {"E041", "a bad regular expression, or replacement"},
      {"E042", "a bad layout or zone of times"},
      {"E043", "a regular expression that is too expensive"},
      {"E050", "an unknown unit"},
      {"E051", "the unit and the metric do not go together"},
      {"E060", "bad buckets"},
      {"E061", "buckets that do not increase"},
      {"E070", "a test's expectation that cannot be read"},
      {"E071", "a test that fails"},
      {"E072", "a rule file that became empty while its rules are at work"},
      {"W201", "a gauge or histogram whose name ends in _total"},
      {"W202", "a counter whose name does not end in _total"},
      {"W203", "a histogram without buckets"},
      {"W204", "a metric's name that is not in snake case"},
      {"W205", "a metric's name without its base unit"},
      {"W206", "a metric's name that ends like a histogram's own series"},
      {"W207", "a metric whose help says nothing"},
      {"W208", "a metric's name that repeats its type"},
      {"W209", "a label's name that is not in snake case"},
      {"W210", "a label that has a new value with every request, user or session"},
      {"W211", "a rule that can never match"},
      {"W212", "two rules that do the same on the same lines"},
      {"W213", "a metric that no rule changes"},
      {"W214", "a map that nothing calls"},
      {"W215", "a table that is not filled, or not read"},
      {"W216", "a path of a target that fits no file"},
      {"W217", "a regular expression that is expensive"},
      {"W218", "a value whose field says another unit than the metric, without `unit`"},
      {"W219", "a `$name` that nothing gives, beside a capture of nearly that name"},
      {"W220", "an allow comment that silences nothing"},
      {"W221", "an allow comment that cannot be read"},
      {"W401", "a rule that never matched in the sample"},
      {"W402", "a label with more values in the sample than its max"},
      {"W403", "a metric that got no value from the sample"},
      {"W404", "more series in the sample than are allowed"},
      {"W405", "an action that was skipped on every line of the sample"},
      {"W406", "a sample most of whose lines fit no format"},
      {"W407", "values of the sample that are all beyond one end of the buckets"},
      {"W408", "a label whose values in the sample look like a secret"},
  };
  return kCodes;
}

}  // namespace logtally::config
