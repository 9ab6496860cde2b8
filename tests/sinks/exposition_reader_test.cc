#include "sinks/metrics/exposition_reader.h"

#include <catch2/catch.hpp>

namespace logtally::metrics {

TEST_CASE("exposition reader: reads names, samples and comments") {
  struct Case {
    const char* line;
    ExpositionLine::Kind kind;
    const char* printed;
  };
  using Kind = ExpositionLine::Kind;
  const Case cases[] = {
      {"", Kind::blank, nullptr},
      {"  # a comment", Kind::blank, nullptr},
      {" up_total ", Kind::name, nullptr},
      {"up_total # none", Kind::name, nullptr},
      {"up_total 1", Kind::sample, "up_total 1"},
      {"up_total{} +1.50\r", Kind::sample, "up_total 1.5"},
      {"up { b = \"2\" , a=\"1\", } 1e-07", Kind::sample, "up{a=\"1\",b=\"2\"} 1e-07"},
      {"up{a=\"\\\\ \\\" \\n\"} 0", Kind::sample, "up{a=\"\\\\ \\\" \\n\"} 0"},
      {"x_bucket{le=\"1.0\",a=\"b\"} 3", Kind::sample, "x_bucket{a=\"b\",le=\"1\"} 3"},
      {"x_bucket{le=\"+Inf\"} 3 # all", Kind::sample, "x_bucket{le=\"+Inf\"} 3"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const auto read = read_exposition_line(c.line);
    const auto* line = std::get_if<ExpositionLine>(&read);
    REQUIRE(line != nullptr);
    CHECK(line->kind == c.kind);
    if (c.printed != nullptr) CHECK(to_string(line->sample) == c.printed);
  }
}

TEST_CASE("exposition reader: tells what is wrong, and where") {
  struct Case {
    const char* line;
    std::size_t offset;
    const char* said;
  };
  const Case cases[] = {
      {"1up 1", 0, "name"},
      {"up-total 1", 0, "letters"},
      {"up{a=\"1\"", 2, "never closed"},
      {"up{a=\"1} 1", 5, "never closed"},
      {"up{a=1} 1", 5, "double quotes"},
      {"up{a} 1", 3, "expected behind"},
      {"up{a=\"1\" b=\"2\"} 1", 9, "commas"},
      {"up{a=\"1\",a=\"2\"} 1", 9, "twice"},
      {"up{a=\"\\t\"} 1", 6, "escapes"},
      {"up{a=\"1\"}", 0, "no value"},
      {"up one", 3, "no number"},
      {"up NaN", 3, "ever has"},
      {"up +Inf", 3, "ever has"},
      {"up 1 1700000000000", 5, "timestamp"},
      {"up 1 # {trace_id=\"x\"} 1", 5, "exemplars"},
      {"up 1 more", 5, "nothing is expected"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const auto read = read_exposition_line(c.line);
    const auto* fault = std::get_if<ExpositionFault>(&read);
    REQUIRE(fault != nullptr);
    CHECK(fault->offset == c.offset);
    CHECK_THAT(fault->message, Catch::Contains(c.said));
  }
}

}  // namespace logtally::metrics
