// The events of a YAML text, pulled one at a time, with byte offsets. The one place that knows
// libyaml (yaml_events.cc): none of its types, words or character counts come out of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace logtally::config {

struct YamlEvent {
  enum class Kind : std::uint8_t {
    document,  // begins; where it ends is not told
    scalar,
    alias,
    sequence,  // begins
    map,       // begins
    close,     // of the sequence or map that was opened last
    end        // of the text
  };
  Kind kind = Kind::end;
  std::uint32_t begin = 0;  // byte where it begins; of what is absent: where it would stand
  bool plain = false;       // scalar: neither in quotes nor a block
  bool tagged = false;
  bool anchored = false;
  std::string text;  // scalar: its value; a plain one without a value is absent
};

class YamlEvents {
 public:
  // `text` outlives this: UTF-8 without a byte order mark, at most kMaxYamlBytes.
  explicit YamlEvents(std::string_view text);
  ~YamlEvents();
  YamlEvents(const YamlEvents&) = delete;
  YamlEvents& operator=(const YamlEvents&) = delete;

  // Fills `event`. False: the text is no YAML, and `event.begin` tells where the reading stopped.
  // Not called again after Kind::end or false.
  bool next(YamlEvent& event);

 private:
  struct Parser;  // libyaml's

  std::uint32_t offset(std::size_t character);

  std::string_view text_;
  bool ascii_;                 // a byte is a character
  std::size_t character_ = 0;  // the one that was asked for last …
  std::size_t byte_ = 0;       // … and where it is
  std::unique_ptr<Parser> parser_;
};

}  // namespace logtally::config
