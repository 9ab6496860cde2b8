#include "tests/pipeline/model/play.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>

#include "pipeline/file_status.h"
#include "pipeline/generation.h"
#include "pipeline/owned_fd.h"
#include "pipeline/tail.h"

namespace logtally::pipeline::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kBegin = 1'700'000'000'000'000'000;
constexpr std::size_t kFewFiles = 2;
constexpr std::size_t kLineBytes = 96 * 1024;  // with long lines

const char* const kNames[kStepKinds] = {
    "write",     "write_part", "reopen",     "rotate",   "copy",       "cut",
    "truncate",  "remove",     "remove_old", "compress", "compressed", "look",
    "read_some", "commit",     "kill",       "start",    "pass"};

// One incarnation of a file's content.
struct Content {
  std::vector<std::string> lines;  // whole ones
  std::string part;                // written, its newline not yet
  std::uint64_t size = 0;
  std::uint64_t too_long = 0;  // lines, which are not among the others
  bool may_be_lost = false;    // what of it is not committed
};

struct File {
  std::string name;
  int content = 0;  // index into contents
  bool compressed = false;
  bool compressing = false;  // a .gz of it is begun
};

class Play {
 public:
  Play(const Sequence& sequence, std::string directory)
      : sequence_(sequence), directory_(std::move(directory)) {}

  std::string run() {
    make_active();
    write(1);
    start();
    commit();  // that it is there: what lies beside a file before it is known is history
    for (const Step& step : sequence_.steps) {
      now_ += 1ms;
      take(step);
      if (!wrong_.empty()) return wrong_;
    }
    finish();
    return wrong_;
  }

 private:
  std::string path(const std::string& name) const { return directory_ + '/' + name; }

  // --- the writer

