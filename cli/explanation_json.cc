// One JSON object a record. Keys are always there, whatever the record is; what is not known is
// null, what there is none of is empty.
#include <fmt/format.h>

#include "cli/explanation_view.h"
#include "config/utf8.h"

namespace logtally::cli {
namespace {

using rules::Explanation;

// Appends JSON; puts commas where they belong.
class JsonText {
 public:
  explicit JsonText(std::string& out) : out_(out) {}

  void open(char bracket) {
    separate();
    out_ += bracket;
    fresh_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    fresh_ = false;
  }
  void key(std::string_view name) {
    separate();
    quote(name);
    out_ += ':';
    fresh_ = true;
  }
  void text(std::string_view value) {
    separate();
    quote(value);
  }
  void raw(std::string_view value) {  // a number, true, false or null
    separate();
    out_ += value;
  }

  void member(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  void member(std::string_view name, const std::string& value) {
    member(name, std::string_view(value));
  }
  void member(std::string_view name, const char* value) { member(name, std::string_view(value)); }
  void member(std::string_view name, const std::optional<std::string>& value) {
    key(name);
    if (value) {
      text(*value);
    } else {
      raw("null");
    }
  }
  void member(std::string_view name, const std::optional<metrics::Decimal>& value) {
    key(name);
    raw(value ? metrics::to_string(*value) : "null");
  }
  void member(std::string_view name, std::size_t value) {
    key(name);
    raw(std::to_string(value));
  }
  void truth(std::string_view name, bool value) {
    key(name);
    raw(value ? "true" : "false");
  }

 private:
  void separate() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
  }
  // Invalid UTF-8 becomes U+FFFD.
  void quote(std::string_view value) {
    out_ += '"';
    for (std::size_t at = 0; at < value.size();) {
      const char c = value[at];
      const config::CodePoint point = config::decode_utf8(value, at);
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += c;
      } else if (c == '\n') {
        out_ += "\\n";
      } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
      } else if (!point.valid) {
        out_ += "\\ufffd";
      } else {
        out_.append(value, at, point.length);
      }
      at += point.length;
    }
    out_ += '"';
  }

  std::string& out_;
  bool fresh_ = true;
};

// An object of the names; `notes` beside, where there are any, under `NAME_notes`.
void put(JsonText& json, std::string_view key, const std::vector<Explanation::Named>& all) {
  json.key(key);
  json.open('{');
  for (const Explanation::Named& one : all) json.member(one.name, one.value);
  json.close('}');
  json.key(std::string(key) + "_notes");
  json.open('{');
  for (const Explanation::Named& one : all) {
    if (!one.note.empty()) json.member(one.name, one.note);
  }
  json.close('}');
}

void put(JsonText& json, std::string_view key, const Explanation::Named& one) {
  json.key(key);
  json.open('{');
  json.member("value", one.value);
  json.member("note", one.note);
  json.close('}');
}

void put(JsonText& json, std::string_view key, const std::vector<std::string>& texts) {
  json.key(key);
  json.open('[');
  for (const std::string& text : texts) json.text(text);
  json.close(']');
}

void put(JsonText& json, const Explanation::Action& action) {
  constexpr std::string_view kOutcomes[] = {"done", "skipped", "not_true"};
  json.open('{');
  json.member("action", action.kind);
  json.member("target", action.target);
  json.member("outcome", kOutcomes[static_cast<std::size_t>(action.outcome)]);
  if (action.outcome != Explanation::Action::Outcome::done) {
    if (!action.reason.empty()) json.member("reason", action.reason);
    json.member("why", action.why);
  }
  if (action.series) {
    json.member("series", action.series->text());
    put(json, "labels", action.series->labels);
  }
  if (action.value_read) json.member("value_read", action.value_read);
  if (!action.unit.empty()) json.member("unit", action.unit);
  if (action.value) {
    json.member("value", action.value);
    if (!action.base.empty()) json.member("value_unit", action.base);
    json.member("before", action.before);
    json.member("after", action.after);
  }
  if (action.bucket) json.member("le", action.bucket);
  if (action.key) json.member("key", action.key);
  if (!action.columns.empty()) put(json, "columns", action.columns);
  if (action.elapsed) json.member("elapsed", action.elapsed);
  if (action.kind == "delete" && action.outcome == Explanation::Action::Outcome::done)
    json.member("deleted", action.deleted);
  if (!action.notes.empty()) put(json, "notes", action.notes);
  json.close('}');
}

void put(JsonText& json, const Explanation::Rule& rule) {
  json.open('{');
  json.member("name", rule.name);
  json.member("place", rule.place);
  json.truth("match", rule.matched);
  json.key("conditions");
  json.open('[');
  for (const Explanation::Condition& condition : rule.conditions) {
    json.open('{');
    json.member("key", condition.key);
    json.member("text", condition.text);
    json.truth("holds", condition.holds);
    json.member("seen", condition.seen);
    if (!condition.why.empty()) json.member("why", condition.why);
    json.close('}');
  }
  json.close(']');
  if (rule.matched) {
    put(json, "captures", rule.captures);
    put(json, "let", rule.lets);
    put(json, "fields", rule.fields);
    json.key("actions");
    json.open('[');
    for (const Explanation::Action& action : rule.actions) put(json, action);
    json.close(']');
  } else {
    json.member("wants", rule.failed);
  }
  json.close('}');
}

}  // namespace

std::string explanation_json(const Explanation& explanation, bool all) {
  std::string out;
  JsonText json(out);
  json.open('{');
  if (!explanation.refused.empty()) {
    json.member("kind", "refused");
    json.member("reason", explanation.refused);
    json.member("line", explanation.line);
    json.member("bytes", explanation.bytes);
    json.truth("matched", false);
    json.key("rules");
    json.open('[');
    json.close(']');
    json.close('}');
    return out + '\n';
  }
  json.member("kind", explanation.kind);
  json.member("format", explanation.format);
  json.member("line", explanation.line);
  json.member("bytes", explanation.bytes);
  json.member("lines", explanation.lines);
  put(json, "keys", explanation.keys);
  json.member("wrapper", explanation.wrapper);
  json.member("stream", explanation.stream);
  json.key("other_formats");
  json.open('{');
  for (const Explanation::OtherFormat& other : explanation.others)
    json.member(other.name, other.why);
  json.close('}');
  put(json, "time", {.name = {}, .value = explanation.time, .note = explanation.time_note});
  put(json, "level", explanation.level);
  put(json, "logger", explanation.logger);
  put(json, "message", explanation.message);
  json.member("exception", explanation.exception.value);
  json.key("redactions");
  json.open('{');
  for (const auto& [name, times] : explanation.redactions) json.member(name, times);
  json.close('}');
  put(json, "due", explanation.due);
  json.truth("matched", explanation.matched);
  const ExplanationView view = view_of(explanation, all);
  json.key("rules");
  json.open('[');
  for (const Explanation::Rule* rule : view.shown) put(json, *rule);
  json.close(']');
  json.key("more_rules");
  json.open('[');
  for (const ExplanationView::More& more : view.more) {
    json.open('{');
    json.member("wants", more.wants);
    json.key("rules");
    json.open('[');
    for (const std::string_view rule : more.rules) json.text(rule);
    json.close(']');
    json.close('}');
  }
  json.close(']');
  json.member("nearest", view.nearest == nullptr ? std::optional<std::string>()
                                                 : std::optional(view.nearest->name));
  json.close('}');
  return out + '\n';
}

}  // namespace logtally::cli
