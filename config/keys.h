// The keys of one map, as a table: what is written is checked against it, suggestions come from it,
// and so do the reference pages. Any module that reads maps may keep its keys so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/yaml_document.h"

namespace logtally::config {

// What reading a file needs all the way down.
struct Reading {
  const YamlDocument& document;
  Diagnostics& diagnostics;

  Place place(const Node& node) const { return document.place(node); }
  Diagnostic& fault(std::string code, const Node& node, std::string message,
                    std::string label = {}) const {
    return diagnostics.add(std::move(code), place(node), std::move(message), std::move(label));
  }
};

// One key of a map that is read into a T.
template <class T>
struct Key {
  std::string_view name;
  void (*parse)(const Reading&, const Node& value,
                T& into);  // null: known, but not in this version yet
  std::string_view doc;    // one line for people
};

// "a, b, c"
std::string join(const std::vector<std::string_view>& words);

// The keys that unknown ones were taken for: that one of them is missing is the same slip.
struct MeantKeys {
  std::vector<std::string> names;
  bool contain(std::string_view key) const {
    return std::find(names.begin(), names.end(), key) != names.end();
  }
};

// E012 at `key`, with the nearest of `allowed`, which is given back, or else all of them and
// nothing is. `owner` names the map: "a target".
std::string unknown_key(const Reading& reading, const Node& key, std::string_view owner,
                        const std::vector<std::string_view>& allowed);

// E014 at `key`.
void not_yet(const Reading& reading, const Node& key);

// A label for a value that should be true or false: what it was meant to be, of yes, no, on, off
// (YAML 1.1 took those) and of capital letters; else "true or false".
std::string truth_meant(const Node& value);

// E010 at `node` if it is no map: "`limits` is a map".
bool expect_map(const Reading& reading, const Node& node, std::string_view owner);

// Reads every key of `node` by its row; keys in `passed` are somebody else's and left alone.
template <class T, std::size_t N>
MeantKeys read_map(const Reading& reading, const Node& node, std::string_view owner,
                   const Key<T> (&table)[N], T& into,
                   std::span<const std::string_view> passed = {}) {
  MeantKeys meant;
  if (!expect_map(reading, node, owner)) return meant;
  for (const Node::Entry& entry : node.entries) {
    const Key<T>* row = nullptr;
    for (const Key<T>& candidate : table) {
      if (candidate.name == entry.key.text) row = &candidate;
    }
    bool is_passed = false;
    for (const std::string_view name : passed) is_passed = is_passed || name == entry.key.text;
    if (row != nullptr && row->parse != nullptr) {
      row->parse(reading, entry.value, into);
    } else if (row != nullptr) {
      not_yet(reading, entry.key);
    } else if (!is_passed) {
      std::vector<std::string_view> allowed;
      for (const Key<T>& candidate : table) {
        if (candidate.parse != nullptr) allowed.push_back(candidate.name);
      }
      allowed.insert(allowed.end(), passed.begin(), passed.end());
      meant.names.push_back(unknown_key(reading, entry.key, owner, allowed));
    }
  }
  return meant;
}

// Typed values. Each adds E010 or E013 at the value and leaves `into` alone if it is not one.
bool read_text(const Reading& reading, const Node& value, std::string& into);
bool read_texts(const Reading& reading, const Node& value,
                std::vector<std::string>& into);  // one or a list
bool read_count(const Reading& reading, const Node& value, std::uint64_t least, std::uint64_t most,
                std::uint64_t& into);
// 262144, 256KiB, 1MB, 1GiB.
bool read_size(const Reading& reading, const Node& value, std::uint64_t least, std::uint64_t most,
               std::uint64_t& into);
// The index of the word among `words`.
bool read_word(const Reading& reading, const Node& value, std::span<const std::string_view> words,
               std::size_t& into);

}  // namespace logtally::config
