#include "simulation/schedule.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace longbow::simulation {

Schedule::Schedule(uint64_t seed) : seed_(seed), random_(MakeSeededRandom(seed)) {}

void Schedule::Add(Source source, Task task) {
  runnable_.push_back({next_event_++, source, std::move(task)});
}

void Schedule::AddAfter(Source source, int64_t delay_ns, Task task) {
  const int64_t due = clock_.MonotonicNanos() + std::max<int64_t>(delay_ns, 0);
  timers_.push_back({due, {next_event_++, source, std::move(task)}});
  std::push_heap(timers_.begin(), timers_.end(), Later);
}

bool Schedule::Step(Source source) {
  clock_.Advance(static_cast<int64_t>(Below(kMaxStepNanos)));
  QueueDueTimers();
  if (source == kAnySource) {
    if (runnable_.empty() && !timers_.empty()) {
      clock_.Advance(timers_.front().due - clock_.MonotonicNanos());
      QueueDueTimers();
    }
    if (runnable_.empty()) return false;
    Run(Below(runnable_.size()));
    return true;
  }
  std::vector<size_t> candidates;
  for (size_t i = 0; i < runnable_.size(); ++i) {
    if (runnable_[i].source == source) candidates.push_back(i);
  }
  if (candidates.empty()) return false;
  Run(candidates[Below(candidates.size())]);
  return true;
}

bool Schedule::RunUntil(const std::function<bool()>& done) {
  for (int64_t steps = 0; !done(); ++steps) {
    if (steps >= kStepLimit || !Step()) return false;
  }
  return true;
}

int64_t Schedule::RunUntilIdle() {
  int64_t events = 0;
  for (; !runnable_.empty() && events < kStepLimit; ++events) Step();
  return events;
}

void Schedule::RunFor(int64_t ns) {
  const int64_t end = clock_.MonotonicNanos() + ns;
  while (clock_.MonotonicNanos() < end &&
         (!runnable_.empty() || (!timers_.empty() && timers_.front().due <= end))) {
    Step();
  }
  clock_.Advance(std::max<int64_t>(end - clock_.MonotonicNanos(), 0));
}

void Schedule::Block(Source first, const std::function<bool()>& done) {
  for (int64_t steps = 0; !abandoned_ && !done(); ++steps) {
    if (steps < kStepLimit && (Step(first) || Step())) continue;
    std::fprintf(stderr, "simulation: code waits for something that cannot happen (seed %" PRIu64 ")\n",
                 seed_);
    std::abort();
  }
}

void Schedule::Abandon() {
  abandoned_ = true;
  while (!runnable_.empty() || !timers_.empty()) {  // tasks may post while they go
    const auto runnable = std::exchange(runnable_, {});
    const auto timers = std::exchange(timers_, {});
  }
}

void Schedule::Note(std::string_view what, std::initializer_list<uint64_t> numbers) {
  NoteBytes({reinterpret_cast<const uint8_t*>(what.data()), what.size()});
  for (uint64_t number : numbers) NoteBytes({reinterpret_cast<const uint8_t*>(&number), sizeof(number)});
}

void Schedule::NoteBytes(std::span<const uint8_t> bytes) {
  for (uint8_t byte : bytes) log_hash_ = (log_hash_ ^ byte) * 0x100000001B3;  // FNV-1a
}

bool Schedule::Later(const Timer& a, const Timer& b) {
  return a.due != b.due ? a.due > b.due : a.event.number > b.event.number;
}

void Schedule::QueueDueTimers() {
  while (!timers_.empty() && timers_.front().due <= clock_.MonotonicNanos()) {
    std::pop_heap(timers_.begin(), timers_.end(), Later);
    runnable_.push_back(std::move(timers_.back().event));
    timers_.pop_back();
  }
}

void Schedule::Run(size_t index) {
  std::swap(runnable_[index], runnable_.back());
  const Event event = std::move(runnable_.back());
  runnable_.pop_back();
  Note("event",
       {event.number, static_cast<uint64_t>(event.source), static_cast<uint64_t>(clock_.MonotonicNanos())});
  RunTask(event.task);
}

void SimulatedExecutor::Post(Task task) {
  ++waiting_;
  schedule_->Add(source_, [this, task = std::move(task)] {
    --waiting_;
    task();
  });
}

bool SimulatedExecutor::TryPost(Task task) {
  if (waiting_ >= queue_limit_) return false;
  Post(std::move(task));
  return true;
}

void SimulatedExecutor::PostAfter(int64_t delay_ns, Task task) {
  schedule_->AddAfter(source_, delay_ns, std::move(task));
}

}  // namespace longbow::simulation
