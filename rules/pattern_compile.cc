// Patterns from what is written: Pattern::compile().
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "rules/characters.h"
#include "rules/pattern.h"

namespace logtally::rules {
namespace {

using Part = Pattern::Part;
using Step = Pattern::Step;

bool is_capture(Part part) { return part >= Part::word && part <= Part::level; }

struct Parsed {
  std::vector<Step> steps;
  std::vector<Capture> captures;
  std::size_t slots = 0;
};

struct WrittenCapture {
  std::string_view name;
  bool any_text = false;
  std::size_t length = 0;  // with both angle brackets
};

PatternFault fault(std::string text, std::size_t offset, std::size_t length) {
  return {std::move(text), offset, length};
}

bool starts_capture(std::string_view rest) {
  if (rest.size() < 2) return false;
  if (is_alpha(rest[1]) || rest[1] == '>') return true;
  if (rest.substr(1).starts_with("...")) return true;
  if (!is_digit(rest[1])) return false;
  std::size_t end = 1;  // `<3` is text, `<3rd>` is a bad name
  while (end < rest.size() && is_name(rest[end])) ++end;
  return end < rest.size() && rest[end] == '>';
}

std::variant<WrittenCapture, PatternFault> read_capture(std::string_view source, std::size_t at) {
  const std::size_t close = source.find_first_of("> \t", at);
  if (close == std::string_view::npos || source[close] != '>') {
    const std::size_t end = close == std::string_view::npos ? source.size() : close;
    return fault("this capture is not closed; a literal < before a name is written \\<", at,
                 end - at);
  }
  WrittenCapture capture{source.substr(at + 1, close - at - 1), false, close - at + 1};
  if (capture.name.ends_with("...")) {
    capture.any_text = true;
    capture.name.remove_suffix(3);
  }
  if (capture.name.empty()) {
    return fault(
        "a capture needs a name, or _ to drop what it captures; a literal < is written \\<", at,
        capture.length);
  }
  bool good = is_alpha(capture.name.front());
  for (const char c : capture.name) good = good && is_name(c);
  if (!good)
    return fault("a name has letters, digits and _ and begins with no digit", at + 1,
                 capture.name.size());
  return capture;
}

Part part_of(const WrittenCapture& capture, PatternUse use) {
  if (use == PatternUse::format && capture.name == "time") return Part::time;
  if (use == PatternUse::format && capture.name == "level") return Part::level;
  if (capture.any_text || capture.name == "message" || capture.name == "fields") return Part::text;
  return Part::word;
}

CaptureShape shape_of(Part part) {
  switch (part) {
    case Part::text:
      return CaptureShape::text;
    case Part::time:
      return CaptureShape::time;
    case Part::level:
      return CaptureShape::level;
    default:
      return CaptureShape::word;
  }
}

void append_literal(std::vector<Step>& steps, char c) {
  if (steps.empty() || steps.back().part != Part::literal) steps.push_back({.part = Part::literal});
  steps.back().literal += c;
}

// Backslashes in front of a `<` that starts a capture: each pair is one, a single one makes the `<`
// literal. Returns how many bytes of the source it has read.
std::size_t read_backslashes(std::string_view rest, std::vector<Step>& steps) {
  std::size_t count = 0;
  while (count < rest.size() && rest[count] == '\\') ++count;
  const bool before_capture = count < rest.size() && rest[count] == '<';
  const std::size_t written = before_capture ? count / 2 : count;
  for (std::size_t i = 0; i < written; ++i) append_literal(steps, '\\');
  if (!before_capture || count % 2 == 0) return count;
  append_literal(steps, '<');
  return count + 1;
}

std::optional<PatternFault> add_capture(const WrittenCapture& written, PatternUse use,
                                        std::size_t at, std::size_t previous, Parsed& parsed) {
  if (!parsed.steps.empty() && is_capture(parsed.steps.back().part)) {
    return fault("two captures side by side: nothing says where the first ends", previous,
                 at + written.length - previous);
  }
  if (parsed.slots == Pattern::kMaxCaptures)
    return fault("more than 32 captures", at, written.length);
  Step step{.part = part_of(written, use), .slot = static_cast<std::uint8_t>(parsed.slots++)};
  if (written.name != "_") {
    for (const Capture& other : parsed.captures) {
      if (other.name == written.name)
        return fault("captured twice: " + other.name, at, written.length);
    }
    step.output = static_cast<std::int8_t>(parsed.captures.size());
    parsed.captures.push_back({std::string(written.name), shape_of(step.part)});
  }
  parsed.steps.push_back(std::move(step));
  return std::nullopt;
}

std::variant<Parsed, PatternFault> parse(std::string_view source, PatternUse use) {
  Parsed parsed;
  std::size_t previous = 0;  // where the last capture begins
  for (std::size_t i = 0; i < source.size();) {
    const char c = source[i];
    if (is_blank(c)) {
      if (parsed.steps.empty() || parsed.steps.back().part != Part::blank)
        parsed.steps.push_back({.part = Part::blank});
      ++i;
    } else if (c == '\\') {
      i += read_backslashes(source.substr(i), parsed.steps);
    } else if (c == '<' && starts_capture(source.substr(i))) {
      auto read = read_capture(source, i);
      if (auto* bad = std::get_if<PatternFault>(&read)) return std::move(*bad);
      const WrittenCapture& written = std::get<WrittenCapture>(read);
      if (auto bad = add_capture(written, use, i, previous, parsed)) return std::move(*bad);
      previous = i;
      i += written.length;
    } else {
      append_literal(parsed.steps, c);
      ++i;
    }
  }
  parsed.steps.push_back({.part = Part::end});
  return parsed;
}

// What the fitter needs to know about a step beforehand.
void link(std::vector<Step>& steps) {
  for (Step& step : steps) {
    step.length = static_cast<std::uint32_t>(step.literal.size());
    const std::size_t first = std::min(step.literal.size(), sizeof step.first_bytes);
    std::memcpy(&step.first_bytes, step.literal.data(), first);
    std::memset(&step.first_mask, 0xff, first);
  }
  for (std::size_t i = 0; i + 2 < steps.size(); ++i) {
    const Part capture = steps[i + 1].part;
    const bool may_be_empty = capture == Part::word || capture == Part::text;
    if (steps[i].part == Part::blank && may_be_empty && steps[i + 2].part == Part::blank) {
      steps[i].may_split = true;
      steps[i].slot = steps[i + 1].slot;
    }
  }
}

SwiftSteps swift_of(const std::vector<Step>& steps) {
  std::string head;
  std::vector<SwiftSteps::Piece> pieces;
  for (const Step& step : steps) {
    std::string& literal = pieces.empty() ? head : pieces.back().literal;
    switch (step.part) {
      case Part::literal:
        literal += step.literal;
        break;
      case Part::blank:
        literal += ' ';
        break;
      case Part::word:
      case Part::text:
        pieces.push_back({.output = step.output, .any_text = step.part == Part::text});
        break;
      case Part::time:
      case Part::level:
        return {};
      case Part::end:
        break;
    }
  }
  return {head, pieces};
}

std::size_t count_header_blanks(const std::vector<Step>& steps) {
  const std::size_t size = steps.size();  // time ... blank text end
  if (size < 4 || steps.front().part != Part::time || steps[size - 2].part != Part::text ||
      steps[size - 2].output < 0 || steps[size - 3].part != Part::blank)
    return 0;
  std::size_t blanks = 0;
  for (std::size_t i = 1; i < size - 2; ++i) {
    const bool padded = steps[i].part == Part::level && steps[i + 1].part == Part::literal;
    if (steps[i].part == Part::text || steps[i].part == Part::time || padded) return 0;
    blanks += steps[i].part == Part::blank;
  }
  return blanks;
}

}  // namespace

std::variant<Pattern, PatternFault> Pattern::compile(std::string_view source, PatternUse use,
                                                     std::optional<TimeLayout> layout) {
  if (source.find_first_not_of(" \t") == std::string_view::npos)
    return fault("an empty pattern fits nothing", 0, source.size());
  auto parse_result = parse(source, use);
  if (auto* bad = std::get_if<PatternFault>(&parse_result)) return std::move(*bad);
  Parsed& parsed = std::get<Parsed>(parse_result);
  link(parsed.steps);

  Pattern pattern;
  pattern.source_ = source;
  pattern.captures_ = std::move(parsed.captures);
  pattern.layout_ = std::move(layout);
  pattern.slots_ = parsed.slots;
  bool in_head = true;
  for (std::size_t i = 0; i < parsed.steps.size(); ++i) {
    const Step& step = parsed.steps[i];
    pattern.literal_bytes_ += step.part == Part::blank ? 1 : step.literal.size();
    if (step.literal.size() > pattern.required_literal_.size())
      pattern.required_literal_ = step.literal;
    in_head = in_head && (step.part == Part::literal || step.part == Part::blank);
    if (!in_head) continue;
    pattern.usual_prefix_ += step.part == Part::blank ? " " : step.literal;
    if (step.part == Part::literal) {
      pattern.head_ = pattern.usual_prefix_;
      pattern.after_head_ = i + 1;
    }
  }
  pattern.minimum_length_ = pattern.literal_bytes_;
  if (!pattern.layout_) pattern.header_blanks_ = count_header_blanks(parsed.steps);
  pattern.literal_prefix_ = parsed.steps.front().literal;
  if (parsed.steps.size() > 1)
    pattern.literal_suffix_ = parsed.steps[parsed.steps.size() - 2].literal;
  pattern.first_bytes_ = parsed.steps.front().first_bytes;
  pattern.first_mask_ = parsed.steps.front().first_mask;
  if (use == PatternUse::message) pattern.swift_ = swift_of(parsed.steps);
  pattern.steps_ = std::move(parsed.steps);
  return pattern;
}

}  // namespace logtally::rules
