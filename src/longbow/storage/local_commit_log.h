// The commit log of one node: segments in a directory, one flush under way at a time.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "longbow/storage/commit_log.h"
#include "longbow/storage/log_flush.h"
#include "longbow/storage/log_survey.h"
#include "longbow/storage/record_compression.h"
#include "longbow/storage/segment_store.h"

namespace longbow::storage {

// Guarded: everything that changes is under mutex_, which is never held while something waits or a completion
// is called.
//
// An append gets its place (segment, offset, number, sequence) at once, and only when that place is allocated
// on the disk: what was accepted cannot fail for want of space. It then waits in queue_ for the flush that
// takes it.
class LocalCommitLog : public CommitLog {
 public:
  LocalCommitLog(const Environment& environment, CommitLogOptions options);
  ~LocalCommitLog() override;

  Status Open();

  Result<LogPosition> Append(LogAppend append, AppendDone done) override;
  Sequence last_appended() const override;
  Sequence committed() const override;
  void WhenDurable(std::function<void(Status)> done) override;
  Status health() const override;
  Result<RecoveryReport> Replay(const std::function<Status(const LogRecord&)>& visit) override;
  Status TruncateSuffix(ShardId shard, uint64_t index) override;
  Status ReleaseThrough(Sequence sequence) override;
  void SetRoom(const LogRoom& room) override { store_.SetRoom(room); }
  const CommitLogCounters& counters() const override { return counters_; }

 private:
  // The log counts as idle this long after the last append.
  static constexpr int64_t kIdleNanos = 50'000'000;
  static constexpr int64_t kSettleNanos = 1'000'000'000;  // more of it after the start
  static constexpr int64_t kFillPauseNanos = 10'000'000;  // between steps of filling spares
  // Segments ready to be entered: the next one, and one that only the log's own records may enter, so that
  // segments can be given back when the disk is full.
  static constexpr size_t kPrepared = 2;

  using Lock = std::unique_lock<std::mutex>;
  struct ShardTail {
    uint64_t term = 0;
    uint64_t index = 0;
  };
  // A segment that is no longer written.
  struct Sealed {
    std::shared_ptr<Segment> segment;
    Sequence last_sequence = 0;
  };
  // Acknowledged and not yet durable.
  struct Ahead {
    uint64_t number = 0;
    uint64_t bytes = 0;
    int64_t since_ns = 0;
  };
  // Of a shard's appends of kAsync.
  struct AsyncTail {
    std::deque<Ahead> ahead;  // in log order
    uint64_t ahead_bytes = 0;
    uint64_t waiting = 0;  // queued or being flushed, not acknowledged ahead
  };
  struct Completion {
    AppendDone done;
    LogPosition position;
    std::function<void(Status)> barrier;
    Status status;
  };
  using Work = void (LocalCommitLog::*)();
  // Through which posted work finds the log, or that it is gone. All guarded by mutex.
  struct Handle {
    std::mutex mutex;
    LocalCommitLog* log = nullptr;
    std::map<Executor*, int> running;
  };

  // recovery
  Status Remember(const RecordHeader& record, const BufferChain& payload);
  Status CheckBeginning(const LogSurvey& survey) const;
  Status StartAfter(const LogSurvey& survey);
  Status StartTail(Lock& lock);

  // appending
  RecordCodec Compress(LogAppend* append);
  Status Writable() const;
  // Who may enter the last prepared segment.
  enum class Reserve : uint8_t {
    kKept,    // data: never
    kHalf,    // what gives room, when there is no other
    kOpened,  // the log's own: without that nothing could be given back
  };
  Status MakeRoom(uint64_t bytes, Reserve reserve, Lock& lock);
  bool Fits(uint64_t bytes, Reserve reserve) const;
  Status PrepareSegment(Lock& lock);
  Status GrowNext(uint64_t bytes);
  void Rotate();
  LogEntry Place(RecordType type, BufferChain payload, uint32_t payload_crc);
  void Queue(LogEntry entry, Lock& lock);
  bool MayGoAhead(ShardId shard, const AsyncWindow& window, uint64_t bytes) const;
  void ForgetAhead();
  LogMarks Marks(uint64_t first_segment) const;

  // flushing
  std::shared_ptr<LogFlush> TakeFlush();
  void Submit(const std::shared_ptr<LogFlush>& flush);
  void Flushed(LogFlush* flush, int64_t nanos, const Status& status);
  Status Fail(const Status& why);
  void Complete(LogEntry& entry, const Status& status);
  void CompleteWaiting();
  void PostDelivery();
  void DeliverPosted();
  void Deliver(bool in_completion) noexcept;

  // background
  void Post(Executor* executor, int64_t delay_ns, Work work);
  void PostMaintenance(int64_t delay_ns);
  void Maintain();
  bool Idle() const;
  void Release();

  const Environment environment_;
  const CommitLogOptions options_;
  SegmentStore store_;
  RecordCompressor compressor_;
  CommitLogCounters counters_;
  const std::shared_ptr<Handle> handle_;
  // The chain of flushes, and a delivery inside a completion: what has to end before the log can. Changed
  // under mutex_.
  std::atomic<int> completing_ = 0;

  mutable std::mutex mutex_;
  // All below is guarded by mutex_.
  bool replayed_ = false;
  Status failure_;
  Segments found_;                     // until Replay
  uint64_t marked_first_segment_ = 0;  // what the last marks replayed say, 0 without any
  uint64_t last_number_ = 0;
  uint64_t durable_number_ = 0;
  Sequence last_sequence_ = 0;
  Sequence committed_ = 0;
  std::map<ShardId, ShardTail> shards_;
  std::deque<Sealed> sealed_;
  std::shared_ptr<Segment> tail_;
  bool starting_ = false;          // the first tail is being made
  std::vector<uint64_t> emptied_;  // segments without records, to be given back when there is a tail
  uint64_t tail_offset_ = 0;
  Sequence tail_sequence_ = 0;  // newest in or before the tail that was written
  std::deque<std::shared_ptr<Segment>> prepared_;
  bool in_reserve_ = false;  // the tail was the last prepared one, and the disk had no other
  Segments overtaken_;       // prepared too late: a higher number is in use already
  std::deque<LogEntry> queue_;
  uint64_t pending_bytes_ = 0;  // queued and being flushed
  uint64_t pending_records_ = 0;
  std::map<ShardId, AsyncTail> async_;  // of shards of which something waits for the disk
  bool flushing_ = false;
  std::deque<Completion> completed_;
  bool delivering_ = false;
  bool delivery_posted_ = false;
  bool maintenance_posted_ = false;
  bool filling_ = false;  // a spare, without the lock
  bool closing_ = false;
  uint64_t release_below_ = 0;  // segments below this number may go, their marks are durable
  bool releasing_ = false;
  int64_t last_append_ns_ = 0;
  bool spares_full_ = false;
};

}  // namespace longbow::storage
