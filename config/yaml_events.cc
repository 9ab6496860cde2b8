#include "config/yaml_events.h"

#include <yaml.h>

#include <algorithm>
#include <new>

namespace logtally::config {

struct YamlEvents::Parser {
  explicit Parser(std::string_view text) {
    if (yaml_parser_initialize(&it) == 0) throw std::bad_alloc();
    yaml_parser_set_encoding(&it, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&it, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Parser() { yaml_parser_delete(&it); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  yaml_parser_t it;
};

namespace {

bool continues(char c) { return (c & 0xC0) == 0x80; }  // a character of several bytes

// What libyaml allocated for one event.
struct Received {
  Received() : it() {}
  ~Received() { yaml_event_delete(&it); }
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;

  yaml_event_t it;
};

}  // namespace

YamlEvents::YamlEvents(std::string_view text)
    : text_(text),
      ascii_(std::none_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })),
      parser_(std::make_unique<Parser>(text)) {}

YamlEvents::~YamlEvents() = default;

bool YamlEvents::next(YamlEvent& event) {
  using Kind = YamlEvent::Kind;
  event.text.clear();
  event.plain = event.tagged = event.anchored = false;
  while (true) {
    Received received;
    if (yaml_parser_parse(&parser_->it, &received.it) == 0) {
      const bool unreadable = parser_->it.error == YAML_READER_ERROR;  // the one that counts bytes
      event.begin =
          unreadable
              ? static_cast<std::uint32_t>(std::min(parser_->it.problem_offset, text_.size()))
              : offset(parser_->it.problem_mark.index);
      return false;
    }
    event.begin = offset(received.it.start_mark.index);
    const auto& data = received.it.data;
    switch (received.it.type) {
      case YAML_NO_EVENT:
      case YAML_STREAM_END_EVENT:
        event.kind = Kind::end;
        return true;
      case YAML_STREAM_START_EVENT:
      case YAML_DOCUMENT_END_EVENT:
        continue;
      case YAML_DOCUMENT_START_EVENT:
        event.kind = Kind::document;
        return true;
      case YAML_ALIAS_EVENT:
        event.kind = Kind::alias;
        return true;
      case YAML_SCALAR_EVENT:
        event.kind = Kind::scalar;
        event.plain = data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        event.tagged = data.scalar.tag != nullptr;
        event.anchored = data.scalar.anchor != nullptr;
        event.text.assign(reinterpret_cast<const char*>(data.scalar.value), data.scalar.length);
        return true;
      case YAML_SEQUENCE_START_EVENT:
        event.kind = Kind::sequence;
        event.tagged = data.sequence_start.tag != nullptr;
        event.anchored = data.sequence_start.anchor != nullptr;
        return true;
      case YAML_MAPPING_START_EVENT:
        event.kind = Kind::map;
        event.tagged = data.mapping_start.tag != nullptr;
        event.anchored = data.mapping_start.anchor != nullptr;
        return true;
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        event.kind = Kind::close;
        return true;
    }
  }
}

// From the character that was asked for last, in either direction: events come nearly in order.
std::uint32_t YamlEvents::offset(std::size_t character) {
  if (ascii_) return static_cast<std::uint32_t>(std::min(character, text_.size()));
  while (character_ < character && byte_ < text_.size()) {
    do ++byte_;
    while (byte_ < text_.size() && continues(text_[byte_]));
    ++character_;
  }
  while (character_ > character && byte_ > 0) {
    do --byte_;
    while (byte_ > 0 && continues(text_[byte_]));
    --character_;
  }
  return static_cast<std::uint32_t>(byte_);
}

}  // namespace logtally::config
