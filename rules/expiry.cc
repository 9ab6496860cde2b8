#include "rules/expiry.h"

namespace logtally::rules {
namespace {

constexpr auto later = [](const auto& a, const auto& b) { return a.due_ns > b.due_ns; };

}  // namespace

void Expiry::enter(metrics::Series& series, std::int64_t ttl_ns) {
  series.ages = true;
  queue_.push_back({.due_ns = due_ns(series, ttl_ns), .ttl_ns = ttl_ns, .series = &series});
  std::push_heap(queue_.begin(), queue_.end(), later);
}

void Expiry::leave() {
  queue_.front().series->ages = false;
  std::pop_heap(queue_.begin(), queue_.end(), later);
  queue_.pop_back();
}

bool Expiry::settle() {
  const std::int64_t due = due_ns(*queue_.front().series, queue_.front().ttl_ns);
  if (due <= queue_.front().due_ns) return false;
  std::pop_heap(queue_.begin(), queue_.end(), later);
  queue_.back().due_ns = due;
  std::push_heap(queue_.begin(), queue_.end(), later);
  return true;
}

}  // namespace logtally::rules
