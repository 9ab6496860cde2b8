// The tail: generations whose content is found in other files.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "pipeline/siblings.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {
namespace {

// Generations of a path that a new file may be a copy of: all that are remembered, within reason.
constexpr std::size_t kFormerLooked = 1024;
constexpr int kListings = 4;

bool is_compressed_form(std::string_view path, std::string_view plain) {
  return path.size() > plain.size() && path.starts_with(plain) &&
         (path.substr(plain.size()) == ".gz" || path.substr(plain.size()) == ".zst");
}

}  // namespace

std::optional<Tail::Opened> Tail::Opened::open(const std::string& path, const FileId& id) {
  Opened opened{.fd = open_to_read(path), .inflated = nullptr};
  if (!opened.fd) return std::nullopt;
  const Status status = status_of(opened.fd);
  if (!status.is_regular() || status.id != id) {
    errno = ENOENT;
    return std::nullopt;
  }
  if (container_of_name(path) != Container::plain) {
    opened.container = container_of_content(opened.fd.get());
    if (opened.container != Container::plain) {
      opened.inflated = Inflated::open(opened.container, opened.fd.get());
      if (opened.inflated == nullptr) {
        errno = ENOMEM;
        return std::nullopt;
      }
    }
  }
  return opened;
}

bool Tail::at_home(const Generation& generation) const {
  return status_of(generation.home).id == generation.id;
}

bool Tail::exists(const Generation& generation) const {
  if (generation.fd && generation.container == Container::plain)
    return status_of(generation.fd).links > 0;
  if (scanning_ && generation.seen_scan == scans_) return true;
  return !find_beside(generation.home, generation.id).path.empty();
}

// Does its file still exist, and hold what was read of it?
bool Tail::stands(const Generation& generation) const {
  if (!exists(generation)) return false;
  if (generation.container != Container::plain) return true;
  OwnedFd found;
  if (!generation.fd) found = open_to_read(find_beside(generation.home, generation.id).path);
  const int fd = generation.fd ? generation.fd.get() : found.get();
  if (fd < 0) return true;
  const auto facts = facts_of(fd, generation.cursor.marks, ContentFacts::Occasion::watching);
  return !facts || judge(*facts) == Content::same;
}

// Does a file that nobody knew hold what a generation holds that this may be a copy, or the
// compressed form, of? By what it holds; its name only says whom to compare it with.
Tail::Kin Tail::kinship(const std::string& path, const FileId& id, std::optional<Opened>& file) {
  const auto known = copies_.find(id);
  if (known != copies_.end() && find(known->second) != nullptr)
    return {.kind = Kin::Kind::copy, .of = known->second};
  const std::string prefix = path.substr(0, path.size() - name_of(path).size());
  Kin result;
  for (const std::string& active : active_names(name_of(path))) {
    const auto home = by_home_.find(prefix + active);
    if (home == by_home_.end()) continue;
    std::size_t looked = 0;
    for (auto number = home->second.rbegin();
         number != home->second.rend() && looked < kFormerLooked; ++number) {
      Generation* const generation = find(*number);
      if (generation == nullptr || generation->id == id) continue;
      ++looked;
      take_head(*generation);
      if (generation->cursor.marks.head.length == 0) continue;
      if (!file) file = Opened::open(path, id);
      if (!file) return {.kind = errno == ENOENT ? Kin::Kind::gone : Kin::Kind::stranger};
      const Kin::Kind kind = compare(*generation, path, *file);
      if (kind == Kin::Kind::stranger) continue;
      result.kind = kind;
      if (kind == Kin::Kind::undecided) continue;
      result.of = copies_[id] = generation->number;
      char next = 0;
      const bool has_more = file->bytes().read_at(&next, 1, generation->cursor.searched) == 1;
      if (has_more && !generation->fd && !exists(*generation)) {
        take_copy(*generation, path, id, *std::exchange(file, std::nullopt));
        retire(*generation);
      }
      return result;
    }
  }
  return result;
}

// A generation that has its own name elsewhere has no copies: who is renamed was not copied. But
// what is at home may be copied and truncated, and a compressor works beside its plain file.
// Undecided: it is the same as far as it goes, but shorter. Somebody is still writing it, or it was
// made before the last words that were read.
Tail::Kin::Kind Tail::compare(Generation& generation, const std::string& path, const Opened& file) {
  const Bytes bytes = file.bytes();
  const Marks& marks = generation.cursor.marks;
  const bool compressed = container_of_name(path) != Container::plain;
  const bool unread = marks.tail.offset == 0;
  const auto facts = facts_of(bytes, marks, ContentFacts::Occasion::watching);
  if (!facts || facts->head == ContentFacts::Head::differs ||
      facts->tail == ContentFacts::Tail::differs || facts->ladder == ContentFacts::Ladder::differs)
    return Kin::Kind::stranger;
  if (unread && !compressed && at_home(generation)) {  // what it holds is to be seen there
    const OwnedFd present = open_to_read(generation.home);
    const std::uint64_t size = status_of(file.fd).size;
    const bool truncated = !present || begins_like(present.get(), marks.head) != true;
    const bool same = truncated
                          ? marks.head.length >= kMarkBytes
                          : size >= kMarkBytes && same_bytes(bytes, present.get(), size) == true;
    return same ? Kin::Kind::copy : Kin::Kind::stranger;
  }
  const bool form = is_compressed_form(path, generation.path);
  const bool home = !unread && at_home(generation);
  if (!home && !form && stands(generation)) return Kin::Kind::stranger;
  if (facts->tail == ContentFacts::Tail::beyond_end) {
    const bool evidence =
        facts->head == ContentFacts::Head::equal || facts->ladder == ContentFacts::Ladder::equal;
    return home || form || evidence ? Kin::Kind::undecided : Kin::Kind::stranger;
  }
  if (facts->head == ContentFacts::Head::too_short && marks.tail.offset < kMarkBytes)
    return Kin::Kind::stranger;
  if (home || (form && !unread)) return Kin::Kind::copy;
  if (!unread) {
    const bool tells = compressed || marks.tail.offset >= kMarkBytes;
    return tells ? Kin::Kind::copy : Kin::Kind::stranger;
  }
  if (!generation.fd)
    return marks.head.length >= kMarkBytes ? Kin::Kind::copy : Kin::Kind::stranger;
  // It has lost its name, but all that it holds is still to be seen.
  const auto same = same_bytes(bytes, generation.bytes(), status_of(generation.fd).size);
  if (!same) return Kin::Kind::undecided;
  return *same ? Kin::Kind::copy : Kin::Kind::stranger;
}

