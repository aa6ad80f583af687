// For tests: an executor one of whose tasks fails when told so.
#pragma once

#include <atomic>
#include <functional>
#include <new>
#include <utility>

#include "longbow/base/executor.h"

namespace longbow {

// In front of another one, which outlives it. Thread-safe.
class FailingExecutor final : public Executor {
 public:
  explicit FailingExecutor(Executor* under) : under_(under) {}

  // The next task that posts another one fails there for want of memory.
  void FailNext() { armed_ = true; }
  bool failed() const { return failed_.load(); }

  void Post(Task task) override {
    MayFail();
    under_->Post(Marked(std::move(task)));
  }
  bool TryPost(Task task) override {
    MayFail();
    return under_->TryPost(Marked(std::move(task)));
  }
  void PostAfter(int64_t delay_ns, Task task) override {
    under_->PostAfter(delay_ns, Marked(std::move(task)));
  }
  int64_t waiting() const override { return under_->waiting(); }
  int64_t longest_running_nanos() const override { return under_->longest_running_nanos(); }
  void WaitUntil(const std::function<bool()>& done) override { under_->WaitUntil(done); }

 private:
  static inline thread_local bool inside_ = false;

  void MayFail() {
    if (!inside_ || !armed_.exchange(false)) return;
    failed_ = true;
    throw std::bad_alloc();
  }
  static Task Marked(Task task) {
    return [task = std::move(task)] {
      struct Inside {
        Inside() { inside_ = true; }
        ~Inside() { inside_ = false; }
      } inside;
      task();
    };
  }

  Executor* const under_;
  std::atomic<bool> armed_{false}, failed_{false};
};

}  // namespace longbow
