// The tail across a restart: what is to be stored of its generations, and how they are known again.
#include <algorithm>
#include <utility>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "pipeline/siblings.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {

std::vector<StoredGeneration> Tail::take_changed() {
  std::vector<StoredGeneration> stored;
  stored.reserve(changed_.size());
  for (const std::uint32_t number : changed_) {
    Generation* const generation = find(number);
    if (generation == nullptr || !std::exchange(generation->changed, false)) continue;
    Cursor& cursor = generation->cursor;
    take_head(*generation);  // it grows with the file
    cursor.marks.size = generation->known_size;
    if (generation->modified_ns != 0) cursor.marks.modified_ns = generation->modified_ns;
    stored.push_back({
        .number = number,
        .target = targets_[generation->target].name,
        .path = generation->path,
        .id = generation->id,
        .container = generation->container,
        .life = generation->over      ? Life::finished
                : generation->rotated ? Life::rotated
                                      : Life::followed,
        .in_overlong = cursor.in_overlong,
        .predecessor = generation->predecessor,
        .counted = cursor.position,
        .shipped = generation->shipped,
        .seen_ns = options_.clock.wall_ns(),
        .marks = cursor.marks,
    });
  }
  changed_.clear();
  return stored;
}

void Tail::shipped(std::uint32_t generation, std::uint64_t position) {
  Generation* const found = find(generation);
  if (found == nullptr || found->shipped == position) return;
  found->shipped = position;
  touch(*found);
}

void Tail::store_again(std::uint32_t generation) {
  if (Generation* const found = find(generation)) touch(*found);
}

std::optional<std::uint32_t> Tail::target(std::uint32_t generation) const {
  const Generation* const found = find(generation);
  return found == nullptr ? std::nullopt : std::optional(found->target);
}

void Tail::forget(std::uint32_t generation) {
  const Generation* const found = find(generation);
  if (found == nullptr || !found->over) return;
  const auto slot = slots_.find(found->path);
  if (slot != slots_.end() && slot->second->generation == generation) return;
  std::erase(over_, generation);
  erase(*found);
}

// The path that a file had before rotation gave it this one: what the target names comes first, as
// "a.log.2" may well be there beside "a.log.2.gz". Itself if nothing fits.
std::string Tail::home_of(const std::string& path, std::uint32_t target) const {
  const std::vector<std::string> names = active_names(name_of(path));
  const std::string directory = directory_of(path);
  for (const std::string& name : names) {
    const std::string home = directory + '/' + name;
    for (const std::string& pattern : targets_[target].paths) {
      if (directory_of(pattern) == directory && name_of(pattern) == name) return pattern;
      if (has_wildcard(pattern) && glob_matches(pattern, home)) return home;
    }
  }
  for (const std::string& name : names) {
    const std::string home = directory + '/' + name;
    if (by_home_.contains(home) || status_of(home).error == 0) return home;
  }
  return path;
}

// The generations of an earlier run, as if they had been left alone since; nothing is looked at.
void Tail::restore() {
  known_target_.assign(targets_.size(), false);
  const auto index_of = [&](const std::string& name) {
    const auto found = std::find_if(targets_.begin(), targets_.end(),
                                    [&](const TargetSpec& target) { return target.name == name; });
    return static_cast<std::size_t>(found - targets_.begin());
  };
  for (const std::string& name : options_.earlier_targets) {
    if (const std::size_t index = index_of(name); index < targets_.size())
      known_target_[index] = true;
  }
  std::sort(
      options_.stored.begin(), options_.stored.end(),
      [](const StoredGeneration& a, const StoredGeneration& b) { return a.number < b.number; });
  for (StoredGeneration& stored : options_.stored) {
    stored.path = normal_path(stored.path);
    next_generation_ = std::max(next_generation_, stored.number + 1);
    last_alive_ns_ = std::max(last_alive_ns_, stored.seen_ns);
    const std::size_t index = index_of(stored.target);
    if (index == targets_.size()) continue;
    known_target_[index] = true;
    const std::uint32_t next = std::exchange(next_generation_, stored.number);
    Generation& generation = add(static_cast<std::uint32_t>(index), stored.path, stored.id);
    next_generation_ = next;
    generation.seen_scan = 0;
    generation.predecessor = stored.predecessor;
    generation.container = stored.container;
    generation.shipped = stored.shipped;
    generation.cursor = {.position = stored.counted,
                         .searched = stored.counted,
                         .in_overlong = stored.in_overlong,
                         .marks = stored.marks};
    generation.unverified = true;
    generation.known_size = stored.marks.size;
    generation.was_empty = stored.counted == 0 && stored.marks.head.length == 0 &&
                           stored.container == Container::plain;
    generation.given = stored.counted > 0;
    generation.changed = false;
    if (stored.life == Life::followed) {
      const std::string origin = home_of(stored.path, generation.target);
      if (origin != generation.home) {
        generation.origin = origin;
        by_home_[origin].push_back(stored.number);
      }
      Slot& slot = slot_of(stored.path, generation.target);
      slot.previous = slot.generation;
      slot.generation = stored.number;
      continue;
    }
    generation.rotated = true;
    const std::string home = home_of(stored.path, generation.target);
    std::erase(by_home_[generation.home], stored.number);
    generation.home = home;
    by_home_[home].push_back(stored.number);
    // What comes there next comes behind it.
    Slot& slot = slot_of(home, generation.target);
    if (slot.generation == kNoGeneration) slot.previous = stored.number;
    if (stored.life == Life::finished) {
      generation.over = true;
      over_.push_back(stored.number);
    } else {
      retire(generation);
    }
  }
  changed_.clear();
}

