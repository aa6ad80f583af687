// The engine: datasets that are written through one log and read through pinned views. Knows no network.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/counters.h"
#include "longbow/base/environment.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/base/slab_arena.h"
#include "longbow/base/status.h"
#include "longbow/engine/batch_codec.h"
#include "longbow/engine/dataset_schema.h"
#include "longbow/engine/view.h"
#include "longbow/storage/commit_log.h"

namespace longbow::engine {

class EdgeStore;

struct WriteAck {
  Sequence sequence = 0;
  int64_t rows = 0;
  storage::Durability durability = storage::Durability::kFsync;
};
using WriteDone = std::function<void(Result<WriteAck>)>;
using Done = std::function<void(Status)>;

// Says who writes, so that a batch sent again has effect once. Empty client: no such promise.
struct RetryKey {
  std::string client, stream;
  uint64_t sequence = 0;
};

struct DatasetInfo {
  std::string name;  // full
  std::shared_ptr<const DatasetSchema> schema;
  int64_t rows = 0;
  int64_t bytes = 0;  // of vectors and payload
};

// One stream of batches into one dataset. Confined to the stream; completions come from any thread. Keeps the
// dataset alive; a dropped dataset answers NotFound.
class DatasetWriter {
 public:
  virtual ~DatasetWriter() = default;
  // `done` once the dataset and the stream's columns exist durably.
  virtual void WhenReady(Done done) = 0;
  // Checks, logs and applies one record batch: all rows or none. `done` when it is durable at the dataset's
  // level and visible. Batches of one writer are applied in the order written. What is wrong with a batch (a
  // bad value, a width, too much memory) is told by `done` before anything was logged. `done` may be called
  // before Write returns. `reservation` covers the message's bytes and is released once they are on disk and
  // applied.
  virtual void Write(IncomingBatch batch, const IpcMessage& message, RetryKey retry,
                     MemoryReservation reservation, WriteDone done) = 0;
  virtual const std::string& dataset() const = 0;      // full name
  virtual storage::Durability durability() const = 0;  // the dataset's level
};

// How sealed row blocks are cut.
struct BlockLimits {
  int64_t file_bytes = int64_t{256} << 20;  // none is planned larger
  uint32_t file_rows = uint32_t{1} << 20;
  // A block of which more than this share died since it was sealed is written again without them.
  int dead_percent = 20;
  // The same of blocks whose rows are this wide: few of them hold much room.
  int wide_dead_percent = 10;
  int64_t wide_row_bytes = 2048;
  // What a snapshot may write again for that, beyond twice what it writes anyway, or what the dead hold.
  int64_t compaction_bytes = int64_t{256} << 20;
};

// A snapshot that is on the medium.
struct SnapshotInfo {
  Sequence sequence = 0;                          // it shows exactly this moment
  int64_t blocks = 0, bytes = 0;                  // sealed row blocks, all together
  int64_t blocks_written = 0, bytes_written = 0;  // by this one
  double seconds = 0;
};
using SnapshotDone = std::function<void(Result<SnapshotInfo>)>;

// Held while a directory is in use: of its note a second one is told.
inline constexpr std::string_view kDirectoryLock = "LOCK";

struct EngineOptions {
  storage::CommitLogOptions log;
  BlockLimits blocks;
  // A snapshot is taken once the log behind the newest one is this long, and this long after the last; 0:
  // not for that reason.
  uint64_t snapshot_log_bytes = uint64_t{1} << 30;
  // And sooner where rows replace rows: once those that died since the newest one hold so much more than
  // a quarter of those that live. It gives back what the log and the blocks hold of them.
  uint64_t snapshot_dead_bytes = uint64_t{32} << 20;
  int64_t snapshot_interval_ns = 0;
  SchemaLimits schema_limits;
  int64_t max_row_bytes = int64_t{1} << 20;  // of payload
  // Told, on any thread, that a dataset was fenced, and why: it is refused from then on, others go on.
  std::function<void(const std::string& dataset, const Status& why)> fenced = [](const std::string&,
                                                                                 const Status&) {};
  // What a second server on the same directory is told about this one: process, host.
  std::string holder = "a longbow engine";
  // kDirectoryLock, when the caller took it before; null: Open takes it.
  std::shared_ptr<FileLock> directory_lock;
};

struct EngineCounters {
  Counter batches_written, rows_written, bytes_written, rows_deleted, edges_added, batches_rejected,
      duplicates_ignored;
  Counter datasets_created, datasets_dropped, datasets_fenced, blocks_merged;
  Histogram apply_nanos, ack_nanos, replay_nanos;
};

// An edge as clients name it: keys as they write them.
struct NewEdge {
  std::string subject, predicate, object;
  float weight = 1;
};
inline constexpr size_t kMaxPredicateBytes = 1024;
inline constexpr size_t kMaxNewEdges = 10000;  // of one call

// Progress of opening, readable while Open runs. Atomic.
struct RecoveryProgress {
  std::atomic<int64_t> records{0}, bytes{0}, bytes_total{0};
  std::atomic<bool> finished{false};
  int percent() const;
};

// Thread-safe. Calls with a `done` never wait for the disk.
class Engine {
 public:
  // Takes the directory unless the caller has it (FailedPrecondition that names the holder when another has
  // it), restores the newest snapshot, replays the log behind it through the same apply that writes use.
  // Environment, ledger and arena outlive the engine.
  static Result<std::unique_ptr<Engine>> Open(const Environment& environment, MemoryLedger* ledger,
                                              SlabArena* arena, EngineOptions options,
                                              RecoveryProgress* progress = nullptr);
  virtual ~Engine() = default;  // waits for what is under way

