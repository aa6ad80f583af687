#include "longbow/base/executor.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "longbow/base/check.h"
#include "longbow/base/clock.h"

namespace longbow {
namespace {

Counter& MutableTaskFailures() {
  static Counter* const failures = new Counter();
  return *failures;
}

void ReportTaskFailure(const std::string& what) {
  MutableTaskFailures().Add();
  std::fprintf(stderr, "longbow: a background task failed: %s\n", what.c_str());
}

// Threads serve one queue. Timers lie in a heap; one idle thread, the timekeeper, sleeps no longer than until
// the earliest of them, the others sleep until there is a task. Guarded.
class ThreadPool : public Executor {
 public:
  explicit ThreadPool(ThreadPoolOptions options) : options_(std::move(options)) {
    LB_CHECK_FATAL(options_.threads > 0);
    started_ = std::vector<std::atomic<int64_t>>(static_cast<size_t>(options_.threads));
    for (std::atomic<int64_t>& started : started_)
      threads_.emplace_back([this, &started] { Serve(&started); });
  }

  ~ThreadPool() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    time_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void Post(Task task) override {
    std::unique_lock lock(mutex_);
    Enqueue(std::move(task), lock);
  }

  bool TryPost(Task task) override {
    std::unique_lock lock(mutex_);
    if (static_cast<int64_t>(queue_.size()) >= options_.queue_limit) return false;
    Enqueue(std::move(task), lock);
    return true;
  }

  void PostAfter(int64_t delay_ns, Task task) override {
    const int64_t due = SystemClock()->MonotonicNanos() + std::max<int64_t>(delay_ns, 0);
    std::lock_guard lock(mutex_);
    timers_.push_back({due, next_timer_++, std::move(task)});
    std::push_heap(timers_.begin(), timers_.end(), Later);
    // A new earliest one: the timekeeper, or who can become it, has to look again.
    if (timers_.front().due == due) (has_timekeeper_ ? time_ : work_).notify_one();
  }

  int64_t waiting() const override {
    std::lock_guard lock(mutex_);
    return static_cast<int64_t>(queue_.size());
  }

  int64_t longest_running_nanos() const override {
    int64_t first = 0;
    for (const std::atomic<int64_t>& started : started_) {
      const int64_t at = started.load(std::memory_order_relaxed);
      if (at != 0 && (first == 0 || at < first)) first = at;
    }
    return first == 0 ? 0 : SystemClock()->MonotonicNanos() - first;
  }

  void WaitUntil(const std::function<bool()>& done) override {
    if (serving_ == this) return ServeUntil(done);
    // Counted before done() is asked: a task that ends afterwards sees the waiter and wakes it.
    waiters_.fetch_add(1);
    {
      std::unique_lock lock(waiters_mutex_);
      task_ended_.wait(lock, done);
    }
    waiters_.fetch_sub(1);
  }

 private:
  struct Timer {
    int64_t due;
    uint64_t number;  // timers due at the same time run in the order posted
    Task task;
  };
  static bool Later(const Timer& a, const Timer& b) {
    return a.due != b.due ? a.due > b.due : a.number > b.number;
  }

  void Enqueue(Task task, std::unique_lock<std::mutex>& lock) {
    queue_.push_back(std::move(task));
    std::condition_variable* const sleeper = Sleeper();
    lock.unlock();
    if (sleeper != nullptr) sleeper->notify_one();
  }

  // Where to wake a thread; null: all are awake. Rather one that keeps no time: somebody would have to be
  // woken to take its place. Under the lock.
  std::condition_variable* Sleeper() {
    if (idle_ > (has_timekeeper_ ? 1 : 0)) return &work_;
    return has_timekeeper_ ? &time_ : nullptr;
  }

  void Serve(std::atomic<int64_t>* started) {
    pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
    // Of this thread alone. Refused, the threads run as others do.
    if (options_.nice > 0) (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), options_.nice);
    serving_ = this;
    Task task;
    while (Take(&task)) {
      started->store(SystemClock()->MonotonicNanos(), std::memory_order_relaxed);
      RunTask(task);
      task = nullptr;  // what it holds is let go before waiters look
      started->store(0, std::memory_order_relaxed);
      if (waiters_.load() > 0) {
        std::lock_guard lock(waiters_mutex_);
        task_ended_.notify_all();
      }
    }
  }

