#include "config/findings.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/utf8.h"

namespace logtally::config {
namespace {

std::string place_json(const Place& place) {
  if (place.file == nullptr)
    return R"("file":null,"line":null,"column":null,"end_line":null,"end_column":null)";
  const LineColumn begin = line_column(*place.file, place.span.begin);
  const LineColumn end = line_column(*place.file, std::max(place.span.begin, place.span.end));
  return fmt::format(R"("file":{},"line":{},"column":{},"end_line":{},"end_column":{})",
                     json_string(place.file->name), begin.line, begin.column, end.line, end.column);
}

std::string list_json(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? "," : "") + json_string(text);
  return out + "]";
}

std::string_view severity_name(Severity severity) {
  return severity == Severity::warning ? "warning" : "error";
}

// Of a message `%` and line breaks, of a property `:` and `,` too.
std::string escaped(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','))) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    if (!c.valid) {
      out += "\\ufffd";
    } else if (c.value == '"' || c.value == '\\') {
      out += '\\';
      out += static_cast<char>(c.value);
    } else if (c.value == '\n') {
      out += "\\n";
    } else if (c.value < 0x20 || c.value == 0x7F) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c.value));
    } else {
      out += text.substr(at, c.length);
    }
    at += c.length;
  }
  return out + "\"";
}

std::string findings_json(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic* d : diagnostics.sorted()) {
    std::string also;
    for (const Diagnostic::Secondary& other : d->also) {
      also += fmt::format("{}{{{},\"label\":{}}}", also.empty() ? "" : ",", place_json(other.place),
                          json_string(other.label));
    }
    out += fmt::format(
        R"({{{},"code":{},"severity":"{}","message":{},"label":{},"notes":{},"helps":{},"also":[{}]}})"
        "\n",
        place_json(d->place), json_string(d->code), severity_name(d->severity()),
        json_string(d->message), json_string(d->label), list_json(d->notes), list_json(d->helps),
        also);
  }
  return out;
}

std::string findings_github(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic* d : diagnostics.sorted()) {
    std::string message = d->message;
    if (!d->label.empty()) message += ": " + d->label;
    for (const std::string& note : d->notes) message += "\nnote: " + note;
    for (const std::string& help : d->helps) message += "\nhelp: " + help;
    std::string where;
    if (d->place.file != nullptr) {
      const LineColumn begin = line_column(*d->place.file, d->place.span.begin);
      const LineColumn end = line_column(*d->place.file, d->place.span.end);
      where = fmt::format("file={},line={},col={},", escaped(d->place.file->name, true), begin.line,
                          begin.column);
      // Columns go with one line only.
      if (end.line == begin.line && end.column > begin.column)
        where += fmt::format("endColumn={},", end.column);
    }
    out += fmt::format("::{} {}title={}::{}\n", severity_name(d->severity()), where,
                       escaped(d->code, true), escaped(message, false));
  }
  return out;
}

}  // namespace logtally::config
