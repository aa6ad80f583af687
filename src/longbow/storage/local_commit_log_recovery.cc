// Opening, replaying, closing, and the work in the background.
#include <algorithm>
#include <iterator>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/storage/local_commit_log.h"
#include "longbow/storage/log_replay.h"

namespace longbow::storage {

LocalCommitLog::LocalCommitLog(const Environment& environment, CommitLogOptions options)
    : environment_(environment),
      options_(std::move(options)),
      store_(environment.files, environment.random,
             {.directory = options_.directory,
              .segment_bytes = options_.segment_bytes,
              .generation = options_.generation,
              .max_spares = options_.spare_segments}),
      compressor_(options_.compression),
      handle_(std::make_shared<Handle>()),
      spares_full_(options_.spare_segments == 0) {
  handle_->log = this;
}

LocalCommitLog::~LocalCommitLog() {
  {
    Lock lock(mutex_);
    closing_ = true;
  }
  environment_.files->WaitUntil([this] { return completing_ == 0; });
  { Lock lock(mutex_); }  // the last completion has let go of it
  {
    std::lock_guard lock(handle_->mutex);
    handle_->log = nullptr;
  }
  for (Executor* executor : {environment_.appliers, environment_.builders}) {
    executor->WaitUntil([this, executor] {
      std::lock_guard lock(handle_->mutex);
      return handle_->running[executor] == 0;
    });
  }
  Deliver(/*in_completion=*/false);
}

Status LocalCommitLog::Open() {
  LB_ASSIGN_OR_RETURN(Segments found, store_.Open());
  Lock lock(mutex_);
  found_ = std::move(found);
  return Status::OK();
}

Result<RecoveryReport> LocalCommitLog::Replay(const std::function<Status(const LogRecord&)>& visit) {
  // Nobody else does anything with a log before its replay.
  LB_ASSIGN_OR_RETURN(const LogSurvey survey, SurveyLog(found_));
  RecoveryReport report;
  shards_.clear();
  marked_first_segment_ = 0;
  last_sequence_ = std::max(survey.last_sequence, options_.least_sequence);
  const auto take = [&](const RecordHeader& record, BufferChain payload) -> Status {
    LB_RETURN_NOT_OK(Remember(record, payload));
    if (record.type != RecordType::kData || survey.truncations.Forgotten(record)) return Status::OK();
    report.records += 1;
    report.bytes += record.payload_bytes;
    LB_ASSIGN_OR_RETURN(payload, DecompressRecord(record, std::move(payload)));
    return visit({.position = {.generation = record.generation,
                               .shard = record.shard,
                               .term = record.term,
                               .index = record.index,
                               .sequence = record.sequence},
                  .kind = record.kind,
                  .schema_version = record.schema_version,
                  .payload = std::move(payload)});
  };
  LB_RETURN_NOT_OK(ReadRecords(found_, survey, take));
  LB_RETURN_NOT_OK(CheckBeginning(survey));
  if (survey.torn) {
    const SegmentSpan& end = survey.spans.back();
    report.tail_cut = true;
    report.cut_file = found_[end.segment]->path;
    report.cut_offset = end.end_offset;
    report.cut_bytes = survey.torn_bytes;
    counters_.truncated_bytes.Add(static_cast<int64_t>(survey.torn_bytes));
  }
  LB_RETURN_NOT_OK(StartAfter(survey));
  return report;
}

// What a record says about where its shard and the log stand.
Status LocalCommitLog::Remember(const RecordHeader& record, const BufferChain& payload) {
  switch (record.type) {
    case RecordType::kData:
    case RecordType::kTruncate:
      shards_[record.shard] = {record.term, record.index};
      return Status::OK();
    case RecordType::kSeal:
      return Status::OK();
    case RecordType::kMarks: {
      LB_ASSIGN_OR_RETURN(const LogMarks marks, DecodeMarks(payload));
      marked_first_segment_ = marks.first_segment;
      last_sequence_ = std::max(last_sequence_, marks.last_sequence);
      for (const LogMarks::Shard& shard : marks.shards) shards_[shard.shard] = {shard.term, shard.last_index};
      return Status::OK();
    }
  }
  return Error(ErrorCode::kCorruption, "log record ", record.number, " at offset ", record.offset, ": type ",
               static_cast<int>(record.type), " is unknown");
}

// Segments are missing in front unless the log begins at record 1 or marks let it begin where it does.
Status LocalCommitLog::CheckBeginning(const LogSurvey& survey) const {
  if (survey.spans.empty()) return Status::OK();
  const size_t begins = survey.spans.front().segment;
  const SegmentHeader& first = found_[begins]->header;
  const bool from_the_start = first.cut && first.base == 0;
  if (from_the_start || first.number <= marked_first_segment_) return Status::OK();
  const std::string& path = found_.front()->path;
  return Error(ErrorCode::kCorruption, "log: ", begins > 0 ? "the beginning of " : "segments before ", path,
               begins > 0 ? " is damaged" : " are missing", ": whole records begin behind record ",
               first.base, " in ", found_[begins]->path, " at offset ", kSegmentHeaderBytes, ", sequence ",
               first.base_sequence,
               ", and nothing says that older ones were released; restore the files from a copy");
}

// The steps under "Cutting" in docs/formats/log.md. After any of them the next reading finds the same log.
Status LocalCommitLog::StartAfter(const LogSurvey& survey) {
  LB_RETURN_NOT_OK(MakeTailDurable(found_, survey));
  std::vector<const SegmentSpan*> span_of(found_.size());
  for (const SegmentSpan& span : survey.spans) span_of[span.segment] = &span;
  std::vector<uint64_t> unused, empty;
  for (size_t i = 0; i < found_.size(); ++i) {
    if (span_of[i] == nullptr) unused.push_back(found_[i]->header.number);
    if (span_of[i] != nullptr && span_of[i]->records == 0) empty.push_back(found_[i]->header.number);
  }
  LB_RETURN_NOT_OK(store_.Recycle(unused));  // their space serves for the new segment

  const Segments found = std::move(found_);  // closes what is not kept, when the lock is gone
  Lock lock(mutex_);
  last_number_ = durable_number_ = survey.last_number;
  committed_ = tail_sequence_ = last_sequence_;
  last_append_ns_ = environment_.clock->MonotonicNanos() + kSettleNanos;
  emptied_ = std::move(empty);
  const Status started = StartTail(lock);
  // A full disk can be read; appends are refused until there is space for a segment.
  if (!started.ok() && CodeOf(started) != ErrorCode::kResourceExhausted) return started;
  if (started.ok() && !survey.spans.empty() && survey.spans.back().records > 0) {
    LB_RETURN_NOT_OK(found[survey.spans.back().segment]->file->Truncate(survey.spans.back().end_offset));
  }
  for (const SegmentSpan& span : survey.spans) {
    if (span.records > 0) sealed_.push_back({found[span.segment], span.last_sequence});
  }
  replayed_ = true;
  counters_.segments.Set(static_cast<int64_t>(store_.live()));
  PostMaintenance(0);
  return Status::OK();
}

// A segment of its own for what comes after recovery: nothing is ever written behind bytes whose fate is
// unknown.
Status LocalCommitLog::StartTail(Lock& lock) {
  // Two of them would each cut what the other holds.
  if (starting_)
    return Error(ErrorCode::kResourceExhausted, "log: its first segment is being made; try again");
  starting_ = true;
  const uint64_t base = last_number_;
  const Sequence base_sequence = last_sequence_;
  const std::vector<uint64_t> emptied = emptied_;
  lock.unlock();
  auto started = store_.Prepare(base, base_sequence, /*cut=*/true);
  // The new segment stands for them: no seal needs them any more.
  const Status recycled = started.ok() ? store_.Recycle(emptied) : started.status();
  lock.lock();
  starting_ = false;
  if (!recycled.ok()) return CodeOf(recycled) == ErrorCode::kResourceExhausted ? recycled : Fail(recycled);
  emptied_.clear();
  tail_ = *std::move(started);
  tail_offset_ = kSegmentHeaderBytes;
  counters_.segments_created.Add();
  return Status::OK();
}

// Posted work runs only while the log is there, and the log stays while it runs.
void LocalCommitLog::Post(Executor* executor, int64_t delay_ns, Work work) {
  auto task = [handle = handle_, executor, work] {
    LocalCommitLog* log = nullptr;
    {
      std::lock_guard lock(handle->mutex);
      if (handle->log == nullptr) return;
      log = handle->log;
      handle->running[executor] += 1;
    }
    const struct CountDown {
      Handle* handle;
      Executor* executor;
      ~CountDown() {
        std::lock_guard lock(handle->mutex);
        handle->running[executor] -= 1;
      }
    } ended{handle.get(), executor};
    (log->*work)();
  };
  if (delay_ns == 0) {
    executor->Post(std::move(task));
  } else {
    executor->PostAfter(delay_ns, std::move(task));
  }
}

void LocalCommitLog::PostMaintenance(int64_t delay_ns) {
  if (maintenance_posted_ || closing_ || !failure_.ok()) return;
  maintenance_posted_ = true;
  Post(environment_.builders, delay_ns, &LocalCommitLog::Maintain);
}

// Prepares segments before they are needed, from filled spares if it can, and fills spares while nobody
// writes.
void LocalCommitLog::Maintain() {
  Lock lock(mutex_);
  maintenance_posted_ = false;
  bool fill = false;
  while (!closing_ && failure_.ok() && tail_ != nullptr) {
    fill = !spares_full_ && !filling_ && Idle();
    const bool wait_for_spare = fill && !prepared_.empty() && store_.spares() == 0;
    if (prepared_.size() >= kPrepared || wait_for_spare) break;
    if (!PrepareSegment(lock).ok()) return;  // an append asks again
  }
  if (fill && !closing_) {
    filling_ = true;
    lock.unlock();
    const auto full = store_.FillSpare();
    lock.lock();
    filling_ = false;
    spares_full_ = !full.ok() || *full;  // without a spare segments are as good, only slower
  }
  if (!spares_full_) PostMaintenance(fill ? kFillPauseNanos : kIdleNanos);
  if (spares_full_ && prepared_.size() < kPrepared) PostMaintenance(0);
}

bool LocalCommitLog::Idle() const {
  return !closing_ && pending_records_ == 0 &&
         environment_.clock->MonotonicNanos() - last_append_ns_ >= kIdleNanos;
}

void LocalCommitLog::Release() {
  Segments released;
  uint64_t below = 0;
  {
    Lock lock(mutex_);
    below = release_below_;
    while (!sealed_.empty() && sealed_.front().segment->header.number < below) {
      released.push_back(std::move(sealed_.front().segment));
      sealed_.pop_front();
    }
    const auto stays = std::partition(overtaken_.begin(), overtaken_.end(),
                                      [&](const auto& segment) { return segment->header.number < below; });
    std::move(overtaken_.begin(), stays, std::back_inserter(released));
    overtaken_.erase(overtaken_.begin(), stays);
  }
  released.clear();  // closes the files
  const Status recycled = store_.RecycleBelow(below);
  Lock lock(mutex_);
  releasing_ = false;
  counters_.segments.Set(static_cast<int64_t>(store_.live()));
  if (!recycled.ok()) (void)Fail(recycled);
}

}  // namespace longbow::storage
