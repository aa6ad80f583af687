#include "longbow/base/watchdog.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace longbow {

Watchdog::Watchdog(std::vector<Pool> pools, int64_t period_ns, std::function<void(const std::string&)> report)
    : pools_(std::move(pools)),
      period_ns_(period_ns),
      report_(std::move(report)),
      thread_([this] { Watch(); }) {
  pthread_setname_np(thread_.native_handle(), "watchdog");
}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

Status Watchdog::health() const {
  std::lock_guard lock(mutex_);
  return health_;
}

void Watchdog::Watch() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, std::chrono::nanoseconds(period_ns_), [this] { return stopping_; })) {
    Status found = Look();
    const bool fresh = health_.ok() && !found.ok();
    health_ = std::move(found);
    if (!fresh) continue;
    const std::string what = health_.message();
    lock.unlock();
    report_(what);
    lock.lock();
  }
}

Status Watchdog::Look() const {
  for (const Pool& watched : pools_) {
    const int64_t nanos = watched.pool->longest_running_nanos();
    if (nanos <= watched.limit_ns) continue;
    return Error(ErrorCode::kUnavailable, "a task of the ", watched.name, " threads has been running for ",
                 nanos / 1'000'000, " ms, expected at most ", watched.limit_ns / 1'000'000,
                 " ms; the log has the threads' stacks; restart the server if it does not end");
  }
  return Status::OK();
}

}  // namespace longbow
