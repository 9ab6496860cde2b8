#include "cli/version.h"

#include <zlib.h>

#include <boost/version.hpp>
#include <fmt/core.h>

#include "build_info.h"

namespace logtally::cli {

std::string version_text() {
  return fmt::format(
      "logtally {} ({})\n"
      "g++ {}, boost {}.{}.{}, re2 {}, yaml-cpp {}, prometheus-cpp {}, fmt {}.{}.{}, zlib {}\n",
      LOGTALLY_VERSION, LOGTALLY_REVISION, __VERSION__, BOOST_VERSION / 100000,
      BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100, LOGTALLY_RE2_VERSION,
      LOGTALLY_YAML_CPP_VERSION, LOGTALLY_PROMETHEUS_CPP_VERSION, FMT_VERSION / 10000,
      FMT_VERSION / 100 % 100, FMT_VERSION % 100, zlibVersion());
}

metrics::BuildInfo build_info() {
  return {
      .version = LOGTALLY_VERSION, .revision = LOGTALLY_REVISION, .compiler = "g++ " __VERSION__};
}

}  // namespace logtally::cli
