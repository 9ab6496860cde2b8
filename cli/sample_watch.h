// SampleWatch: hears what the rules make of a sample, and keeps of every rule what tells why it did
// not match: the lines that came nearest, what failed on them, and what stood there instead.
// Everything it keeps is bounded. Lives on the thread that counts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <re2/re2.h>

#include "rules/rule_set.h"
#include "rules/trace.h"

namespace logtally::cli {

// How often each text was there; at most kMost different ones.
class Tally {
 public:
  void add(std::string_view text);
  std::uint64_t total() const { return total_; }
  bool empty() const { return counts_.empty(); }
  // The most frequent first; of equals in order of the alphabet.
  std::vector<std::pair<std::string, std::uint64_t>> top(std::size_t most) const;
  std::vector<std::string> texts() const;

 private:
  static constexpr std::size_t kMost = 500;
  std::map<std::string, std::uint64_t, std::less<>> counts_;
  std::uint64_t total_ = 0;
};

class SampleWatch : public rules::TraceSink {
 public:
  explicit SampleWatch(const rules::RuleSet& rules);

  // What failed on the nearest lines, and what was seen there.
  struct Miss {
    std::uint64_t lines = 0;
    std::uint64_t missing = 0;  // of them: there was no such field
    Tally seen;
    Tally keys;  // fields of the lines where it was missing
  };
  struct OfRule {
    std::uint64_t matched = 0;
    std::size_t nearest = SIZE_MAX;      // conditions that failed on the nearest lines
    std::uint64_t lines = 0;             // that came so near
    std::map<std::string, Miss> misses;  // by what failed: a condition's name, "pattern" ...
    std::vector<std::uint64_t> done;     // by action
    std::vector<std::uint64_t> skipped;  // by action
    std::vector<std::set<rules::SkipReason>> reasons;
    std::vector<Tally> keys;           // by action: fields of the lines that it skipped
    std::vector<std::string> missing;  // by action: a label without a value
    std::vector<std::string> absent;   // by action: a field of its value that is not there
    struct Range {                     // by action: where the values of a histogram lie
      std::uint64_t values = 0;
      std::uint64_t above = 0;  // beyond the last bucket
      std::uint64_t below = 0;  // at most a hundredth of the first
      std::string example;
    };
    std::vector<Range> ranges;
  };
  const OfRule& rule(std::size_t index) const { return all_[index]; }
  // Records that fit no format and matched no rule, of all; and some of them.
  struct Bare {
    std::uint64_t records = 0;
    std::uint64_t bare = 0;
    std::string lines;
  };
  const Bare& bare() const { return bare_; }

  // Label values that look like a secret, by family and label: one of them, and its shape.
  struct Secret {
    std::string shape;
    std::uint64_t times = 0;
  };
  const std::map<std::pair<metrics::FamilyId, std::size_t>, Secret>& secrets() const {
    return secrets_;
  }
  // How often each redaction was at work, by name.
  const std::map<std::string, std::uint64_t, std::less<>>& redactions() const {
    return redactions_;
  }

  // The values that a label with a `max` would have, by LabelPolicy::number.
  std::size_t values_of(std::size_t number) const { return values_[number].size(); }

  void rule_matched(const rules::Rule& rule) override;
  void rule_failed(const rules::Rule& rule, std::string_view what, std::string_view seen) override;
  void action_done(const rules::Rule& rule, const rules::Action& action,
                   const metrics::Series& series, rules::Decimal value) override;
  void action_skipped(const rules::Rule& rule, const rules::Action& action,
                      rules::SkipReason reason) override;
  void record_begins(const rules::Event& event, rules::Scope& scope) override;
  void redacted(std::string_view name, std::size_t times) override;
  void record_done(const rules::Event& event, bool matched) override;

 private:
  OfRule& of(const rules::Rule& rule);
  static std::size_t index_of(const rules::Rule& rule, const rules::Action& action);
  bool patterns_fit(const rules::Rule& rule);
  void add_keys(Tally& tally);
  void add_keys(Tally& tally, const rules::Rule& rule);  // and what the rule itself gives
  void look_for_secrets(const metrics::Series& series);

  const rules::RuleSet& rules_;
  std::vector<OfRule> all_;
  std::vector<std::set<std::string, std::less<>>> values_;
  Bare bare_;
  std::map<std::pair<metrics::FamilyId, std::size_t>, Secret> secrets_;
  std::map<std::string, std::uint64_t, std::less<>> redactions_;
  std::vector<std::pair<std::string, std::unique_ptr<const re2::RE2>>> shapes_;
  std::set<std::string, std::less<>> looked_at_;  // label values
  const rules::Event* event_ = nullptr;
  rules::Scope* scope_ = nullptr;
  std::vector<std::string> keys_;  // of the record, once they are known
  bool keys_known_ = false;
};

}  // namespace logtally::cli
