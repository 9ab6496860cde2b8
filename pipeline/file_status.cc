#include "pipeline/file_status.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

namespace logtally::pipeline {
namespace {

std::int64_t nanoseconds(const statx_timestamp& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

Status status_of(int fd, const char* path) {
  struct statx found {};
  const int flags = path[0] == '\0' ? AT_EMPTY_PATH : 0;
  if (::statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &found) != 0)
    return {.error = errno};
  return {
      .mode = found.stx_mode,
      .id = {.device = ::gnu_dev_makedev(found.stx_dev_major, found.stx_dev_minor),
             .inode = found.stx_ino,
             .born_ns = (found.stx_mask & STATX_BTIME) != 0 ? nanoseconds(found.stx_btime) : 0},
      .size = found.stx_size,
      .links = found.stx_nlink,
      .modified_ns = nanoseconds(found.stx_mtime),
  };
}

}  // namespace

bool Status::is_regular() const { return error == 0 && S_ISREG(mode); }

Status status_of(const std::string& path) {
  return path.empty() ? Status{.error = ENOENT} : status_of(AT_FDCWD, path.c_str());
}
Status status_of(const OwnedFd& fd) { return status_of(fd.get(), ""); }
Status status_of_descriptor(int fd) { return status_of(fd, ""); }

OwnedFd open_to_read(const std::string& path) {
  // O_NONBLOCK: a FIFO without a writer, a device, a lease must not hold us up.
  return OwnedFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string real_path_of(const OwnedFd& fd) {
  char path[PATH_MAX];
  const ssize_t size =
      ::readlink(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), path, sizeof path);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof path)) return {};
  return {path, static_cast<std::size_t>(size)};
}

}  // namespace logtally::pipeline
