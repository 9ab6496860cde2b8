// `explain` is `run` with somebody who listens: the same lines, counted with and without a sink,
// give the same page and the same totals, and what the sink was told adds up to what the series
// got. Over everything at hand: generated corpora, the fixtures, and the samples where they are.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "config/diagnostics.h"
#include "config/packs.h"
#include "config/yaml_document.h"
#include "pipeline/worker.h"
#include "rules/explainer.h"
#include "sinks/metrics/exposition.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

namespace fs = std::filesystem;
using metrics::Decimal;

// Adds up what it is told, as a reader of the explanations would.
class Account : public rules::Explainer {
 public:
  explicit Account(const rules::RuleSet& rules)
      : Explainer(rules, [this](const rules::Explanation& e) { look_at(e); }), set_(rules) {}

  struct Sum {
    Decimal value;
    std::map<std::string, std::uint64_t> buckets;  // by `le`
    bool live = true;
  };

  void series_found(const rules::Rule& rule, const rules::Action& action,
                    const metrics::Series& series) override {
    Explainer::series_found(rule, action, series);
    last_[&series] = series.source_count;
  }
  void action_done(const rules::Rule& rule, const rules::Action& action,
                   const metrics::Series& series, Decimal value) override {
    Explainer::action_done(rule, action, series, value);
    Sum& sum = sums[&series];
    if (!sum.live) sum = {};
    const metrics::FamilySpec& family = set_.families()[series.family];
    using Kind = rules::Action::Kind;
    switch (action.kind) {
      case Kind::set:
        if (series.origin.offset == offset_) sum.value = value;  // else a later line's value stays
        break;
      case Kind::set_count:
        sum.value += value < last_[&series] ? value : value - last_[&series];
        break;
      case Kind::observe: {
        const auto bound = std::lower_bound(family.buckets.begin(), family.buckets.end(), value);
        ++sum.buckets[bound == family.buckets.end() ? "+Inf" : metrics::to_string(*bound)];
        sum.value += value;
        break;
      }
      default:
        add(sum, family, value);
    }
    ++changes;
  }
  void rows_counted(const metrics::Series& series, Decimal change) override {
    Explainer::rows_counted(series, change);
    Sum& sum = sums[&series];
    if (!sum.live) sum = {};
    add(sum, set_.families()[series.family], change);
  }
  void timer_fired(const metrics::Series& series, std::optional<Decimal> value) override {
    Explainer::timer_fired(series, value);
    sums[&series].live = value.has_value();
    if (value) sums[&series].value = *value;
  }
  void series_removed(const rules::Rule& rule, const rules::Action& action,
                      const metrics::Series& series) override {
    Explainer::series_removed(rule, action, series);
    sums[&series] = {.value = {}, .buckets = {}, .live = false};
  }
  void record_begins(const rules::Event& event, rules::Scope& scope) override {
    offset_ = event.origin.offset;
    Explainer::record_begins(event, scope);
  }

  std::map<const metrics::Series*, Sum> sums;
  std::uint64_t records = 0;
  std::uint64_t lines = 0;
  std::uint64_t matched = 0;
  std::uint64_t refused = 0;
  std::uint64_t changes = 0;       // told to the sink
  std::uint64_t explained = 0;     // in the explanations
  std::uint64_t skipped = 0;       // in the explanations
  std::uint64_t reasonless = 0;    // rules that did not match, and nobody says why
  std::set<std::string> wordless;  // actions that were skipped, and nobody says for what

 private:
  void look_at(const rules::Explanation& e) {
    if (!e.refused.empty()) {
      ++refused;
      return;
    }
    ++records;
    lines += e.lines;
    matched += e.matched;
    for (const rules::Explanation::Rule& rule : e.rules) {
      reasonless +=
          !rule.matched && (rule.conditions.empty() || rule.conditions.back().why.empty());
      for (const rules::Explanation::Action& action : rule.actions) {
        explained += action.value.has_value();
        if (action.outcome != rules::Explanation::Action::Outcome::skipped) continue;
        ++skipped;
        if (!action.why.empty()) continue;
        wordless.insert(rule.name + " / " + action.kind + " " + action.target + " " +
                        action.reason);
      }
    }
  }
  static void add(Sum& sum, const metrics::FamilySpec& family, Decimal value) {
    sum.value += value;
    if (family.min && sum.value < *family.min) sum.value = *family.min;
  }

