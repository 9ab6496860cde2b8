// --print-config: what a run would use, value by value, and who said so.
#include <algorithm>

#include <fmt/format.h>

#include "config/diagnostics.h"
#include "config/option_table.h"

namespace logtally::config {

namespace {

struct Row {
  std::string value;
  std::string origin;
};

std::string listed(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& item : list) out += (out.empty() ? "" : ", ") + printable(item, 1000);
  return "[" + out + "]";
}

std::string_view word_of(Wrapper wrapper) {
  switch (wrapper) {
    case Wrapper::automatic:
      return "auto";
    case Wrapper::none:
      return "none";
    case Wrapper::docker:
      return "docker";
    case Wrapper::cri:
      return "cri";
  }
  return "auto";
}

std::size_t cells(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string print_config(const RunOptions& run) {
  std::vector<Row> rows;
  const auto add = [&](const std::string& key, const std::string& name, const std::string& value) {
    const auto origin = run.origins.find(key);
    rows.push_back({fmt::format("{}: {}", name, value),
                    origin == run.origins.end() ? Origin{}.text() : origin->second.text()});
  };
  for (const Option& option : options()) {
    if (option.show == nullptr) continue;
    const std::string name(option.name);
    add(name, name, option.show(run));
  }
  for (std::size_t i = 0; i < run.targets.size(); ++i) {
    const Target& target = run.targets[i];
    const std::string key = fmt::format("targets.{}.", i);
    const std::string name = fmt::format("targets.{}.", printable(target.name));
    add(key + "path", name + "path", listed(target.paths));
    add(key + "exclude", name + "exclude", listed(target.exclude));
    add(key + "rotated", name + "rotated", listed(target.rotated));
    add(key + "wrapper", name + "wrapper", std::string(word_of(target.wrapper)));
    add(key + "from", name + "from", target.from == From::end ? "end" : "beginning");
  }
  if (!run.files.empty()) rows.push_back({"files: " + listed(run.files), "argument"});

  std::size_t width = 0;
  for (const Row& row : rows) width = std::max(width, std::min<std::size_t>(cells(row.value), 48));
  std::string out;
  for (const Row& row : rows) {
    const std::size_t used = cells(row.value);
    out += fmt::format("{}{:{}}  # {}\n", row.value, "", width > used ? width - used : 0,
                       printable(row.origin, 1000));
  }
  return out;
}

}  // namespace logtally::config
