#include "rules/short_decimal.h"

#include <cstdint>
#include <random>
#include <string>

#include <catch2/catch.hpp>

namespace logtally::rules {
namespace {

// Held to the parser of all numbers: what is read is the same, and what is left is read by it
// alone.
bool agrees(const std::string& text, int shift, bool& read) {
  const std::string roomy = text + std::string(16, '7');
  metrics::Decimal value = metrics::Decimal::of(-1);
  read = read_short_decimal(roomy.data(), text.size(), shift, value);
  if (!read) return true;
  const metrics::ParsedDecimal whole = metrics::parse_decimal(text, shift);
  return whole.error == metrics::NumberError::none && whole.value == value;
}

}  // namespace

TEST_CASE("short_decimal: reads what most numbers in logs look like") {
  for (const char* text : {"0", "7", "42", "6995.8", "0.005851", "12345678", ".5", "5.", "00012",
                           "1234567.", ".1234567", "99999999"}) {
    for (const int shift : {0, 3, -3, -6}) {
      CAPTURE(text, shift);
      bool read = false;
      CHECK(agrees(text, shift, read));
      CHECK(read);
    }
  }
}

TEST_CASE("short_decimal: leaves everything else to the parser of all numbers") {
  for (const char* text : {"",     ".",   "..",  "1.2.3", "-1",        "+1",        "1e3",
                           "12ms", "1 2", "nan", "inf",   "123456789", "1234567.8", "/",
                           ":",    "1:2", "1/2", "\x80",  "1\xff",     "\xb1\xb2"}) {
    CAPTURE(text);
    bool read = true;
    CHECK(agrees(text, 0, read));
    CHECK_FALSE(read);
  }
  bool read = true;
  CHECK(agrees("0.000001", -12, read));
  CHECK_FALSE(read);
  CHECK(agrees("1", 9, read));
  CHECK_FALSE(read);
}

TEST_CASE("short_decimal: agrees with the parser of all numbers on any few characters") {
  std::mt19937 random(7);
  const std::string alphabet = "00123456789999...-+eE \x7f/:";
  bool same = true;
  std::size_t reads = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (std::size_t size = random() % 10; text.size() < size;)
      text += alphabet[random() % (random() % 2 != 0 ? 17 : alphabet.size())];
    const int shift = static_cast<int>(random() % 31) - 18;
    bool read = false;
    if (!agrees(text, shift, read)) {
      same = false;
      FAIL_CHECK("`" << text << "` shifted by " << shift);
    }
    reads += read;
  }
  CHECK(same);
  CHECK(reads > 20'000);
}

}  // namespace logtally::rules
