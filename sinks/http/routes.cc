#include "sinks/http/routes.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace logtally::http {
namespace {

constexpr int kGzipLevel = 1;         // 6 takes 2.5 times as long for 12 % less
constexpr int kGzipWindow = 15 + 16;  // zlib: 15 bits of window, + 16: gzip header
constexpr int kGzipMemory = 8;

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes what is before the separator off the front of `text`.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim(front);
}

bool same_word(std::string_view a, std::string_view lower) {
  return std::ranges::equal(a, lower, [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

// Of the parameters behind a coding; 1 when there is no q, 0 when it is no number.
double quality(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view value = take(parameters, ';');
    if (!same_word(take(value, '='), "q")) continue;
    value = trim(value);
    double q = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), q);
    return error == std::errc{} && end == value.data() + value.size() ? q : 0;
  }
  return 1;
}

Response metrics_response(const std::string& text, const Request& request) {
  Response response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                    .headers = {Header{"Vary", "Accept-Encoding"}}};
  if (accepts_gzip(request.accept_encoding)) {
    response.headers.push_back(Header{"Content-Encoding", "gzip"});
    response.body = gzip(text);
  } else {
    response.body = text;
  }
  return response;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  double any = 0;
  while (!accept_encoding.empty()) {
    std::string_view item = take(accept_encoding, ',');
    const std::string_view coding = take(item, ';');
    if (same_word(coding, "gzip") || same_word(coding, "x-gzip")) return quality(item) > 0;
    if (coding == "*") any = quality(item);
  }
  return any > 0;
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

std::vector<Route> metrics_routes(std::function<std::string()> page,
                                  std::function<Readiness()> ready) {
  const std::vector<Method> read = {Method::get, Method::head};
  const auto healthy = [](const Request&) { return Response{.body = "healthy\n"}; };
  return {
      Route{.methods = read,
            .path = "/metrics",
            .respond = [page = std::move(page)](
                           const Request& request) { return metrics_response(page(), request); },
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
