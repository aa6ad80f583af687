// A dataset at work: the order of its writes, its shard, and what readers get of it.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "longbow/engine/apply_queue.h"
#include "longbow/engine/catalog_state.h"
#include "longbow/engine/edge_store.h"
#include "longbow/engine/engine.h"
#include "longbow/engine/record.h"
#include "longbow/engine/retry_table.h"
#include "longbow/engine/shard.h"
#include "longbow/engine/stored_layout.h"
#include "longbow/storage/commit_log.h"

namespace longbow::engine {

// What the parts of one engine share. The log is there once it is open.
struct EngineParts {
  EngineParts(const Environment& env, MemoryLedger* ledger, SlabArena* arena, EngineOptions options)
      : environment(env), ledger(ledger), arena(arena), options(std::move(options)) {}

  Environment environment;
  MemoryLedger* ledger = nullptr;
  SlabArena* arena = nullptr;
  EngineOptions options;
  std::shared_ptr<TaskGate> gate = std::make_shared<TaskGate>();
  RetryTable retries;
  // By text indexes, which may outlive the engine with a view.
  std::shared_ptr<Counter> documents_indexed = std::make_shared<Counter>();
  mutable EngineCounters counters;
  std::unique_ptr<storage::CommitLog> log;
  // Of durable datasets, since the snapshot this process began with.
  std::atomic<int64_t> rows_put{0}, rows_died{0};
  std::function<void()> published = [] {};  // called after each publish, from any thread
  // Gives the answer to a put of so many bytes, in its time; from any thread.
  std::function<void(int64_t, Result<WriteAck>, const WriteDone&)> answer =
      [](int64_t, Result<WriteAck> ack, const WriteDone& done) { done(std::move(ack)); };
  bool recovering = true;  // set by the opener, before anybody else comes

  ShardInput shard_input() const;
};

// Nothing that was once accepted is refused because limits were lowered since.
inline constexpr SchemaLimits kReplayLimits{32768, std::numeric_limits<int>::max()};

// Three states follow each other: appended (guarded by append_mutex_, decides about writes), applied (the
// queue's strand), published (guarded by state_mutex_, what readers get).
class Dataset : public std::enable_shared_from_this<Dataset> {
 public:
  // InvalidArgument when an index does not take a column.
  static Result<std::shared_ptr<Dataset>> Make(EngineParts* parts, DatasetId id, std::string name,
                                               std::shared_ptr<const DatasetSchema> schema);
  ~Dataset();

  DatasetId id() const { return id_; }
  const std::string& name() const { return name_; }  // full
  ApplyQueue& queue() { return *queue_; }

  // ---- writing: checked, appended, and applied later ----
  // Logs the dataset's creation; `applied` runs on the strand when it is durable.
  Status AppendCreate(const IpcMessage& schema, std::function<void()> applied);
  // The dataset's schema with what `incoming` adds, logged when it adds something.
  Result<std::shared_ptr<const StoredLayout>> Evolve(const arrow::Schema& incoming);
  // Takes a put that was prepared against some version of the schema.
  void AppendPut(PreparedPut put, PutRecord record, MemoryReservation message, MemoryReservation memory,
                 WriteDone done);
  void AppendDelete(const std::vector<std::string>& keys, WriteDone done);
  void AppendEdges(const std::vector<NewEdge>& edges, WriteDone done);
  // `applied` runs on the strand once the drop is durable.
  Status AppendDrop(std::function<void()> applied, WriteDone done);
  // For a drop that another record says: no more writes; false when it was dropped before.
  bool StopWrites();
  void ResumeWrites();
  std::shared_ptr<const StoredLayout> appended_layout() const;

  // ---- snapshots ----
  // `done` once everything appended before this call is applied and acknowledged; with the error when it
  // cannot be.
  void WhenAcknowledged(Done done);
  // What is visible at `at`, which is not newer than what was applied, with the schema of then; null when the
  // dataset was dropped since.
  std::shared_ptr<const View> PinAt(Sequence at, const StoredLayout& layout) const;
  // Newest record applied to it and visible, its shard for saving what is derived; null when dropped.
  std::shared_ptr<const Shard> Derivable(Sequence* applied) const;

