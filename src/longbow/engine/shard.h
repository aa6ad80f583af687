// The rows of a dataset on this node: what apply writes and views read.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "longbow/base/chunked_array.h"
#include "longbow/base/counters.h"
#include "longbow/base/environment.h"
#include "longbow/base/read_epochs.h"
#include "longbow/base/row_bits.h"
#include "longbow/base/row_versions.h"
#include "longbow/base/slab_arena.h"
#include "longbow/engine/block_list.h"
#include "longbow/engine/key.h"
#include "longbow/engine/key_index.h"
#include "longbow/engine/prepared_put.h"
#include "longbow/engine/shard_texts.h"
#include "longbow/engine/task_gate.h"
#include "longbow/index/vector_index.h"
#include "longbow/index/vector_source.h"

namespace longbow::engine {

// What every shard of a node is made from. Pointers outlive the shards.
struct ShardInput {
  Environment environment;
  MemoryLedger* ledger = nullptr;
  SlabArena* arena = nullptr;
  std::shared_ptr<TaskGate> gate;
  std::shared_ptr<Counter> documents_indexed;
  bool recovering = false;  // until Shard::LoadIndexes
};

// One vector column: its bytes and its index.
struct ShardVectors {
  ShardVectors(const VectorColumn& column, const ShardInput& input);
  index::VectorStore store;
  std::unique_ptr<index::VectorIndex> index;

  // Tells the index of rows below `end`, or, while it is being loaded, notes them for later.
  void RowsAppended(RowOrdinal end);
  // Has the index load what was saved, then tells it of what it lacks. Searches go on meanwhile.
  Status LoadIndex(FileSystem* files, const std::string& directory);

  std::mutex mutex;
  bool loading = false;     // guarded by mutex: set before the first row
  RowOrdinal appended = 0;  // guarded by mutex
};

// What restoring a sealed block leaves to be done in row order.
struct RestoredRows {
  std::vector<std::pair<RowOrdinal, std::shared_ptr<arrow::RecordBatch>>> payload;  // without gaps, ascending
  std::vector<std::vector<RowOrdinal>> missing;                                     // by vector column
};
struct SealedRows;

// Which sequences are still looked at. Guarded by its mutex.
class ViewPins {
 public:
  void Pin(Sequence at);
  void Unpin(Sequence at);
  void Publish(Sequence at);  // views to come are at `at` or later
  // No view, now or later, is older than this.
  Sequence Horizon() const;

 private:
  mutable std::mutex mutex_;
  std::map<Sequence, int64_t> views_;  // guarded by mutex_
  Sequence published_ = 0;             // guarded by mutex_
};

// Written by apply, one mutation at a time; read at any time below what was published.
class Shard : public std::enable_shared_from_this<Shard> {
 public:
  Shard(const ShardInput& input, std::string dataset, const StoredLayout& layout, uint64_t seed);
  ~Shard();

  // ---- apply ----
  // Stores and indexes for schema.vectors[from...]; fails for what an index does not take, so that apply does
  // not.
  Result<std::vector<std::unique_ptr<ShardVectors>>> MakeVectors(const DatasetSchema& schema,
                                                                 size_t from) const;
  // The new columns of rows so far are null.
  void AddVectors(std::vector<std::unique_ptr<ShardVectors>> vectors);
  // Returns how many rows died by being replaced.
  int64_t Put(Sequence at, const PreparedPut& put);
  // Returns how many rows died.
  int64_t Delete(Sequence at, std::span<const Key> keys);
  RowOrdinal end() const { return end_; }
  int64_t live_rows() const { return live_rows_; }
  const BlockList& block_list() const { return blocks_; }
  int64_t blocks_merged() const { return blocks_merged_; }
  int64_t vector_bytes() const;

  // Told when work in the background has failed and what the shard holds can no longer be relied on: which
  // work, and why. On the task that failed; before MakeVectors.
  void WhenBroken(std::function<void(const std::string& what)> broken);

