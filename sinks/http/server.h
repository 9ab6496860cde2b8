// Server: HTTP/1.1 on one address, in a thread of its own. GET and HEAD without bodies; keep-alive
// and pipelining; hard limits on everything a stranger can do: size of a head, number of
// connections, and total deadlines (not per read: a drip of bytes does not live for ever).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/result.h"
#include "sinks/http/listen_address.h"
#include "sinks/http/router.h"

namespace logtally::http {

struct ServerOptions {
  ListenAddress listen{};
  std::size_t max_connections =
      64;  // one more closes the oldest that waits for a request, or gets 503
  std::size_t max_head_bytes = 8 * 1024;  // beyond: 431
  std::chrono::milliseconds head_deadline{
      5'000};  // from the head's first byte (or the connect) to its last
  std::chrono::milliseconds write_deadline{10'000};  // for a whole response
  std::chrono::milliseconds idle_deadline{60'000};   // between two requests
};

class Server {
 public:
  // Binds and serves. The error says where and why, and who holds the port if that is it.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options,
                                               std::vector<Route> routes);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();  // stops

  // Closes the port and all connections and waits for routes that are still at work. Not from a
  // route.
  void stop();

  std::uint16_t port() const;  // the bound one, when 0 was asked for

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace logtally::http
