// logtally.yaml, typed. Read once; modules take the parts they need as they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/result.h"
#include "config/yaml_document.h"

namespace logtally::config {

// HOST:PORT or :PORT (all interfaces).
struct ListenAddress {
  std::string host;  // empty: all interfaces; IPv6 without its brackets
  std::uint16_t port = 8081;

  std::string text() const;
  bool operator==(const ListenAddress&) const = default;
};
Result<ListenAddress> parse_listen(std::string_view text);
Result<std::uint16_t> parse_port(std::string_view text);  // 1 to 65535; the error says so

enum class Wrapper : std::uint8_t { automatic, none, docker, cri };
enum class From : std::uint8_t { end, beginning };

struct Target {
  std::string name;                  // value of the label `target`
  std::vector<std::string> paths;    // globs, relative to the working directory
  std::vector<std::string> exclude;  // likewise
  std::vector<std::string> rotated;  // likewise
  Wrapper wrapper = Wrapper::automatic;
  From from = From::end;
};

struct Limits {
  std::uint64_t line_bytes = 256 * 1024;
  std::uint64_t record_bytes = 1024 * 1024;
  std::uint64_t record_lines = 1000;
  std::uint64_t series = 50'000;
  std::uint64_t series_per_metric = 2'000;
};

// What a page of /metrics shows.
struct Exposition {
  bool created_timestamps = false;  // OpenMetrics' `_created`
};

enum class StateSync : std::uint8_t { full, normal };
enum class OnCorrupt : std::uint8_t { fail, beginning, end };

// Where and how positions and totals are kept.
struct StateSettings {
  std::string dir = "auto";  // a directory, `none`, or `auto`: see pipeline::choose_state_directory
  StateSync sync = StateSync::full;
  OnCorrupt on_corrupt = OnCorrupt::fail;
  std::string_view sync_word() const;  // as in the file
  std::string_view on_corrupt_word() const;
  friend bool operator==(const StateSettings&, const StateSettings&) = default;
};

// What is kept of standard input until it is counted; where state is.
struct SpoolSettings {
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  std::optional<bool> blocks{};  // when_full: block, drop_oldest; nothing: block with --once alone

  bool operator==(const SpoolSettings&) const = default;
};

struct Settings {
  std::optional<ListenAddress> listen;
  std::optional<std::vector<std::string>> packs;  // names; {"auto"}: all shipped; empty: none
  std::vector<std::string> rules;  // files and directories, relative to the working directory
  std::vector<Target> targets;
  Limits limits;
  Exposition exposition;
  StateSettings state;
  SpoolSettings spool;
  bool has_rules = false;  // metrics, rules, maps ... stand in this file too
  std::string file;        // as it was named
  std::map<std::string, std::uint32_t, std::less<>>
      lines;  // of the top-level keys, those below as "limits.series", "state.dir",
              // "targets.0.from"
};

// Faults go to `diagnostics`; the settings are then of no use. Top-level keys of rule files are
// passed over in silence: the rules module reads the same document.
Settings load_settings(const YamlDocument& document, Diagnostics& diagnostics);

// A path that stands in `document`, from the working directory: relative ones are relative to the
// file that names them.
std::string path_from(const YamlDocument& document, const std::string& path);

// Top-level keys that belong to the rules module.
const std::vector<std::string_view>& rule_file_keys();

// The tables of keys, for help and the reference page.
struct DescribedKey {
  std::string name;  // "limits.series"
  std::string help;
};
std::vector<DescribedKey> describe_settings();

}  // namespace logtally::config
