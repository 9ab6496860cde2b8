// /proc/net/tcp{,6} give the inode of each listening socket, the links /proc/PID/fd/N =
// `socket:[INODE]` its process (proc(5)).
#include "sinks/http/port_holder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

namespace logtally::http {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxCommandBytes = 80;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// As the kernel prints an address: each 32-bit word of it in the machine's byte order.
std::string kernel_hex(const boost::asio::ip::address& address) {
  std::vector<unsigned char> bytes;
  if (address.is_v4()) {
    const auto v4 = address.to_v4().to_bytes();
    bytes.assign(v4.begin(), v4.end());
  } else {
    const auto v6 = address.to_v6().to_bytes();
    bytes.assign(v6.begin(), v6.end());
  }
  std::string hex;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(unsigned)) {
    unsigned word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    std::array<char, 9> text;
    std::snprintf(text.data(), text.size(), "%08X", word);
    hex += text.data();
  }
  return hex;
}

bool all_interfaces(std::string_view hex) {
  return hex.find_first_not_of('0') == std::string_view::npos;
}

// `socket:[INODE]` of the listeners that are in the way of `wanted`, from the text of /proc/net/tcp
// or tcp6.
void add_listeners(const std::string& table, const boost::asio::ip::tcp::endpoint& wanted,
                   std::vector<std::string>& links) {
  const std::string own = kernel_hex(wanted.address());
  std::istringstream lines(table);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, skip, inode;
    words >> number >> local >> remote >> state >> skip >> skip >> skip >> skip >> skip >> inode;
    if (state != "0A" || inode.empty()) continue;
    const std::size_t colon = local.find(':');
    if (colon == std::string::npos) continue;
    unsigned port = 0;
    std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
    const std::string_view address = std::string_view(local).substr(0, colon);
    if (port != wanted.port()) continue;
    if (address == own || all_interfaces(address) || all_interfaces(own)) {
      links.push_back("socket:[" + inode + "]");
    }
  }
}

bool holds(const fs::path& process, const std::vector<std::string>& links) {
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end;
       fd.increment(error)) {
    std::error_code gone;
    const fs::path link = fs::read_symlink(fd->path(), gone);
    if (!gone && std::ranges::find(links, link.native()) != links.end()) return true;
  }
  return false;
}

std::string command_of(const fs::path& process) {
  std::string command = read_file(process / "cmdline");
  while (!command.empty() && command.back() == '\0') command.pop_back();
  if (command.empty()) command = read_file(process / "comm");
  while (!command.empty() && command.back() == '\n') command.pop_back();
  std::ranges::replace(command, '\0', ' ');
  std::ranges::replace_if(
      command, [](char c) { return c < ' ' || c > '~'; }, '?');  // it ends up on a terminal
  if (command.size() > kMaxCommandBytes)
    command.replace(kMaxCommandBytes - 3, std::string::npos, "...");
  return command;
}

}  // namespace

std::optional<PortHolder> find_port_holder(const boost::asio::ip::tcp::endpoint& wanted) {
  std::vector<std::string> links;
  add_listeners(read_file("/proc/net/tcp"), wanted, links);
  add_listeners(read_file("/proc/net/tcp6"), wanted, links);
  if (links.empty()) return std::nullopt;

  std::error_code error;
  for (fs::directory_iterator process("/proc", error), end; !error && process != end;
       process.increment(error)) {
    const std::string name = process->path().filename();
    pid_t pid = 0;
    const auto [last, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc{} || last != name.data() + name.size()) continue;
    if (holds(process->path(), links))
      return PortHolder{.pid = pid, .command = command_of(process->path())};
  }
  return std::nullopt;
}

}  // namespace logtally::http
