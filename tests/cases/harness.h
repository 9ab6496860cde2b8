// What the tests of the rule language share: rules from text, lines counted by them, the page that
// a scrape would get. An Engine is a daemon without files, clock and port.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "config/diagnostics.h"
#include "config/yaml_document.h"
#include "rules/delta.h"
#include "rules/event.h"
#include "rules/json_decoder.h"
#include "rules/record_decoder.h"
#include "rules/rule_set.h"
#include "sinks/metrics/exposition.h"
#include "sinks/metrics/registry.h"

namespace logtally::cases {

using Texts = std::vector<std::string>;

// The rule files' texts, compiled together; named rules.yaml, rules2.yaml ... Null when there are
// errors.
inline std::shared_ptr<const rules::RuleSet> compile(const Texts& files,
                                                     config::Diagnostics& found) {
  std::vector<rules::RuleSet::Source> sources;
  for (const std::string& text : files) {
    const std::string number = sources.empty() ? "" : std::to_string(sources.size() + 1);
    auto document = config::parse_yaml(std::make_shared<const config::SourceFile>(
                                           config::SourceFile{"rules" + number + ".yaml", text}),
                                       found);
    if (document != nullptr) sources.push_back({std::move(document), false});
  }
  if (sources.size() != files.size()) return nullptr;
  return rules::RuleSet::compile(sources, found);
}

inline std::shared_ptr<const rules::RuleSet> compile_or_fail(const Texts& files) {
  config::Diagnostics found;
  auto set = compile(files, found);
  INFO(found.render());
  REQUIRE(set != nullptr);
  return set;
}

class Engine {
 public:
  explicit Engine(const Texts& files) : Engine(compile_or_fail(files)) {}
  explicit Engine(const std::string& rules) : Engine(Texts{rules}) {}
  explicit Engine(std::shared_ptr<const rules::RuleSet> set)
      : set_(std::move(set)),
        decoder_(std::in_place, *set_),
        event_(set_->plan()),
        delta_(*set_),
        registry_(delta_.series) {}

  // Where the next records come from; offsets go on by themselves.
  rules::RecordOrigin origin;

  // A record: a line of whatever kind, and behind a newline what continues it. Returns whether a
  // rule matched.
  bool line(std::string_view text, rules::TraceSink* trace = nullptr) {
    if (!read(text)) {
      ++failed;
      return false;
    }
    return set_->count(event_, delta_, trace);
  }
  void lines(const Texts& texts) {
    for (const std::string& text : texts) line(text);
  }

  // Other rules from now on, as a daemon takes them over.
  rules::Succession reload(const Texts& files) {
    auto next = compile_or_fail(files);
    rules::Succession told = next->take_over(delta_, *set_);
    std::swap(set_, next);
    decoder_.emplace(*set_);
    event_ = rules::Event(set_->plan());
    registry_.replace(delta_.series);
    return told;
  }
  rules::Succession reload(const std::string& rules) { return reload(Texts{rules}); }

  // From now on a silent stream's time goes on, see RuleSet::tick().
  void follow(std::int64_t wall_ns) {
    delta_.clock = rules::EventClock(rules::Silence::ticks, wall_ns);
  }
  bool tick(std::int64_t wall_ns) { return set_->tick(delta_, wall_ns); }