  // ---- rows that died for every view (shard_forget.cc) ----
  // `due`, on any thread, when Forget has something to do; before the first write.
  void WhenForgetDue(std::function<void()> due);
  bool ForgetDue() const;
  // Gives back the memory of rows that no view sees: of blocks, pages and slabs of vectors at once or when
  // those who may still look at them have ended, of chunks of versions and keys when all their rows died.
  // True when there are blocks or views to be renewed.
  bool Forget();
  int64_t forgotten_rows() const { return forgotten_rows_; }
  // Entered by whoever reads without a view.
  ReadEpochs* epochs() const { return &epochs_; }

  // ---- recovery, before the first Put; publishes nothing (shard_restore.cc) ----
  // Rows below `end` exist and died before anything: gaps, until they are restored.
  void BeginRestore(RowOrdinal end);
  // Where the reader of a sealed block may put vectors itself: those of `row` and of rows behind it.
  std::span<std::byte> RoomForVector(size_t column, RowOrdinal row);
  // Row groups of blocks, in any order and at the same time. Rows that `is_dead` died at `at`.
  Status RestoreRows(const SealedRows& rows, Sequence at, const std::function<bool(RowOrdinal)>& is_dead,
                     RestoredRows* out);
  // With what RestoreRows left, in row order.
  void FinishRestore(Sequence at, std::vector<RestoredRows> restored);
  // The index of a vector column was saved in `directory` when at most `sequence` was applied. It is loaded,
  // on a builder, when LoadIndexes says that as much has been applied again; else built anew.
  void LoadLater(int column, std::string directory, Sequence sequence);
  // Ends the recovery. Until then indexes are told of nothing, and rows that die are forgotten at once, so
  // that a log of many generations needs no more memory than what was alive at a time.
  void LoadIndexes(Sequence applied);

  // ---- reading ----
  const std::string& dataset() const { return dataset_; }  // full name
  KeyKind key_kind() const { return key_kind_; }
  const RowVersions& versions() const { return versions_; }
  // Hidden keys that were forgotten are the ordinals.
  uint64_t KeyNumber(RowOrdinal row) const {
    if (key_kind_ == KeyKind::kHidden && key_numbers_.released(row)) return row;
    return key_numbers_.GetRelaxed(row);
  }
  // Position of the key column in row blocks; -1: hidden keys.
  int key_payload() const { return key_payload_; }
  const ShardVectors& vectors(int column) const { return *vectors_[static_cast<size_t>(column)]; }
  // Whether an index is still being loaded: then it is not to be saved.
  bool loading() const { return loads_.load() > 0; }
  // The row with this key that `visibility` shows; kNoRow when there is none. `known`: whether a row below
  // visibility.end ever had the key.
  RowOrdinal FindKey(const Key& key, const RowBlocks& blocks, const Visibility& visibility,
                     bool* known) const;

  void PinView(Sequence at) const { pins_.Pin(at); }
  void UnpinView(Sequence at) const;
  // Apply has published `at`: views to come are no older.
  void Published(Sequence at, const std::shared_ptr<const RowBlocks>& blocks, RowOrdinal end) const;
  // The text index of these columns, for a view of `blocks` and `end`.
  Result<text::TextIndex*> Texts(const TextColumns& columns, const std::shared_ptr<const RowBlocks>& blocks,
                                 RowOrdinal end) const {
    return texts_.Find(columns, blocks, end, pins_.Horizon());
  }
  const ShardTexts& texts() const { return texts_; }
  int64_t tombstones() const { return tombstones_.value(); }

 private:
  // Out of reach; back to where it came from when the epoch is over.
  struct Retired {
    uint64_t epoch = 0;
    std::vector<RowOrdinal> chunks;                    // first rows
    std::vector<std::pair<size_t, std::byte*>> slabs;  // by vector column
  };

