#include "sinks/http/server.h"

#include <pthread.h>
#include <signal.h>

#include <array>
#include <cctype>
#include <list>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "sinks/http/port_holder.h"

namespace logtally::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);  // errors as values
constexpr std::size_t kRenderThreads = 2;
constexpr std::size_t kReadBytes = 4096;
constexpr std::size_t kMaxDrainBytes = 64 * 1024;
constexpr std::chrono::seconds kDrainDeadline{1};
constexpr std::chrono::milliseconds kAcceptRetry{100};

struct Connection {
  enum class Phase : std::uint8_t { waiting, answering, closing };

  Connection(tcp::socket socket, std::size_t buffer_limit)
      : stream(std::move(socket)), buffer(buffer_limit) {}

  beast::tcp_stream stream;
  beast::flat_buffer buffer;
  Phase phase =
      Phase::waiting;  // waiting: for a request or the rest of one; may be closed to make room
};

// Signals are the business of the thread that the program waits in: threads started in this scope
// get none.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// ---- binding

std::string reason(const error_code& error) {
  std::string text = error.message();
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

error_code bind(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  error_code error;
  const auto step = [&error](auto&& f) {
    if (!error) f();
  };
  step([&] { acceptor.open(endpoint.protocol(), error); });
  step([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
  if (endpoint.address().is_v6()) {
    const bool only = !endpoint.address().is_unspecified();
    step([&] { acceptor.set_option(asio::ip::v6_only(only), error); });
  }
  step([&] { acceptor.bind(endpoint, error); });
  step([&] { acceptor.listen(asio::socket_base::max_listen_connections, error); });
  if (error) {
    error_code ignored;
    acceptor.close(ignored);
  }
  return error;
}

// In the order to try; IPv4 first, because that is where people look for a name like localhost.
Result<std::vector<tcp::endpoint>> endpoints(asio::io_context& io, const ListenAddress& address) {
  std::vector<tcp::endpoint> all;
  if (address.host.empty()) {
    all.emplace_back(tcp::v6(), address.port);  // takes IPv4 as well
    all.emplace_back(tcp::v4(), address.port);  // where IPv6 is switched off
    return all;
  }
  error_code error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error) {
    return Error{"cannot listen on " + to_string(address) + ": cannot resolve host \"" +
                 address.host + "\""};
  }
  for (const bool v4 : {true, false}) {
    for (const auto& entry : found) {
      if (entry.endpoint().address().is_v4() == v4) all.push_back(entry.endpoint());
    }
  }
  return all;
}

Result<tcp::acceptor> listen(asio::io_context& io, const ListenAddress& address) {
  const auto candidates = endpoints(io, address);
  if (!candidates) return candidates.error();
  tcp::acceptor acceptor(io);
  error_code error;
  for (const tcp::endpoint& endpoint : *candidates) {
    error = bind(acceptor, endpoint);
    if (!error) return acceptor;
    if (error != asio::error::address_in_use) continue;
    std::string text = "cannot listen on " + to_string(address) + ": address already in use";
    if (const auto holder = find_port_holder(endpoint)) {
      text += " by pid " + std::to_string(holder->pid) + " (" + holder->command + ")";
    }
    return Error{std::move(text)};
  }
  return Error{"cannot listen on " + to_string(address) + ": " + reason(error)};
}

// ---- one exchange

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// All fields of this name, as if they were one (RFC 9110 §5.2).
std::string joined(const beast::http::fields& fields, beast::http::field name) {
  std::string all;
  const auto [begin, end] = fields.equal_range(name);
  for (auto field = begin; field != end; ++field) {
    if (!all.empty()) all += ", ";
    all += view(field->value());
  }
  return all;
}

bool is_loopback(const tcp::socket& socket) {
  error_code error;
  const asio::ip::address address = socket.remote_endpoint(error).address();
  if (error) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  return address.is_loopback();
}

Request to_request(const beast::http::request<beast::http::empty_body>& message,
                   bool from_loopback) {
  const auto method = [&] {
    switch (message.method()) {
      case beast::http::verb::get:
        return Method::get;
      case beast::http::verb::head:
        return Method::head;
      case beast::http::verb::post:
        return Method::post;
      default:
        return Method::other;
    }
  }();
  const std::string_view target = view(message.target());
  const std::size_t mark = std::min(target.find('?'), target.size());
  return Request{.method = method,
                 .path = std::string(target.substr(0, mark)),
                 .query = std::string(target.substr(std::min(mark + 1, target.size()))),
                 .accept = joined(message, beast::http::field::accept),
                 .accept_encoding = joined(message, beast::http::field::accept_encoding),
                 .host = std::string(view(message[beast::http::field::host])),
                 .origin = std::string(view(message[beast::http::field::origin])),
                 .fetch_site = std::string(view(message["Sec-Fetch-Site"])),
                 .from_loopback = from_loopback};
}

// The answer to a head that could not be read; nothing when nobody is there to hear it.
std::optional<Response> refusal(const error_code& code) {
  using beast::http::error;
  if (code == error::header_limit || code == error::buffer_overflow) {
    return Response{.status = 431, .body = "request head too large\n"};
  }
  if (code == error::body_limit) return Response{.status = 413, .body = "no body wanted\n"};
  if (code == error::end_of_stream || code == error::partial_message) return std::nullopt;
  if (code.category() == beast::http::make_error_code(error::bad_method).category()) {
    return Response{.status = 400, .body = "bad request\n"};
  }
  return std::nullopt;
}

struct Exchange {
  unsigned version = 11;  // as Beast counts: 10 or 11
  bool head_only = false;
  bool keep_alive = false;
};

template <class Body>
void set_fields(beast::http::response<Body>& message, const Response& response,
                const Exchange& exchange) {
  using beast::http::field;
  message.version(exchange.version);
  message.result(response.status);
  message.keep_alive(exchange.keep_alive);
  message.set(field::content_type, response.content_type);
  message.set(field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  message.set("Referrer-Policy", "no-referrer");
  message.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  for (const Header& header : response.headers) message.set(header.name, header.value);
  message.content_length(response.body.size());
}

asio::awaitable<error_code> write(Connection& connection, Response response, Exchange exchange) {
  if (exchange.head_only) {
    beast::http::response<beast::http::empty_body> message;
    set_fields(message, response, exchange);
    auto [code, bytes] = co_await beast::http::async_write(connection.stream, message, kTuple);
    co_return code;
  }
  beast::http::response<beast::http::string_body> message;
  set_fields(message, response, exchange);
  message.body() = std::move(response.body);
  auto [code, bytes] = co_await beast::http::async_write(connection.stream, message, kTuple);
  co_return code;
}

// Reads away what the peer is still sending, a little of it: closing with unread bytes would reset
// the connection, and the peer would never see the answer.
asio::awaitable<void> drain(Connection& connection) {
  connection.phase = Connection::Phase::waiting;
  error_code ignored;
  connection.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  connection.stream.expires_after(kDrainDeadline);
  std::array<char, kReadBytes> scratch;
  const auto buffer = asio::buffer(scratch);
  for (std::size_t drained = 0; drained < kMaxDrainBytes;) {
    auto [code, bytes] = co_await connection.stream.async_read_some(buffer, kTuple);
    if (code) break;
    drained += bytes;
  }
}

Response run(const Route& route, const Request& request) {
  try {
    return route.respond(request);
  } catch (const std::exception&) {  // what the program's own code does not throw: out of memory
    return Response{.status = 500, .body = "internal error\n"};
  }
}

asio::awaitable<Response> run_there(const Route& route, const Request& request) {
  co_return run(route, request);
}

// A full house: said without waiting, the socket's buffer is empty.
void refuse(tcp::socket socket) {
  static constexpr std::string_view kText =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nCache-Control: "
      "no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nContent-Length: 0\r\n\r\n";
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(kText), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace

// All members belong to the server's thread once it runs; the pool runs routes only.
struct Server::State {
  State(const ServerOptions& server_options, std::vector<Route> routes)
      : options(server_options), router(std::move(routes)) {}

  asio::awaitable<void> accept();
  void admit(tcp::socket socket);
  bool make_room();
  asio::awaitable<void> serve(Connection& connection);
  asio::awaitable<Response> answer(const Request& request);
  asio::awaitable<Response> answer_later(const Route& route, const Request& request);
  void close_all();

  const ServerOptions options;
  const Router router;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::optional<tcp::acceptor> acceptor;
  std::uint16_t port = 0;
  std::list<Connection> connections;  // oldest first
  bool stopping = false;
  std::optional<asio::thread_pool> pool;
  std::thread thread;
};

asio::awaitable<void> Server::State::accept() {
  asio::steady_timer pause(io);
  while (!stopping) {
    auto [code, socket] = co_await acceptor->async_accept(kTuple);
    if (stopping) co_return;
    if (!code) {
      admit(std::move(socket));
      continue;
    }
    pause.expires_after(
        kAcceptRetry);  // out of descriptors, most likely: it would fail again at once
    co_await pause.async_wait(kTuple);
  }
}

void Server::State::admit(tcp::socket socket) {
  if (connections.size() >= options.max_connections && !make_room())
    return refuse(std::move(socket));
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const auto connection =
      connections.emplace(connections.end(), std::move(socket), 2 * options.max_head_bytes);
  asio::co_spawn(io, serve(*connection), [this, connection](std::exception_ptr) {
    connections.erase(
        connection);  // an exception is memory running out: it costs this connection alone
  });
}

// Closes the oldest connection that waits for its peer; the closed ones leave the list a moment
// later. Who sends his request slowly gives way to who has one.
bool Server::State::make_room() {
  for (Connection& connection : connections) {
    if (connection.phase != Connection::Phase::waiting) continue;
    connection.phase = Connection::Phase::closing;
    connection.stream.close();
    return true;
  }
  return false;
}

asio::awaitable<void> Server::State::serve(Connection& connection) {
  for (bool first = true; !stopping && connection.phase != Connection::Phase::closing;
       first = false) {
    connection.phase = Connection::Phase::waiting;
    if (!first && connection.buffer.size() == 0) {
      connection.stream.expires_after(options.idle_deadline);
      const auto space = connection.buffer.prepare(kReadBytes);
      auto [code, bytes] = co_await connection.stream.async_read_some(space, kTuple);
      if (code) co_return;
      connection.buffer.commit(bytes);
    }

    beast::http::request_parser<beast::http::empty_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(options.max_head_bytes));
    parser.body_limit(std::uint64_t{0});
    connection.stream.expires_after(options.head_deadline);
    auto [code, bytes] = co_await beast::http::async_read_header(connection.stream,
                                                                 connection.buffer, parser, kTuple);
    if (stopping || connection.phase == Connection::Phase::closing) co_return;
    auto refused = code ? refusal(code) : std::nullopt;
    if (code && !refused) co_return;
    if (!code && !parser.is_done()) refused = Response{.status = 413, .body = "no body wanted\n"};

    connection.phase = Connection::Phase::answering;
    Exchange exchange;
    Response response;
    if (refused) {
      response = std::move(*refused);
    } else {
      const auto& message = parser.get();
      exchange.version = message.version();
      exchange.head_only = message.method() == beast::http::verb::head;
      exchange.keep_alive = message.keep_alive();
      const Request request = to_request(message, is_loopback(connection.stream.socket()));
      response = co_await answer(request);
    }
    if (stopping) co_return;
    connection.stream.expires_after(options.write_deadline);
    const error_code written = co_await write(connection, std::move(response), exchange);
    if (written) co_return;
    if (refused) co_return co_await drain(connection);
    if (!exchange.keep_alive) break;
  }
  error_code ignored;
  connection.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

asio::awaitable<Response> Server::State::answer(const Request& request) {
  auto found = router.find(request);
  const auto* route = std::get_if<const Route*>(&found);
  if (route == nullptr) co_return std::get<Response>(std::move(found));
  if ((*route)->respond_later) co_return co_await answer_later(**route, request);
  if ((*route)->runs == Runs::at_once) co_return run(**route, request);
  co_return co_await asio::co_spawn(*pool, run_there(**route, request), asio::use_awaitable);
}

// The coroutine waits, no thread does. Whoever replies posts the answer to the server's thread;
// until then the server has work and does not end.
asio::awaitable<Response> Server::State::answer_later(const Route& route, const Request& request) {
  const auto begin = [this, &route, &request](auto waiting) {
    const auto kept = std::make_shared<decltype(waiting)>(std::move(waiting));
    route.respond_later(request, [this, kept, busy = asio::make_work_guard(io)](Response response) {
      asio::post(io, [kept, response = std::move(response)]() mutable {
        std::move (*kept)(std::move(response));
      });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Response)>(
      begin, asio::use_awaitable);
}

void Server::State::close_all() {
  stopping = true;
  error_code ignored;
  acceptor->close(ignored);
  for (Connection& connection : connections) connection.stream.close();
  work.reset();
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { stop(); }
std::uint16_t Server::port() const { return state_->port; }

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options,
                                              std::vector<Route> routes) {
  auto state = std::make_unique<State>(options, std::move(routes));
  auto acceptor = listen(state->io, options.listen);
  if (!acceptor) return acceptor.error();
  state->acceptor.emplace(std::move(*acceptor));
  state->port = state->acceptor->local_endpoint().port();

  const SignalsBlocked in_threads;
  state->pool.emplace(kRenderThreads);
  asio::co_spawn(state->io, state->accept(), [](std::exception_ptr failed) {
    if (failed)
      std::rethrow_exception(failed);  // ends the program: better than a port that nobody serves
  });
  state->thread = std::thread([s = state.get()] { s->io.run(); });
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::stop() {
  if (!state_->thread.joinable()) return;
  asio::post(state_->io, [this] { state_->close_all(); });
  state_->thread.join();
  state_->pool->join();
}

}  // namespace logtally::http
