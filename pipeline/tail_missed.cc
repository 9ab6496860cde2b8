// The tail: generations that were rotated before anybody saw them. Their names tell where they
// belong among those that are known, by identity or by what they hold; where names do not tell, the
// time of their last change does. Each is opened as it is found, so that it can be renamed,
// compressed and deleted from then on.
#include <algorithm>
#include <array>
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
// is history, or was looked for then. But one that was never seen with a byte may have been copied
// and truncated since: what is older than it alone is not. Nothing: names do not tell.
std::optional<bool> is_history(const Sibling& file, const std::vector<Place>& places,
                               std::uint32_t before, bool before_was_empty) {
  bool told = false;
  for (const Place& place : places) {
    const int order = age_order(file.name, place.sibling->name);
    if (order == 0 || (before_was_empty && order < 0 && place.generation == before)) continue;
    told = told || place.generation == before;
    if (order < 0 && place.generation <= before) return true;
    if (order > 0 && place.generation < before) told = true;
  }
  return told ? std::optional(false) : std::nullopt;
}

}  // namespace

// The path had `previous` and has a new file now, or new content: finds what was there in between
// and was rotated before anybody saw it, to be read first, oldest first; not the new file itself,
// `present`, which may have been rotated since it was seen. Gives the new file's predecessor.
std::uint32_t Tail::bridge(const std::string& path, std::uint32_t target, std::uint32_t previous,
                           const FileId& present) {
  const Generation* const before = find(previous);
  if (!options_.follow || before == nullptr) return previous;
  std::vector<Missed> missed;
  bool stale = true;
  bool none_known = true;
  for (int tries = 0; stale && tries < kListings; ++tries) {
    stale = false;
    missed = missed_since(path, target, *before, present, stale, none_known);
  }
  std::stable_sort(missed.begin(), missed.end(), [](const Missed& a, const Missed& b) {
    const int order = age_order(a.sibling.name, b.sibling.name);
    return order != 0 ? order < 0 : a.sibling.status.modified_ns < b.sibling.status.modified_ns;
  });
  Rotations& counts = rotations_[target];
  // It went away with all that were older, and files came after it: its successor may have gone
  // away as well.
  const bool gone = std::none_of(copies_.begin(), copies_.end(),
                                 [&](const auto& copy) { return copy.second == previous; });
  if (!missed.empty() && gone && none_known && !exists(*before)) ++counts.lost_generations;
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
// renamed or went away meanwhile. None known: no former file of the path is.
std::vector<Tail::Missed> Tail::missed_since(const std::string& path, std::uint32_t target,
                                             const Generation& before, const FileId& present,
                                             bool& stale, bool& none_known) {
  std::vector<Sibling> siblings = siblings_of(path);
  add_named(path, target, siblings);
  const std::int64_t seen_change =
      before.modified_ns != 0 ? before.modified_ns : before.cursor.marks.modified_ns;
  // One that was never seen with a byte may have been truncated since: that is no word of its own.
  const bool unsettled = before.was_empty && !before.looked_beside;
  const std::int64_t last_change = before.fd && !unsettled ? status_of(before.fd).modified_ns
                                   : seen_change != 0      ? seen_change
                                                           : last_alive_ns_;

  std::vector<Place> places;
  std::vector<std::pair<const Sibling*, std::optional<Opened>>> unknown;
  std::vector<FileId> seen;
  for (const Sibling& sibling : siblings) {
    const FileId& id = sibling.status.id;
    if (id == present || std::find(seen.begin(), seen.end(), id) != seen.end()) continue;
    seen.push_back(id);
    std::optional<Opened> file;
    Generation* known = find_like(id);
    if (known != nullptr && known->over && known->unverified) {  // is its number another's now?
      file = Opened::open(sibling.path, id);
      const bool plain = known->container == Container::plain;
      if (file && plain) {
        const auto same = by_id_.find(known->id);
        if (same != by_id_.end() && same->second == known->number) by_id_.erase(same);
        const bool is_it = verify(*known, file->fd, nullptr);
        known->id = is_it ? id : FileId{};
        if (is_it) by_id_[id] = known->number;
        if (!is_it) known = nullptr;
      }
    }
    if (known != nullptr) {
      places.push_back({&sibling, known->number});
      continue;
    }
    const Kin kin = kinship(sibling.path, id, file);
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

  none_known = places.empty();
  std::vector<Missed> missed;
  for (auto& [sibling, file] : unknown) {
    const auto history = is_history(*sibling, places, before.number, unsettled);
    if (history.value_or(sibling->status.modified_ns < last_change)) continue;
    if (!file) file = Opened::open(sibling->path, sibling->status.id);
    if (!file && errno == ENOENT) {
      stale = true;
      continue;
    }
    char any = 0;
    const bool plain = sibling->name.container == Container::plain;
    if (file && !plain && file->bytes().read_at(&any, 1, 0) == 0) continue;  // nothing in it
    if (file && is_being_copied(sibling->path, *file)) continue;
    missed.push_back({.sibling = *sibling, .file = file ? *std::move(file) : Opened{}});
  }
  return missed;
}

// Does another file, which is read, have all that this one holds: one that is about to be
// truncated, whose copytruncate is under way, or the plain file beside one that is being
// compressed?
bool Tail::is_being_copied(const std::string& path, const Opened& file,
                           const std::string& original) const {
  const OwnedFd fd = open_to_read(original);
  const Status status = status_of(fd);
  if (!fd || !status.is_regular() || status.id == status_of(file.fd).id) return false;
  if (container_of_name(path) == Container::plain) {
    const std::uint64_t size = status_of(file.fd).size;
    return size > 0 && same_bytes(file.bytes(), fd.get(), size) == true;
  }
  std::array<char, kHeadBytes> begin;
  const ssize_t got = file.bytes().read_at(begin.data(), begin.size(), 0);
  if (got <= 0) return true;
  const Head head = head_of({begin.data(), static_cast<std::size_t>(got)});
  return begins_like(fd.get(), head) == true;
}

// Likewise, of all the originals that its name allows.
bool Tail::is_being_copied(const std::string& path, const Opened& file) const {
  if (container_of_name(path) != Container::plain)
    return is_being_copied(path, file, path.substr(0, path.rfind('.')));
  const std::string prefix = path.substr(0, path.size() - name_of(path).size());
  const std::vector<std::string> names = active_names(name_of(path));
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return is_being_copied(path, file, prefix + name);
  });
}

}  // namespace logtally::pipeline
