#include "rules/dispatch.h"

#include <algorithm>
#include <cstring>

namespace logtally::rules {
namespace {

struct Words {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

// The first and the last eight bytes: with the length they tell texts of up to 16 bytes apart
// exactly.
Words words_of(std::string_view text) {
  Words words;
  if (text.size() >= 8) {
    std::memcpy(&words.low, text.data(), 8);
    std::memcpy(&words.high, text.data() + text.size() - 8, 8);
  } else if (text.size() >= 4) {
    std::uint32_t front = 0;
    std::uint32_t back = 0;
    std::memcpy(&front, text.data(), 4);
    std::memcpy(&back, text.data() + text.size() - 4, 4);
    words.low = front;
    words.high = back;
  } else if (!text.empty()) {
    words.low = static_cast<unsigned char>(text[0]) |
                static_cast<std::uint64_t>(static_cast<unsigned char>(text[text.size() / 2])) << 8 |
                static_cast<std::uint64_t>(static_cast<unsigned char>(text.back())) << 16;
  }
  return words;
}

// Both halves of the product: what tells values apart often stands in the last byte, which only
// moves the upper half.
std::size_t hash_of(const Words& words, std::size_t size) {
  const metrics::uint128 product =
      static_cast<metrics::uint128>(words.low ^ 0x9E3779B97F4A7C15ULL ^ size) *
      (words.high ^ 0xD6E8FEB86659FD93ULL);
  return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64);
}

std::uint64_t length_bit(std::size_t size) {
  return std::uint64_t{1} << std::min<std::size_t>(size, 63);
}

bool blank(char c) { return c == ' ' || c == '\t'; }

// Takes `label` off the front of `text`; a blank of it stands for one or more, as in patterns.
bool take_prefix(std::string_view label, std::string_view& text) {
  if (text.starts_with(label) &&
      (text.size() == label.size() || !blank(text[label.size()]) || !blank(label.back()))) {
    text.remove_prefix(label.size());
    return true;
  }
  std::string_view rest = text;
  for (const char c : label) {
    if (rest.empty()) return false;
    if (c != ' ') {
      if (rest[0] != c) return false;
      rest.remove_prefix(1);
      continue;
    }
    if (!blank(rest[0])) return false;
    while (!rest.empty() && blank(rest[0])) rest.remove_prefix(1);
  }
  text = rest;
  return true;
}

void append_once(std::vector<RuleIndex>& rules, RuleIndex rule) {
  if (rules.empty() || rules.back() != rule) rules.push_back(rule);
}

}  // namespace

Dispatch::Dispatch(const FieldPlan& plan) : plan_(plan), by_format_(1), prefixes_(1) {
  by_format_[0].first = Event::kJsonFormat;
}

void Dispatch::under_value(FieldId field, std::string_view text, RuleIndex rule) {
  auto of_field = std::find_if(values_.begin(), values_.end(),
                               [&](const Values& v) { return v.field == field; });
  if (of_field == values_.end()) {
    values_.emplace_back().field = field;
    of_field = values_.end() - 1;
  }
  const auto [known, born] =
      of_field->by_text.try_emplace(std::string(text), of_field->entries.size());
  if (born) of_field->entries.emplace_back().text = text;
  append_once(of_field->entries[known->second].rules, rule);
}

void Dispatch::under_level(Level level, RuleIndex rule) {
  append_once(by_level_[static_cast<std::size_t>(level)], rule);
  uses_level_ = true;
}

void Dispatch::under_presence(FieldId field, RuleIndex rule) {
  auto found = std::find_if(presence_.begin(), presence_.end(),
                            [&](const auto& p) { return p.first == field; });
  if (found == presence_.end()) {
    presence_.emplace_back(field, std::vector<RuleIndex>());
    found = presence_.end() - 1;
  }
  append_once(found->second, rule);
}

void Dispatch::under_format(std::string_view format, RuleIndex rule) {
  auto found = std::find_if(by_format_.begin(), by_format_.end(),
                            [&](const auto& f) { return f.first == format; });
  if (found == by_format_.end()) {
    by_format_.emplace_back(format, std::vector<RuleIndex>());
    found = by_format_.end() - 1;
  }
  append_once(found->second, rule);
}

const std::vector<RuleIndex>& Dispatch::of_format(const Event& event) const {
  static const std::vector<RuleIndex> kNone;
  if (event.format.data() == Event::kJsonFormat.data()) return by_format_[0].second;
  for (const auto& [name, rules] : by_format_) {
    if (name == event.format) return rules;
  }
  return kNone;
}

void Dispatch::under_message_prefix(std::string_view prefix, RuleIndex rule) {
  insert_prefix(0, prefix, rule);
}

void Dispatch::insert_prefix(std::uint32_t at, std::string_view rest, RuleIndex rule) {
  for (;;) {
    if (rest.empty()) return append_once(prefixes_[at].rules, rule);
    std::uint32_t next = 0;
    for (const std::uint32_t child : prefixes_[at].children) {
      if (prefixes_[child].label[0] == rest[0]) next = child;
    }
    if (next == 0) {
      prefixes_[at].children.push_back(static_cast<std::uint32_t>(prefixes_.size()));
      prefixes_.push_back({.label = std::string(rest), .rules = {rule}, .children = {}});
      return;
    }
    std::size_t common = 0;
    const std::size_t limit = std::min(prefixes_[next].label.size(), rest.size());
    while (common < limit && prefixes_[next].label[common] == rest[common]) ++common;
    if (common <
        prefixes_[next].label.size()) {  // split: the lower half moves to a node of its own
      PrefixNode lower = prefixes_[next];
      lower.label.erase(0, common);
      prefixes_[next].label.resize(common);
      prefixes_[next].rules.clear();
      prefixes_[next].children = {static_cast<std::uint32_t>(prefixes_.size())};
      prefixes_.push_back(std::move(lower));
    }
    rest.remove_prefix(common);
    at = next;
  }
}

void Dispatch::Values::build() {
  slots.assign(std::bit_ceil(entries.size() * 4), 0);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    const Words words = words_of(entry.text);
    entry.low = words.low;
    entry.high = words.high;
    lengths |= length_bit(entry.text.size());
    std::size_t at = hash_of(words, entry.text.size()) & (slots.size() - 1);
    while (slots[at] != 0) at = (at + 1) & (slots.size() - 1);
    slots[at] = static_cast<std::uint32_t>(i + 1);
  }
  by_text.clear();
}

