// File names by pattern: * and ? and [..] within one part of a path, ** for any number of
// directories. As in a shell, a wildcard does not match a leading dot; ** does not follow symbolic
// links.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace logtally::pipeline {

bool has_wildcard(std::string_view pattern);

// Without what leads nowhere: doubled slashes, "." parts, a slash at the end. ".." stays, as the
// part before it may be a link.
std::string normal_path(std::string_view path);

// Does the pattern fit the whole path? A pattern without a slash is held against the last part of
// the path.
bool glob_matches(std::string_view pattern, std::string_view path);

struct GlobResult {
  std::vector<std::string> paths;        // sorted; of whatever kind: the caller looks at them
  std::vector<std::string> directories;  // where a new match would show up: what to watch
  std::vector<std::string>
      unreadable;  // directories that could not be listed for want of permission
  bool incomplete =
      false;  // a directory could not be listed for another reason (descriptors, memory)
};

// A pattern that exists literally (a file named "a[1].log") is that file.
GlobResult expand_glob(const std::string& pattern);

}  // namespace logtally::pipeline
