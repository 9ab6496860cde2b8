// Where the hazards of tailing are played: real files, time turned by hand, a reader that commits
// and that can be killed. Whatever it had read since its last commit is forgotten then, and the
// next one begins with what was committed: bytes of StoredGeneration and lines.
#pragma once

#include <sys/wait.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/generation.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline::testing {

// What the reader does while something happens to its files.
enum class Moment : std::uint8_t {
  alive,          // looks after every step, and commits
  stopped,        // does not look before all has happened (SIGSTOP)
  killed_before,  // is killed before, started behind
  killed_after,   // looks after every step, is killed without a commit, started again
};

class Stage {
 public:
  Stage(Watching watching, Moment when) : moment(when) { options.watching = watching; }

  void start() {
    TailOptions opening = options;
    opening.clock = time.clock();
    for (const auto& [number, bytes] : stored_) {
      auto generation = generation_from_bytes(bytes);
      REQUIRE(generation.has_value());
      if (at_restart) at_restart(*generation);
      opening.stored.push_back(*std::move(generation));
    }
    if (started_) opening.earlier_targets = {"t"};
    started_ = true;
    auto opened = Inputs::open({{.name = "t", .paths = paths, .exclude = exclude, .from = from}},
                               std::nullopt, std::move(opening));
    REQUIRE(opened.has_value());
    inputs_ = *std::move(opened);
  }
  // Everything that can be read now, a poll interval later.
  void look() {
    time.now += std::chrono::milliseconds(300);
    int idle = 0;
    while (idle < 2) {  // once more: an event may have come meanwhile
      const auto chunk = inputs_->read();
      idle = chunk ? 0 : idle + 1;
      if (!chunk) continue;
      std::string_view bytes = chunk->bytes;
      while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        REQUIRE(newline != std::string_view::npos);
        pending_.emplace_back(bytes.substr(0, newline));
        bytes.remove_prefix(newline + 1);
      }
      too_long_ += chunk->too_long_lines;
    }
    for (std::string& message : inputs_->take_messages()) messages.push_back(std::move(message));
  }
  void commit() {
    for (const StoredGeneration& generation : inputs_->take_changed())
      stored_[generation.number] = to_bytes(generation);
    lines.insert(lines.end(), pending_.begin(), pending_.end());
    pending_.clear();
    too_long += too_long_;
    too_long_ = 0;
  }
  void kill() {
    add_up();
    inputs_.reset();
    pending_.clear();
    too_long_ = 0;
  }
  void pass(std::chrono::nanoseconds pause) {
    time.now += pause;
    look();
  }
  Rotations counted() {
    add_up();
    return counted_;
  }
  std::size_t stored() const { return stored_.size(); }
  Inputs& inputs() { return *inputs_; }
  Writer& writer(const std::string& name) {
    std::unique_ptr<Writer>& kept = writers_[name];
    if (kept == nullptr) kept = std::make_unique<Writer>(dir / name);
    return *kept;
  }
  void reopen(const std::string& name) { writers_.erase(name); }
  void rename(const std::string& from_name, const std::string& to_name) {
    REQUIRE(::rename((dir / from_name).c_str(), (dir / to_name).c_str()) == 0);
  }
  void remove(const std::string& name) { REQUIRE(::unlink((dir / name).c_str()) == 0); }
  void copy(const std::string& from_name, const std::string& to_name) {
    std::filesystem::copy_file(dir / from_name, dir / to_name);
  }
  void run(const std::string& command) {
    REQUIRE(::system(("cd '" + (dir / "") + "' && " + command).c_str()) == 0);
  }

  const ScratchDir dir;
  Time time;
  TailOptions options;
  std::vector<std::string> paths;
  std::vector<std::string> exclude;
  From from = From::beginning;
  std::function<void(StoredGeneration&)> at_restart;  // what a reboot does to what was remembered
  const Moment moment;

  std::vector<std::string> lines;  // committed
  std::uint64_t too_long = 0;
  std::vector<std::string> messages;

 private:
  void add_up() {
    if (inputs_ == nullptr) return;
    const Rotations now = inputs_->rotations(0);
    counted_.renamed += now.renamed;
    counted_.truncated += now.truncated;
    counted_.deleted += now.deleted;
    counted_.copied += now.copied;
    counted_.missed += now.missed;
    counted_.lost_truncated_bytes += now.lost_truncated_bytes;
    counted_.lost_deleted_bytes += now.lost_deleted_bytes;
    counted_.lost_tail_bytes += now.lost_tail_bytes;
    counted_.lost_generations += now.lost_generations;
    counted_.unterminated_lines += now.unterminated_lines;
    counted_.nul_bytes += now.nul_bytes;
  }

  std::unique_ptr<Inputs> inputs_;
  std::map<std::string, std::unique_ptr<Writer>> writers_;
  std::map<std::uint32_t, std::string> stored_;
  std::vector<std::string> pending_;
  std::uint64_t too_long_ = 0;
  Rotations counted_;
  bool started_ = false;
};

}  // namespace logtally::pipeline::testing