const std::vector<RuleIndex>* Dispatch::Values::find(std::string_view text) const {
  if ((lengths & length_bit(text.size())) == 0) return nullptr;
  const Words words = words_of(text);
  for (std::size_t at = hash_of(words, text.size()) & (slots.size() - 1); slots[at] != 0;
       at = (at + 1) & (slots.size() - 1)) {
    const Entry& entry = entries[slots[at] - 1U];
    if (entry.low == words.low && entry.high == words.high && entry.text.size() == text.size() &&
        (text.size() <= 16 || entry.text == text)) {
      return &entry.rules;
    }
  }
  return nullptr;
}

void Dispatch::finish(const WellKnownFields& known) {
  on_slot_.resize(plan_.slot_count());
  mask_.assign((plan_.slot_count() + 64) / 64, 0);
  const auto file = [&](FieldId field, std::int16_t values, std::int16_t presence) {
    for (const SlotId slot : plan_.candidates(field)) {
      mask_[slot / 64] |= std::uint64_t{1} << (slot % 64);
      auto& entries = on_slot_[slot];
      const auto same = std::find_if(entries.begin(), entries.end(),
                                     [&](const OnSlot& e) { return e.field == field; });
      if (same == entries.end()) {
        const std::vector<SlotId>& candidates = plan_.candidates(field);
        const auto itself = std::find(candidates.begin(), candidates.end(), slot);
        entries.push_back({.field = field,
                           .values = values,
                           .presence = presence,
                           .before = static_cast<std::uint32_t>(candidates_before_.size()),
                           .befores = static_cast<std::uint16_t>(itself - candidates.begin())});
        candidates_before_.insert(candidates_before_.end(), candidates.begin(), itself);
      } else {
        if (values >= 0) same->values = values;
        if (presence >= 0) same->presence = presence;
      }
    }
  };
  for (std::size_t i = 0; i < values_.size(); ++i) {
    values_[i].build();
    file(values_[i].field, static_cast<std::int16_t>(i), -1);
  }
  for (std::size_t i = 0; i < presence_.size(); ++i)
    file(presence_[i].first, -1, static_cast<std::int16_t>(i));
  for (const auto child : prefixes_[0].children) {
    const char first = prefixes_[child].label[0];
    begins_prefix_[static_cast<unsigned char>(first)] = true;
    if (first == ' ') begins_prefix_['\t'] = true;
  }
  const auto of_message = [&](SlotId slot) {
    const std::vector<SlotId>& slots = plan_.candidates(known.message);
    return std::find(slots.begin(), slots.end(), slot) != slots.end();
  };
  const auto mixed = [&](FieldId field) {
    const std::vector<SlotId>& slots = plan_.candidates(field);
    const auto count = std::count_if(slots.begin(), slots.end(), of_message);
    return count != 0 && count != static_cast<std::ptrdiff_t>(slots.size());
  };
  header_decides_ = !(uses_level_ && mixed(known.level));
  for (std::size_t slot = 0; slot < on_slot_.size(); ++slot) {
    for (const OnSlot& entry : on_slot_[slot]) {
      header_decides_ = header_decides_ && !mixed(entry.field);
      files_message_ = files_message_ || of_message(static_cast<SlotId>(slot));
    }
  }
}

