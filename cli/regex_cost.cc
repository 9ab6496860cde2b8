#include "cli/regex_cost.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <map>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <re2/re2.h>

#include "rules/regex_syntax.h"

namespace logtally::cli {
namespace {

constexpr double kWarnNs = 50;      // a byte
constexpr double kRefuseNs = 1000;  // a byte
// A single short text may cost several times what the expression does, never that much: memory is
// asked for, and caches are cold.
constexpr double kDoubt = 2;
constexpr double kClearNs = kWarnNs / 2;  // short texts that cost less clear an expression
constexpr std::size_t kThoroughBytes = 4096;
constexpr std::size_t kRounds = 5;
constexpr double kMostNs = 4e6;  // of one measurement
constexpr int kMaxGroups = 16;
// Under a sanitizer memory is dear, and RE2 asks for some with every new state.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSlowdown = 3;
#else
constexpr double kSlowdown = 1;
#endif

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

// One expression, wherever it stands.
class Measured {
 public:
  Measured(const rules::PlacedRegex& regex, std::shared_ptr<const re2::RE2> compiled)
      : regex_(regex), compiled_(std::move(compiled)) {
    kind_ns_.fill(0);
  }

  int program_size() const { return compiled_->ProgramSize(); }
  // Nanoseconds a byte: of the kinds of text the worst; exact if measured thoroughly.
  double ns() const { return *std::max_element(kind_ns_.begin(), kind_ns_.end()); }
  bool is_tried() const { return tried_; }
  bool is_thorough() const { return thorough_; }
  bool is_clear() const { return tried_ && ns() <= kClearNs; }
  bool is_far_beyond() const { return ns() > kDoubt * kRefuseNs; }

  // Growing texts of each kind, until it is far beyond what is refused.
  void try_short() {
    tried_ = true;
    for (const std::size_t bytes : {std::size_t{48}, std::size_t{256}}) {
      for (std::size_t kind = 0; kind < rules::kHardTextKinds; ++kind) {
        double ns = once(kind, bytes);
        if (bytes == 48 && ns > kDoubt * kRefuseNs) ns = std::min(ns, once(kind, bytes));
        kind_ns_[kind] = ns;
        if (ns > kDoubt * kRefuseNs) return;
      }
    }
  }

  // Another short text, of the worst kind: what the first one found cold is warm now.
  void try_again() {
    const auto worst = std::max_element(kind_ns_.begin(), kind_ns_.end());
    *worst = std::min(*worst, once(static_cast<std::size_t>(worst - kind_ns_.begin()), 256));
  }

  // Per kind of text the best of five, or the first that is no reason to warn.
  void measure() {
    thorough_ = true;
    for (std::size_t kind = 0; kind < rules::kHardTextKinds; ++kind) {
      // Longer texts step by step: what is cheap on a short one need not be on a long one.
      double guess = kind_ns_[kind] > 0 ? kind_ns_[kind] : once(kind, 256);
      if (fitting(guess) > 1024) guess = once(kind, 1024);
      const std::size_t bytes = fitting(guess);
      double best = std::numeric_limits<double>::max();
      double took = 0;  // what jumps up on long texts takes too long for five rounds
      for (std::size_t round = 0;
           round < kRounds && best > kWarnNs && took < kMostNs * static_cast<double>(kRounds);
           ++round) {
        const double ns = once(kind, bytes);
        best = std::min(best, ns);
        took += ns * static_cast<double>(bytes);
      }
      kind_ns_[kind] = best;
      if (best > kDoubt * kRefuseNs) {  // the other kinds change nothing
        std::fill(kind_ns_.begin(), kind_ns_.end(), 0);
        kind_ns_[kind] = best;
        return;
      }
    }
  }

 private:
  // The length of a text that takes no longer than one measurement may.
  static std::size_t fitting(double ns) {
    return std::clamp<std::size_t>(static_cast<std::size_t>(kMostNs / std::max(ns, 1.0)), 256,
                                   kThoroughBytes);
  }

  double once(std::size_t kind, std::size_t bytes) {
    const std::string text = rules::hard_text(regex_.text, kind, seed_++, bytes);
    if (text.empty()) return 0;
    const double begin = thread_cpu_ns();
    const std::size_t found = apply(*compiled_, regex_.use, text);
    constexpr std::size_t kBytesOfOne = 8;  // what an occurrence costs, in bytes without any
    return (thread_cpu_ns() - begin) / kSlowdown /
           static_cast<double>(text.size() + kBytesOfOne * found);
  }

