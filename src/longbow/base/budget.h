// How much a search may still do. Checked in the innermost loop, so asking is cheap.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>

#include "longbow/base/clock.h"

namespace longbow {

// Set once by whoever gives up on the answer (a client that went away, a server that stops). Atomic.
class StopSource {
 public:
  void Stop() { stopped_.store(true, std::memory_order_relaxed); }
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> stopped_{false};
};

enum class BudgetEnd : uint8_t { kNone, kDeadline, kStopped, kDistances };

// Confined to the search that spends it.
class Budget {
 public:
  Budget() = default;
  // deadline_ns on `clock`'s monotonic scale, 0 for none; stop may be null; distances 0 for no limit.
  Budget(const Clock* clock, int64_t deadline_ns, const StopSource* stop, int64_t distances)
      : clock_(clock),
        stop_(stop),
        deadline_ns_(deadline_ns),
        distances_left_(distances > 0 ? distances : std::numeric_limits<int64_t>::max()) {}

  // Accounts for n distances; false once the search has to end, and then for ever. Looks at the clock every
  // kDistancesPerLook distances.
  bool Spend(int64_t n) {
    distances_left_ -= n;
    until_look_ -= n;
    if (__builtin_expect(until_look_ > 0 && distances_left_ >= 0, 1)) return end_ == BudgetEnd::kNone;
    return Look();
  }
  BudgetEnd end() const { return end_; }

 private:
  static constexpr int64_t kDistancesPerLook = 4096;
  bool Look();

  const Clock* clock_ = nullptr;
  const StopSource* stop_ = nullptr;
  int64_t deadline_ns_ = 0;
  int64_t distances_left_ = std::numeric_limits<int64_t>::max();
  int64_t until_look_ = 0;
  BudgetEnd end_ = BudgetEnd::kNone;
};

}  // namespace longbow
