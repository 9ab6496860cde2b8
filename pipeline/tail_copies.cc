// The tail: generations whose content is found in other files, and generations that were rotated
// before anybody saw them.
#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/content.h"
#include "pipeline/file_status.h"
#include "pipeline/siblings.h"
#include "pipeline/tail_generation.h"

namespace logtally::pipeline {
namespace {

constexpr std::size_t kFormerLooked = 64;  // generations of a path that a new file may be a copy of

struct Opened {
  OwnedFd fd;
  std::unique_ptr<Inflated> inflated;
  Container container = Container::plain;

  Bytes bytes() const { return {fd.get(), inflated.get()}; }
};

// Empty if it is not (or no longer) that file.
std::optional<Opened> open_as(const std::string& path, const FileId& id) {
  Opened opened{.fd = open_to_read(path), .inflated = nullptr};
  if (!opened.fd) return std::nullopt;
  const Status status = status_of(opened.fd);
  if (!status.is_regular() || status.id != id) return std::nullopt;
  if (container_of_name(path) != Container::plain) {
    opened.container = container_of_content(opened.fd.get());
    if (opened.container != Container::plain) {
      opened.inflated = Inflated::open(opened.container, opened.fd.get());
      if (opened.inflated == nullptr) return std::nullopt;
    }
  }
  return opened;
}

// Does the file hold what the one at the path holds now, as far as it goes: is it a copy, finished
// or not, of what is read there? By the begin and the end of what it holds.
bool copies_present(const Sibling& sibling, const std::string& path) {
  const OwnedFd copy = open_to_read(sibling.path);
  const OwnedFd present = open_to_read(path);
  if (!copy || !present || sibling.name.container != Container::plain) return false;
  const std::uint64_t size = status_of(copy).size;
  if (size > status_of(present).size) return false;
  const auto same = [&](std::uint64_t offset, std::size_t length) {
    std::array<char, kHeadBytes> a;
    std::array<char, kHeadBytes> b;
    const auto got = static_cast<ssize_t>(length);
    return Bytes{copy.get(), nullptr}.read_at(a.data(), length, offset) == got &&
           Bytes{present.get(), nullptr}.read_at(b.data(), length, offset) == got &&
           std::equal(a.begin(), a.begin() + got, b.begin());
  };
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(size, kHeadBytes));
  return same(0, length) && same(size - length, length);
}

bool is_compressed_form(std::string_view path, std::string_view plain) {
  return path.size() > plain.size() && path.starts_with(plain) &&
         (path.substr(plain.size()) == ".gz" || path.substr(plain.size()) == ".zst");
}

}  // namespace

bool Tail::at_home(const Generation& generation) const {
  return status_of(generation.home).id == generation.id;
}

bool Tail::exists(const Generation& generation) const {
  if (generation.seen_scan == scans_) return true;
  if (generation.fd && status_of(generation.fd).links > 0) return true;
  return !find_beside(generation.home, generation.id).path.empty();
}

// Does a file that nobody knew hold what a generation holds that this may be a copy, or the
// compressed form, of? A generation that still has its own name elsewhere has no copies: who is
// renamed was not copied. Undecided: it may become one, somebody is still writing it.
Tail::Kinship Tail::kinship(const std::string& path, const FileId& id) {
  const auto known = copies_.find(id);
  if (known != copies_.end() && find(known->second) != nullptr) return Kinship::copy;
  const std::string prefix = path.substr(0, path.size() - name_of(path).size());
  std::optional<Opened> file;
  Kinship result = Kinship::stranger;
  for (const std::string& active : active_names(name_of(path))) {
    const auto home = by_home_.find(prefix + active);
    if (home == by_home_.end()) continue;
    std::size_t looked = 0;
    for (auto number = home->second.rbegin();
         number != home->second.rend() && looked < kFormerLooked; ++number) {
      Generation* const generation = find(*number);
      if (generation == nullptr || generation->id == id) continue;
      ++looked;
      const Marks& marks = generation->cursor.marks;
      if (marks.head.length == 0 || marks.tail.offset == 0) continue;
      const bool beside = at_home(*generation) || is_compressed_form(path, generation->path);
      const bool compressed = container_of_name(path) != Container::plain;
      if (!beside && (exists(*generation) || (!compressed && marks.tail.offset < kMarkBytes)))
        continue;
      if (!file) file = open_as(path, id);
      if (!file) return Kinship::stranger;
      const auto facts = facts_of(file->bytes(), marks, ContentFacts::Occasion::watching);
      if (!facts || facts->head == ContentFacts::Head::differs ||
          facts->ladder == ContentFacts::Ladder::differs)
        continue;
      if (facts->tail == ContentFacts::Tail::beyond_end) {
        result = Kinship::undecided;
        continue;
      }
      if (facts->head != ContentFacts::Head::equal || facts->tail != ContentFacts::Tail::equal)
        continue;
      copies_[id] = generation->number;
      char next = 0;
      const bool has_more = file->bytes().read_at(&next, 1, generation->cursor.searched) == 1;
      if (has_more && !beside && !generation->fd && move_to_copy(*generation)) retire(*generation);
      return Kinship::copy;
    }
  }
  return result;
}