  const rules::RuleSet& set_;
  std::map<const metrics::Series*, Decimal> last_;
  std::uint64_t offset_ = 0;
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::shared_ptr<const rules::RuleSet> compile(const std::vector<fs::path>& files, bool packs) {
  config::Diagnostics found;
  std::vector<rules::RuleSet::Source> sources;
  const auto add = [&](std::shared_ptr<const config::SourceFile> file) {
    if (auto document = config::parse_yaml(std::move(file), found))
      sources.push_back({.document = std::move(document), .configuration = false});
  };
  if (packs) {
    for (const config::Pack& pack : config::shipped_packs()) add(config::pack_source(pack));
  }
  for (const fs::path& file : files)
    add(std::make_shared<const config::SourceFile>(
        config::SourceFile{file.filename().string(), read(file)}));
  auto set = rules::RuleSet::compile(sources, found);
  INFO(found.render());
  REQUIRE(set != nullptr);
  return set;
}

struct Outcome {
  std::string page;
  metrics::Totals totals;
};

// The file as `run --once` and `explain --file` read it.
Outcome count(const std::shared_ptr<const rules::RuleSet>& set, const std::string& file,
              Account* account) {
  testing::Time time;
  TailOptions tail;
  tail.follow = false;
  tail.from_beginning = true;
  tail.clock = time.clock();
  auto inputs = Inputs::open(
      {{.name = "t", .paths = {file}, .exclude = {}, .from = From::beginning}}, std::nullopt, tail);
  REQUIRE(inputs.has_value());
  WorkerOptions options;
  options.wrappers = {Wrapper::automatic};
  options.follow = false;
  options.trace = account;
  options.clock = time.clock();
  Worker worker(set, **inputs, std::move(options));
  metrics::Registry registry(worker.series());
  worker.connect(registry, nullptr);
  worker.run();
  if (account != nullptr) {
    auto& series = const_cast<metrics::Delta&>(worker.series());  // for_each() wants to change them
    for (metrics::FamilyId family = 0; family < set->families().size(); ++family) {
      const metrics::FamilySpec& spec = set->families()[family];
      series.for_each(family, [&](const metrics::Series& one) {
        const Account::Sum sum = account->sums[&one];
        CAPTURE(spec.name, one.labels);
        CHECK(sum.live);
        CHECK(metrics::to_string(one.value) == metrics::to_string(sum.value));
        for (std::size_t i = 0; i < one.bucket_count; ++i) {
          const std::string le =
              i == spec.buckets.size() ? "+Inf" : metrics::to_string(spec.buckets[i]);
          const auto told = sum.buckets.find(le);
          CHECK(one.buckets[i] == (told == sum.buckets.end() ? 0 : told->second));
        }
      });
    }
  }
  Outcome outcome;
  metrics::append_text(outcome.page, registry.snapshot());
  outcome.totals = worker.totals();
  return outcome;
}

// Counts the file twice and compares; returns its lines.
std::uint64_t compare(const std::shared_ptr<const rules::RuleSet>& set, const std::string& file) {
  CAPTURE(file);
  Account account(*set);
  const Outcome plain = count(set, file, nullptr);
  const Outcome heard = count(set, file, &account);
  CHECK(plain.page == heard.page);
  const metrics::TargetTotals& a = plain.totals.targets[0];
  const metrics::TargetTotals& b = heard.totals.targets[0];
  CHECK(a.lines_read == b.lines_read);
  CHECK(a.matched == b.matched);
  CHECK(a.unmatched == b.unmatched);
  CHECK(a.joined == b.joined);
  CHECK(plain.totals.overflows == heard.totals.overflows);
  std::uint64_t skipped = 0;
  for (std::size_t rule = 0; rule < plain.totals.rules.size(); ++rule) {
    CAPTURE(set->rules()[rule].name);
    CHECK(plain.totals.rules[rule].matched == heard.totals.rules[rule].matched);
    CHECK(plain.totals.rules[rule].skipped == heard.totals.rules[rule].skipped);
    for (const metrics::SkipTotals& action : plain.totals.rules[rule].skipped)
      for (const std::uint64_t n : action) skipped += n;
  }
  CHECK(account.records == a.matched + a.unmatched);
  CHECK(account.matched == a.matched);
  CHECK(account.refused == a.failed_json + a.failed_nul + a.failed_too_long);
  CHECK(account.explained == account.changes);
  CHECK(account.skipped == skipped);
  CHECK(account.reasonless == 0);
  std::string wordless;
  for (const std::string& action : account.wordless) wordless += action + "\n";
  CHECK(wordless == "");
  return a.lines_read;
}

// A corpus from one of the benchmark's generators; empty without python3.
std::string generated(const testing::ScratchDir& dir, const std::string& generator, int megabytes) {
  const std::string out = dir / (generator + ".log");
  const std::string command = "python3 '" + std::string(LOGTALLY_SOURCE_DIR) + "/tests/bench/" +
                              generator + ".py' --mb " + std::to_string(megabytes) + " --out '" +
                              out + "' >/dev/null 2>&1";
  return std::system(command.c_str()) == 0 ? out : std::string();
}

}  // namespace