bool Tail::is_a_copy(const Sighting& sighting, Slot& slot) {
  if (!options_.follow || (scans_ == 1 && options_.stored.empty())) return false;
  std::optional<Opened> file;
  switch (kinship(sighting.path, sighting.observed.id, file).kind) {
    case Kin::Kind::copy:
      slot.undecided_since = {};
      return true;
    case Kin::Kind::stranger:
      if (!file) file = Opened::open(sighting.path, sighting.observed.id);
      if (!file || !is_being_copied(sighting.path, *file)) return false;
      if (slot.undecided_since.count() == 0) slot.undecided_since = options_.clock.steady();
      look_soon_ =
          look_soon_ || options_.clock.steady() - slot.undecided_since < options_.rotate_grace;
      return true;
    case Kin::Kind::gone:  // renamed since: the next look finds it
      scan_wanted_ = true;
      return true;
    case Kin::Kind::undecided:
      if (!file || !is_being_copied(sighting.path, *file)) break;
      if (slot.undecided_since.count() == 0) slot.undecided_since = options_.clock.steady();
      look_soon_ =
          look_soon_ || options_.clock.steady() - slot.undecided_since < options_.rotate_grace;
      return true;
  }
  const auto now = options_.clock.steady();
  if (slot.undecided_since.count() == 0 || slot.undecided_size != sighting.observed.size) {
    slot.undecided_since = now;
    slot.undecided_size = sighting.observed.size;
  }
  const bool wait = now - slot.undecided_since < options_.rotate_grace;
  look_soon_ = look_soon_ || wait;
  return wait;
}

// Reads on in the copy, or the compressed form, that holds what the generation held.
bool Tail::move_to_copy(Generation& generation) {
  bool stale = true;
  for (int tries = 0; stale && tries < kListings; ++tries) {
    stale = false;
    std::vector<Sibling> siblings = siblings_of(generation.home);
    add_named(generation.home, generation.target, siblings);
    std::stable_sort(siblings.begin(), siblings.end(), [](const Sibling& a, const Sibling& b) {
      const bool a_plain = a.name.container == Container::plain;
      const bool b_plain = b.name.container == Container::plain;
      return a_plain != b_plain ? a_plain : a.status.modified_ns > b.status.modified_ns;
    });
    for (const Sibling& sibling : siblings) {
      const FileId& id = sibling.status.id;
      const auto other = copies_.find(id);
      if (find(id) != nullptr || (other != copies_.end() && other->second != generation.number))
        continue;
      auto file = Opened::open(sibling.path, id);
      stale = stale || (!file && errno == ENOENT);
      if (!file || !holds(file->bytes(), generation.cursor.marks)) continue;
      take_copy(generation, sibling.path, id, *std::move(file));
      return true;
    }
  }
  return false;
}

void Tail::take_copy(Generation& generation, const std::string& path, const FileId& id,
                     Opened file) {
  close_file(generation);
  const auto same = by_id_.find(generation.id);
  if (same != by_id_.end() && same->second == generation.number) by_id_.erase(same);
  generation.id = id;
  generation.path = path;
  generation.container = file.container;
  generation.fd = std::move(file.fd);
  generation.inflated = std::move(file.inflated);
  generation.unverified = false;
  generation.used = true;
  by_id_[id] = generation.number;
  opened_.push_back(generation.number);
  ++open_files_;
  touch(generation);
}

// More siblings, by the globs of the target.
void Tail::add_named(const std::string& path, std::uint32_t target,
                     std::vector<Sibling>& siblings) const {
  for (const std::string& pattern : targets_[target].rotated) {
    for (std::string& found : expand_glob(pattern).paths) {
      const bool known = std::any_of(siblings.begin(), siblings.end(),
                                     [&](const Sibling& s) { return s.path == found; });
      const Status status = status_of(found);
      if (known || found == path || !status.is_regular()) continue;
      RotatedName name = rotated_name(name_of(path), name_of(found)).value_or(RotatedName{});
      name.container = container_of_name(found);
      siblings.push_back({.path = std::move(found), .name = std::move(name), .status = status});
    }
  }
}

}  // namespace logtally::pipeline
