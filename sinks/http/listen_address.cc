#include "sinks/http/listen_address.h"

#include <charconv>

namespace logtally::http {
namespace {

Error bad(std::string_view text, const char* why) {
  return Error{"bad listen address \"" + std::string(text) + "\": " + why};
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad(text, "want HOST:PORT or :PORT");
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return bad(text, "the port is a number up to 65535");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return bad(text, "an IPv6 address stands in brackets: [::1]:8081");
  }
  return ListenAddress{.host = std::string(host), .port = port};
}

std::string to_string(const ListenAddress& address) {
  const std::string port = ":" + std::to_string(address.port);
  if (address.host.empty()) return "0.0.0.0" + port;
  if (address.host.find(':') != std::string::npos) return "[" + address.host + "]" + port;
  return address.host + port;
}

}  // namespace logtally::http