TEST_CASE("explain: counts what a run counts, and tells all of it, over more than 50,000 lines") {
  const fs::path source = LOGTALLY_SOURCE_DIR;
  const auto packs = compile({}, true);
  std::uint64_t lines = 0;
  std::vector<std::string> logs;
  for (const char* const below : {"fixtures/demo", "fixtures/packs"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source / below)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".jsonl" || extension == ".log") logs.push_back(entry.path().string());
    }
  }
  const char* const shared = std::getenv("LOGTALLY_SHARED");
  const fs::path samples = fs::path(shared == nullptr ? "" : shared) / "samples";
  if (fs::is_directory(samples)) {
    for (const auto& entry : fs::directory_iterator(samples)) {
      if (entry.path().extension() != ".json") logs.push_back(entry.path().string());
    }
  } else {
    WARN("the samples are not beside this checkout");
  }
  CHECK(logs.size() >= 6);
  for (const std::string& log : logs) lines += compare(packs, log);

  for (const auto& entry : fs::directory_iterator(source / "fixtures/scenarios")) {
    if (entry.is_directory())
      lines += compare(compile({entry.path() / "rules.yaml"}, false),
                       (entry.path() / "input.log").string());
  }

  const testing::ScratchDir dir;
  const fs::path bench = source / "tests/bench";
  const std::string json = generated(dir, "gen_corpus", 8);
  const std::string text = generated(dir, "gen_text", 4);
  if (json.empty() || text.empty()) {
    WARN("no python3: no generated corpora");
    return;
  }
  lines += compare(compile({bench / "rules.yaml"}, true), json);
  lines += compare(compile({bench / "rules_text.yaml"}, false), text);
  CHECK(lines >= 50'000);
}

TEST_CASE("explain: hears of tables, timers and limits exactly what a run does") {
  const testing::ScratchDir dir;
  const std::string rules = dir / "rules.yaml";
  testing::append(rules, R"(version: 1
metrics:
  calls_total: {type: counter, help: c, labels: {model: {max: 3}, who: {default: nobody}}}
  took_seconds: {type: histogram, help: t, labels: [model], buckets: [1, 5, 20]}
  open: {type: gauge, help: o, min: 0}
  busy: {type: gauge, help: b, min: 0, labels: [id]}
  seen_total: {type: counter, help: s}
maps:
  price: {m1: 2, m2: 3}
tables:
  start: {key: $id, columns: [model], ttl: 40s, max: 6, open: open}
  who: {key: $id, columns: [user], ttl: 60s, max: 4}
rules:
  begin:
    match: {event: begin}
    do: [remember: start, remember: who, {set: busy, value: 1, for: 15s, then: 0}, {inc: calls_total, labels: {who: who($id).user}}]
  end:
    match: {event: end}
    let: {user: who($id).user, later: $user}
    do:
      - take: start
      - {observe: took_seconds, value: $elapsed}
      - {inc: calls_total, labels: {who: $later}}
      - {add: calls_total, value: price($model), labels: {who: price}}
      - {dec: busy, if: $elapsed > 10}
  gone:
    match: {event: gone}
    if: who($id).user == "u1"
    do: [{delete: busy, labels: {id: $id}}, {set: seen_total, value: $n}, take: who]
)");
  const std::string log = dir / "log";
  std::string content;
  std::uint64_t state = 42;
  const auto random = [&](std::uint64_t below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % below;
  };
  for (int i = 0; i < 4000; ++i) {
    const char* const events[] = {"begin", "begin", "end", "end", "gone", "other"};
    content += "{\"event\":\"" + std::string(events[random(6)]) +
               "\",\"id\":" + std::to_string(random(9)) + ",\"user\":\"u" +
               std::to_string(random(3)) + "\"";
    if (random(8) != 0) content += ",\"model\":\"m" + std::to_string(random(5)) + "\"";
    if (random(8) != 0)
      content +=
          ",\"timestamp\":" + std::to_string(1'700'000'000 + i * 3 + static_cast<int>(random(9)));
    content += ",\"n\":" + std::to_string(random(100)) + "}\n";
  }
  testing::append(log, content);
  CHECK(compare(compile({rules}, false), log) == 4000);
}

}  // namespace logtally::pipeline
