// Notices tasks that do not end: a deadlock, or a call that hangs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "longbow/base/executor.h"
#include "longbow/base/status.h"

namespace longbow {

// Guarded.
class Watchdog {
 public:
  struct Pool {
    std::string name;
    const Executor* pool = nullptr;  // outlives the watchdog
    int64_t limit_ns = 0;            // no task of it takes longer
  };
  // Looks every `period_ns`. `report` is told, on the watchdog's thread, once when a task exceeds its limit.
  Watchdog(std::vector<Pool> pools, int64_t period_ns, std::function<void(const std::string& what)> report);
  ~Watchdog();

  // OK, or Unavailable that names the pool whose task does not end. OK again when it has ended.
  Status health() const;

 private:
  void Watch();
  Status Look() const;

  const std::vector<Pool> pools_;
  const int64_t period_ns_;
  const std::function<void(const std::string&)> report_;
  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by mutex_
  Status health_;          // guarded by mutex_
  std::thread thread_;
};

}  // namespace longbow
