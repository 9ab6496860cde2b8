// The names that rotation gives to a file: a.log.1, a.log.2.gz, a.log-20261122, a-2026-11-22.log.
// Only such names are taken for former files of a path: a.log and a.log.audit are strangers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/file_status.h"
#include "pipeline/generation.h"

namespace logtally::pipeline {

struct RotatedName {
  enum class Kind : std::uint8_t { numbered, dated, other /* .old, .bak */ };
  Kind kind = Kind::other;
  std::uint64_t number = 0;  // numbered: the higher the older
  std::string date = {};     // dated: digits and what is between them; later ones are greater
  Container container = Container::plain;  // as the end of the name says
};

// Is `name` what rotation may call a former `active`? Both without directories.
std::optional<RotatedName> rotated_name(std::string_view active, std::string_view name);

// What a rotated name may be a former of, without directories: "a.log.1.gz" of "a.log". Several, as
// nothing tells where a name ends.
std::vector<std::string> active_names(std::string_view name);

// -1: `a` is older than `b`, 1: newer; 0: their names do not tell.
int age_order(const RotatedName& a, const RotatedName& b);

Container container_of_name(std::string_view name);  // .gz, .zst

struct Sibling {
  std::string path;
  RotatedName name = {};
  Status status = {};
};

// The regular files in the directory of `path` with such names, in no order, as two listings in
// turn have shown them: one alone may miss what is renamed meanwhile.
std::vector<Sibling> siblings_of(const std::string& path);

// The file with this identity in the directory of `path`, as far as likeness() knows it again.
struct Found {
  std::string path;  // empty: none
  FileId id;
};
Found find_beside(const std::string& path, const FileId& id);

}  // namespace logtally::pipeline
