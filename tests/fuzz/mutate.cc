// Mutated lines through the whole path in memory: wrapper off, decode, count, publish, expose.
//
//   logtally_mutate [--lines N] [--seed N] --rules FILE... -- SEED_FILE...
//
// Takes the lines of the seed files, mutates them (bit flips, cuts, splices, chunks twice, odd
// bytes, brackets) and ends with status 1 at the first broken promise; meant to run under the
// sanitizers. The same seed makes the same lines. Promises:
//   - both passes of the JSON decoder take and refuse the same lines and count the same;
//   - rules that are picked by dispatch count the same as all rules tried one by one (tracing);
//   - a refused line touches no series and counts no rule;
//   - a record without a logger, say because its header was destroyed, is counted by no rule that
//     asks for one;
//   - the page is valid UTF-8, and each of its lines is a sample or a comment.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/utf8.h"
#include "config/yaml_document.h"
#include "pipeline/wrapper.h"
#include "rules/json_decoder.h"
#include "rules/record_decoder.h"
#include "rules/rule_set.h"
#include "rules/trace.h"
#include "sinks/metrics/exposition.h"
#include "sinks/metrics/registry.h"
#include "tests/rules/json_line.h"

namespace logtally {
namespace {

constexpr std::size_t kLongestLine = 256 * 1024;
constexpr std::size_t kLongestUsual = 16 * 1024;  // longer ones cost too much to come often
constexpr std::uint64_t kLinesPerPage = 5000;

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::uint32_t seed)
      : seeds_(std::move(seeds)), random_(seed) {}

  std::string line() {
    std::string text = pick();
    for (std::size_t times = below(5); times > 0; --times) mutate(text);
    std::erase(text, '\n');
    if (text.size() > kLongestLine) text.resize(kLongestLine);
    return text;
  }

  // What continues a record; most have nothing.
  std::string rest() {
    std::string text;
    if (below(4) != 0) return text;
    if (below(2) == 0)
      text += "\nTraceback (most recent call last):\n  File \"x.py\", line 1, in f";
    for (std::size_t lines = below(3); lines > 0; --lines) text += "\n" + line();
    return text;
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }

  const std::string& pick() {
    const std::string* seed = &seeds_[below(seeds_.size())];
    while (seed->size() > kLongestUsual && below(64) != 0) seed = &seeds_[below(seeds_.size())];
    return *seed;
  }

  void mutate(std::string& text) {
    if (text.empty()) return;
    const std::size_t at = below(text.size());
    switch (below(10)) {
      case 0:
      case 1:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 2:
        text.resize(at);
        break;
      case 3:
        text.erase(0, at);
        break;
      case 4:
        text.erase(at, 1 + below(16));
        break;
      case 5: {
        const std::string& other = pick();
        if (!other.empty()) text = text.substr(0, at) + other.substr(below(other.size()));
        break;
      }
      case 6:
        text.insert(at, text.substr(below(text.size()), 1 + below(64)));
        break;
      case 7:
        text[at] = static_cast<char>(below(256));
        break;
      case 8:
        replace_value(text, at);
        break;
      default: {
        constexpr std::string_view kMarks = "{}[]\",:\\ 0-.eE\xff";
        text.insert(at, 1, kMarks[below(kMarks.size())]);
      }
    }
  }

  // What stands behind a colon becomes something that rules have to cope with.
  void replace_value(std::string& text, std::size_t from) {
    static const std::string_view kValues[] = {"null",
                                               "true",
                                               "0",
                                               "-1",
                                               "1e400",
                                               "-1e-400",
                                               "NaN",
                                               "-Infinity",
                                               "\"\"",
                                               "\"\\u0000\"",
                                               "\"\\ud83d\"",
                                               "\"\xff\xfe\"",
                                               "[]",
                                               "{}",
                                               "[{}]",
                                               "18446744073709551616",
                                               "9223372036854775807",
                                               "0.00000000000000000001",
                                               "\"1h30m\"",
                                               "\"1.5MB\"",
                                               "\"2026-02-28T25:61:61Z\"",
                                               "\"\\\"\\n\\\\\""};
    const std::size_t colon = text.find("\":", from);
    if (colon == std::string::npos) return;
    const std::size_t end = std::min(text.find_first_of(",}]", colon), text.size());
    text.replace(colon + 2, end - colon - 2, kValues[below(std::size(kValues))]);
  }

  std::vector<std::string> seeds_;
  std::mt19937 random_;
};

class SilentTrace : public rules::TraceSink {
 public:
  void rule_matched(const rules::Rule&) override {}
  void rule_failed(const rules::Rule&, std::string_view, std::string_view) override {}
  void action_done(const rules::Rule&, const rules::Action&, const metrics::Series&,
                   rules::Decimal) override {}
  void action_skipped(const rules::Rule&, const rules::Action&, rules::SkipReason) override {}
};

