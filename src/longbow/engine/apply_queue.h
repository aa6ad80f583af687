// Between the log and the state: what was appended is applied in the order it was appended.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "longbow/base/executor.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/engine/engine.h"
#include "longbow/engine/task_gate.h"
#include "longbow/storage/commit_log.h"

namespace longbow::engine {

// One mutation on its way.
struct Mutation {
  std::function<Result<WriteAck>(const storage::LogPosition&)> apply;
  WriteDone done;                     // once applied and published, or failed
  MemoryReservation message, memory;  // given back once applied
  bool passes_fence = false;          // it needs nothing of the state: a drop

  // Set by ApplyQueue::Settle.
  storage::LogPosition position;
  Status status;
  bool settled = false;
};

// Applies mutations on a strand, as many as are ready at a time with one publish. Order is the order of Push,
// whatever the order in which the log settles them: records of one shard may have different durabilities.
// Thread-safe.
class ApplyQueue : public std::enable_shared_from_this<ApplyQueue> {
 public:
  // `publish` makes what was applied visible; it runs on the strand before the acknowledgements. Both it and
  // the mutations may use what `owner` keeps alive.
  ApplyQueue(Executor* appliers, std::shared_ptr<TaskGate> gate, std::function<void()> publish);

  // In append order: under the lock that orders the appends.
  void Push(std::shared_ptr<Mutation> mutation);
  // The log's answer; also before Push.
  void Settle(const std::shared_ptr<Mutation>& mutation, const storage::LogPosition& position, Status status);
  // `done` after everything pushed so far was applied; with its error when that failed.
  void WhenApplied(Done done);

  // Applies what is settled, in the calling thread.
  void Drain();
  // Pushed, not yet taken to be applied.
  int64_t waiting() const;
  // Nothing is applied any more: what was done to the shard cannot be relied on. `what` failed, and why.
  void Fence(const std::string& what);
  // Why nothing is applied any more: a failed apply fences the shard, too. OK otherwise.
  Status fence() const;
  // Told of the fence, once, on the thread that came to it; before the first Push.
  void WhenFenced(std::function<void(const Status&)> fenced) { fenced_ = std::move(fenced); }

  // Tasks on the strand hold this, so that it lives until they ran.
  void set_owner(std::weak_ptr<void> owner) { owner_ = std::move(owner); }

 private:
  void Schedule();
  std::deque<std::shared_ptr<Mutation>> TakeSettled();
  Result<WriteAck> ApplyOne(const Mutation& mutation);
  void PublishApplied(std::vector<Result<WriteAck>>* acks);

  const std::shared_ptr<Strand> strand_;
  const std::shared_ptr<TaskGate> gate_;
  const std::function<void()> publish_;
  std::function<void(const Status&)> fenced_ = [](const Status&) {};
  std::weak_ptr<void> owner_;
  std::mutex apply_mutex_;  // held while applying
  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<Mutation>> mutations_;  // guarded by mutex_
  bool applying_ = false;  // guarded by mutex_: some were taken and not yet published
  Status fence_;           // guarded by mutex_
  Status log_failure_;     // guarded by mutex_: what follows a lost record is lost too
};

}  // namespace longbow::engine
