#include "sinks/metrics/openmetrics_names.h"

#include <string>
#include <unordered_set>

namespace logtally::metrics {
namespace {

constexpr std::string_view kTotal = "_total";
constexpr std::string_view kInfo = "_info";

// Units of Prometheus' naming rules that a name may end in. Only a name that says it has a unit:
// OpenMetrics refuses one that the name does not end in.
constexpr std::string_view kUnits[] = {"seconds", "bytes", "ratio", "usd", "celsius", "joules"};

std::string_view unit_of(std::string_view family) {
  for (const std::string_view unit : kUnits) {
    if (family.size() > unit.size() + 1 && family.ends_with(unit) &&
        family[family.size() - unit.size() - 1] == '_')
      return unit;
  }
  return {};
}

// The names that a family of this type takes, of which no other family may have one.
std::vector<std::string> taken_names(std::string_view family, ExposedType type) {
  std::vector<std::string> names = {std::string(family)};
  const auto add = [&](auto... suffixes) {
    (names.push_back(std::string(family) + suffixes), ...);
  };
  switch (type) {
    case ExposedType::counter:
      add("_total", "_created");
      break;
    case ExposedType::histogram:
      add("_bucket", "_sum", "_count", "_created");
      break;
    case ExposedType::summary:
      add("_sum", "_count", "_created");
      break;
    case ExposedType::info:
      add("_info");
      break;
    case ExposedType::gauge:
    case ExposedType::unknown:
      break;
  }
  return names;
}

// What the family would like to be.
OpenMetricsName wish(const NamedFamily& family) {
  const auto shortened = [&](std::string_view suffix, ExposedType type) {
    return OpenMetricsName{.family = family.name.substr(0, family.name.size() - suffix.size()),
                           .type = type};
  };
  const auto ends_in = [&](std::string_view suffix) {
    return family.name.size() > suffix.size() && family.name.ends_with(suffix);
  };
  if (family.type == ExposedType::counter)
    return ends_in(kTotal) ? shortened(kTotal, ExposedType::counter)
                           : OpenMetricsName{.family = family.name, .type = ExposedType::unknown};
  if (family.type == ExposedType::gauge && family.always_one && ends_in(kInfo))
    return shortened(kInfo, ExposedType::info);
  return {.family = family.name, .type = family.type};
}

}  // namespace

std::vector<OpenMetricsName> openmetrics_names(std::span<const NamedFamily> families) {
  std::vector<OpenMetricsName> names;
  std::unordered_set<std::string> taken;
  names.reserve(families.size());
  for (const NamedFamily& family : families) {
    names.push_back(wish(family));
    if (names.back().family != family.name) continue;
    for (std::string& name : taken_names(family.name, names.back().type))
      taken.insert(std::move(name));
  }
  for (std::size_t i = 0; i < families.size(); ++i) {
    if (names[i].family == families[i].name) continue;
    std::vector<std::string> wanted = taken_names(names[i].family, names[i].type);
    bool clash = false;
    for (const std::string& name : wanted) clash = clash || taken.contains(name);
    if (clash) {
      const bool info = names[i].type == ExposedType::info;
      names[i] = {.family = families[i].name,
                  .type = info ? ExposedType::gauge : ExposedType::unknown};
      wanted = {std::string(families[i].name)};
    }
    for (std::string& name : wanted) taken.insert(std::move(name));
  }
  for (OpenMetricsName& name : names) {
    if (name.type != ExposedType::info) name.unit = unit_of(name.family);
  }
  return names;
}

}  // namespace logtally::metrics
