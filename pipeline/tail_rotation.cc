// The tail: what becomes of files.
#include <algorithm>
#include <utility>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "pipeline/siblings.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {

Tail::Generation& Tail::add(std::uint32_t target, const std::string& path, const FileId& id) {
  auto owned = std::make_unique<Generation>();
  Generation& generation = *owned;
  generation.number = next_generation_++;
  generation.target = target;
  generation.path = generation.home = path;
  generation.id = id;
  generation.seen_scan = scans_;
  generation.idle_since = options_.clock.steady();
  by_id_[id] = generation.number;
  by_home_[path].push_back(generation.number);
  generations_.emplace(generation.number, std::move(owned));
  touch(generation);
  return generation;
}

void Tail::start(const Sighting& sighting, Slot& slot, std::uint32_t predecessor) {
  Generation& generation = add(sighting.target, sighting.path, sighting.observed.id);
  generation.predecessor = predecessor;
  generation.known_size = generation.looked_size = sighting.observed.size;
  generation.modified_ns = sighting.modified_ns;
  generation.was_empty = sighting.observed.size == 0;
  const std::string origin = home_of(sighting.path, sighting.target);
  if (origin != generation.home) {
    generation.origin = origin;
    by_home_[origin].push_back(generation.number);
  }
  slot.generation = generation.number;
  slot.complaint.clear();
  slot.undecided_since = {};
  const bool present_at_start = scans_ == 1 && !known_target_[sighting.target];
  if (present_at_start && options_.follow && !options_.from_beginning &&
      targets_[sighting.target].from == From::end) {
    generation.cursor.position = generation.cursor.searched = sighting.observed.size;
    generation.align = true;
    if (container_of_name(sighting.path) != Container::plain) {  // history
      generation.over = true;
      over_.push_back(generation.number);
      return;
    }
  }
  if (options_.follow) {
    const bool opened = open_files_ < options_.max_open_files && open_file(generation);
    watch(generation);
    // Bytes that came before the watch are found by reading, or by one more look.
    if (!opened) {
      // It may be copied and truncated before there is a descriptor for it.
      if (predecessor != kNoGeneration && open_files_ >= options_.max_open_files) {
        generation.fd = open_to_read(sighting.path);
        if (status_of(generation.fd).id == generation.id) take_head(generation);
        generation.fd.reset();
      }
      if (sighting.observed.size > generation.cursor.searched) enqueue(generation);
      if (generation.watch >= 0) scan_wanted_ = true;
      return;
    }
  }
  enqueue(generation);
}

void Tail::adopt(const Sighting& sighting, Slot& slot) {
  if (sighting.second_name) return;
  settle(*find(sighting.observed.id));
  Generation& generation = *find(sighting.observed.id);
  const bool came_back = generation.path == sighting.path && generation.home == sighting.path;
  if (generation.path != sighting.path) {
    const auto former = slots_.find(generation.path);
    if (former != slots_.end() && former->second->generation == generation.number)
      lose_path(*former->second);
    generation.path = sighting.path;
    touch(generation);
  }
  slot.generation = generation.number;
  generation.target = sighting.target;
  if (generation.over && !generation.seen_before) {  // it was away, and is a file like others again
    generation.over = generation.rotated = false;
    if (options_.follow) watch(generation);
    scan_wanted_ = true;  // for what was written before the watch
  }
  if (came_back) generation.retiring = generation.grace_over = generation.rotated = false;
  if (generation.container != Container::plain) return;
  if (sighting.observed.size < generation.cursor.searched)
    return restart(generation, sighting.observed.size);
  look_at(generation, sighting.observed.size, sighting.modified_ns);
}

// Truncated and written again, and nobody has looked yet: its slot has what is there now.
void Tail::settle(Generation& generation) {
  if (!options_.follow || !generation.fd || generation.container != Container::plain ||
      generation.over || generation.align)
    return;
  const auto facts =
      facts_of(generation.fd.get(), generation.cursor.marks, ContentFacts::Occasion::watching);
  if (!facts || judge(*facts) != Content::another) return;
  generation.known_size = generation.proven_size;
  restart(generation, status_of(generation.fd).size);
}

