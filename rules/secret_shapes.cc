#include "rules/secret_shapes.h"

#include <algorithm>

namespace logtally::rules {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool alnum(char c) { return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool hex(char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool high(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// ------------------------------------------------------------- checks of needles
// They look at raw text, in which anything may be escaped: a backslash passes.

// No letter or digit before it, unless that is an escape's (`\n`, `\u003d`).
bool begins_word(const char* begin, const char* place) {
  if (place == begin || !alnum(place[-1])) return true;
  const std::ptrdiff_t room = std::min<std::ptrdiff_t>(place - begin, 6);
  return std::find(place - room, place, '\\') != place;
}

// A word that goes on for as many characters of a token behind the needle's `length`.
template <std::size_t length, std::size_t tail>
bool key_check(const char* begin, const char* place, const char* end) {
  if (!begins_word(begin, place)) return false;
  const char* at = place + length;
  for (std::size_t i = 0; i < tail; ++i, ++at) {
    if (at >= end) return false;
    if (*at == '\\' || *at == '%') return true;
    if (!alnum(*at) && *at != '-' && *at != '_' && *at != '.') return false;
  }
  return true;
}

bool bot_check(const char*, const char* place, const char* end) {
  const char* at = place + 3;
  return at < end && (digit(*at) || *at == '\\');
}

bool at_sign_check(const char* begin, const char* place, const char* end) {
  if (place == begin || place + 1 >= end) return false;
  const char before = place[-1];
  const char behind = place[1];
  const bool left = alnum(before) || high(before) || before == '_' || before == '-' ||
                    before == '+' || before == '.' || before == '\'' || before == '\\';
  return left && (alnum(behind) || high(behind) || behind == '\\');
}

// user:password@host behind `//`.
bool userinfo_check(const char* begin, const char* place, const char*) {
  bool colon = false;
  const char* const least = place - std::min<std::ptrdiff_t>(place - begin, 1024);
  for (const char* at = place; at-- > least;) {
    if (*at == '\\') return true;
    if (*at == '/') return colon;
    if (*at == ':') colon = true;
    if (static_cast<unsigned char>(*at) <= ' ' || *at == '"') return false;
  }
  return least != begin;  // longer than that
}

// A name of a query's parameter: something between it and `?`, `&` or `;`.
template <std::size_t length>
bool query_check(const char* begin, const char* place, const char* end) {
  if (place + length >= end) return false;
  const char* const least = place - std::min<std::ptrdiff_t>(place - begin, 64);
  for (const char* at = place; at-- > least;) {
    if (*at == '?' || *at == '&' || *at == ';' || *at == '\\') return true;
    if (!alnum(*at) && *at != '_' && *at != '-' && *at != '.' && *at != '%') return false;
  }
  return least != begin;  // a name that is longer
}

std::size_t ipv6(std::string_view text) { return is_ipv6(text) ? text.size() : 0; }

// ------------------------------------------------------------- the table

constexpr SecretShape::Anchor kEmail[] = {{"@", at_sign_check}};
constexpr SecretShape::Anchor kBearer[] = {{"bearer", nullptr, {2, 3}},
                                           {"uthorization", nullptr, {4, 2}}};
constexpr SecretShape::Anchor kKey[] = {
    {"sk-", key_check<3, 8>, {0, 1}},     {"k_live_", nullptr, {0, 3}},
    {"k_test_", nullptr, {0, 6}},         {"whsec_", nullptr, {1, 3}},
    {"ghp_", key_check<4, 16>, {0, 0}},   {"gho_", key_check<4, 16>, {0, 0}},
    {"ghu_", key_check<4, 16>, {0, 0}},   {"ghs_", key_check<4, 16>, {0, 0}},
    {"ghr_", key_check<4, 16>, {0, 0}},   {"github_pat_", nullptr, {0, 6}},
    {"glpat-", key_check<6, 8>, {0, 0}},  {"xox", key_check<3, 8>, {0, 1}},
    {"xapp-", key_check<5, 8>, {0, 0}},   {"slack.com", nullptr, {3, 5}},
    {"akia", key_check<4, 16>, {0, 0}},   {"asia", key_check<4, 16>, {0, 0}},
    {"aiza", key_check<4, 16>, {0, 0}},   {"ya29.", key_check<5, 8>, {0, 0}},
    {"gocspx-", key_check<7, 8>, {3, 5}}, {"hf_", key_check<3, 16>, {0, 4}},
    {"gsk_", key_check<4, 16>, {0, 0}},   {"pplx-", key_check<5, 16>, {1, 5}},
    {"xai-", key_check<4, 16>, {0, 0}},   {"npm_", key_check<4, 16>, {0, 5}},
    {"pypi-", key_check<5, 16>, {0, 3}},  {"dop_v1_", nullptr, {1, 4}},
};
constexpr SecretShape::Anchor kTelegram[] = {{"bot", bot_check, {0, 4}}};
constexpr SecretShape::Anchor kJwt[] = {{"eyj", key_check<3, 8>, {0, 4}}};
constexpr SecretShape::Anchor kQueryToken[] = {
    {"token=", query_check<6>, {2, 2}},  {"key=", query_check<4>, {0, 3}},
    {"secret=", query_check<7>, {3, 2}}, {"password=", query_check<9>, {5, 5}},
    {"passwd=", query_check<7>, {3, 2}}, {"pwd=", query_check<4>, {0, 2}},
    {"auth=", query_check<5>, {1, 2}},   {"signature=", query_check<10>, {1, 2}},
    {"sig=", query_check<4>, {0, 2}},
};
constexpr SecretShape::Anchor kUrlPassword[] = {{"@", userinfo_check}};
constexpr SecretShape::Anchor kPrivateKey[] = {{"private key", nullptr, {1, 2}}};

// What may stand before a key: anything but a letter or a digit.
#define LOGTALLY_WORD "(?:^|[^A-Za-z0-9])"

constexpr SecretShape kShapes[] = {
    {.name = "email",
     .doc = "e-mail addresses",
     .regex =
         R"([A-Za-z0-9_\x80-\xFF](?:[A-Za-z0-9_.+'\x80-\xFF-]*[A-Za-z0-9_+\x80-\xFF-])?@(?:[A-Za-z0-9\x80-\xFF](?:[A-Za-z0-9\x80-\xFF-]*[A-Za-z0-9\x80-\xFF])?\.)+[A-Za-z\x80-\xFF]{2,})",
     .anchors = kEmail},
    {.name = "ipv4",
     .doc = "IPv4 addresses (not: versions of more or fewer than four numbers)",
     .regex =
         R"((?:^|[^0-9.])((?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9]))(?:[^0-9.]|\.(?:[^0-9]|$)|$))",
     .scan = ShapeScan::dotted_digits},
    {.name = "ipv6",
     .doc = "IPv6 addresses",
     .regex =
         R"((?:^|[^0-9A-Za-z:.])((?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})|(?:[0-9A-Fa-f]{1,4}:){1,7}:)(?:[^0-9A-Za-z]|$))",
     .scan = ShapeScan::colons,
     .accepts = ipv6},
    {.name = "card",
     .doc =
         "payment cards' numbers, with their check digit (Luhn); blanks or hyphens between groups",
     .regex =
         R"((?:^|[^0-9A-Za-z_.-])([2-6][0-9]{3}(?:[ -]?[0-9]){8,14}[0-9])(?:[^0-9A-Za-z_-]|$))",
     .scan = ShapeScan::digit_groups,
     .accepts = card_number},
    {.name = "bearer",
     .doc = "what stands behind `Bearer`, and behind `Authorization:` with its scheme",
     .regex =
         R"((?i)(?:\bbearer(?:\s+|%20|\+)|authorization["']?\s*[:=,]\s*["']?(?:(?:basic|token|digest|apikey|negotiate|aws4-hmac-sha256)\s+)?)([A-Za-z0-9._~+/=-]{8,}))",
     .anchors = kBearer},
    {.name = "key",
     .doc =
         "keys by their well-known beginnings: sk-, ghp_ and the like, github_pat_, glpat-, xoxb- "
         "and the like, AKIA, AIza, hf_, gsk_, Stripe's, npm's, PyPI's ...",
     .regex = LOGTALLY_WORD
     R"((sk-[A-Za-z0-9_-]{8,}|[rsp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{8,}|xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[0-9]-[A-Za-z0-9-]{8,}|hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]+|(?:AKIA|ASIA)[A-Z0-9]{16,}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,}|GOCSPX-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gsk_[A-Za-z0-9]{16,}|pplx-[A-Za-z0-9]{16,}|xai-[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{16,}|pypi-[A-Za-z0-9_-]{16,}|dop_v1_[a-f0-9]{16,}))",
     .anchors = kKey},
    {.name = "telegram",
     .doc = "tokens of Telegram bots in URLs: /bot<id>:<secret>/",
     .regex = R"((?i)bot[0-9]{5,}(?::|%3A)([A-Za-z0-9_-]{16,}))",
     .anchors = kTelegram},
    {.name = "jwt",
     .doc = "JSON web tokens",
     .regex = LOGTALLY_WORD R"((eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?))",
     .anchors = kJwt},
    {.name = "query_token",
     .doc = "values of a query's parameters: ?token=, &api_key=, access_token, secret, password, "
            "sig ...",
     .regex =
         R"((?i)[?&;](?:[a-z0-9_.%-]*(?:token|key|secret|password|passwd|pwd|auth|signature|sig))=([^&;#\s"'<>\\)\]}]+))",
     .anchors = kQueryToken},
    {.name = "url_password",
     .doc = "passwords in URLs: scheme://user:password@host",
     .regex = R"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"']*:([^\s/@"']+)@)",
     .anchors = kUrlPassword},
    {.name = "private_key",
     .doc = "PEM blocks of private keys, to their end",
     .regex =
         R"((?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$))",
     .anchors = kPrivateKey},
};

