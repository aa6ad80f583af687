#include "longbow/server/serving.h"

#include <string>
#include <utility>

namespace longbow::server {

Serving::Serving(const Environment& environment, MemoryLedger* ledger,
                 const engine::RecoveryProgress* progress)
    : environment_(environment), ledger_(ledger), progress_(progress) {}

void Serving::Open(engine::Engine* engine, query::QueryEngine* query) {
  batcher_ = std::make_shared<query::SearchBatcher>(query, environment_.searchers);
  query_.store(query, std::memory_order_release);
  engine_.store(engine, std::memory_order_release);
  Settle(Status::OK());
}

void Serving::Fail(Status why) { Settle(std::move(why)); }

void Serving::Settle(Status outcome) {
  std::map<uint64_t, Ready> waiting;
  {
    std::lock_guard lock(waiters_->mutex);
    waiters_->settled = true;
    waiters_->failure = outcome;
    waiting.swap(waiters_->waiting);
  }
  for (auto& [number, ready] : waiting) ready(outcome);
}

Status Serving::Warming() const {
  return Error(ErrorCode::kUnavailable, "warming ", progress_ == nullptr ? 0 : progress_->percent(),
               " %: the server still reads its log; try again");
}

Status Serving::readiness() const {
  std::lock_guard lock(waiters_->mutex);
  return waiters_->settled ? waiters_->failure : Warming();
}

uint64_t Serving::WhenOpen(int64_t deadline_ns, Ready ready) {
  const int64_t wait_ns = deadline_ns == 0 ? 0 : deadline_ns - environment_.clock->MonotonicNanos();
  const bool waits = deadline_ns == 0 || wait_ns >= kShortestWaitNanos;
  Status now = Warming();
  uint64_t number = 0;
  {
    std::lock_guard lock(waiters_->mutex);
    if (waiters_->settled) {
      now = waiters_->failure;
    } else if (waits && waiters_->waiting.size() < kMaxWaiting) {
      number = waiters_->next++;
      waiters_->waiting.emplace(number, std::move(ready));
    }
  }
  if (number == 0) {
    ready(std::move(now));
    return 0;
  }
  if (deadline_ns != 0) {
    environment_.searchers->PostAfter(wait_ns, [this, number, weak = std::weak_ptr(waiters_)] {
      const auto waiters = weak.lock();
      if (!waiters) return;
      Ready late;
      {
        std::lock_guard lock(waiters->mutex);
        const auto found = waiters->waiting.find(number);
        if (found == waiters->waiting.end()) return;
        late = std::move(found->second);
        waiters->waiting.erase(found);
      }
      late(Warming());
    });
  }
  return number;
}

bool Serving::Forget(uint64_t number) {
  std::lock_guard lock(waiters_->mutex);
  return waiters_->waiting.erase(number) > 0;
}

}  // namespace longbow::server
