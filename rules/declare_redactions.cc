// The declaring half of the compiler, continued: redactions.
#include <algorithm>

#include <re2/re2.h>

#include "config/suggest.h"
#include "rules/compiler.h"
#include "rules/secret_shapes.h"

namespace logtally::rules {

void Compiler::compile_redactions(const Document& document, const Node& node) {
  if (!config::expect_map(reading(document), node, "`redact`")) return;
  for (const Node::Entry& entry : node.entries) {
    // Two packs may know the same redaction under the same name.
    std::string source;
    for (const Node::Entry& part : entry.value.entries)
      source += part.key.text + '=' + part.value.text + '\n';
    if (const auto known = redaction_sources_.find(entry.key.text);
        known != redaction_sources_.end() && known->second == source)
      continue;
    redaction_sources_.emplace(entry.key.text, std::move(source));
    if (const auto known = redaction_places_.find(entry.key.text);
        known != redaction_places_.end()) {
      twice(
          fault("E031", document, entry.key, "redaction `" + entry.key.text + "` is defined twice"),
          known->second, "defined");
      continue;
    }
    if (!valid_label_name(entry.key.text)) {
      fault("E032", document, entry.key, "`" + entry.key.text + "` is no name for a redaction",
            "letters, digits and `_`, not a digit first");
      continue;
    }
    redaction_places_.emplace(entry.key.text, document.place(entry.key));
    if (redactions_.size() == Redactions::kMost) {
      fault("E013", document, entry.key,
            "there are more than " + std::to_string(Redactions::kMost) + " redactions");
      return;
    }
    compile_redaction(document, entry.key, entry.value);
  }
}

void Compiler::compile_redaction(const Document& document, const Node& key, const Node& body) {
  if (!config::expect_map(reading(document), body, "a redaction")) return;
  const config::MeantKeys meant =
      check_keys(document, body, {.allowed = {"regex", "builtin", "field", "with"}, .later = {}},
                 "a redaction");
  const Node* const regex = body.find("regex");
  const Node* const builtin = body.find("builtin");
  const Node* const field = body.find("field");
  if ((regex != nullptr) + (builtin != nullptr) + (field != nullptr) != 1) {
    if (!meant.contain("regex") && !meant.contain("builtin") && !meant.contain("field"))
      fault("E011", document, key,
            "redaction `" + key.text + "` needs one of `regex`, `builtin` and `field`")
          .helps.emplace_back(key.text + ": {builtin: email, with: hash}");
    return;
  }
  Redaction redaction;
  redaction.name = key.text;
  if (regex != nullptr) {
    redaction.kind = Redaction::Kind::regex;
    redaction.regex = compile_regular_expression(document, *regex);
    if (redaction.regex == nullptr) return;
    if (re2::RE2::FullMatch("", *redaction.regex)) {
      fault("E041", document, *regex, "this regular expression finds nothing at all everywhere",
            "it fits an empty text");
      return;
    }
  } else if (builtin != nullptr) {
    if (!expect_text(document, *builtin, "`builtin`")) return;
    redaction.kind = Redaction::Kind::shape;
    redaction.shape = find_shape(builtin->text);
    if (redaction.shape == nullptr) {
      std::vector<std::string_view> names;
      for (const SecretShape& shape : secret_shapes()) names.push_back(shape.name);
      const std::string near = config::suggest(builtin->text, names);
      fault("E013", document, *builtin, "there is no built-in redaction `" + builtin->text + "`",
            near.empty() ? "" : "did you mean `" + near + "`?")
          .notes.push_back("built in: " + config::join(names));
      return;
    }
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_encoding(re2::RE2::Options::EncodingLatin1);
    redaction.regex =
        std::make_shared<const re2::RE2>(std::string(redaction.shape->regex), options);
  } else {
    if (!expect_text(document, *field, "`field`")) return;
    redaction.kind = Redaction::Kind::field;
    redaction.field =
        parse_field_path(field->text.starts_with('$') ? field->text.substr(1) : field->text);
    if (redaction.field.empty()) {
      fault("E013", document, *field, "`" + field->text + "` is no field",
            "a name, or a path like `extra.prompt`");
      return;
    }
    if (redaction.field.size() == 1)
      field_redactions_.push_back({key.text, redaction.field.front(), document.place(*field)});
  }
  redaction.text = "***";
  if (const Node* const with = body.find("with")) {
    if (!expect_text(document, *with, "`with`")) return;
    if (with->text == "hash" || with->text == "drop") {
      redaction.with = with->text == "hash" ? Redaction::With::hash : Redaction::With::drop;
    } else {
      redaction.text = with->text;
    }
    if (std::any_of(with->text.begin(), with->text.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
      fault("E013", document, *with, "`with` is a text of one line");
      return;
    }
    std::string error;
    if (redaction.kind == Redaction::Kind::regex &&
        !redaction.regex->CheckRewriteString(redaction.text, &error)) {
      fault("E041", document, *with, "the replacement does not go with its regular expression",
            error);
      return;
    }
  }
  redactions_.push_back(std::move(redaction));
}

// What a pattern or a regular expression captures stands in the text without its name, where a
// redaction by name does not see it.
void Compiler::check_field_redactions() {
  for (const FieldRedaction& known : field_redactions_) {
    const auto refuse = [&](const std::string& owner, const config::Place& place) {
      config::Diagnostic& d = diagnostics_.add(
          "E013", known.place,
          "redaction `" + known.redaction + "` does not reach `<" + known.field + ">` of " + owner,
          "found in JSON, `" + known.field + "=value` and dicts");
      d.also.push_back({place, "captured here"});
      d.helps.push_back(
          "redact it by `regex` or by its shape (`builtin`), or give the capture "
          "another name if it is meant to be kept");
    };
    for (const Format& format : set_->formats_.all()) {
      const auto& captures = format.pattern.captures();
      if (std::any_of(captures.begin(), captures.end(),
                      [&](const Capture& capture) { return capture.name == known.field; }))
        refuse("format `" + format.name + "`", formats_.at(format.name));
    }
    for (const Rule& rule : set_->rules()) {
      if (std::find(rule.capture_names.begin(), rule.capture_names.end(), known.field) !=
          rule.capture_names.end())
        refuse("rule `" + rule.name + "`", rule.place);
    }
  }
}

}  // namespace logtally::rules
