#include "pipeline/worker.h"

#include <atomic>
#include <functional>
#include <optional>
#include <random>
#include <thread>

#include "config/diagnostics.h"
#include "config/yaml_document.h"
#include "rules/trace.h"
#include "sinks/metrics/exposition.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

using testing::append;
using testing::ScratchDir;
using testing::Time;

// Everything that a record can hold ends up on the page.
constexpr const char* kRules = R"(
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
  access: {pattern: '<level>: <client> - "<request...>" <status>'}
metrics:
  records_total: {type: counter, help: h, labels: {format: {default: bare}, message: {default: none}, exception: {default: none}, stream: {default: none}}}
  line_length_total: {type: counter, help: h}
  rest_length_total: {type: counter, help: h}
rules:
  all:
    do:
      - {inc: records_total, labels: {format: $_format, message: $message, exception: $_exception}}
      - {add: line_length_total, value: len($_line)}
      - {add: rest_length_total, value: len($_rest)}
)";

std::shared_ptr<const rules::RuleSet> compile(const std::string& text) {
  config::Diagnostics found;
  auto document = config::parse_yaml(
      std::make_shared<const config::SourceFile>(config::SourceFile{"rules.yaml", text}), found);
  std::shared_ptr<const rules::RuleSet> set;
  if (document != nullptr) {
    std::vector<rules::RuleSet::Source> sources;
    sources.push_back({.document = std::move(document), .configuration = false});
    set = rules::RuleSet::compile(sources, found);
  }
  INFO(found.render());
  REQUIRE(set != nullptr);
  return set;
}

// A traceback and what else engines write over several lines, with JSON and bare lines between.
std::string content() {
  const std::string head = "2026-02-28 14:00:00,123 [app.db] ";
  const std::string traceback =
      "Traceback (most recent call last):\n"
      "  File \"/app/x.py\", line 1, in run\n"
      "    connect()\n";
  return head + "INFO one line\n" + head + "ERROR failed\n" + traceback +
         "httpx.ConnectError: refused\n" +
         "{\"event\":\"json\",\"n\":1}\n" +  // nothing joins a JSON record
         "INFO: 10.0.0.1:80 - \"GET / HTTP/1.1\" 200\n" + "behind a record that does not join\n" +
         head + "ERROR chained\n" + traceback + "ValueError: a\n\n" +
         "During handling of the above exception, another exception occurred:\n\n" + traceback +
         "app.errors.Wrapped: b\n" + head + "INFO BEGIN (implicit)\n" + head +
         "INFO SELECT id,\n       name\nFROM t\n\nWHERE x = '<html>'\n" + head +
         "WARNING \n<html>\n  <body>\n\n</html>\n" + "{\"event\":\"between\"}\n" +
         "bare message\n" + traceback + "KeyError: 'x'\n" + "another bare one\n" +
         "{\"event\": broken\n" + head + "INFO behind a broken one\n" + "joined\r\n" +
         "{'a': 1}\n{\n  \"printed\": true\n}\n" + "\x1b[31mred\x1b[0m joined\n" +
         "{\"event\":\"end\"}\n" + head + "ERROR last\n" + traceback + "OSError: 5\n";
}

struct Result {
  std::string page;
  metrics::TargetTotals totals;
};

// A worker over a directory of its own, with time turned by hand.
class Bench {
 public:
  explicit Bench(const std::string& rules = kRules) : rules_(compile(rules)) {}

  ScratchDir directory;
  Time time;
  WorkerOptions options;
  Wrapper wrapper = Wrapper::automatic;

  std::string file() const { return directory / "log"; }

  void open_file(bool follow) {
    open({{.name = "t", .paths = {file()}, .exclude = {}, .from = From::beginning}}, std::nullopt,
         follow);
  }
  void open_pipe(int fd) { open({}, StdinSpec{.fd = fd}, true); }

  Worker& worker() { return *worker_; }
  Result finish() {
    worker_->run();
    return result();
  }
  Result result() const {
    std::string page;
    metrics::append_text(page, registry_->snapshot());
    const metrics::TargetTotals& totals = worker_->totals().targets.at(0);
    CHECK(totals.lines_read == totals.parsed + totals.joined + totals.bare + totals.failed_json +
                                   totals.failed_nul + totals.failed_too_long);
    return {page, totals};
  }
  std::vector<metrics::FamilySnapshot> snapshot() const { return registry_->snapshot(); }
  std::string page() const {
    std::string page;
    metrics::append_text(page, registry_->snapshot());
    return page;
  }

