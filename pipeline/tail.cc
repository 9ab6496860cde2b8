#include "pipeline/tail.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

namespace logtally::pipeline {
namespace {

constexpr std::size_t kReadsBetweenLooks = 32;
constexpr std::size_t kRememberedOver = 1'000;  // ended generations that would be known again
constexpr std::uint64_t kScansBetweenWatchTries = 64;

struct Status {
  int error = 0;
  mode_t mode = 0;
  FileId id = {};
  std::uint64_t size = 0;
  std::uint32_t links = 0;
  std::int64_t modified_ns = 0;
};

std::int64_t nanoseconds(const statx_timestamp& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

Status status_of(int fd, const char* path) {
  struct statx found {};
  const int flags = path[0] == '\0' ? AT_EMPTY_PATH : 0;
  if (::statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &found) != 0)
    return {.error = errno};
  return {
      .mode = found.stx_mode,
      .id = {.device = ::gnu_dev_makedev(found.stx_dev_major, found.stx_dev_minor),
             .inode = found.stx_ino,
             .born_ns = (found.stx_mask & STATX_BTIME) != 0 ? nanoseconds(found.stx_btime) : 0},
      .size = found.stx_size,
      .links = found.stx_nlink,
      .modified_ns = nanoseconds(found.stx_mtime),
  };
}

Status status_of(const std::string& path) { return status_of(AT_FDCWD, path.c_str()); }
Status status_of(const OwnedFd& fd) { return status_of(fd.get(), ""); }

std::string reason(int error) { return std::generic_category().message(error); }

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Another name of the file in the same directory: where rotation puts it.
std::string sibling_of(const std::string& path, const FileId& id) {
  const std::string directory = directory_of(path);
  DIR* const dir = ::opendir(directory.c_str());
  if (dir == nullptr) return {};
  std::string found;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_ino != id.inode) continue;
    std::string name = directory + '/' + entry->d_name;
    if (status_of(name).id != id) continue;
    found = std::move(name);
    break;
  }
  ::closedir(dir);
  return found;
}

}  // namespace

struct Tail::Generation {
  std::uint32_t number = 0;
  std::uint32_t target = 0;
  std::uint32_t predecessor = kNoGeneration;
  std::string path;  // the last one that led here
  FileId id;
  Cursor cursor;
  OwnedFd fd;
  int watch = -1;
  bool align = false;       // the cursor may stand within a line
  bool queued = false;      // in ready_
  bool used = false;        // since its descriptor was last thought of
  bool rotated = false;     // it lost a path before: counted
  bool retiring = false;    // in retiring_
  bool grace_over = false;  // what it holds now is all that there will be
  bool over = false;
  bool failing = false;  // complained of
  std::uint64_t seen_scan = 0;
  bool seen_before = true;  // in the scan before that one
  std::chrono::nanoseconds idle_since{0};
};

// A path that was seen, and what it led to.
struct Tail::Slot {
  std::uint32_t target = 0;
  std::uint32_t generation = kNoGeneration;
  std::uint32_t previous = kNoGeneration;  // before it
  std::uint64_t scan = 0;
  std::string complaint;  // what was last said about it
};

struct Tail::Sighting {
  std::string path = {};
  std::uint32_t target = 0;
  Observed observed = {};
  bool second_name = false;  // of a file that is read under another path
  std::int64_t modified_ns = 0;
  std::string why = {};  // unusable
};

Tail::Tail(std::vector<TargetSpec> targets, TailOptions options)
    : targets_(std::move(targets)),
      options_(std::move(options)),
      reader_(options_.line_bytes),
      watcher_(options_.follow && options_.watching == Watching::inotify ? Watcher::Mode::inotify
                                                                         : Watcher::Mode::none),
      rotations_(targets_.size()),
      next_generation_(options_.first_generation),
      not_before_(options_.clock.steady()) {}

Tail::~Tail() = default;

Result<std::unique_ptr<Tail>> Tail::open(std::vector<TargetSpec> targets, TailOptions options) {
  for (const TargetSpec& target : targets) {
    for (const std::string& path : target.paths) {
      if (path.empty()) return Error{"target " + target.name + ": an empty path"};
    }
  }
  std::unique_ptr<Tail> tail(new Tail(std::move(targets), std::move(options)));
  tail->scan();
  return tail;
}

