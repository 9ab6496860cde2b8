// SampleWatch: hears what the rules make of a sample, and keeps of every rule what tells why it did
// not match: the lines that came nearest, what failed on them, and what stood there instead.
// Everything it keeps is bounded. Lives on the thread that counts.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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
  };
  const OfRule& rule(std::size_t index) const { return all_[index]; }
  // The values that a label with a `max` would have, by LabelPolicy::number.
  std::size_t values_of(std::size_t number) const { return values_[number].size(); }

  void rule_matched(const rules::Rule& rule) override;
  void rule_failed(const rules::Rule& rule, std::string_view what, std::string_view seen) override;
  void action_done(const rules::Rule& rule, const rules::Action& action,
                   const metrics::Series& series, rules::Decimal value) override;
  void action_skipped(const rules::Rule& rule, const rules::Action& action,
                      rules::SkipReason reason) override;
  void record_begins(const rules::Event& event, rules::Scope& scope) override;

 private:
  OfRule& of(const rules::Rule& rule);
  static std::size_t index_of(const rules::Rule& rule, const rules::Action& action);
  bool patterns_fit(const rules::Rule& rule);
  void add_keys(Tally& tally);

  const rules::RuleSet& rules_;
  std::vector<OfRule> all_;
  std::vector<std::set<std::string, std::less<>>> values_;
  const rules::Event* event_ = nullptr;
  rules::Scope* scope_ = nullptr;
  std::vector<std::string> keys_;  // of the record, once they are known
  bool keys_known_ = false;
};

}  // namespace logtally::cli
