#include "config/suggest.h"

#include <algorithm>

namespace logtally::config {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the usual table: two back (for the swap of neighbours), the previous, the
  // current.
  std::vector<std::size_t> older(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) current[j] = std::min(current[j], older[j - 2] + 1);
    }
    std::swap(older, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

namespace {

// A word that nobody meant as a name is not worth a table of its length.
constexpr std::size_t kMaxWord = 128;

template <class Words>
std::string nearest(std::string_view word, const Words& candidates) {
  if (word.empty() || word.size() > kMaxWord) return {};
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::string found;
  for (const std::string_view candidate : candidates) {
    const std::size_t longer = std::max(candidate.size(), word.size());
    const std::size_t shorter = std::min(candidate.size(), word.size());
    if (longer - shorter >= best) continue;  // the distance is at least that
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best || distance >= longer) continue;  // nothing in common is not near
    best = distance;
    found = candidate;
  }
  return found;
}

}  // namespace

std::string suggest(std::string_view word, std::span<const std::string_view> candidates) {
  return nearest(word, candidates);
}

std::string suggest(std::string_view word, const std::vector<std::string>& candidates) {
  return nearest(word, candidates);
}

}  // namespace logtally::config
