// The text indexes of a shard. That of columns with `longbow.text` is made with the rows; another one when it
// is first asked for. Each is kept up to date from then on.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "longbow/base/counters.h"
#include "longbow/base/executor.h"
#include "longbow/base/row_versions.h"
#include "longbow/engine/text_columns.h"
#include "longbow/engine/view.h"
#include "longbow/text/text_index.h"

namespace longbow::engine {

// Guarded by its mutex, which apply holds through a mutation, so that an index never begins in the middle of
// one.
class ShardTexts {
 public:
  static constexpr size_t kMostIndexes = 16;

  // Pointers outlive it; `documents` counts what all indexes of the node have read.
  ShardTexts(const RowVersions* versions, Executor* builders, MemoryLedger* ledger,
             std::shared_ptr<Counter> documents);
  ~ShardTexts();
  // Told that building one of them has failed; before the first is made.
  void WhenFailed(std::function<void(const std::string& what)> failed) { failed_ = std::move(failed); }

  // ---- apply ----
  // Held while rows are written and die. [.., end) have been written before.
  std::unique_lock<std::mutex> Mutate() { return std::unique_lock(mutex_); }
  void RowsWritten(RowOrdinal end) { written_end_ = end; }       // under Mutate
  void RowsDied(Sequence at, std::span<const RowOrdinal> rows);  // under Mutate
  void Publish(const std::shared_ptr<const RowBlocks>& blocks, RowOrdinal end);
  // The rows are visible to no view any more.
  void Erase(std::span<const RowOrdinal> rows);

  // ---- reading ----
  // The index of these columns, which knows of all rows that a view of `blocks` and `end` shows. `horizon`:
  // no view is older. ResourceExhausted beyond kMostIndexes.
  Result<text::TextIndex*> Find(const TextColumns& columns, const std::shared_ptr<const RowBlocks>& blocks,
                                RowOrdinal end, Sequence horizon);
  // Null when nobody has asked for it yet.
  const text::TextIndex* FindMade(const TextColumns& columns) const;
  // All there are; they live as long as this.
  std::vector<text::TextIndex*> Made() const;

 private:
  class Source;
  struct Kept;
  void PublishLocked(const std::shared_ptr<const RowBlocks>& blocks, RowOrdinal end);

  const RowVersions* const versions_;
  Executor* const builders_;
  MemoryLedger* const ledger_;
  const std::shared_ptr<Counter> documents_;
  std::function<void(const std::string&)> failed_ = nullptr;

  mutable std::mutex mutex_;
  RowOrdinal written_end_ = 0;               // guarded by mutex_
  RowOrdinal published_end_ = 0;             // guarded by mutex_
  std::shared_ptr<const RowBlocks> blocks_;  // guarded by mutex_: of published_end_
  std::vector<std::unique_ptr<Kept>> kept_;  // guarded by mutex_; never taken out
};

}  // namespace longbow::engine
