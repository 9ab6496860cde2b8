// "Did you mean": the nearest of the allowed words.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace logtally::config {

// Optimal string alignment distance (Damerau-Levenshtein without repeated edits of a substring), in
// bytes.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate nearest to `word` within max(1, len/3) edits (of ties the first); empty when none
// is near.
std::string suggest(std::string_view word, std::span<const std::string_view> candidates);
std::string suggest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace logtally::config
