// Routes are functions from a request to a response, in a table; nothing here knows a socket.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace logtally::http {

enum class Method : std::uint8_t { get, head, post, other };

// Values, not views: a request may cross to the thread that renders.
struct Request {
  Method method = Method::get;
  std::string path;               // as sent, not decoded, without the query
  std::string query{};            // behind the `?`
  std::string accept{};           // of the header Accept
  std::string accept_encoding{};  // of the header Accept-Encoding
  std::string host{};             // of the header Host
  std::string origin{};           // of the header Origin: the page that a browser asks for
  std::string fetch_site{};       // of the header Sec-Fetch-Site
  bool from_loopback = false;     // the peer is on this machine
};

struct Header {
  std::string name;
  std::string value;
};

struct Response {
  unsigned status = 200;
  std::string body{};
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<Header> headers{};
};

// Where a route's function runs: `at_once` on the server's own thread, when it never waits;
// `on_pool` when it may.
enum class Runs : std::uint8_t { at_once, on_pool };

struct Route {
  std::vector<Method> methods;
  std::string path;  // compared byte by byte with Request::path
  std::function<Response(const Request&)>
      respond;  // for HEAD as for GET; the server leaves the body out
  Runs runs = Runs::at_once;
  // Instead of `respond`, on the server's own thread: calls `reply` exactly once, now or later, on
  // any thread; no thread of the server waits for it. Before the server stops, all are called.
  using Reply = std::function<void(Response)>;
  std::function<void(const Request&, Reply reply)> respond_later{};
};

class Router {
 public:
  explicit Router(std::vector<Route> routes) : routes_(std::move(routes)) {}

  // The route, or the answer that there is none: 404, or 405 with Allow. Neither repeats anything
  // of the request. The pointer is valid as long as the Router.
  std::variant<const Route*, Response> find(const Request& request) const;

  Response respond(const Request& request) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace logtally::http
