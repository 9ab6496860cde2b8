#include "config/code_pages.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "config/code_page_tables.h"
#include "config/diagnostics.h"
#include "config/usage.h"

namespace logtally::config {

namespace {

std::string indented(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.find_first_not_of(' ') != std::string_view::npos) out += "    ";
    out += line;
    out += '\n';
    at = end + 1;
  }
  return out;
}

// Each paragraph of `text` as wrapped lines, with an empty line behind.
std::string paragraphs(std::string_view text, std::size_t width) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += wrapped(text.substr(at, end - at), width, 0) + "\n\n";
    at = end + 1;
  }
  return out;
}

std::string_view title_of(std::string_view code) {
  for (const CodeRow& row : diagnostic_codes()) {
    if (row.code == code) return row.title;
  }
  return {};
}

const CodePage* find_page(std::string_view code) {
  for (const CodePage& page : code_pages()) {
    if (page.code == code) return &page;
  }
  return nullptr;
}

std::string_view kind_of(std::string_view code) {
  return code.starts_with('W') ? "warning" : "error";
}

}  // namespace

std::span<const CodePage> code_pages() {
  static const std::vector<CodePage> kPages = [] {
    std::vector<CodePage> pages;
    for (const auto table : {text_code_pages(), rule_code_pages(), metric_code_pages(),
                             lint_code_pages(), sample_code_pages()})
      pages.insert(pages.end(), table.begin(), table.end());
    return pages;
  }();
  return kPages;
}

std::optional<std::string> code_page(std::string_view code) {
  std::string upper(code);
  if (!upper.empty() && (upper[0] == 'e' || upper[0] == 'w'))
    upper[0] = static_cast<char>(upper[0] - 'a' + 'A');
  const CodePage* page = find_page(upper);
  const std::string_view title = title_of(upper);
  if (page == nullptr && title.empty()) return {};
  std::string out = fmt::format("{} ({}): {}\n\n", upper, kind_of(upper), title);
  if (page == nullptr) return out;
  out += paragraphs(page->meaning, 100);
  if (!page->wrong.empty()) out += "Wrong:\n\n" + indented(page->wrong) + "\n";
  if (!page->right.empty()) out += "Right:\n\n" + indented(page->right) + "\n";
  out.pop_back();
  return out;
}

std::string errors_reference() {
  std::string out =
      "# Codes of messages\n\n"
      "<!-- Made from config/code_page*.cc by `logtally __reference errors.md`; edit those. -->\n\n"
      "Every message about a file carries a code that keeps its meaning for ever. "
      "`logtally help CODE` prints the same.\nE: an error, the file is refused. W: a warning; "
      "`check --strict` fails on it, and a comment `# logtally: allow W201` silences it in "
      "place.\n\n"
      "| code | what |\n|---|---|\n";
  for (const CodeRow& row : diagnostic_codes())
    out += fmt::format("| [{}](#{}) | {} |\n", row.code,
                       static_cast<char>(row.code[0] - 'A' + 'a') + std::string(row.code.substr(1)),
                       row.title);
  for (const CodeRow& row : diagnostic_codes()) {
    out += fmt::format("\n## {}\n\n**{}**\n\n", row.code, row.title);
    const CodePage* page = find_page(row.code);
    if (page == nullptr) continue;
    out += paragraphs(page->meaning, 120);
    const std::string_view fence = page->kind == ExampleKind::told ? "text" : "yaml";
    if (!page->wrong.empty()) out += fmt::format("Wrong:\n\n```{}\n{}```\n\n", fence, page->wrong);
    if (!page->right.empty()) out += fmt::format("Right:\n\n```{}\n{}```\n\n", fence, page->right);
    out.pop_back();
  }
  return out;
}

}  // namespace logtally::config