  rules::PlacedRegex regex_;
  std::shared_ptr<const re2::RE2> compiled_;
  std::array<double, rules::kHardTextKinds> kind_ns_;
  std::uint64_t seed_ = 0;
  bool tried_ = false;
  bool thorough_ = false;
};

std::string per_byte(double ns) {
  return ns >= 1000 ? fmt::format("{:.1f} µs", ns / 1000) : fmt::format("{:.0f} ns", ns);
}

void report(const Measured& measured, const std::vector<config::Place>& places, RegexCare care,
            config::Diagnostics& diagnostics) {
  const double sure = measured.is_thorough() || care == RegexCare::run ? 1 : kDoubt;
  const double ns = measured.ns();
  if (ns <= sure * (care == RegexCare::check ? kWarnNs : kRefuseNs)) return;
  const bool refused = ns > sure * kRefuseNs && care == RegexCare::check;
  for (const config::Place& place : places) {
    config::Diagnostic& d = diagnostics.add(
        refused ? "E043" : "W217", place,
        fmt::format("this regular expression costs {} a byte", per_byte(ns)),
        fmt::format("1,000 bytes take {}", ns >= 1000 ? fmt::format("{:.0f} ms", ns / 1000)
                                                      : fmt::format("{:.0f} µs", ns)));
    d.notes.push_back(fmt::format(
        "measured on {} made against it; over {} ns a byte warns, over 1 µs is refused by `check`",
        measured.is_thorough() ? "text" : "a short text", static_cast<int>(kWarnNs)));
    d.helps.emplace_back(
        "a `pattern` costs nothing like it; in a regex: fewer counted repetitions {n,m}, no "
        "repetition of a repetition");
  }
}

}  // namespace

double thread_cpu_ns() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

RegexBudget regex_budget(RegexCare care, double spent_ns) {
  if (care == RegexCare::run) return {.short_ns = 1e7, .all_ns = 1e7};
  const double all = std::clamp(6.5e8 - spent_ns / kSlowdown, 1e8, 4e8) * kSlowdown;
  return {.short_ns = all * 0.7, .all_ns = all};
}

std::string RegexMeasures::note() const {
  if (briefly + never == 0) return {};
  std::string text = fmt::format("{} of {} regular expressions were ", briefly + never, all);
  if (briefly > 0) text += "measured with short texts only";
  if (never > 0)
    text += briefly > 0 ? fmt::format(", {} of them not at all", never) : "not measured";
  return text + ": the time for that is used up";
}

RegexMeasures check_regexes(std::span<const rules::RuleSet::Source> sources, RegexCare care,
                            RegexBudget budget, config::Diagnostics& diagnostics) {
  const double begin = thread_cpu_ns();
  const auto spent = [&] { return thread_cpu_ns() - begin; };

  RegexMeasures measures;
  std::map<std::pair<std::string, rules::PlacedRegex::Use>, std::vector<config::Place>> places;
  for (const rules::RuleSet::Source& source : sources) {
    for (rules::PlacedRegex& regex : rules::regexes_of(*source.document))
      places[{std::move(regex.text), regex.use}].push_back(std::move(regex.place));
  }
  std::vector<std::pair<Measured, const std::vector<config::Place>*>> all;
  for (const auto& [key, where] : places) {
    if (spent() > budget.short_ns / 2) {
      ++measures.all;
      ++measures.never;
      continue;
    }
    auto compiled = rules::compile_regex(key.first);
    auto* regex = std::get_if<std::shared_ptr<const re2::RE2>>(&compiled);
    if (regex == nullptr) continue;  // the compiler has told
    all.emplace_back(Measured({.text = key.first, .use = key.second, .place = {}}, *regex), &where);
  }
  measures.all += all.size();
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.first.program_size() > b.first.program_size();
  });

  for (auto& [measured, where] : all) {
    if (spent() > budget.short_ns) break;
    measured.try_short();
    if (care == RegexCare::run && measured.ns() > kRefuseNs) measured.try_again();
  }
  if (care == RegexCare::check) {
    for (const bool far_beyond : {false, true}) {
      for (auto& [measured, where] : all) {
        if (!measured.is_tried() || measured.is_clear() || measured.is_thorough() ||
            measured.is_far_beyond() != far_beyond)
          continue;
        if (spent() > budget.all_ns) break;
        measured.measure();
      }
    }
  }
  for (const auto& [measured, where] : all) {
    report(measured, *where, care, diagnostics);
    if (!measured.is_tried()) {
      ++measures.never;
    } else if (care == RegexCare::check && !measured.is_clear() && !measured.is_thorough() &&
               !measured.is_far_beyond()) {
      ++measures.briefly;
    }
  }
  return measures;
}

}  // namespace logtally::cli