// One way of doing the work; what comes out must not depend on the way.
class Path {
 public:
  Path(const rules::RuleSet& set, rules::JsonDecoder::Kernel kernel, rules::TraceSink* trace)
      : set_(set),
        decoder_(set.plan()),
        records_(set),
        event_(set.plan()),
        delta_(set),
        registry_(delta_.series),
        trace_(trace) {
    decoder_.use(kernel);
    for (const rules::Rule& rule : set.rules()) {
      needs_logger_.push_back(false);
      for (const rules::Condition& condition : rule.conditions) {
        using Kind = rules::Test::Kind;
        const Kind kind = condition.test.kind;
        const bool present = kind == Kind::equal || kind == Kind::prefix || kind == Kind::exists ||
                             kind == Kind::regex;
        if (condition.name == "logger" && present) needs_logger_.back() = true;
      }
    }
  }

  enum class Outcome : std::uint8_t { refused, unmatched, matched };

  // `text` is followed by a newline; `first` of its bytes are the first line of a record.
  Outcome count(std::string_view text, std::size_t first, std::uint64_t number) {
    event_.clear();
    const std::string_view line = text.substr(0, first);
    if (line.starts_with('{')) {
      const char* const end = decoder_.decode(line.data(), event_);
      if (end == nullptr) return Outcome::refused;
      if (end != line.data() + line.size() + 1) fail("the decoder ended elsewhere", line);
    } else {
      scratch_.clear();
      const rules::LineKind kind = records_.decode(line, event_, scratch_);
      if (kind == rules::LineKind::failed_json || kind == rules::LineKind::failed_nul) {
        return Outcome::refused;
      }
      if (first < text.size()) {
        event_.line = text;
        event_.rest = text.substr(first + 1);
      }
    }
    event_.origin = {.file = "seed",
                     .stream = {},
                     .time_ns = static_cast<std::int64_t>(number),
                     .generation = 1,
                     .offset = number};
    const bool logger = event_.field(set_.plan().candidates(set_.known().logger)).present();
    const std::uint64_t before = logger ? 0 : matched_by_logger();
    const bool matched = set_.count(event_, delta_, trace_);
    if (!logger && matched_by_logger() != before)
      fail("counted by a logger that is not there", text);
    return matched ? Outcome::matched : Outcome::unmatched;
  }

  std::string page() {
    registry_.publish(delta_.series);
    std::string out;
    metrics::append_text(out, registry_.snapshot());
    return out;
  }

  // Everything that the rules counted about themselves, and the touched series: changes with any
  // effect.
  std::uint64_t effects() const {
    std::uint64_t sum = delta_.series.touched().size() + delta_.series.size();
    for (const metrics::RuleTotals& rule : delta_.rules) {
      sum += rule.matched;
      for (const metrics::SkipTotals& action : rule.skipped) {
        for (const std::uint64_t count : action) sum += count;
      }
    }
    return sum;
  }
  const std::vector<metrics::RuleTotals>& totals() const { return delta_.rules; }

  [[noreturn]] static void fail(const char* what, std::string_view text) {
    std::fprintf(stderr, "logtally_mutate: %s: %s\n", what, config::printable(text, 2000).c_str());
    std::exit(1);
  }

 private:
  std::uint64_t matched_by_logger() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < needs_logger_.size(); ++i) {
      if (needs_logger_[i]) sum += delta_.rules[i].matched;
    }
    return sum;
  }

  const rules::RuleSet& set_;
  rules::JsonDecoder decoder_;
  rules::RecordDecoder records_;
  rules::Scratch scratch_;
  std::vector<bool> needs_logger_;
  rules::Event event_;
  rules::Delta delta_;
  metrics::Registry registry_;
  rules::TraceSink* trace_;
};

void check_page(std::string_view page) {
  for (std::size_t at = 0; at < page.size();) {
    const config::CodePoint point = config::decode_utf8(page, at);
    if (!point.valid || point.value == 0)
      Path::fail("the page is not valid UTF-8", page.substr(at, 100));
    at += point.length;
  }
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = page.find('\n', at);
    if (end == std::string_view::npos)
      Path::fail("the page's last line has no end", page.substr(at));
    const std::string_view line = page.substr(at, end - at);
    const bool name = !line.empty() && (line[0] == '_' || (line[0] >= 'a' && line[0] <= 'z') ||
                                        (line[0] >= 'A' && line[0] <= 'Z'));
    const std::size_t blank = line.rfind(' ');
    char* rest = nullptr;
    const std::string number(blank == std::string_view::npos ? "" : line.substr(blank + 1));
    if (name) std::strtod(number.c_str(), &rest);
    if (!(name ? !number.empty() && *rest == '\0' : line.starts_with("# ")))
      Path::fail("no sample", line);
    at = end + 1;
  }
}

