#include "sinks/http/routes.h"

#include <zlib.h>

#include <stdexcept>
#include <utility>

namespace logtally::http {
namespace {

constexpr int kGzipLevel = 1;         // 6 takes 2.5 times as long for 12 % less
constexpr int kGzipWindow = 15 + 16;  // zlib: 15 bits of window, + 16: gzip header
constexpr int kGzipMemory = 8;

Response metrics_response(const MetricsPage& page, const Request& request) {
  const MetricsFormat format = preferred_format(request.accept);
  std::optional<std::string> shown = page(format);
  if (!shown) return {.status = 503, .body = "counting again what an older state lacks\n"};
  std::string text = *std::move(shown);
  Response response{
      .content_type = format == MetricsFormat::openmetrics
                          ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                          : "text/plain; version=0.0.4; charset=utf-8",
      .headers = {Header{"Vary", "Accept, Accept-Encoding"}}};
  if (accepts_gzip(request.accept_encoding)) {
    response.headers.push_back(Header{"Content-Encoding", "gzip"});
    response.body = gzip(text);
  } else {
    response.body = std::move(text);
  }
  return response;
}

// A name of this machine itself, with or without a port: a page of another host whose name was made
// to lead here (DNS rebinding) has another name.
bool names_loopback(std::string_view host) {
  if (host.starts_with("[::1]")) return host.size() == 5 || host[5] == ':';
  const std::string_view name = host.substr(0, host.find(':'));
  return name == "localhost" || name == "127.0.0.1";
}

// Sent by a browser on behalf of a page that is not ours.
bool is_foreign(const Request& request) {
  if (!request.fetch_site.empty() && request.fetch_site != "same-origin" &&
      request.fetch_site != "none")
    return true;
  if (request.origin.empty()) return false;
  return !names_loopback(request.host) || request.origin != "http://" + request.host;
}

}  // namespace

Route reload_route(std::function<void(std::function<void(ReloadAnswer)>)> ask) {
  return Route{
      .methods = {Method::post},
      .path = "/-/reload",
      .respond = {},
      .respond_later = [ask = std::move(ask)](const Request& request, const Route::Reply& reply) {
        if (!request.from_loopback) {
          reply(
              {.status = 403, .body = "reload is for this machine alone; elsewhere: kill -HUP\n"});
        } else if (is_foreign(request)) {
          reply({.status = 403, .body = "not for pages of another origin\n"});
        } else {
          ask([reply](ReloadAnswer answer) {
            reply({.status = answer.successful ? 200U : 422U, .body = std::move(answer.text)});
          });
        }
      }};
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, kGzipMemory, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::bad_alloc();  // with these constants nothing else can fail; the server answers 500
  }
  std::string packed(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib only reads
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);  // deflateBound made room for all of it
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::vector<Route> metrics_routes(MetricsPage page, std::function<Readiness()> ready) {
  const std::vector<Method> read = {Method::get, Method::head};
  const auto healthy = [](const Request&) { return Response{.body = "healthy\n"}; };
  return {
      Route{.methods = read,
            .path = "/metrics",
            .respond = [page = std::move(page)](
                           const Request& request) { return metrics_response(page, request); },
            .runs = Runs::on_pool},
      Route{.methods = read, .path = "/-/healthy", .respond = healthy},
      Route{.methods = read, .path = "/health", .respond = healthy},
      Route{.methods = read,
            .path = "/-/ready",
            .respond =
                [ready = std::move(ready)](const Request&) {
                  const Readiness now = ready();
                  if (now.ready) return Response{.body = "ready\n"};
                  return Response{.status = 503, .body = "not ready: " + now.reason + "\n"};
                }},
  };
}

}  // namespace logtally::http
