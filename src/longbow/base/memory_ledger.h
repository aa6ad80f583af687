// One account of the process's large memory. Every large consumer reserves before it allocates.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

#include "longbow/base/counters.h"
#include "longbow/base/status.h"

namespace longbow {

enum class MemoryUse : uint8_t { kSlabs, kRows, kKeys, kLog, kNetwork, kRequests, kIndex, kCache, kCount };
std::string_view MemoryUseName(MemoryUse use);

class MemoryLedger;

// Bytes held until destroyed. Confined; movable.
class MemoryReservation {
 public:
  MemoryReservation() = default;
  MemoryReservation(MemoryReservation&& other) noexcept { *this = std::move(other); }
  MemoryReservation& operator=(MemoryReservation&& other) noexcept;
  ~MemoryReservation() { Release(); }
  void Release();
  int64_t bytes() const { return bytes_; }

 private:
  friend class MemoryLedger;
  MemoryLedger* ledger_ = nullptr;
  MemoryUse use_ = MemoryUse::kRequests;
  int64_t bytes_ = 0;
};

// Atomic; thread-safe.
class MemoryLedger {
 public:
  // Above soft_limit ingest is slowed; above hard_limit a reservation is refused. 0: no limit.
  MemoryLedger(int64_t soft_limit, int64_t hard_limit) : soft_(soft_limit), hard_(hard_limit) {}

  // ResourceExhausted "memory limit exceeded: <used>/<limit> bytes used (write size: <bytes>)".
  Result<MemoryReservation> Reserve(MemoryUse use, int64_t bytes);
  // For memory that a search or a scan works in (kRequests). Reads go on where writes are refused: beyond the
  // hard limit they have a share of their own, 5 % of it or 16 MiB, and only what is beyond both is refused.
  Result<MemoryReservation> ReserveToRead(int64_t bytes);
  // For memory that must be had because what needs it is already durable (apply, recovery). Counted, never
  // refused.
  MemoryReservation ReserveAlways(MemoryUse use, int64_t bytes);
  // The same without an object: for arenas that account for themselves. `bytes` may be negative.
  void Charge(MemoryUse use, int64_t bytes);

  bool above_soft_limit() const { return soft_ > 0 && used() > soft_; }
  int64_t used() const { return total_.load(std::memory_order_relaxed); }
  int64_t used(MemoryUse use) const {
    return by_use_[static_cast<size_t>(use)].load(std::memory_order_relaxed);
  }
  int64_t soft_limit() const { return soft_; }
  int64_t hard_limit() const { return hard_; }
  const Counter& refusals() const { return refusals_; }  // of Reserve

  // Calls `resume` once, as soon as the ledger is below its soft limit: at once when it already is.
  void WhenBelowSoftLimit(std::function<void()> resume);

 private:
  friend class MemoryReservation;
  MemoryReservation Held(MemoryUse use, int64_t bytes);
  void Return(MemoryUse use, int64_t bytes);
  void ResumeIfBelow();

  const int64_t soft_, hard_;
  std::atomic<int64_t> total_{0};
  Counter refusals_;
  std::atomic<int64_t> by_use_[static_cast<size_t>(MemoryUse::kCount)] = {};
  std::atomic<int> waiters_{0};
  std::mutex mutex_;
  std::vector<std::function<void()>> resumes_;  // guarded by mutex_
};

}  // namespace longbow
