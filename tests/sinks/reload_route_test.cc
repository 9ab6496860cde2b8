#include <optional>

#include <catch2/catch.hpp>

#include "sinks/http/routes.h"

namespace logtally::http {
namespace {

Response answer(const Request& request, bool successful = true) {
  const Route route = reload_route([&](const std::function<void(ReloadAnswer)>& reply) {
    reply({.successful = successful, .text = "text\n"});
  });
  std::optional<Response> got;
  route.respond_later(request, [&](Response response) { got = std::move(response); });
  REQUIRE(got.has_value());
  return *got;
}

Request ours() {
  return {
      .method = Method::post, .path = "/-/reload", .host = "127.0.0.1:8081", .from_loopback = true};
}

}  // namespace

TEST_CASE("reload route: 200 with what changed, 422 with what is wrong") {
  CHECK(answer(ours()).status == 200);
  CHECK(answer(ours(), false).status == 422);
  CHECK(answer(ours(), false).body == "text\n");
}

TEST_CASE("reload route: only this machine, and no page of another origin") {
  Request request = ours();
  request.from_loopback = false;
  CHECK(answer(request).status == 403);

  struct Case {
    std::string host, origin, fetch_site;
    unsigned status;
  };
  const Case cases[] = {
      {"127.0.0.1:8081", "", "", 200},
      {"localhost:8081", "http://localhost:8081", "same-origin", 200},
      {"[::1]:8081", "http://[::1]:8081", "", 200},
      {"127.0.0.1:8081", "", "none", 200},
      {"127.0.0.1:8081", "http://evil.example", "", 403},
      {"127.0.0.1:8081", "null", "", 403},
      {"localhost:8081", "http://localhost:3000", "same-site", 403},
      {"localhost:8081", "http://localhost:3000", "", 403},
      {"evil.example:8081", "http://evil.example:8081", "same-origin", 403},  // DNS rebinding
      {"localhost.evil.example:8081", "http://localhost.evil.example:8081", "", 403},
      {"127.0.0.1:8081", "", "cross-site", 403},
      {"", "http://", "", 403},
  };
  for (const Case& c : cases) {
    CAPTURE(c.host, c.origin, c.fetch_site);
    request = ours();
    request.host = c.host;
    request.origin = c.origin;
    request.fetch_site = c.fetch_site;
    CHECK(answer(request).status == c.status);
  }
}

}  // namespace logtally::http
