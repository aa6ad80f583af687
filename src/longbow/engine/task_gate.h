// Lets posted work reach an engine only while there is one.
#pragma once

#include <mutex>
#include <shared_mutex>
#include <utility>

namespace longbow::engine {

// Tasks that outlive the engine in an executor's queue hold the gate and go through Run. Guarded by its
// mutex.
class TaskGate {
 public:
  // Calls work() unless the gate is closed; Close waits for it.
  template <typename Work>
  void Run(Work&& work) {
    std::shared_lock lock(mutex_);
    if (!closed_) std::forward<Work>(work)();
  }
  void Close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
  }

 private:
  std::shared_mutex mutex_;
  bool closed_ = false;  // guarded by mutex_
};

}  // namespace longbow::engine
