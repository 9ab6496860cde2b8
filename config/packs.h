// The shipped rule packs, built into the binary from config/packs/*.yaml.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"

namespace logtally::config {

struct Pack {
  std::string_view name;  // "aria"
  std::string_view text;
  std::string_view tests;  // of the rules: NAME_test.yaml; nobody but `logtally test` looks at them
};

std::span<const Pack> shipped_packs();  // sorted by name
const Pack* find_pack(std::string_view name);

// As a source file, named "pack aria" in diagnostics.
std::shared_ptr<const SourceFile> pack_source(const Pack& pack);
// Its tests, named "pack aria_test".
std::vector<std::shared_ptr<const SourceFile>> pack_tests(const Pack& pack);

}  // namespace logtally::config
