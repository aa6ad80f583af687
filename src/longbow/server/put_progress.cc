#include "longbow/server/put_progress.h"

#include <algorithm>
#include <string>
#include <utility>

namespace longbow::server {

void PutProgress::Begin(uint64_t number, storage::Durability level) {
  std::lock_guard lock(mutex_);
  durability_ = level;
  batches_.push_back({number, std::nullopt});
}

void PutProgress::Finish(uint64_t number, const Result<engine::WriteAck>& outcome) {
  std::lock_guard lock(mutex_);
  const auto batch = std::find_if(batches_.begin(), batches_.end(),
                                  [&](const Batch& b) { return b.number == number && !b.outcome; });
  if (batch == batches_.end()) return;
  batch->outcome = outcome;
  ++untold_;
  for (; !batches_.empty() && batches_.front().outcome; batches_.pop_front()) NoteAnswered(batches_.front());
}

void PutProgress::NoteAnswered(const Batch& batch) {
  acked_through_ = std::max(acked_through_, batch.number);
  if (!batch.outcome->ok()) {
    const Status& why = batch.outcome->status();
    errors_.push_back({batch.number, CodeOf(why), why.message()});
    return;
  }
  const engine::WriteAck& ack = **batch.outcome;
  newest_ = std::max(newest_, ack.sequence);
  not_durable_.emplace_back(batch.number, ack.sequence);
}

void PutProgress::Reject(uint64_t number, const Status& why) {
  std::lock_guard lock(mutex_);
  errors_.push_back({number, CodeOf(why), why.message()});
  ++untold_;
}

int64_t PutProgress::untold() const {
  std::lock_guard lock(mutex_);
  return untold_;
}

bool PutProgress::idle() const {
  std::lock_guard lock(mutex_);
  return batches_.empty();
}

void PutProgress::NoteDurable(Sequence committed) {
  const bool at_ack = durability_ == storage::Durability::kFsync;
  if (durability_ == storage::Durability::kMemory) return not_durable_.clear();
  while (!not_durable_.empty() && (at_ack || not_durable_.front().second <= committed)) {
    durable_through_ = not_durable_.front().first;
    not_durable_.pop_front();
  }
}

protocol::PutAck PutProgress::Take(Sequence committed, int64_t credits) {
  std::lock_guard lock(mutex_);
  NoteDurable(committed);
  untold_ = 0;
  protocol::PutAck ack;
  ack.acked_through = acked_through_;
  ack.durable_through = durable_through_;
  ack.level = storage::DurabilityName(durability_);
  ack.credits = credits;
  ack.errors = std::exchange(errors_, {});
  if (newest_ > 0) ack.token = protocol::SequenceToken(newest_);
  return ack;
}

}  // namespace longbow::server
