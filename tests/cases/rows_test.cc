// Holds the numbered cases to their list: each row has a test whose name begins with it, or waits
// for something named.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>
#include <re2/re2.h>

namespace {

const std::filesystem::path kRoot = LOGTALLY_SOURCE_DIR;

// The lines of a list: row, and what stands behind it.
std::map<std::string, std::string> read_list(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t blank = line.find(' ');
    CAPTURE(path, line);
    REQUIRE(blank != std::string::npos);
    CHECK(rows.emplace(line.substr(0, blank), line.substr(blank + 1)).second);
  }
  return rows;
}

std::set<std::string> tested_rows() {
  const re2::RE2 name(R"re(TEST_CASE\(\s*"([A-H][0-9]+): )re");
  std::set<std::string> rows;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / "tests")) {
    if (!entry.path().string().ends_with("_test.cc")) continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    const std::string source = text.str();
    re2::StringPiece rest(source);
    for (std::string row; re2::RE2::FindAndConsume(&rest, name, &row);) rows.insert(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("cases: every row is tested or pending, and no row is both") {
  const auto all = read_list(kRoot / "fixtures/cases_rows.txt");
  const auto pending = read_list(kRoot / "fixtures/cases_pending.txt");
  const auto tested = tested_rows();
  CHECK(all.size() > 100);
  for (const auto& [row, mark] : all) {
    CAPTURE(row);
    CHECK((mark == "K" || mark == "D" || mark == "X" || mark == "-"));
    CHECK(pending.contains(row) != tested.contains(row));
  }
  for (const auto& [row, reason] : pending) {
    CAPTURE(row);
    CHECK(all.contains(row));
    CHECK_FALSE(reason.empty());
  }
  for (const std::string& row : tested) {
    CAPTURE(row);
    CHECK(all.contains(row));
  }
}
