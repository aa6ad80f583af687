// Takes snapshots while writes go on: sealed blocks, derived files, then the manifest, then the log is cut.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "longbow/engine/block_plan.h"
#include "longbow/engine/catalog.h"
#include "longbow/engine/dataset.h"
#include "longbow/storage/block_store.h"
#include "longbow/storage/manifest.h"

namespace longbow::engine {

struct SnapshotCounters {
  Counter taken, failed, cancelled, compactions_cancelled, compactions_failed;
  Counter blocks_written, block_bytes_written, blocks_merged, blocks_compacted, derived_written,
      files_removed, answers_held;
  Gauge running, compacting, blocks, block_bytes, sequence, datasets_behind;
  Histogram nanos;
  void List(CounterVisitor& visitor) const;  // snapshot_operations_total ... of wire protocol section 11
};

// One at a time, in steps on builders; a step between two waits for the log or for apply. Guarded by mutex_
// but for what says otherwise. Holds itself while steps are under way; the engine's parts outlive Stop.
class Snapshotter : public std::enable_shared_from_this<Snapshotter> {
 public:
  Snapshotter(EngineParts* parts, Catalog* catalog, ApplyQueue* catalog_queue);

  // Once, in recovery: `manifest` is what the disk holds.
  Status Open(storage::Manifest manifest, const CatalogState& state);
  // Once, when recovery is over: removes what the manifest does not name; snapshots may be taken, and are
  // when they are due. `replayed`: bytes of log behind the manifest's snapshot.
  void Start(uint64_t replayed);
  // Cancels what is under way and waits for its step; answers those who wait.
  void Stop();

  // `done` once a snapshot that holds everything acknowledged before this call is on the medium.
  void Request(SnapshotDone done);
  // The same, and blocks of the dataset, or of all, are written again without their dead rows.
  void RequestCompaction(std::optional<DatasetId> dataset, SnapshotDone done);
  // Ends what RequestCompaction has asked for: those who asked get Cancelled. False when nobody has.
  bool CancelCompaction();
  // Takes one when the log has grown enough; while puts arrive, when it has grown twice as much. Cheap.
  void RequestIfDue();
  // Gives the answer to a put of so many bytes: at once, unless rows are replaced faster than a snapshot
  // under way gives back what the replaced ones hold. Then it waits for the log to be cut, a second at most,
  // so that the disk is not what a fast writer fills.
  void Answer(int64_t bytes, Result<WriteAck> ack, const WriteDone& done);

  storage::BlockStore& store() { return store_; }
  const SnapshotCounters& counters() const { return counters_; }