#undef LOGTALLY_WORD

}  // namespace

std::span<const SecretShape> secret_shapes() { return kShapes; }

const SecretShape* find_shape(std::string_view name) {
  const auto found = std::find_if(std::begin(kShapes), std::end(kShapes),
                                  [&](const SecretShape& shape) { return shape.name == name; });
  return found == std::end(kShapes) ? nullptr : found;
}

std::size_t card_number(std::string_view text) {
  std::size_t longest = 0;
  std::size_t digits = 0;
  // The check digit counts once, the one before it twice, and so on: from the right, so both sums
  // go along.
  unsigned sums[2] = {0, 0};  // where the last digit counts once, and where it counts twice
  for (std::size_t i = 0; i < text.size() && digits < 19; ++i) {
    if (!digit(text[i])) continue;
    const auto value = static_cast<unsigned>(text[i] - '0');
    const unsigned twice = value * 2 > 9 ? value * 2 - 9 : value * 2;
    const unsigned once = sums[1] + value;
    sums[1] = sums[0] + twice;
    sums[0] = once;
    const bool ends = i + 1 == text.size() || !digit(text[i + 1]);
    if (++digits >= 13 && ends && sums[0] % 10 == 0) longest = i + 1;
  }
  return longest;
}

bool is_ipv6(std::string_view text) {
  std::size_t groups = 0;
  bool gap = false;
  std::size_t at = 0;
  if (text.starts_with("::")) {
    gap = true;
    at = 2;
  }
  while (at < text.size()) {
    std::size_t length = 0;
    while (at + length < text.size() && hex(text[at + length])) ++length;
    if (at + length < text.size() && text[at + length] == '.') return groups + 2 <= (gap ? 7U : 8U);
    if (length == 0 || length > 4) return false;
    ++groups;
    at += length;
    if (at == text.size()) break;
    if (text[at] != ':') return false;
    ++at;
    if (at == text.size()) return false;
    if (text[at] == ':') {
      if (gap) return false;
      gap = true;
      ++at;
    }
  }
  return gap ? groups >= 1 && groups <= 7 : groups == 8;
}