 private:
  void open(std::vector<TargetSpec> targets, std::optional<StdinSpec> input, bool follow) {
    TailOptions tail;
    tail.follow = follow;
    tail.clock = time.clock();
    tail.watching = Watching::poll;
    auto opened = Inputs::open(std::move(targets), std::move(input), std::move(tail));
    REQUIRE(opened.has_value());
    inputs_ = *std::move(opened);
    options.wrappers = {wrapper};
    options.follow = follow;
    options.clock = time.clock();
    worker_ = std::make_unique<Worker>(rules_, *inputs_, options);
    registry_ = std::make_unique<metrics::Registry>(worker_->series());
    worker_->connect(*registry_, nullptr);
  }

  std::shared_ptr<const rules::RuleSet> rules_;
  std::unique_ptr<Inputs> inputs_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<metrics::Registry> registry_;
};

Result of_file(const std::string& text, const std::function<void(Bench&)>& prepare = {}) {
  Bench bench;
  if (prepare) prepare(bench);
  append(bench.file(), text);
  bench.open_file(false);
  return bench.finish();
}

struct Pipe {
  Pipe() {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  OwnedFd read;
  OwnedFd write;
};

// Pieces of these sizes in turn, each counted before the next is written.
Result of_pipe(const std::string& text, const std::function<std::size_t()>& size,
               const std::function<void(Bench&)>& prepare = {}) {
  Bench bench;
  if (prepare) prepare(bench);
  Pipe pipe;
  bench.open_pipe(pipe.read.get());
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view piece = std::string_view(text).substr(at, size());
    REQUIRE(::write(pipe.write.get(), piece.data(), piece.size()) ==
            static_cast<ssize_t>(piece.size()));
    at += piece.size();
    bench.worker().step();
  }
  pipe.write.reset();
  return bench.finish();
}

std::string in_json(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::size_t kPartial = 16 * 1024;

// As docker and containerd write the lines of one stream, long ones in pieces.
std::vector<std::string> wrapped(const std::string& text, bool docker, const std::string& stream) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    for (std::size_t from = at;;) {
      const std::size_t size = std::min(kPartial, end - from);
      const bool whole = from + size == end;
      const std::string piece = text.substr(from, size);
      if (docker) {
        lines.push_back("{\"log\":\"" + in_json(piece) + (whole ? "\\n" : "") + "\",\"stream\":\"" +
                        stream + "\",\"time\":\"2026-02-28T15:00:00.000000001Z\"}\n");
      } else {
        lines.push_back("2026-02-28T15:00:00.000000001Z " + stream + (whole ? " F " : " P ") +
                        piece + "\n");
      }
      from += size;
      if (whole) break;
    }
    at = end + 1;
  }
  return lines;
}

std::string interleaved(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::string out;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size()) out += a[i];
    if (i < b.size()) out += b[i];
  }
  return out;
}

std::string with_long_lines() {
  const std::string head = "2026-02-28 14:00:00,123 [app] ERROR ";
  return content() + head + "long\n" + std::string(40'000, 'x') + "\n" +
         std::string(2 * kPartial, 'y') + "\n" + content();
}

void same(const Result& a, const Result& b) {
  CHECK(a.page == b.page);
  CHECK(a.totals.lines_read == b.totals.lines_read);
  CHECK(a.totals.parsed == b.totals.parsed);
  CHECK(a.totals.joined == b.totals.joined);
  CHECK(a.totals.bare == b.totals.bare);
  CHECK(a.totals.matched == b.totals.matched);
}

// ---------------------------------------------------------------- redaction

constexpr const char* kRedacting = R"(
redact:
  key: {builtin: key, with: K}
  mail: {builtin: email, with: M}
formats:
  python: {pattern: '<time> [<logger>] <level> <message>', continuation: join}
metrics:
  records_total: {type: counter, help: h, labels: {message: {default: none}, rest: {default: none}, line: {max: 1000}}}
rules:
  all: {do: [{inc: records_total, labels: {message: $message, rest: $_rest, line: $_line}}]}
)";

// What a sink is told, in order: redactions, and the records that they belong to.
class Told : public rules::TraceSink {
 public:
  std::vector<std::string> all;

