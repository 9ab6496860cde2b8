#include "cli/regex_cost.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <re2/re2.h>

namespace logtally::cli {
namespace {

constexpr double kWarnNs = 50;      // a byte
constexpr double kRefuseNs = 1000;  // a byte
constexpr int kMaxGroups = 16;
// Under a sanitizer memory is dear, and RE2 asks for some with every new state.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSlowdown = 8;
#else
constexpr double kSlowdown = 1;
#endif

// CPU time of this thread, whatever else the machine does.
double thread_ns() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Uses the expression as the rules do. Gives the number of occurrences where each one counts: a
// text full of them costs more, and that is not the expression's fault.
std::size_t apply(const re2::RE2& regex, rules::PlacedRegex::Use use, const std::string& text) {
  switch (use) {
    case rules::PlacedRegex::Use::find:
      re2::RE2::PartialMatch(text, regex);
      return 0;
    case rules::PlacedRegex::Use::groups: {
      std::array<re2::StringPiece, kMaxGroups + 1> groups;
      regex.Match(text, 0, text.size(), re2::RE2::UNANCHORED, groups.data(),
                  std::min(regex.NumberOfCapturingGroups(), kMaxGroups) + 1);
      return 0;
    }
    case rules::PlacedRegex::Use::replace: {
      std::string copy = text;
      return static_cast<std::size_t>(std::max(re2::RE2::GlobalReplace(&copy, regex, ""), 0));
    }
  }
  return 0;
}

std::string per_byte(double ns) {
  return ns >= 1000 ? fmt::format("{:.1f} µs", ns / 1000) : fmt::format("{:.0f} ns", ns);
}

}  // namespace

double regex_cost(const rules::PlacedRegex& regex, std::size_t longest, std::size_t rounds) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(4 << 20);  // as the compiler has it
  const re2::RE2 compiled(regex.text, options);
  if (!compiled.ok()) return 0;
  const auto once = [&](std::size_t kind, std::uint64_t seed, std::size_t bytes) {
    const std::string text = rules::hard_text(regex.text, kind, seed, bytes);
    if (text.empty()) return 0.0;
    const double begin = thread_ns();
    const std::size_t found = apply(compiled, regex.use, text);
    constexpr std::size_t kBytesOfOne = 8;  // what an occurrence costs, in bytes without any
    return (thread_ns() - begin) / static_cast<double>(text.size() + kBytesOfOne * found);
  };
  constexpr std::size_t kShort = 256;
  constexpr double kMostNs = 4e6;  // of one measurement
  double worst = 0;
  std::uint64_t seed = 0;
  for (std::size_t kind = 0; kind < rules::kHardTextKinds; ++kind) {
    const double guess = std::max(once(kind, seed++, kShort), 1.0);
    const auto fitting = static_cast<std::size_t>(kMostNs / guess);
    const std::size_t bytes = std::clamp(fitting, kShort, std::max(longest, kShort));
    double best = std::numeric_limits<double>::max();
    for (std::size_t round = 0; round < rounds; ++round)
      best = std::min(best, once(kind, seed++, bytes));
    worst = std::max(worst, best / kSlowdown);
  }
  return worst;
}

void check_regexes(std::span<const rules::RuleSet::Source> sources, RegexCare care,
                   config::Diagnostics& diagnostics) {
  const double begin = thread_ns();
  const double budget = care == RegexCare::check ? 4e8 : 1e7;
  std::vector<rules::PlacedRegex> all;
  for (const rules::RuleSet::Source& source : sources) {
    auto of_one = rules::regexes_of(*source.document);
    all.insert(all.end(), std::make_move_iterator(of_one.begin()),
               std::make_move_iterator(of_one.end()));
  }
  for (const rules::PlacedRegex& regex : all) {
    const bool over_budget = thread_ns() - begin > budget;
    if (over_budget && care == RegexCare::run) return;
    const bool thorough = care == RegexCare::check && !over_budget;
    const double ns = regex_cost(regex, thorough ? 4096 : 256, thorough ? 5 : 2);
    const bool refused = ns > kRefuseNs;
    if (ns <= (care == RegexCare::check ? kWarnNs : kRefuseNs)) continue;
    config::Diagnostic& d = diagnostics.add(
        refused && care == RegexCare::check ? "E043" : "W217", regex.place,
        fmt::format("this regular expression costs {} a byte", per_byte(ns)),
        fmt::format("1,000 bytes take {}", ns >= 1000 ? fmt::format("{:.0f} ms", ns / 1000)
                                                      : fmt::format("{:.0f} µs", ns)));
    d.notes.push_back(
        fmt::format("measured on text made against it; over {} ns a byte warns, over 1 µs is "
                    "refused by `check`",
                    static_cast<int>(kWarnNs)));
    d.helps.emplace_back(
        "a `pattern` costs nothing like it; in a regex: fewer counted repetitions {n,m}, no "
        "repetition of a repetition");
  }
}

}  // namespace logtally::cli
