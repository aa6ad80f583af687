#include "longbow/server/search_call.h"

#include <algorithm>

namespace longbow::server {

void FillLimits(protocol::SearchCall* call, const FlightShared& shared, int64_t deadline_ns,
                const StopSource* stop) {
  constexpr int64_t kNanosPerMs = 1'000'000;
  const int64_t longest_ms = shared.serving->query()->limits().max_deadline_ms;
  const int64_t asked_ms = call->deadline_ms > 0 ? std::min(call->deadline_ms, longest_ms) : longest_ms;
  int64_t deadline = shared.clock().MonotonicNanos() + asked_ms * kNanosPerMs;
  if (deadline_ns > 0) deadline = std::min(deadline, deadline_ns);
  call->request.deadline_ns = deadline;
  call->request.stop = stop;
}

}  // namespace longbow::server
