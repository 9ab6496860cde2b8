#include "rules/record_decoder.h"

#include <cstring>

#include "rules/ansi.h"

namespace logtally::rules {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Any of the characters of which NUL and ESC are two; a loop that compilers make vectors of.
bool has_control(std::string_view text) {
  unsigned char found = 0;
  for (const char c : text)
    found |= static_cast<unsigned char>(static_cast<unsigned char>(c) < 0x20);
  return found != 0;
}

bool has_nul(std::string_view text) {
  return !text.empty() && std::memchr(text.data(), '\0', text.size()) != nullptr;
}

}  // namespace

RecordDecoder::RecordDecoder(const RuleSet& rules)
    : rules_(rules), json_(rules.plan()), fields_(rules.plan()), memo_(rules.formats()) {}

LineKind RecordDecoder::decode_closely(std::string_view line, Event& event, Scratch& scratch,
                                       bool plain) {
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.starts_with('{')) {
    if (json_.decode(line.data(), event) == line.data() + line.size() + 1) return LineKind::json;
    return has_nul(line) ? LineKind::failed_nul : LineKind::failed_json;
  }
  if (!plain && has_control(line)) {
    if (has_nul(line)) return LineKind::failed_nul;
    line = strip_ansi(line, scratch);
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  event.line = line;
  if (const Format* format = rules_.formats().fit(line, event, fields_, json_, memo_, scratch)) {
    if (HeaderMemo::Header* const header = memo_.fresh()) {
      if (auto rules = rules_.header_rules(event)) header->rules = memo_.keep(std::move(*rules));
    }
    return format->joins ? LineKind::joining_format : LineKind::format;
  }
  event.format = {};
  event.known_message = line;
  return LineKind::bare;
}

}  // namespace logtally::rules
