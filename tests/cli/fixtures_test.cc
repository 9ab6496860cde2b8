// Every directory fixtures/scenarios/<name>/ with rules.yaml, input.log and metrics.prom: the
// lines, counted by the rules, give the page. A directory more needs no C++. `APPROVE=1` writes the
// pages as they are now; read the difference before committing.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("fixtures: every scenario gives its page") {
  const bool approve =
      std::getenv("APPROVE") != nullptr && std::string_view(std::getenv("APPROVE")) == "1";
  std::set<std::filesystem::path> scenarios;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(LOGTALLY_SOURCE_DIR) / "fixtures/scenarios")) {
    if (entry.is_directory()) scenarios.insert(entry.path());
  }
  CHECK(scenarios.size() >= 8);
  for (const std::filesystem::path& scenario : scenarios) {
    CAPTURE(scenario.filename().string());
    REQUIRE(std::filesystem::exists(scenario / "rules.yaml"));
    REQUIRE(std::filesystem::exists(scenario / "input.log"));
    Engine engine(read(scenario / "rules.yaml"));
    engine.origin.file = "input.log";
    std::istringstream input(read(scenario / "input.log"));
    for (std::string line; std::getline(input, line);) engine.line(line);
    const std::string page = engine.page();
    if (approve) std::ofstream(scenario / "metrics.prom", std::ios::binary) << page;
    CHECK(page == read(scenario / "metrics.prom"));
  }
}
