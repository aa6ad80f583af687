// The one place where a write becomes durable. A log of records for all shards of a node, in one order.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/counters.h"
#include "longbow/base/crc32c.h"
#include "longbow/base/environment.h"
#include "longbow/base/ids.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/base/status.h"

namespace longbow::storage {

// What a record's bytes mean is the engine's affair; storage carries `kind` along.
using RecordKind = uint16_t;

enum class Durability : uint8_t {
  kFsync,   // completes when the record is on the medium
  kAsync,   // completes when the log has it in order, as far as the window goes; else as kFsync
  kMemory,  // takes a sequence number and is never written
};
std::string_view DurabilityName(Durability durability);

// Of kAsync, what a crash may take of a shard: no more acknowledged bytes than these wait for the medium, and
// nothing is acknowledged ahead of it while the oldest of them has waited this long.
struct AsyncWindow {
  uint64_t bytes = uint64_t{4} << 20;
  int64_t ns = 50'000'000;
  bool operator==(const AsyncWindow&) const = default;
};

// The place of a record in its shard's history and in the node's.
struct LogPosition {
  uint64_t generation = 0;
  ShardId shard = 0;
  uint64_t term = 0;
  uint64_t index = 0;     // in the shard, from 1, no gaps
  Sequence sequence = 0;  // in the node, from 1, no gaps
};

// Of the payloads of records. kAuto: LZ4 for those whose append asks for it and of which a sample shows that
// it pays. Whatever is chosen, what does not become smaller is written plain.
enum class LogCompression : uint8_t { kAuto, kNone, kLz4, kZstd };

struct LogAppend {
  ShardId shard = 0;
  RecordKind kind = 0;
  SchemaVersion schema_version = 0;
  Durability durability = Durability::kFsync;
  AsyncWindow async_window = {};
  bool try_compression = false;  // of LogCompression::kAuto
  bool gives_room = false;       // deletions: on a full disk they may use half of the segment kept in reserve
  BufferChain payload = {};      // held until durable
  // CRC-32C of stretches of the payload that the caller has passed over anyway; the log reads the rest.
  std::vector<KnownCrc> known_crcs = {};
};

struct LogRecord {
  LogPosition position;
  RecordKind kind = 0;
  SchemaVersion schema_version = 0;
  BufferChain payload;
};

// Called exactly once for each append. For kFsync the record is durable when the status is OK. Completions of
// one shard come in the order of its appends (a shard's appends all have one durability). After a failed
// flush every append under way and every later one completes with Unavailable that says the log is read-only
// and why.
using AppendDone = std::function<void(const LogPosition&, Status)>;

struct CommitLogOptions {
  std::string directory = "log";
  uint64_t segment_bytes = uint64_t{64} << 20;
  uint64_t generation = 1;
  uint64_t term = 1;
  // Sequences of appends are above this one, whatever the log holds: a snapshot may know newer ones.
  Sequence least_sequence = 0;
  // A flush takes at most this many bytes at once, so that acknowledgements keep flowing.
  uint64_t max_flush_bytes = uint64_t{16} << 20;
  // Refuses appends (ResourceExhausted) once this much waits for the disk.
  uint64_t max_pending_bytes = uint64_t{256} << 20;
  LogCompression compression = LogCompression::kAuto;
  // Segments kept beside those in use, their blocks written once ahead of need while nobody appends.
  uint64_t spare_segments = 8;
};

// What the log may take of the disk beyond what it holds.
struct LogRoom {
  uint64_t segment_bytes = 0;  // of segments to come, no more than the options'
  // Used segments are kept, and spares filled, while all of the directory takes no more than this.
  uint64_t most_bytes = std::numeric_limits<uint64_t>::max();
};

struct CommitLogCounters {
  // Of what was compressed: records, and their bytes before and after.
  Counter records_compressed, bytes_to_compress, bytes_compressed;
  Counter records_appended, bytes_appended, flushes, flush_failures, truncated_bytes, segments_created;
  Gauge pending_records, pending_bytes, segments, async_bytes;
  Histogram flush_nanos, flush_records;
  void List(CounterVisitor& visitor) const;  // names of wire protocol section 11: wal_writes_total ...
};

// What opening found.
struct RecoveryReport {
  uint64_t records = 0;
  uint64_t bytes = 0;
  // A torn tail that was cut: never more than what was not yet durable.
  bool tail_cut = false;
  std::string cut_file;
  uint64_t cut_offset = 0;
  uint64_t cut_bytes = 0;
};

// Thread-safe. On one node the commit point is the durable point; a replicated log keeps the same interface
// and commits later than it persists.
class CommitLog {
 public:
  virtual ~CommitLog() = default;  // waits for what is under way

  // Assigns the position at once: appends that are ordered by the caller's lock are ordered in the log.
  // `done` is never called from inside Append. FailedPrecondition or Unavailable when the log takes no more;
  // then `done` is not called.
  virtual Result<LogPosition> Append(LogAppend append, AppendDone done) = 0;

  virtual Sequence last_appended() const = 0;  // newest sequence assigned
  virtual Sequence committed() const = 0;      // everything up to here is durable
  // `done` once everything appended before this call is durable.
  virtual void WhenDurable(std::function<void(Status)> done) = 0;
  // OK, or why the log is read-only.
  virtual Status health() const = 0;

  // Calls visit for every committed record in order, for shards or all. Only before the first Append.
  virtual Result<RecoveryReport> Replay(const std::function<Status(const LogRecord&)>& visit) = 0;

  // Forgets records of `shard` with an index above `index` (a new leader overruled them). They must not be
  // committed.
  virtual Status TruncateSuffix(ShardId shard, uint64_t index) = 0;
  // Segments that hold nothing above `sequence` may be deleted or used again.
  virtual Status ReleaseThrough(Sequence sequence) = 0;
  // For segments and releases to come; before the first call the options' sizes and no limit.
  virtual void SetRoom(const LogRoom& room) = 0;

  virtual const CommitLogCounters& counters() const = 0;
};

// Opens or creates the log. Records are found again by Replay, which must be called once before appending.
// Corruption (file, offset and sequence in the message) when a record that a later one proves durable is
// damaged.
Result<std::unique_ptr<CommitLog>> OpenCommitLog(const Environment& environment, MemoryLedger* ledger,
                                                 CommitLogOptions options);

}  // namespace longbow::storage
