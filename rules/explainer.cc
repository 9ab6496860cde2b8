#include "rules/explainer.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <re2/re2.h>

#include "config/suggest.h"
#include "rules/level.h"
#include "rules/misfit.h"

namespace logtally::rules {
namespace {

constexpr std::size_t kRefusedShown = 200;  // bytes of a line that is no record
constexpr std::size_t kNearLiteral = 4;     // bytes of a pattern that make a near miss

std::string in_quotes(std::string_view text) { return "\"" + std::string(text) + "\""; }
std::string in_ticks(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string place_text(const config::Place& place) {
  if (!place.file) return {};
  return place.file->name + ":" +
         std::to_string(config::line_column(*place.file, place.span.begin).line);
}

// A condition's test behind its field: `= "x"`, `is missing`.
std::string test_text(const Test& test) {
  const auto joined = [&](std::string_view between) {
    std::string text;
    for (const Test& inner : test.inner)
      text += (text.empty() ? "" : std::string(between)) + test_text(inner);
    return text;
  };
  switch (test.kind) {
    case Test::Kind::equal:
      return "= " + in_quotes(test.text);
    case Test::Kind::any_of:
      return joined(" or ");
    case Test::Kind::all_of:
      return joined(" and ");
    case Test::Kind::missing:
      return "is missing";
    case Test::Kind::exists:
      return "is there";
    case Test::Kind::prefix:
      return "begins with " + in_quotes(test.text);
    case Test::Kind::regex:
      return "=~ " + in_quotes(test.regex->pattern());
    case Test::Kind::negation:
      return "not (" + joined("") + ")";
  }
  return {};
}

// Is the value what the test wants but for a slip of the pen?
bool nearly(const Test& test, std::string_view seen) {
  if (test.kind == Test::Kind::any_of)
    return std::any_of(test.inner.begin(), test.inner.end(),
                       [&](const Test& inner) { return nearly(inner, seen); });
  if (test.kind != Test::Kind::equal || test.text.size() < 4 || seen.size() > 256) return false;
  const std::size_t most = std::max<std::size_t>(1, test.text.size() / 5);
  if (seen.size() > test.text.size() + most || seen.size() + most < test.text.size()) return false;
  return config::edit_distance(test.text, seen) <= most;
}

// Keys of the outermost object of a text that is one JSON object.
std::vector<std::string> keys_of(std::string_view json) {
  std::vector<std::string> keys;
  int depth = 0;
  bool key_next = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      const std::size_t begin = ++i;
      while (i < json.size() && json[i] != '"') i += json[i] == '\\' ? 2 : 1;
      if (depth == 1 && key_next && i <= json.size()) {
        std::string key;
        unescape_json(json.substr(begin, i - begin), key);
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
      }
      key_next = false;
    } else if (c == '{' || c == '[') {
      ++depth;
      key_next = depth == 1;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ',') {
      key_next = depth == 1;
    }
  }
  return keys;
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  std::size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

// Whether it is worth asking how far a pattern goes: most share nothing with a text.
bool may_be_near(const Pattern& pattern, std::string_view text) {
  if (pattern.usual_prefix().size() >= kNearLiteral)
    return common_prefix(pattern.usual_prefix(), text) >= kNearLiteral;
  return pattern.required_literal().size() >= kNearLiteral &&
         text.find(pattern.required_literal()) != std::string_view::npos;
}

std::string seconds_text(std::int64_t ns) {
  return metrics::to_string(Decimal::from_units(static_cast<metrics::int128>(ns) * 1'000'000)) +
         " s";
}

std::string_view verb_of(Action::Kind kind) {
  constexpr std::array<std::string_view, 10> kVerbs = {
      "inc", "dec", "add", "set", "set", "observe", "delete", "remember", "take", "store"};
  return kVerbs[static_cast<std::size_t>(kind)];
}

}  // namespace

std::string rfc3339(std::int64_t ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = ns / kSecond;
  std::int64_t fraction = ns % kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm utc = {};
  gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::string out = text.data();
  if (fraction != 0) {
    std::string digits = std::to_string(kSecond + fraction).substr(1);
    while (digits.ends_with("000")) digits.resize(digits.size() - 3);
    out += "." + digits;
  }
  return out + "Z";
}

std::string_view reason_name(SkipReason reason) {
  constexpr std::array<std::string_view, metrics::kSkipReasons> kNames = {
      "missing_field", "not_a_number", "not_finite", "negative", "unknown_key", "over_limit"};
  return kNames[static_cast<std::size_t>(reason)];
}

std::string Explanation::Series::text() const {
  std::string out = metric;
  for (std::size_t i = 0; i < labels.size(); ++i)
    out += (i == 0 ? "{" : ",") + labels[i].name + "=\"" + labels[i].value.value_or("") + "\"";
  return labels.empty() ? out : out + "}";
}

Explainer::Explainer(const RuleSet& rules, std::function<void(const Explanation&)> tell)
    : rules_(rules), tell_(std::move(tell)) {
  for (const Rule& rule : rules.rules()) places_.push_back(place_text(rule.place));
  for (std::size_t slot = 0; slot < rules.plan().slot_count(); ++slot)
    slot_paths_.push_back(to_string(rules.plan().path_of(static_cast<SlotId>(slot))));
}

// ---------------------------------------------------------------- the record

void Explainer::record_begins(const Event& event, Scope& scope) {
  const auto redactions = std::move(now_.redactions);  // told before the record begins
  now_ = Explanation{};
  now_.redactions = redactions;
  scope_ = &scope;
  notes_.clear();
  found_.reset();
  missed_key_.reset();
  expiring_ = false;
  describe_record(event);
}

void Explainer::record_done(const Event&, bool matched) {
  now_.matched = matched;
  tell_(now_);
  now_ = Explanation{};
  scope_ = nullptr;
}

void Explainer::line_refused(std::string_view reason, std::string_view line) {
  now_ = Explanation{};
  now_.refused = reason;
  now_.line = line.substr(0, kRefusedShown);
  now_.bytes = line.size();
  tell_(now_);
  now_ = Explanation{};
}

void Explainer::redacted(std::string_view name, std::size_t times) {
  for (auto& [known, count] : now_.redactions) {
    if (known == name) {
      count += times;
      return;
    }
  }
  now_.redactions.emplace_back(name, times);
}

void Explainer::describe_record(const Event& event) {
  now_.line = event.line;
  now_.bytes = event.line.size();
  now_.lines = 1 + static_cast<std::size_t>(std::count(event.line.begin(), event.line.end(), '\n'));
  if (event.origin.wrapping == Wrapping::docker) now_.wrapper = "docker";
  if (event.origin.wrapping == Wrapping::cri) now_.wrapper = "cri";
  now_.stream = event.origin.stream;
  describe_format(event);
  describe_time(event);

  const WellKnownFields& known = rules_.known();
  now_.level = well_known("level", known.level);
  if (now_.level.value) {
    const std::string written = *now_.level.value;
    const Level level = parse_level(written);
    if (level == Level::none) {
      now_.level.note += ", a level that is not known";
    } else {
      now_.level.value = std::string(level_name(level));
      now_.level.note += " = " + in_quotes(written);
    }
  }
  now_.logger = well_known("logger", known.logger);
  if (event.format.empty()) {
    now_.message = {.name = "message", .value = {}, .note = "the whole line"};
  } else {
    now_.message = well_known("message", known.message);
  }
  if (scope_->has_message()) now_.message.value = std::string(scope_->message());
  now_.exception = {
      .name = "exception", .value = text_of(Ref{.source = Ref::Source::exception}), .note = {}};
}

void Explainer::describe_format(const Event& event) {
  if (event.format == Event::kJsonFormat) {
    now_.kind = "json";
    now_.keys = keys_of(event.line);
    return;
  }
  const std::string_view line = event.line.substr(0, event.line.find('\n'));
  std::string_view first = line;
  if (first.ends_with('\r')) first.remove_suffix(1);
  now_.kind = event.format.empty() ? "bare" : "text";
  now_.format = event.format;
  for (const Format& format : rules_.formats().all()) {
    if (format.name == event.format) {
      now_.pattern = format.pattern.source();
      for (const Capture& capture : format.pattern.captures()) now_.keys.push_back(capture.name);
      continue;
    }
    Explanation::OtherFormat other{.name = format.name, .why = {}};
    if (const auto why = misfits_.find(format.pattern, PatternUse::format, first, format.layout)) {
      other.why = why->why;
    } else if (format.has_fields && now_.pattern.empty()) {
      other.why = "its `<fields>` are no JSON object, dict or key=value pairs";
    } else {
      other.why = "fits too, with less literal text";
    }
    now_.others.push_back(std::move(other));
  }
}

void Explainer::describe_time(const Event& event) {
  const auto own = scope_->own_time_ns();
  if (own) now_.time = rfc3339(*own);
  const Found field = find(rules_.known().time);
  if (event.time_ns) {
    now_.time_note = "from `<time>`";
    const std::string_view line = event.line.substr(0, event.line.find('\n'));
    for (const Format& format : rules_.formats().all()) {
      if (format.name != event.format) continue;
      if (!format.layout.empty()) {
        const std::size_t newline = format.layout.find('\n');
        now_.time_note += " (" + format.layout.substr(0, newline) + ")";
        break;
      }
      std::array<std::string_view, Pattern::kMaxCaptures> captures;
      if (!format.pattern.match(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line,
                                captures))
        break;
      for (std::size_t i = 0; i < format.pattern.captures().size(); ++i) {
        if (format.pattern.captures()[i].shape == CaptureShape::time)
          now_.time_note += " (" + std::string(time_notation(captures[i])) + ")";
      }
      break;
    }
    return;
  }
  std::string unread;
  if (field.token.present()) {
    const std::string_view text = scope_->text(field.token);
    if (parse_timestamp(text)) {
      now_.time_note =
          "from " + in_ticks(field.path) + " (" + std::string(time_notation(text)) + ")";
      return;
    }
    unread = "; " + in_ticks(field.path) + " = " + in_quotes(config::printable(text)) +
             " is no time that is read";
  }
  now_.time_note =
      (event.origin.has_time ? "from the wrapper" : "none in the line: its arrival counts") +
      unread;
}

Explainer::Found Explainer::find(FieldId field) const {
  const auto look = [&](const Event& event, bool in_fields) -> Found {
    for (const SlotId slot : rules_.plan().candidates(field)) {
      if (event.has(slot) && event.slot(slot).present())
        return {.token = event.slot(slot), .path = slot_paths_[slot], .in_fields = in_fields};
    }
    return {};
  };
  if (scope_->overlay() != nullptr) {
    Found found = look(*scope_->overlay(), true);
    if (found.token.present()) return found;
  }
  return look(scope_->event(), false);
}

Explanation::Named Explainer::well_known(std::string_view name, FieldId field) const {
  Explanation::Named told{.name = std::string(name), .value = {}, .note = {}};
  const Found found = find(field);
  if (!found.token.present()) return told;
  told.value = std::string(scope_->text(found.token));
  const bool text = now_.kind == "text";
  told.note =
      "from " + (text && found.path == name ? "`<" + found.path + ">`" : in_ticks(found.path));
  return told;
}

std::string Explainer::text_of(const Value& value) const {
  return std::string(value_text(value, *scope_));
}

OptionalText Explainer::text_of(const Ref& ref) const {
  switch (ref.source) {
    case Ref::Source::let: {
      const auto known = scope_->known_let(ref.index);
      return known && known->usable() ? OptionalText(text_of(*known)) : std::nullopt;
    }
    case Ref::Source::field: {
      const Found found = find(ref.index);
      if (!found.token.present()) return std::nullopt;
      return std::string(scope_->text(found.token));
    }
    default: {
      const Value value = scope_->value(ref);
      return value.usable() ? OptionalText(text_of(value)) : std::nullopt;
    }
  }
}

// What a name of a rule stands for, and where that was found.
Explanation::Named Explainer::named(const std::string& name, const Ref& ref) const {
  Explanation::Named told{.name = name, .value = text_of(ref), .note = {}};
  const std::uint16_t field = ref.source == Ref::Source::field ? ref.index : ref.under;
  if (ref.source == Ref::Source::capture && ref.index < scope_->captured().size() &&
      scope_->captured()[ref.index].data() != nullptr) {
    told.note = "captured";
  } else if (ref.source == Ref::Source::let) {
    told.note = "of this rule";
  } else if (field != Ref::kNoField) {
    const Found found = find(field);
    if (!found.token.present()) {
      std::string looked;
      for (const SlotId slot : rules_.plan().candidates(field))
        looked += (looked.empty() ? "" : ", ") + in_ticks(slot_paths_[slot]);
      told.note = "missing" + (rules_.plan().candidates(field).size() > 1 ? ": none of " + looked
                                                                          : std::string());
    } else if (found.in_fields) {
      told.note = "from `<fields>`";
    } else if (found.path != name) {
      told.note = "key " + in_ticks(name) + " absent, took " + in_ticks(found.path);
    }
  } else if (!told.value) {
    told.note = "missing";
  }
  return told;
}

// ---------------------------------------------------------------- rules

Explanation::Rule& Explainer::begin(const Rule& rule) {
  Explanation::Rule& told = now_.rules.emplace_back();
  told.name = rule.name;
  told.place = places_[static_cast<std::size_t>(&rule - rules_.rules().data())];
  return told;
}

Explanation::Condition Explainer::condition_of(const Condition& condition) const {
  return {.key = "match",
          .text = condition.name + " " + test_text(condition.test),
          .holds = true,
          .seen = text_of(condition.field),
          .why = {}};
}

void Explainer::rule_matched(const Rule& rule) {
  Explanation::Rule& told = begin(rule);
  told.matched = true;
  for (const Condition& condition : rule.conditions)
    told.conditions.push_back(condition_of(condition));
  if (!rule.patterns.empty()) {
    std::array<std::string_view, Pattern::kMaxCaptures> captures;
    for (std::size_t i = 0; i < rule.patterns.size(); ++i) {
      if (!rule.patterns[i].match(scope_->message(), captures)) continue;
      if (rule.fields_capture[i] >= 0 && scope_->overlay() == nullptr) continue;
      told.conditions.push_back({.key = "pattern",
                                 .text = in_ticks(rule.patterns[i].source()),
                                 .holds = true,
                                 .seen = std::string(scope_->message()),
                                 .why = {}});
      break;
    }
  }
  if (rule.regex)
    told.conditions.push_back({.key = "regex",
                               .text = in_ticks(rule.regex->pattern()),
                               .holds = true,
                               .seen = std::string(scope_->message()),
                               .why = {}});
  if (rule.only_if)
    told.conditions.push_back(
        {.key = "if", .text = rule.only_if->source(), .holds = true, .seen = {}, .why = {}});
  for (std::size_t i = 0; i < rule.capture_names.size() && i < scope_->captured().size(); ++i) {
    const std::string_view captured = scope_->captured()[i];
    if (captured.data() == nullptr) continue;
    told.captures.push_back({.name = rule.capture_names[i],
                             .value = std::string(captured),
                             .note = is_no_value(captured) ? "no value" : ""});
  }
}

void Explainer::fail_pattern(const Rule& rule, Explanation::Rule& told) {
  const std::string_view message = scope_->message();
  std::optional<Misfit> best;
  const Pattern* nearest = &rule.patterns.front();
  for (const Pattern& pattern : rule.patterns) {
    if (!may_be_near(pattern, message)) continue;
    auto found = misfits_.find(pattern, PatternUse::message, message);
    if (!found) {  // it fits, so its `<fields>` were none
      found = Misfit{.fitted = pattern.literal_bytes(),
                     .wanted = "<fields>",
                     .seen = std::string(message),
                     .why = "`<fields>` are no JSON object, dict or key=value pairs"};
    }
    if (best && best->fitted >= found->fitted) continue;
    best = std::move(found);
    nearest = &pattern;
  }
  Explanation::Condition& condition = told.conditions.emplace_back();
  condition.key = "pattern";
  condition.text = in_ticks(nearest->source());
  condition.seen = std::string(message);
  condition.why = best ? best->why : "is " + in_quotes(config::printable(message));
  if (best && best->fitted >= kNearLiteral) told.nearness += Explanation::kNear + best->fitted;
}

void Explainer::rule_failed(const Rule& rule, std::string_view what, std::string_view) {
  Explanation::Rule& told = begin(rule);
  constexpr std::size_t kHeld = 1;
  for (const Condition& condition : rule.conditions) {
    Explanation::Condition shown = condition_of(condition);
    const bool failed = what.data() == condition.name.data();
    if (failed) {
      shown.holds = false;
      shown.why = shown.seen ? "is " + in_quotes(config::printable(*shown.seen)) : "is missing";
      if (shown.seen && nearly(condition.test, *shown.seen)) {
        told.nearness += Explanation::kNear;
        shown.why += ", nearly the same";
      }
      told.failed = condition.name;
    } else if (shown.seen) {  // that a field is missing holds for nearly every line
      told.nearness += kHeld;
    }
    told.conditions.push_back(std::move(shown));
    if (failed) return;
  }
  told.failed = what;
  if (what == "pattern") return fail_pattern(rule, told);
  Explanation::Condition& condition = told.conditions.emplace_back();
  if (what == "message") {
    condition.key = rule.regex ? "regex" : "pattern";
    condition.text =
        rule.regex ? in_ticks(rule.regex->pattern()) : in_ticks(rule.patterns[0].source());
    condition.why = "there is no message";
  } else if (what == "regex") {
    condition.key = "regex";
    condition.text = in_ticks(rule.regex->pattern());
    condition.seen = std::string(scope_->message());
    condition.why = "is " + in_quotes(config::printable(scope_->message()));
  } else {
    told.nearness += 2 * Explanation::kNear;
    condition.key = "if";
    condition.text = rule.only_if->source();
    condition.why = with_values(*rule.only_if);
  }
}

void Explainer::rule_done(const Rule& rule) {
  Explanation::Rule& told = now_.rules.back();
  for (std::size_t i = 0; i < rule.lets.size(); ++i) {
    const Expression& expression = rule.lets[i];
    Explanation::Named let{.name = rule.let_names[i], .value = {}, .note = expression.source()};
    auto value = scope_->known_let(i);
    // Nobody has asked for it: what it would be, if that can be found out without using a row.
    if (!value && may_evaluate(expression)) value = expression.evaluate(*scope_);
    if (value && value->usable()) {
      let.value = text_of(*value);
      if (*let.value == let.note) let.note.clear();
    } else if (value) {
      let.note +=
          ": " + (value->kind == Value::Kind::missing && value->reason == SkipReason::missing_field
                      ? with_values(expression)
                      : std::string(reason_name(value->reason)) + ", " + with_values(expression));
    } else {
      let.note += ": not asked for";
    }
    told.lets.push_back(std::move(let));
  }
  describe_fields(rule, told);
}

// The fields of the line that the rule uses, but for those that its conditions have told of.
void Explainer::describe_fields(const Rule& rule, Explanation::Rule& told) const {
  const auto add = [&](const Expression& expression) {
    for (std::size_t i = 0; i < expression.refs().size(); ++i) {
      const Ref& ref = expression.refs()[i];
      if (ref.source == Ref::Source::let || ref.source == Ref::Source::row) continue;
      if (ref.source == Ref::Source::capture && ref.index < scope_->captured().size() &&
          scope_->captured()[ref.index].data() != nullptr)
        continue;
      const std::string& name = expression.ref_names()[i];
      const bool known = std::any_of(told.fields.begin(), told.fields.end(),
                                     [&](const Explanation::Named& n) { return n.name == name; });
      if (!known) told.fields.push_back(named(name, ref));
    }
  };
  if (rule.only_if) add(*rule.only_if);
  for (const Expression& let : rule.lets) add(let);
  for (const Action& action : rule.actions) {
    if (action.only_if) add(*action.only_if);
    for (const LabelSource& label : action.labels) {
      if (label.expression) add(*label.expression);
    }
    if (action.value) add(*action.value);
    for (const Expression& part : action.key) add(part);
  }
}

// Whether evaluating it uses no table's row: what that reads may be thrown out next.
bool Explainer::may_evaluate(const Expression& expression) const {
  if (expression.calls_table()) return false;
  return std::all_of(expression.refs().begin(), expression.refs().end(), [&](const Ref& ref) {
    return ref.source != Ref::Source::let || scope_->known_let(ref.index).has_value();
  });
}

// `$status = "500", $path missing`
std::string Explainer::with_values(const Expression& expression) const {
  std::string out;
  for (std::size_t i = 0; i < expression.refs().size(); ++i) {
    const OptionalText value = text_of(expression.refs()[i]);
    out += (out.empty() ? "" : ", ") + ("$" + expression.ref_names()[i]) +
           (value ? " = " + in_quotes(config::printable(*value)) : " is missing");
  }
  return out;
}

std::string Explainer::missing_of(const Expression& expression) const {
  std::string out;
  for (std::size_t i = 0; i < expression.refs().size(); ++i) {
    if (!text_of(expression.refs()[i]))
      out += (out.empty() ? "" : ", ") + ("`" + expression.ref_names()[i]) + "`";
  }
  return out.empty() ? std::string() : out + " is missing";
}

// ---------------------------------------------------------------- actions

Explanation::Action& Explainer::begin(const Action& action) {
  Explanation::Action& told = now_.rules.back().actions.emplace_back();
  told.kind = verb_of(action.kind);
  if (action.kind == Action::Kind::remember || action.kind == Action::Kind::take) {
    told.target = rules_.tables()[action.table].name;
  } else if (action.kind == Action::Kind::store) {
    told.target = "skill_invocation";
  } else {
    told.target = rules_.families()[action.family].name;
  }
  return told;
}

std::string Explainer::series_text(const metrics::Series& series) const {
  Explanation::Series told{.metric = rules_.families()[series.family].name, .labels = {}};
  for (std::size_t i = 0; i < series.labels.size(); ++i)
    told.labels.push_back({.name = rules_.families()[series.family].labels[i],
                           .value = series.labels[i],
                           .note = {}});
  return told.text();
}

void Explainer::describe_labels(const Action& action, const metrics::Series& series,
                                Explanation::Series& told) const {
  const metrics::FamilySpec& family = rules_.families()[action.family];
  told.metric = family.name;
  for (std::size_t i = 0; i < series.labels.size(); ++i) {
    Explanation::Named label{.name = family.labels[i], .value = series.labels[i], .note = {}};
    const LabelSource* const source = i < action.labels.size() ? &action.labels[i] : nullptr;
    if (source != nullptr && !(source->expression && !may_evaluate(*source->expression))) {
      const Value raw = label_source_value(*source, *scope_);
      const std::string was = raw.usable() ? std::string(raw.text) : std::string();
      if (raw.usable() && was != series.labels[i]) {
        const LabelPolicy* const policy = source->policy;
        bool cut = false;
        const std::string fitted = metrics::fit_label_value(was, cut);
        label.note = in_quotes(config::printable(was));
        if (policy != nullptr && series.labels[i] == policy->overflow && !policy->values.empty() &&
            std::find(policy->values.begin(), policy->values.end(), was) == policy->values.end()) {
          label.note += " is none of its values";
        } else if (policy != nullptr && series.labels[i] == policy->overflow && policy->max != 0) {
          label.note += " is beyond its " + std::to_string(policy->max) + " values (max)";
        } else if (fitted == series.labels[i]) {
          label.note +=
              cut ? " is cut to " + std::to_string(metrics::Delta::kMaxLabelBytes) + " bytes"
                  : " is made valid UTF-8";
        } else {
          label.note += " is one series too many (max_series)";
        }
      } else if (source->expression && source->otherwise && was == *source->otherwise) {
        const std::string missing = missing_of(*source->expression);
        if (!missing.empty()) label.note = missing + ": its default";
      }
    }
    told.labels.push_back(std::move(label));
  }
}

void Explainer::series_found(const Rule&, const Action& action, const metrics::Series& series) {
  found_.emplace();
  found_->series.emplace();
  describe_labels(action, series, *found_->series);
  if (series.live) found_->before = series.value;
  found_->unit = action.unit;
  const auto unit = find_unit(action.unit);
  const Base base =
      unit ? unit->base
           : action.quantity.value_or(base_of_metric(rules_.families()[action.family].name));
  found_->base = base_name(base);
  if (action.value && may_evaluate(*action.value)) {
    found_->value_read = action.value_ref ? text_of(*action.value_ref)
                                          : OptionalText(text_of(action.value->evaluate(*scope_)));
  }
}

void Explainer::action_done(const Rule&, const Action& action, const metrics::Series& series,
                            Decimal value) {
  Explanation::Action& told = begin(action);
  if (found_) {
    const std::string kind = told.kind;
    const std::string target = told.target;
    told = std::move(*found_);
    told.kind = kind;
    told.target = target;
    found_.reset();
  }
  told.value = value;
  told.after = series.value;
  const metrics::FamilySpec& family = rules_.families()[action.family];
  if (action.kind == Action::Kind::observe) {
    const auto bound = std::lower_bound(family.buckets.begin(), family.buckets.end(), value);
    told.bucket = bound == family.buckets.end() ? "+Inf" : metrics::to_string(*bound);
    if (bound == family.buckets.end() && !family.buckets.empty())
      told.notes.push_back("above the last bucket (" + metrics::to_string(family.buckets.back()) +
                           ")");
  } else if (action.kind == Action::Kind::set) {
    const RecordOrigin& origin = scope_->event().origin;
    if (series.origin != metrics::Origin{.time_ns = scope_->time_ns(),
                                         .generation = origin.generation,
                                         .offset = origin.offset})
      told.notes.emplace_back("not taken: a later line has set it");
  } else if (family.type == metrics::MetricType::gauge && family.min &&
             *told.after == *family.min && told.before.value_or(Decimal()) + value < *family.min) {
    told.notes.push_back("not below its minimum " + metrics::to_string(*family.min));
  } else if (action.kind == Action::Kind::set_count) {
    told.notes.emplace_back("the source's own count; a decrease is a reset");
  }
  told.notes.insert(told.notes.end(), notes_.begin(), notes_.end());
  notes_.clear();
}

void Explainer::action_skipped(const Rule&, const Action& action, SkipReason reason) {
  Explanation::Action& told = begin(action);
  told.outcome = Explanation::Action::Outcome::skipped;
  told.reason = reason_name(reason);
  told.why = culprit(action, reason);
  told.key = std::move(missed_key_);
  if (told.key) told.why = "no row of " + in_quotes(config::printable(*told.key));
  told.unit = action.unit;
  if (action.value && may_evaluate(*action.value)) {
    const Value read = action.value->evaluate(*scope_);
    if (read.usable()) told.value_read = text_of(read);
  }
  const Base base =
      action.value ? base_of_metric(rules_.families()[action.family].name) : Base::none;
  if (reason == SkipReason::not_a_number && !action.quantity && base != Base::none &&
      told.value_read && parse_quantity(*told.value_read, base).error == metrics::NumberError::none)
    notes_.push_back("`unit: auto` reads " + in_quotes(*told.value_read));
  if (found_) told.series = std::move(found_->series);
  found_.reset();
  missed_key_.reset();
  told.notes = std::move(notes_);
  notes_.clear();
}

// What it was that an action has been skipped for: in the order in which count() asks.
std::string Explainer::culprit(const Action& action, SkipReason reason) const {
  const auto blame = [&](const Expression& expression, const std::string& what) -> std::string {
    if (expression.calls_table())
      return what + " " + expression.source() + ": " + with_values(expression);
    if (!may_evaluate(expression)) return {};
    const Value value = expression.evaluate(*scope_);
    if (value.usable()) return {};
    const std::string missing = missing_of(expression);
    if (value.kind == Value::Kind::missing && value.reason == SkipReason::missing_field &&
        !missing.empty())
      return what + ": " + missing;
    return what + " " + expression.source() + ": " + with_values(expression);
  };
  std::string why;
  if (action.only_if && !action.only_if->calls_table()) {
    if (const Value value =
            may_evaluate(*action.only_if) ? action.only_if->evaluate(*scope_) : Value();
        value.kind == Value::Kind::refused)
      return "`if` " + action.only_if->source() + ": " + with_values(*action.only_if);
  }
  if (action.kind == Action::Kind::store) return "`skill_name` is missing";
  for (const Expression& part : action.key) {
    if (why = blame(part, "key"); !why.empty()) return why;
  }
  if (action.value) {
    if (why = blame(*action.value, "value"); !why.empty() && !action.value->calls_table())
      return why;
    const std::string value =
        action.value->source() +
        (action.value->refs().empty() ? "" : ": " + with_values(*action.value));
    if (reason == SkipReason::not_a_number || reason == SkipReason::negative ||
        reason == SkipReason::not_finite)
      return "value " + value;
  }
  const std::vector<std::string>& names = action.kind >= Action::Kind::remember
                                              ? std::vector<std::string>()
                                              : rules_.families()[action.family].labels;
  for (std::size_t i = 0; i < action.labels.size(); ++i) {
    const LabelSource& label = action.labels[i];
    if (!label.expression) continue;
    if (label.otherwise && reason == SkipReason::missing_field) continue;
    if (why = blame(*label.expression, "label " + in_ticks(names[i])); !why.empty()) return why;
  }
  for (std::size_t i = 0; i < action.removed.size(); ++i) {
    if (!action.removed[i] || !action.removed[i]->expression) continue;
    if (why = blame(*action.removed[i]->expression, "label " + in_ticks(names[i])); !why.empty())
      return why;
  }
  if (action.hold) {
    if (why = blame(*action.hold, "`for`"); !why.empty()) return why;
  }
  if (action.then) {
    if (why = blame(*action.then, "`then`"); !why.empty()) return why;
  }
  if (action.value) return "value " + action.value->source() + ": " + with_values(*action.value);
  return {};
}

void Explainer::action_untrue(const Rule&, const Action& action) {
  Explanation::Action& told = begin(action);
  told.outcome = Explanation::Action::Outcome::not_true;
  told.why = action.only_if->source();
  const std::string values = with_values(*action.only_if);
  if (!values.empty()) told.notes.push_back(values);
}

// ---------------------------------------------------------------- tables, timers, rows

namespace {

std::vector<Explanation::Named> columns_of(const TableSpec& table, const Row& row) {
  std::vector<Explanation::Named> columns;
  for (std::size_t i = 0; i < row.columns(); ++i) {
    const auto text = row.column(i);
    columns.push_back({.name = table.columns[i],
                       .value = text ? OptionalText(std::string(*text)) : std::nullopt,
                       .note = text ? "" : "missing"});
  }
  return columns;
}

}  // namespace

void Explainer::row_remembered(const Rule&, const Action& action, const Row& row) {
  Explanation::Action& told = begin(action);
  told.key = std::string(row.key);
  told.columns = columns_of(rules_.tables()[action.table], row);
  told.notes = std::move(notes_);
  notes_.clear();
}

void Explainer::row_taken(const Rule&, const Action& action, const Row& row,
                          std::optional<Decimal> elapsed) {
  Explanation::Action& told = begin(action);
  told.key = std::string(row.key);
  told.columns = columns_of(rules_.tables()[action.table], row);
  told.elapsed = elapsed;
  told.notes = std::move(notes_);
  notes_.clear();
  if (!elapsed) told.notes.emplace_back("no $elapsed: one of the two lines has no time");
}

void Explainer::row_missed(const Rule&, const Action&, std::string_view key) {
  missed_key_ = std::string(key);
}

void Explainer::row_gone(const TableSpec& table, const Row& row, Table::Gone why) {
  const std::string text =
      "row " + in_quotes(config::printable(row.key)) + " of table " + in_ticks(table.name);
  expiring_ = why == Table::Gone::expired;
  if (expiring_) {
    now_.due.push_back(text + " is over (ttl)");
  } else {
    notes_.push_back(text + (why == Table::Gone::replaced ? " is replaced" : " makes room (max)"));
  }
}

void Explainer::rows_counted(const metrics::Series& series, Decimal change) {
  const std::string text = series_text(series) + "  " + (change.negative() ? "" : "+") +
                           metrics::to_string(change) + " → " + metrics::to_string(series.value);
  if (expiring_) {
    now_.due.push_back(text);
  } else if (!change.negative() && !now_.rules.empty() && !now_.rules.back().actions.empty()) {
    now_.rules.back().actions.back().notes.push_back(text);  // the row was told of just now
  } else {
    notes_.push_back(text);
  }
  expiring_ = false;
}

void Explainer::timer_armed(const Rule&, const Action&, const metrics::Series&, std::int64_t for_ns,
                            std::optional<Decimal> falls_back_to) {
  notes_.push_back("for " + seconds_text(for_ns) + ", then " +
                   (falls_back_to ? metrics::to_string(*falls_back_to) : "off the page"));
}

void Explainer::timer_cancelled(const metrics::Series& series) {
  notes_.push_back("the timer of " + series_text(series) + " is called off");
}

void Explainer::timer_fired(const metrics::Series& series, std::optional<Decimal> value) {
  now_.due.push_back(series_text(series) + " falls back to " +
                     (value ? metrics::to_string(*value) : "nothing: off the page"));
}

void Explainer::series_deleted(const Rule&, const Action& action, std::size_t how_many) {
  Explanation::Action& told = begin(action);
  told.deleted = how_many;
  told.series.emplace();
  told.series->metric = rules_.families()[action.family].name;
  for (std::size_t i = 0; i < action.removed.size(); ++i) {
    if (!action.removed[i]) continue;
    const LabelSource& source = *action.removed[i];
    OptionalText value;
    if (!source.expression || may_evaluate(*source.expression)) {
      const Value raw = label_source_value(source, *scope_);
      if (raw.usable()) value = std::string(raw.text);
    }
    told.series->labels.push_back(
        {.name = rules_.families()[action.family].labels[i], .value = value, .note = {}});
  }
  told.notes = std::move(notes_);
  notes_.clear();
}

void Explainer::stored(const Rule&, const Action& action, const Invocation& invocation) {
  Explanation::Action& told = begin(action);
  for (std::size_t i = 0; i < kInvocationColumns.size(); ++i)
    told.columns.push_back({.name = std::string(kInvocationColumns[i]),
                            .value = invocation.columns[i],
                            .note = invocation.columns[i] ? "" : "missing"});
}

}  // namespace logtally::rules