// Holds what is at the paths now against what was remembered, before anything is decided: by
// device, inode and birth; by inode and birth; by content.
void Tail::recognise(const std::vector<Sighting>& sightings) {
  std::unordered_map<std::uint64_t, std::vector<Generation*>> by_inode;
  for (const auto& [number, generation] : generations_) {
    if (generation->unverified) by_inode[generation->id.inode].push_back(generation.get());
  }
  const auto rekey = [&](Generation& generation, const FileId& id) {
    const auto same = by_id_.find(generation.id);
    if (same != by_id_.end() && same->second == generation.number) by_id_.erase(same);
    generation.id = id;
    if (id != FileId{}) by_id_[id] = generation.number;
  };
  for (const Sighting& sighting : sightings) {
    if (sighting.observed.kind != Observed::Kind::file) continue;
    const FileId& id = sighting.observed.id;
    Generation* known = nullptr;
    if (const auto found = by_inode.find(id.inode); found != by_inode.end()) {
      // Several of one file: it was truncated, and the last is what it is now.
      for (Generation* const candidate : found->second) {
        if (likeness(candidate->id, id) == Likeness::none || !candidate->unverified) continue;
        const bool followed = !candidate->over;
        if (known == nullptr || (followed && known->over) ||
            (followed == !known->over && candidate->number > known->number))
          known = candidate;
      }
    }
    if (known == nullptr) {  // moved here from another file system, restored
      const auto slot = slots_.find(sighting.path);
      Generation* const former = slot == slots_.end() ? nullptr : find(slot->second->generation);
      if (former == nullptr || !former->unverified || former->over ||
          former->cursor.marks.tail.offset < kMarkBytes || exists(*former))
        continue;
      const OwnedFd fd = open_to_read(sighting.path);
      if (!fd || status_of(fd).id != id || !holds(fd.get(), former->cursor.marks)) continue;
      rekey(*former, id);
      known = former;
    }
    if (known->over && known->container != Container::plain) {
      rekey(*known, id);
      known->unverified = false;
      continue;
    }
    const OwnedFd fd = open_to_read(sighting.path);
    if (!fd) {  // later, when it can be opened
      rekey(*known, id);
      continue;
    }
    if (status_of(fd).id != id) continue;
    std::unique_ptr<Inflated> inflated;
    if (known->container != Container::plain) inflated = Inflated::open(known->container, fd.get());
    const bool head_known = known->cursor.marks.head.length >= kMarkBytes;
    if (verify(*known, fd, inflated.get())) {
      rekey(*known, id);
      if (!known->over && options_.follow) {
        watch(*known);
        scan_wanted_ = true;  // for what was written before the watch
      }
      if (known->container == Container::plain) {
        if (const auto head = head_now(fd.get(), known->cursor.marks))
          known->cursor.marks.head = *head;
      }
      // Nothing of it was read, so nothing tells whether it was truncated once more meanwhile.
      const bool unread =
          known->cursor.searched == 0 && known->container == Container::plain && !head_known;
      if (unread && !known->over && known->predecessor != kNoGeneration)
        known->predecessor = bridge(known->home, known->target, known->predecessor, id);
      known->looked_size = sighting.observed.size;
      known->modified_ns = sighting.modified_ns;
      known->known_size = known->container == Container::plain ? sighting.observed.size : 0;
      const bool longer = sighting.observed.size > known->cursor.searched;
      if (longer || known->container != Container::plain) enqueue(*known);
    } else if (!known->over) {  // truncated, and perhaps renamed since
      rekey(*known, id);
      known->path = sighting.path;
      restart(*known, sighting.observed.size);
    } else {
      rekey(*known, {});  // the inode is another's now
    }
  }
}

Tail::Generation* Tail::find_like(const FileId& id) const {
  Generation* found = find(id);
  if (found != nullptr || options_.stored.empty()) return found;
  for (const auto& [number, generation] : generations_) {
    if (generation->unverified && likeness(generation->id, id) != Likeness::none &&
        (found == nullptr || number > found->number))
      found = generation.get();
  }
  return found;
}

// Is it what it was? Once, before the first read of a generation of an earlier run.
bool Tail::verify(Generation& generation, const OwnedFd& fd, Inflated* inflated) {
  const Bytes bytes(fd.get(), inflated);
  const auto facts = facts_of(bytes, generation.cursor.marks, ContentFacts::Occasion::restart);
  if (!facts) return false;
  switch (judge(*facts)) {
    case Content::another:
      return false;
    case Content::tail_lost:
      lose_tail(generation, status_of(fd).size);
      break;
    case Content::same:
      break;
  }
  generation.unverified = false;
  return true;
}

// A power cut took the end of the file: what was counted of it stays counted, and what comes now is
// new.
void Tail::lose_tail(Generation& generation, std::uint64_t size) {
  Cursor& cursor = generation.cursor;
  if (cursor.position > size) {
    rotations_[generation.target].lost_tail_bytes += cursor.position - size;
    messages_.push_back(generation.path + " has lost its last " +
                        std::to_string(cursor.position - size) +
                        " bytes, which have been counted; goes on at its end");
    cursor.position = cursor.searched = size;
    cursor.in_overlong = false;
    touch(generation);
  }
  cursor.marks.tail = {};
  std::erase_if(cursor.marks.ladder, [&](const Mark& rung) { return rung.offset > size; });
}

}  // namespace logtally::pipeline
