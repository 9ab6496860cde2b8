#include "rules/timers.h"

#include <algorithm>
#include <tuple>

namespace logtally::rules {
namespace {

// A due time below counts from kNoEventTime: the event time of arming was not known. No event time
// is so long ago, and no `for` so long.
constexpr std::int64_t kLeastDue = kNoEventTime / 2;
constexpr std::int64_t kLongestFor = kLeastDue - kNoEventTime - 1;

bool earlier(const Timer& a, const Timer& b) {
  return std::tie(a.due_ns, a.order) < std::tie(b.due_ns, b.order);
}

}  // namespace

std::optional<metrics::Decimal> Timers::arm(metrics::Series* series, std::int64_t now_ns,
                                            std::int64_t for_ns,
                                            std::optional<metrics::Decimal> then,
                                            std::optional<metrics::Decimal> before) {
  see(now_ns);
  Timer timer{.series = series,
              .due_ns = add_clamped(now_ns_, std::clamp(for_ns, std::int64_t{0}, kLongestFor)),
              .value = then ? then : before,
              .order = next_order_++};
  if (const auto running = places_.find(series); running != places_.end()) {
    if (!then) timer.value = heap_[running->second].value;
    remove_at(running->second);
  }
  add(timer);
  return timer.value;
}

bool Timers::restore(const Timer& timer) {
  if (timer.order < next_order_ || timer.order == std::numeric_limits<std::uint64_t>::max())
    return false;
  if (places_.contains(timer.series)) return false;
  next_order_ = timer.order + 1;
  clean_ = next_order_;
  add(timer);
  return true;
}

void Timers::clear_changed() {
  removed_.clear();
  clean_ = next_order_;
}

void Timers::begin(std::int64_t now_ns) {
  for (Timer timer : by_order()) {
    if (timer.due_ns >= kLeastDue) continue;
    remove(timer.series);
    timer.due_ns = add_clamped(now_ns, timer.due_ns - kNoEventTime);
    timer.order = next_order_++;
    add(timer);
  }
}

bool Timers::remove(metrics::Series* series) {
  const auto found = places_.find(series);
  if (found == places_.end()) return false;
  remove_at(found->second);
  return true;
}

void Timers::remove_at(std::size_t place) {
  if (heap_[place].order < clean_) removed_.push_back(heap_[place].series);
  places_.erase(heap_[place].series);
  const Timer last = heap_.back();
  heap_.pop_back();
  if (place == heap_.size()) return;
  put(place, last);
  sift_up(place);
  sift_down(places_.at(last.series));
}

Timer Timers::pop() {
  const Timer first = heap_.front();
  remove_at(0);
  return first;
}

void Timers::add(const Timer& timer) {
  heap_.push_back(timer);
  places_[timer.series] = heap_.size() - 1;
  sift_up(heap_.size() - 1);
}

void Timers::put(std::size_t place, const Timer& timer) {
  heap_[place] = timer;
  places_[timer.series] = place;
}

void Timers::sift_up(std::size_t place) {
  const Timer timer = heap_[place];
  while (place > 0 && earlier(timer, heap_[(place - 1) / 2])) {
    put(place, heap_[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
  put(place, timer);
}

void Timers::sift_down(std::size_t place) {
  const Timer timer = heap_[place];
  for (std::size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
    if (child + 1 < heap_.size() && earlier(heap_[child + 1], heap_[child])) ++child;
    if (!earlier(heap_[child], timer)) break;
    put(place, heap_[child]);
    place = child;
  }
  put(place, timer);
}

std::vector<Timer> Timers::by_order() const {
  std::vector<Timer> timers = heap_;
  std::sort(timers.begin(), timers.end(),
            [](const Timer& a, const Timer& b) { return a.order < b.order; });
  return timers;
}

}  // namespace logtally::rules
