// How many calls may begin in a second.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

namespace longbow::server {

// Calls that come too fast get turns at the wanted rate, in the order they came. Guarded.
class RateLimiter {
 public:
  // `burst` calls may come at once after a quiet time; both at least 1.
  RateLimiter(int64_t calls_per_second, int64_t burst)
      : interval_ns_(1'000'000'000 / calls_per_second), tolerance_ns_((burst - 1) * interval_ns_) {}

  // Takes a turn and tells how long to wait for it; nothing is taken when it would come after `latest_ns`
  // (0: whenever).
  std::optional<int64_t> Take(int64_t now_ns, int64_t latest_ns);

 private:
  const int64_t interval_ns_, tolerance_ns_;
  std::mutex mutex_;
  int64_t next_ns_ = 0;  // guarded by mutex_: when the next turn would come at an even pace
};

}  // namespace longbow::server
