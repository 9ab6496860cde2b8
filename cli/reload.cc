#include "cli/reload.h"

#include <algorithm>
#include <utility>

namespace logtally::cli {
namespace {

const ReloadOutcome kStopping{.successful = false, .text = "logtally is about to end\n"};

}  // namespace

Reload::Reload(Calls calls, std::uint64_t loaded) : calls_(std::move(calls)), loaded_(loaded) {}

void Reload::ask(Answer answer) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      waiting_.push_back(std::move(answer));
      return;
    }
  }
  answer(kStopping);
}

void Reload::files_changed(Time now) {
  const std::lock_guard lock(mutex_);
  if (!changed_first_) changed_first_ = now;
  changed_last_ = now;
}

std::optional<Reload::Time> Reload::next_in(Time now) const {
  const std::lock_guard lock(mutex_);
  if (stopped_) return std::nullopt;
  if (!waiting_.empty()) return Time{0};
  if (!changed_first_) return std::nullopt;
  const Time due = std::min<Time>(changed_last_ + calls_.quiet, *changed_first_ + calls_.patience);
  return std::max<Time>(due - now, Time{0});
}

void Reload::work(Time now) {
  const std::optional<Time> wait = next_in(now);
  if (!wait || *wait > Time{0}) return;
  std::vector<Answer> answers;
  {
    const std::lock_guard lock(mutex_);
    answers.swap(waiting_);
    changed_first_.reset();
  }
  // Before the load: what changes while it reads is another change.
  const std::uint64_t fingerprint = calls_.fingerprint();
  if (answers.empty() && fingerprint == loaded_) return;
  loaded_ = fingerprint;

  ReloadOutcome outcome = calls_.load();
  calls_.at(outcome);
  outcome.repeated = !outcome.successful && outcome.text == failure_;
  if (!outcome.repeated || !answers.empty()) calls_.tell(outcome);
  failure_ = outcome.successful ? std::string() : outcome.text;
  for (const Answer& answer : answers) answer(outcome);
}

void Reload::stop() {
  std::vector<Answer> answers;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    answers.swap(waiting_);
  }
  for (const Answer& answer : answers) answer(kStopping);
}

}  // namespace logtally::cli
