#include "config/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "config/keys.h"

namespace logtally::config {

std::string ListenAddress::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return Error{fmt::format("{} is not a port (1–65535)", printable(text))};
  }
  return port;
}

Result<ListenAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return Error{fmt::format("{} is not HOST:PORT or :PORT", printable(text))};
  std::string_view host = text.substr(0, colon);
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return port.error();
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Error{
        fmt::format("{}: an IPv6 address stands in brackets: [::1]:8081", printable(text))};
  }
  if (host.find_first_of(" \t/[]") != std::string_view::npos) {
    return Error{fmt::format("{} is not HOST:PORT or :PORT", printable(text))};
  }
  return ListenAddress{std::string(host), *port};
}

std::string path_from(const YamlDocument& document, const std::string& path) {
  const auto base = std::filesystem::path(document.file->name).parent_path();
  if (path.starts_with('/') || base.empty()) return path;
  return (base / path).lexically_normal().string();
}

namespace {

// Where the keys of a map stand, for --print-config.
void note_lines(const Reading& reading, const Node& map, std::string_view prefix, Settings& into) {
  for (const Node::Entry& entry : map.entries) {
    into.lines[fmt::format("{}{}", prefix, entry.key.text)] =
        line_column(*reading.document.file, entry.key.span.begin).line;
  }
}

void resolve_paths(const Reading& reading, std::vector<std::string>& paths) {
  for (std::string& path : paths) path = path_from(reading.document, path);
}

void parse_version(const Reading& reading, const Node& value, Settings&) {
  std::uint64_t version = 0;
  if (!read_count(reading, value, 0, UINT32_MAX, version)) return;
  if (version != 1)
    reading.fault("E013", value, fmt::format("version {} is not known", version),
                  "this program reads version 1");
}

void parse_listen_key(const Reading& reading, const Node& value, Settings& into) {
  std::string text;
  if (!read_text(reading, value, text)) return;
  const auto address = parse_listen(text);
  if (address) {
    into.listen = *address;
  } else {
    reading.fault("E013", value, address.error().text, "such as 127.0.0.1:8081 or :8081");
  }
}

void parse_packs(const Reading& reading, const Node& value, Settings& into) {
  std::vector<std::string> names;
  if (!read_texts(reading, value, names)) return;
  if (value.is_scalar() && names == std::vector<std::string>{"none"}) names.clear();
  for (std::size_t i = 0; i < names.size() && (value.is_sequence() || names[i] != "auto"); ++i) {
    if (names[i] == "aria" || names[i] == "skillmeat") continue;
    const Node& at = value.is_sequence() ? value.items[i] : value;
    reading.fault("E013", at, fmt::format("there is no pack {}", in_ticks(names[i])),
                  "auto, none, or a list of aria, skillmeat");
    return;
  }
  into.packs = std::move(names);
}

// `rules:` is a list of files here, and a map of rules when rules stand in this file.
void parse_rules(const Reading& reading, const Node& value, Settings& into) {
  if (value.is_map()) {
    into.has_rules = true;
    return;
  }
  if (read_texts(reading, value, into.rules)) resolve_paths(reading, into.rules);
}

constexpr std::array<std::string_view, 4> kWrappers = {"auto", "none", "docker", "cri"};
constexpr std::array<std::string_view, 2> kFrom = {"end", "beginning"};

constexpr Key<Target> kTargetKeys[] = {
    {"name", [](const Reading& r, const Node& v, Target& t) { read_text(r, v, t.name); },
     "value of the label `target` in the program's own metrics"},
    {"path",
     [](const Reading& r, const Node& v, Target& t) {
       if (read_texts(r, v, t.paths)) resolve_paths(r, t.paths);
     },
     "one glob or a list"},
    {"exclude",
     [](const Reading& r, const Node& v, Target& t) {
       if (read_texts(r, v, t.exclude)) resolve_paths(r, t.exclude);
     },
     "globs of files that are not read"},
    {"wrapper",
     [](const Reading& r, const Node& v, Target& t) {
       std::size_t i = 0;
       if (read_word(r, v, kWrappers, i)) t.wrapper = static_cast<Wrapper>(i);
     },
     "auto | none | docker | cri"},
    {"from",
     [](const Reading& r, const Node& v, Target& t) {
       std::size_t i = 0;
       if (read_word(r, v, kFrom, i)) t.from = static_cast<From>(i);
     },
     "where reading of files present at the first start begins: end | beginning"},
    {"rotated",
     [](const Reading& r, const Node& v, Target& t) {
       if (read_texts(r, v, t.rotated)) resolve_paths(r, t.rotated);
     },
     "globs of more names that rotation gives to the files, besides .N, -DATE, .gz, .zst"},
    {"formats", nullptr, "names of the formats tried; empty: all"},
    {"labels", nullptr, "labels for Loki"},
};

void parse_targets(const Reading& reading, const Node& value, Settings& into) {
  if (!value.is_sequence()) {
    reading.fault("E010", value, "`targets` is a list", "each item begins with `- name: …`");
    return;
  }
  std::map<std::string, const Node*> names;
  for (const Node& item : value.items) {
    Target target;
    const MeantKeys meant = read_map(reading, item, "a target", kTargetKeys, target);
    if (!item.is_map()) continue;
    for (const std::string_view needed : {"name", "path"}) {
      if (item.find(needed) != nullptr || meant.contain(needed)) continue;
      const Node& at = item.entries.empty() ? item : item.entries.front().key;
      reading.fault("E011", at, fmt::format("this target has no `{}`", needed),
                    fmt::format("add `{}: …`", needed));
    }
    const Node* name = item.find("name");
    const auto [first, is_new] = names.emplace(target.name, name);
    if (!is_new && name != nullptr && first->second != nullptr) {
      reading
          .fault("E013", *name, fmt::format("two targets are named {}", in_ticks(target.name)),
                 "here again")
          .also.push_back({reading.place(*first->second), "first here"});
    }
    note_lines(reading, item, fmt::format("targets.{}.", into.targets.size()), into);
    into.targets.push_back(std::move(target));
  }
}

constexpr std::uint64_t kMaxBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxCount = 10'000'000;

constexpr Key<Limits> kLimitKeys[] = {
    {"line_bytes",
     [](const Reading& r, const Node& v, Limits& l) {
       read_size(r, v, 256, kMaxBytes, l.line_bytes);
     },
     "a longer line is counted and skipped (256KiB)"},
    {"record_bytes",
     [](const Reading& r, const Node& v, Limits& l) {
       read_size(r, v, 256, kMaxBytes, l.record_bytes);
     },
     "joined lines beyond that are cut off (1MiB)"},
    {"record_lines",
     [](const Reading& r, const Node& v, Limits& l) {
       read_count(r, v, 1, kMaxCount, l.record_lines);
     },
     "lines that one record may have (1000)"},
    {"series",
     [](const Reading& r, const Node& v, Limits& l) { read_count(r, v, 1, kMaxCount, l.series); },
     "series in all (50000)"},
    {"series_per_metric",
     [](const Reading& r, const Node& v, Limits& l) {
       read_count(r, v, 1, kMaxCount, l.series_per_metric);
     },
     "series of one metric (2000)"},
};

constexpr std::array<std::string_view, 2> kTruth = {"false", "true"};

constexpr Key<Exposition> kExpositionKeys[] = {
    {"created_timestamps",
     [](const Reading& r, const Node& v, Exposition& e) {
       std::size_t i = 0;
       if (read_word(r, v, kTruth, i)) e.created_timestamps = i == 1;
     },
     "true | false: OpenMetrics pages tell since when each counter and histogram counts (false)"},
};

constexpr std::array<std::string_view, 2> kSync = {"full", "normal"};
constexpr std::array<std::string_view, 3> kOnCorrupt = {"fail", "beginning", "end"};

constexpr Key<StateSettings> kStateKeys[] = {
    {"dir",
     [](const Reading& r, const Node& v, StateSettings& s) {
       std::string dir;
       if (!read_text(r, v, dir)) return;
       s.dir = dir == "auto" || dir == "none" ? dir : path_from(r.document, dir);
     },
     "where positions and totals are kept: auto | none | a directory"},
    {"sync",
     [](const Reading& r, const Node& v, StateSettings& s) {
       std::size_t i = 0;
       if (read_word(r, v, kSync, i)) s.sync = static_cast<StateSync>(i);
     },
     "full: a power cut loses nothing | normal: the process may die, the machine may not"},
    {"on_corrupt",
     [](const Reading& r, const Node& v, StateSettings& s) {
       std::size_t i = 0;
       if (read_word(r, v, kOnCorrupt, i)) s.on_corrupt = static_cast<OnCorrupt>(i);
     },
     "fail | beginning | end: what is done about damaged state without a sound snapshot: nothing, "
     "or anew from the files' beginning or end"},
};

constexpr std::array<std::string_view, 2> kWhenFull = {"drop_oldest", "block"};

constexpr Key<SpoolSettings> kSpoolKeys[] = {
    {"max_bytes",
     [](const Reading& r, const Node& v, SpoolSettings& s) {
       read_size(r, v, std::uint64_t{1} << 20, std::uint64_t{1} << 40, s.max_bytes);
     },
     "most bytes of standard input that wait in the state directory (1GiB)"},
    {"when_full",
     [](const Reading& r, const Node& v, SpoolSettings& s) {
       std::size_t i = 0;
       if (read_word(r, v, kWhenFull, i)) s.blocks = i == 1;
     },
     "drop_oldest | block: what is done then; block lets who writes wait (drop_oldest; block with "
     "--once)"},
};

constexpr Key<Settings> kTopKeys[] = {
    {"version", parse_version, "1"},
    {"listen", parse_listen_key, "HOST:PORT or :PORT of the HTTP server"},
    {"packs", parse_packs, "auto | none | a list of names"},
    {"rules", parse_rules, "files or directories of *.yaml and *.yml; or a map of rules"},
    {"targets", parse_targets, "what is read"},
    {"limits",
     [](const Reading& r, const Node& v, Settings& s) {
       read_map(r, v, "`limits`", kLimitKeys, s.limits);
       note_lines(r, v, "limits.", s);
     },
     "bounds of lines, records and series"},
    {"exposition",
     [](const Reading& r, const Node& v, Settings& s) {
       read_map(r, v, "`exposition`", kExpositionKeys, s.exposition);
       note_lines(r, v, "exposition.", s);
     },
     "what a page of /metrics shows"},
    {"state",
     [](const Reading& r, const Node& v, Settings& s) {
       read_map(r, v, "`state`", kStateKeys, s.state);
       note_lines(r, v, "state.", s);
     },
     "what outlives a restart"},
    {"spool",
     [](const Reading& r, const Node& v, Settings& s) {
       read_map(r, v, "`spool`", kSpoolKeys, s.spool);
       note_lines(r, v, "spool.", s);
     },
     "bounds of what is kept of standard input"},
    {"loki", nullptr, "where lines are sent"},
};

template <class T, std::size_t N>
void describe(std::vector<DescribedKey>& out, std::string_view prefix, const Key<T> (&table)[N]) {
  for (const Key<T>& key : table) {
    out.push_back(
        {fmt::format("{}{}", prefix, key.name),
         fmt::format("{}{}", key.doc, key.parse == nullptr ? " (not in this version yet)" : "")});
  }
}

}  // namespace