  void redacted(std::string_view name, std::size_t times) override {
    all.push_back(std::string(name) + " " + std::to_string(times));
  }
  void record_begins(const rules::Event& event, rules::Scope&) override {
    all.emplace_back(event.line.substr(0, event.line.find('\n')));
  }
  void line_refused(std::string_view reason, std::string_view) override {
    all.push_back("refused " + std::string(reason));
  }
  void rule_matched(const rules::Rule&) override {}
  void rule_failed(const rules::Rule&, std::string_view, std::string_view) override {}
  void action_done(const rules::Rule&, const rules::Action&, const metrics::Series&,
                   metrics::Decimal) override {}
  void action_skipped(const rules::Rule&, const rules::Action&, rules::SkipReason) override {}
};

TEST_CASE("worker: redactions are told of the record that they are of, and counted once") {
  const std::string head = "2026-02-28 14:00:00,123 [app] ";
  Told told;
  Bench bench(kRedacting);
  bench.options.trace = &told;
  append(bench.file(), head + "ERROR one sk-0123456789\n" + head + "INFO two\n" + head +
                           "ERROR three sk-0123456789\nfrom a@b.de\n" +
                           "{\"message\":\"four c@d.de\"}\n" + head + "INFO five\n" +
                           "{\"message\": broken sk-0123456789\n" +
                           "{\"message\":\"six e@f.de\"}\n");
  bench.open_file(false);
  bench.finish();
  CHECK(told.all == std::vector<std::string>{
                        "key 1", head + "ERROR one K", head + "INFO two", "key 1", "mail 1",
                        head + "ERROR three K", "mail 1", "{\"message\":\"four M\"}", "key 1",
                        head + "INFO five", "mail 1", "{\"message\":\"six M\"}"});
  CHECK(bench.worker().totals().redactions == std::vector<std::uint64_t>{3, 3});
}

TEST_CASE("worker: joined records are redacted as a whole, however they come") {
  const std::string head = "2026-02-28 14:00:00,123 [app] ";
  std::string text;
  for (std::size_t i = 0; i < 40; ++i) {
    text += head + "ERROR failed for a@b.de n=" + std::to_string(i) + "\n";
    for (std::size_t k = 0; k < i % 4; ++k)
      text += "  at " + std::string(i, 'x') + " sk-0123456789\n";
    if (i % 3 == 0) text += "{\"message\":\"c@d.de\"}\n";
  }
  Bench whole(kRedacting);
  append(whole.file(), text);
  whole.open_file(false);
  const Result want = whole.finish();
  for (const char* secret : {"a@b.de", "c@d.de", "sk-0123456789"})
    CHECK(want.page.find(secret) == std::string::npos);
  CHECK(want.page.find("failed for M n=7") != std::string::npos);
  CHECK(whole.worker().totals().redactions == std::vector<std::uint64_t>{60, 54});
  std::mt19937 random(5);
  for (int round = 0; round < 5; ++round) {
    Bench bench(kRedacting);
    Pipe pipe;
    bench.open_pipe(pipe.read.get());
    for (std::size_t at = 0; at < text.size();) {
      const std::string_view piece = std::string_view(text).substr(at, 1 + random() % 400);
      REQUIRE(::write(pipe.write.get(), piece.data(), piece.size()) ==
              static_cast<ssize_t>(piece.size()));
      at += piece.size();
      bench.worker().step();
    }
    pipe.write.reset();
    CHECK(bench.finish().page == want.page);
    CHECK(bench.worker().totals().redactions == whole.worker().totals().redactions);
  }
}

}  // namespace

TEST_CASE("worker: records are what their lines say, with their exceptions and messages") {
  const Result result = of_file(content());
  const auto has = [&](const std::string& labels, int count) {
    CAPTURE(labels, result.page);
    CHECK(result.page.find("records_total{" + labels + ",stream=\"none\"} " +
                           std::to_string(count) + "\n") != std::string::npos);
  };
  has(R"(exception="none",format="python",message="one line")", 1);
  has(R"(exception="ConnectError",format="python",message="failed")", 1);
  has(R"(exception="Wrapped",format="python",message="chained")", 1);
  has(R"(exception="none",format="python",message="SELECT id,")", 1);
  has(R"(exception="none",format="python",message="<html>")", 1);
  has(R"(exception="KeyError",format="bare",message="bare message")", 1);
  has(R"(exception="none",format="bare",message="another bare one")", 1);
  has(R"(exception="none",format="bare",message="behind a record that does not join")", 1);
  has(R"(exception="none",format="python",message="behind a broken one")", 1);
  has(R"(exception="OSError",format="python",message="last")", 1);
  has(R"(exception="none",format="json",message="between")", 1);
  CHECK(result.totals.failed_json == 1);
  CHECK(result.totals.bare == 3);
  CHECK(result.totals.parsed == 12);
  CHECK(result.totals.lines_read == 12 + 3 + 1 + result.totals.joined);
}

