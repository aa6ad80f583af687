#include "longbow/engine/apply_queue.h"

namespace longbow::engine {
namespace {

const std::string kApplyFailed = "applying a write failed: ";

}  // namespace

ApplyQueue::ApplyQueue(Executor* appliers, std::shared_ptr<TaskGate> gate, std::function<void()> publish)
    : strand_(std::make_shared<Strand>(appliers)), gate_(std::move(gate)), publish_(std::move(publish)) {}

void ApplyQueue::Push(std::shared_ptr<Mutation> mutation) {
  bool ready = false;
  {
    std::lock_guard lock(mutex_);
    mutations_.push_back(std::move(mutation));
    ready = mutations_.front()->settled;
  }
  if (ready) Schedule();
}

void ApplyQueue::Settle(const std::shared_ptr<Mutation>& mutation, const storage::LogPosition& position,
                        Status status) {
  bool ready = false;
  {
    std::lock_guard lock(mutex_);
    mutation->position = position;
    mutation->status = std::move(status);
    mutation->settled = true;
    ready = !mutations_.empty() && mutations_.front()->settled;
  }
  if (ready) Schedule();
}

void ApplyQueue::WhenApplied(Done done) {
  Status failed;
  bool idle = false, ready = false;
  {
    std::lock_guard lock(mutex_);
    idle = mutations_.empty() && !applying_;
    if (idle) {
      failed = fence_.ok() ? log_failure_ : fence_;
    } else {
      auto barrier = std::make_shared<Mutation>();
      barrier->apply = [](const storage::LogPosition&) { return WriteAck{}; };
      barrier->done = [done = std::move(done)](Result<WriteAck> ack) { done(ack.status()); };
      barrier->settled = true;
      mutations_.push_back(std::move(barrier));
      ready = mutations_.front()->settled;
    }
  }
  if (idle) done(failed);
  if (ready) Schedule();
}

void ApplyQueue::Schedule() {
  strand_->Post([weak = weak_from_this(), owner = owner_, gate = gate_, strand = strand_] {
    gate->Run([&] {
      const auto keep = owner.lock();
      const auto self = weak.lock();
      if (keep != nullptr && self != nullptr) self->Drain();
    });
  });
}

std::deque<std::shared_ptr<Mutation>> ApplyQueue::TakeSettled() {
  std::deque<std::shared_ptr<Mutation>> ready;
  std::lock_guard lock(mutex_);
  while (!mutations_.empty() && mutations_.front()->settled) {
    ready.push_back(std::move(mutations_.front()));
    mutations_.pop_front();
  }
  applying_ = !ready.empty();
  return ready;
}

void ApplyQueue::Fence(const std::string& what) {
  Status fence;
  {
    std::lock_guard lock(mutex_);
    if (!fence_.ok()) return;
    fence = fence_ = Error(ErrorCode::kInternal, "the dataset is fenced: ", what,
                           "; restart the server to load it again from the log");
  }
  fenced_(fence);
}

Result<WriteAck> ApplyQueue::ApplyOne(const Mutation& mutation) {
  {
    std::lock_guard lock(mutex_);
    if (!fence_.ok() && !mutation.passes_fence) return fence_;
    if (log_failure_.ok()) log_failure_ = mutation.status;
    if (!log_failure_.ok()) return log_failure_;
  }
  try {
    auto ack = mutation.apply(mutation.position);
    if (!ack.ok()) Fence(kApplyFailed + ack.status().ToString());
    return ack;
  } catch (...) {
    Fence(kApplyFailed + CurrentFailure());
  }
  return fence();
}

void ApplyQueue::Drain() {
  std::lock_guard apply(apply_mutex_);
  const auto ready = TakeSettled();
  if (ready.empty()) return;
  std::vector<Result<WriteAck>> acks;
  acks.reserve(ready.size());
  for (const auto& mutation : ready) {
    acks.push_back(ApplyOne(*mutation));
    mutation->apply = nullptr;  // with the batch it holds
    mutation->message.Release();
    mutation->memory.Release();
  }
  PublishApplied(&acks);
  {
    std::lock_guard lock(mutex_);
    applying_ = false;
  }
  for (size_t i = 0; i < ready.size(); ++i) ready[i]->done(std::move(acks[i]));
}

// What cannot be shown was not done, as far as anybody is told.
void ApplyQueue::PublishApplied(std::vector<Result<WriteAck>>* acks) {
  try {
    return publish_();
  } catch (...) {
    Fence(kApplyFailed + CurrentFailure());
  }
  for (Result<WriteAck>& ack : *acks) {
    if (ack.ok()) ack = fence();
  }
}

int64_t ApplyQueue::waiting() const {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(mutations_.size());
}

Status ApplyQueue::fence() const {
  std::lock_guard lock(mutex_);
  return fence_;
}

}  // namespace longbow::engine
