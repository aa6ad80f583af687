// What the ports serve: nothing yet while the engine recovers, then the engine and its readers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "longbow/base/environment.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/base/status.h"
#include "longbow/engine/engine.h"
#include "longbow/query/search.h"
#include "longbow/query/search_batcher.h"

namespace longbow::server {

// Made before the ports open, told by Open or Fail how recovery ended. Thread-safe. Owned by the program;
// outlives the servers that read it and every completion of the engine it holds.
class Serving {
 public:
  // Calls that may wait for recovery at one time; further ones are told Unavailable at once.
  static constexpr size_t kMaxWaiting = 1024;
  // A call whose deadline is nearer than this does not wait.
  static constexpr int64_t kShortestWaitNanos = 1'000'000'000;

  // `environment` must have clock and searchers; `progress` may be null. Both, and the ledger, outlive this.
  Serving(const Environment& environment, MemoryLedger* ledger, const engine::RecoveryProgress* progress);

  // Once, when recovery is over: from now on calls are served. Neither is owned; both outlive the servers.
  void Open(engine::Engine* engine, query::QueryEngine* query);
  // Once, when recovery failed: calls are answered with `why`.
  void Fail(Status why);

  // OK; Unavailable "warming n %"; or why recovery failed.
  Status readiness() const;
  // Null before Open.
  engine::Engine* engine() const { return engine_.load(std::memory_order_acquire); }
  query::QueryEngine* query() const { return query_.load(std::memory_order_acquire); }
  query::SearchBatcher& batcher() const { return *batcher_; }

  using Ready = std::function<void(Status)>;
  // Calls `ready` exactly once: at once when open, else from Open, Fail, or at `deadline_ns` on the monotonic
  // clock (0: none) with Unavailable "warming n %"; never blocks. Returns a number for Forget, 0 when `ready`
  // was already called.
  uint64_t WhenOpen(int64_t deadline_ns, Ready ready);
  // The caller went away: true when its `ready` will not be called any more.
  bool Forget(uint64_t number);

  const Environment& environment() const { return environment_; }
  MemoryLedger* ledger() const { return ledger_; }

 private:
  struct Waiters {  // shared with timers, which may fire after this is gone
    std::mutex mutex;
    std::map<uint64_t, Ready> waiting;  // guarded by mutex
    uint64_t next = 1;                  // guarded by mutex
    bool settled = false;               // guarded by mutex
    Status failure;                     // guarded by mutex; why, when recovery failed
  };
  void Settle(Status outcome);
  Status Warming() const;

  const Environment environment_;
  MemoryLedger* const ledger_;
  const engine::RecoveryProgress* const progress_;
  std::atomic<engine::Engine*> engine_{nullptr};
  std::atomic<query::QueryEngine*> query_{nullptr};
  std::shared_ptr<query::SearchBatcher> batcher_;  // set before query_
  const std::shared_ptr<Waiters> waiters_ = std::make_shared<Waiters>();
};

}  // namespace longbow::server
