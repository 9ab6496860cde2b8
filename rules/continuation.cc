#include "rules/continuation.h"

#include <cstddef>

namespace logtally::rules {
namespace {

constexpr std::string_view kTraceback = "Traceback (most recent call last):";
constexpr std::string_view kGroup = "+ Exception Group Traceback (most recent call last):";

bool is_indent(char c) { return c == ' ' || c == '\t'; }

std::string_view without_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_blank(std::string_view line) {
  for (const char c : line) {
    if (!is_indent(c)) return false;
  }
  return true;
}

// `module.Class: message` or `Class`: no blank before the colon.
bool is_exception(std::string_view line) {
  std::size_t i = 0;
  for (; i < line.size(); ++i) {
    const char c = line[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                        static_cast<unsigned char>(c) >= 0x80;
    const bool later = (c >= '0' && c <= '9') || c == '.' || c == '<' || c == '>';
    if (!letter && !(later && i > 0)) break;
  }
  if (i == 0) return false;
  return i == line.size() || (line[i] == ':' && (i + 1 == line.size() || line[i + 1] == ' '));
}

bool chains(std::string_view line) {
  return line == "During handling of the above exception, another exception occurred:" ||
         line == "The above exception was the direct cause of the following exception:";
}

bool belongs_to_logging_error(std::string_view line) {
  return line.starts_with("Call stack:") || line.starts_with("Message: ") ||
         line.starts_with("Unable to print the message and arguments") ||
         line.starts_with("Use the traceback above to help find the error");
}

}  // namespace

void Continuation::begin(std::string_view line, LineFit fit) {
  stand_below(fit);
  if (fit == LineFit::complete) return;
  // A traceback may begin on the record's own line: `ERROR:    Traceback (most recent call last):`.
  line = without_return(line);
  if (line.ends_with(kTraceback)) place_ = line.ends_with(kGroup) ? Place::raised : Place::frames;
}

Continuation::Line Continuation::begin_bare(std::string_view line) {
  begin(line, LineFit::none);
  return Line::record;
}

Continuation::Line Continuation::unfit(std::string_view raw) {
  const std::string_view line = without_return(raw);
  if (line.starts_with('-') && line.starts_with("--- Logging error ---")) {
    begin(line, LineFit::none);
    logging_error_ = true;
    return Line::record;
  }
  if (above_ == Above::closed) return begin_bare(line);

  if (is_blank(line)) {
    switch (place_) {
      case Place::raised:
      case Place::raised_blank:
        place_ = Place::raised_blank;
        return above_ == Above::joins ? Line::continues : Line::unsure;
      case Place::chained:
        return Line::continues;
      case Place::plain:
      case Place::frames:
        break;
    }
    return above_ == Above::joins ? Line::continues : begin_bare(line);
  }

  if (is_indent(line.front())) {
    // An exception group is indented to its end; all that can follow it is a chain.
    std::size_t indent = 1;
    while (is_indent(line[indent])) ++indent;  // ends: the line is not blank
    if (line[indent] == '+' && line.substr(indent).starts_with(kGroup)) place_ = Place::raised;
    if (place_ == Place::raised_blank || place_ == Place::chained) place_ = Place::plain;
    return Line::continues;
  }
  switch (line.front()) {
    case 'T':
    case 'D':
      if (line.starts_with(kTraceback)) return continue_with(Place::frames);
      if (chains(line)) return continue_with(Place::chained);
      break;
    case 'S':
      if (line.starts_with("Stack (most recent call last):")) return continue_with(Place::plain);
      break;
    default:
      break;
  }
  if (place_ == Place::frames && is_exception(line)) return continue_with(Place::raised);
  if (logging_error_) {
    if (belongs_to_logging_error(line)) return continue_with(Place::plain);
    if (line.starts_with("Arguments: ")) {
      logging_error_ = false;
      return continue_with(Place::plain);
    }
  }
  if (above_ == Above::joins) return continue_with(place_ == Place::frames ? place_ : Place::plain);
  return begin_bare(line);
}

}  // namespace logtally::rules