template <class Take>
inline void Dispatch::of_slot(SlotId slot, Scope& scope, Take&& take) const {
  const Event& event = scope.event();
  const Token& token = event.slot(slot);
  if (!token.present()) return;
  const auto there = [&](SlotId other) { return event.has(other) && event.slot(other).present(); };
  for (const OnSlot& entry : on_slot_[slot]) {
    // The field's value is that of its first candidate that is there.
    if (entry.befores != 0) {
      const SlotId* const before = candidates_before_.data() + entry.before;
      if (std::any_of(before, before + entry.befores, there)) continue;
    }
    if (entry.presence >= 0) take(presence_[static_cast<std::size_t>(entry.presence)].second);
    if (entry.values < 0) continue;
    const Values& values = values_[static_cast<std::size_t>(entry.values)];
    if (const std::vector<RuleIndex>* rules = values.find(scope.text(token))) take(*rules);
  }
}

std::vector<RuleIndex> Dispatch::of_header(Scope& scope, const WellKnownFields& known) const {
  std::vector<RuleIndex> rules = always_;
  const auto take = [&](const std::vector<RuleIndex>& more) {
    rules.insert(rules.end(), more.begin(), more.end());
  };
  take(of_format(scope.event()));
  const std::vector<SlotId>& of_message = plan_.candidates(known.message);
  scope.event().for_each(mask_, [&](SlotId slot) {
    if (std::find(of_message.begin(), of_message.end(), slot) == of_message.end())
      of_slot(slot, scope, take);
  });
  if (uses_level_) {
    const Token level =
        scope.token({.source = Ref::Source::field, .index = known.level, .under = Ref::kNoField});
    if (level.present()) take(by_level_[static_cast<std::size_t>(parse_level(scope.text(level)))]);
  }
  std::sort(rules.begin(), rules.end());
  rules.erase(std::unique(rules.begin(), rules.end()), rules.end());
  return rules;
}

std::span<const RuleIndex> Dispatch::gather(Scope& scope, const WellKnownFields& known,
                                            std::vector<RuleIndex>& buffer) const {
  // Most records meet the rules of one list; only where there are several is anything copied and
  // sorted.
  const std::vector<RuleIndex>* only = nullptr;
  std::size_t lists = 0;
  const auto join = [&](const std::vector<RuleIndex>& rules) {
    if (lists == 2) buffer.assign(only->begin(), only->end());
    buffer.insert(buffer.end(), rules.begin(), rules.end());
  };
  const auto take = [&](const std::vector<RuleIndex>& rules) __attribute__((always_inline)) {
    if (rules.empty()) return;
    if (++lists == 1) {
      only = &rules;
    } else {
      join(rules);
    }
  };

  const Event& event = scope.event();
  if (event.header_rules != nullptr) {
    take(*event.header_rules);
    if (files_message_) {
      for (const SlotId slot : plan_.candidates(known.message)) {
        if (event.has(slot)) of_slot(slot, scope, take);
      }
    }
  } else {
    take(always_);
    take(of_format(event));
    event.for_each(mask_, [&](SlotId slot) { of_slot(slot, scope, take); });
    if (uses_level_) {
      const Token level =
          scope.token({.source = Ref::Source::field, .index = known.level, .under = Ref::kNoField});
      if (level.present())
        take(by_level_[static_cast<std::size_t>(parse_level(scope.text(level)))]);
    }
  }
  if (may_begin_prefix(scope)) {
    std::string_view rest = scope.message();
    const PrefixNode* node = &prefixes_[0];
    while (node != nullptr && !rest.empty()) {
      const PrefixNode* next = nullptr;
      const char first = rest[0] == '\t' ? ' ' : rest[0];
      for (const std::uint32_t child : node->children) {
        if (prefixes_[child].label[0] != first) continue;
        if (take_prefix(prefixes_[child].label, rest)) next = &prefixes_[child];
        break;
      }
      node = next;
      if (node != nullptr) take(node->rules);
    }
  }

  if (lists == 0) return {};
  if (lists == 1) return *only;
  std::sort(buffer.begin(), buffer.end());
  buffer.erase(std::unique(buffer.begin(), buffer.end()), buffer.end());
  return buffer;
}

}  // namespace logtally::rules
