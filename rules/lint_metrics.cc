#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rules/compiler.h"
#include "rules/durations.h"
#include "rules/field_plan.h"
#include "rules/lint.h"

namespace logtally::rules {
namespace {

using config::Node;

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words;
  std::string word;
  const auto end = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool upper = c >= 'A' && c <= 'Z';
    const bool inner = i > 0 && ((name[i - 1] >= 'a' && name[i - 1] <= 'z') ||
                                 (name[i - 1] >= '0' && name[i - 1] <= '9'));
    if (c == '_' || c == ':' || c == '.' || c == '-' || c == '\'' || (upper && inner)) end();
    if (c == '_' || c == ':' || c == '.' || c == '-' || c == '\'') continue;
    word += upper ? static_cast<char>(c + 32) : c;
  }
  end();
  return words;
}

std::string snake_case(std::string_view name) {
  std::string out;
  for (const std::string& word : words_of(name)) out += (out.empty() ? "" : "_") + word;
  return out;
}

bool is_snake_case(std::string_view name) {
  return name.find("__") == std::string_view::npos && !name.starts_with('_') &&
         !name.ends_with('_') && std::none_of(name.begin(), name.end(), [](char c) {
           return c == ':' || (c >= 'A' && c <= 'Z');
         });
}

// Units that are none of the base units, and the base unit in their place.
std::optional<std::string_view> base_unit_for(std::string_view word) {
  struct Row {
    std::string_view base;
    std::vector<std::string_view> words;
  };
  static const std::array<Row, 4> kRows = {{
      {"seconds", {"ns",    "nanos",  "nanosecond",  "nanoseconds",  "us",      "usec",
                   "usecs", "micros", "microsecond", "microseconds", "ms",      "msec",
                   "msecs", "millis", "millisecond", "milliseconds", "s",       "sec",
                   "secs",  "second", "mins",        "minute",       "minutes", "hours",
                   "days",  "weeks"}},
      {"bytes",
       {"byte", "kb", "kib", "kilobyte", "kilobytes", "mb", "mib", "megabyte", "megabytes", "gb",
        "gib", "gigabyte", "gigabytes", "bits"}},
      {"ratio", {"percent", "pct", "percentage"}},
      {"usd", {"cent", "cents", "dollar", "dollars"}},
  }};
  for (const Row& row : kRows) {
    if (std::find(row.words.begin(), row.words.end(), word) != row.words.end()) return row.base;
  }
  return std::nullopt;
}

// One metric as it is declared.
struct Declared {
  const config::YamlDocument* document;
  const Node* key;
  const Node* body;
  std::string_view name;
  std::string_view type;  // empty: none that is known
};

std::string_view text_of(const Node* node) {
  return node != nullptr && node->is_scalar() ? std::string_view(node->text) : std::string_view();
}

class MetricLint {
 public:
  MetricLint(std::map<std::string_view, Declared> metrics, config::Diagnostics& diagnostics)
      : metrics_(std::move(metrics)), diagnostics_(diagnostics) {}

  void all() {
    for (const auto& [name, metric] : metrics_) one(metric);
  }

 private:
  config::Diagnostic& warn(std::string code, const Declared& metric, const Node& at,
                           std::string message, std::string label = {}) {
    return diagnostics_.add(std::move(code), metric.document->place(at), std::move(message),
                            std::move(label));
  }

  void one(const Declared& metric) {
    if (!valid_metric_name(metric.name)) return;
    const bool snake = is_snake_case(metric.name);
    if (!snake) {
      warn("W204", metric, *metric.key, "`" + std::string(metric.name) + "` is not in snake case",
           metric.name.find(':') != std::string_view::npos
               ? "colons are for recording rules"
               : "small letters, digits, single `_` between words")
          .helps.push_back("`" + snake_case(metric.name) + "`");
    }
    total(metric);
    unit(metric);
    suffixes(metric);
    const Node* help = metric.body->find("help");
    if (help != nullptr && (help->is_null() || help->is_scalar())) {
      const std::string_view text = text_of(help);
      if (text.find_first_not_of(" \t\n") == std::string_view::npos || text == metric.name) {
        warn("W207", metric, *help, "the help of `" + std::string(metric.name) + "` says nothing",
             "one line for the people who read the page");
      }
    }
    labels(metric);
  }