TEST_CASE("worker: row 4, the same content counts the same however it comes") {
  const std::string text = with_long_lines();
  const Result file = of_file(text);
  same(file, of_pipe(text, [] { return std::size_t{64 * 1024}; }));
  same(of_file(content()), of_pipe(content(), [] { return std::size_t{1}; }));
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    same(of_file(content()), of_pipe(content(), [&] { return std::size_t{1 + random() % 200}; }));
  }
  // Borders of chunks at every offset of a record: long files with something of every length ahead.
  const Result tail = of_file(content());
  for (std::size_t cut = 1; cut < content().size(); cut += 3) {
    bool first = true;
    same(tail,
         of_pipe(content(), [&] { return std::exchange(first, false) ? cut : content().size(); }));
  }
}

TEST_CASE("worker: row 4, borders of chunks within long files") {
  std::string text;
  while (text.size() < 3 * kChunkBytes) text += content();
  const std::size_t times = text.size() / content().size();
  const Result one = of_file(content());
  const Result many = of_file(text);
  CHECK(many.totals.matched == times * one.totals.matched);
  CHECK(many.totals.joined == times * one.totals.joined);
  for (std::size_t shift = 1; shift < 600; shift += 37) {
    const Result shifted = of_file(std::string(shift, 'x') + "\n" + text);
    CHECK(shifted.totals.matched == many.totals.matched + 1);
    CHECK(shifted.totals.joined == many.totals.joined);
    CHECK(shifted.totals.bare == many.totals.bare + 1);
    CHECK(shifted.totals.lines_read == many.totals.lines_read + 1);
  }
}

TEST_CASE("worker: row 3, wrappers, pieces and interleaved streams change nothing") {
  const std::string text = with_long_lines();
  const Result bare = of_file(text);
  for (const bool docker : {true, false}) {
    CAPTURE(docker);
    const auto out = wrapped(text, docker, "stdout");
    const auto err = wrapped(text, docker, "stderr");
    const Result single = of_file(interleaved(out, {}));
    CHECK(single.page == bare.page);
    CHECK(single.totals.matched == bare.totals.matched);
    CHECK(single.totals.parsed == bare.totals.parsed);
    CHECK(single.totals.bare == bare.totals.bare);
    CHECK(single.totals.joined == bare.totals.joined + 3);  // pieces
    const Result both = of_file(interleaved(out, err));
    CHECK(both.totals.matched == 2 * bare.totals.matched);
    CHECK(both.totals.parsed == 2 * bare.totals.parsed);
    CHECK(both.totals.bare == 2 * bare.totals.bare);
    CHECK(both.totals.failed_json == 2 * bare.totals.failed_json);
    const Result pipe = of_pipe(interleaved(out, err), [] { return std::size_t{1000}; });
    same(both, pipe);
  }
}

TEST_CASE("worker: a record is finished by the next header, an idle second, or the end") {
  const std::string head = "2026-02-28 14:00:00,123 [app] ERROR ";
  const auto matched = [](Bench& bench) { return bench.worker().totals().targets[0].matched; };
  Bench bench;
  append(bench.file(), "");
  bench.open_file(true);
  const auto put = [&](const std::string& text) {
    append(bench.file(), text);
    bench.time.now += std::chrono::milliseconds(300);
    bench.worker().step();
  };
  put(head + "one\n");
  CHECK(matched(bench) == 0);
  put("joined\n");
  CHECK(matched(bench) == 0);
  put(head + "two\n");
  CHECK(matched(bench) == 1);
  bench.time.now += std::chrono::milliseconds(999);
  bench.worker().step();
  CHECK(matched(bench) == 1);
  bench.time.now += std::chrono::milliseconds(1);
  bench.worker().step();
  CHECK(matched(bench) == 2);
  put("nothing joins any more\n");
  put("  but this\n");
  CHECK(matched(bench) == 2);
  CHECK(bench.worker().totals().targets[0].bare == 1);
  put("{\"a\":1}\n");
  CHECK(matched(bench) == 4);
  put(head + "three\n");
  bench.worker().stop();
  const Result result = bench.finish();
  CHECK(result.totals.matched == 5);
  CHECK(result.totals.joined == 2);
}

