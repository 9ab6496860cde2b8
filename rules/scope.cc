#include "rules/scope.h"

#include "rules/expression.h"
#include "rules/json_decoder.h"
#include "rules/level.h"
#include "rules/pattern.h"
#include "rules/timestamp.h"

namespace logtally::rules {
namespace {

constexpr std::string_view kTraceback = "Traceback (most recent call last):";

bool plain_integer(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  for (const char c : text) {
    if (static_cast<unsigned char>(c - '0') > 9) return false;
  }
  return !text.empty();
}

Token text_token(std::string_view text) {
  return {.data = text.data(),
          .size = static_cast<std::uint32_t>(text.size()),
          .kind = TokenKind::string,
          .escaped = false};
}

}  // namespace

void Scope::make_room_for_lets() {
  let_values_.resize(lets_.size());
  let_known_.resize(lets_.size());
}

void Scope::set_row(std::uint16_t index, const Value& value) {
  if (rows_.size() <= index) rows_.resize(index + std::size_t{1});
  rows_[index] = value;
}

std::string_view Scope::make_text(const Token& token) {
  switch (token.kind) {
    case TokenKind::missing:
    case TokenKind::null:
      return {};
    case TokenKind::boolean_true:
      return scratch_.keep("true");  // as every text here: with room to read behind it
    case TokenKind::boolean_false:
      return scratch_.keep("false");
    case TokenKind::number: {
      if (plain_integer(token.text())) return token.text();
      const metrics::ParsedDecimal parsed = metrics::parse_decimal(token.text());
      if (parsed.error != metrics::NumberError::none) return token.text();
      return scratch_.keep(metrics::to_string(parsed.value));
    }
    case TokenKind::string: {
      if (!token.escaped) return token.text();
      std::string plain;
      unescape_json(token.text(), plain);
      return scratch_.keep(plain);
    }
    case TokenKind::not_finite:
    case TokenKind::object:
    case TokenKind::array:
      return token.text();
  }
  return {};
}

Value Scope::to_value(const Token& token) {
  switch (token.kind) {
    case TokenKind::missing:
    case TokenKind::null:
      return Value::absent();
    case TokenKind::boolean_true:
      return Value::of(true);
    case TokenKind::boolean_false:
      return Value::of(false);
    case TokenKind::number: {
      const metrics::ParsedDecimal parsed = metrics::parse_decimal(token.text());
      // A number that no Decimal holds is still a text: it can be a label, and is refused where a
      // number is wanted.
      if (parsed.error != metrics::NumberError::none) return Value::of(token.text());
      return Value::of(parsed.value);
    }
    default:
      return Value::of(text(token));
  }
}

void Scope::find_message() {
  message_known_ = true;
  if (event_->known_message.data() != nullptr) {
    message_ = event_->known_message;
    message_there_ = true;
  } else if (const Token& token = field(known_->message); token.present()) {
    message_ = text(token);
    message_there_ = true;
  }
  if (event_->rest.empty()) return;
  // The first line with text: some engines begin a message with a newline.
  if (message_.find_first_not_of(" \t\r") != std::string_view::npos) return;
  std::string_view rest = event_->rest;
  while (!rest.empty()) {
    const std::size_t newline = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(std::min(newline + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    message_ = line;
    message_there_ = true;
    break;
  }
}

std::optional<std::int64_t> Scope::find_time_ns() {
  const Token& token = field(known_->time);
  if (token.present()) {
    if (const auto parsed = parse_timestamp(text(token))) return parsed;
  }
  return event_->origin.has_time ? std::optional(event_->origin.time_ns) : std::nullopt;
}

std::int64_t Scope::time_ns() { return own_time_ns().value_or(event_->origin.time_ns); }

Value Scope::exception() {
  if (const Token& type = field(known_->exception_type); type.present()) {
    const std::string_view name = text(type);
    return Value::of(name.substr(name.rfind('.') + 1));
  }
  if (const Token& traceback = field(known_->exception); traceback.kind == TokenKind::string) {
    const std::string_view name = exception_class(text(traceback));
    if (!name.empty()) return Value::of(name);
  }
  // From the first line on: a traceback may begin there, behind the header.
  if (!event_->rest.empty() && event_->line.find(kTraceback) != std::string_view::npos) {
    const std::string_view name = exception_class(event_->line);
    if (!name.empty()) return Value::of(name);
  }
  return Value::absent();
}

const Value& Scope::let_value(std::size_t index) {
  if (let_known_[index] == 0) {
    let_known_[index] = 1;
    const Value made = lets_[index].evaluate(*this);
    let_values_[index] = made;
  }
  return let_values_[index];
}

Token Scope::find_token(const Ref& ref) {
  switch (ref.source) {
    case Ref::Source::field:
      return field(ref.index);
    case Ref::Source::capture:
      return ref.under == Ref::kNoField ? Token{} : field(ref.under);
    case Ref::Source::row:
      if (ref.index < rows_.size() && rows_[ref.index].usable())
        return text_token(value_text(rows_[ref.index], *this));
      return ref.under == Ref::kNoField ? Token{} : field(ref.under);
    case Ref::Source::message:
      return has_message() ? text_token(message_) : Token{};
    case Ref::Source::let: {
      const Value& made = let_value(ref.index);
      return made.usable() ? text_token(value_text(made, *this)) : Token{};
    }
    case Ref::Source::line:
      return text_token(event_->line);
    default: {
      const Value made = value(ref);
      return made.usable() ? text_token(value_text(made, *this)) : Token{};
    }
  }
}

Value Scope::value(const Ref& ref) {
  switch (ref.source) {
    case Ref::Source::field:
    case Ref::Source::capture:
    case Ref::Source::message:
    case Ref::Source::line:
      return to_value(token(ref));
    case Ref::Source::level: {
      const Token& token = field(known_->level);
      if (!token.present()) return Value::absent();
      const Level level = parse_level(text(token));
      return Value::of(level == Level::none ? text(token) : level_name(level));
    }
    case Ref::Source::time: {
      // Seconds with nine digits behind the point fit the 10^-15 of a Decimal.
      return Value::of(Decimal::from_units(static_cast<metrics::int128>(time_ns()) * 1'000'000));
    }
    case Ref::Source::rest:
      return event_->rest.empty() ? Value::absent() : Value::of(event_->rest);
    case Ref::Source::format:
      return event_->format.empty() ? Value::absent() : Value::of(event_->format);
    case Ref::Source::row:
      if (ref.index < rows_.size() && rows_[ref.index].usable()) return rows_[ref.index];
      return ref.under == Ref::kNoField ? Value::absent() : to_value(field(ref.under));
    case Ref::Source::exception:
      return exception();
    case Ref::Source::file:
      return event_->origin.file.empty() ? Value::absent() : Value::of(event_->origin.file);
    case Ref::Source::stream:
      return event_->origin.stream.empty() ? Value::absent() : Value::of(event_->origin.stream);
    case Ref::Source::let:
      return let_value(ref.index);
  }
  return Value::absent();
}

std::string_view exception_class(std::string_view traceback) {
  // The line behind the frames of a traceback, `module.Class: message` or `Class`; of several
  // tracebacks the last one's.
  std::string_view last;
  bool in_frames = false;
  bool any_header = false;
  std::size_t margin = 0;  // of an exception group: its lines begin with a `|` in this column
  while (!traceback.empty()) {
    const std::size_t newline = std::min(traceback.find('\n'), traceback.size());
    std::string_view line = traceback.substr(0, newline);
    traceback.remove_prefix(std::min(newline + 1, traceback.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t indent = line.find_first_not_of(" \t");
    if (line.ends_with(kTraceback) && (indent == 0 || line[indent] == '+')) {
      in_frames = true;
      any_header = true;
      margin = indent;
      continue;
    }
    if (margin > 0 && line.size() > margin + 2 && indent == margin && line[margin] == '|')
      line.remove_prefix(margin + 2);
    if (line.empty() || line[0] == ' ' || line[0] == '\t') continue;
    if (any_header && !in_frames) continue;  // a further line of the message
    const std::string_view name = line.substr(0, line.find_first_of(": "));
    const bool word = !name.empty() &&
                      name.find_first_not_of(
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.<>") ==
                          std::string_view::npos;
    const bool whole = name.size() == line.size() || line[name.size()] == ':';
    if (word && whole && (any_header || last.empty())) last = name.substr(name.rfind('.') + 1);
    in_frames = false;
  }
  return last;
}

}  // namespace logtally::rules