  void total(const Declared& metric) {
    const std::string name(metric.name);
    const bool ends = metric.name.ends_with("_total");
    if (metric.type == "counter" && !ends) {
      warn("W202", metric, *metric.key, "counter `" + name + "` does not end in `_total`",
           "readers and promtool expect it")
          .helps.push_back("rename it to `" + name + "_total`; the old name can stay: aliases: [" +
                           name + "]");
    } else if (!metric.type.empty() && metric.type != "counter" && ends) {
      const std::string better = name.substr(0, name.size() - std::string_view("_total").size());
      warn("W201", metric, *metric.key,
           std::string(metric.type) + " `" + name +
               "` ends in `_total`, which readers take for a counter",
           "promtool check metrics says the same")
          .helps.push_back("rename to `" + better + "` and keep the old name with `aliases: [" +
                           name + "]`");
    }
  }

  void unit(const Declared& metric) {
    const std::string name(metric.name);
    std::vector<std::string> words = words_of(metric.name);
    const bool total = !words.empty() && words.back() == "total";
    if (total) words.pop_back();
    if (words.size() > 1) {
      const std::string last = words.back();
      if (const auto base = base_unit_for(last)) {
        words.back() = std::string(*base);
        warn("W205", metric, *metric.key,
             "`" + name + "` is in " + last + ", Prometheus wants base units",
             "`" + joined(words, total) + "`")
            .helps.push_back("the rule says in what its field is: unit: " + last);
        return;
      }
      if (last == "timestamp") {
        warn("W205", metric, *metric.key, "`" + name + "` does not say its unit",
             "`" + name + "_seconds`");
        return;
      }
    }
    const std::string_view declared = text_of(metric.body->find("unit"));
    const bool known =
        declared == "seconds" || declared == "bytes" || declared == "ratio" || declared == "usd";
    if (known && base_of_metric(metric.name) == Base::none) {
      words.emplace_back(declared);
      warn("W205", metric, *metric.key,
           "`" + name + "` is in " + std::string(declared) + ", and its name does not say so",
           "`" + joined(words, total) + "`");
    }
  }

  static std::string joined(const std::vector<std::string>& words, bool total) {
    std::string name;
    for (const std::string& word : words) name += (name.empty() ? "" : "_") + word;
    return total ? name + "_total" : name;
  }

  void suffixes(const Declared& metric) {
    const std::string name(metric.name);
    for (const std::string_view suffix : {"_count", "_sum", "_bucket"}) {
      if (!metric.name.ends_with(suffix)) continue;
      const auto owner = metrics_.find(metric.name.substr(0, name.size() - suffix.size()));
      config::Diagnostic& d =
          warn("W206", metric, *metric.key,
               "`" + name + "` ends in `" + std::string(suffix) + "`, as series of histograms do");
      if (owner != metrics_.end() && owner->second.type == "histogram") {
        d.label = "the same name as a series of the histogram";
        d.also.push_back({owner->second.document->place(*owner->second.key), "this one"});
      }
    }
    const std::vector<std::string> words = words_of(metric.name);
    for (const std::string_view type : {"counter", "gauge", "histogram", "summary"}) {
      if (words.size() > 1 && words.back() == type) {
        warn("W208", metric, *metric.key, "`" + name + "` repeats its type",
             "the type is declared, and told with HELP and TYPE");
      }
    }
  }

  void labels(const Declared& metric) {
    const Node* labels = metric.body->find("labels");
    if (labels == nullptr) return;
    for (const Node& name : labels->items) {
      if (name.is_scalar()) label(metric, name, nullptr);
    }
    for (const Node::Entry& entry : labels->entries) label(metric, entry.key, &entry.value);
  }

