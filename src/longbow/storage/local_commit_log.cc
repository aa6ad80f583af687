#include "longbow/storage/local_commit_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "longbow/base/check.h"

namespace longbow::storage {
namespace {

constexpr uint64_t kSealBytes = RecordBytes(0);
// How many of the prepared segments a record has to leave.
constexpr size_t kDataReserve = 1;
constexpr size_t kNoReserve = 0;

}  // namespace

Result<LogPosition> LocalCommitLog::Append(LogAppend append, AppendDone done) {
  const bool written = append.durability != Durability::kMemory;
  const uint64_t bytes = written ? RecordBytes(static_cast<uint64_t>(append.payload.size())) : 0;
  const uint32_t payload_crc = written ? PayloadCrc(append.payload) : 0;  // the long part, before the lock

  Lock lock(mutex_);
  LB_RETURN_NOT_OK(Writable());
  if (written) {
    if (pending_bytes_ > 0 && pending_bytes_ + bytes > options_.max_pending_bytes) {
      return Error(ErrorCode::kResourceExhausted, "log: ", pending_bytes_, " bytes wait for the disk, limit ",
                   options_.max_pending_bytes, ", this write ", bytes, "; send again more slowly");
    }
    LB_RETURN_NOT_OK(MakeRoom(bytes, kDataReserve, lock));
  }
  ShardTail& shard = shards_[append.shard];
  shard.term = options_.term;
  const LogPosition position{.generation = options_.generation,
                             .shard = append.shard,
                             .term = options_.term,
                             .index = ++shard.index,
                             .sequence = ++last_sequence_};
  counters_.records_appended.Add();
  counters_.bytes_appended.Add(static_cast<int64_t>(bytes));
  last_append_ns_ = environment_.clock->MonotonicNanos();
  if (append.durability != Durability::kFsync) {
    completed_.push_back(
        {.done = std::move(done), .position = position, .barrier = {}, .status = Status::OK()});
    PostDelivery();
  }
  if (!written) {
    if (!flushing_) committed_ = last_sequence_;
    return position;
  }
  LogEntry entry = Place(RecordType::kData, std::move(append.payload), payload_crc);
  entry.header.kind = append.kind;
  entry.header.shard = append.shard;
  entry.header.term = position.term;
  entry.header.index = position.index;
  entry.header.sequence = position.sequence;
  entry.header.schema_version = append.schema_version;
  entry.position = position;
  if (append.durability == Durability::kFsync) entry.done = std::move(done);
  tail_sequence_ = position.sequence;
  Queue(std::move(entry), lock);
  return position;
}

Status LocalCommitLog::Writable() const {
  if (!failure_.ok()) return failure_;
  if (!replayed_) {
    return Error(ErrorCode::kFailedPrecondition, "log: Replay has to come before the first append");
  }
  return Status::OK();
}

// Makes the tail a segment into which `bytes` fit, leaving at least `reserve` prepared ones. May let go of
// the lock.
Status LocalCommitLog::MakeRoom(uint64_t bytes, size_t reserve, Lock& lock) {
  while (true) {
    LB_RETURN_NOT_OK(Writable());
    if (tail_ == nullptr) {
      LB_RETURN_NOT_OK(StartTail(lock));
    } else if (tail_offset_ + bytes + kSealBytes <= tail_->bytes) {
      return Status::OK();
    } else if (prepared_.size() > reserve) {
      LB_RETURN_NOT_OK(GrowNext(kSegmentHeaderBytes + bytes + kSealBytes));
      Rotate();
    } else {
      LB_RETURN_NOT_OK(PrepareSegment(lock));
    }
  }
}

Status LocalCommitLog::PrepareSegment(Lock& lock) {
  const uint64_t base = durable_number_;
  const Sequence base_sequence = committed_;
  lock.unlock();
  auto prepared = store_.Prepare(base, base_sequence, /*cut=*/false);
  lock.lock();
  if (!prepared.ok()) {
    return CodeOf(prepared.status()) == ErrorCode::kResourceExhausted ? prepared.status()
                                                                      : Fail(prepared.status());
  }
  std::shared_ptr<Segment> segment = *std::move(prepared);
  if (segment == nullptr) return Status::OK();
  counters_.segments_created.Add();
  counters_.segments.Set(static_cast<int64_t>(store_.live()));
  spares_full_ = options_.spare_segments == 0;
  const uint64_t number = segment->header.number;
  if (tail_ != nullptr && number < tail_->header.number) {
    overtaken_.push_back(std::move(segment));
    return Status::OK();
  }
  const auto place = std::find_if(prepared_.begin(), prepared_.end(),
                                  [&](const auto& other) { return other->header.number > number; });
  prepared_.insert(place, std::move(segment));
  return Status::OK();
}

// A record larger than a segment gets one of its own size.
Status LocalCommitLog::GrowNext(uint64_t bytes) {
  Segment& next = *prepared_.front();
  if (next.bytes >= bytes) return Status::OK();
  LB_RETURN_NOT_OK(next.file->Allocate(bytes));
  next.bytes = bytes;
  return Status::OK();
}

// Seals the tail and enters the next segment.
void LocalCommitLog::Rotate() {
  LogEntry seal = Place(RecordType::kSeal, {}, PayloadCrc({}));
  seal.header.index = prepared_.front()->header.number;
  queue_.push_back(std::move(seal));
  sealed_.push_back({std::move(tail_), tail_sequence_});
  tail_ = std::move(prepared_.front());
  prepared_.pop_front();
  tail_offset_ = kSegmentHeaderBytes;
  PostMaintenance(0);
}

// Gives a record the next place of the tail, which has room for it.
LogEntry LocalCommitLog::Place(RecordType type, BufferChain payload, uint32_t payload_crc) {
  LogEntry entry;
  entry.segment = tail_.get();
  entry.header.type = type;
  entry.header.payload_crc = payload_crc;
  entry.header.payload_bytes = static_cast<uint64_t>(payload.size());
  entry.header.salt = tail_->header.salt;
  entry.header.offset = tail_offset_;
  entry.header.number = ++last_number_;
  entry.header.generation = options_.generation;
  entry.payload = std::move(payload);
  tail_offset_ += entry.bytes();
  LB_CHECK_FATAL(tail_offset_ <= tail_->bytes);
  pending_bytes_ += entry.bytes();
  pending_records_ += 1;
  return entry;
}

void LocalCommitLog::Queue(LogEntry entry, Lock& lock) {
  queue_.push_back(std::move(entry));
  counters_.pending_bytes.Set(static_cast<int64_t>(pending_bytes_));
  counters_.pending_records.Set(static_cast<int64_t>(pending_records_));
  if (flushing_) return;
  flushing_ = true;
  completing_ += 1;
  const std::shared_ptr<LogFlush> flush = TakeFlush();
  lock.unlock();
  Submit(flush);
}

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

Sequence LocalCommitLog::last_appended() const {
  Lock lock(mutex_);
  return last_sequence_;
}

Sequence LocalCommitLog::committed() const {
  Lock lock(mutex_);
  return committed_;
}

Status LocalCommitLog::health() const {
  Lock lock(mutex_);
  return failure_;
}

Status LocalCommitLog::TruncateSuffix(ShardId shard, uint64_t index) {
  Lock lock(mutex_);
  LB_RETURN_NOT_OK(MakeRoom(RecordBytes(0), kNoReserve, lock));
  ShardTail& tail = shards_[shard];
  if (index > tail.index) {
    return InvalidArgument("log: cannot truncate shard ", shard, " behind index ", index,
                           ": its last index is ", tail.index);
  }
  tail = {options_.term, index};
  LogEntry entry = Place(RecordType::kTruncate, {}, PayloadCrc({}));
  entry.header.shard = shard;
  entry.header.term = tail.term;
  entry.header.index = index;
  Queue(std::move(entry), lock);
  return Status::OK();
}

// With more segments to give back, first writes down what is known only from them.
Status LocalCommitLog::ReleaseThrough(Sequence sequence) {
  Lock lock(mutex_);
  LB_RETURN_NOT_OK(Writable());
  const auto kept = std::find_if(sealed_.begin(), sealed_.end(),
                                 [&](const Sealed& sealed) { return sealed.last_sequence > sequence; });
  if (releasing_ || kept == sealed_.begin()) return Status::OK();
  const uint64_t below = kept == sealed_.end() ? tail_->header.number : kept->segment->header.number;
  std::string payload;
  do {  // making room may let others append
    payload = EncodeMarks(Marks(below));
    LB_RETURN_NOT_OK(MakeRoom(RecordBytes(payload.size()), kNoReserve, lock));
  } while (payload.size() != EncodeMarks(Marks(below)).size());
  BufferChain marks = BufferChain::FromString(EncodeMarks(Marks(below)));
  releasing_ = true;
  release_below_ = below;
  const uint32_t crc = PayloadCrc(marks);
  LogEntry entry = Place(RecordType::kMarks, std::move(marks), crc);
  entry.done = [this](const LogPosition&, const Status& status) {
    if (status.ok()) Post(environment_.builders, 0, &LocalCommitLog::Release);
  };
  Queue(std::move(entry), lock);
  return Status::OK();
}

LogMarks LocalCommitLog::Marks(uint64_t first_segment) const {
  LogMarks marks{.first_segment = first_segment, .last_sequence = last_sequence_};
  for (const auto& [shard, tail] : shards_) marks.shards.push_back({shard, tail.term, tail.index});
  return marks;
}

}  // namespace longbow::storage
