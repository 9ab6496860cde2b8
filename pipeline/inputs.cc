#include "pipeline/inputs.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

namespace logtally::pipeline {

Result<std::unique_ptr<Inputs>> Inputs::open(std::vector<TargetSpec> targets,
                                             std::optional<StdinSpec> standard_input,
                                             TailOptions options) {
  std::unique_ptr<Inputs> inputs(new Inputs);
  inputs->stdin_generation_ = options.first_generation++;
  for (const TargetSpec& target : targets) inputs->target_names_.push_back(target.name);
  inputs->stdin_target_ = static_cast<std::uint32_t>(targets.size());
  if (standard_input && standard_input->spool) {
    inputs->target_names_.push_back(standard_input->name);
    SpoolOptions spool = *std::move(standard_input->spool);
    spool.input = standard_input->fd;
    spool.tee_fd = standard_input->tee_fd;
    spool.last_number = last_segment(options.stored);
    auto opened = Spool::open(std::move(spool));
    if (!opened) return opened.error();
    inputs->spool_ = *std::move(opened);
    inputs->spooled_ =
        std::make_unique<SpoolSource>(*inputs->spool_, standard_input->name, inputs->stdin_target_,
                                      options.line_bytes, options.clock, options.stored);
    inputs->appender_ = std::make_unique<SpoolThread>(*inputs->spool_);
  } else if (standard_input) {
    inputs->target_names_.push_back(standard_input->name);
    inputs->stdin_ = std::make_unique<StdinSource>(
        *std::move(standard_input), static_cast<std::uint32_t>(targets.size()),
        inputs->stdin_generation_, options.line_bytes, options.clock);
  }
  std::erase_if(options.stored,
                [](const StoredGeneration& one) { return is_of_spool(one.number); });
  if (!targets.empty()) {
    auto tail = Tail::open(std::move(targets), std::move(options));
    if (!tail) return tail.error();
    inputs->tail_ = *std::move(tail);
  }
  return inputs;
}

std::optional<Chunk> Inputs::read() {
  stdin_first_ = !stdin_first_;
  for (const bool from_stdin : {stdin_first_, !stdin_first_}) {
    std::optional<Chunk> chunk;
    if (from_stdin) {
      if (stdin_ != nullptr) chunk = stdin_->read();
      if (spooled_ != nullptr) chunk = spooled_->read();
    } else {
      if (tail_ != nullptr) chunk = tail_->read();
    }
    if (chunk) return chunk;
  }
  return std::nullopt;
}

bool Inputs::wait(std::chrono::milliseconds timeout, int wake_fd) {
  std::chrono::nanoseconds sleep = timeout;
  const bool read_stdin = stdin_ != nullptr && !stdin_->finished();
  if (read_stdin && stdin_->always_ready()) return true;
  if (tail_ != nullptr && !tail_->finished()) sleep = std::min(sleep, tail_->next_look());

  // poll() leaves out descriptors below 0.
  std::array<pollfd, 4> fds = {
      pollfd{.fd = wake_fd, .events = POLLIN, .revents = 0},
      pollfd{.fd = read_stdin ? stdin_->fd() : -1, .events = POLLIN, .revents = 0},
      pollfd{.fd = tail_ != nullptr ? tail_->event_fd() : -1, .events = POLLIN, .revents = 0},
      pollfd{.fd = spool_ != nullptr && !spooled_->finished() ? spool_->event_fd() : -1,
             .events = POLLIN,
             .revents = 0}};
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(sleep).count();
  ::poll(fds.data(), fds.size(),
         static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, 1'000'000)));
  if (fds[1].revents != 0 || fds[2].revents != 0 || fds[3].revents != 0) return true;
  return tail_ != nullptr && !tail_->finished() &&
         tail_->next_look() == std::chrono::nanoseconds(0);
}

bool Inputs::finished() const {
  return (tail_ == nullptr || tail_->finished()) && (stdin_ == nullptr || stdin_->finished()) &&
         (spooled_ == nullptr || spooled_->finished());
}

std::string_view Inputs::path(std::uint32_t generation) const {
  if ((stdin_ != nullptr && generation == stdin_generation_) || is_of_spool(generation)) return "-";
  return tail_ != nullptr ? tail_->path(generation) : std::string_view();
}

std::uint32_t Inputs::predecessor(std::uint32_t generation) const {
  if (spooled_ != nullptr && is_of_spool(generation)) return spooled_->predecessor(generation);
  return tail_ != nullptr ? tail_->predecessor(generation) : kNoGeneration;
}

std::vector<StoredGeneration> Inputs::take_changed() {
  auto changed = tail_ != nullptr ? tail_->take_changed() : std::vector<StoredGeneration>();
  if (spooled_ != nullptr) {
    for (StoredGeneration& one : spooled_->take_changed()) changed.push_back(std::move(one));
  }
  return changed;
}

void Inputs::shipped(std::uint32_t generation, std::uint64_t position) {
  if (tail_ != nullptr) tail_->shipped(generation, position);
}

void Inputs::store_again(std::uint32_t generation) {
  if (spooled_ != nullptr && is_of_spool(generation)) return spooled_->store_again(generation);
  if (tail_ != nullptr) tail_->store_again(generation);
}

std::vector<std::uint32_t> Inputs::take_forgotten() {
  auto forgotten = tail_ != nullptr ? tail_->take_forgotten() : std::vector<std::uint32_t>();
  if (spooled_ != nullptr) {
    const auto more = spooled_->take_forgotten();
    forgotten.insert(forgotten.end(), more.begin(), more.end());
  }
  return forgotten;
}

void Inputs::committed() {
  if (spooled_ != nullptr) spooled_->committed();
}

std::uint64_t Inputs::spool_bytes() const { return spool_ != nullptr ? spool_->bytes() : 0; }

std::uint64_t Inputs::spool_dropped_bytes() const {
  return spool_ != nullptr ? spool_->dropped_bytes() : 0;
}

std::uint32_t Inputs::next_generation() const {
  return tail_ != nullptr ? tail_->next_generation() : stdin_generation_ + 1;
}

std::optional<std::uint32_t> Inputs::target_of_file(std::uint32_t generation) const {
  if (is_of_spool(generation)) {
    if (spooled_ == nullptr || !spooled_->knows(generation)) return std::nullopt;
    return stdin_target_;
  }
  return tail_ != nullptr ? tail_->target(generation) : std::nullopt;
}

void Inputs::forget(std::uint32_t generation) {
  if (tail_ != nullptr) tail_->forget(generation);
}

Rotations Inputs::rotations(std::uint32_t target) const {
  if (tail_ == nullptr || target >= tail_->rotations().size()) return {};
  return tail_->rotations()[target];
}

const std::vector<std::string>& Inputs::missing() const {
  static const std::vector<std::string> none;
  return tail_ != nullptr ? tail_->missing() : none;
}

std::uint64_t Inputs::tee_lost_bytes() const {
  return stdin_ != nullptr ? stdin_->tee_lost_bytes() : 0;
}

std::vector<std::string> Inputs::take_messages() {
  std::vector<std::string> messages;
  if (tail_ != nullptr) messages = tail_->take_messages();
  if (spooled_ != nullptr) {
    for (std::string& message : spooled_->take_messages()) messages.push_back(std::move(message));
  }
  if (stdin_ != nullptr) {
    for (std::string& message : stdin_->take_messages()) messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace logtally::pipeline
