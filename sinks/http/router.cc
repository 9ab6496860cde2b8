#include "sinks/http/router.h"

#include <algorithm>

namespace logtally::http {
namespace {

const char* name(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::other:
      break;
  }
  return "";
}

Response method_not_allowed(const Route& route) {
  std::string allow;
  for (const Method method : route.methods) {
    if (!allow.empty()) allow += ", ";
    allow += name(method);
  }
  return Response{
      .status = 405, .body = "method not allowed\n", .headers = {Header{"Allow", allow}}};
}

}  // namespace

std::variant<const Route*, Response> Router::find(const Request& request) const {
  const auto route = std::ranges::find(routes_, request.path, &Route::path);
  if (route == routes_.end()) return Response{.status = 404, .body = "not found\n"};
  if (std::ranges::find(route->methods, request.method) == route->methods.end()) {
    return method_not_allowed(*route);
  }
  return &*route;
}

Response Router::respond(const Request& request) const {
  auto found = find(request);
  if (const auto* route = std::get_if<const Route*>(&found)) return (*route)->respond(request);
  return std::get<Response>(std::move(found));
}

}  // namespace logtally::http
