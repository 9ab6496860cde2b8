#include "pipeline/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

namespace logtally::pipeline {
namespace {

constexpr const char* kLockName = "state.lock";

std::string reason(int error) { return std::generic_category().message(error); }

// mkdir -p; what it makes is for its owner alone.
int make_directories(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return errno;
    if (at == std::string::npos) return 0;
  }
}

// What the holder of the lock has left in it: "1234\n".
std::string holder_of(int lock) {
  std::array<char, 32> bytes{};
  const ssize_t size = ::pread(lock, bytes.data(), bytes.size() - 1, 0);
  if (size <= 0) return {};
  std::string_view text(bytes.data(), static_cast<std::size_t>(size));
  text = text.substr(0, text.find_first_not_of("0123456789"));
  return std::string(text);
}

std::string name_of_process(const std::string& pid) {
  const OwnedFd file(::open(("/proc/" + pid + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 32> bytes{};
  const ssize_t size = file ? ::read(file.get(), bytes.data(), bytes.size()) : 0;
  if (size <= 0) return {};
  std::string_view name(bytes.data(), static_cast<std::size_t>(size));
  return std::string(name.substr(0, name.find('\n')));
}

}  // namespace

std::optional<std::string> choose_state_directory(
    const std::string& wanted, std::uint16_t port,
    const std::function<const char*(const char*)>& environment) {
  if (wanted == "none") return std::nullopt;
  if (wanted != "auto") return wanted;
  const auto value = [&](const char* name) {
    const char* const text = environment(name);
    return std::string(text == nullptr ? "" : text);
  };
  // systemd gives several with colons between: StateDirectory=a b
  if (const std::string given = value("STATE_DIRECTORY"); !given.empty())
    return given.substr(0, given.find(':'));
  std::string home = value("XDG_STATE_HOME");
  if (home.empty() || home[0] != '/') {  // relative ones are to be ignored
    home = value("HOME");
    if (home.empty() || home[0] != '/') return std::nullopt;
    home += "/.local/state";
  }
  return home + "/logtally/" + std::to_string(port);
}

std::optional<std::string> network_file_system(std::uint64_t magic) {
  struct Kind {
    std::uint64_t magic;
    const char* name;
  };
  // Numbers of linux/magic.h and of the file systems' own headers.
  constexpr Kind kKinds[] = {
      {0x6969, "NFS"},        {0x517B, "SMB"},       {0xFF534D42, "CIFS"},  {0xFE534D42, "SMB2"},
      {0x5346414F, "AFS"},    {0x6B414653, "AFS"},   {0x01021997, "9p"},    {0x00C36400, "Ceph"},
      {0x0BD00BD0, "Lustre"}, {0x73757245, "Coda"},  {0x564C, "NCP"},       {0x47504653, "GPFS"},
      {0x19830326, "BeeGFS"}, {0xAAD7AAEA, "PanFS"}, {0x013111A8, "IBRIX"}, {0x7461636F, "OCFS2"},
      {0x01161970, "GFS2"},
  };
  for (const Kind& kind : kKinds) {
    if (kind.magic == (magic & 0xFFFFFFFF)) return kind.name;
  }
  return std::nullopt;
}

Result<StateDirectory> StateDirectory::take(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return Error{"cannot keep state in " + path + ": " + why};
  };
  if (path.empty()) return Error{"the name of the state directory is empty"};
  if (const int error = make_directories(path); error != 0) return refuse(reason(error));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return refuse(reason(errno));
  if (!S_ISDIR(status.st_mode)) return refuse("it is no directory");
  struct statfs system {};
  if (::statfs(path.c_str(), &system) == 0) {
    if (const auto kind = network_file_system(static_cast<std::uint64_t>(system.f_type)))
      return refuse("it is on a network file system (" + *kind +
                    "), where locks and the order of writes cannot be relied on");
  }
  const std::string lock_path = path + "/" + kLockName;
  OwnedFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return refuse(reason(errno));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return refuse("cannot lock it: " + reason(errno));
    const std::string pid = holder_of(lock.get());
    if (pid.empty()) return refuse("another process uses it");
    const std::string name = name_of_process(pid);
    return refuse("process " + pid + (name.empty() ? "" : " (" + name + ")") + " uses it");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    // A full disk: the lock holds all the same, only its owner's name is not known.
  }
  return StateDirectory(path, std::move(lock));
}

}  // namespace logtally::pipeline
