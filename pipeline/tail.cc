#include "pipeline/tail.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {
namespace {

constexpr std::size_t kReadsBetweenLooks = 32;

}  // namespace

Tail::Tail(std::vector<TargetSpec> targets, TailOptions options)
    : targets_(std::move(targets)),
      options_(std::move(options)),
      reader_(options_.line_bytes),
      watcher_(options_.follow && options_.watching == Watching::inotify ? Watcher::Mode::inotify
                                                                         : Watcher::Mode::none),
      rotations_(targets_.size()),
      next_generation_(options_.first_generation),
      not_before_(options_.clock.steady()) {
  for (const int own : {STDOUT_FILENO, STDERR_FILENO}) {
    const Status status = status_of_descriptor(own);
    if (status.is_regular()) options_.own_output.push_back(status.id);
  }
}

Tail::~Tail() = default;

Result<std::unique_ptr<Tail>> Tail::open(std::vector<TargetSpec> targets, TailOptions options) {
  // A file is found again by its name, of which there is to be one spelling.
  for (TargetSpec& target : targets) {
    for (std::string& path : target.paths) {
      if (path.empty()) return Error{"target " + target.name + ": an empty path"};
      path = normal_path(path);
    }
    for (std::string& root : target.roots) root = normal_path(root);
  }
  std::unique_ptr<Tail> tail(new Tail(std::move(targets), std::move(options)));
  tail->restore();
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
    if (generation->over) {  // finished while it waited for its turn
      generation->queued = false;
      continue;
    }
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

// A new file waits until the one that had its path before has been read to its end.
bool Tail::held_back(const Generation& generation) const {
  const Generation* const predecessor = find(generation.predecessor);
  return predecessor != nullptr && predecessor->queued && !predecessor->over;
}

std::optional<Chunk> Tail::read_generation(Generation& generation) {
  generation.queued = false;
  if (!generation.fd && !open_file(generation)) {
    if (generation.over || generation.queued) return std::nullopt;  // another has its file now
    if (!options_.follow || generation.retiring) give_up(generation);
    return std::nullopt;
  }
  generation.used = true;
  if (generation.align) align(generation);
  const Head& head = generation.cursor.marks.head;
  if (options_.follow && generation.cursor.searched == 0 && head.length > 0 &&
      generation.container == Container::plain && begins_like(generation.bytes(), head) != true) {
    generation.known_size = generation.proven_size;
    restart(generation, status_of(generation.fd).size);  // before a byte of it was read
    return std::nullopt;
  }
  if (status_of(generation.fd).size > 0 && look_beside(generation)) {
    enqueue(generation);
    return std::nullopt;
  }
  const bool all = !options_.follow || generation.grace_over;
  if (head.length == 0) take_head(generation);
  before_read_ = generation.cursor;
  Lines lines = reader_.read(generation.bytes(), generation.cursor,
                             all ? LineReader::Rest::is_a_line : LineReader::Rest::waits);
  if (lines.status != Lines::Status::failed && !still_begins(generation)) {
    generation.cursor = before_read_;
    lines = {};
    lines.status = Lines::Status::changed;
  }
  const bool same = lines.status != Lines::Status::changed;
  if (same) {
    generation.proven_size = generation.known_size;
    generation.proven_ns = generation.modified_ns;
  }
  switch (lines.status) {
    case Lines::Status::lines:
    case Lines::Status::more:
      generation.idle_since = options_.clock.steady();
      if (std::exchange(generation.failing, false)) forget_complaint(generation.path);
      enqueue(generation);
      return chunk_of(generation, lines);
    case Lines::Status::end:
      return at_end(generation);
    case Lines::Status::changed:
      if (generation.container != Container::plain) return failed(generation, EBADMSG);
      generation.known_size = generation.proven_size;  // since then it may be the new content's
      restart(generation, status_of(generation.fd).size);
      return std::nullopt;
    case Lines::Status::failed:
      return failed(generation, lines.error);
  }
  return std::nullopt;
}

// After a read: does the file begin as it did? If not, it was truncated and written again while it
// was read, or before, and what stands before the position looks alike.
bool Tail::still_begins(const Generation& generation) const {
  const Head& head = generation.cursor.marks.head;
  return !options_.follow || generation.container != Container::plain || head.length == 0 ||
         begins_like(generation.bytes(), head) == true;
}

// It was empty when it was first seen, and has bytes now. It may have had others in between, which
// were copied and truncated: once, that is looked for. True: there were.
bool Tail::look_beside(Generation& generation) {
  if (!options_.follow || !generation.was_empty || generation.cursor.searched > 0 ||
      std::exchange(generation.looked_beside, true))
    return false;
  const std::uint32_t last =
      bridge(generation.home, generation.target, generation.predecessor, generation.id);
  take_head(generation);
  if (std::exchange(generation.predecessor, last) == last) return false;
  touch(generation);
  return true;
}

std::optional<Chunk> Tail::at_end(Generation& generation) {
  const bool plain = generation.container == Container::plain;
  const Status status = status_of(generation.fd);
  if (options_.follow && plain && status.error == 0 && status.size < generation.cursor.searched) {
    restart(generation, status.size);
    return std::nullopt;
  }
  if (plain) generation.known_size = std::max(generation.known_size, status.size);
  if (!options_.follow || generation.grace_over) {
    if (!plain && !generation.inflated->complete())
      messages_.push_back(generation.path + " is cut off: read as far as it goes");
    finish(generation);
  }
  return std::nullopt;
}

// What cannot be read now may be read later: a network file system that comes back, a compressor
// that is not done.
std::optional<Chunk> Tail::failed(Generation& generation, int error) {
  complain(generation.path,
           "cannot read " + generation.path + ": " + std::generic_category().message(error));
  generation.failing = true;
  const bool patient = options_.follow && (!generation.retiring || !generation.grace_over);
  if (!patient) {
    give_up(generation);
    return std::nullopt;
  }
  // Opened again by a later look; one without a name is lost then.
  if (status_of(generation.fd).links > 0 || error == ESTALE) close_file(generation);
  generation.looked_size = 0;
  generation.modified_ns = 0;
  polling_ = true;
  next_scan_ = std::min(next_scan_, options_.clock.steady() + options_.poll_interval);
  return std::nullopt;
}

// Nothing is known of what a file held that was rotated and is gone, so nothing tells which one has
// its content now (a compressed one, a copy): those that nobody knows and that came since are read
// in its place. False: there are none.
bool Tail::succeed_unread(Generation& generation) {
  if (!options_.follow || !generation.rotated || generation.over ||
      generation.cursor.searched > 0 || generation.cursor.marks.head.length >= kMarkBytes)
    return false;
  std::vector<Generation*> successors;
  for (const auto& [number, other] : generations_) {
    if (other->predecessor == generation.number) successors.push_back(other.get());
  }
  const std::uint32_t last = bridge(generation.home, generation.target, generation.number, {});
  if (last == generation.number) return false;
  for (Generation* const successor : successors) {
    successor->predecessor = last;
    touch(*successor);
  }
  return true;
}

// What it still held is in no file that can be read.
void Tail::give_up(Generation& generation) {
  if (succeed_unread(generation)) return finish(generation);
  if (options_.follow && !generation.refused && !generation.over) {
    Rotations& counts = rotations_[generation.target];
    const std::uint64_t position = generation.cursor.position;
    if (generation.known_size > position)
      counts.lost_deleted_bytes += generation.known_size - position;
    if (generation.known_size > position) {
      ++counts.lost_generations;
      messages_.push_back(generation.path + " is gone: what had not been read of it is lost");
    }
  }
  finish(generation);
}

void Tail::finish(Generation& generation) {
  generation.over = true;
  generation.retiring = false;
  generation.grace_over = false;
  touch(generation);
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

Chunk Tail::chunk_of(Generation& generation, const Lines& lines) {
  touch(generation);
  Rotations& counts = rotations_[generation.target];
  counts.nul_bytes += lines.nul_bytes;
  const std::uint64_t given = generation.cursor.position - lines.offset;
  if (options_.follow && given < lines.bytes.size()) ++counts.unterminated_lines;
  return {
      .target = generation.target,
      .generation = generation.number,
      .offset = lines.offset,
      .end = generation.cursor.position,
      .bytes = lines.bytes,
      .arrival_ns = options_.clock.wall_ns(),
      .too_long_lines = lines.too_long_lines,
      .too_long_bytes = lines.too_long_bytes,
      .nul_bytes = lines.nul_bytes,
      .begins_generation = !std::exchange(generation.given, true),
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

void Tail::touch(Generation& generation) {
  if (std::exchange(generation.changed, true)) return;
  changed_.push_back(generation.number);
}

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
