// A YAML file as a tree whose every node knows its place. Built from a parser's events, and strict
// where YAML is not: anchors, aliases, tags, merge keys, several documents, duplicate keys,
// unclosed quotes, tabs as indentation, invalid UTF-8, NUL, nesting deeper than 32, more than
// 50,000 nodes and files over 256 KiB are errors with a place.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/diagnostics.h"
#include "config/result.h"

namespace logtally::config {

inline constexpr std::size_t kMaxYamlBytes = 256 * 1024;

class Node {
 public:
  enum class Kind : std::uint8_t { null, scalar, sequence, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string text;  // scalar: the value, unquoted and unescaped
  bool quoted =
      false;  // scalar in quotes or a block scalar: always text, never a number, boolean or null
  Span span;  // scalar: the token with its quotes; map and sequence: the
              // brackets, or from the first to the last child; an absent value has its key's
  std::vector<Entry> entries;  // map, in file order; keys are scalars
  std::vector<Node> items;     // sequence

  bool is_map() const { return kind == Kind::map; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_null() const { return kind == Kind::null; }
  const Node* find(std::string_view key) const;  // value of a map's key, or null
  const Entry* find_entry(std::string_view key) const;
};

struct Node::Entry {
  Node key;
  Node value;
};

struct YamlDocument {
  std::shared_ptr<const SourceFile> file;
  Node root;  // null for an empty file

  Place place(const Node& node) const { return {file, node.span}; }
};

// Parses `file`. Faults are added to `diagnostics`; the document is null when it could not be built
// at all. A fault of form ends the reading: it is reported alone, and the document is null. For
// plain scalars `~`, `null`, `Null`, `NULL` and nothing are Kind::null.
std::unique_ptr<YamlDocument> parse_yaml(std::shared_ptr<const SourceFile> file,
                                         Diagnostics& diagnostics);

// Reads a regular file of at most kMaxYamlBytes.
Result<std::shared_ptr<const SourceFile>> read_source_file(const std::string& path);

// The same; what is wrong is E009, placed where a file that is too large passes the limit, else at
// `named_at`, where a file of the operator's names it. Null: it cannot be read.
std::shared_ptr<const SourceFile> read_source_file(const std::string& path,
                                                   Diagnostics& diagnostics,
                                                   const Place& named_at = {});

}  // namespace logtally::config
