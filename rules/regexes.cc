#include "rules/regexes.h"

#include <algorithm>
#include <optional>

namespace logtally::rules {
namespace {

using config::Node;

// ---------------------------------------------------------------- where they stand

// `regex` stands in the text of `node`, or in quotes with escapes: then the whole of it is shown.
config::Place place_in(const config::YamlDocument& document, const Node& node,
                       const std::string& regex) {
  const std::string& text = document.file->text;
  const std::size_t at = text.find(regex, node.span.begin);
  if (at == std::string::npos || at + regex.size() > node.span.end) return document.place(node);
  return {document.file,
          {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + regex.size())}};
}

class Gatherer {
 public:
  explicit Gatherer(const config::YamlDocument& document) : document_(document) {}

  std::vector<PlacedRegex> all() {
    if (const Node* rules = document_.root.find("rules")) {
      for (const Node::Entry& rule : rules->entries) {
        if (const Node* regex = rule.value.find("regex")) add(*regex, PlacedRegex::Use::groups);
        if (const Node* match = rule.value.find("match")) conditions(*match);
        expressions(rule.value);
      }
    }
    if (const Node* maps = document_.root.find("maps")) {
      for (const Node::Entry& map : maps->entries) {
        const Node* rewrite = map.value.find("rewrite");
        if (rewrite == nullptr) continue;
        for (const Node& row : rewrite->items) {
          if (!row.items.empty()) add(row.items[0], PlacedRegex::Use::replace);
        }
      }
    }
    if (const Node* redact = document_.root.find("redact")) {
      for (const Node::Entry& entry : redact->entries) {
        if (const Node* regex = entry.value.find("regex")) add(*regex, PlacedRegex::Use::replace);
      }
    }
    return std::move(found_);
  }

 private:
  void add(const Node& node, PlacedRegex::Use use) {
    if (!node.is_scalar() || node.text.empty()) return;
    found_.push_back(
        {.text = node.text, .use = use, .place = place_in(document_, node, node.text)});
  }

  void conditions(const Node& node) {
    for (const Node& item : node.items) conditions(item);
    for (const Node::Entry& entry : node.entries) {
      if (entry.key.text == "re" && entry.value.is_scalar()) {
        add(entry.value, PlacedRegex::Use::find);
      } else {
        conditions(entry.value);
      }
    }
  }

  // Text in quotes behind `=~` or `!~`; quotes of expressions have no escapes.
  void expressions(const Node& node) {
    const std::string& text = node.text;
    for (std::size_t at = text.find('~'); at != std::string::npos; at = text.find('~', at + 1)) {
      if (at == 0 || (text[at - 1] != '=' && text[at - 1] != '!')) continue;
      const std::size_t open = text.find_first_not_of(" \t", at + 1);
      if (open == std::string::npos || (text[open] != '"' && text[open] != '\'')) continue;
      const std::size_t close = text.find(text[open], open + 1);
      if (close == std::string::npos || close == open + 1) continue;
      const std::string regex = text.substr(open + 1, close - open - 1);
      found_.push_back(
          {.text = regex,
           .use = text[at - 1] == '=' ? PlacedRegex::Use::groups : PlacedRegex::Use::find,
           .place = place_in(document_, node, regex)});
      at = close;
    }
    for (const Node& item : node.items) expressions(item);
    for (const Node::Entry& entry : node.entries) expressions(entry.value);
  }

  const config::YamlDocument& document_;
  std::vector<PlacedRegex> found_;
};

// ---------------------------------------------------------------- texts against them

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  std::size_t below(std::size_t limit) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<std::size_t>(state_ >> 11) % limit;
  }

 private:
  std::uint64_t state_;
};

// Reads the expression once over and writes a text that it matches, more or less: assertions are
// passed over, and what is not understood stands for itself.
class Speaker {
 public:
  Speaker(std::string_view regex, Dice& dice, std::string& alphabet)
      : regex_(regex), dice_(dice), alphabet_(alphabet) {}

  std::string speak() {
    at_ = 0;
    return alternatives(0);
  }

 private:
  bool over() const { return at_ >= regex_.size(); }

  std::string alternatives(std::size_t depth) {
    std::vector<std::string> texts = {sequence(depth)};
    while (!over() && regex_[at_] == '|') {
      ++at_;
      texts.push_back(sequence(depth));
    }
    return texts[dice_.below(texts.size())];
  }

  std::string sequence(std::size_t depth) {
    std::string text;
    while (!over() && regex_[at_] != '|' && (regex_[at_] != ')' || depth == 0)) {
      const std::size_t begin = at_;
      std::string piece = atom(depth);
      std::size_t least = 1;
      std::size_t most = 1;
      if (!quantifier(least, most)) {
        text += piece;
        continue;
      }
      const std::size_t end = at_;
      const std::size_t times = least + dice_.below(most - least + 1);
      for (std::size_t i = 0; i < times && text.size() < kLongest; ++i) {
        at_ = begin;
        text += atom(depth);
      }
      at_ = end;
    }
    return text;
  }

  std::string atom(std::size_t depth) {
    const char c = regex_[at_++];
    switch (c) {
      case '(': {
        if (regex_.substr(at_).starts_with('?')) {
          const std::size_t end = regex_.find_first_of(":>)", at_);
          at_ = end == std::string_view::npos ? regex_.size() : end + 1;
          if (end != std::string_view::npos && regex_[end] == ')') return {};  // (?i)
        }
        std::string inner = depth < kDeepest ? alternatives(depth + 1) : std::string();
        if (!over() && regex_[at_] == ')') ++at_;
        return inner;
      }
      case '[':
        return one_of(char_class());
      case '.':
        return one_of("ax0 ./_-:");
      case '^':
      case '$':
        return {};
      case '\\':
        return over() ? std::string() : one_of(escape());
      default:
        return one_of(std::string(1, c));
    }
  }