bool may_hold(ShapeScan scan, std::string_view text) {
  switch (scan) {
    case ShapeScan::needles:
      break;
    case ShapeScan::dotted_digits: {
      // Three dots, each two of them one to three digits apart.
      std::size_t dots = 0;
      std::size_t digits = 0;
      for (const char c : text) {
        if (digit(c)) {
          ++digits;
          continue;
        }
        if (c == '.' && digits > 0) {
          dots = digits <= 3 ? dots + 1 : 1;
          if (dots == 3) return true;
        } else {
          dots = 0;
        }
        digits = 0;
      }
      break;
    }
    case ShapeScan::colons: {
      // Two colons side by side, or more than the two of a time.
      std::size_t colons = 0;
      std::size_t digits = 0;
      for (const char c : text) {
        if (hex(c)) {
          ++digits;
          continue;
        }
        if (c == ':' && digits <= 4) {
          if (digits == 0 && colons > 0) return true;
          if (++colons == 4) return true;
        } else {
          colons = 0;
        }
        digits = 0;
      }
      break;
    }
    case ShapeScan::digit_groups: {
      std::size_t digits = 0;
      bool separator = false;
      for (const char c : text) {
        if (digit(c)) {
          separator = false;
          if (++digits == 13) return true;
        } else if ((c == ' ' || c == '-') && !separator) {
          separator = true;
        } else {
          digits = 0;
          separator = false;
        }
      }
      break;
    }
  }
  return false;
}

}  // namespace logtally::rules