TEST_CASE("worker: records over the limits are joined and no longer kept, however they come") {
  const std::string head = "2026-02-28 14:00:00,123 [app] ERROR x\n";
  const auto few_lines = [](Bench& bench) { bench.options.record_lines = 3; };
  const std::string lines = head + "a\nb\nc\nd\n" + head;
  const Result by_lines = of_file(lines, few_lines);
  CHECK(by_lines.page.find("\nrest_length_total 3\n") != std::string::npos);
  CHECK(by_lines.totals.joined == 4);
  same(by_lines, of_pipe(
                     lines, [] { return std::size_t{1}; }, few_lines));

  const auto few_bytes = [](Bench& bench) { bench.options.record_bytes = 100; };
  // The second does not fit; the third would, and would be the wrong end of the record.
  const std::string bytes =
      head + "first\n" + std::string(90, 'x') + "\nValueError: third\n" + head;
  const Result by_bytes = of_file(bytes, few_bytes);
  CHECK(by_bytes.page.find("\nrest_length_total 5\n") != std::string::npos);
  CHECK(by_bytes.totals.joined == 3);
  for (const std::size_t size : {1, 7, 50}) {
    same(by_bytes, of_pipe(
                       bytes, [size] { return size; }, few_bytes));
  }
  for (std::size_t length = 40; length < 70; ++length) {  // just within, just beyond
    const std::string close = head + std::string(length, 'y') + "\nz\n";
    same(of_file(close, few_bytes), of_pipe(
                                        close, [] { return std::size_t{9}; }, few_bytes));
  }
}

TEST_CASE("worker: escapes and carriage returns are no part of a record") {
  const std::string head = "2026-02-28 14:00:00,123 [app] ERROR ";
  const Result plain = of_file(head + "x\n" + "a b\n");
  const Result coloured = of_file("\x1b[31m" + head + "\x1b[0mx\na \x1b[1mb\x1b[0m\n");
  CHECK(coloured.page == plain.page);
  CHECK(of_file(head + "x\r\n").page == of_file(head + "x\n").page);
  CHECK(of_file("bare\r\n").page == of_file("bare\n").page);
}

TEST_CASE("worker: what is there is counted and committed when another thread asks") {
  Bench bench;
  append(bench.file(), "{\"event\":\"a\"}\n");
  bench.open_file(true);
  std::thread thread([&] { bench.worker().run(); });
  CHECK(bench.worker().commit_now(std::chrono::seconds(30)));
  CHECK(bench.page().find("message=\"a\"") != std::string::npos);
  CHECK(bench.worker().progress().read == 1);
  bench.worker().stop();
  thread.join();
  CHECK(bench.worker().commit_now(
      std::chrono::milliseconds(0)));  // after the end: nothing to wait for
}

namespace {

// Gives the worker other rules and steps it until it has them.
std::optional<rules::Succession> change(Worker& worker, const std::string& rules) {
  std::optional<rules::Succession> told;
  std::atomic<bool> done = false;
  std::thread asking([&] {
    told = worker.change_rules({.rules = compile(rules), .own = {}}, std::chrono::seconds(30));
    done = true;
  });
  while (!done) worker.step();
  asking.join();
  return told;
}

}  // namespace

TEST_CASE(
    "worker: a record that is open when the rules change goes on, and the new ones judge it") {
  const std::string head = "2026-02-28 14:00:00,123 [app] ERROR ";
  Bench bench;
  append(bench.file(), "");
  bench.open_file(true);
  const auto put = [&](const std::string& text) {
    append(bench.file(), text);
    bench.time.now += std::chrono::milliseconds(300);
    bench.worker().step();
  };
  put(head + "open\nTraceback (most recent call last):\n");
  std::string other(kRules);
  other += "  more:\n    match: {level: error}\n    do: [{inc: errors_total}]\n";
  other.replace(other.find("metrics:\n"), 9,
                "metrics:\n  errors_total: {type: counter, help: h}\n");
  const auto told = change(bench.worker(), other);
  REQUIRE(told.has_value());
  CHECK(told->new_rules == std::vector<std::string>{"more"});
  put("  File \"x\", line 1\nValueError: y\n" + head + "next\n");
  bench.worker().stop();
  const Result result = bench.finish();
  CAPTURE(result.page);
  CHECK(result.page.find("\nerrors_total 2\n") != std::string::npos);
  CHECK(result.page.find(R"(exception="ValueError",format="python",message="open")") !=
        std::string::npos);
  CHECK(result.totals.joined == 3);
  CHECK(result.totals.matched == 2);
}