  // The stream's dataset: created from `schema` when missing, evolved when `schema` adds columns. Checked at
  // once; the records are logged without waiting.
  virtual Result<std::shared_ptr<DatasetWriter>> OpenWriter(std::string_view dataset,
                                                            const arrow::Schema& schema) = 0;
  // The highest sequence of this client's stream whose batch was applied; 0 when none is known. Where its
  // writer may go on after a break. An empty `dataset` means the one that the stream wrote to;
  // InvalidArgument when it wrote to several.
  virtual Result<uint64_t> AppliedThrough(std::string_view dataset, const std::string& client,
                                          const std::string& stream) const = 0;
  // Keys as clients write them. NotFound "id <key> not found in dataset <name>" when one was never there;
  // keys deleted before are fine, while they are among the last 65,536 that were forgotten.
  virtual void Delete(std::string_view dataset, std::vector<std::string> keys, WriteDone done) = 0;
  // Adds edges between keys, or gives those that are there a new weight. InvalidArgument for a key that
  // cannot be one of this dataset, an empty or too long predicate, a weight that is not finite.
  virtual void AddEdges(std::string_view dataset, std::vector<NewEdge> edges, WriteDone done) = 0;
  virtual Result<std::shared_ptr<const EdgeStore>> Edges(std::string_view dataset) const = 0;
  virtual void DropDataset(std::string_view dataset, Done done) = 0;

  virtual void CreateNamespace(std::string_view name, Done done) = 0;  // AlreadyExists
  // With its datasets. NotFound; FailedPrecondition for "default".
  virtual void DropNamespace(std::string_view name, Done done) = 0;
  virtual std::vector<std::string> Namespaces() const = 0;  // sorted, holds "default"

  // NotFound "dataset not found: X".
  virtual Result<std::shared_ptr<const View>> Pin(std::string_view dataset) const = 0;
  virtual Result<DatasetInfo> Info(std::string_view dataset) const = 0;
  virtual std::vector<DatasetInfo> Datasets() const = 0;  // sorted by name
  // `done` when every row visible now is indexed, its text, too, where that is indexed; an empty name means
  // all datasets.
  virtual void WhenIndexed(std::string_view dataset, Done done) = 0;
  // Rows visible and not yet indexed.
  virtual int64_t IndexBacklog(std::string_view dataset) const = 0;

  // `done` once a snapshot is on the medium that holds everything acknowledged before this call; writes go on
  // meanwhile. Cancelled when the engine is closed first.
  virtual void TakeSnapshot(SnapshotDone done) = 0;
  // As TakeSnapshot, with every sealed block of the dataset that has dead rows written again without them,
  // however few they are. An empty name means all datasets. NotFound.
  virtual void Compact(std::string_view dataset, SnapshotDone done) = 0;
  // Ends what Compact has asked for, under way or waiting: its `done` gets Cancelled, and who waits for the
  // same snapshot gets the next one. False when there is nothing to end.
  virtual bool CancelCompaction() = 0;

  virtual Sequence committed() const = 0;
  // `done` once everything up to `sequence`, as an acknowledgement named it, is on the medium; with the log's
  // error when it cannot be. What was written to datasets of durability memory is never there, and not waited
  // for. InvalidArgument for a sequence that was never given out. Without one: everything written before this
  // call.
  virtual void WhenDurable(std::optional<Sequence> sequence, Done done) = 0;
  virtual Status health() const = 0;  // why writes are refused, or OK
  virtual const storage::RecoveryReport& recovery() const = 0;
  virtual const std::string& node_id() const = 0;  // from the data directory
  virtual void ListCounters(CounterVisitor& visitor) const = 0;
};

}  // namespace longbow::engine
