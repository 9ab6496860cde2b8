// Who listens on a port, for the message "address already in use by pid 4121 (python -m
// aria_engine)".
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>

namespace logtally::http {

struct PortHolder {
  pid_t pid = 0;
  std::string command;  // the command line, printable and short
};

// The process whose listening socket keeps us from binding `wanted`. Nothing when it is another
// user's and /proc does not tell.
std::optional<PortHolder> find_port_holder(const boost::asio::ip::tcp::endpoint& wanted);

}  // namespace logtally::http
