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
  std::string text = page(format);
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

}  // namespace

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
