// What the codes of diagnostics mean, each with a wrong and a right example: `logtally help E012`
// and docs/errors.md. Every code of diagnostic_codes() has a page; the tests load the examples.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace logtally::config {

// How the examples of a page are to be read.
enum class ExampleKind : std::uint8_t {
  rule_file,      // a rule file
  configuration,  // a logtally.yaml
  lint,           // a rule file that loads, and that `check` has something to say about
  told            // no file shows it as it is: its text says what to do instead
};

struct CodePage {
  std::string_view code;
  std::string_view meaning;  // paragraphs, each one line of text
  std::string_view wrong;
  std::string_view right;
  ExampleKind kind = ExampleKind::rule_file;
};
std::span<const CodePage> code_pages();

// The page of a code, in any case of its letter; none: there is no such code, or it has no page.
std::optional<std::string> code_page(std::string_view code);

// docs/errors.md
std::string errors_reference();

}  // namespace logtally::config