  // For a task that waits for others of its own pool: nobody else may be there to run them. It comes to this
  // when a task lets go of the last reference to something that waits when it ends.
  void ServeUntil(const std::function<bool()>& done) {
    waiters_.fetch_add(1);
    std::unique_lock waiting(waiters_mutex_);
    while (!done()) {
      waiting.unlock();
      const bool ran = ServeOne();
      waiting.lock();
      if (!ran && !done()) task_ended_.wait_for(waiting, std::chrono::milliseconds(1));
    }
    waiters_.fetch_sub(1);
  }

  bool ServeOne() {
    Task task;
    {
      std::lock_guard lock(mutex_);
      QueueDueTimers();
      if (queue_.empty()) return false;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    RunTask(task);
    return true;
  }

  // Waits for a task; false once stopping and nothing is left.
  bool Take(Task* task) {
    std::unique_lock lock(mutex_);
    while (true) {
      QueueDueTimers();
      if (!queue_.empty()) break;
      if (stopping_) return false;
      Sleep(lock);
    }
    *task = std::move(queue_.front());
    queue_.pop_front();
    // Two who posted may have woken the same thread; and this one may have been the timekeeper.
    const bool wake = !queue_.empty() || (!timers_.empty() && !has_timekeeper_);
    std::condition_variable* const sleeper = wake ? Sleeper() : nullptr;
    lock.unlock();
    if (sleeper != nullptr) sleeper->notify_one();
    return true;
  }

  void Sleep(std::unique_lock<std::mutex>& lock) {
    ++idle_;
    if (timers_.empty() || has_timekeeper_) {
      work_.wait(lock);
    } else {
      has_timekeeper_ = true;
      const std::chrono::steady_clock::time_point due{std::chrono::nanoseconds(timers_.front().due)};
      time_.wait_until(lock, due);
      has_timekeeper_ = false;
    }
    --idle_;
  }

  void QueueDueTimers() {
    if (timers_.empty()) return;
    const int64_t now = SystemClock()->MonotonicNanos();
    int moved = 0;
    while (!timers_.empty() && timers_.front().due <= now) {
      std::pop_heap(timers_.begin(), timers_.end(), Later);
      queue_.push_back(std::move(timers_.back().task));
      timers_.pop_back();
      ++moved;
    }
    if (moved > 1 && idle_ > 0) work_.notify_all();  // more than this thread can take at once
  }

  static thread_local const ThreadPool* serving_;  // whose thread this is

  const ThreadPoolOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable work_, time_;  // the timekeeper sleeps on its own
  std::deque<Task> queue_;               // guarded by mutex_
  std::vector<Timer> timers_;            // guarded by mutex_; heap, earliest first
  uint64_t next_timer_ = 0;              // guarded by mutex_
  int idle_ = 0;                         // guarded by mutex_
  bool has_timekeeper_ = false;          // guarded by mutex_
  bool stopping_ = false;                // guarded by mutex_

  std::atomic<int> waiters_{0};
  std::mutex waiters_mutex_;  // held between a waiter's question and its sleep
  std::condition_variable task_ended_;

  std::vector<std::atomic<int64_t>> started_;  // when each thread's task began, 0 between tasks
  std::vector<std::thread> threads_;
};

thread_local const ThreadPool* ThreadPool::serving_ = nullptr;

}  // namespace

void RunTask(const Task& task) {
  try {
    task();
  } catch (...) {
    ReportTaskFailure(CurrentFailure());
  }
}

std::string CurrentFailure() {
  try {
    throw;
  } catch (const std::exception& failure) {
    return failure.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

const Counter& TaskFailures() { return MutableTaskFailures(); }

std::unique_ptr<Executor> MakeThreadPool(ThreadPoolOptions options) {
  return std::make_unique<ThreadPool>(std::move(options));
}

void Strand::Post(Task task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (running_) return;
    running_ = true;
  }
  QueueTurn();
}

int64_t Strand::waiting() const {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(tasks_.size());
}

void Strand::QueueTurn() {
  // Null for a strand that no shared_ptr owns.
  executor_->Post([this, self = weak_from_this().lock()] { RunTurn(); });
}

void Strand::RunTurn() {
  for (int i = 0; i < kTasksPerTurn; ++i) {
    Task task;
    {
      std::lock_guard lock(mutex_);
      if (tasks_.empty()) {
        running_ = false;
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    RunTask(task);
  }
  QueueTurn();
}

}  // namespace longbow
