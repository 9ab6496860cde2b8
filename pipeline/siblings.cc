#include "pipeline/siblings.h"

#include <dirent.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "pipeline/rotation.h"

namespace logtally::pipeline {
namespace {

// Rotation renames a whole chain at once; whoever lists meanwhile sees a file twice or not at all.
constexpr int kListings = 8;            // until two say the same
constexpr std::size_t kDateDigits = 6;  // fewer are an instance's number: worker-2

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::size_t compression_length(std::string_view name) {
  if (name.ends_with(".gz")) return 3;
  if (name.ends_with(".zst")) return 4;
  return 0;
}

// What stands between the separator and the suffix: 3, 20261122, 2026-11-22T10, old.
std::optional<RotatedName> rotation_mark(char separator, std::string_view mark) {
  static constexpr std::array<std::string_view, 5> kWords = {"old", "bak", "prev", "last", "save"};
  if (mark.empty()) return std::nullopt;
  if (std::find(kWords.begin(), kWords.end(), mark) != kWords.end())
    return RotatedName{.kind = RotatedName::Kind::other};
  if (!is_digit(mark.front())) return std::nullopt;
  std::size_t digits = 0;
  for (const char c : mark) {
    digits += is_digit(c);
    if (!is_digit(c) && std::string_view("-_.:T").find(c) == std::string_view::npos)
      return std::nullopt;
  }
  if (digits == mark.size() && digits < kDateDigits) {
    if (separator != '.') return std::nullopt;
    std::uint64_t number = 0;
    for (const char c : mark) number = number * 10 + static_cast<std::uint64_t>(c - '0');
    return RotatedName{.kind = RotatedName::Kind::numbered, .number = number};
  }
  if (digits < kDateDigits) return std::nullopt;
  return RotatedName{.kind = RotatedName::Kind::dated, .date = std::string(mark)};
}

bool is_separator(char c) { return c == '.' || c == '-' || c == '_'; }

}  // namespace

Container container_of_name(std::string_view name) {
  if (name.ends_with(".gz")) return Container::gzip;
  return name.ends_with(".zst") ? Container::zstd : Container::plain;
}

std::optional<RotatedName> rotated_name(std::string_view active, std::string_view name) {
  const Container container = container_of_name(name);
  const std::string_view whole = name;
  name.remove_suffix(compression_length(name));
  std::optional<RotatedName> found;
  if (name == active && whole != active) {
    found = RotatedName{};  // a.log.gz
  } else if (name.size() > active.size() + 1 && name.starts_with(active) &&
             is_separator(name[active.size()])) {
    found = rotation_mark(name[active.size()], name.substr(active.size() + 1));
  }
  if (!found) {  // the mark before the extension: a-2026-11-22.log
    const std::size_t dot = active.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return std::nullopt;
    const std::string_view stem = active.substr(0, dot);
    const std::string_view extension = active.substr(dot);
    if (name.size() < stem.size() + 2 + extension.size() || !name.starts_with(stem) ||
        !name.ends_with(extension) || !is_separator(name[stem.size()])) {
      return std::nullopt;
    }
    found = rotation_mark(
        name[stem.size()],
        name.substr(stem.size() + 1, name.size() - stem.size() - 1 - extension.size()));
  }
  if (found) found->container = container;
  return found;
}

int age_order(const RotatedName& a, const RotatedName& b) {
  if (a.kind != b.kind) return 0;
  if (a.kind == RotatedName::Kind::numbered && a.number != b.number)
    return a.number > b.number ? -1 : 1;
  if (a.kind == RotatedName::Kind::dated && a.date != b.date) return a.date < b.date ? -1 : 1;
  return 0;
}

namespace {

std::vector<Sibling> list_siblings(const std::string& path) {
  std::vector<Sibling> siblings;
  const std::string directory = directory_of(path);
  const Directory dir(::opendir(directory.c_str()));
  if (dir == nullptr) return siblings;
  const std::string_view active = name_of(path);
  while (const dirent* entry = ::readdir(dir.get())) {
    auto name = rotated_name(active, entry->d_name);
    if (!name) continue;
    std::string sibling = directory + '/' + entry->d_name;
    Status status = status_of(sibling);
    if (status.is_regular()) siblings.push_back({std::move(sibling), *std::move(name), status});
  }
  return siblings;
}

// Names in their order, so that two lists can be compared.
std::vector<std::pair<std::string, FileId>> names_of(const std::vector<Sibling>& siblings) {
  std::vector<std::pair<std::string, FileId>> names;
  for (const Sibling& sibling : siblings) names.emplace_back(sibling.path, sibling.status.id);
  std::sort(names.begin(), names.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return names;
}

Found list_for(const std::string& directory, const FileId& id) {
  const Directory dir(::opendir(directory.c_str()));
  if (dir == nullptr) return {};
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_ino != id.inode) continue;
    std::string name = directory + '/' + entry->d_name;
    const Status status = status_of(name);
    if (status.is_regular() && likeness(id, status.id) != Likeness::none)
      return {std::move(name), status.id};
  }
  return {};
}

}  // namespace

std::vector<Sibling> siblings_of(const std::string& path) {
  std::vector<Sibling> siblings = list_siblings(path);
  for (int tries = 0; tries < kListings; ++tries) {
    std::vector<Sibling> again = list_siblings(path);
    const bool same = names_of(again) == names_of(siblings);
    siblings = std::move(again);
    if (same) break;
  }
  return siblings;
}

std::vector<std::string> active_names(std::string_view name) {
  std::vector<std::string> names;
  const auto add = [&](std::string active) {
    if (rotated_name(active, name) && std::find(names.begin(), names.end(), active) == names.end())
      names.push_back(std::move(active));
  };
  const std::string_view plain = name.substr(0, name.size() - compression_length(name));
  add(std::string(plain));
  for (std::size_t i = 1; i < plain.size(); ++i) {
    if (!is_separator(plain[i])) continue;
    add(std::string(plain.substr(0, i)));
    const std::size_t dot = plain.rfind('.');
    if (dot != std::string_view::npos && dot > i)
      add(std::string(plain.substr(0, i)) + std::string(plain.substr(dot)));
  }
  return names;
}

Found find_beside(const std::string& path, const FileId& id) {
  const std::string directory = directory_of(path);
  Found found = list_for(directory, id);
  if (found.path.empty()) found = list_for(directory, id);
  return found;
}

}  // namespace logtally::pipeline