std::string_view StateSettings::sync_word() const { return kSync[static_cast<std::size_t>(sync)]; }
std::string_view StateSettings::on_corrupt_word() const {
  return kOnCorrupt[static_cast<std::size_t>(on_corrupt)];
}

const std::vector<std::string_view>& rule_file_keys() {
  static const std::vector<std::string_view> kKeys = {
      "metrics", "rules", "maps", "lift", "normalise", "tests", "formats", "tables", "redact"};
  return kKeys;
}

Settings load_settings(const YamlDocument& document, Diagnostics& diagnostics) {
  Settings settings;
  settings.file = document.file->name;
  if (document.root.is_null()) return settings;
  const Reading reading{document, diagnostics};
  read_map(reading, document.root, "logtally.yaml", kTopKeys, settings, rule_file_keys());
  for (const Node::Entry& entry : document.root.entries) {
    settings.lines[entry.key.text] = line_column(*document.file, entry.key.span.begin).line;
    const auto& passed = rule_file_keys();
    const bool is_rules = entry.key.text == "rules";  // a list of files unless it is a map
    settings.has_rules =
        settings.has_rules ||
        (!is_rules && std::find(passed.begin(), passed.end(), entry.key.text) != passed.end());
  }
  return settings;
}

std::vector<DescribedKey> describe_settings() {
  std::vector<DescribedKey> out;
  describe(out, "", kTopKeys);
  describe(out, "targets.", kTargetKeys);
  describe(out, "limits.", kLimitKeys);
  describe(out, "exposition.", kExpositionKeys);
  describe(out, "state.", kStateKeys);
  describe(out, "spool.", kSpoolKeys);
  return out;
}

}  // namespace logtally::config
