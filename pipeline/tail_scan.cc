// The tail: what there is at the paths of the targets, and what of it has changed.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>
#include <utility>

#include "pipeline/file_status.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {
namespace {

constexpr std::size_t kRememberedOver = 1'000;  // ended generations that would be known again
constexpr std::uint64_t kScansBetweenWatchTries = 64;

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

void Tail::look() {
  reads_since_look_ = 0;
  if (!options_.follow) return;
  take_events();
  const auto now = options_.clock.steady();
  if (now >= next_scan_) {
    scan_wanted_ = true;
    for (const std::uint32_t number : retiring_) {
      Generation* const generation = find(number);
      if (generation != nullptr && generation->retiring) enqueue(*generation);
    }
  }
  if (scan_wanted_ && now >= not_before_) scan();
  retire_idle();
}

void Tail::take_events() {
  watcher_.take(events_);
  const auto wake = [&](int watch) {
    const auto found = by_watch_.find(watch);
    if (found == by_watch_.end()) return;
    if (Generation* const generation = find(found->second)) enqueue(*generation);
  };
  for (const int watch : events_.written) wake(watch);
  for (const int watch : events_.changed) wake(watch);
  for (const int watch : events_.gone) {
    const auto found = by_watch_.find(watch);
    if (found == by_watch_.end()) continue;
    if (Generation* const generation = find(found->second)) generation->watch = -1;
    by_watch_.erase(found);
  }
  if (!events_.changed.empty() || !events_.gone.empty()) scan_wanted_ = true;
  if (events_.overflow) {
    scan_wanted_ = true;
    for (const auto& [number, generation] : generations_) {
      if (generation->fd) enqueue(*generation);
    }
  }
}

void Tail::scan() {
  scan_wanted_ = look_soon_ = false;
  scanning_ = true;
  polling_ = options_.watching == Watching::poll;
  ++scans_;
  const auto began = options_.clock.steady();
  bool complete = true;
  std::vector<Sighting> sightings = sight(complete);
  if (scans_ == 1 && !options_.stored.empty()) recognise(sightings);
  settle_names(sightings);
  for (const Sighting& sighting : sightings) slot_of(sighting.path, sighting.target).scan = scans_;
  for (const Sighting& sighting : sightings) apply(sighting);
  if (complete) {
    for (auto& [path, slot] : slots_) {
      if (slot->scan != scans_ && slot->generation != kNoGeneration) lose_path(*slot);
    }
    prune();
  }
  if (polling_ && options_.watching == Watching::inotify && options_.follow && !said_polling_) {
    said_polling_ = true;
    messages_.push_back("some files cannot be watched for changes: looking at them every " +
                        std::to_string(options_.poll_interval / std::chrono::milliseconds(1)) +
                        " ms");
  }
  scanning_ = false;
  const auto ended = options_.clock.steady();
  next_scan_ = ended + (polling_ || look_soon_ ? options_.poll_interval : options_.rescan_interval);
  not_before_ = ended + 4 * (ended - began);
}

// Every path that the targets name and that leads to something; the first target that names a path
// has it. Not complete: what is not among them may be there all the same.
std::vector<Tail::Sighting> Tail::sight(bool& complete) {
  std::vector<Sighting> sightings;
  std::vector<std::string> directories;
  std::set<std::string_view> taken;
  std::deque<std::string> names;  // what `taken` points into
  for (std::uint32_t index = 0; index < targets_.size(); ++index) {
    const TargetSpec& target = targets_[index];
    const auto excluded = [&](const std::string& path) {
      return std::any_of(target.exclude.begin(), target.exclude.end(),
                         [&](const std::string& glob) { return glob_matches(glob, path); });
    };
    for (const std::string& pattern : target.paths) {
      GlobResult found = expand_glob(pattern);
      if (found.incomplete) {
        spare_descriptors();
        found = expand_glob(pattern);
        complete = complete && !found.incomplete;
      }
      const bool many = has_wildcard(pattern);
      const bool below = pattern.find("**") != std::string::npos;
      std::move(found.directories.begin(), found.directories.end(),
                std::back_inserter(directories));
      for (std::string& path : found.unreadable) {
        sightings.push_back({.path = std::move(path), .target = index, .why = reason(EACCES)});
        sightings.back().observed.kind = Observed::Kind::unusable;
      }
      bool any = false;
      for (const std::string& path : found.paths) {
        if (many && excluded(path)) continue;
        if (taken.contains(path)) {
          any = true;
          continue;
        }
        const Status status = status_of(path);
        if (status.error == ENOENT || status.error == ENOTDIR) continue;
        any = true;
        if (below && status.error == 0 && S_ISDIR(status.mode)) continue;
        taken.insert(names.emplace_back(path));
        Sighting sighting{.path = path, .target = index, .modified_ns = status.modified_ns};
        if (status.error == 0 && S_ISREG(status.mode)) {
          sighting.observed = {.kind = Observed::Kind::file, .id = status.id, .size = status.size};
        } else {
          sighting.observed.kind = Observed::Kind::unusable;
          sighting.why = status.error != 0 ? reason(status.error)
                                           : "it is " + std::string(kind_of(status.mode));
        }
        sightings.push_back(std::move(sighting));
      }
      if (scans_ == 1 && !any && !many) missing_.push_back(pattern);
    }
  }
  if (options_.follow) watch_directories(std::move(directories));
  if (scans_ >
      1) {  // files that appeared since the last look: in the order in which they were written
    std::stable_sort(sightings.begin(), sightings.end(), [](const Sighting& a, const Sighting& b) {
      if (a.modified_ns != b.modified_ns) return a.modified_ns < b.modified_ns;
      return a.path.size() > b.path.size() || (a.path.size() == b.path.size() && a.path > b.path);
    });
  }
  return sightings;
}

// A file with several names is read under one: the one it is read under already, else the first.
void Tail::settle_names(std::vector<Sighting>& sightings) {
  std::unordered_map<FileId, Sighting*, IdHash> owners;
  for (Sighting& sighting : sightings) {
    if (sighting.observed.kind != Observed::Kind::file) continue;
    Generation* const known = find(sighting.observed.id);
    if (known != nullptr && known->seen_scan != scans_) {
      known->seen_before = known->seen_scan + 1 == scans_;
      known->seen_scan = scans_;
      // What is known is read before what is new.
      if (!known->over && !known->unverified)
        look_at(*known, sighting.observed.size, sighting.modified_ns);
    }
    sighting.observed.known_elsewhere = known != nullptr;
    Sighting*& owner = owners[sighting.observed.id];
    const bool better = owner == nullptr || (known != nullptr ? known->path == sighting.path
                                                              : sighting.path < owner->path);
    Sighting& second = better && owner != nullptr ? *owner : sighting;
    if (owner != nullptr) {
      second.second_name = true;
      second.observed.known_elsewhere = true;
    }
    if (better) owner = &sighting;
  }
  // A first name that was known as second only because of the order above is still new.
  for (const auto& [id, owner] : owners) {
    if (find(id) == nullptr) owner->observed.known_elsewhere = false;
  }
}

void Tail::watch_directories(std::vector<std::string> directories) {
  std::sort(directories.begin(), directories.end());
  directories.erase(std::unique(directories.begin(), directories.end()), directories.end());
  std::vector<int> watches;
  for (const std::string& directory : directories) {
    const int watch = watcher_.watch_directory(directory);
    if (watch < 0) {
      polling_ = true;
    } else {
      watches.push_back(watch);
    }
  }
  std::sort(watches.begin(), watches.end());
  for (const int old : directory_watches_) {
    if (!std::binary_search(watches.begin(), watches.end(), old)) watcher_.forget(old);
  }
  directory_watches_ = std::move(watches);
}

void Tail::apply(const Sighting& sighting) {
  Slot& slot = slot_of(sighting.path, sighting.target);
  Known known;
  Generation* const generation = find(slot.generation);
  const bool plain = generation == nullptr || generation->container == Container::plain;
  if (generation != nullptr) {
    known = {.any = true,
             .id = generation->id,
             .read_upto = plain ? generation->cursor.searched : sighting.observed.size};
    if (!generation->over && generation->watch < 0 && options_.follow) {
      if (scans_ % kScansBetweenWatchTries == 0) watch(*generation);
      polling_ = polling_ || generation->watch < 0;
    }
  }
  // What happened before in this scan may have made it known, or shown it to be another.
  Observed observed = sighting.observed;
  if (observed.kind == Observed::Kind::file)
    observed.known_elsewhere = sighting.second_name || find(observed.id) != nullptr;
  switch (decide(observed, known)) {
    case Action::nothing:
    case Action::read:
      if (generation == nullptr || sighting.observed.kind != Observed::Kind::file) return;
      if (plain && sighting.observed.size > 0) look_beside(*generation);
      return look_at(*generation, sighting.observed.size, sighting.modified_ns);
    case Action::skip:
      return complain(sighting.path, "skipped " + sighting.path + ": " + sighting.why);
    case Action::start:
      if (is_a_copy(sighting, slot)) return;
      return start(sighting, slot,
                   bridge(sighting.path, sighting.target, slot.previous, observed.id));
    case Action::adopt:
      return adopt(sighting, slot);
    case Action::restart:
      return restart(*generation, sighting.observed.size);
    case Action::retire:
      return lose_path(slot);
    case Action::replace:
      lose_path(slot);
      if (is_a_copy(sighting, slot)) return;
      return start(sighting, slot,
                   bridge(sighting.path, sighting.target, slot.previous, observed.id));
    case Action::exchange:
      lose_path(slot);
      return adopt(sighting, slot);
  }
}

// Queues it if it has changed since it was last looked at: longer, shorter, or written over.
void Tail::look_at(Generation& generation, std::uint64_t size, std::int64_t modified_ns) {
  const bool plain = generation.container == Container::plain;
  if (plain) generation.known_size = std::max(generation.known_size, size);
  // What waits for its predecessor: a restart is to know it by what it holds now.
  const bool unread = generation.cursor.searched == 0 && !generation.over;
  if (plain && unread && size > generation.cursor.marks.head.length &&
      generation.cursor.marks.head.length < kHeadBytes)
    touch(generation);
  const bool longer = plain && size > generation.cursor.searched;
  const bool touched = size != generation.looked_size || modified_ns != generation.modified_ns;
  if (!touched || (generation.over && !longer)) return;
  generation.looked_size = size;
  generation.modified_ns = modified_ns;
  enqueue(generation);
}

// Forgets paths that lead nowhere, and the oldest of the ended generations.
void Tail::prune() {
  std::erase_if(slots_, [&](const auto& entry) {
    const Slot& slot = *entry.second;
    if (slot.scan == scans_ || slot.generation != kNoGeneration) return false;
    return find(slot.previous) == nullptr;  // else: what comes there next comes behind it
  });
  std::size_t excess = over_.size() > kRememberedOver ? over_.size() - kRememberedOver : 0;
  for (; excess > 0; --excess) {
    const std::uint32_t number = over_.front();
    over_.pop_front();
    const Generation* const generation = find(number);
    if (generation == nullptr || !generation->over) continue;
    const auto slot = slots_.find(generation->path);
    if (slot != slots_.end() && slot->second->generation == number) {
      over_.push_back(number);  // known as long as it is there
      continue;
    }
    erase(*generation);
  }
}

void Tail::erase(const Generation& generation) {
  const auto same = by_id_.find(generation.id);
  if (same != by_id_.end() && same->second == generation.number) by_id_.erase(same);
  for (const std::string& name : {generation.home, generation.origin}) {
    const auto home = by_home_.find(name);
    if (home == by_home_.end()) continue;
    std::erase(home->second, generation.number);
    if (home->second.empty()) by_home_.erase(home);
  }
  std::erase_if(copies_, [&](const auto& copy) { return copy.second == generation.number; });
  forgotten_.push_back(generation.number);
  generations_.erase(generation.number);
}

}  // namespace logtally::pipeline
