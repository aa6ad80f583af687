// Flushes and completions.
#include <algorithm>
#include <iterator>
#include <utility>

#include "longbow/storage/local_commit_log.h"

namespace longbow::storage {

// What one write can take: consecutive records of one segment. The queue's first entry is a record.
std::shared_ptr<LogFlush> LocalCommitLog::TakeFlush() {
  std::vector<LogEntry> entries;
  const Segment* segment = queue_.front().segment;
  uint64_t bytes = 0;
  while (!queue_.empty()) {
    LogEntry& next = queue_.front();
    if (next.segment != nullptr && next.segment != segment) break;
    if (bytes > 0 && bytes + next.bytes() > options_.max_flush_bytes) break;
    bytes += next.bytes();
    entries.push_back(std::move(next));
    queue_.pop_front();
  }
  return std::make_shared<LogFlush>(std::move(entries), durable_number_);
}

void LocalCommitLog::Submit(const std::shared_ptr<LogFlush>& flush) {
  const int64_t start = environment_.clock->MonotonicNanos();
  flush->segment()->file->SubmitWrite(flush->offset(), flush->TakePieces(), /*sync=*/true,
                                      [this, flush, start](const Status& status) {
                                        const int64_t end = environment_.clock->MonotonicNanos();
                                        Flushed(flush.get(), end - start, status);
                                      });
}

void LocalCommitLog::Flushed(LogFlush* flush, int64_t nanos, const Status& status) {
  std::vector<LogEntry> entries = std::move(flush->entries());  // payloads go when this returns
  std::shared_ptr<LogFlush> next;
  bool deliver = false;
  {
    Lock lock(mutex_);
    counters_.flushes.Add();
    counters_.flush_nanos.Record(nanos);
    counters_.flush_records.Record(static_cast<int64_t>(flush->records()));
    if (status.ok()) {
      durable_number_ = flush->last_number();
      committed_ = std::max(committed_, flush->last_sequence());
      ForgetAhead();
    } else {
      counters_.flush_failures.Add();
      (void)Fail(status);
    }
    pending_bytes_ -= flush->bytes();
    pending_records_ -= flush->records();
    for (LogEntry& entry : entries) Complete(entry, status.ok() ? status : failure_);
    CompleteWaiting();
    counters_.pending_bytes.Set(static_cast<int64_t>(pending_bytes_));
    counters_.pending_records.Set(static_cast<int64_t>(pending_records_));
    if (queue_.empty()) {
      flushing_ = false;
      if (failure_.ok()) committed_ = last_sequence_;
      if (!spares_full_) PostMaintenance(kIdleNanos);
    } else {
      next = TakeFlush();
    }
    deliver = !delivering_ && !completed_.empty();
    if (deliver) {
      delivering_ = true;
      completing_ += 1;
    }
    if (!flushing_) completing_ -= 1;
  }
  // Nothing below may touch the log unless a flush or a delivery is marked as under way.
  if (next != nullptr) Submit(next);
  if (deliver) Deliver(/*in_completion=*/true);
}

// What had been acknowledged ahead of the disk and is on it now.
void LocalCommitLog::ForgetAhead() {
  for (auto at = async_.begin(); at != async_.end();) {
    AsyncTail& tail = at->second;
    for (; !tail.ahead.empty() && tail.ahead.front().number <= durable_number_; tail.ahead.pop_front()) {
      tail.ahead_bytes -= tail.ahead.front().bytes;
      counters_.async_bytes.Add(-static_cast<int64_t>(tail.ahead.front().bytes));
    }
    const bool done = tail.ahead.empty() && tail.waiting == 0;
    at = done ? async_.erase(at) : std::next(at);
  }
}

// What waits in the queue and has no flush to wait for: barriers that nothing stands before, and everything
// once the log has failed.
void LocalCommitLog::CompleteWaiting() {
  for (; !queue_.empty(); queue_.pop_front()) {
    LogEntry& first = queue_.front();
    if (failure_.ok() && first.segment != nullptr) return;
    pending_bytes_ -= first.bytes();
    pending_records_ -= first.segment == nullptr ? 0 : 1;
    Complete(first, failure_);
  }
}

// The log takes no more, and nothing is tried again: after a failed sync the kernel calls the lost pages
// clean. What waits in the queue is told by the flush that is under way then.
Status LocalCommitLog::Fail(const Status& why) {
  if (failure_.ok()) {
    failure_ =
        Error(ErrorCode::kUnavailable, "the log is read-only because writing to it failed: ", why.message(),
              "; restart the server when the disk is sound");
  }
  return failure_;
}

void LocalCommitLog::Complete(LogEntry& entry, const Status& status) {
  if (!entry.done && !entry.barrier) return;
  if (entry.async) async_[entry.header.shard].waiting -= 1;
  completed_.push_back({std::move(entry.done), entry.position, std::move(entry.barrier), status});
}

void LocalCommitLog::PostDelivery() {
  if (delivering_ || delivery_posted_ || completed_.empty()) return;
  delivery_posted_ = true;
  Post(environment_.appliers, 0, &LocalCommitLog::DeliverPosted);
}

void LocalCommitLog::DeliverPosted() {
  {
    Lock lock(mutex_);
    delivery_posted_ = false;
    if (delivering_) return;
    delivering_ = true;
  }
  Deliver(/*in_completion=*/false);
}

// Only one thread at a time delivers, so completions are called in the order in which they were queued.
void LocalCommitLog::Deliver(bool in_completion) noexcept {
  std::deque<Completion> batch;
  while (true) {
    {
      Lock lock(mutex_);
      batch.clear();
      batch.swap(completed_);
      if (batch.empty()) {
        delivering_ = false;
        if (in_completion) completing_ -= 1;
        return;
      }
    }
    for (Completion& completion : batch) {
      if (completion.done) completion.done(completion.position, completion.status);
      if (completion.barrier) completion.barrier(completion.status);
    }
  }
}

void LocalCommitLog::WhenDurable(std::function<void(Status)> done) {
  Lock lock(mutex_);
  LogEntry barrier;
  barrier.barrier = std::move(done);
  if (flushing_ && failure_.ok()) {
    queue_.push_back(std::move(barrier));
    return;
  }
  Complete(barrier, failure_);
  PostDelivery();
}

}  // namespace longbow::storage
