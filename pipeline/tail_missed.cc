// The tail: generations that were rotated before anybody saw them. Their names tell where they
// belong among those that are known, by identity or by what they hold; where names do not tell, the
// time of their last change does. Each is opened as it is found, so that it can be renamed,
// compressed and deleted from then on.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "pipeline/siblings.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {
namespace {

constexpr int kListings = 8;  // what is renamed while it is looked at is looked for again

// Where a file stands that is known.
struct Place {
  const Sibling* sibling;
  std::uint32_t generation;
};

// A file that was known before the one in question, or that one itself, and is not older: the file
// is history, or was looked for then. Nothing: names do not tell.
std::optional<bool> is_history(const Sibling& file, const std::vector<Place>& places,
                               std::uint32_t before) {
  bool told = false;
  for (const Place& place : places) {
    const int order = age_order(file.name, place.sibling->name);
    if (order == 0) continue;
    told = told || place.generation == before;
    if (order < 0 && place.generation <= before) return true;
    if (order > 0 && place.generation < before) told = true;
  }
  return told ? std::optional(false) : std::nullopt;
}

}  // namespace

// The path had `previous` and has a new file now, or new content: finds what was there in between
// and was rotated before anybody saw it, to be read first, oldest first. Gives the new file's
// predecessor.
std::uint32_t Tail::bridge(const std::string& path, std::uint32_t target, std::uint32_t previous) {
  const Generation* const before = find(previous);
  if (!options_.follow || before == nullptr) return previous;
  std::vector<Missed> missed;
  bool stale = true;
  for (int tries = 0; stale && tries < kListings; ++tries) {
    stale = false;
    missed = missed_since(path, target, *before, stale);
  }
  std::stable_sort(missed.begin(), missed.end(), [](const Missed& a, const Missed& b) {
    const int order = age_order(a.sibling.name, b.sibling.name);
    return order != 0 ? order < 0 : a.sibling.status.modified_ns < b.sibling.status.modified_ns;
  });
  Rotations& counts = rotations_[target];
  // It went away, and files came after it: its successor may have gone away as well.
  const bool gone = std::none_of(copies_.begin(), copies_.end(),
                                 [&](const auto& copy) { return copy.second == previous; });
  if (!missed.empty() && gone && !exists(*before)) ++counts.lost_generations;
  for (Missed& one : missed) {
    const Sibling& sibling = one.sibling;
    Generation& generation = add(target, path, sibling.status.id);
    generation.path = sibling.path;
    generation.predecessor = previous;
    generation.known_size = sibling.name.container == Container::plain ? sibling.status.size : 0;
    ++counts.missed;
    if (one.file.fd && open_files_ < options_.max_open_files)
      take_opened(generation, sibling.path, sibling.status.id, std::move(one.file.fd));
    retire(generation);
    previous = generation.number;
  }
  return previous;
}

// Former files of the path that nobody knew and that came after `before`. Stale: one of them was
// renamed or went away meanwhile.
std::vector<Tail::Missed> Tail::missed_since(const std::string& path, std::uint32_t target,
                                             const Generation& before, bool& stale) {
  std::vector<Sibling> siblings = siblings_of(path);
  add_named(path, target, siblings);
  const std::int64_t last_change =
      before.fd ? status_of(before.fd).modified_ns
                : std::max(before.modified_ns, before.modified_ns == 0 ? last_alive_ns_ : 0);

  std::vector<Place> places;
  std::vector<std::pair<const Sibling*, std::optional<Opened>>> unknown;
  std::vector<FileId> seen;
  for (const Sibling& sibling : siblings) {
    const FileId& id = sibling.status.id;
    if (std::find(seen.begin(), seen.end(), id) != seen.end()) continue;
    seen.push_back(id);
    std::optional<Opened> file;
    Kin kin;
    if (const Generation* const known = find(id)) {
      places.push_back({&sibling, known->number});
      continue;
    }
    kin = kinship(sibling.path, id, file);
    if (kin.kind == Kin::Kind::copy) {
      places.push_back({&sibling, kin.of});
      continue;
    }
    // The same as one that is known, and shorter than what was read of that: copied before its
    // writer's last words, which then were cut off; or cut off by whoever compressed it.
    if (kin.kind == Kin::Kind::undecided) continue;
    const auto slot = slots_.find(sibling.path);
    const bool sighted = slot != slots_.end() && slot->second->scan == scans_;
    if (sighted) continue;
    stale = stale || kin.kind == Kin::Kind::gone;
    if (kin.kind != Kin::Kind::gone) unknown.emplace_back(&sibling, std::move(file));
  }

  std::vector<Missed> missed;
  for (auto& [sibling, file] : unknown) {
    const auto history = is_history(*sibling, places, before.number);
    if (history.value_or(sibling->status.modified_ns < last_change)) continue;
    if (!file) file = Opened::open(sibling->path, sibling->status.id);
    if (!file && errno == ENOENT) {
      stale = true;
      continue;
    }
    if (file && is_being_copied(*sibling, *file, path, siblings)) continue;
    missed.push_back({.sibling = *sibling, .file = file ? *std::move(file) : Opened{}});
  }
  return missed;
}

// Does another file, which is read, have all that this one holds: the one at the path, whose
// copytruncate is under way, or the plain file beside one that is being compressed?
bool Tail::is_being_copied(const Sibling& sibling, const Opened& file, const std::string& path,
                           const std::vector<Sibling>& siblings) const {
  if (sibling.name.container == Container::plain) {
    const OwnedFd present = open_to_read(path);
    return present && same_bytes(file.bytes(), present.get(), status_of(file.fd).size) == true;
  }
  for (const Sibling& other : siblings) {
    if (other.name.container != Container::plain || other.path.size() >= sibling.path.size() ||
        !sibling.path.starts_with(other.path) || sibling.path[other.path.size()] != '.')
      continue;
    const auto plain = Opened::open(other.path, other.status.id);
    char begin[kHeadBytes];
    const ssize_t got = file.bytes().read_at(begin, sizeof begin, 0);
    if (plain && (got <= 0 || begins_like(plain->bytes(),
                                          head_of({begin, static_cast<std::size_t>(got)})) == true))
      return true;
  }
  return false;
}

}  // namespace logtally::pipeline