  void label(const Declared& metric, const Node& name, const Node* body) {
    if (!valid_label_name(name.text)) return;
    if (!is_snake_case(name.text) && name.text != snake_case(name.text)) {
      warn("W209", metric, name, "label `" + name.text + "` is not in snake case",
           "`" + snake_case(name.text) + "`");
    }
    const bool closed = body != nullptr && body->find("values") != nullptr;
    const bool bounded = body != nullptr && body->find("max") != nullptr;
    const Spread spread = spread_of(name.text);
    if (closed || spread == Spread::few || (spread == Spread::many && bounded)) return;
    config::Diagnostic& d = warn(
        "W210", metric, name,
        spread == Spread::each_time
            ? "label `" + name.text + "` makes a new series each time"
            : "label `" + name.text + "` can have any number of values, each a series for ever",
        spread == Spread::each_time ? "" : "no `max`, no `values`");
    if (spread == Spread::each_time) {
      d.helps.emplace_back("leave it out; the lines have it, and an exemplar can carry it");
    } else {
      d.helps.push_back("labels: {" + name.text + ": {max: 200}}");
      d.helps.emplace_back(
          "or fold its values: maps: {fold: {rewrite: [['\\d+', '{n}']]}}, and in the rule let: {" +
          name.text + ": fold($" + name.text + ")}");
    }
  }

  std::map<std::string_view, Declared> metrics_;
  config::Diagnostics& diagnostics_;
};

// A label of an action that takes its value from a field which is new each time.
void lint_label_sources(const config::YamlDocument& document, const Node& action,
                        config::Diagnostics& diagnostics) {
  const Node* labels = action.find("labels");
  if (labels == nullptr) return;
  for (const Node::Entry& entry : labels->entries) {
    const std::string& text = entry.value.text;
    if (!entry.value.is_scalar() || !text.starts_with('$')) continue;
    const FieldPath path = parse_field_path(std::string_view(text).substr(1));
    if (path.empty() || path.back() == entry.key.text) continue;  // by its own name: where declared
    if (spread_of(path.back()) != Spread::each_time) continue;
    diagnostics
        .add("W210", document.place(entry.value),
             "label `" + entry.key.text + "` takes the value of `" + text +
                 "`, which makes a new series each time")
        .helps.emplace_back("leave it out; the lines have it, and an exemplar can carry it");
  }
}

// The unit that stands in a rule's patterns behind a capture: `ms` in `took <took>ms`; or nothing.
std::string_view unit_behind(const Node& rule, const std::string& capture) {
  const Node* pattern = rule.find("pattern");
  if (pattern == nullptr) return {};
  const auto in = [&](const Node& one) -> std::string_view {
    const std::string_view text = one.text;
    const std::string written = "<" + capture + ">";
    const std::size_t at = text.find(written);
    if (!one.is_scalar() || at == std::string_view::npos) return {};
    std::string_view behind = text.substr(at + written.size());
    const bool apart = behind.starts_with(' ');
    if (apart) behind.remove_prefix(1);
    const std::size_t end = std::min(
        static_cast<std::size_t>(std::find_if_not(behind.begin(), behind.end(),
                                                  [](char c) {
                                                    return (c >= 'a' && c <= 'z') ||
                                                           (c >= 'A' && c <= 'Z') || c == '%';
                                                  }) -
                                 behind.begin()),
        behind.size());
    const std::string_view unit = behind.substr(0, end);
    // `<n> s` may begin anything; what begins a longer word, or another capture, is none.
    if (unit.empty() || (apart && unit.size() < 2 && unit != "%")) return {};
    if (behind.substr(end).starts_with('<') || behind.substr(end).starts_with('_')) return {};
    return find_unit(unit) ? unit : std::string_view();
  };
  if (pattern->is_scalar()) return in(*pattern);
  for (const Node& item : pattern->items) {
    if (const std::string_view unit = in(item); !unit.empty()) return unit;
  }
  return {};
}

