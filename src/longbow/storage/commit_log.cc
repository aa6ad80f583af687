#include "longbow/storage/commit_log.h"

#include <utility>

#include "longbow/storage/local_commit_log.h"

namespace longbow::storage {

std::string_view DurabilityName(Durability durability) {
  switch (durability) {
    case Durability::kFsync:
      return "fsync";
    case Durability::kAsync:
      return "async";
    case Durability::kMemory:
      return "memory";
  }
  return "unknown";
}

void CommitLogCounters::List(CounterVisitor& visitor) const {
  const Labels ok{{"status", "ok"}};
  visitor.Visit("wal_writes_total", "Records appended to the log", ok, records_appended);
  visitor.Visit("wal_bytes_written_total", "Bytes appended to the log, headers included", {}, bytes_appended);
  visitor.Visit("wal_compressed_records_total", "Records written compressed", {}, records_compressed);
  visitor.Visit("wal_compressed_input_bytes_total", "Bytes of those records before", {}, bytes_to_compress);
  visitor.Visit("wal_compressed_output_bytes_total", "Bytes of those records as written", {},
                bytes_compressed);
  visitor.Visit("wal_flushes_total", "Writes to the log that were synced", {}, flushes);
  visitor.Visit("wal_flush_failures_total", "Failed writes or syncs; one makes the log read-only", {},
                flush_failures);
  visitor.Visit("wal_truncated_bytes_total", "Bytes of torn tails cut by recovery", {}, truncated_bytes);
  visitor.Visit("wal_segments_created_total", "Log segments prepared", {}, segments_created);
  visitor.Visit("wal_pending_entries", "Records that wait for the disk", {}, pending_records);
  visitor.Visit("wal_pending_bytes", "Bytes that wait for the disk", {}, pending_bytes);
  visitor.Visit("wal_async_bytes", "Bytes acknowledged ahead of the disk, of datasets of durability async",
                {}, async_bytes);
  visitor.Visit("wal_segments", "Log segments in the directory", {}, segments);
  visitor.Visit("wal_fsync_duration_seconds", "Time of one write to the log with its sync", ok, flush_nanos,
                1e-9);
  visitor.Visit("wal_batch_size", "Records in one write to the log", {}, flush_records, 1);
}

Result<std::unique_ptr<CommitLog>> OpenCommitLog(const Environment& environment, MemoryLedger* ledger,
                                                 CommitLogOptions options) {
  if (options.segment_bytes < kSegmentHeaderBytes * 2 || options.segment_bytes % kSegmentHeaderBytes != 0) {
    return InvalidArgument("log: segment_bytes is ", options.segment_bytes, ", expected a multiple of ",
                           kSegmentHeaderBytes, " and at least twice that");
  }
  auto log = std::make_unique<LocalCommitLog>(environment, std::move(options));
  LB_RETURN_NOT_OK(log->Open());
  return std::unique_ptr<CommitLog>(std::move(log));
}

}  // namespace longbow::storage
