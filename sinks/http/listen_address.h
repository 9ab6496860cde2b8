// Where to listen: HOST:PORT, [IPV6]:PORT, or :PORT for all interfaces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/result.h"

namespace logtally::http {

struct ListenAddress {
  std::string host{};  // name or address, without brackets; empty: all interfaces, IPv6 and IPv4
  std::uint16_t port = 0;  // 0: the kernel chooses one
};

Result<ListenAddress> parse_listen_address(std::string_view text);

// As people write it: `127.0.0.1:8081`, `[::1]:8081`; all interfaces are `0.0.0.0:8081`.
std::string to_string(const ListenAddress& address);

}  // namespace logtally::http
