// The routes that every instance serves: /metrics, /-/healthy (also /health) and /-/ready.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sinks/http/router.h"

namespace logtally::http {

struct Readiness {
  bool ready = false;
  std::string reason{};  // one line, when not ready
};

// `page` gives /metrics' text; it may wait (a scrape commits first) and runs on the server's pool,
// several at a time. `ready` answers at once. Both outlive the server.
std::vector<Route> metrics_routes(std::function<std::string()> page,
                                  std::function<Readiness()> ready);

// Whether Accept-Encoding allows gzip (RFC 9110 §12.5.3): named or by `*`, with a q above 0.
bool accepts_gzip(std::string_view accept_encoding);

std::string gzip(std::string_view text);

}  // namespace logtally::http
