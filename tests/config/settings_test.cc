#include "config/settings.h"

#include <catch2/catch.hpp>

using namespace logtally;
using namespace logtally::config;

namespace {

Settings load(std::string text, Diagnostics& found, std::string name = "etc/logtally.yaml") {
  const auto file =
      std::make_shared<const SourceFile>(SourceFile{std::move(name), std::move(text)});
  const auto document = parse_yaml(file, found);
  REQUIRE(document != nullptr);
  return load_settings(*document, found);
}

Settings good(std::string text, std::string name = "etc/logtally.yaml") {
  Diagnostics found;
  Settings settings = load(std::move(text), found, std::move(name));
  INFO(found.render());
  REQUIRE(found.all().empty());
  return settings;
}

}  // namespace

TEST_CASE("settings: reads what this version knows") {
  const Settings s = good(R"(version: 1
listen: 127.0.0.1:9000
packs: [aria, skillmeat]
rules: [rules.d, /abs/x.yaml]
targets:
  - name: aria
    path: /var/log/aria/*.log
    exclude: [old/*.log]
    rotated: [old/aria-*]
    wrapper: docker
    from: beginning
  - {name: b, path: [b.log, ../c.log]}
limits: {line_bytes: 1MB, record_bytes: 2MiB, record_lines: 10, series: 100, series_per_metric: 5}
state: {dir: kept, sync: normal, on_corrupt: end}
exposition: {created_timestamps: true}
metrics: {x: {anything: goes}}
)");
  CHECK(s.listen == ListenAddress{"127.0.0.1", 9000});
  CHECK(s.packs == std::vector<std::string>{"aria", "skillmeat"});
  CHECK(s.rules == std::vector<std::string>{"etc/rules.d", "/abs/x.yaml"});
  REQUIRE(s.targets.size() == 2);
  CHECK(s.targets[0].paths == std::vector<std::string>{"/var/log/aria/*.log"});
  CHECK(s.targets[0].exclude == std::vector<std::string>{"etc/old/*.log"});
  CHECK(s.targets[0].rotated == std::vector<std::string>{"etc/old/aria-*"});
  CHECK(s.targets[0].wrapper == Wrapper::docker);
  CHECK(s.targets[0].from == From::beginning);
  CHECK(s.targets[1].paths == std::vector<std::string>{"etc/b.log", "c.log"});
  CHECK(s.targets[1].wrapper == Wrapper::automatic);
  CHECK(s.targets[1].from == From::end);
  CHECK(s.limits.line_bytes == 1'000'000);
  CHECK(s.limits.record_bytes == 2 * 1024 * 1024);
  CHECK(s.limits.series_per_metric == 5);
  CHECK(s.exposition.created_timestamps);
  CHECK(s.lines.at("exposition.created_timestamps") == 15);
  CHECK(s.state ==
        StateSettings{.dir = "etc/kept", .sync = StateSync::normal, .on_corrupt = OnCorrupt::end});
  CHECK(s.has_rules);
  CHECK(s.lines.at("packs") == 3);
  CHECK(s.lines.at("limits.series") == 13);
}

TEST_CASE("settings: defaults of an empty file, and the forms of packs and rules") {
  const Settings s = good("# nothing\n");
  CHECK_FALSE(s.listen);
  CHECK_FALSE(s.packs);
  CHECK(s.limits.line_bytes == 262144);
  CHECK(s.state == StateSettings{});
  CHECK(s.spool == SpoolSettings{});
  CHECK(good("spool: {max_bytes: 2GiB, when_full: block}\n").spool ==
        SpoolSettings{.max_bytes = std::uint64_t{2} << 30, .blocks = true});
  CHECK(good("spool: {when_full: drop_oldest}\n").spool.blocks == false);
  CHECK(good("state: {dir: none}\n").state.dir == "none");
  CHECK(good("state: {dir: auto}\n").state.dir == "auto");
  CHECK_FALSE(s.has_rules);
  CHECK(good("packs: auto\n").packs == std::vector<std::string>{"auto"});
  CHECK(good("packs: none\n").packs == std::vector<std::string>{});
  CHECK(good("packs: []\n").packs == std::vector<std::string>{});
  CHECK(good("rules: {a: true}\n").has_rules);
  CHECK_FALSE(good("rules: rules.d\n").has_rules);
  CHECK(good("rules: rules.d\n", "logtally.yaml").rules == std::vector<std::string>{"rules.d"});
}

TEST_CASE("settings: each fault at its place, with what to type") {
  struct Case {
    std::string text, code;
    std::uint32_t line, column;
    std::string message, label;
  };
  const Case cases[] = {
      {"lisen: :80\n", "E012", 1, 1, "unknown key `lisen`", "did you mean `listen`?"},
      {"metrix: {}\n", "E012", 1, 1, "unknown key `metrix`", "did you mean `metrics`?"},
      {"targets:\n  - name: a\n    pth: x\n    path: y\n", "E012", 3, 5, "unknown key `pth`",
       "did you mean `path`?"},
      {"limits: {serie: 1}\n", "E012", 1, 10, "unknown key `serie`", "did you mean `series`?"},
      {"loki:\n  - url: x\n", "E014", 1, 1, "`loki` is not in this version yet", ""},
      {"spool: {max_bytes: 1KiB}\n", "E013", 1, 20, "`1KiB` is out of range",
       "1048576 to 1099511627776"},
      {"spool: {when_full: drop}\n", "E013", 1, 20, "`drop` is not a value of this key", ""},
      {"targets: [{name: a, path: b, formats: c}]\n", "E014", 1, 30,
       "`formats` is not in this version yet", ""},
      {"state: {dir: [a]}\n", "E010", 1, 14, "a text is expected here", "this is a list"},
      {"state: {sync: ful}\n", "E013", 1, 15, "`ful` is not a value of this key",
       "did you mean `full`?"},
      {"state: {on_corrupt: ignore}\n", "E013", 1, 21, "`ignore` is not a value of this key", ""},
      {"listen: ${HOST}:80\n", "E014", 1, 9, "`${…}` is not in this version yet", ""},
      {"version: 2\n", "E013", 1, 10, "version 2 is not known", ""},
      {"version: x\n", "E013", 1, 10, "`x` is not a whole number", ""},
      {"listen: localhost\n", "E013", 1, 9, "localhost is not HOST:PORT or :PORT", ""},
      {"listen: ':0'\n", "E013", 1, 9, "0 is not a port (1–65535)", ""},
      {"listen: [a]\n", "E010", 1, 9, "a text is expected here", "this is a list"},
      {"listen:\n", "E010", 1, 1, "a text is expected here", "nothing here"},
      {"packs: [aria, auto]\n", "E013", 1, 15, "there is no pack `auto`", ""},
      {"packs: foo\n", "E013", 1, 8, "there is no pack `foo`", ""},
      {"targets: {}\n", "E010", 1, 10, "`targets` is a list", ""},
      {"targets: [a]\n", "E010", 1, 11, "a target is a map", ""},
      {"targets:\n  - name: a\n", "E011", 2, 5, "this target has no `path`", "add `path: …`"},
      {"targets:\n  - {name: a, path: x}\n  - {name: a, path: y}\n", "E013", 3, 12,
       "two targets are named `a`", ""},
      {"targets: [{name: a, path: b, from: start}]\n", "E013", 1, 36,
       "`start` is not a value of this key", ""},
      {"limits: {line_bytes: 1XB}\n", "E013", 1, 22, "`1XB` is not a size", ""},
      {"limits: {line_bytes: 1e6}\n", "E013", 1, 22, "`1e6` is not a size", ""},
      {"limits: {line_bytes: 99999999999999999999}\n", "E013", 1, 22,
       "`99999999999999999999` is not a size", ""},
      {"limits: {line_bytes: 18446744073709551615GiB}\n", "E013", 1, 22,
       "`18446744073709551615GiB` is out of range", ""},
      {"limits: {series: 0}\n", "E013", 1, 18, "`0` is out of range", "1 to 10000000"},
      {"limits: {series: 0x10}\n", "E013", 1, 18, "`0x10` is not a whole number", ""},
      {"limits: {series: -1}\n", "E013", 1, 18, "`-1` is not a whole number", ""},
      {"- a\n", "E010", 1, 3, "logtally.yaml is a map", ""},
  };
  for (const Case& c : cases) {
    Diagnostics found;
    load(c.text, found);
    CAPTURE(c.text, found.render());
    REQUIRE(found.all().size() == 1);
    const Diagnostic& d = found.all()[0];
    CHECK(d.code == c.code);
    CHECK(d.message == c.message);
    if (!c.label.empty()) CHECK(d.label == c.label);
    const LineColumn at = line_column(*d.place.file, d.place.span.begin);
    CHECK(at.line == c.line);
    CHECK(at.column == c.column);
  }
}

TEST_CASE("settings: several faults are all reported") {
  Diagnostics found;
  load("lisen: x\nloki: {}\nlimits: {series: x}\n", found);
  CHECK(found.errors() == 3);
}

TEST_CASE("settings: addresses") {
  CHECK(parse_listen(":8081").value() == ListenAddress{"", 8081});
  CHECK(parse_listen("[::1]:1").value() == ListenAddress{"::1", 1});
  CHECK(parse_listen("[::1]:1").value().text() == "[::1]:1");
  CHECK(ListenAddress{"", 80}.text() == ":80");
  for (const char* bad :
       {"", "8081", "::1:80", "a:", "a:65536", "a:-1", "a b:1", "a:1 ", "http://a:1"}) {
    CAPTURE(bad);
    CHECK(parse_listen(bad).has_error());
  }
}

TEST_CASE("settings: every key is described, those to come as such") {
  std::map<std::string, std::string> help;
  for (const DescribedKey& key : describe_settings()) help[key.name] = key.help;
  CHECK(help.count("limits.series") == 1);
  CHECK(help["loki"] == "where lines are sent (not in this version yet)");
}