TEST_CASE("worker: rules that change all the time cost no line, and no page is a mixture") {
  const auto rules = [](int version) {
    const std::string name = "v" + std::to_string(version % 2);
    return compile("metrics:\n  all_total: {type: counter, help: h}\n  " + name +
                   "_a: {type: gauge, help: h}\n  " + name +
                   "_b: {type: gauge, help: h}\nrules:\n  all:\n    do: [{inc: all_total}, {set: " +
                   name + "_a, value: 1}, {set: " + name + "_b, value: 1}]\n");
  };
  constexpr std::uint64_t kLines = 20'000;
  std::string text;
  for (std::uint64_t i = 0; i < kLines / 10; ++i) text += "{\"event\":\"a\"}\n";
  Bench bench;
  Pipe pipe;
  bench.open_pipe(pipe.read.get());
  std::thread working([&] { bench.worker().run(); });
  std::atomic<bool> done = false;
  std::atomic<bool> mixed = false;
  std::atomic<bool> went_back = false;
  std::thread reading([&] {
    std::uint64_t last = 0;
    while (!done) {
      bench.worker().commit_now(std::chrono::seconds(30));  // as a scrape: the worker has its turn
      std::vector<metrics::FamilySnapshot> page;
      bench.worker().between_commits([&] { page = bench.snapshot(); });
      std::string names;
      for (const metrics::FamilySnapshot& family : page) names += family.spec->name + " ";
      if (names.find("all_total") == std::string::npos) continue;  // the first rules
      mixed = mixed || (names != "all_total v0_a v0_b " && names != "all_total v1_a v1_b ");
      if (page[0].series.empty()) continue;
      const auto now = static_cast<std::uint64_t>(page[0].series[0].value.to_double());
      went_back = went_back || now < last;
      last = now;
    }
  });
  int version = 0;
  REQUIRE(
      bench.worker().change_rules({.rules = rules(version), .own = {}}, std::chrono::seconds(30)));
  for (int part = 0; part < 10; ++part) {
    REQUIRE(::write(pipe.write.get(), text.data(), text.size()) ==
            static_cast<ssize_t>(text.size()));
    for (int i = 0; i < 10; ++i) {
      const auto told = bench.worker().change_rules({.rules = rules(++version), .own = {}},
                                                    std::chrono::seconds(30));
      REQUIRE(told.has_value());
      CHECK(told->restarted.empty());
      CHECK(told->gone_metrics.size() == 2);
    }
  }
  pipe.write.reset();
  working.join();
  done = true;
  reading.join();
  CHECK_FALSE(mixed);
  CHECK_FALSE(went_back);
  CHECK(bench.page().find("\nall_total " + std::to_string(kLines) + "\n") != std::string::npos);
  CHECK(bench.worker().totals().targets[0].matched == kLines);
  // Nobody there to take them any more.
  CHECK_FALSE(bench.worker()
                  .change_rules({.rules = rules(0), .own = {}}, std::chrono::seconds(30))
                  .has_value());
}

TEST_CASE("worker: a record that a rotation cuts goes on in the next file") {
  const std::string text = content();
  const Result whole = of_file(text);
  REQUIRE(whole.totals.joined > 0);
  for (std::size_t cut = 0;
       (cut = text.find('\n', cut)) != std::string::npos && ++cut < text.size();) {
    Bench bench;
    append(bench.file(), text.substr(0, cut));
    bench.open_file(true);
    bench.worker().step();
    REQUIRE(::rename(bench.file().c_str(), (bench.directory / "log.1").c_str()) == 0);
    append(bench.file(), text.substr(cut));
    bench.time.now += std::chrono::milliseconds(300);
    bench.worker().step();
    bench.worker().stop();
    same(bench.finish(), whole);
  }
}

TEST_CASE("worker: NUL bytes in front of a line are skipped, wherever it stands") {
  const std::string text = content();
  const Result plain = of_file(text);
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const Result got = of_file(text.substr(0, at) + std::string(100, '\0') + text.substr(at));
    CHECK(got.totals.nul_bytes == 100);
    CHECK(got.page == plain.page);
    CHECK(got.totals.failed_nul == plain.totals.failed_nul);
  }
}

}  // namespace logtally::pipeline
