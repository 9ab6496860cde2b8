// Rows of deletion, correlation and time.
#include <cstdio>

#include "tests/cases/harness.h"

namespace logtally::cases {
namespace {

std::string clock_of(int seconds) {
  char text[16];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60,
                seconds % 60);
  return text;
}

const std::string kSync =
    "formats: {sync: {pattern: '<time> [<pid>] <message>', time: {layout: '%Y/%m/%d %H:%M:%S'}}}\n"
    "tables: {connection: {key: $pid, ttl: 72h}}\n"
    "metrics:\n"
    "  connections_total: {type: counter, help: h}\n"
    "  connection_seconds_total: {type: counter, help: h}\n"
    "  sent_bytes_total: {type: counter, help: h}\n"
    "  received_bytes_total: {type: counter, help: h}\n"
    "rules:\n"
    "  connect: {pattern: 'connect from <_...>', do: [inc: connections_total, remember: "
    "connection]}\n"
    "  end:\n"
    "    pattern: 'sent <sent> bytes  received <received> bytes'\n"
    "    do:\n"
    "      - take: connection\n"
    "      - {add: connection_seconds_total, value: $elapsed}\n"
    "      - {add: sent_bytes_total, value: $sent}\n"
    "      - {add: received_bytes_total, value: $received}\n";

std::string sync_line(int second, int pid, const std::string& text) {
  return "2026/02/28 " + clock_of(second) + " [" + std::to_string(pid) + "] " + text;
}

}  // namespace

TEST_CASE("D2: delete takes the series that have these labels, and all without any") {
  const std::string rules =
      "metrics: {c: {type: counter, help: h, labels: [service, user]}}\n"
      "rules:\n"
      "  count: {match: {what: count}, do: [inc: c]}\n"
      "  delete: {match: {what: both}, do: [{delete: c, labels: {service: $service, user: "
      "$user}}]}\n"
      "  user: {match: {what: user}, do: [{delete: c, labels: {user: $user}}]}\n"
      "  all: {match: {what: all}, do: [delete: c]}\n";
  Engine engine(rules);
  const auto line = [&](const std::string& what, const std::string& service,
                        const std::string& user) {
    engine.line(R"({"what":")" + what + R"(","service":")" + service + R"(","user":")" + user +
                "\"}");
  };
  for (const char* service : {"a", "b", "c"}) line("count", service, "alice");
  for (const char* service : {"b", "c"}) line("count", service, "bob");
  const std::string five = engine.samples();
  line("both", "a", "bob");
  CHECK(engine.samples() == five);
  line("user", "", "alice");
  CHECK(engine.samples() == "c{service=\"b\",user=\"bob\"} 1\nc{service=\"c\",user=\"bob\"} 1\n");
  line("all", "", "");
  CHECK(engine.samples().empty());
}

TEST_CASE("E1: connections, their bytes and their time by process") {
  Engine engine(kSync);
  engine.origin.arrival_ns = std::int64_t{2'000'000'000} * 1'000'000'000;
  // 52 connections, several at a time, that last 22711 or 22712 s and come to the row's sums.
  constexpr int kConnections = 52;
  constexpr long kSent = 62793673;
  constexpr long kReceived = 975017;
  constexpr int kSeconds = 1181011;
  for (int i = 0; i < kConnections; ++i) {
    engine.line(sync_line(i, 100 + i, "connect from host (10.0.0." + std::to_string(i) + ")"));
  }
  for (int i = 0; i < kConnections; ++i) {
    const auto share = [&](long sum) {
      return sum / kConnections + (i < sum % kConnections ? 1 : 0);
    };
    engine.line(sync_line(i + static_cast<int>(share(kSeconds)), 100 + i,
                          "sent " + std::to_string(share(kSent)) + " bytes  received " +
                              std::to_string(share(kReceived)) + " bytes"));
  }
  CHECK(engine.samples() ==
        "connection_seconds_total 1181011\nconnections_total 52\nreceived_bytes_total "
        "975017\nsent_bytes_total 62793673\n");
  CHECK(engine.skips().empty());
}

TEST_CASE("E2: an end without a beginning is counted as such, and no time is added") {
  Engine engine(kSync);
  engine.line(sync_line(10, 1, "sent 5 bytes  received 6 bytes"));
  CHECK(engine.samples() == "received_bytes_total 6\nsent_bytes_total 5\n");
  CHECK(engine.skips() ==
        "end / take connection / unknown_key 1\nend / add connection_seconds_total / missing_field "
        "1\n");
  CHECK(engine.delta().tables[0].missed() == 1);
}

TEST_CASE("E3: a beginning without an end goes at its time, not at somebody's round") {
  Engine engine(
      "tables: {t: {key: $id, ttl: 60s, open: running}}\n"
      "metrics: {running: {type: gauge, help: h}}\n"
      "rules: {r: {match: {what: start}, do: [remember: t]}}\n");
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kStart = 1'772'287'200 * kSecond;
  engine.follow(kStart);
  engine.origin.arrival_ns = kStart;
  engine.line(R"({"time":"2026-02-28T14:00:00Z","what":"start","id":1})");
  CHECK_FALSE(engine.tick(kStart + 59 * kSecond));
  CHECK(engine.samples() == "running 1\n");
  CHECK(engine.tick(kStart + 60 * kSecond));
  CHECK(engine.samples() == "running 0\n");
  CHECK(engine.delta().tables[0].expired() == 1);
}

TEST_CASE("E5: the time of a line by a layout") {
  Engine engine(
      "formats: {f: {pattern: '<time> <message>', time: {layout: '%Y/%m/%d %H:%M:%S'}}}\n"
      "metrics: {lines_total: {type: counter, help: h}, last: {type: gauge, help: h}}\n"
      "rules: {r: {do: [inc: lines_total, {set: last, value: $time}]}}\n");
  engine.lines(times(2, "2019/05/14 11:10:05 number"));
  CHECK(engine.samples() == "last 1557832205\nlines_total 2\n");
}

TEST_CASE("E6: a layout that is itself a date is refused with its place") {
  const std::string rules =
      "formats: {f: {pattern: '<time> <message>', time: {layout: '2006-01-02T15:04:05Z07:00'}}}\n";
  CHECK(faults_of(rules) == "1:60 E042\n");
}

TEST_CASE("E7: a fraction behind a comma, and the time between two lines") {
  Engine engine(
      "formats: {f: {pattern: '<time> <message>'}}\n"
      "tables: {t: {key: $k, ttl: 1h}}\n"
      "metrics: {s_total: {type: counter, help: h}}\n"
      "rules:\n"
      "  start: {pattern: 'start <k>', do: [remember: t]}\n"
      "  end: {pattern: 'end <k>', do: [take: t, {add: s_total, value: $elapsed}]}\n");
  engine.origin.arrival_ns = std::int64_t{2'000'000'000} * 1'000'000'000;
  engine.line("2026-02-28 14:00:05,665 start a");
  engine.line("2026-02-28 14:01:05,665 end a");
  CHECK(engine.samples() == "s_total 60\n");
}

}  // namespace logtally::cases
