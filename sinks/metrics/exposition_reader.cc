#include "sinks/metrics/exposition_reader.h"

#include <algorithm>
#include <optional>

#include "sinks/metrics/decimal.h"

namespace logtally::metrics {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Reads one line from left to right; the first fault ends it.
class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {}

  std::variant<ExpositionLine, ExpositionFault> read() {
    skip_blanks();
    if (at_end() || peek() == '#') return std::move(out_);
    if (!read_name() || !read_labels() || !read_value()) return std::move(fault_);
    sort_labels();
    return std::move(out_);
  }

 private:
  bool at_end() const { return at_ == line_.size(); }
  char peek() const { return at_end() ? '\0' : line_[at_]; }
  void skip_blanks() {
    while (!at_end() && blank(peek())) ++at_;
  }
  bool fail(std::size_t offset, std::size_t length, std::string message) {
    fault_ = {.offset = std::min(offset, line_.empty() ? 0 : line_.size() - 1),
              .length = std::max<std::size_t>(length, 1),
              .message = std::move(message)};
    return false;
  }
  std::size_t word_length(std::size_t from) const {
    std::size_t end = from;
    while (end < line_.size() && !blank(line_[end])) ++end;
    return end - from;
  }

  bool read_name() {
    const std::size_t begin = at_;
    if (!letter(peek()) && peek() != ':')
      return fail(begin, word_length(begin), "a metric's name is expected here");
    while (letter(peek()) || digit(peek()) || peek() == ':') ++at_;
    out_.sample.name = line_.substr(begin, at_ - begin);
    out_.name = {begin, at_ - begin};
    out_.kind = ExpositionLine::Kind::name;
    if (!at_end() && !blank(peek()) && peek() != '{')
      return fail(begin, word_length(begin), "a metric's name has letters, digits, `_` and `:`");
    return true;
  }

  bool read_labels() {
    skip_blanks();
    if (peek() != '{') return true;
    const std::size_t open = at_++;
    out_.kind = ExpositionLine::Kind::sample;
    for (;;) {
      skip_blanks();
      if (at_end()) return fail(open, 1, "this `{` is never closed");
      if (peek() == '}') {
        ++at_;
        return true;
      }
      if (!read_label()) return false;
      skip_blanks();
      if (peek() == ',') {
        ++at_;
      } else if (peek() != '}') {
        return at_end() ? fail(open, 1, "this `{` is never closed")
                        : fail(at_, 1, "labels are parted by commas");
      }
    }
  }

  bool read_label() {
    const std::size_t begin = at_;
    if (!letter(peek())) return fail(begin, 1, "a label's name is expected here");
    while (letter(peek()) || digit(peek())) ++at_;
    const std::string name(line_.substr(begin, at_ - begin));
    const ExpositionLine::Part part{begin, at_ - begin};
    for (const auto& [known, value] : out_.sample.labels) {
      if (known == name) return fail(begin, name.size(), "label `" + name + "` stands here twice");
    }
    skip_blanks();
    if (peek() != '=') return fail(begin, name.size(), "`=\"…\"` is expected behind the label");
    ++at_;
    skip_blanks();
    if (peek() != '"') return fail(at_, 1, "the value of a label stands in double quotes");
    const std::size_t quote = at_++;
    std::string value;
    for (;; ++at_) {
      if (at_end()) return fail(quote, 1, "this quote is never closed");
      const char c = peek();
      if (c == '"') break;
      if (c != '\\') {
        value += c;
        continue;
      }
      ++at_;
      if (peek() == 'n') {
        value += '\n';
      } else if (peek() == '\\' || peek() == '"') {
        value += peek();
      } else {
        return fail(at_ - 1, 2, "of escapes there are \\\\, \\\" and \\n");
      }
    }
    ++at_;
    out_.sample.labels.emplace_back(name, std::move(value));
    out_.labels.push_back(part);
    return true;
  }

  bool read_value() {
    skip_blanks();
    const bool wants_value = out_.kind == ExpositionLine::Kind::sample;
    if (at_end() || peek() == '#') {
      if (!wants_value) return true;
      return fail(out_.name.offset, out_.name.length, "this sample has no value");
    }
    const std::size_t begin = at_;
    const std::size_t length = word_length(begin);
    const std::string_view word = line_.substr(begin, length);
    out_.kind = ExpositionLine::Kind::sample;
    out_.value = {begin, length};
    const bool plus = word.size() > 1 && word[0] == '+' && word[1] != '+' && word[1] != '-';
    const ParsedDecimal number = parse_decimal(plus ? word.substr(1) : word);
    switch (number.error) {
      case NumberError::none:
        break;
      case NumberError::not_a_number:
        return fail(begin, length, "this is no number");
      case NumberError::not_finite:
        return fail(begin, length, "no sample ever has this value: it is refused and counted");
      case NumberError::over_limit:
        return fail(begin, length, "no sample ever has this value: it is out of range");
    }
    out_.sample.value = to_string(number.value);
    at_ += length;
    skip_blanks();
    if (at_end()) return true;
    if (digit(peek()) || peek() == '-')
      return fail(at_, word_length(at_), "samples never have a timestamp");
    if (peek() == '#' && line_.substr(at_).starts_with("# {"))
      return fail(at_, line_.size() - at_, "exemplars are not compared");
    if (peek() == '#') return true;
    return fail(at_, line_.size() - at_, "nothing is expected behind the value");
  }

  void sort_labels() {
    std::vector<std::size_t> order(out_.sample.labels.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return out_.sample.labels[a].first < out_.sample.labels[b].first;
    });
    auto labels = out_.sample.labels;
    auto parts = out_.labels;
    for (std::size_t i = 0; i < order.size(); ++i) {
      labels[i] = out_.sample.labels[order[i]];
      parts[i] = out_.labels[order[i]];
    }
    out_.sample.labels = std::move(labels);
    out_.labels = std::move(parts);
    // A bucket's bound is a number: 1, 1.0 and 1e0 are one.
    if (!out_.sample.name.ends_with("_bucket")) return;
    for (auto& [name, value] : out_.sample.labels) {
      if (name != "le" || value == "+Inf") continue;
      const ParsedDecimal bound = parse_decimal(value);
      if (bound.error == NumberError::none) value = to_string(bound.value);
    }
  }

  std::string_view line_;
  std::size_t at_ = 0;
  ExpositionLine out_;
  ExpositionFault fault_;
};

}  // namespace

std::string to_string(const ExpositionSample& sample) {
  std::string out = sample.name;
  std::string labels;
  const auto append = [&](const std::string& name, const std::string& value) {
    labels += (labels.empty() ? "" : ",") + name + "=\"";
    for (const char c : value) {
      if (c == '\n') {
        labels += "\\n";
      } else {
        if (c == '"' || c == '\\') labels += '\\';
        labels += c;
      }
    }
    labels += '"';
  };
  const bool bucket = sample.name.ends_with("_bucket");
  const std::string* bound = nullptr;
  for (const auto& [name, value] : sample.labels) {
    if (bucket && name == "le") {
      bound = &value;
    } else {
      append(name, value);
    }
  }
  if (bound != nullptr) append("le", *bound);
  if (!labels.empty()) out += "{" + labels + "}";
  return out + " " + sample.value;
}

std::variant<ExpositionLine, ExpositionFault> read_exposition_line(std::string_view line) {
  return Reader(line).read();
}

}  // namespace logtally::metrics
