// What the operator's log says while the engine recovers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "longbow/engine/engine.h"
#include "longbow/observe/line_log.h"

namespace longbow {

// From its making to its end a line each time that a tenth more is done, and after every five seconds in
// which it is not; none when it takes less than a second. Guarded; has a thread of its own.
class RecoveryLines {
 public:
  static constexpr int64_t kLookNanos = 1'000'000'000;
  // Both outlive it. Looks every `look_ns`; tests look more often.
  RecoveryLines(const engine::RecoveryProgress* progress, observe::LineLog* log,
                int64_t look_ns = kLookNanos);
  ~RecoveryLines();

 private:
  static constexpr int kPercentALine = 10, kMostLooksALine = 5;
  void Run();
  void Write(int percent);

  const engine::RecoveryProgress* const progress_;
  observe::LineLog* const log_;
  const int64_t look_ns_;
  std::mutex mutex_;
  std::condition_variable end_;
  bool ended_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace longbow
