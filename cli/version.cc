#include "cli/version.h"

#include <zlib.h>

#include <string_view>
#include <vector>

#include <boost/version.hpp>
#include <fmt/core.h>

#include "build_info.h"
#include "config/packs.h"
#include "rules/json_kernels.h"

namespace logtally::cli {

namespace {

struct Part {
  std::string_view name;
  std::string version;
};

// The compiler and the libraries.
std::vector<Part> parts() {
  return {{"g++", __VERSION__},
          {"boost", fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000,
                                BOOST_VERSION % 100)},
          {"re2", LOGTALLY_RE2_VERSION},
          {"libyaml", LOGTALLY_YAML_VERSION},
          {"prometheus-cpp", LOGTALLY_PROMETHEUS_CPP_VERSION},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                              FMT_VERSION % 100)},
          {"zlib", zlibVersion()}};
}

std::string_view json_kernel() { return rules::has_avx2() ? "avx2" : "portable"; }

std::string packs(std::string_view around) {
  std::string out;
  for (const config::Pack& pack : config::shipped_packs())
    out += fmt::format("{}{}{}{}", out.empty() ? "" : ", ", around, pack.name, around);
  return out;
}

}  // namespace

std::string version_text() {
  std::string libraries;
  for (const Part& part : parts())
    libraries += fmt::format("{}{} {}", libraries.empty() ? "" : ", ", part.name, part.version);
  return fmt::format("logtally {} ({})\n{}\npacks {}; rule files of version 1; JSON by {} code\n",
                     LOGTALLY_VERSION, LOGTALLY_REVISION, libraries, packs(""), json_kernel());
}

std::string version_json() {
  std::string libraries;
  for (const Part& part : parts()) {
    if (part.name == "g++") continue;
    libraries +=
        fmt::format("{}\"{}\":\"{}\"", libraries.empty() ? "" : ",", part.name, part.version);
  }
  return fmt::format(
      "{{\"name\":\"logtally\",\"version\":\"{}\",\"revision\":\"{}\",\"compiler\":\"g++ "
      "{}\",\"libraries\":{{{}}},\"packs\":[{}],\"rule_file_version\":1,\"json_code\":\"{}\"}}\n",
      LOGTALLY_VERSION, LOGTALLY_REVISION, __VERSION__, libraries, packs("\""), json_kernel());
}

metrics::BuildInfo build_info() {
  return {
      .version = LOGTALLY_VERSION, .revision = LOGTALLY_REVISION, .compiler = "g++ " __VERSION__};
}

}  // namespace logtally::cli