  // The page as it stands.
  std::string page() {
    registry_.publish(delta_.series);
    std::string out;
    metrics::append_text(out, registry_.snapshot());
    return out;
  }
  // The page without HELP and TYPE.
  std::string samples() { return without_comments(page()); }
  // The same of a scrape, which sees the last value of a series that expires; page() is how it
  // stands.
  std::string scraped() {
    registry_.publish(delta_.series);
    std::string out;
    metrics::append_text(out, registry_.scrape());
    return without_comments(out);
  }
  static std::string without_comments(const std::string& all) {
    std::string out;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find('\n', at), all.size() - 1) + 1;
      if (all[at] != '#') out.append(all, at, end - at);
      at = end;
    }
    return out;
  }
  // What was skipped, one a line: `rule / action / reason N`.
  std::string skips() const {
    constexpr std::array<std::string_view, metrics::kSkipReasons> kReasons = {
        "missing_field", "not_a_number", "not_finite", "negative", "unknown_key", "over_limit"};
    std::string out;
    for (std::size_t rule = 0; rule < set_->rules().size(); ++rule) {
      const rules::Rule& compiled = set_->rules()[rule];
      for (std::size_t action = 0; action < compiled.actions.size(); ++action) {
        for (std::size_t reason = 0; reason < kReasons.size(); ++reason) {
          const std::uint64_t count = delta_.rules[rule].skipped[action][reason];
          if (count == 0) continue;
          out += compiled.name + " / " + compiled.actions[action].name + " / " +
                 std::string(kReasons[reason]) + " " + std::to_string(count) + "\n";
        }
      }
    }
    return out;
  }

  const rules::RuleSet& set() const { return *set_; }
  rules::Delta& delta() { return delta_; }
  std::uint64_t failed = 0;  // lines that begin as JSON and are none

 private:
  bool read(std::string_view text) {
    // The decoder wants the newline and readable bytes behind it; the copy lives as long as the
    // record.
    buffer_.assign(text);
    buffer_ += '\n';
    buffer_.append(rules::kReadableBehindLine, '\0');
    const std::string_view whole(buffer_.data(), text.size());
    const std::string_view first = whole.substr(0, whole.find('\n'));
    origin.offset += buffer_.size();
    scratch_.clear();
    const rules::LineKind kind = decoder_->decode(first, event_, scratch_);
    event_.origin = origin;
    if (first.size() != whole.size()) {
      event_.line = whole;
      event_.rest = whole.substr(first.size() + 1);
    }
    return kind != rules::LineKind::failed_json && kind != rules::LineKind::failed_nul;
  }

  std::shared_ptr<const rules::RuleSet> set_;
  std::optional<rules::RecordDecoder> decoder_;
  rules::Event event_;
  rules::Scratch scratch_;
  rules::Delta delta_;
  metrics::Registry registry_;
  std::string buffer_;
};

inline std::string metrics_of(const std::string& rules, const Texts& lines) {
  Engine engine(rules);
  engine.lines(lines);
  return engine.page();
}

inline std::string samples_of(const std::string& rules, const Texts& lines) {
  Engine engine(rules);
  engine.lines(lines);
  return engine.samples();
}

inline std::string skips_of(const std::string& rules, const Texts& lines) {
  Engine engine(rules);
  engine.lines(lines);
  return engine.skips();
}

// n times the same line.
inline Texts times(std::size_t n, const std::string& line) { return Texts(n, line); }

inline Texts operator+(Texts a, const Texts& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Where and what a rule file is refused for: `line:column code`, one a line, in order of place.
inline std::string faults_of(const Texts& files) {
  config::Diagnostics found;
  const auto set = compile(files, found);
  std::vector<const config::Diagnostic*> sorted;
  for (const config::Diagnostic& d : found.all()) sorted.push_back(&d);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return a->place.file->name != b->place.file->name ? a->place.file->name < b->place.file->name
                                                      : a->place.span.begin < b->place.span.begin;
  });
  std::string out;
  for (const config::Diagnostic* d : sorted) {
    const config::LineColumn at = config::line_column(*d->place.file, d->place.span.begin);
    if (files.size() > 1) out += d->place.file->name + ":";
    out += std::to_string(at.line) + ":" + std::to_string(at.column) + " " + d->code + "\n";
  }
  CHECK((set == nullptr) == found.has_errors());
  return out;
}
inline std::string faults_of(const std::string& rules) { return faults_of(Texts{rules}); }

}  // namespace logtally::cases
