// Explanation: what one record did to the series, and why; plain data, with copies of all texts.
// Made by Explainer, shown by `explain`. A text that is missing is std::nullopt, an empty one is
// there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sinks/metrics/decimal.h"

namespace logtally::rules {

using OptionalText = std::optional<std::string>;

struct Explanation {
  static constexpr std::size_t kNear = 100;

  // A name with what it stands for.
  struct Named {
    std::string name;
    OptionalText value;
    std::string note;  // where it was found, or why there is none; may be empty
  };

  struct OtherFormat {
    std::string name;
    std::string why;
  };

  struct Condition {
    std::string key;   // as in rules: "match", "pattern", "regex", "if"
    std::string text;  // in the notation of rules: `event = "llm_request"`
    bool holds = false;
    OptionalText seen;  // where it does not: the value
    std::string why;    // where it does not: for people
  };

  // A series and what became of it.
  struct Series {
    std::string metric;
    std::vector<Named> labels;  // note: "other: `x` is one too many"
    std::string text() const;   // name{label="value"}
  };

  struct Action {
    enum class Outcome : std::uint8_t { done, skipped, not_true };
    std::string kind;    // inc, observe, remember ...
    std::string target;  // metric, table, skill_invocation
    Outcome outcome = Outcome::done;
    std::string why;               // skipped: the reason as counted, and of what; not_true: `if`
    std::string reason;            // skipped: missing_field ...
    std::optional<Series> series;  // actions on a metric that were done
    OptionalText value_read;       // as it was found, in `unit`
    std::string unit;              // as declared; empty: none
    std::string base;              // seconds ...: what the metric's value is in; empty: unknown
    std::optional<metrics::Decimal> value;   // in the metric's unit: what was added, set, observed
    std::optional<metrics::Decimal> before;  // of the series: no value before
    std::optional<metrics::Decimal> after;
    std::optional<std::string> bucket;        // histograms: `le` of the smallest that counts it
    std::vector<Named> columns;               // remember, take, store
    OptionalText key;                         // remember, take
    std::optional<metrics::Decimal> elapsed;  // take: seconds
    std::size_t deleted = 0;                  // delete: series
    std::vector<std::string> notes;           // what else there is to say
  };

  struct Rule {
    std::string name;
    std::string place;  // FILE:LINE
    bool matched = false;
    std::vector<Condition>
        conditions;      // of one that did not match: as far as the first that failed
    std::string failed;  // what it wants otherwise: a field's name, "message", "pattern" ...
    // Not matched: how much of it holds. From kNear on it was all but a match; 0: it wants
    // something quite different.
    std::size_t nearness = 0;
    std::vector<Named> captures;
    std::vector<Named> lets;
    std::vector<Named> fields;  // those that it uses, and where they were found
    std::vector<Action> actions;
  };

  // What the record's time did before any rule: rows and gauges that were due.
  std::vector<std::string> due;

  // A line that is no record: "json", "nul", "too_long"; nothing else is filled then.
  std::string refused;
  std::string line;     // the record's text, lines joined; of a refused line its beginning
  std::string kind;     // "json", "text", "bare"
  std::string format;   // text: its name
  std::string pattern;  // text: of the format
  std::size_t bytes = 0;
  std::size_t lines = 1;            // physical ones
  std::vector<std::string> keys;    // json: of the outermost object; text: captures of the format
  std::string wrapper;              // "docker", "cri"; empty: none
  std::string stream;               // of the wrapper
  std::vector<OtherFormat> others;  // formats that were tried and not taken
  OptionalText time;                // RFC 3339; nothing: arrival
  std::string time_note;            // where it was found and how it was read
  Named level;                      // value: folded
  Named logger;
  Named message;
  Named exception;
  std::vector<std::pair<std::string, std::size_t>> redactions;  // name, how often
  std::vector<Rule> rules;                                      // all, in their order
  bool matched = false;
};

}  // namespace logtally::rules
