// When memory that readers may still be looking at can go: once all who began before it was taken away ended.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

namespace longbow {

// Guarded by its mutex. Whoever takes memory out of reach advances the epoch afterwards, and frees the memory
// when Over(that epoch): nobody reads any more who began before.
class ReadEpochs {
 public:
  uint64_t Enter() {
    std::lock_guard lock(mutex_);
    ++readers_.back();
    return Now();
  }
  void Leave(uint64_t epoch) {
    std::lock_guard lock(mutex_);
    --readers_[epoch - first_];
    EndOldest();
  }
  // The epoch whose readers are the last ones that may hold what was in reach before.
  uint64_t Advance() {
    std::lock_guard lock(mutex_);
    const uint64_t ended = Now();
    readers_.push_back(0);
    EndOldest();
    return ended;
  }
  // Whether nobody reads who began in `epoch` or before.
  bool Over(uint64_t epoch) const {
    std::lock_guard lock(mutex_);
    return epoch < first_;
  }

 private:
  uint64_t Now() const { return first_ + readers_.size() - 1; }
  void EndOldest() {
    for (; readers_.size() > 1 && readers_.front() == 0; ++first_) readers_.pop_front();
  }

  mutable std::mutex mutex_;
  uint64_t first_ = 1;              // guarded by mutex_: the oldest epoch not over
  std::deque<int64_t> readers_{0};  // guarded by mutex_: of it and those since, the last is the present one
};

// Confined to one scope of reading; `epochs` may be null.
class ReadEpoch {
 public:
  explicit ReadEpoch(ReadEpochs* epochs) : epochs_(epochs), epoch_(epochs == nullptr ? 0 : epochs->Enter()) {}
  ~ReadEpoch() {
    if (epochs_ != nullptr) epochs_->Leave(epoch_);
  }
  ReadEpoch(const ReadEpoch&) = delete;
  ReadEpoch& operator=(const ReadEpoch&) = delete;

 private:
  ReadEpochs* const epochs_;
  const uint64_t epoch_;
};

}  // namespace longbow
