#include "pipeline/glob.h"

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>

namespace logtally::pipeline {
namespace {

constexpr int kMaxDepth = 32;  // of directories that ** goes down

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

bool part_matches(const std::string& pattern, const std::string& part) {
  return ::fnmatch(pattern.c_str(), part.c_str(), FNM_PERIOD) == 0;
}

bool parts_match(std::span<const std::string> pattern, std::span<const std::string> parts) {
  if (pattern.empty()) return parts.empty();
  if (pattern.front() == "**") {
    for (std::size_t skip = 0; skip <= parts.size(); ++skip) {
      if (parts_match(pattern.subspan(1), parts.subspan(skip))) return true;
    }
    return false;
  }
  return !parts.empty() && part_matches(pattern.front(), parts.front()) &&
         parts_match(pattern.subspan(1), parts.subspan(1));
}

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

bool is_directory(const std::string& path, const dirent& entry, bool follow_links) {
  if (entry.d_type == DT_DIR) return true;
  if (entry.d_type != DT_UNKNOWN && entry.d_type != DT_LNK) return false;
  if (entry.d_type == DT_LNK && !follow_links) return false;
  struct stat status {};
  const int failed = follow_links ? ::stat(path.c_str(), &status) : ::lstat(path.c_str(), &status);
  return failed == 0 && S_ISDIR(status.st_mode);
}

class Expansion {
 public:
  explicit Expansion(GlobResult& result) : result_(result) {}

  // `base` is "" (here), "/" or ends without a slash.
  void walk(const std::string& base, std::span<const std::string> pattern, int depth) {
    const std::string& part = pattern.front();
    if (part == "**") return walk_deep(base, pattern, depth);
    const bool last = pattern.size() == 1;
    if (!has_wildcard(part)) {
      const std::string path = join(base, part);
      struct stat status {};
      const bool there = ::lstat(path.c_str(), &status) == 0;
      if (last || !there) result_.directories.push_back(base.empty() ? "." : base);
      if (!there) return;
      if (last) return result_.paths.push_back(path);
      return walk(path, pattern.subspan(1), depth);
    }
    list(base, [&](const dirent& entry) {
      if (!part_matches(part, entry.d_name)) return;
      const std::string path = join(base, entry.d_name);
      if (last) return result_.paths.push_back(path);
      if (is_directory(path, entry, true)) walk(path, pattern.subspan(1), depth);
    });
  }

 private:
  static std::string join(const std::string& base, std::string_view name) {
    std::string path = base;
    if (!base.empty() && base.back() != '/') path += '/';
    return path += name;
  }

  void walk_deep(const std::string& base, std::span<const std::string> pattern, int depth) {
    if (pattern.size() == 1) {  // "dir/**": every file below
      static const std::vector<std::string> any = {"*"};
      walk(base, any, depth);
    } else {
      walk(base, pattern.subspan(1), depth);
    }
    if (depth >= kMaxDepth) return;
    list(base, [&](const dirent& entry) {
      if (entry.d_name[0] == '.') return;
      const std::string path = join(base, entry.d_name);
      if (is_directory(path, entry, false)) walk_deep(path, pattern, depth + 1);
    });
  }

  template <class Visit>
  void list(const std::string& base, Visit visit) {
    const std::string name = base.empty() ? "." : base;
    const std::unique_ptr<DIR, CloseDir> dir(::opendir(name.c_str()));
    if (!dir) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) result_.incomplete = true;
      if (errno == EACCES) result_.unreadable.push_back(name);
      return;
    }
    result_.directories.push_back(name);
    while (const dirent* entry = ::readdir(dir.get())) visit(*entry);
  }

  GlobResult& result_;
};

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

bool has_wildcard(std::string_view pattern) {
  return pattern.find_first_of("*?[") != std::string_view::npos;
}

std::string normal_path(std::string_view path) {
  if (path.empty()) return {};
  std::string normal;
  for (const std::string& part : split(path)) {
    if (!normal.empty() || path.front() == '/') normal += '/';
    normal += part;
  }
  if (normal.empty()) normal = path.front() == '/' ? "/" : ".";
  return normal;
}

bool glob_matches(std::string_view pattern, std::string_view path) {
  if (pattern.find('/') == std::string_view::npos) {
    const std::size_t slash = path.rfind('/');
    const std::string last(slash == std::string_view::npos ? path : path.substr(slash + 1));
    return part_matches(std::string(pattern), last);
  }
  if (pattern.starts_with('/') != path.starts_with('/')) return false;
  return parts_match(split(pattern), split(path));
}

GlobResult expand_glob(const std::string& pattern) {
  GlobResult result;
  struct stat status {};
  if (has_wildcard(pattern) && ::lstat(pattern.c_str(), &status) == 0) {
    const std::size_t slash = pattern.rfind('/');
    result.paths.push_back(pattern);
    result.directories.push_back(slash == std::string::npos ? "."
                                 : slash == 0               ? "/"
                                                            : pattern.substr(0, slash));
    return result;
  }
  const std::vector<std::string> parts = split(pattern);
  if (parts.empty()) {  // a directory: whoever looks at it says so
    if (!pattern.empty()) result.paths.push_back(normal_path(pattern));
    return result;
  }
  Expansion(result).walk(pattern.starts_with('/') ? "/" : "", parts, 0);
  sort_unique(result.paths);
  sort_unique(result.directories);
  sort_unique(result.unreadable);
  return result;
}

}  // namespace logtally::pipeline
