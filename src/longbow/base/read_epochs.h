// When memory that readers may still be looking at can go: once all who began before it was taken away ended.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

namespace longbow {

// Guarded by its mutex. Whoever takes memory out of reach advances the epoch afterwards, and frees the memory
// when Over(that epoch): nobody reads any more who began before.
class ReadEpochs {
 public:
  uint64_t Enter() {
    std::lock_guard lock(mutex_);
    ++readers_[now_];
    return now_;
  }
  void Leave(uint64_t epoch) {
    std::lock_guard lock(mutex_);
    const auto found = readers_.find(epoch);
    if (--found->second == 0) readers_.erase(found);
  }
  // The epoch whose readers are the last ones that may hold what was in reach before.
  uint64_t Advance() {
    std::lock_guard lock(mutex_);
    return now_++;
  }
  // Whether nobody reads who began in `epoch` or before.
  bool Over(uint64_t epoch) const {
    std::lock_guard lock(mutex_);
    return epoch < now_ && (readers_.empty() || readers_.begin()->first > epoch);
  }

 private:
  mutable std::mutex mutex_;
  uint64_t now_ = 1;                     // guarded by mutex_
  std::map<uint64_t, int64_t> readers_;  // guarded by mutex_
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
