#include "longbow/base/memory_ledger.h"

#include <algorithm>
#include <array>
#include <utility>

#include "longbow/base/check.h"

namespace longbow {
namespace {

constexpr int64_t kLeastToRead = 16 << 20;
constexpr int64_t kShareToRead = 20;  // one part of so many of the hard limit

}  // namespace

std::string_view MemoryUseName(MemoryUse use) {
  static constexpr std::array<std::string_view, static_cast<size_t>(MemoryUse::kCount)> kNames = {
      "slabs", "rows", "keys", "log", "network", "requests", "index", "cache"};
  return kNames[static_cast<size_t>(use)];
}

MemoryReservation& MemoryReservation::operator=(MemoryReservation&& other) noexcept {
  if (this == &other) return *this;
  Release();
  ledger_ = std::exchange(other.ledger_, nullptr);
  use_ = other.use_;
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void MemoryReservation::Release() {
  if (ledger_ == nullptr) return;
  std::exchange(ledger_, nullptr)->Return(use_, std::exchange(bytes_, 0));
}

// Already counted.
MemoryReservation MemoryLedger::Held(MemoryUse use, int64_t bytes) {
  MemoryReservation reservation;
  reservation.ledger_ = this;
  reservation.use_ = use;
  reservation.bytes_ = bytes;
  return reservation;
}

Result<MemoryReservation> MemoryLedger::Reserve(MemoryUse use, int64_t bytes) {
  LB_CHECK_FATAL(bytes >= 0);
  int64_t used = total_.load(std::memory_order_relaxed);
  do {
    if (hard_ > 0 && (bytes > hard_ || used > hard_ - bytes)) {
      refusals_.Add();
      return Error(ErrorCode::kResourceExhausted, "memory limit exceeded: ", used, "/", hard_,
                   " bytes used (write size: ", bytes, ")");
    }
  } while (!total_.compare_exchange_weak(used, used + bytes));
  by_use_[static_cast<size_t>(use)].fetch_add(bytes, std::memory_order_relaxed);
  return Held(use, bytes);
}

// Counted first and taken back when it was too much, so that reads beside each other never exceed their
// share.
Result<MemoryReservation> MemoryLedger::ReserveToRead(int64_t bytes) {
  MemoryReservation reservation = ReserveAlways(MemoryUse::kRequests, bytes);
  const int64_t share = std::max(kLeastToRead, hard_ / kShareToRead);
  if (hard_ == 0 || used() <= hard_ || used(MemoryUse::kRequests) <= share) return reservation;
  refusals_.Add();
  return Error(ErrorCode::kResourceExhausted, "memory limit exceeded: ", used() - bytes, "/", hard_,
               " bytes used (read size: ", bytes, ", for all reads under way: ", share, ")");
}

MemoryReservation MemoryLedger::ReserveAlways(MemoryUse use, int64_t bytes) {
  LB_CHECK_FATAL(bytes >= 0);
  Charge(use, bytes);
  return Held(use, bytes);
}

void MemoryLedger::Charge(MemoryUse use, int64_t bytes) {
  if (bytes < 0) return Return(use, -bytes);
  total_.fetch_add(bytes);
  by_use_[static_cast<size_t>(use)].fetch_add(bytes, std::memory_order_relaxed);
}

// A waiter counts itself in waiters_ and then looks at total_; here total_ falls and then waiters_ is looked
// at. Both sequentially consistent, so one of the two sees the other.
void MemoryLedger::WhenBelowSoftLimit(std::function<void()> resume) {
  {
    std::lock_guard lock(mutex_);
    resumes_.push_back(std::move(resume));
    waiters_.fetch_add(1);
  }
  ResumeIfBelow();
}

void MemoryLedger::Return(MemoryUse use, int64_t bytes) {
  by_use_[static_cast<size_t>(use)].fetch_sub(bytes, std::memory_order_relaxed);
  total_.fetch_sub(bytes);
  if (waiters_.load() > 0) ResumeIfBelow();
}

void MemoryLedger::ResumeIfBelow() {
  if (soft_ > 0 && total_.load() > soft_) return;
  std::vector<std::function<void()>> ready;
  {
    std::lock_guard lock(mutex_);
    ready.swap(resumes_);
    waiters_.fetch_sub(static_cast<int>(ready.size()));
  }
  for (auto& resume : ready) resume();
}

}  // namespace longbow
