// The routes that every instance serves: /metrics, /-/healthy (also /health) and /-/ready.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sinks/http/negotiation.h"
#include "sinks/http/router.h"

namespace logtally::http {

struct Readiness {
  bool ready = false;
  std::string reason{};  // one line, when not ready
};

// /metrics' text in the format that the client likes best; nothing: there is none that could be
// shown now (503).
using MetricsPage = std::function<std::optional<std::string>(MetricsFormat format)>;

// POST /-/reload. `ask` has the rules loaded anew and calls back once, on any thread. Only for
// peers on this machine, and not for pages of other origins that a browser on it shows: those get
// 403.
struct ReloadAnswer {
  bool successful = false;  // 200, else 422
  std::string text{};
};
Route reload_route(std::function<void(std::function<void(ReloadAnswer)>)> ask);

// `page` may wait (a scrape commits first) and runs on the server's pool,
// several at a time. `ready` answers at once. Both outlive the server.
std::vector<Route> metrics_routes(MetricsPage page, std::function<Readiness()> ready);

std::string gzip(std::string_view text);

}  // namespace logtally::http
