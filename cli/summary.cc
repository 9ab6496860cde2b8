#include "cli/summary.h"

#include <algorithm>

#include <fmt/format.h>

#include "rules/explainer.h"

namespace logtally::cli {

Summary summarise(const metrics::Totals& totals) {
  Summary summary;
  for (const metrics::TargetTotals& target : totals.targets) {
    summary.read += target.lines_read;
    summary.parsed += target.parsed;
    summary.joined += target.joined;
    summary.bare += target.bare;
    summary.failed += target.failed_json + target.failed_too_long + target.failed_nul;
    summary.matched += target.matched;
    summary.unmatched += target.unmatched;
    summary.lost += target.lost_truncated_bytes + target.lost_deleted_bytes;
  }
  summary.lost += totals.spool_dropped_bytes;
  for (const metrics::MetricTotals& metric : totals.metrics) summary.series += metric.series;
  return summary;
}

std::string logfmt(const Summary& s) {
  return fmt::format(
      "msg=summary read={} parsed={} joined={} bare={} failed={} matched={} unmatched={} lost={}",
      s.read, s.parsed, s.joined, s.bare, s.failed, s.matched, s.unmatched, s.lost);
}

std::string for_people(const Summary& s) {
  return fmt::format(
      "read {}  parsed {}  joined {}  bare {}  failed {}  matched {}  unmatched {}  lost {}{} │ {} "
      "series",
      grouped(s.read), grouped(s.parsed), grouped(s.joined), grouped(s.bare), grouped(s.failed),
      grouped(s.matched), grouped(s.unmatched), grouped(s.lost), s.lost == 0 ? "" : " bytes",
      grouped(s.series));
}

std::vector<std::string> skips_of(const metrics::Totals& totals, const rules::RuleSet& rules,
                                  bool people) {
  struct Line {
    std::uint64_t times = 0;
    std::string text;
  };
  std::vector<Line> lines;
  for (std::size_t r = 0; r < std::min(rules.rules().size(), totals.rules.size()); ++r) {
    const rules::Rule& rule = rules.rules()[r];
    if (rule.place.file->name.starts_with("pack ")) continue;  // theirs are meant
    Line line;
    std::string why;
    for (std::size_t a = 0; a < totals.rules[r].skipped.size(); ++a) {
      for (std::size_t reason = 0; reason < metrics::kSkipReasons; ++reason) {
        const std::uint64_t times = totals.rules[r].skipped[a][reason];
        if (times == 0) continue;
        line.times += times;
        why += fmt::format("{}{} ({} {})", why.empty() ? "" : ", ", rule.actions[a].name,
                           rules::reason_name(static_cast<rules::SkipReason>(reason)),
                           people ? grouped(times) : std::to_string(times));
      }
    }
    if (line.times == 0) continue;
    line.text = people ? fmt::format("rule {} skipped {} of its actions: {}", rule.name,
                                     grouped(line.times), why)
                       : fmt::format("msg=skipped rule={} times={} actions=\"{}\"", rule.name,
                                     line.times, why);
    lines.push_back(std::move(line));
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.times > b.times; });
  constexpr std::size_t kMost = 10;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < lines.size() && i < kMost; ++i)
    texts.push_back(std::move(lines[i].text));
  if (lines.size() > kMost)
    texts.push_back(
        fmt::format(fmt::runtime(people ? "and {} more rules" : "msg=skipped more_rules={}"),
                    lines.size() - kMost));
  return texts;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

}  // namespace logtally::cli
