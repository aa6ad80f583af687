// Where work runs. The real one is a pool of threads; the simulated one runs everything in one thread, in an
// order that a seed decides.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "longbow/base/counters.h"
#include "longbow/base/status.h"

namespace longbow {

using Task = std::function<void()>;

// Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `task` once, later, on some thread. Unbounded: for work whose number is bounded elsewhere (a strand
  // has one task under way, an append holds a reservation).
  virtual void Post(Task task) = 0;
  // The same when fewer than the executor's limit are waiting; false when full, and the caller says so to its
  // client.
  virtual bool TryPost(Task task) = 0;
  // Runs `task` not before `delay_ns` from now.
  virtual void PostAfter(int64_t delay_ns, Task task) = 0;
  // Tasks posted and not yet started; timers that are not due do not count.
  virtual int64_t waiting() const = 0;
  // For how long the task that has been running longest has; 0 when none runs.
  virtual int64_t longest_running_nanos() const { return 0; }
  // Blocks until done() is true. It is asked again after each task that this executor ran, so what it looks
  // at is changed by such tasks, under a lock that done() takes or as a sequentially consistent atomic. The
  // simulated executor runs its tasks meanwhile: whoever waits for posted work waits here and nowhere else.
  // Not from inside a task that the awaited ones may need the thread of.
  virtual void WaitUntil(const std::function<bool()>& done) = 0;
};

// Runs a task the way every executor does: an exception out of it is caught, counted in TaskFailures() and
// said on stderr, and the thread goes on. A task whose failure matters (a request, an apply) catches its own.
void RunTask(const Task& task);
// Inside a catch block: what was thrown, in words.
std::string CurrentFailure();
const Counter& TaskFailures();  // of the process

struct ThreadPoolOptions {
  std::string name = "pool";  // thread name, at most 15 characters
  int threads = 1;
  int64_t queue_limit = 4096;  // TryPost refuses beyond
  int nice = 0;                // how far the threads step back for others, up to 19, as in nice(2)
};
// Its destructor runs what was posted, drops timers that are not due, and joins.
std::unique_ptr<Executor> MakeThreadPool(ThreadPoolOptions options);

// Tasks of a strand run one after another in the order posted, on whichever thread the executor gives.
// Thread-safe. A strand in a shared_ptr lives as long as it has tasks; any other has to outlive the executor.
// After kTasksPerTurn tasks it queues up again behind the executor's other work.
class Strand : public std::enable_shared_from_this<Strand> {
 public:
  explicit Strand(Executor* executor) : executor_(executor) {}
  void Post(Task task);
  int64_t waiting() const;  // posted and not yet started

 private:
  static constexpr int kTasksPerTurn = 64;
  void QueueTurn();
  void RunTurn();

  Executor* const executor_;
  mutable std::mutex mutex_;
  std::deque<Task> tasks_;  // guarded by mutex_
  bool running_ = false;    // guarded by mutex_
};

}  // namespace longbow
