// Everything that could happen next, and a seed that picks what does: concurrency without threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/clock.h"
#include "longbow/base/executor.h"
#include "longbow/base/random.h"

namespace longbow::simulation {

// Virtual time: moves when the schedule steps, or when a test moves it. Confined.
class SimulatedClock : public Clock {
 public:
  int64_t MonotonicNanos() const override { return now_ns_; }
  int64_t WallMicros() const override { return wall_offset_us_ + now_ns_ / 1000; }
  void Advance(int64_t ns) { now_ns_ += ns; }
  void JumpWall(int64_t us) { wall_offset_us_ += us; }

 private:
  int64_t now_ns_ = 1'000'000'000;
  int64_t wall_offset_us_ = 1'600'000'000'000'000;
};

// Who an event belongs to: an executor or the disk.
using Source = int;
inline constexpr Source kAnySource = -1;

// Runs one event at a time. Which of the runnable ones comes next, and how much time passes, is drawn from
// the seed; so is everything else that asks random(). All that happens goes into log_hash(): two runs of one
// seed that differ in it have found something that neither the seed nor the code decides. Confined to one
// thread; events may run others (RunUntil) before they end.
class Schedule {
 public:
  explicit Schedule(uint64_t seed);

  Source NewSource() { return next_source_++; }
  void Add(Source source, Task task);
  void AddAfter(Source source, int64_t delay_ns, Task task);

  // Runs one event of `source`. With none runnable, and only for kAnySource, time jumps to the next timer.
  // False when there is nothing to run.
  bool Step(Source source = kAnySource);
  // False when nothing is left to run, or after kStepLimit steps, and done() is still false.
  bool RunUntil(const std::function<bool()>& done);
  // Until nothing is runnable: timers that are not due stay. Returns the number of events run.
  int64_t RunUntilIdle();
  // All that is due within the next `ns` of virtual time.
  void RunFor(int64_t ns);
  // As RunUntil, but events of `first` go first. For code that blocks its thread; stops the program with the
  // seed in the message when done() cannot come true.
  void Block(Source first, const std::function<bool()>& done);
  // Drops everything that has not run; nothing can be waited for afterwards.
  void Abandon();

  SimulatedClock& clock() { return clock_; }
  uint64_t seed() const { return seed_; }
  // Below n; n > 0.
  uint64_t Below(uint64_t n) { return random_->Next() % n; }
  bool Chance(double probability) {
    return static_cast<double>(random_->Next() >> 11) * 0x1p-53 < probability;
  }

  void Note(std::string_view what, std::initializer_list<uint64_t> numbers);
  void NoteBytes(std::span<const uint8_t> bytes);
  uint64_t log_hash() const { return log_hash_; }

 private:
  static constexpr int64_t kStepLimit = 20'000'000;
  static constexpr uint64_t kMaxStepNanos = 20'000;

  struct Event {
    uint64_t number;
    Source source;
    Task task;
  };
  struct Timer {
    int64_t due;
    Event event;
  };
  static bool Later(const Timer& a, const Timer& b);
  void QueueDueTimers();
  void Run(size_t index);

  const uint64_t seed_;
  const std::unique_ptr<Random> random_;
  SimulatedClock clock_;
  std::vector<Event> runnable_;
  std::vector<Timer> timers_;  // heap, earliest first
  uint64_t next_event_ = 1;
  Source next_source_ = 0;
  bool abandoned_ = false;
  uint64_t log_hash_ = 0xCBF29CE484222325;
};

// Its tasks start in any order, as those of a pool of many threads do. Confined.
class SimulatedExecutor : public Executor {
 public:
  explicit SimulatedExecutor(Schedule* schedule, int64_t queue_limit = 4096)
      : schedule_(schedule), source_(schedule->NewSource()), queue_limit_(queue_limit) {}

  void Post(Task task) override;
  bool TryPost(Task task) override;
  void PostAfter(int64_t delay_ns, Task task) override;
  int64_t waiting() const override { return waiting_; }
  void WaitUntil(const std::function<bool()>& done) override { schedule_->Block(source_, done); }

 private:
  Schedule* const schedule_;
  const Source source_;
  const int64_t queue_limit_;
  int64_t waiting_ = 0;
};

}  // namespace longbow::simulation
