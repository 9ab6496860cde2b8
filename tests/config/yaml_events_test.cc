#include "config/yaml_events.h"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using namespace logtally::config;

namespace {

// Every event in a letter with the byte where it begins; "!" where the reading stopped.
std::string events(std::string_view text) {
  YamlEvents parser(text);
  std::string out;
  YamlEvent event;
  do {
    const bool understood = parser.next(event);
    out += understood ? "DS*[{)."[static_cast<std::size_t>(event.kind)] : '!';
    out += std::to_string(event.begin);
    if (!understood) break;
    if (event.tagged) out += "t";
    if (event.anchored) out += "a";
    if (event.kind == YamlEvent::Kind::scalar)
      out += (event.plain ? "<" : "\"") + event.text + (event.plain ? ">" : "\"");
    out += ' ';
  } while (event.kind != YamlEvent::Kind::end);
  return out;
}

}  // namespace

TEST_CASE("yaml events: begin at bytes, whatever the characters before them") {
  CHECK(events("a: b") == "D0 {0 S0<a> S3<b> )4 .4 ");
  CHECK(events("é: '🧠'\n→: [x, \"y\"]\n") ==
        "D0 {0 S0<é> S4\"🧠\" S11<→> [16 S17<x> S20\"y\" )23 )25 .25 ");
  CHECK(events("é:\r\n  - ü\r\n  - |\r\n    🧠\r\nx: 1\r\n") ==
        "D0 {0 S0<é> [7 S9<ü> S17\"🧠\n\" )30 S30<x> S33<1> )36 .36 ");
  CHECK(events("") == ".0 ");
}

TEST_CASE("yaml events: tell what is absent from what is empty, and tags, anchors and aliases") {
  CHECK(events("a:\nb: ''\n- ").starts_with("D0 {0 S0<a> S2<> S3<b> S6\"\" !"));
  CHECK(events("- &x 1\n- !!str 2\n- *x\n- &y {}\n") ==
        "D0 [0 S2a<1> S9t<2> *19 {24a )28 )30 .30 ");
}

TEST_CASE("yaml events: a text that is no YAML ends at the place where it was left") {
  CHECK(events("é: [→, *x") == "D0 {0 S0<é> [4 S5<→> *10 !12");
  CHECK(events("é: \xff") == "!4");  // before anything is told: read ahead
}