  // Runs `work`, which is `what`, on a builder while the shard is there; it breaks the shard when it fails.
  template <typename Work>
  void PostWork(std::string_view what, Work work) const;
  void LoadIndex(int column, const std::string& directory) const;
  void EraseUnread(int column) const;
  void RestoreVectors(const SealedRows& rows, RestoredRows* out);
  // Has the indexes forget rows that no view can see any more, on a builder.
  void ScheduleErase() const;
  bool EraseDue() const;
  void EraseDead() const;
  // What holds nothing but dead rows, once `rows` are dead to everybody. Rows may be given twice: the second
  // time takes only whole chunks out.
  Retired TakeOut(std::span<const RowOrdinal> rows);
  void ForgetReplayed();
  // In recovery: nobody reads yet, and no index has been told of a row. One that was saved may have nodes for
  // them all the same, so that EraseUnread is to follow.
  void ForgetUnread(const std::vector<RowOrdinal>& rows);
  RowOrdinal SettledEnd() const;
  std::vector<RowOrdinal> TakeErased();
  void UnlinkKeys(RowOrdinal first);
  bool ReleaseRetired();  // whether there was something
  void ReleaseChunk(RowOrdinal first);
  void ReleaseRows(RowOrdinal first);  // the part of a chunk that is not the indexes'
  RowOrdinal FindHidden(uint64_t number, RowOrdinal end) const;
  // Of a row with a string key; nothing when the row is forgotten.
  std::optional<std::string_view> TextOf(RowOrdinal row, const RowBlocks& blocks) const;
  RowOrdinal NewestAlive(RowOrdinal newest, std::string_view text) const;
  int64_t ReplaceOlder(Sequence at, const PreparedPut& put, RowOrdinal first);
  int64_t Bury(Sequence at, std::span<const RowOrdinal> rows);

  const ShardInput input_;
  const std::string dataset_;
  const KeyKind key_kind_;
  const int key_payload_;
  const uint64_t seed_;
  std::function<void(const std::string&)> broken_ = [](const std::string&) {};
  RowVersions versions_;
  ChunkedArray<uint64_t> key_numbers_;
  ChunkedArray<RowOrdinal> previous_;  // the row before this one with the same key number
  KeyIndex keys_;
  BlockList blocks_;           // apply's
  mutable ReadEpochs epochs_;  // of views, of tasks of indexes, and of who asks for keys
  // Slots that never move, so that readers need no lock; a view's schema says how many are theirs.
  std::unique_ptr<std::unique_ptr<ShardVectors>[]> vectors_;
  std::atomic<size_t> vector_count_{0};
  RowOrdinal end_ = 0;         // apply's
  int64_t live_rows_ = 0;      // apply's
  int64_t blocks_merged_ = 0;  // apply's

  struct SavedIndex {
    int column;
    std::string directory;
    Sequence sequence;
  };
  bool recovering_;                  // apply's
  std::vector<SavedIndex> to_load_;  // in recovery only
  RowBits unread_;                   // set in recovery: rows forgotten then
  // Those below were taken out of the indexes, too; apply's, looked at by all.
  std::atomic<uint64_t> unread_from_{0};
  mutable std::atomic<int> loads_{0};  // indexes not yet loaded; nothing is erased meanwhile

  mutable ShardTexts texts_;
  mutable ViewPins pins_;
  struct Dead {
    Sequence died;
    RowOrdinal row;
  };
  mutable std::atomic<bool> erase_scheduled_{false};
  mutable std::mutex dead_mutex_;
  mutable std::deque<Dead> dead_;  // guarded by dead_mutex_: died, in order, and still in the indexes
  mutable std::vector<RowOrdinal> erased_;  // guarded by dead_mutex_: in no index any more, and not forgotten
  std::deque<Retired> retired_;             // apply's
  std::atomic<uint64_t> retired_epoch_{0};  // of the oldest, 0: none
  RowBits forgotten_;                       // apply's
  int64_t forgotten_rows_ = 0;              // apply's
  std::function<void()> forget_due_ = [] {};
  Gauge tombstones_;  // rows that died
};

template <typename Work>
void Shard::PostWork(std::string_view what, Work work) const {
  input_.environment.builders->Post([gate = input_.gate, weak = weak_from_this(), what, work] {
    gate->Run([&] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      try {
        work(*self);
      } catch (...) {
        self->broken_(std::string(what) + " failed: " + CurrentFailure());
      }
    });
  });
}

}  // namespace longbow::engine
