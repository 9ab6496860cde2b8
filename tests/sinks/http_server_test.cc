#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "sinks/http/routes.h"
#include "sinks/http/server.h"

namespace logtally::http {
namespace {

using namespace std::chrono_literals;

// A blocking client on the loopback. Reads fail after 20 s, so that a broken server cannot hang the
// test.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    set_patience(20s);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { close(fd_); }

  void set_patience(std::chrono::milliseconds limit) const {
    const timeval patience{.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  bool connected() const { return connected_; }
  void send(std::string_view text) const { ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }

  // Until the text holds `mark`, or the end.
  std::string read_until(std::string_view mark) {
    while (unread_.find(mark) == std::string::npos && receive()) {
    }
    const std::size_t at = unread_.find(mark);
    return take(at == std::string::npos ? unread_.size() : at + mark.size());
  }
  std::string read_all() {
    while (receive()) {
    }
    return take(unread_.size());
  }
  std::string take(std::size_t bytes) {
    while (unread_.size() < bytes && receive()) {
    }
    std::string text = unread_.substr(0, bytes);
    unread_.erase(0, bytes);
    return text;
  }
  // Whether the server ends the connection within the client's patience, without a further byte.
  bool ended() {
    receive();
    return ended_ && unread_.empty();
  }

 private:
  bool receive() {
    char buffer[65536];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0) unread_.append(buffer, static_cast<std::size_t>(n));
    ended_ = n == 0 || (n < 0 && errno != EAGAIN);
    return n > 0;
  }

  int fd_;
  bool connected_ = false;
  bool ended_ = false;
  std::string unread_;
};

struct Answer {
  unsigned status = 0;
  std::string head;
  std::string body;
};

std::string field(const std::string& head, const std::string& name) {
  const std::size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

enum class Body { wanted, none };

Answer read_answer(Client& client, Body body = Body::wanted) {
  Answer answer;
  answer.head = client.read_until("\r\n\r\n");
  if (answer.head.size() > 12)
    answer.status = static_cast<unsigned>(std::stoul(answer.head.substr(9, 3)));
  const std::string length = field(answer.head, "Content-Length");
  if (body == Body::wanted && !length.empty()) answer.body = client.take(std::stoul(length));
  return answer;
}

std::string unzip(std::string packed) {
  std::string text(10'000'000, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return "";
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int end = inflate(&stream, Z_FINISH);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return end == Z_STREAM_END ? text : "";
}

const std::string kPage = "# HELP m h\n# TYPE m counter\nm 1\n";

ServerOptions loopback() {
  return ServerOptions{.listen = ListenAddress{.host = "127.0.0.1", .port = 0}};
}

std::unique_ptr<Server> serve(
    const ServerOptions& options = loopback(),
    MetricsPage page = [](MetricsFormat) { return kPage; },
    std::function<Readiness()> ready = [] { return Readiness{.ready = true}; }) {
  auto server = Server::start(options, metrics_routes(std::move(page), std::move(ready)));
  if (!server) FAIL(server.error().text);
  return std::move(*server);
}

Answer get(std::uint16_t port, const std::string& path, const std::string& more = "") {
  Client client(port);
  client.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n");
  return read_answer(client);
}

}  // namespace

TEST_CASE("C22: GET /metrics is 200 and text/plain; version=0.0.4") {
  const auto server = serve();
  const Answer answer = get(server->port(), "/metrics");
  CHECK(answer.status == 200);
  CHECK(field(answer.head, "Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(field(answer.head, "Content-Encoding") == "");
  CHECK(field(answer.head, "X-Content-Type-Options") == "nosniff");
  CHECK(field(answer.head, "Cache-Control") == "no-store");
  CHECK(answer.body == kPage);
}

TEST_CASE("http: gzip when the client allows it") {
  const auto server = serve();
  const Answer answer = get(server->port(), "/metrics", "Accept-Encoding: gzip\r\n");
  CHECK(field(answer.head, "Content-Encoding") == "gzip");
  CHECK(field(answer.head, "Vary") == "Accept, Accept-Encoding");
  CHECK(unzip(answer.body) == kPage);
}

TEST_CASE("http: the format is what Accept wants, also when it comes in several fields") {
  const auto server = serve(loopback(), [](MetricsFormat format) -> std::string {
    return format == MetricsFormat::openmetrics ? "# EOF\n" : kPage;
  });
  const std::string openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  const Answer one =
      get(server->port(), "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
  CHECK(field(one.head, "Content-Type") == openmetrics);
  CHECK(field(one.head, "Vary") == "Accept, Accept-Encoding");
  CHECK(one.body == "# EOF\n");
  const Answer two = get(server->port(), "/metrics",
                         "Accept: text/plain;q=0.5\r\nAccept-Encoding: br\r\n"
                         "Accept: application/openmetrics-text\r\nAccept-Encoding: gzip\r\n");
  CHECK(field(two.head, "Content-Type") == openmetrics);
  CHECK(unzip(two.body) == "# EOF\n");
  const Answer text = get(server->port(), "/metrics", "Accept: */*\r\n");
  CHECK(field(text.head, "Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(text.body == kPage);
}

TEST_CASE("http: a large page survives the packing and the way") {
  std::string page;
  for (int i = 0; i < 200'000; ++i) page += "m{i=\"" + std::to_string(i) + "\"} 1\n";
  const auto server = serve(loopback(), [&](MetricsFormat) { return page; });
  CHECK(get(server->port(), "/metrics").body == page);
  CHECK(unzip(get(server->port(), "/metrics", "Accept-Encoding: gzip\r\n").body) == page);
}

TEST_CASE("http: HEAD has the length of GET and no body") {
  const auto server = serve();
  Client client(server->port());
  client.send("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  const Answer head = read_answer(client, Body::none);
  CHECK(head.status == 200);
  CHECK(field(head.head, "Content-Length") == std::to_string(kPage.size()));
  CHECK(read_answer(client).body == "healthy\n");
}

TEST_CASE("http: healthy, its alias and ready") {
  std::atomic<bool> ready{false};
  const auto server = serve(
      loopback(), [](MetricsFormat) { return kPage; },
      [&] { return Readiness{.ready = ready, .reason = "reading the first group"}; });
  CHECK(get(server->port(), "/-/healthy").body == "healthy\n");
  CHECK(get(server->port(), "/health?verbose=1").status == 200);
  const Answer not_yet = get(server->port(), "/-/ready");
  CHECK(not_yet.status == 503);
  CHECK(not_yet.body == "not ready: reading the first group\n");
  ready = true;
  CHECK(get(server->port(), "/-/ready").status == 200);
}

TEST_CASE("http: an unknown path is 404 and is not repeated") {
  const auto server = serve();
  for (const std::string path :
       {"/secret<script>", "/metrics/", "//metrics", "/./metrics", "/..%2f..%2fetc/passwd", "/%00",
        "/metrics%", "/\\metrics", "*", "/"}) {
    CAPTURE(path);
    const Answer answer = get(server->port(), path);
    CHECK(answer.status == 404);
    CHECK(answer.body == "not found\n");
    CHECK(field(answer.head, "X-Content-Type-Options") == "nosniff");
  }
}

TEST_CASE("http: another method is 405 with Allow") {
  const auto server = serve();
  for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"}) {
    CAPTURE(method);
    Client client(server->port());
    client.send(method + " /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    const Answer answer = read_answer(client);
    CHECK(answer.status == 405);
    CHECK(field(answer.head, "Allow") == "GET, HEAD");
  }
}

TEST_CASE("http: requests that are not in order are refused and the connection ends") {
  struct Case {
    const char* name;
    std::string request;
    unsigned status;
  };
  const Case cases[] = {
      {"head over 8 KiB", "GET / HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n", 431},
      {"head over 8 KiB, in fields",
       [] {
         std::string text = "GET / HTTP/1.1\r\n";
         for (int i = 0; i < 2000; ++i) text += "X-" + std::to_string(i) + ": y\r\n";
         return text + "\r\n";
       }(),
       431},
      {"target over 8 KiB", "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n", 431},
      {"a body", "GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 413},
      {"a large body", "POST /metrics HTTP/1.1\r\nContent-Length: 999999999\r\n\r\nhello", 413},
      {"a chunked body",
       "GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 413},
      {"two lengths", "GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"no HTTP", "\x16\x03\x01\x02\r\n\r\n", 400},
      {"no version", "GET /metrics\r\n\r\n", 400},
  };
  const auto server = serve();
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Client client(server->port());
    client.send(c.request);
    const Answer answer = read_answer(client);
    CHECK(answer.status == c.status);
    CHECK(field(answer.head, "Connection") == "close");
    CHECK(client.ended());
  }
  CHECK(get(server->port(), "/health").status == 200);
}

TEST_CASE("http: keep-alive and pipelining answer in order") {
  const auto server = serve();
  Client client(server->port());
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    requests += "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.send(requests + "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  for (int i = 0; i < 100; ++i) {
    REQUIRE(read_answer(client).body == kPage);
    REQUIRE(read_answer(client).status == 404);
  }
  const Answer last = read_answer(client);
  CHECK(last.body == "healthy\n");
  CHECK(field(last.head, "Connection") == "close");
  CHECK(client.ended());
}

TEST_CASE("http: an HTTP/1.0 client gets its answer and the end") {
  const auto server = serve();
  Client client(server->port());
  client.send("GET /metrics HTTP/1.0\r\n\r\n");
  const std::string all = client.read_all();
  CHECK(all.starts_with("HTTP/1.0 200 "));
  CHECK(all.ends_with("\r\n\r\n" + kPage));
}

TEST_CASE("http: a head that drips in has one deadline in total") {
  ServerOptions options = loopback();
  options.head_deadline = 300ms;
  const auto server = serve(options);
  Client client(server->port());
  client.set_patience(20ms);
  const auto begin = std::chrono::steady_clock::now();
  while (!client.ended() && std::chrono::steady_clock::now() - begin < 10s) {
    client.send("X");  // each byte arrives well within the deadline
  }
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  Client silent(server->port());
  CHECK(silent.ended());
}

TEST_CASE("http: a client that does not read its answer is dropped") {
  ServerOptions options = loopback();
  options.max_connections = 1;
  options.write_deadline = 300ms;
  const std::string page(30'000'000, '#');
  std::promise<void> rendering;
  const auto server = serve(options, [&](MetricsFormat) {
    rendering.set_value();
    return page;
  });
  Client slow(server->port());
  slow.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  rendering.get_future().wait();
  const auto begin = std::chrono::steady_clock::now();
  while (get(server->port(), "/health").status !=
         200) {  // 503 as long as the slow one has the only place
    REQUIRE(std::chrono::steady_clock::now() - begin < 10s);
  }
  CHECK(slow.read_all().size() < page.size());
}

TEST_CASE("http: a connection without a further request is closed") {
  ServerOptions options = loopback();
  options.idle_deadline = 100ms;
  const auto server = serve(options);
  Client idle(server->port());
  idle.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(read_answer(idle).status == 200);
  CHECK(idle.ended());
}

TEST_CASE("http: a page that waits holds up nobody else") {
  std::promise<void> release;
  std::promise<void> rendering;
  std::atomic<bool> first{true};
  auto released = release.get_future().share();
  const auto server = serve(loopback(), [&](MetricsFormat) {
    if (first.exchange(false)) {
      rendering.set_value();
      released.wait();
    }
    return kPage;
  });
  Client waits(server->port());
  waits.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  rendering.get_future().wait();
  CHECK(get(server->port(), "/health").status == 200);
  CHECK(get(server->port(), "/metrics").body == kPage);
  release.set_value();
  CHECK(read_answer(waits).body == kPage);
}

TEST_CASE("http: a page that throws is 500 without details") {
  const auto server =
      serve(loopback(), [](MetricsFormat) -> std::string { throw std::runtime_error("secret"); });
  const Answer answer = get(server->port(), "/metrics");
  CHECK(answer.status == 500);
  CHECK(answer.body == "internal error\n");
}

TEST_CASE("http: slow clients in any number do not keep a scrape out") {
  const auto server = serve();
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 300; ++i) {
    slow.push_back(std::make_unique<Client>(server->port()));
    REQUIRE(slow.back()->connected());
    slow.back()->send("G");
  }
  CHECK(get(server->port(), "/metrics").body == kPage);
  CHECK(slow.front()->ended());  // the oldest gave way
}

TEST_CASE("http: with every connection at work, one more gets 503") {
  ServerOptions options = loopback();
  options.max_connections = 2;
  std::promise<void> release;
  auto released = release.get_future().share();
  std::promise<void> rendering[2];
  std::atomic<std::size_t> renders{0};
  const auto server = serve(options, [&](MetricsFormat) {
    if (const auto n = renders++; n < 2) rendering[n].set_value();
    released.wait();
    return kPage;
  });
  Client a(server->port());
  Client b(server->port());
  a.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  b.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  for (auto& r : rendering) r.get_future().wait();
  Client c(server->port());
  CHECK(c.read_all().starts_with("HTTP/1.1 503 "));
  release.set_value();
  CHECK(read_answer(a).body == kPage);
  CHECK(read_answer(b).body == kPage);
  CHECK(get(server->port(), "/health").status == 200);
}

TEST_CASE("http: stop ends with connections open and frees the port") {
  auto server = serve();
  const std::uint16_t port = server->port();
  Client idle(port);
  idle.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(read_answer(idle).status == 200);
  Client half(port);
  half.send("GET /met");
  server->stop();
  CHECK(idle.ended());
  CHECK(half.ended());
  CHECK(!Client(port).connected());
  server->stop();
  ServerOptions again = loopback();
  again.listen.port = port;
  CHECK(get(serve(again)->port(), "/health").status == 200);
}

TEST_CASE("http: starting and stopping at once never hangs") {
  for (int i = 0; i < 200; ++i) serve();
}

TEST_CASE("http: a taken port names the one who holds it") {
  const auto server = serve();
  ServerOptions options = loopback();
  options.listen.port = server->port();
  for (const std::string host : {"127.0.0.1", ""}) {
    options.listen.host = host;
    const auto second = Server::start(options, {});
    REQUIRE(second.has_error());
    const std::string where =
        (host.empty() ? "0.0.0.0" : host) + ":" + std::to_string(server->port());
    CAPTURE(second.error().text);
    CHECK(second.error().text.starts_with("cannot listen on " + where +
                                          ": address already in use by pid " +
                                          std::to_string(getpid()) + " ("));
    CHECK(second.error().text.ends_with(")"));
  }
}

TEST_CASE("http: an address that cannot be bound says so") {
  ServerOptions options = loopback();
  options.listen.host = "192.0.2.1";  // TEST-NET-1: nobody's
  const auto foreign = Server::start(options, {});
  REQUIRE(foreign.has_error());
  CHECK(foreign.error().text == "cannot listen on 192.0.2.1:0: cannot assign requested address");
  options.listen.host = "no-such-host.invalid";
  const auto unknown = Server::start(options, {});
  REQUIRE(unknown.has_error());
  CHECK(unknown.error().text ==
        "cannot listen on no-such-host.invalid:0: cannot resolve host \"no-such-host.invalid\"");
}

TEST_CASE("http: all interfaces, and names") {
  for (const std::string host : {"", "localhost", "0.0.0.0"}) {
    CAPTURE(host);
    ServerOptions options;
    options.listen.host = host;
    const auto server = serve(options);
    CHECK(server->port() != 0);
    CHECK(get(server->port(), "/health").status == 200);
  }
}

TEST_CASE("listen address: host, all interfaces, IPv6 in brackets") {
  struct Case {
    std::string_view in;
    std::string host;
    std::uint16_t port;
    std::string shown;
  };
  const Case cases[] = {{"127.0.0.1:8081", "127.0.0.1", 8081, "127.0.0.1:8081"},
                        {":8081", "", 8081, "0.0.0.0:8081"},
                        {"[::1]:9091", "::1", 9091, "[::1]:9091"},
                        {"localhost:0", "localhost", 0, "localhost:0"}};
  for (const Case& c : cases) {
    CAPTURE(c.in);
    const auto address = parse_listen_address(c.in);
    REQUIRE(address.has_value());
    CHECK(address->host == c.host);
    CHECK(address->port == c.port);
    CHECK(to_string(*address) == c.shown);
  }
  for (const char* bad : {"", "8081", "localhost", "localhost:", ":x", ":65536", ":-1", "::1:8081",
                          "[::1:80", "[]:80", ":80 ", "a]:80"}) {
    CAPTURE(bad);
    CHECK(parse_listen_address(bad).has_error());
  }
}

TEST_CASE("router: routes are functions that need no socket") {
  const Router router(metrics_routes([](MetricsFormat) { return kPage; },
                                     [] { return Readiness{.ready = false, .reason = "why"}; }));
  CHECK(router.respond(Request{.method = Method::get, .path = "/metrics"}).body == kPage);
  CHECK(router.respond(Request{.method = Method::post, .path = "/metrics"}).status == 405);
  CHECK(router.respond(Request{.method = Method::get, .path = "/-/ready"}).body ==
        "not ready: why\n");
  CHECK(router.respond(Request{.method = Method::get, .path = "/x"}).status == 404);
}

}  // namespace logtally::http
