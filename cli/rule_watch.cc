#include "cli/rule_watch.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>
#include <set>
#include <system_error>

#include "config/yaml_document.h"

namespace logtally::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 16;  // a loop of links ends here

bool is_yaml(const fs::path& path) {
  const std::string name = path.filename().string();
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
}

void add_nearest(const fs::path& directory, std::set<std::string>& found) {
  std::error_code ignored;
  for (fs::path at = directory.empty() ? fs::path(".") : directory;; at = at.parent_path()) {
    if (fs::is_directory(at, ignored)) {
      found.insert(at.string());
      return;
    }
    if (at == at.parent_path()) return;
    if (at.parent_path().empty()) {
      found.insert(".");
      return;
    }
  }
}

// The directories whose entries decide what this path means, links within it included.
void add_directories(fs::path path, std::set<std::string>& found) {
  std::error_code error;
  for (int links = 0; links < kMostLinks; ++links) {
    add_nearest(path.parent_path(), found);
    // The first link on the way, from the root.
    fs::path so_far;
    bool is_link = false;
    for (auto part = path.begin(); part != path.end(); ++part) {
      so_far /= *part;
      if (!fs::is_symlink(so_far, error)) continue;
      add_nearest(so_far.parent_path(), found);
      const fs::path target = fs::read_symlink(so_far, error);
      if (error) return;
      fs::path resolved = target.is_absolute() ? target : so_far.parent_path() / target;
      for (++part; part != path.end(); ++part) resolved /= *part;
      path = resolved.lexically_normal();
      is_link = true;
      break;
    }
    if (!is_link) break;
  }
  if (fs::is_directory(path, error)) found.insert(path.string());
}

std::uint64_t combined(std::uint64_t hash, std::string_view text) {
  hash ^= std::hash<std::string_view>()(text) + 0x9E3779B97F4A7C15ULL + (hash << 6) + (hash >> 2);
  return hash;
}

std::uint64_t with_file(std::uint64_t hash, const std::string& path) {
  const auto file = config::read_source_file(path);
  hash = combined(hash, path);
  return file ? combined(hash, (*file)->text) : combined(hash + 1, file.error().text);
}

}  // namespace

std::vector<std::string> directories_of(const std::vector<std::string>& paths) {
  std::set<std::string> found;
  for (const std::string& path : paths) {
    add_directories(fs::path(path).lexically_normal(), found);
    // A file of a directory may be a link too.
    std::error_code error;
    if (!fs::is_directory(path, error)) continue;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      if (is_yaml(at->path()) && at->is_symlink(error)) add_directories(at->path(), found);
    }
  }
  return {found.begin(), found.end()};
}

std::uint64_t fingerprint_of(const std::vector<std::string>& paths) {
  std::uint64_t hash = 0;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      hash = with_file(hash, path);
      continue;
    }
    std::vector<std::string> files;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      if (is_yaml(at->path())) files.push_back(at->path().string());
    }
    std::sort(files.begin(), files.end());
    hash = combined(hash, path);
    for (const std::string& file : files) hash = with_file(hash, file);
  }
  return hash;
}

void RuleWatch::watch(const std::vector<std::string>& paths) {
  std::vector<int> watches;
  must_look_ = false;
  for (const std::string& directory : directories_of(paths)) {
    const int watch = watcher_.watch_written_directory(directory);
    if (watch < 0) {
      must_look_ = true;
    } else {
      watches.push_back(watch);
    }
  }
  std::sort(watches.begin(), watches.end());
  std::vector<int> gone;
  std::set_difference(watches_.begin(), watches_.end(), watches.begin(), watches.end(),
                      std::back_inserter(gone));
  for (const int watch : gone) watcher_.forget(watch);
  watches_ = std::move(watches);
}

bool RuleWatch::take() {
  pipeline::Watcher::Events events;
  watcher_.take(events);
  return !events.written.empty() || !events.changed.empty() || !events.gone.empty() ||
         events.overflow;
}

}  // namespace logtally::cli
