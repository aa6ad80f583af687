#include "longbow/storage/local_commit_log.h"

#include <algorithm>
#include <utility>

#include "longbow/base/check.h"

namespace longbow::storage {
namespace {

constexpr uint64_t kSealBytes = RecordBytes(0);

}  // namespace

Result<LogPosition> LocalCommitLog::Append(LogAppend append, AppendDone done) {
  const bool written = append.durability != Durability::kMemory;
  // What a client was told of counts as it came, however small it became.
  const uint64_t told_bytes = RecordBytes(static_cast<uint64_t>(append.payload.size()));
  // The long parts, before the lock.
  const RecordCodec codec = written ? Compress(&append) : RecordCodec::kPlain;
  const uint64_t bytes = written ? RecordBytes(static_cast<uint64_t>(append.payload.size())) : 0;
  const uint32_t payload_crc = written ? PayloadCrc(append.payload, append.known_crcs) : 0;

  Lock lock(mutex_);
  LB_RETURN_NOT_OK(Writable());
  if (written) {
    if (pending_bytes_ > 0 && pending_bytes_ + bytes > options_.max_pending_bytes) {
      return Error(ErrorCode::kResourceExhausted, "log: ", pending_bytes_, " bytes wait for the disk, limit ",
                   options_.max_pending_bytes, ", this write ", bytes, "; send again more slowly");
    }
    Status room = MakeRoom(bytes, Reserve::kKept, lock);
    if (append.gives_room && CodeOf(room) == ErrorCode::kResourceExhausted) {
      room = MakeRoom(bytes, Reserve::kHalf, lock);
    }
    LB_RETURN_NOT_OK(room);
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
  const bool waits =
      append.durability == Durability::kFsync ||
      (append.durability == Durability::kAsync && !MayGoAhead(append.shard, append.async_window, told_bytes));
  if (!waits) {
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
  entry.header.codec = codec;
  entry.position = position;
  if (waits) entry.done = std::move(done);
  if (append.durability == Durability::kAsync) {
    entry.async = waits;
    AsyncTail& tail = async_[append.shard];
    if (waits) {
      tail.waiting += 1;
    } else {
      tail.ahead.push_back({entry.header.number, told_bytes, last_append_ns_});
      tail.ahead_bytes += told_bytes;
      counters_.async_bytes.Add(static_cast<int64_t>(told_bytes));
    }
  }
  tail_sequence_ = position.sequence;
  Queue(std::move(entry), lock);
  return position;
}

// Puts the smaller payload, where there is one, in the place of the append's.
RecordCodec LocalCommitLog::Compress(LogAppend* append) {
  auto smaller = compressor_.Compress(append->payload, append->try_compression);
  if (!smaller) return RecordCodec::kPlain;
  counters_.records_compressed.Add();
  counters_.bytes_to_compress.Add(append->payload.size());
  counters_.bytes_compressed.Add(smaller->payload.size());
  append->payload = std::move(smaller->payload);
  append->known_crcs.clear();
  return smaller->codec;
}

// Whether a record of kAsync may be acknowledged now. Not before one of its shard that waits: answers come in
// order.
bool LocalCommitLog::MayGoAhead(ShardId shard, const AsyncWindow& window, uint64_t bytes) const {
  const auto found = async_.find(shard);
  if (found == async_.end()) return bytes <= window.bytes;
  const AsyncTail& tail = found->second;
  if (tail.waiting > 0 || tail.ahead_bytes + bytes > window.bytes) return false;
  return tail.ahead.empty() || last_append_ns_ - tail.ahead.front().since_ns < window.ns;
}

Status LocalCommitLog::Writable() const {
  if (!failure_.ok()) return failure_;
  if (!replayed_) {
    return Error(ErrorCode::kFailedPrecondition, "log: Replay has to come before the first append");
  }
  return Status::OK();
}

// The tail is the reserve once nothing is prepared behind it and a record that may has entered it.
bool LocalCommitLog::Fits(uint64_t bytes, Reserve reserve) const {
  const uint64_t end = tail_offset_ + bytes + kSealBytes;
  if (!in_reserve_ || reserve == Reserve::kOpened) return end <= tail_->bytes;
  return reserve == Reserve::kHalf && end <= tail_->bytes / 2;
}

// Makes the tail a segment into which `bytes` fit, as far as the reserve goes. May let go of the lock.
Status LocalCommitLog::MakeRoom(uint64_t bytes, Reserve reserve, Lock& lock) {
  const size_t left = reserve == Reserve::kKept ? 1 : 0;
  while (true) {
    LB_RETURN_NOT_OK(Writable());
    if (tail_ == nullptr) {
      LB_RETURN_NOT_OK(StartTail(lock));
    } else if (Fits(bytes, reserve)) {
      return Status::OK();
    } else if (prepared_.size() > left) {
      LB_RETURN_NOT_OK(GrowNext(kSegmentHeaderBytes + bytes + kSealBytes));
      Rotate();
      in_reserve_ = prepared_.empty();
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
  in_reserve_ = false;
  return Status::OK();
}

// A record larger than a segment gets one of its own size.
Status LocalCommitLog::GrowNext(uint64_t bytes) {
  Segment& next = *prepared_.front();
  if (next.bytes >= bytes) return Status::OK();
  const Status grown = next.file->Allocate(bytes);
  if (!grown.ok()) return CodeOf(grown) == ErrorCode::kResourceExhausted ? grown : Fail(grown);
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
  LB_RETURN_NOT_OK(MakeRoom(RecordBytes(0), Reserve::kOpened, lock));
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
    LB_RETURN_NOT_OK(MakeRoom(RecordBytes(payload.size()), Reserve::kOpened, lock));
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