// A value whose field says its unit, for a metric in base units, and no `unit`: off by powers of
// ten.
void lint_value_unit(const config::YamlDocument& document, const Node& rule, const Node& action,
                     config::Diagnostics& diagnostics) {
  const Node* value = action.find("value");
  if (value == nullptr || !value->is_scalar() || action.find("unit") != nullptr) return;
  // A faulty action may have its unit under another name.
  const bool faulty = std::any_of(
      diagnostics.all().begin(), diagnostics.all().end(), [&](const config::Diagnostic& d) {
        return d.severity() == config::Severity::error && d.place.file == document.file &&
               d.place.span.begin >= action.span.begin && d.place.span.begin < action.span.end;
      });
  if (faulty) return;
  const std::string_view text = value->text;
  const bool is_field =
      text.starts_with('$') && text.find_first_of(" +-*/()[]<>=,\"") == std::string_view::npos;
  if (!is_field) return;
  std::string_view name;
  for (const std::string_view verb : {"observe", "add", "set"}) {
    if (const Node* metric = action.find(verb)) name = metric->text;
  }
  const Base base = base_of_metric(name);
  const FieldPath path = parse_field_path(text.substr(1));
  if (base == Base::none || path.empty()) return;
  const std::vector<std::string> words = words_of(path.back());
  std::string_view meant = words.empty() ? std::string_view() : unit_meant_by(words.back());
  std::string shown = "`" + value->text + "` seems to be in ";
  if (meant.empty() && path.size() == 1) {
    meant = unit_behind(rule, path.back());
    shown =
        "the pattern has `" + std::string(meant) + "` behind `<" + path.back() + ">`: it is in ";
  }
  const std::optional<Unit> unit = meant.empty() ? std::nullopt : find_unit(meant);
  if (!unit || unit->base != base || *unit == Unit{.base = base}) return;
  diagnostics
      .add("W218", document.place(*value),
           shown + std::string(meant) + ", `" + std::string(name) + "` is in " +
               std::string(base_name(base)),
           "unit: " + std::string(meant) + "?")
      .helps.emplace_back("without `unit` the number is taken as it stands");
}

}  // namespace

Spread spread_of(std::string_view name) {
  std::string flat;
  for (const std::string& word : words_of(name)) flat += word;
  static constexpr std::array<std::string_view, 30> kEachTime = {
      "traceid",     "spanid",         "parentspanid", "requestid",     "reqid",
      "xrequestid",  "sessionid",      "session",      "correlationid", "transactionid",
      "messageid",   "msgid",          "eventid",      "invocationid",  "executionid",
      "runid",       "conversationid", "chatid",       "uuid",          "guid",
      "timestamp",   "prompt",         "nonce",        "token",         "apikey",
      "traceparent", "line",           "body",         "email",         "toolcallid"};
  if (std::find(kEachTime.begin(), kEachTime.end(), flat) != kEachTime.end())
    return Spread::each_time;
  static constexpr std::array<std::string_view, 22> kMany = {
      "user",       "username",     "userid",   "id",   "ip",    "clientip", "addr",    "address",
      "remoteaddr", "client",       "url",      "uri",  "path",  "query",    "message", "msg",
      "error",      "errormessage", "filename", "hash", "title", "sql"};
  if (std::find(kMany.begin(), kMany.end(), flat) != kMany.end()) return Spread::many;
  const std::vector<std::string> words = words_of(name);
  if (words.size() > 1 && words.back() == "uuid") return Spread::each_time;
  return words.size() > 1 && words.back() == "id" ? Spread::many : Spread::few;
}

void lint_metrics(std::span<const RuleSet::Source> sources, config::Diagnostics& diagnostics) {
  std::map<std::string_view, Declared> metrics;
  for (const RuleSet::Source& source : sources) {
    const Node& root = source.document->root;
    if (const Node* node = root.find("metrics")) {
      for (const Node::Entry& entry : node->entries) {
        if (!entry.value.is_map()) continue;
        Declared metric{.document = source.document.get(),
                        .key = &entry.key,
                        .body = &entry.value,
                        .name = entry.key.text,
                        .type = text_of(entry.value.find("type"))};
        if (metric.type != "counter" && metric.type != "gauge" && metric.type != "histogram")
          metric.type = {};
        metrics.emplace(metric.name, metric);
      }
    }
    if (const Node* rules = root.find("rules"); rules != nullptr) {
      for (const Node::Entry& rule : rules->entries) {
        const Node* actions = rule.value.find("do");
        if (actions == nullptr) continue;
        for (const Node& action : actions->items) {
          lint_label_sources(*source.document, action, diagnostics);
          lint_value_unit(*source.document, rule.value, action, diagnostics);
        }
      }
    }
  }
  MetricLint(std::move(metrics), diagnostics).all();
}

}  // namespace logtally::rules