  // ---- replay, in the calling thread; Publish makes it visible ----
  // The state of a snapshot: what the shard's restoring left is done.
  Shard& shard() { return *shard_; }
  Status Restored(Sequence at, const DatasetState& state);
  Sequence replayed() const { return applied_sequence_; }
  void ReplayCreated(Sequence at) { applied_sequence_ = at; }
  Status ReplayEvolve(const storage::LogRecord& record);
  Status ReplayPut(const storage::LogRecord& record);
  Status ReplayDelete(const storage::LogRecord& record);
  Status ReplayEdges(const storage::LogRecord& record);
  void Publish();
  // Readers of the name get nothing any more; views go on.
  void Drop();

  // ---- reading ----
  Result<std::shared_ptr<const View>> Pin() const;
  Result<DatasetInfo> Info() const;
  void WhenIndexed(Done done) const;
  int64_t IndexBacklog() const;
  // What the indexes of its vector columns say of themselves: index_*{dataset, column}.
  void ListIndexGauges(CounterVisitor& visitor) const;
  std::shared_ptr<const EdgeStore> edges() const { return edges_; }
  int64_t tombstones() const;

 private:
  struct Published {
    std::shared_ptr<const Shard> shard;  // null once dropped
    std::shared_ptr<const StoredLayout> layout;
    std::shared_ptr<const RowBlocks> blocks;
    RowOrdinal end = 0;
    Sequence sequence = 0;
    int64_t live_rows = 0, bytes = 0;
  };

  Dataset(EngineParts* parts, DatasetId id, std::string name, std::shared_ptr<const StoredLayout> layout);
  Status NotThere() const { return NotFound("dataset not found: ", name_); }
  // Logs `payload` and queues `mutation` behind what was appended before. Under append_mutex_.
  Status Append(RecordKind kind, storage::Durability durability, BufferChain payload,
                std::shared_ptr<Mutation> mutation, std::vector<KnownCrc> known_crcs = {});
  // What is known of the batch already; nothing when `done` was taken and will be called. Takes it only then.
  Result<std::optional<WriteAck>> EnterPut(PreparedPut put, PutRecord record, MemoryReservation message,
                                           MemoryReservation memory, WriteDone* done);
  WriteDone WhenPut(const PutRecord& record, int64_t bytes, std::shared_ptr<WriteDone> sender) const;
  Result<WriteAck> ApplyPut(Sequence at, PreparedPut* put);
  void ApplyLayout(Sequence at, std::shared_ptr<const StoredLayout> layout,
                   std::vector<std::unique_ptr<ShardVectors>> vectors);
  void CountRows(int64_t put, int64_t died);  // on the strand
  // Has the shard forget what no view sees, on the strand.
  void PostForget();
  Status CheckKeysKnown(const std::vector<Key>& keys, const std::vector<std::string>& texts) const;
  Published published() const;
  // Of the columns that say so, without waiting for a search.
  void BeginTexts(const std::shared_ptr<const RowBlocks>& blocks);

  EngineParts* const parts_;
  const DatasetId id_;
  const std::string name_;
  const std::shared_ptr<ApplyQueue> queue_;
  const std::shared_ptr<EdgeStore> edges_;  // guarded by itself

  mutable std::mutex append_mutex_;
  std::shared_ptr<const StoredLayout> appended_;  // guarded by append_mutex_
  bool dropped_ = false;                          // guarded by append_mutex_
  uint64_t next_hidden_key_ = 0;                  // guarded by append_mutex_
  uint64_t rows_appended_ = 0;                    // guarded by append_mutex_

  std::shared_ptr<Shard> shard_;                 // the strand's; null once dropped
  std::shared_ptr<const StoredLayout> applied_;  // the strand's
  Sequence applied_sequence_ = 0;                // the strand's
  int64_t merged_counted_ = 0;                   // the strand's
  bool renew_ = false;  // the strand's: blocks and the view are to be published again
  std::atomic<bool> forget_posted_{false};
  std::shared_ptr<const StoredLayout> texted_;  // the strand's: whose declared text is indexed

  mutable std::mutex state_mutex_;
  Published published_;                       // guarded by state_mutex_
  mutable std::shared_ptr<const View> view_;  // guarded by state_mutex_: of published_, made when asked for
};

}  // namespace longbow::engine