bool same(const std::vector<metrics::RuleTotals>& a, const std::vector<metrics::RuleTotals>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].matched != b[i].matched || a[i].skipped != b[i].skipped) return false;
  }
  return a.size() == b.size();
}

std::shared_ptr<const rules::RuleSet> compile(const std::vector<std::string>& files) {
  config::Diagnostics diagnostics;
  std::vector<rules::RuleSet::Source> sources;
  for (const std::string& name : files) {
    const auto file = config::read_source_file(name);
    if (!file) {
      std::fprintf(stderr, "logtally_mutate: cannot read %s\n", name.c_str());
      return nullptr;
    }
    if (auto document = config::parse_yaml(*file, diagnostics)) {
      sources.push_back({.document = std::move(document), .configuration = false});
    }
  }
  auto set = rules::RuleSet::compile(sources, diagnostics);
  std::fputs(diagnostics.render().c_str(), stderr);
  return set;
}

int run(int argc, char** argv) {
  std::uint64_t lines = 20000;
  std::uint32_t seed = 1;
  std::vector<std::string> rule_files;
  std::vector<std::string> seeds;
  bool seed_files = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool more = i + 1 < argc;
    if (seed_files) {
      std::ifstream in(argv[i], std::ios::binary);
      if (!in) {
        std::fprintf(stderr, "logtally_mutate: cannot read %s\n", argv[i]);
        return 2;
      }
      for (std::string line; std::getline(in, line);) seeds.push_back(line);
    } else if (word == "--lines" && more) {
      lines = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--seed" && more) {
      seed = static_cast<std::uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else if (word == "--") {
      seed_files = true;
    } else if (word != "--rules") {
      rule_files.emplace_back(word);
    }
  }
  if (seeds.empty() || rule_files.empty()) {
    std::fputs("usage: logtally_mutate [--lines N] [--seed N] --rules FILE... -- SEED_FILE...\n",
               stderr);
    return 2;
  }
  const auto set = compile(rule_files);
  if (!set) return 2;

  SilentTrace silent;
  Path path(*set, rules::JsonDecoder::Kernel::best, nullptr);
  Path other(*set, rules::JsonDecoder::Kernel::portable, &silent);
  pipeline::Unwrapper unwrapper(pipeline::Wrapper::automatic, kLongestLine);
  Mutator mutator(std::move(seeds), seed);
  std::uint64_t outcomes[3] = {};
  for (std::uint64_t i = 1; i <= lines; ++i) {
    std::string text = mutator.line();
    const std::size_t length = text.size();
    if (!text.starts_with('{')) text += mutator.rest();
    const rules::JsonLine line(text);
    const std::string_view whole(line.begin(), text.size());
    const std::string_view fed = whole.substr(0, length);
    const pipeline::Unwrapped* const record = unwrapper.feed(1, fed, i, i + 1);
    // The line as it stands, and what was in it.
    for (const std::string_view one :
         {fed, record != nullptr && record->wrapped ? record->text : std::string_view()}) {
      if (one.data() == nullptr) continue;
      const std::uint64_t before = path.effects();
      // A record with what continues it; what was wrapped is a line alone.
      const std::string_view record_text = one.data() == fed.data() ? whole : one;
      const Path::Outcome outcome = path.count(record_text, one.size(), i);
      if (outcome == Path::Outcome::refused && path.effects() != before)
        Path::fail("a refused line counted", one);
      if (other.count(record_text, one.size(), i) != outcome) Path::fail("two paths differ", one);
      ++outcomes[static_cast<std::size_t>(outcome)];
    }
    if (i % 1024 == 0 && !same(path.totals(), other.totals()))
      Path::fail("two paths count differently, up to", text);
    if (i % kLinesPerPage == 0 || i == lines) {
      const std::string page = path.page();
      check_page(page);
      if (page != other.page()) Path::fail("two paths show different pages, up to", text);
    }
  }
  while (unwrapper.flush(1) != nullptr) {
  }
  std::printf("%llu lines: %llu records refused, %llu matched, %llu unmatched\n",
              static_cast<unsigned long long>(lines), static_cast<unsigned long long>(outcomes[0]),
              static_cast<unsigned long long>(outcomes[2]),
              static_cast<unsigned long long>(outcomes[1]));
  return 0;
}

}  // namespace
}  // namespace logtally

int main(int argc, char** argv) { return logtally::run(argc, argv); }
