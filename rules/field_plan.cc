#include "rules/field_plan.h"

namespace logtally::rules {

FieldPath parse_field_path(std::string_view text) {
  FieldPath path;
  for (std::size_t i = 0;;) {
    std::string part;
    if (i < text.size() && text[i] == '\'') {
      const std::size_t close = text.find('\'', i + 1);
      if (close == std::string_view::npos) return {};
      part = text.substr(i + 1, close - i - 1);
      i = close + 1;
    } else {
      const std::size_t dot = std::min(text.find('.', i), text.size());
      part = text.substr(i, dot - i);
      i = dot;
      if (part.empty()) return {};
    }
    path.push_back(std::move(part));
    if (i == text.size()) return path;
    if (text[i] != '.') return {};
    ++i;
  }
}

std::string to_string(const FieldPath& path) {
  std::string text;
  for (const std::string& part : path) {
    if (!text.empty()) text += '.';
    const bool odd = part.empty() || part.find_first_of(". '\"$") != std::string::npos;
    text += odd ? "'" + part + "'" : part;
  }
  return text;
}

FieldPlan::FieldPlan() : nodes_(1) {}

SlotId FieldPlan::slot(const FieldPath& path) {
  std::uint16_t at = 0;
  for (const std::string& key : path) {
    const auto found = nodes_[at].children.find(key);
    if (found != nodes_[at].children.end()) {
      at = found->second;
      continue;
    }
    if (full()) return kNoSlot;  // the compiler refuses such rules
    const auto born = static_cast<std::uint16_t>(nodes_.size());
    nodes_[at].children.emplace(key, born);
    nodes_.push_back({.slot = born, .parent = at, .children = {}, .wanted = false});
    at = born;
  }
  nodes_[at].wanted = true;
  return at;
}

FieldId FieldPlan::intern(std::vector<SlotId> candidates) {
  const auto [at, born] = known_.try_emplace(candidates, static_cast<FieldId>(fields_.size()));
  if (born) fields_.push_back(std::move(candidates));
  return at->second;
}

FieldId FieldPlan::field(const FieldPath& path) {
  std::vector<SlotId> candidates = {slot(path)};
  for (const std::string& prefix : lift_) {
    if (path.front() == prefix) continue;
    FieldPath lifted = {prefix};
    lifted.insert(lifted.end(), path.begin(), path.end());
    candidates.push_back(slot(lifted));
  }
  return intern(std::move(candidates));
}

FieldPath FieldPlan::path_of(SlotId slot) const {
  FieldPath path;
  for (std::uint16_t at = slot; at != 0; at = nodes_[at].parent) {
    for (const auto& [key, child] : nodes_[nodes_[at].parent].children) {
      if (child == at) path.insert(path.begin(), key);
    }
  }
  return path;
}

FieldId FieldPlan::first_of(const std::vector<FieldPath>& paths) {
  std::vector<SlotId> candidates;
  candidates.reserve(paths.size());
  for (const FieldPath& path : paths) candidates.push_back(slot(path));
  return intern(std::move(candidates));
}

}  // namespace logtally::rules
