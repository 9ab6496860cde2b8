// The declaring half of the compiler, continued: formats and tables.
#include <algorithm>

#include "config/suggest.h"
#include "rules/compiler.h"
#include "rules/durations.h"

namespace logtally::rules {

// ---------------------------------------------------------------- formats

void Compiler::compile_formats(const Document& document, const Node& node) {
  if (!config::expect_map(reading(document), node, "`formats`")) return;
  for (const Node::Entry& entry : node.entries) compile_format(document, entry.key, entry.value);
}

void Compiler::compile_format(const Document& document, const Node& key, const Node& body) {
  if (!config::expect_map(reading(document), body, "a format")) return;
  const config::MeantKeys meant = check_keys(
      document, body, {.allowed = {"pattern", "continuation", "time"}, .later = {}}, "a format");
  const Node* source = body.find("pattern");
  if (source == nullptr && meant.contain("pattern")) return;
  if (source == nullptr) {
    fault("E011", document, key, "format `" + key.text + "` has no `pattern`")
        .helps.emplace_back("pattern: '<time> [<logger>] <level> <message>'");
    return;
  }
  if (!expect_text(document, *source, "`pattern`")) return;

  std::optional<TimeLayout> layout;
  std::string written_layout;
  if (const Node* time = body.find("time");
      time != nullptr && config::expect_map(reading(document), *time, "`time`")) {
    const config::MeantKeys of_time =
        check_keys(document, *time, {.allowed = {"layout", "zone"}, .later = {}}, "`time`");
    const Node* text = time->find("layout");
    const Node* zone = time->find("zone");
    if (text == nullptr) {
      if (!of_time.contain("layout"))
        fault("E011", document, *time, "`time` has no `layout`")
            .helps.emplace_back("layout: '%d/%b/%Y:%H:%M:%S'");
    } else if (expect_text(document, *text, "`layout`") &&
               (zone == nullptr || expect_text(document, *zone, "`zone`"))) {
      auto compiled = TimeLayout::compile(
          text->text, zone == nullptr ? std::string_view() : std::string_view(zone->text));
      if (const auto* wrong = std::get_if<LayoutFault>(&compiled)) {
        const Node& where =
            wrong->where == LayoutFault::Where::layout || zone == nullptr ? *text : *zone;
        diagnostics_.add("E042", part_of(document, where, wrong->offset, wrong->length),
                         wrong->text);
      } else {
        layout = std::move(std::get<TimeLayout>(compiled));
        written_layout = text->text + '\n' + (zone == nullptr ? "" : zone->text);
      }
    }
  }
  bool joins = false;
  if (const Node* continuation = body.find("continuation")) {
    constexpr std::string_view kWords[] = {"join"};
    std::size_t word = 0;
    joins = config::read_word(reading(document), *continuation, kWords, word);
  }

  const bool has_layout = layout.has_value();
  auto compiled = Pattern::compile(source->text, PatternUse::format, std::move(layout));
  if (const auto* wrong = std::get_if<PatternFault>(&compiled)) {
    diagnostics_.add("E040", part_of(document, *source, wrong->offset, wrong->length), wrong->text);
    return;
  }
  // Two packs may know the same format under the same name.
  for (const Format& known : set_->formats_.all()) {
    if (known.name != key.text) continue;
    if (known.pattern.source() == source->text && known.joins == joins &&
        known.layout == written_layout)
      return;
    twice(fault("E031", document, key, "format `" + key.text + "` is defined twice"),
          formats_.at(key.text), "defined");
    return;
  }
  formats_.emplace(key.text, document.place(key));

  Format format{.name = key.text,
                .pattern = std::move(std::get<Pattern>(compiled)),
                .joins = joins,
                .slots = {},
                .is_fields = {},
                .has_fields = false,
                .starts_with_time = false,
                .layout = std::move(written_layout),
                .behind_time = {}};
  for (const Capture& capture : format.pattern.captures()) {
    const bool fields = capture.name == "fields";
    format.has_fields = format.has_fields || fields;
    format.is_fields.push_back(fields);
    const bool time = capture.name == "time";  // the pattern itself reads it
    const auto known = well_known_.find(capture.name);
    const FieldId field = known != well_known_.end() ? set_->plan_.first_of(known->second)
                                                     : set_->plan_.field({capture.name});
    format.slots.push_back(fields || time ? kNoSlot : set_->plan_.candidates(field)[0]);
  }
  format.ends_with_message =
      !format.slots.empty() && format.pattern.captures().back().name == "message" &&
      format.slots.back() == set_->plan_.candidates(set_->known_.message).front();
  constexpr std::string_view kTime = "<time>";
  if (!has_layout && source->text.starts_with(kTime)) {
    const std::string_view behind = std::string_view(source->text).substr(kTime.size());
    const std::string_view literal = behind.substr(0, behind.find_first_of("<\\"));
    format.starts_with_time = true;
    for (const char c : literal) {  // blanks side by side are one
      const bool blank = c == ' ' || c == '\t';
      if (!blank || !format.behind_time.ends_with(' ')) format.behind_time += blank ? ' ' : c;
    }
  }
  set_->formats_.add(std::move(format));
}

// ---------------------------------------------------------------- tables

void Compiler::compile_tables(const Document& document, const Node& node) {
  if (!config::expect_map(reading(document), node, "`tables`")) return;
  for (const Node::Entry& entry : node.entries) compile_table(document, entry.key, entry.value);
}

void Compiler::compile_table(const Document& document, const Node& key, const Node& body) {
  if (!valid_label_name(key.text)) {
    fault("E032", document, key, "`" + key.text + "` is no name for a table",
          "letters, digits and `_`, not a digit first");
    return;
  }
  if (const auto known = tables_.find(key.text); known != tables_.end()) {
    twice(fault("E031", document, key, "table `" + key.text + "` is declared twice"),
          known->second.place, "declared");
    return;
  }
  if (const auto map = maps_.find(key.text); map != maps_.end()) {
    fault("E031", document, key, "`" + key.text + "` is a map already")
        .also.push_back({map->second.second, "defined here"});
    return;
  }
  TableEntry entry{.document = &document,
                   .place = document.place(key),
                   .index = static_cast<std::uint16_t>(set_->tables_.size()),
                   .key = {}};
  TableSpec spec;
  spec.name = key.text;
  spec.max = 10'000;
  TableRules rules;
  if (config::expect_map(reading(document), body, "a table")) {
    const config::MeantKeys meant = check_keys(
        document, body, {.allowed = {"key", "columns", "ttl", "max", "open", "queue"}, .later = {}},
        "a table");
    if (const Node* parts = body.find("key"); parts == nullptr) {
      if (!meant.contain("key"))
        fault("E011", document, key, "table `" + key.text + "` has no `key`")
            .helps.emplace_back("key: $request_id");
    } else if (parts->is_sequence() && !parts->items.empty()) {
      for (const Node& part : parts->items) entry.key.push_back(&part);
    } else {
      entry.key.push_back(parts);
    }
    for (const Node* part : entry.key) append_key_part(spec.key, part->text);
    if (const Node* columns = body.find("columns"))
      config::read_texts(reading(document), *columns, spec.columns);
    for (const std::string& column : spec.columns) {
      if (!valid_label_name(column))
        fault("E032", document, *body.find("columns"), "`" + column + "` is no name for a column");
    }
    if (const Node* ttl = body.find("ttl");
        ttl != nullptr && expect_text(document, *ttl, "`ttl`")) {
      if (const auto ns = parse_duration_ns(ttl->text); ns && *ns > 0) {
        spec.ttl_ns = *ns;
      } else {
        fault("E013", document, *ttl, "`" + ttl->text + "` is no duration")
            .helps.emplace_back("ttl: 10m, ttl: 24h");
      }
    }
    std::uint64_t max = spec.max;
    if (const Node* node = body.find("max");
        node != nullptr && config::read_count(reading(document), *node, 1, 1'000'000, max))
      spec.max = max;
    if (const Node* queue = body.find("queue")) {
      if (!queue->is_scalar() || (queue->text != "true" && queue->text != "false")) {
        fault("E013", document, *queue, "`queue` is true or false", config::truth_meant(*queue));
      } else {
        spec.queue = queue->text == "true";
      }
    }
    if (const Node* open = body.find("open")) compile_open(document, *open, spec, rules);
  }
  set_->keeps_time_ = true;
  set_->tables_.push_back(std::move(spec));
  set_->table_rules_.push_back(std::move(rules));
  tables_.emplace(key.text, std::move(entry));
}

void Compiler::compile_open(const Document& document, const Node& node, const TableSpec& spec,
                            TableRules& rules) {
  if (!expect_text(document, node, "`open`")) return;
  const Metric* metric = find_metric(document, node, "gauge");
  if (metric == nullptr) return;
  const metrics::FamilySpec& family = set_->families_[metric->id];
  if (family.type != metrics::MetricType::gauge) {
    fault("E035", document, node, "`open` is a gauge: it counts the rows that are there")
        .also.push_back({metric->place, "declared here"});
    return;
  }
  for (std::size_t label = 0; label < family.labels.size(); ++label) {
    const auto column = std::find(spec.columns.begin(), spec.columns.end(), family.labels[label]);
    const bool found = column != spec.columns.end();
    if (!found && !metric->label_defaults[label]) {
      fault("E034", document, node,
            "the label `" + family.labels[label] + "` of `" + family.name +
                "` is no column of table `" + spec.name + "`")
          .also.push_back({metric->place, "declared here"});
    }
    rules.open_columns.push_back(found ? static_cast<std::int16_t>(column - spec.columns.begin())
                                       : std::int16_t{-1});
    rules.open_defaults.push_back(metric->label_defaults[label]);
  }
  rules.open = metric->id;
}

}  // namespace logtally::rules
