#include <algorithm>

#include <fmt/format.h>

#include "cli/explanation_view.h"
#include "config/diagnostics.h"
#include "config/utf8.h"

namespace logtally::cli {
namespace {

using config::printable;
using rules::Explanation;
using Outcome = Explanation::Action::Outcome;

constexpr std::size_t kShown = 120;       // characters of a value
constexpr std::size_t kValueColumn = 27;  // of a value with a note behind it

std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += config::decode_utf8(text, at).length) ++count;
  return count;
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t size = characters(text);
  return size < width ? text + std::string(width - size, ' ') : text;
}

std::string counted(std::size_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string signed_text(metrics::Decimal value) {
  return (value.negative() ? "" : "+") + metrics::to_string(value);
}

std::string_view symbol(std::string_view base) {
  if (base == "seconds") return " s";
  if (base == "bytes") return " B";
  if (base == "usd") return " USD";
  return "";
}

class Page {
 public:
  explicit Page(const ExplanationStyle& style) : style_(style) {}

  std::string take() { return std::move(out_); }

  // `key        value   note`
  void head(std::string_view key, const std::string& value, const std::string& note = {}) {
    out_ += padded(std::string(key), 11) +
            (note.empty() ? value : padded(value, kValueColumn - 2) + "  " + dim(note)) + "\n";
  }
  void item(std::string_view key, const std::string& text) {
    out_ += "  " + padded(std::string(key), 9) + text + "\n";
  }
  void more(const std::string& text) { item("", text); }
  void plain(const std::string& text) { out_ += text + "\n"; }

  std::string good(const std::string& text) const { return painted("32", text); }
  std::string bad(const std::string& text) const { return painted("31", text); }
  std::string warn(const std::string& text) const { return painted("33", text); }
  std::string bold(const std::string& text) const { return painted("1", text); }
  std::string dim(const std::string& text) const { return painted("2", text); }

 private:
  std::string painted(std::string_view code, const std::string& text) const {
    return style_.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }

  const ExplanationStyle& style_;
  std::string out_;
};

std::string quoted(const std::optional<std::string>& value) {
  return value ? "\"" + printable(*value, kShown) + "\"" : "–";
}

void show_record(Page& page, const Explanation& e, bool all) {
  std::string line;
  if (e.kind == "json") {
    line = "json, " + counted(e.keys.size(), "field", "fields");
  } else if (e.kind == "text") {
    line = "text, format " + e.format;
  } else {
    line = "a bare message: no format fits";
  }
  if (e.lines > 1) line += fmt::format(", {} lines joined", e.lines);
  page.head("line", line + fmt::format(", {} bytes", e.bytes));
  if (!e.wrapper.empty()) {
    page.head("", (e.wrapper == "cri" ? "CRI's wrapper" : "docker's wrapper") +
                      std::string(" taken off") + (e.stream.empty() ? "" : ", stream " + e.stream));
  }
  if (e.kind == "text") page.head("format", e.pattern);
  std::size_t width = 0;
  for (const Explanation::OtherFormat& other : e.others) width = std::max(width, other.name.size());
  constexpr std::size_t kOthers = 12;
  for (std::size_t i = 0; i < e.others.size(); ++i) {
    if (i == kOthers && !all) {
      page.head("", fmt::format("and {} more (--all shows them)", e.others.size() - i));
      break;
    }
    page.head(i == 0 ? "not" : "", padded(e.others[i].name, width) + "  " + e.others[i].why);
  }
  page.head("time", e.time.value_or("–"), e.time_note);
  const auto known = [&](std::string_view key, const Explanation::Named& named) {
    page.head(key, named.value ? printable(*named.value, kShown) : "–", named.note);
  };
  known("level", e.level);
  known("logger", e.logger);
  known("message", e.message);
  if (e.exception.value) known("exception", e.exception);
  for (const auto& [name, times] : e.redactions)
    page.head("redacted", fmt::format("{} ({})", name, counted(times, "time", "times")));
  for (const std::string& due : e.due) page.head("due", due);
}

void show_series(Page& page, const Explanation::Action& action) {
  std::string what = action.series->text();
  if (action.outcome != Outcome::done) {
    page.item(action.kind, what);
    return;
  }
  const std::string value = metrics::to_string(*action.value);
  const std::string unit(symbol(action.base));
  std::string read;
  if (action.value_read && (*action.value_read != value || !action.unit.empty())) {
    const std::string shown = printable(*action.value_read, 40);
    read = action.unit.empty() || action.unit == "auto" ? shown : shown + " " + action.unit;
    if (read != value + unit) {
      read += " → ";
    } else {
      read.clear();
    }
  }
  if (action.kind == "observe") {
    what += fmt::format("  {}{}{}  le=\"{}\"", read, value, unit, action.bucket.value_or("+Inf"));
  } else if (action.kind == "set") {
    what += fmt::format("  = {}{}{}", read, value, unit);
    if (action.before) what += fmt::format("  (was {})", metrics::to_string(*action.before));
  } else {
    what += fmt::format("  {}{}{}", read, signed_text(*action.value), unit);
    if (action.before && action.after)
      what += fmt::format("  ({} → {})", metrics::to_string(*action.before),
                          metrics::to_string(*action.after));
  }
  page.item(action.kind, what);
  for (const Explanation::Named& label : action.series->labels) {
    if (!label.note.empty()) page.more(page.warn("! " + label.name + ": " + label.note));
  }
}

std::string columns_text(const std::vector<Explanation::Named>& columns) {
  std::string text;
  for (const Explanation::Named& column : columns) {
    if (!column.value) continue;
    text += (text.empty() ? "" : "  ") + column.name + "=" + quoted(column.value);
  }
  return text;
}

void show_action(Page& page, const Explanation::Action& action) {
  if (action.outcome == Outcome::skipped) {
    const std::string why = action.why.empty() ? action.reason : action.reason + ": " + action.why;
    page.item(action.kind, action.target + "  " + page.warn("skipped, " + why));
  } else if (action.outcome == Outcome::not_true) {
    page.item(action.kind,
              action.target + "  " + page.dim("not done: `if` is not true: " + action.why));
  } else if (action.kind == "delete") {
    page.item(action.kind,
              action.series->text() + "  " + counted(action.deleted, "series goes", "series go"));
  } else if (action.kind == "store") {
    page.item(action.kind, action.target + "  " + columns_text(action.columns));
  } else if (action.kind == "remember" || action.kind == "take") {
    std::string text = fmt::format("{}  row {}", action.target, quoted(action.key));
    if (const std::string columns = columns_text(action.columns); !columns.empty())
      text += ": " + columns;
    if (action.elapsed) text += fmt::format("  $elapsed = {}", metrics::to_string(*action.elapsed));
    page.item(action.kind, text);
  } else {
    show_series(page, action);
  }
  for (const std::string& note : action.notes) {
    if (action.outcome == Outcome::not_true) {
      page.more(page.dim(note));
    } else {
      page.more(page.warn("! ") + note);
    }
  }
}

void show_named(Page& page, std::string_view key, const std::vector<Explanation::Named>& all) {
  std::size_t width = 0;
  for (const Explanation::Named& one : all) width = std::max(width, one.name.size());
  bool first = true;
  for (const Explanation::Named& one : all) {
    const std::string text = padded(one.name, width) + " = " + quoted(one.value);
    page.item(first ? key : "",
              one.note.empty() ? text : padded(text, 34) + "  " + page.dim(one.note));
    first = false;
  }
}

void show_rule(Page& page, const Explanation::Rule& rule) {
  const std::string name = padded("rule " + rule.name, 38);
  page.plain(page.bold(name) + page.dim(padded(rule.place, 30)) + "  " +
             (rule.matched ? page.good("MATCH") : page.dim("no")));
  for (const Explanation::Condition& condition : rule.conditions) {
    page.item(condition.key,
              condition.text + "  " +
                  (condition.holds ? page.good("✓") : page.bad("✗ ") + condition.why));
  }
  show_named(page, "captures", rule.captures);
  show_named(page, "let", rule.lets);
  show_named(page, "fields", rule.fields);
  for (const Explanation::Action& action : rule.actions) show_action(page, action);
}

std::string more_text(const ExplanationView::More& more) {
  const std::string rules = counted(more.rules.size(), "more rule", "more rules");
  const std::string_view want = more.rules.size() == 1 ? "wants" : "want";
  if (more.wants == "message") return fmt::format("{} {} another message", rules, want);
  if (more.wants == "if") return fmt::format("{} {} something else by `if`", rules, want);
  return fmt::format("{} {} another `{}`", rules, want, more.wants);
}

void show_total(Page& page, const Explanation& e, const ExplanationView& view) {
  std::size_t rules = 0;
  std::size_t changes = 0;
  std::size_t rows = 0;
  std::size_t deleted = 0;
  std::size_t skipped = 0;
  for (const Explanation::Rule& rule : e.rules) {
    rules += rule.matched;
    for (const Explanation::Action& action : rule.actions) {
      skipped += action.outcome == Outcome::skipped;
      if (action.outcome != Outcome::done) continue;
      changes += action.value.has_value();
      rows += action.kind == "store" || action.kind == "remember" || action.kind == "take";
      deleted += action.deleted;
    }
  }
  if (!e.matched) {
    std::string text = "no rule matched";
    if (view.nearest != nullptr) {
      const Explanation::Rule& nearest = *view.nearest;
      text += ": the nearest is " + nearest.name + " (" + nearest.place + ")";
      if (!nearest.conditions.empty() && !nearest.conditions.back().why.empty())
        text += ", " + nearest.conditions.back().key + " " + nearest.conditions.back().text + ": " +
                nearest.conditions.back().why;
    }
    page.plain(page.warn(text));
    return;
  }
  std::string text = counted(rules, "rule matches", "rules match") + ": " +
                     counted(changes, "change of series", "changes of series");
  if (deleted > 0) text += ", " + counted(deleted, "series deleted", "series deleted");
  if (rows > 0) text += ", " + counted(rows, "row", "rows");
  if (skipped > 0) text += ", " + page.warn(counted(skipped, "action skipped", "actions skipped"));
  page.head("in all", text);
}

std::string_view refusal(std::string_view reason) {
  if (reason == "json") return "it begins like a JSON object and is none";
  if (reason == "nul") return "it holds a NUL byte";
  return "it is longer than limits.line_bytes or record_bytes";
}

}  // namespace

std::string explanation_text(const Explanation& explanation, const ExplanationStyle& style) {
  Page page(style);
  if (!explanation.refused.empty()) {
    page.head("line", explanation.line.empty() ? "–" : printable(explanation.line, kShown));
    page.plain(
        page.bad(fmt::format("not a record: {} (logtally_lines_failed_total{{reason=\"{}\"}})",
                             refusal(explanation.refused), explanation.refused)));
    return page.take();
  }
  show_record(page, explanation, style.all);
  page.plain("");
  const ExplanationView view = view_of(explanation, style.all);
  for (const Explanation::Rule* rule : view.shown) show_rule(page, *rule);
  for (const ExplanationView::More& more : view.more)
    page.plain(page.dim(&more == &view.more.back()
                            ? padded(more_text(more), 38) + "  (--all shows them)"
                            : more_text(more)));
  page.plain("");
  show_total(page, explanation, view);
  return page.take();
}

}  // namespace logtally::cli
