#include "cli/kept_state.h"

#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <utility>

namespace logtally::cli {
namespace {

// Another one after each start of the machine.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

pipeline::OnCorrupt on_corrupt_of(config::OnCorrupt wanted) {
  switch (wanted) {
    case config::OnCorrupt::fail:
      return pipeline::OnCorrupt::fail;
    case config::OnCorrupt::beginning:
      return pipeline::OnCorrupt::beginning;
    case config::OnCorrupt::end:
      return pipeline::OnCorrupt::end;
  }
  return pipeline::OnCorrupt::fail;
}

}  // namespace

Result<std::optional<KeptState>> KeptState::open(const config::RunOptions& options,
                                                 const config::Environment& environment,
                                                 const std::vector<pipeline::TargetSpec>& targets,
                                                 std::string& note) {
  const auto directory = pipeline::choose_state_directory(
      options.state.dir, options.listen.port, [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? nullptr : found->second.c_str();
      });
  if (!directory) {
    if (options.state.dir != "none") {
      note =
          "no state is kept, a restart begins anew: neither STATE_DIRECTORY, XDG_STATE_HOME nor "
          "HOME is set; name a directory with --state-dir";
    }
    return std::optional<KeptState>();
  }
  pipeline::StateOptions wanted;
  wanted.directory = *directory;
  wanted.sync =
      options.state.sync == config::StateSync::full ? pipeline::Sync::full : pipeline::Sync::normal;
  wanted.on_corrupt = on_corrupt_of(options.state.on_corrupt);
  wanted.wall_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  wanted.boot_id = boot_id();
  auto opened = pipeline::StateStore::open(std::move(wanted));
  if (!opened) return opened.error();
  KeptState kept;
  kept.opened_ = *std::move(opened);
  std::vector<std::string> names;
  names.reserve(targets.size());
  for (const pipeline::TargetSpec& target : targets) names.push_back(target.name);
  kept.checkpoints_ = std::make_unique<pipeline::Checkpointer>(
      *kept.opened_.store, kept.opened_.image, std::move(names));
  return std::optional<KeptState>(std::move(kept));
}

void KeptState::prepare(std::vector<pipeline::TargetSpec>& targets, pipeline::TailOptions& tail) {
  tail.first_generation = opened_.image.next_generation;
  for (const pipeline::SavedGeneration& saved : opened_.image.generations)
    tail.stored.push_back(saved.file);
  tail.earlier_targets = opened_.image.targets;
  if (opened_.found != pipeline::StateStore::Found::beginning &&
      opened_.found != pipeline::StateStore::Found::end)
    return;
  for (pipeline::TargetSpec& target : targets) {
    target.from = opened_.found == pipeline::StateStore::Found::end ? pipeline::From::end
                                                                    : pipeline::From::beginning;
  }
}

void KeptState::spool(const config::RunOptions& options, pipeline::StdinSpec& input) const {
  struct stat status {};
  const bool stream =
      ::fstat(input.fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
  if (!stream) return;  // a file is kept already; what a terminal sends is typed
  input.spool = pipeline::SpoolOptions{.directory = directory(),
                                       .max_bytes = options.spool.max_bytes,
                                       .when_full = options.spool.blocks.value_or(options.once)
                                                        ? pipeline::WhenFull::block
                                                        : pipeline::WhenFull::drop_oldest,
                                       .source = pipeline::source_of(input.fd, boot_id())};
}

Result<std::vector<std::string>> KeptState::restore(pipeline::Worker& worker) {
  auto messages = worker.restore(opened_.image);
  const std::uint64_t groups = opened_.image.groups;
  opened_.image = {};  // it may be large
  opened_.image.groups = groups;
  return messages;
}

}  // namespace logtally::cli