 private:
  // What an index looked like when it was saved.
  struct SavedIndex {
    RowOrdinal indexed_end = 0;
    int64_t tombstones = 0;
  };
  using SavedIndexes = std::map<std::pair<DatasetId, uint32_t>, SavedIndex>;
  // Of a dataset at the snapshot's sequence.
  struct DatasetCut {
    std::shared_ptr<Dataset> dataset;
    std::shared_ptr<const StoredLayout> layout;
    std::shared_ptr<const View> kept;  // no newer than the cut: so nothing that it shows is forgotten
  };
  // Whose blocks are to lose all their dead rows.
  struct Compaction {
    bool all = false;
    std::set<DatasetId> datasets;
    bool Holds(DatasetId id) const { return all || datasets.contains(id); }
    bool any() const { return all || !datasets.empty(); }
  };
  struct Waiter {
    SnapshotDone done;
    bool compacts = false;  // it has asked for the compaction
  };
  // What had come when a snapshot was cut.
  struct Mark {
    uint64_t log_bytes = 0;
    int64_t rows_put = 0, rows_died = 0;
  };
  // Blocks that another one is to take the place of.
  struct Rewrite {
    std::shared_ptr<Dataset> dataset;
    std::shared_ptr<const View> view;  // of the cut
    BlockRewrite blocks;
  };
  struct Cut {
    Sequence sequence = 0;
    Compaction compaction;
    CatalogState state;  // datasets and retries come later
    std::vector<DatasetCut> datasets;
    std::vector<Waiter> waiters;
    std::atomic<bool> cancelled{false};  // its compaction, and with it all of it
    SavedIndexes saved;
    storage::Manifest manifest;  // being made
    SnapshotInfo info;
    std::deque<Rewrite> rewrites;  // to come once the log is cut
    bool replaces = false;         // rows, since the one before, rather than adds
    bool committed = false;        // on the medium; what comes now only saves room
    int64_t began_ns = 0;
    Mark mark;         // mark_ of this one
    Mark mark_before;  // and of the one before, for when this one fails
  };
  void Enqueue(Waiter waiter, const std::function<void(Compaction*)>& ask);
  void Begin();
  Status TakeCut(Cut* cut);
  void Then(std::shared_ptr<Cut> cut, void (Snapshotter::*step)(const std::shared_ptr<Cut>&));
  void Write(const std::shared_ptr<Cut>& cut);
  Status WriteFiles(Cut* cut);
  Status WriteDataset(Cut* cut, const DatasetCut& dataset);
  Status KeepLast(Cut* cut, DatasetId id);
  Status SealRows(Cut* cut, const DatasetCut& dataset, DatasetState* state);
  Status Seal(Cut* cut, const View& view, DatasetId id, const std::vector<RowRange>& ranges,
              std::vector<storage::BlockEntry>* blocks);
  Status SaveIndexes(Cut* cut, const DatasetCut& dataset);
  Result<bool> SaveIndex(Cut* cut, const Shard& shard, DatasetId id, int column);
  void Commit(const std::shared_ptr<Cut>& cut);
  Status SaveAndCutLog(Cut* cut);
  void Compact(const std::shared_ptr<Cut>& cut);
  Status RewriteBlocks(Cut* cut, const Rewrite& rewrite);
  Status Save(storage::Manifest manifest);
  void RemoveWhatFailed();
  void SetLogRoom(bool replaces);
  void Finish(const std::shared_ptr<Cut>& cut, const Status& status);
  void PutBackOthers(Cut* cut);  // mutex_ held
  Status MayGoOn(const Cut& cut) const;
  bool StepsAside();
  void LookAgain();
  void PostTimer();
  void TryAgainLater(const Cut& cut, int64_t nanos);
  uint64_t LogBytes() const;
  Mark MarkNow() const;
  Mark mark() const;
  void SetMark(const Mark& mark);
  double DeadBytesBeyond(const Mark& since, int64_t share) const;
  bool ManyDied() const;
  bool TooManyDied() const;
  void LetAnswersGo();
  void ShowBlocks();

  EngineParts* const parts_;
  Catalog* const catalog_;
  ApplyQueue* const catalog_queue_;
  const std::shared_ptr<TaskGate> gate_ = std::make_shared<TaskGate>();
  storage::BlockStore store_;
  SnapshotCounters counters_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> started_{false};
  std::atomic<bool> due_posted_{false};
  std::atomic<bool> looking_again_{false};
  std::atomic<int> quiet_looks_{0};                    // since puts arrived
  std::atomic<int64_t> live_rows_{0}, block_rows_{0};  // in the blocks of the snapshot on the disk
  uint64_t log_segment_ = 0;                           // the size last asked for; confined to steps
  std::atomic<int64_t> not_before_ns_{0};              // a failed one is not tried again at once

  mutable std::mutex mark_mutex_;
  Mark mark_;      // guarded by mark_mutex_: of the newest cut
  Mark log_mark_;  // guarded by mark_mutex_: of the newest cut that is on the medium

  std::mutex held_mutex_;
  std::vector<std::function<void()>> held_;  // guarded by held_mutex_: answers to puts

  std::mutex mutex_;
  bool running_ = false;          // guarded by mutex_
  std::shared_ptr<Cut> current_;  // guarded by mutex_; its content is the step's
  std::vector<Waiter> waiting_;   // guarded by mutex_: for the snapshot after the one under way
  Compaction compaction_;         // guarded by mutex_: what they ask for

  // The running step's: of the snapshot that the disk holds.
  storage::Manifest manifest_;
  bool manifest_known_ = true;  // false after a failed save: the disk may hold manifest_ or a later one
  std::map<DatasetId, RowOrdinal> sealed_end_;
  SavedIndexes saved_;
};

}  // namespace longbow::engine
