// Work split over an executor and waited for.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "longbow/base/executor.h"
#include "longbow/base/status.h"

namespace longbow::engine {

// Confined; not to be waited for from a task of the same executor. Every task has ended when Wait returns or
// the group is destroyed.
class TaskGroup {
 public:
  explicit TaskGroup(Executor* executor) : executor_(executor) {}
  ~TaskGroup() { (void)Wait(); }

  // Runs `work` unless one before it has failed.
  void Post(std::function<Status()> work) {
    {
      std::lock_guard lock(state_->mutex);
      ++state_->left;
    }
    executor_->Post([state = state_, work = std::move(work)] {
      Status status;
      {
        std::lock_guard lock(state->mutex);
        status = state->first_error;
      }
      try {
        if (status.ok()) status = work();
      } catch (const std::exception& error) {
        status = Error(ErrorCode::kInternal, error.what());
      }
      std::lock_guard lock(state->mutex);
      if (state->first_error.ok()) state->first_error = std::move(status);
      --state->left;
    });
  }
  // The first error, when all have ended.
  Status Wait() {
    executor_->WaitUntil([this] {
      std::lock_guard lock(state_->mutex);
      return state_->left == 0;
    });
    std::lock_guard lock(state_->mutex);
    return state_->first_error;
  }

 private:
  struct State {
    std::mutex mutex;
    int64_t left = 0;    // guarded by mutex
    Status first_error;  // guarded by mutex
  };
  Executor* const executor_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace longbow::engine