  void touch(int fd) const {
    const std::int64_t ns = kBegin + now_.count();
    const timespec at{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
    const timespec times[2] = {at, at};
    ::futimens(fd, times);
  }
  void put(std::string_view bytes) {
    const ssize_t done = ::write(writer_.get(), bytes.data(), bytes.size());
    if (done != static_cast<ssize_t>(bytes.size())) wrong_ = "the model cannot write";
    contents_[static_cast<std::size_t>(written_)].size += bytes.size();
    touch(writer_.get());
  }
  std::string fresh_line() {
    // Unique, and mostly longer than a mark: so much has to be known of a file to know it again.
    std::string line = "c" + std::to_string(written_) + "n" + std::to_string(next_line_++) + " ";
    const bool is_short =
        !contents_[static_cast<std::size_t>(written_)].lines.empty() && next_line_ % 5 == 0;
    std::size_t size = is_short ? 20 : 290 + 37 * static_cast<std::size_t>(next_line_ % 7);
    if (sequence_.long_lines && !is_short) size *= 75;  // up to 38 KiB
    if (sequence_.long_lines && next_line_ % 7 == 0) size = kLineBytes + 70 * 1024;
    const std::string begin = line;
    if (size > kLineBytes) return line + std::string(size, 'x');  // of all of them looks alike
    while (line.size() < size) line += begin;
    return line;
  }
  void complete() {
    Content& content = contents_[static_cast<std::size_t>(written_)];
    if (content.part.empty()) return;
    put("end\n");
    keep(content, std::exchange(content.part, {}) + "end");
  }
  void keep(Content& content, std::string line) const {
    if (sequence_.long_lines && line.size() > kLineBytes) {
      ++content.too_long;
    } else {
      content.lines.push_back(std::move(line));
    }
  }
  bool stands_still() const { return copied_ && written_ == *active_; }
  void write(int count) {
    if (stands_still()) return;
    complete();
    Content& content = contents_[static_cast<std::size_t>(written_)];
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      std::string line = fresh_line();
      bytes += line + '\n';
      keep(content, std::move(line));
    }
    put(bytes);
  }
  void write_part() {
    Content& content = contents_[static_cast<std::size_t>(written_)];
    if (stands_still() || !content.part.empty()) return;
    content.part = fresh_line();
    put(content.part);
  }
  int fresh_content() {
    contents_.emplace_back();
    return static_cast<int>(contents_.size()) - 1;
  }
  void make_active() {
    complete_if_open();
    writer_ = OwnedFd(::open(path("a").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    touch(writer_.get());
    if (!active_) active_ = fresh_content();
    written_ = *active_;
  }
  void complete_if_open() {
    if (writer_) complete();
  }

  // --- rotation

  std::string rotated(int number) const {
    if (sequence_.dated) return "a-202601" + std::to_string(10'000 + number);
    return "a." + std::to_string(number);
  }
  void move(const std::string& from, const std::string& to) {
    if (::rename(path(from).c_str(), path(to).c_str()) != 0) wrong_ = "the model cannot rename";
  }
  // Makes room for the newest rotated name, and gives it.
  std::string shift() {
    if (sequence_.dated) return rotated(++dates_);
    for (std::size_t i = 0; i < old_.size(); ++i) {  // oldest first
      File& file = old_[i];
      const int number = static_cast<int>(old_.size() - i) + 1;
      const std::string to = rotated(number) + (file.compressed ? ".gz" : "");
      move(file.name, to);
      if (file.compressing) move(file.name + ".gz", to + ".gz");
      file.name = to;
    }
    return rotated(1);
  }
  void rotate() {
    if (!active_ || copied_) return;
    const std::string to = shift();
    move("a", to);
    old_.push_back({.name = to, .content = *active_});
    active_.reset();
  }
  void copy() {
    if (!active_ || copied_) return;
    if (written_ == *active_) complete();
    const std::string to = shift();
    const OwnedFd in(::open(path("a").c_str(), O_RDONLY | O_CLOEXEC));
    const OwnedFd out(::open(path(to).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    char block[16 * 1024];
    for (ssize_t got = 0; (got = ::read(in.get(), block, sizeof block)) > 0;) {
      if (::write(out.get(), block, static_cast<std::size_t>(got)) != got) wrong_ = "cannot copy";
    }
    touch(out.get());
    old_.push_back({.name = to, .content = *active_});
    copied_ = true;
  }
  void empty_active(bool grows) {
    const std::uint64_t before = contents_[static_cast<std::size_t>(*active_)].size;
    if (::truncate(path("a").c_str(), 0) != 0) wrong_ = "the model cannot truncate";
    const bool writing = written_ == *active_;
    active_ = fresh_content();
    if (writing) written_ = *active_;
    const OwnedFd fd(::open(path("a").c_str(), O_WRONLY | O_CLOEXEC));
    touch(fd.get());
    while (grows && writing && contents_[static_cast<std::size_t>(*active_)].size <= before)
      write(1);
  }
  void cut(bool grows) {
    if (!copied_) return;
    copied_ = false;
    empty_active(grows);
  }
  void lose(int content) { contents_[static_cast<std::size_t>(content)].may_be_lost = true; }
  void truncate(bool grows) {
    if (!active_ || copied_) return;
    lose(*active_);
    if (written_ == *active_) complete();
    empty_active(grows);
  }
  void remove() {
    if (!active_ || copied_) return;
    lose(*active_);
    ::unlink(path("a").c_str());
    active_.reset();
  }
  bool is_committed(int content) const {
    const Content& all = contents_[static_cast<std::size_t>(content)];
    return all.part.empty() &&
           std::all_of(all.lines.begin(), all.lines.end(),
                       [&](const auto& line) { return committed_.contains(line); });
  }
  void remove_old() {
    if (old_.empty() || (copied_ && old_.size() == 1)) return;
    const File file = old_.front();
    if (file.content == written_ && !copied_) return;
    ++deleted_;
    if (!is_committed(file.content)) lose(file.content);
    ::unlink(path(file.name).c_str());
    if (file.compressing) ::unlink(path(file.name + ".gz").c_str());
    old_.erase(old_.begin());
  }
  std::string packed(const std::string& name) {
    const OwnedFd in(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
    std::string bytes(static_cast<std::size_t>(status_of(in).size), '\0');
    if (::pread(in.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
      wrong_ = "the model cannot read";
    z_stream z{};
    if (deflateInit2(&z, 1, Z_DEFLATED, 9 + 16, 1, Z_DEFAULT_STRATEGY) != Z_OK) wrong_ = "zlib";
    std::string out(bytes.size() + 256, '\0');
    z.next_in = reinterpret_cast<Bytef*>(bytes.data());
    z.avail_in = static_cast<uInt>(bytes.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) wrong_ = "zlib";
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
  }
  void write_packed(const File& file, std::size_t part_of) {
    const std::string bytes = packed(file.name);
    const OwnedFd out(
        ::open(path(file.name + ".gz").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    const std::size_t size = bytes.size() / part_of;
    if (::pwrite(out.get(), bytes.data(), size, 0) != static_cast<ssize_t>(size)) wrong_ = "pwrite";
    touch(out.get());
    if (part_of == 1) {
      const std::int64_t ns = status_of(path(file.name)).modified_ns;
      const timespec at{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
      const timespec times[2] = {at, at};
      ::futimens(out.get(), times);
    }
  }
  void compress(int which) {
    if (old_.empty()) return;
    File& file = old_[static_cast<std::size_t>(which) % old_.size()];
    if (file.compressed || file.compressing || file.content == written_) return;
    write_packed(file, 2);
    file.compressing = true;
  }
  void compressed() {
    for (File& file : old_) {
      if (!file.compressing) continue;
      write_packed(file, 1);
      ::unlink(path(file.name).c_str());
      file.name += ".gz";
      file.compressed = true;
      file.compressing = false;
      return;
    }
  }

  // --- the reader

  void start() {
    if (tail_ != nullptr) return;
    TailOptions options;
    options.clock = {.wall_ns = [this] { return kBegin + now_.count(); },
                     .steady = [this] { return now_; }};
    options.watching = Watching::poll;
    if (sequence_.few_files) options.max_open_files = kFewFiles;
    if (sequence_.long_lines) options.line_bytes = kLineBytes;
    for (const auto& [number, stored] : stored_) {
      options.stored.push_back(stored);
      if (!sequence_.births) options.stored.back().id.born_ns = 0;
    }
    if (started_) options.earlier_targets = {"t"};
    started_ = true;
    TargetSpec target{.name = "t",
                      .paths = {path(sequence_.in_glob ? "a*" : "a")},
                      .exclude = {},
                      .from = From::beginning};
    auto opened = Tail::open({std::move(target)}, std::move(options));
    if (!opened) {
      wrong_ = "it does not open: " + opened.error().text;
    } else {
      tail_ = *std::move(opened);
    }
  }
  void read(int chunks) {
    int idle = 0;
    while (idle < 2 && chunks != 0) {
      const auto chunk = tail_->read();
      idle = chunk ? 0 : idle + 1;
      if (!chunk) continue;
      --chunks;
      if (++read_ > 100'000) wrong_ = "it reads for ever";
      pending_too_long_ += chunk->too_long_lines;
      if (!wrong_.empty()) return;
      std::string_view bytes = chunk->bytes;
      while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        if (newline == std::string_view::npos) {
          wrong_ = "a chunk without its last newline";
          return;
        }
        pending_.emplace_back(bytes.substr(0, newline));
        if (trace_) {
          std::printf("    %u %s: %.*s\n", chunk->generation,
                      std::string(tail_->path(chunk->generation)).c_str(), 12, bytes.data());
        }
        bytes.remove_prefix(newline + 1);
      }
    }
    for (std::string& message : tail_->take_messages()) {
      if (message.find("gone") != std::string::npos ||
          message.find("in no file") != std::string::npos)
        said_lost_ = std::move(message);
    }
  }
  // Whether the writer may stay where it is for longer than the grace period. Not in a file that
  // was rotated: whoever reads it has to end some day, and it is not looked at from then on unless
  // a target names it. Nor may half of a line wait for its rest then: it was taken for a line.
  bool may_stay() const {
    if (tail_ == nullptr) return true;  // nobody waits
    if (!active_ || written_ != *active_)
      return sequence_.in_glob && contents_[static_cast<std::size_t>(written_)].part.empty();
    return true;
  }
  void look(std::chrono::nanoseconds pause) {
    now_ += pause;
    if (tail_ != nullptr) read(-1);
  }
  void commit() {
    if (tail_ == nullptr) return;
    for (StoredGeneration& generation : tail_->take_changed()) {
      const std::string bytes = to_bytes(generation);
      auto back = generation_from_bytes(bytes);
      if (!back) {
        wrong_ = "what is to be stored cannot be read back";
        return;
      }
      stored_[generation.number] = *std::move(back);
    }
    for (const std::uint32_t number : tail_->take_forgotten()) stored_.erase(number);
    for (const std::string& line : pending_) account(line);
    pending_.clear();
    too_long_ += std::exchange(pending_too_long_, 0);
  }
  // What is counted, once and in the order in which it was written.
  void account(const std::string& line) {
    int content = 0;
    int number = 0;
    if (std::sscanf(line.c_str(), "c%dn%d ", &content, &number) != 2) {
      wrong_ = "no such line was written: " + line.substr(0, 40);
      return;
    }
    if (!committed_.insert(line).second) {
      wrong_ = "counted twice: " + line.substr(0, 20);
      return;
    }
    int& last = last_[content];
    if (number < last) wrong_ = "not in order: " + line.substr(0, 20);
    last = number;
  }
  void kill() {
    if (tail_ == nullptr) return;
    add_losses();
    tail_.reset();
    pending_.clear();
    pending_too_long_ = 0;
  }
  void add_losses() {
    const Rotations& counts = tail_->rotations()[0];
    // Where a file that was read is gone and others came after it, nothing tells whether one
    // between them is gone as well: it is counted. One for each that was deleted at most.
    const std::uint64_t generations =
        counts.lost_generations > deleted_ ? counts.lost_generations : 0;
    for (const auto& [name, count] : {std::pair{" bytes truncated", counts.lost_truncated_bytes},
                                      std::pair{" bytes deleted", counts.lost_deleted_bytes},
                                      std::pair{" bytes of a tail", counts.lost_tail_bytes},
                                      std::pair{" generations", generations}}) {
      if (count > 0) lost_ += ' ' + std::to_string(count) + name;
    }
  }

  void take(const Step& step) {
    if (trace_) std::printf("  %s\n", kNames[static_cast<int>(step.kind)]);
    switch (step.kind) {
      case StepKind::write:
        return write(1 + step.number % 3);
      case StepKind::write_part:
        return write_part();
      case StepKind::reopen:
        return copied_ ? void() : make_active();
      case StepKind::rotate:
        return rotate();
      case StepKind::copy:
        return copy();
      case StepKind::cut:
        return cut(step.number >= 4);
      case StepKind::truncate:
        return truncate(step.number >= 4);
      case StepKind::remove:
        return remove();
      case StepKind::remove_old:
        return remove_old();
      case StepKind::compress:
        return compress(step.number);
      case StepKind::compressed:
        return compressed();
      case StepKind::look:
        return look(300ms);
      case StepKind::read_some:
        now_ += 300ms;
        if (tail_ != nullptr) read(1 + step.number % 3);
        return;
      case StepKind::commit:
        return commit();
      case StepKind::kill:
        return kill();
      case StepKind::start:
        return start();
      case StepKind::pass:
        if (!may_stay()) make_active();
        look(6s);
        return look(1s);
    }
  }

  void finish() {
    if (trace_) std::printf("  and to the end\n");
    cut(false);
    make_active();  // what was rotated unseen is looked for when a file comes to the path
    write(1);
    while (std::any_of(old_.begin(), old_.end(), [](const File& f) { return f.compressing; }))
      compressed();
    start();
    for (int i = 0; i < 3 && wrong_.empty(); ++i) {
      look(300ms);
      look(6s);
    }
    look(1s);
    commit();
    if (!wrong_.empty()) return;
    bool all_there = true;
    for (const Content& content : contents_) {
      all_there = all_there && !content.may_be_lost;
      for (const std::string& line : content.lines) {
        if (!content.may_be_lost && !committed_.contains(line)) {
          wrong_ = "lost: " + line.substr(0, 20);
          return;
        }
      }
    }
    std::size_t written = 0;
    std::uint64_t too_long = 0;
    for (const Content& content : contents_) {
      written += content.lines.size();
      too_long += content.too_long;
    }
    if (committed_.size() > written) wrong_ = "more lines than were written";
    if (too_long_ > too_long || (all_there && too_long_ < too_long))
      wrong_ = std::to_string(too_long_) + " lines too long, of " + std::to_string(too_long);
    add_losses();
    if (all_there && !lost_.empty()) wrong_ = "a loss is counted where there is none:" + lost_;
    if (all_there && !said_lost_.empty())
      wrong_ = "a loss is told where there is none: " + said_lost_;
    if (!wrong_.empty()) return;
    if (trace_) std::printf("  and once more\n");
    tail_.reset();
    start();  // from what was committed, nothing is left
    look(300ms);
    look(6s);
    look(1s);
    commit();
  }

  const bool trace_ = std::getenv("LOGTALLY_MODEL_TRACE") != nullptr;
  const Sequence& sequence_;
  const std::string directory_;
  std::chrono::nanoseconds now_ = 1h;
  std::string wrong_;

  OwnedFd writer_;
  std::vector<Content> contents_;
  int written_ = 0;            // the content that the writer has open
  std::optional<int> active_;  // that `a` has; nothing: there is none
  bool copied_ = false;        // and not cut yet
  std::vector<File> old_;      // oldest first
  int dates_ = 0;
  int next_line_ = 0;

  std::unique_ptr<Tail> tail_;
  std::map<std::uint32_t, StoredGeneration> stored_;
  std::vector<std::string> pending_;
  std::set<std::string> committed_;
  std::uint64_t pending_too_long_ = 0;
  std::uint64_t too_long_ = 0;  // committed
  std::map<int, int> last_;
  std::string said_lost_;
  std::string lost_;  // as it was counted
  int read_ = 0;
  bool started_ = false;
  std::uint64_t deleted_ = 0;  // rotated files
};

void clear(const std::string& directory) {
  DIR* const dir = ::opendir(directory.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] != '.') ::unlinkat(::dirfd(dir), entry->d_name, 0);
  }
  ::closedir(dir);
}

}  // namespace

Sequence random_sequence(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  // How often each kind comes; some are left out altogether, so that the others meet more often.
  constexpr unsigned kWeights[kStepKinds] = {10, 2, 6, 6, 3, 3, 1, 1, 2, 4, 4, 6, 4, 5, 3, 4, 1};
  std::vector<StepKind> bag;
  for (int kind = 0; kind < kStepKinds; ++kind) {
    const bool left_out = kind >= static_cast<int>(StepKind::copy) &&
                          kind <= static_cast<int>(StepKind::compressed) && below(3) == 0;
    if (!left_out) bag.insert(bag.end(), kWeights[kind], static_cast<StepKind>(kind));
  }
  Sequence sequence{.in_glob = below(4) == 0,
                    .dated = below(4) == 0,
                    .few_files = below(5) == 0,
                    .births = below(5) != 0,
                    .long_lines = below(32) == 0,
                    .steps = {}};
  const unsigned length = 4 + below(22);
  for (unsigned i = 0; i < length; ++i)
    sequence.steps.push_back({.kind = bag[below(static_cast<unsigned>(bag.size()))],
                              .number = static_cast<std::uint8_t>(below(8))});
  return sequence;
}

std::string to_text(const Sequence& sequence) {
  std::string text;
  for (const auto& [set, name] :
       {std::pair{sequence.in_glob, "in_glob "}, std::pair{sequence.dated, "dated "},
        std::pair{sequence.few_files, "few_files "}, std::pair{!sequence.births, "no_births "},
        std::pair{sequence.long_lines, "long_lines "}}) {
    if (set) text += name;
  }
  text += ':';
  for (const Step& step : sequence.steps)
    text += std::string(" ") + kNames[static_cast<int>(step.kind)] + '(' +
            std::to_string(step.number) + ')';
  return text;
}

std::string play(const Sequence& sequence, const std::string& directory) {
  std::string wrong = Play(sequence, directory).run();
  clear(directory);
  return wrong;
}

Sequence shrink(Sequence sequence, const std::string& directory) {
  const auto fails = [&](const Sequence& part) { return !play(part, directory).empty(); };
  for (std::size_t piece = sequence.steps.size(); piece > 0;) {
    bool less = false;
    for (std::size_t at = 0; at + piece <= sequence.steps.size();) {
      Sequence part = sequence;
      const auto begin = part.steps.begin() + static_cast<std::ptrdiff_t>(at);
      part.steps.erase(begin, begin + static_cast<std::ptrdiff_t>(piece));
      if (fails(part)) {
        sequence = std::move(part);
        less = true;
      } else {
        at += piece;
      }
    }
    if (!less || piece > sequence.steps.size()) piece = std::min(piece / 2, sequence.steps.size());
  }
  for (bool Sequence::*flag :
       {&Sequence::in_glob, &Sequence::dated, &Sequence::few_files, &Sequence::long_lines}) {
    Sequence part = sequence;
    part.*flag = false;
    if (sequence.*flag && fails(part)) sequence = std::move(part);
  }
  for (Step& step : sequence.steps) {
    const std::uint8_t before = std::exchange(step.number, std::uint8_t{0});
    if (!fails(sequence)) step.number = before;
  }
  return sequence;
}

}  // namespace logtally::pipeline::testing
