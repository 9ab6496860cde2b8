// What the file system says of a file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/generation.h"
#include "pipeline/owned_fd.h"

namespace logtally::pipeline {

struct Status {
  int error = 0;  // errno; everything else is empty then
  mode_t mode = 0;
  FileId id = {};
  std::uint64_t size = 0;
  std::uint32_t links = 0;
  std::int64_t modified_ns = 0;

  bool is_regular() const;  // false with an error
};

Status status_of(const std::string& path);  // follows symbolic links
Status status_of(const OwnedFd& fd);
Status status_of_descriptor(int fd);

// For reading; never waits, whatever stands at the path. Empty: errno says why.
OwnedFd open_to_read(const std::string& path);

std::string_view kind_of(mode_t mode);  // "a directory", of what is no regular file

std::string directory_of(const std::string& path);  // "." without one
std::string_view name_of(std::string_view path);    // its last part

// Behind all symbolic links.
std::string real_path_of(const OwnedFd& fd);  // empty: not known

}  // namespace logtally::pipeline