// The slot's path leads elsewhere or nowhere: its generation is read to its end.
void Tail::lose_path(Slot& slot) {
  if (Generation* const former = find(slot.generation)) settle(*former);
  Generation* const generation = find(std::exchange(slot.generation, kNoGeneration));
  if (generation == nullptr) return;
  slot.previous = generation->number;
  slot.complaint.clear();

  // Not its own any more: truncated, and another has it.
  const bool owns = find(generation->id) == generation;
  bool there = generation->seen_scan == scans_ || !owns;
  if (!there) {
    Found found = find_beside(generation->home, generation->id);
    there = !found.path.empty();
    if (there) {
      by_id_.erase(generation->id);
      generation->path = std::move(found.path);
      generation->id = found.id;
      by_id_[generation->id] = generation->number;
    }
  }
  if (!there && generation->fd) there = status_of(generation->fd).links > 0;
  if (!generation->rotated) {
    Rotations& counts = rotations_[generation->target];
    ++(there ? counts.renamed : counts.deleted);
  }
  generation->rotated = true;
  touch(*generation);
  if (generation->over) return;
  retire(*generation);
  if (!there || !generation->unverified || open_files_ >= options_.max_open_files) return;
  open_file(*generation);  // while it is there: what is in it now may be another's
  if (const Generation* const now = find(generation->id)) slot.previous = now->number;
}

void Tail::retire(Generation& generation) {
  generation.rotated = true;
  generation.idle_since = options_.clock.steady();
  if (!generation.retiring) retiring_.push_back(generation.number);
  generation.retiring = true;
  enqueue(generation);
}

// Truncated: what was there is over, but for what a copy has of it; what is there now is new.
void Tail::restart(Generation& generation, std::uint64_t size) {
  Rotations& counts = rotations_[generation.target];
  ++counts.truncated;
  generation.modified_ns = generation.proven_ns;
  Generation& fresh = add(generation.target, generation.path, generation.id);
  if (generation.home != generation.path) {
    by_home_[generation.path].pop_back();
    fresh.home = generation.home;
    by_home_[fresh.home].push_back(fresh.number);
  }
  fresh.predecessor = generation.number;
  fresh.seen_scan = generation.seen_scan;
  fresh.rotated = generation.rotated;
  fresh.retiring = std::exchange(generation.retiring, false);
  fresh.known_size = size;
  fresh.was_empty = size == 0;
  if (fresh.retiring) retiring_.push_back(fresh.number);
  if (generation.fd && generation.container == Container::plain) {
    fresh.fd = std::move(generation.fd);
    opened_.push_back(fresh.number);
  }
  close_file(generation);
  fresh.watch = std::exchange(generation.watch, -1);
  if (fresh.watch >= 0) by_watch_[fresh.watch] = fresh.number;
  const auto slot = slots_.find(fresh.path);
  if (slot != slots_.end() && slot->second->generation == generation.number) {
    slot->second->generation = fresh.number;
    slot->second->previous = generation.number;
  }
  if (!generation.over) {
    const std::uint64_t known = generation.known_size;
    if (options_.follow && move_to_copy(generation)) {
      ++counts.copied;
      const std::uint64_t copied =
          generation.container == Container::plain ? status_of(generation.fd).size : known;
      if (known > copied) counts.lost_truncated_bytes += known - copied;
      messages_.push_back(fresh.path + " was copied and truncated: its rest is read from " +
                          generation.path);
      generation.known_size = copied;
      retire(generation);
    } else {
      const std::uint64_t position = generation.cursor.position;
      if (known > position && !generation.align) {
        counts.lost_truncated_bytes += known - position;
        messages_.push_back(fresh.path + " was truncated: " + std::to_string(known - position) +
                            " bytes that had not been read are in no file");
      }
      finish(generation);
    }
  }
  // So that it is known should it be truncated once more before it is read.
  if (!fresh.fd && open_files_ < options_.max_open_files) open_file(fresh);
  take_head(fresh);
  fresh.predecessor = bridge(fresh.home, fresh.target, generation.number, fresh.id);
  if (size > 0) enqueue(fresh);
}

void Tail::retire_idle() {
  const auto now = options_.clock.steady();
  std::erase_if(retiring_, [&](std::uint32_t number) {
    Generation* const generation = find(number);
    if (generation == nullptr || !generation->retiring || generation->over) return true;
    if (generation->queued || now - generation->idle_since < options_.rotate_grace) return false;
    generation->grace_over = true;
    enqueue(*generation);
    return true;
  });
}

}  // namespace logtally::pipeline