std::optional<Chunk> Tail::read() {
  if (ready_.empty() || ++reads_since_look_ >= kReadsBetweenLooks) look();
  for (;;) {
    if (!endings_.empty()) {
      const Chunk ending = endings_.front();
      endings_.pop_front();
      return ending;
    }
    if (ready_.empty()) return std::nullopt;
    Generation* const generation = find(ready_.front());
    ready_.pop_front();
    if (generation == nullptr) continue;
    if (held_back(*generation)) {
      ready_.push_back(generation->number);
      continue;
    }
    if (auto chunk = read_generation(*generation)) return chunk;
  }
}

bool Tail::finished() const { return !options_.follow && ready_.empty() && endings_.empty(); }

std::chrono::nanoseconds Tail::next_look() const {
  if (!ready_.empty() || !endings_.empty()) return std::chrono::nanoseconds(0);
  const auto now = options_.clock.steady();
  auto next = next_scan_;
  if (scan_wanted_) next = std::min(next, not_before_);
  for (const std::uint32_t number : retiring_) {
    const Generation* const generation = find(number);
    if (generation != nullptr)
      next = std::min(next, generation->idle_since + options_.rotate_grace);
  }
  return std::max(next - now, std::chrono::nanoseconds(0));
}

std::string_view Tail::path(std::uint32_t generation) const {
  const Generation* const found = find(generation);
  return found == nullptr ? std::string_view() : found->path;
}

std::uint32_t Tail::predecessor(std::uint32_t generation) const {
  const Generation* const found = find(generation);
  return found == nullptr ? kNoGeneration : found->predecessor;
}

std::vector<std::string> Tail::take_messages() { return std::exchange(messages_, {}); }

// ---- looking for changes

