// Answers that are made in any order and sent in the order they were asked for.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

namespace longbow::server {

// Guarded. `deliver` is called for one answer at a time, in order, without the lock.
template <typename Answer>
class AnswerQueue {
 public:
  explicit AnswerQueue(std::function<void(Answer)> deliver) : deliver_(std::move(deliver)) {}

  // A place in the order; Fill it exactly once.
  uint64_t Take() {
    std::lock_guard lock(mutex_);
    places_.emplace_back();
    return first_ + places_.size() - 1;
  }
  void Fill(uint64_t place, Answer answer) {
    std::unique_lock lock(mutex_);
    places_[place - first_] = std::move(answer);
    if (delivering_) return;  // whoever is at it sees this one too
    delivering_ = true;
    while (!places_.empty() && places_.front()) {
      Answer next = *std::move(places_.front());
      places_.pop_front();
      ++first_;
      lock.unlock();
      deliver_(std::move(next));
      lock.lock();
    }
    delivering_ = false;
  }

 private:
  const std::function<void(Answer)> deliver_;
  std::mutex mutex_;
  std::deque<std::optional<Answer>> places_;  // guarded by mutex_
  uint64_t first_ = 0;                        // guarded by mutex_
  bool delivering_ = false;                   // guarded by mutex_
};

}  // namespace longbow::server
