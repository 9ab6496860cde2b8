// Section C of the cases, as far as rules are concerned; the writer's own rows are in tests/sinks/.
#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

std::string histogram(const std::string& buckets) {
  return "metrics: {h: {type: histogram, help: h" +
         (buckets.empty() ? "" : ", buckets: " + buckets) +
         "}}\nrules: {r: {do: [{observe: h, value: $v}]}}\n";
}
Texts values(const std::vector<const char*>& numbers) {
  Texts lines;
  for (const char* number : numbers) lines.push_back(std::string("{\"v\":") + number + "}");
  return lines;
}

}  // namespace

TEST_CASE("C1: values above every bound are in +Inf, the sum and the count") {
  const std::string text =
      samples_of(histogram(""), values({"\"20\"", "\"20\"", "\"20\"", "\"20\"", "\"20\""}));
  CHECK(text.find("h_bucket{le=\"0.005\"} 0\n") == 0);
  CHECK(text.find("h_bucket{le=\"10\"} 0\nh_bucket{le=\"+Inf\"} 5\nh_sum 100\nh_count 5\n") !=
        std::string::npos);
}

TEST_CASE("C2: a histogram without buckets gets the usual ones and a warning") {
  config::Diagnostics found;
  const auto set = compile({histogram("")}, found);
  REQUIRE(set != nullptr);
  REQUIRE(found.all().size() == 1);
  CHECK(found.all()[0].code == "W203");
  std::string bounds;
  for (const metrics::Decimal& bound : set->families()[0].buckets)
    bounds += metrics::to_string(bound) + " ";
  CHECK(bounds == "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 ");
}

TEST_CASE(
    "C3: buckets that do not increase are refused, with the place of the first that does not") {
  CHECK(faults_of("metrics:\n  h: {type: histogram, help: h, buckets: [5, 1, 3]}\n") ==
        "2:46 E061\n2:49 E061\n");
  CHECK(faults_of("metrics:\n  h: {type: histogram, help: h, buckets: [1, 2, 2.0]}\n") ==
        "2:49 E061\n");
}

TEST_CASE("C15: there is no metric of text") {
  CHECK(faults_of("metrics:\n  t: {type: text, help: h}\n") == "2:13 E013\n");
}

TEST_CASE("C18: a metric without help is refused") {
  CHECK(faults_of("metrics:\n  c: {type: counter}\n") == "2:3 E011\n");
}

TEST_CASE("C23: each observation is in its bucket") {
  CHECK(samples_of(histogram("[1, 10, 50, 100, 200]"), values({"101.5", "11.4", "8.1", "7"})) ==
        "h_bucket{le=\"1\"} 0\nh_bucket{le=\"10\"} 2\nh_bucket{le=\"50\"} 3\nh_bucket{le=\"100\"} "
        "3\nh_bucket{le=\"200\"} 4\n"
        "h_bucket{le=\"+Inf\"} 4\nh_sum 128\nh_count 4\n");
}

TEST_CASE("C25: series stay, however many scrapes pass without a line") {
  Engine engine(
      std::string("metrics: {c: {type: counter, help: h}}\nrules: {r: {do: [inc: c]}}\n"));
  engine.line("{}");
  for (int scrape = 0; scrape < 100; ++scrape) CHECK(engine.samples() == "c 1\n");
}

TEST_CASE("C26: set, add, inc and dec work on the same gauge") {
  const std::string rules =
      "metrics: {g: {type: gauge, help: h}}\n"
      "rules:\n"
      "  set: {match: {do: set}, do: [{set: g, value: $by}]}\n"
      "  add: {match: {do: add}, do: [{add: g, value: $by}]}\n"
      "  inc: {match: {do: inc}, do: [inc: g]}\n"
      "  dec: {match: {do: dec}, do: [dec: g]}\n";
  const Texts lines = {R"({"do":"set","by":100})", R"({"do":"set","by":333})",
                       R"({"do":"add","by":-10})", R"({"do":"add","by":4})"};
  CHECK(samples_of(rules, lines) == "g 327\n");
  CHECK(samples_of(rules, lines + Texts{R"({"do":"inc"})", R"({"do":"inc"})", R"({"do":"dec"})"}) ==
        "g 328\n");
}