void Tail::look() {
  reads_since_look_ = 0;
  if (!options_.follow) return;
  take_events();
  const auto now = options_.clock.steady();
  if (now >= next_scan_) {
    scan_wanted_ = true;
    for (const std::uint32_t number : retiring_) {
      Generation* const generation = find(number);
      if (generation != nullptr && generation->fd) enqueue(*generation);
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
  scan_wanted_ = false;
  polling_ = options_.watching == Watching::poll;
  ++scans_;
  const auto began = options_.clock.steady();
  bool complete = true;
  std::vector<Sighting> sightings = sight(complete);
  settle_names(sightings);
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
  const auto ended = options_.clock.steady();
  next_scan_ = ended + (polling_ ? options_.poll_interval : options_.rescan_interval);
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
      if (!known->over && sighting.observed.size > known->cursor.searched) enqueue(*known);
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
  slot.scan = scans_;
  Known known;
  Generation* const generation = find(slot.generation);
  if (generation != nullptr) {
    known = {.any = true, .id = generation->id, .read_upto = generation->cursor.searched};
    if (!generation->over && generation->watch < 0 && options_.follow) {
      if (scans_ % kScansBetweenWatchTries == 0) watch(*generation);
      polling_ = polling_ || generation->watch < 0;
    }
  }
  switch (decide(sighting.observed, known)) {
    case Action::nothing:
      return;
    case Action::skip:
      return complain(sighting.path, "skipped " + sighting.path + ": " + sighting.why);
    case Action::start:
      return start(sighting, slot, slot.previous);
    case Action::adopt:
      return adopt(sighting, slot);
    case Action::read:
      return enqueue(*generation);
    case Action::restart:
      return restart(*generation, sighting.observed.size);
    case Action::retire:
      return lose_path(slot);
    case Action::replace:
      lose_path(slot);
      return start(sighting, slot, generation->number);
    case Action::exchange:
      lose_path(slot);
      return adopt(sighting, slot);
  }
}

void Tail::start(const Sighting& sighting, Slot& slot, std::uint32_t predecessor) {
  auto owned = std::make_unique<Generation>();
  Generation& generation = *owned;
  generation.number = next_generation_++;
  generation.target = sighting.target;
  generation.predecessor = predecessor;
  generation.path = sighting.path;
  generation.id = sighting.observed.id;
  generation.seen_scan = scans_;
  generation.idle_since = options_.clock.steady();
  const bool present_at_start = scans_ == 1;
  if (present_at_start && options_.follow && !options_.from_beginning &&
      targets_[sighting.target].from == From::end) {
    generation.cursor.position = generation.cursor.searched = sighting.observed.size;
    generation.align = true;
  }
  by_id_[generation.id] = generation.number;
  slot.generation = generation.number;
  slot.complaint.clear();
  generations_.emplace(generation.number, std::move(owned));
  if (options_.follow) {
    const bool opened = open_files_ < options_.max_open_files && open_file(generation);
    watch(generation);
    // Bytes that came before the watch are found by reading, or by one more look.
    if (!opened) {
      if (sighting.observed.size > generation.cursor.searched) enqueue(generation);
      if (generation.watch >= 0) scan_wanted_ = true;
      return;
    }
  }
  enqueue(generation);
}

void Tail::adopt(const Sighting& sighting, Slot& slot) {
  if (sighting.second_name) return;
  Generation& generation = *find(sighting.observed.id);
  const bool came_back = generation.path == sighting.path;
  if (!came_back) {
    const auto former = slots_.find(generation.path);
    if (former != slots_.end() && former->second->generation == generation.number)
      lose_path(*former->second);
    generation.path = sighting.path;
  }
  slot.generation = generation.number;
  generation.target = sighting.target;
  if (generation.over && !generation.seen_before) {  // it was away, and is a file like others again
    generation.over = generation.rotated = false;
    if (options_.follow) watch(generation);
    scan_wanted_ = true;  // for what was written before the watch
  }
  if (came_back) generation.retiring = generation.grace_over = generation.rotated = false;
  if (sighting.observed.size < generation.cursor.searched)
    return restart(generation, sighting.observed.size);
  if (sighting.observed.size > generation.cursor.searched) enqueue(generation);
}

// The slot's path leads elsewhere or nowhere: its generation is read to its end.
void Tail::lose_path(Slot& slot) {
  Generation* const generation = find(std::exchange(slot.generation, kNoGeneration));
  if (generation == nullptr) return;
  slot.previous = generation->number;
  slot.complaint.clear();

  bool exists = generation->seen_scan == scans_;
  if (!exists && generation->fd) exists = status_of(generation->fd).links > 0;
  if (!exists && !generation->fd) {
    std::string sibling = sibling_of(generation->path, generation->id);
    exists = !sibling.empty();
    if (exists) generation->path = std::move(sibling);
  }
  if (!generation->rotated) {
    Rotations& counts = rotations_[generation->target];
    ++(exists ? counts.renamed : counts.deleted);
  }
  generation->rotated = true;
  if (generation->over) return;
  generation->idle_since = options_.clock.steady();
  if (!generation->retiring) retiring_.push_back(generation->number);
  generation->retiring = true;
  enqueue(*generation);
}

// Truncated: what was there is over, what is there now is new.
void Tail::restart(Generation& generation, std::uint64_t size) {
  ++rotations_[generation.target].truncated;
  auto owned = std::make_unique<Generation>();
  Generation& fresh = *owned;
  fresh.number = next_generation_++;
  fresh.target = generation.target;
  fresh.predecessor = generation.number;
  fresh.path = generation.path;
  fresh.id = generation.id;
  fresh.seen_scan = generation.seen_scan;
  fresh.idle_since = options_.clock.steady();
  fresh.rotated = generation.rotated;
  fresh.retiring = std::exchange(generation.retiring, false);
  if (fresh.retiring) retiring_.push_back(fresh.number);
  if (generation.fd) {
    fresh.fd = std::move(generation.fd);
    opened_.push_back(fresh.number);
  }
  fresh.watch = std::exchange(generation.watch, -1);
  if (fresh.watch >= 0) by_watch_[fresh.watch] = fresh.number;
  by_id_[fresh.id] = fresh.number;
  const auto slot = slots_.find(fresh.path);
  if (slot != slots_.end() && slot->second->generation == generation.number) {
    slot->second->generation = fresh.number;
    slot->second->previous = generation.number;
  }
  generations_.emplace(fresh.number, std::move(owned));
  if (!generation.over) finish(generation);
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

// Forgets paths that lead nowhere, and the oldest of the ended generations.
void Tail::prune() {
  std::erase_if(slots_, [&](const auto& entry) {
    const Slot& slot = *entry.second;
    if (slot.scan == scans_ || slot.generation != kNoGeneration) return false;
    const Generation* const previous = find(slot.previous);
    return previous == nullptr || previous->over;
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
    const auto same = by_id_.find(generation->id);
    if (same != by_id_.end() && same->second == number) by_id_.erase(same);
    generations_.erase(number);
  }
}

// ---- reading

// A new file waits until the one that had its path before has been read to its end.
bool Tail::held_back(const Generation& generation) const {
  const Generation* const predecessor = find(generation.predecessor);
  return predecessor != nullptr && predecessor->queued && !predecessor->over;
}

std::optional<Chunk> Tail::read_generation(Generation& generation) {
  generation.queued = false;
  if (!generation.fd && !open_file(generation)) {
    if (!options_.follow || generation.retiring) finish(generation);
    return std::nullopt;
  }
  generation.used = true;
  if (generation.align) align(generation);
  const bool all = !options_.follow || generation.grace_over;
  const Lines lines = reader_.read(generation.fd.get(), generation.cursor,
                                   all ? LineReader::Rest::is_a_line : LineReader::Rest::waits);
  switch (lines.status) {
    case Lines::Status::lines:
    case Lines::Status::more:
      generation.idle_since = options_.clock.steady();
      if (std::exchange(generation.failing, false)) forget_complaint(generation.path);
      enqueue(generation);
      return chunk_of(generation, lines);
    case Lines::Status::end:
      return at_end(generation);
    case Lines::Status::failed:
      complain(generation.path, "cannot read " + generation.path + ": " + reason(lines.error));
      generation.failing = true;
      if (!options_.follow || generation.retiring) {
        finish(generation);
      } else {
        close_file(generation);  // opened again by a later look
        polling_ = true;
        next_scan_ = std::min(next_scan_, options_.clock.steady() + options_.poll_interval);
      }
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Chunk> Tail::at_end(Generation& generation) {
  const Status status = status_of(generation.fd);
  if (status.error == 0 && status.size < generation.cursor.searched && options_.follow) {
    restart(generation, status.size);
  } else if (!options_.follow || generation.grace_over) {
    finish(generation);
  }
  return std::nullopt;
}

void Tail::finish(Generation& generation) {
  generation.over = true;
  generation.retiring = false;
  generation.grace_over = false;
  if (generation.watch >= 0) {
    by_watch_.erase(generation.watch);
    watcher_.forget(std::exchange(generation.watch, -1));
  }
  if (generation.fd) {
    const bool deleted = status_of(generation.fd).links == 0;
    close_file(generation);
    const auto same = by_id_.find(generation.id);
    // The inode's number is free for another file now.
    if (deleted && same != by_id_.end() && same->second == generation.number) by_id_.erase(same);
  }
  over_.push_back(generation.number);
  Lines nothing;
  nothing.offset = generation.cursor.position;
  Chunk ending = chunk_of(generation, nothing);
  ending.ends_generation = true;
  endings_.push_back(ending);
}

Chunk Tail::chunk_of(const Generation& generation, const Lines& lines) const {
  return {
      .target = generation.target,
      .generation = generation.number,
      .offset = lines.offset,
      .end = generation.cursor.position,
      .bytes = lines.bytes,
      .arrival_ns = options_.clock.wall_ns(),
      .too_long_lines = lines.too_long_lines,
      .too_long_bytes = lines.too_long_bytes,
  };
}

// The cursor was set to the end of the file as it was found: goes back to the start of the line
// that was being written then.
void Tail::align(Generation& generation) {
  generation.align = false;
  std::array<char, 4096> block;
  Cursor& cursor = generation.cursor;
  std::uint64_t begin = cursor.position;
  while (begin > 0 && cursor.position - begin <= options_.line_bytes) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), begin));
    const ssize_t got =
        ::pread(generation.fd.get(), block.data(), size, static_cast<off_t>(begin - size));
    if (got != static_cast<ssize_t>(size)) return;
    const void* const newline = ::memrchr(block.data(), '\n', size);
    if (newline != nullptr) {
      const auto at = static_cast<std::size_t>(static_cast<const char*>(newline) - block.data());
      cursor.position = begin - size + at + 1;
      return;
    }
    begin -= size;
  }
  if (begin == 0) {
    cursor.position = 0;
  } else {
    cursor.in_overlong = true;
  }
}

void Tail::enqueue(Generation& generation) {
  if (generation.over) {
    generation.over = false;
    if (options_.follow) watch(generation);
  }
  if (generation.queued) return;
  generation.queued = true;
  ready_.push_back(generation.number);
}

void Tail::watch(Generation& generation) {
  if (generation.watch >= 0) return;
  generation.watch = generation.fd ? watcher_.watch_open_file(generation.fd.get())
                                   : watcher_.watch_file(generation.path);
  if (generation.watch >= 0) {
    by_watch_[generation.watch] = generation.number;
  } else {
    polling_ = true;
  }
}

bool Tail::open_file(Generation& generation) {
  make_room();
  // O_NONBLOCK: whatever has come to stand at this path must not block us.
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  OwnedFd fd(::open(generation.path.c_str(), kFlags));
  if (!fd && (errno == EMFILE || errno == ENFILE)) {
    spare_descriptors();
    fd.reset(::open(generation.path.c_str(), kFlags));
  }
  if (!fd) {
    const int error = errno;
    scan_wanted_ = scan_wanted_ || error == ENOENT;
    if (error != ENOENT)
      complain(generation.path, "cannot open " + generation.path + ": " + reason(error));
    generation.failing = true;
    polling_ = true;
    next_scan_ = std::min(next_scan_, options_.clock.steady() + options_.poll_interval);
    return false;
  }
  const Status status = status_of(fd);
  if (!S_ISREG(status.mode) || status.id != generation.id) {
    scan_wanted_ = true;
    return false;
  }
  generation.fd = std::move(fd);
  generation.used = true;
  opened_.push_back(generation.number);
  ++open_files_;
  return true;
}

void Tail::close_file(Generation& generation) {
  if (!generation.fd) return;
  generation.fd.reset();
  --open_files_;
}

// Takes descriptors away from files that were not read lately. A file without a path keeps its own:
// there is no other way to it.
void Tail::make_room() {
  if (opened_.size() > 2 * open_files_ + 64) {
    std::erase_if(opened_, [&](std::uint32_t number) {
      const Generation* const generation = find(number);
      return generation == nullptr || !generation->fd;
    });
  }
  for (std::size_t tries = 2 * opened_.size(); tries > 0 && open_files_ >= options_.max_open_files;
       --tries) {
    const std::uint32_t number = opened_.front();
    opened_.pop_front();
    Generation* const generation = find(number);
    if (generation == nullptr || !generation->fd) continue;
    if (generation->retiring || std::exchange(generation->used, false)) {
      opened_.push_back(number);
    } else {
      close_file(*generation);
    }
  }
}

// The process is out of descriptors: from now on fewer files are kept open.
void Tail::spare_descriptors() {
  constexpr std::size_t kSpare = 8;
  options_.max_open_files = open_files_ > kSpare ? open_files_ - kSpare : 1;
  if (!std::exchange(said_spare_, true)) {
    messages_.push_back("out of file descriptors: keeping at most " +
                        std::to_string(options_.max_open_files) + " files open");
  }
  make_room();
}

// ---- finding things again

Tail::Slot& Tail::slot_of(const std::string& path, std::uint32_t target) {
  std::unique_ptr<Slot>& slot = slots_[path];
  if (slot == nullptr) slot = std::make_unique<Slot>();
  slot->target = target;
  return *slot;
}

void Tail::complain(const std::string& path, const std::string& why) {
  const auto slot = slots_.find(path);
  if (slot != slots_.end() && slot->second->complaint == why) return;
  if (slot != slots_.end()) slot->second->complaint = why;
  messages_.push_back(why);
}

void Tail::forget_complaint(const std::string& path) {
  const auto slot = slots_.find(path);
  if (slot != slots_.end()) slot->second->complaint.clear();
}

Tail::Generation* Tail::find(std::uint32_t generation) const {
  const auto found = generations_.find(generation);
  return found == generations_.end() ? nullptr : found->second.get();
}

Tail::Generation* Tail::find(const FileId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : find(found->second);
}

}  // namespace logtally::pipeline