  std::string escape() {
    switch (const char c = regex_[at_++]) {
      case 'd':
        return "0159";
      case 'w':
        return "aZ0_q";
      case 's':
        return " \t";
      case 'D':
      case 'W':
      case 'S':
        return c == 'W' ? " .-" : "ab.-";
      case 'b':
      case 'B':
      case 'A':
      case 'z':
        return {};
      case 'n':
      case 'r':
        return {};  // lines have none
      case 't':
        return "\t";
      case 'x': {
        at_ = std::min(at_ + 2, regex_.size());
        return "x";
      }
      case 'p':
      case 'P': {
        const std::size_t end = regex_.substr(at_).starts_with('{') ? regex_.find('}', at_) : at_;
        at_ = end == std::string_view::npos ? regex_.size() : end + 1;
        return "aB0\u00E9";
      }
      default:
        return std::string(1, c);
    }
  }

  std::string char_class() {
    const bool negated = !over() && regex_[at_] == '^';
    if (negated) ++at_;
    std::string chars;
    bool first = true;
    while (!over() && (regex_[at_] != ']' || first)) {
      first = false;
      if (regex_[at_] == '[' && regex_.substr(at_).starts_with("[:")) {
        const std::size_t end = regex_.find(":]", at_);
        at_ = end == std::string_view::npos ? regex_.size() : end + 2;
        chars += "aB0";
        continue;
      }
      const char low = regex_[at_++];
      if (low == '\\' && !over()) {
        chars += escape();
        continue;
      }
      chars += low;
      if (at_ + 1 < regex_.size() && regex_[at_] == '-' && regex_[at_ + 1] != ']') {
        const char high = regex_[at_ + 1];
        at_ += 2;
        if (high > low) {
          chars += static_cast<char>((low + high) / 2);
          chars += high;
        }
      }
    }
    if (!over()) ++at_;
    if (!negated) return chars;
    std::string others;
    for (const char c : std::string_view("ax0 ./_-:=\"{~")) {
      if (chars.find(c) == std::string::npos) others += c;
    }
    return others;
  }

  // False: none. What is open-ended goes a few times further.
  bool quantifier(std::size_t& least, std::size_t& most) {
    if (over()) return false;
    constexpr std::size_t kMore = 6;
    const char c = regex_[at_];
    if (c == '*' || c == '+') {
      least = c == '+' ? 1 : 0;
      most = least + kMore;
    } else if (c == '?') {
      least = 0;
      most = 1;
    } else if (c == '{') {
      std::size_t end = at_ + 1;
      std::size_t numbers[2] = {0, 0};
      std::size_t part = 0;
      bool open = false;
      for (; end < regex_.size() && regex_[end] != '}'; ++end) {
        if (regex_[end] == ',' && part == 0) {
          part = 1;
          open = true;
        } else if (regex_[end] >= '0' && regex_[end] <= '9') {
          numbers[part] = std::min<std::size_t>(
              numbers[part] * 10 + static_cast<std::size_t>(regex_[end] - '0'), 1000);
          open = false;
        } else {
          return false;
        }
      }
      if (end == regex_.size()) return false;
      least = numbers[0];
      most = part == 0 ? least : open ? least + kMore : std::max(numbers[1], least);
      at_ = end;
    } else {
      return false;
    }
    ++at_;
    if (!over() && regex_[at_] == '?') ++at_;  // the shortest
    return true;
  }

  std::string one_of(const std::string& chars) {
    for (const char c : chars) {
      if (alphabet_.find(c) == std::string::npos) alphabet_ += c;
    }
    if (chars.empty()) return {};
    return std::string(1, chars[dice_.below(chars.size())]);
  }

  static constexpr std::size_t kDeepest = 20;
  static constexpr std::size_t kLongest = 2000;
  std::string_view regex_;
  Dice& dice_;
  std::string& alphabet_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<PlacedRegex> regexes_of(const config::YamlDocument& document) {
  return Gatherer(document).all();
}

std::string hard_text(std::string_view regex, std::size_t kind, std::uint64_t seed,
                      std::size_t bytes) {
  Dice dice(seed * kHardTextKinds + kind + 1);
  std::string alphabet;
  Speaker speaker(regex, dice, alphabet);
  std::string first = speaker.speak();
  if (alphabet.empty()) alphabet = "a";
  std::string text;
  text.reserve(bytes + 16);
  switch (kind) {
    case 0:  // its characters, in any order
      while (text.size() < bytes) text += alphabet[dice.below(alphabet.size())];
      break;
    case 1:  // all but matches
      while (text.size() < bytes) {
        std::string near = text.empty() ? first : speaker.speak();
        if (!near.empty()) near.pop_back();
        text += near.empty() ? std::string(1, alphabet[dice.below(alphabet.size())]) : near;
      }
      break;
    case 2:  // one character, and a match that is not to be at its end
      text.assign(bytes, alphabet[dice.below(alphabet.size())]);
      break;
    default:  // much before a match
      while (text.size() + first.size() < bytes) text += alphabet[dice.below(alphabet.size())];
      text += first;
      break;
  }
  text.resize(std::min(text.size(), bytes));
  return text;
}

}  // namespace logtally::rules
