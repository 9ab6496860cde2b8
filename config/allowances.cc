#include "config/allowances.h"

#include <algorithm>
#include <optional>

#include "config/suggest.h"

namespace logtally::config {
namespace {

constexpr std::string_view kBlanks = " \t";

void gather_scalars(const Node& node, std::vector<Span>& spans) {
  if (node.is_scalar()) spans.push_back(node.span);
  for (const Node& item : node.items) gather_scalars(item, spans);
  for (const Node::Entry& entry : node.entries) {
    spans.push_back(entry.key.span);
    gather_scalars(entry.value, spans);
  }
}

// Takes the word at the front, up to a blank, a comma or a colon.
std::string_view take_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r,"), rest.size()));
  const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r,:"));
  rest.remove_prefix(word.size());
  return word;
}

bool looks_like_code(std::string_view word) {
  return word.size() >= 2 && (word[0] == 'W' || word[0] == 'E' || word[0] == 'w') &&
         word.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

bool is_comment_or_blank(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#';
}

// What is wrong with a code that stands in an allow comment.
std::optional<std::string> fault_of(std::string_view code) {
  if (code.starts_with('E'))
    return "only warnings can be allowed, and " + in_ticks(code) + " is an error";
  std::vector<std::string_view> known;
  for (const CodeRow& row : diagnostic_codes()) {
    if (row.code == code) return std::nullopt;
    if (row.code.starts_with('W')) known.push_back(row.code);
  }
  return "there is no warning " + in_ticks(code);
}

}  // namespace

void Allowances::read(const YamlDocument& document, Diagnostics& diagnostics) {
  const std::string_view text = document.file->text;
  if (text.find("logtally:") == std::string_view::npos) return;
  std::vector<Span> scalars;
  gather_scalars(document.root, scalars);
  const auto in_scalar = [&](std::size_t offset) {
    return std::any_of(scalars.begin(), scalars.end(), [&](const Span& s) {
      // Behind the `|` or `>` of a block scalar there may be a comment.
      const bool block = text[s.begin] == '|' || text[s.begin] == '>';
      const std::size_t begin = block ? text.find('\n', s.begin) : s.begin;
      return begin <= offset && offset < s.end;
    });
  };
  const auto place = [&](std::string_view part) {
    const auto begin = static_cast<std::uint32_t>(part.data() - text.data());
    return Place{document.file, {begin, begin + static_cast<std::uint32_t>(part.size())}};
  };

  std::uint32_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++number;
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    std::string_view comment;
    for (std::size_t at = line.find('#'); at != std::string_view::npos;
         at = line.find('#', at + 1)) {
      const bool begins = at == 0 || kBlanks.find(line[at - 1]) != std::string_view::npos;
      if (!begins || in_scalar(begin + at)) continue;
      comment = line.substr(at);
      break;
    }
    begin = end + 1;
    std::string_view rest = comment;
    rest.remove_prefix(std::min(rest.find_first_not_of("# \t"), rest.size()));
    constexpr std::string_view kName = "logtally:";
    if (comment.empty() || !rest.starts_with(kName)) continue;
    rest.remove_prefix(kName.size());
    const std::string_view verb = take_word(rest);
    if (verb != "allow") {
      // "logtally: https://…" is nothing of ours.
      if (verb.empty() || edit_distance(verb, "allow") > 2) continue;
      diagnostics.add("W221", place(verb), "a comment to logtally says " + in_ticks(verb),
                      "did you mean `allow`?");
      continue;
    }
    std::uint32_t speaks_of = number;
    if (is_comment_or_blank(line)) {
      for (std::size_t next = begin; next < text.size();) {
        ++speaks_of;
        const std::size_t next_end = std::min(text.find('\n', next), text.size());
        if (!is_comment_or_blank(text.substr(next, next_end - next))) break;
        next = next_end + 1;
      }
    }
    std::size_t codes = 0;
    while (true) {
      std::string_view ahead = rest;
      const std::string_view code = take_word(ahead);
      if (!looks_like_code(code)) break;
      rest = ahead;
      ++codes;
      if (const auto fault = fault_of(code)) {
        Diagnostic& d = diagnostics.add("W221", place(code), *fault);
        if (code[0] == 'w') d.label = "a capital W";
      } else {
        all_.push_back({.code = std::string(code), .place = place(code), .line = speaks_of});
      }
      if (rest.starts_with(':')) break;  // the reason
    }
    if (codes == 0) {
      diagnostics.add("W221", place(verb), "`allow` names no warning")
          .helps.emplace_back("# logtally: allow W201");
    }
  }
}

void Allowances::apply(Diagnostics& diagnostics) {
  if (all_.empty()) return;
  diagnostics.remove_if([&](const Diagnostic& d) {
    if (d.severity() != Severity::warning || d.place.file == nullptr) return false;
    const std::uint32_t line = line_column(*d.place.file, d.place.span.begin).line;
    bool allowed = false;
    for (Allowance& one : all_) {
      if (one.code != d.code || one.line != line || one.place.file->name != d.place.file->name)
        continue;
      one.used = true;
      allowed = true;
    }
    return allowed;
  });
}

void Allowances::report_unused(const std::function<bool(std::string_view code)>& judged,
                               Diagnostics& diagnostics) const {
  for (const Allowance& one : all_) {
    if (one.used || !judged(one.code)) continue;
    diagnostics.add("W220", one.place, "there is no warning " + one.code + " to allow here",
                    "take it out");
  }
}

}  // namespace logtally::config