bool Tail::is_a_copy(const Sighting& sighting, Slot& slot) {
  if (!options_.follow || (scans_ == 1 && options_.stored.empty())) return false;
  switch (kinship(sighting.path, sighting.observed.id)) {
    case Kinship::copy:
      slot.undecided_since = {};
      return true;
    case Kinship::stranger:
      return false;
    case Kinship::undecided:
      break;
  }
  const auto now = options_.clock.steady();
  if (slot.undecided_since.count() == 0 || slot.undecided_size != sighting.observed.size) {
    slot.undecided_since = now;
    slot.undecided_size = sighting.observed.size;
  }
  look_soon_ = now - slot.undecided_since < options_.rotate_grace;
  return look_soon_;
}

// Reads on in the copy, or the compressed form, that holds what the generation held.
bool Tail::move_to_copy(Generation& generation) {
  std::vector<Sibling> siblings = siblings_of(generation.home);
  add_named(generation.home, generation.target, siblings);
  std::stable_sort(siblings.begin(), siblings.end(), [](const Sibling& a, const Sibling& b) {
    const bool a_plain = a.name.container == Container::plain;
    const bool b_plain = b.name.container == Container::plain;
    return a_plain != b_plain ? a_plain : a.status.modified_ns > b.status.modified_ns;
  });
  for (const Sibling& sibling : siblings) {
    if (find(sibling.status.id) != nullptr) continue;
    auto file = open_as(sibling.path, sibling.status.id);
    if (!file || !holds(file->bytes(), generation.cursor.marks)) continue;
    close_file(generation);
    const auto same = by_id_.find(generation.id);
    if (same != by_id_.end() && same->second == generation.number) by_id_.erase(same);
    generation.id = sibling.status.id;
    generation.path = sibling.path;
    generation.container = file->container;
    generation.fd = std::move(file->fd);
    generation.inflated = std::move(file->inflated);
    generation.unverified = false;
    generation.used = true;
    by_id_[generation.id] = generation.number;
    opened_.push_back(generation.number);
    ++open_files_;
    touch(generation);
    return true;
  }
  return false;
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

// The path had `previous` and has a new file now, or new content: finds what was there in between
// and was rotated before anybody saw it, to be read first, oldest first. Gives the new file's
// predecessor.
std::uint32_t Tail::bridge(const std::string& path, std::uint32_t target, std::uint32_t previous) {
  const Generation* const before = find(previous);
  if (!options_.follow || before == nullptr) return previous;
  std::vector<Sibling> siblings = siblings_of(path);
  add_named(path, target, siblings);
  const auto place = std::find_if(siblings.begin(), siblings.end(),
                                  [&](const Sibling& s) { return s.status.id == before->id; });
  const std::int64_t last_change =
      before->fd ? status_of(before->fd).modified_ns
                 : std::max(before->modified_ns, before->modified_ns == 0 ? last_alive_ns_ : 0);
  std::vector<const Sibling*> missed;
  for (const Sibling& sibling : siblings) {
    const auto slot = slots_.find(sibling.path);
    const bool sighted = slot != slots_.end() && slot->second->scan == scans_;
    if (sighted || find(sibling.status.id) != nullptr) continue;
    const int order = place == siblings.end() ? 0 : age_order(sibling.name, place->name);
    if (order < 0 || (order == 0 && sibling.status.modified_ns < last_change)) continue;
    // A compressor is at work as long as the plain file is still beside it, which has all of it.
    if (std::any_of(siblings.begin(), siblings.end(),
                    [&](const Sibling& s) { return is_compressed_form(sibling.path, s.path); }))
      continue;
    const Kinship kin = kinship(sibling.path, sibling.status.id);
    if (kin == Kinship::copy) continue;
    // Begins like one that is known, and is shorter than what was read of that: copied before its
    // writer's last words, which then were cut off.
    if (kin == Kinship::undecided && sibling.name.container == Container::plain) continue;
    if (copies_present(sibling, path)) continue;  // of the next copytruncate
    missed.push_back(&sibling);
  }
  std::stable_sort(missed.begin(), missed.end(), [](const Sibling* a, const Sibling* b) {
    const int order = age_order(a->name, b->name);
    return order != 0 ? order < 0 : a->status.modified_ns < b->status.modified_ns;
  });
  Rotations& counts = rotations_[target];
  // It went away, and files came after it: its successor may have gone away as well.
  if (!missed.empty() && place == siblings.end() && !exists(*before)) ++counts.lost_generations;
  for (const Sibling* const sibling : missed) {
    Generation& generation = add(target, path, sibling->status.id);
    generation.path = sibling->path;
    generation.predecessor = previous;
    generation.known_size = sibling->name.container == Container::plain ? sibling->status.size : 0;
    ++counts.missed;
    retire(generation);
    previous = generation.number;
  }
  return previous;
}

}  // namespace logtally::pipeline
