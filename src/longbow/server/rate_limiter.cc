#include "longbow/server/rate_limiter.h"

#include <algorithm>

namespace longbow::server {

std::optional<int64_t> RateLimiter::Take(int64_t now_ns, int64_t latest_ns) {
  std::lock_guard lock(mutex_);
  const int64_t turn_ns = std::max(next_ns_, now_ns);
  const int64_t wait_ns = std::max<int64_t>(0, turn_ns - tolerance_ns_ - now_ns);
  if (latest_ns > 0 && now_ns + wait_ns > latest_ns) return std::nullopt;
  next_ns_ = turn_ns + interval_ns_;
  return wait_ns;
}

}  // namespace longbow::server
