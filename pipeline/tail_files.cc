// The tail's descriptors and watches.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {
namespace {

bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         (directory.ends_with('/') || path[directory.size()] == '/');
}

// What stands before the first wildcard, up to a slash.
std::string fixed_directory(const std::string& pattern) {
  return directory_of(pattern.substr(0, pattern.find_first_of("*?[")));
}

}  // namespace

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

// Opens the generation's file where it was last, or wherever it is by now.
bool Tail::open_file(Generation& generation) {
  if (generation.refused) return false;
  make_room();
  int error = take_file(generation, generation.path, generation.id);
  if (error == 0) return true;
  if (options_.follow && generation.rotated && (error == ENOENT || error == ESTALE)) {
    const Found found = find_beside(generation.home, generation.id);
    const int again = found.path.empty() ? ENOENT : take_file(generation, found.path, found.id);
    if (again == 0) return true;
    if (again == ESTALE && generation.unverified) {  // truncated and then rotated, both unseen
      generation.path = found.path;
      restart(generation, status_of(found.path).size);
      return false;
    }
    if (move_to_copy(generation)) return true;
  }
  generation.looked_size = 0;  // so that the next look tries again
  generation.modified_ns = 0;
  scan_wanted_ = scan_wanted_ || error == ENOENT || error == ESTALE;
  if (error == ESTALE) return false;  // something else is there now
  if (error != ENOENT && error != EPERM) {
    complain(generation.path,
             "cannot open " + generation.path + ": " + std::generic_category().message(error));
  }
  generation.failing = true;
  polling_ = true;
  next_scan_ = std::min(next_scan_, options_.clock.steady() + options_.poll_interval);
  return false;
}

// Takes the file at the path as that of the generation: errno; ESTALE: another file, or its content
// is another's; EPERM: it is not to be read.
int Tail::take_file(Generation& generation, const std::string& path, const FileId& id) {
  OwnedFd fd = open_to_read(path);
  if (!fd && (errno == EMFILE || errno == ENFILE)) {
    spare_descriptors();
    fd = open_to_read(path);
  }
  if (!fd) return errno;
  return take_opened(generation, path, id, std::move(fd));
}

int Tail::take_opened(Generation& generation, const std::string& path, const FileId& id,
                      OwnedFd fd) {
  const Status status = status_of(fd);
  if (!status.is_regular() || status.id != id) return ESTALE;
  if (options_.follow && std::find(options_.own_output.begin(), options_.own_output.end(), id) !=
                             options_.own_output.end()) {
    complain(generation.path, "skipped " + path + ": this program itself writes there");
    generation.refused = true;
    return EPERM;
  }
  if (!allowed(generation, fd)) {
    complain(generation.path, "skipped " + path + ": it leads to " + real_path_of(fd) +
                                  ", outside of the directories where links may lead");
    generation.refused = true;
    return EPERM;
  }
  if (generation.cursor.position == 0 && container_of_name(path) != Container::plain)
    generation.container = container_of_content(fd.get());
  std::unique_ptr<Inflated> inflated;
  if (generation.container != Container::plain) {
    inflated = Inflated::open(generation.container, fd.get());
    if (inflated == nullptr) return ENOMEM;
  }
  if (generation.unverified && !verify(generation, fd, inflated.get())) return ESTALE;
  if (generation.path != path || generation.id != id) {
    const auto same = by_id_.find(generation.id);
    if (same != by_id_.end() && same->second == generation.number) by_id_.erase(same);
    generation.path = path;
    generation.id = id;
    by_id_[id] = generation.number;
    touch(generation);
  }
  generation.inflated = std::move(inflated);
  generation.fd = std::move(fd);
  generation.used = true;
  opened_.push_back(generation.number);
  ++open_files_;
  take_head(generation);
  return 0;
}

// What the file begins with, as far as it is there: should it be compressed or copied before it is
// read, that is what it is known by.
void Tail::take_head(Generation& generation) {
  Head& head = generation.cursor.marks.head;
  const bool readable = generation.fd && generation.container == Container::plain;
  const bool unsettled = generation.was_empty && !generation.looked_beside && !generation.rotated &&
                         generation.fd && status_of(generation.fd).links > 0;
  if (!options_.follow || !readable || unsettled || generation.align || head.length == kHeadBytes)
    return;
  if (const auto now = head_now(generation.bytes(), generation.cursor.marks)) {
    head = *now;
    generation.proven_size = generation.known_size;
  }
}

// Links in a directory that others may write to could lead a reader with rights anywhere.
bool Tail::allowed(const Generation& generation, const OwnedFd& fd) const {
  const TargetSpec& target = targets_[generation.target];
  const std::string real = real_path_of(fd);
  if (real.empty() || real == generation.path) return true;
  const auto below = [&](std::string_view directory) { return is_below(real, directory); };
  if (std::any_of(target.roots.begin(), target.roots.end(), below)) return true;
  if (std::any_of(std::begin(kLinkRoots), std::end(kLinkRoots), below)) return true;
  return std::any_of(target.paths.begin(), target.paths.end(), [&](const std::string& pattern) {
    if (!has_wildcard(pattern) && pattern == generation.home) return true;
    char* const directory = ::realpath(fixed_directory(pattern).c_str(), nullptr);
    const bool inside = directory != nullptr && below(directory);
    ::free(directory);
    return inside;
  });
}

void Tail::close_file(Generation& generation) {
  if (!generation.fd) return;
  if (!generation.over) take_head(generation);
  generation.inflated.reset();
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

}  // namespace logtally::pipeline
