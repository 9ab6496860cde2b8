// FieldPlan: which places of a record anybody wants. At load every field path that a rule uses gets
// a slot; the decoders fill the slots in one pass over the record and leave the rest alone.
//
// A field (`$status`) may be found at several paths: with `lift: [extra]` at `status` and
// `extra.status`, well-known names at any of their spellings. Its candidates are tried in order;
// null counts as missing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace logtally::rules {

using SlotId = std::uint16_t;
inline constexpr SlotId kNoSlot = 0;  // slot 0 takes what nobody wants
inline constexpr std::size_t kMaxSlots = 4096;

using FieldId = std::uint16_t;
using FieldPath = std::vector<std::string>;

// Parses `a.b`, `'odd key'.b`; empty when it is malformed. A leading `$` is not part of it.
FieldPath parse_field_path(std::string_view text);
std::string to_string(const FieldPath& path);

class FieldPlan {
 public:
  struct Node {
    SlotId slot = kNoSlot;  // every node but the root has one
    std::uint16_t parent = 0;
    std::map<std::string, std::uint16_t, std::less<>> children;  // key -> node
    bool wanted = false;  // some field is this very node, not just below it
  };

  FieldPlan();

  // Names under which nested fields are also found without the prefix. Before the first field().
  void lift(std::vector<std::string> names) { lift_ = std::move(names); }

  // The field at this path, with the lifted places as further candidates.
  FieldId field(const FieldPath& path);
  // A field that is the first of these paths that exists (no lifting): the well-known names.
  FieldId first_of(const std::vector<FieldPath>& paths);

  const std::vector<SlotId>& candidates(FieldId field) const { return fields_[field]; }
  FieldPath path_of(SlotId slot) const;
  std::size_t field_count() const { return fields_.size(); }
  std::size_t slot_count() const { return nodes_.size(); }  // slot = node number
  const Node& node(std::size_t index) const { return nodes_[index]; }
  bool full() const { return nodes_.size() >= kMaxSlots; }

 private:
  SlotId slot(const FieldPath& path);
  FieldId intern(std::vector<SlotId> candidates);

  std::vector<std::string> lift_;
  std::vector<Node> nodes_;  // 0 is the root
  std::vector<std::vector<SlotId>> fields_;
  std::map<std::vector<SlotId>, FieldId> known_;
};

}  // namespace logtally::rules
