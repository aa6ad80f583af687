// The row blocks of a shard, kept few.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "longbow/base/memory_ledger.h"
#include "longbow/base/row_bits.h"
#include "longbow/engine/view.h"

namespace longbow::engine {

// Block of `blocks` that holds `row`, or null.
const RowBlock* FindBlock(const RowBlocks& blocks, RowOrdinal row);

// Confined to apply; readers get copies of the list. Small neighbours are merged as in a binary counter: when
// a block arrives, all before it that are less than twice the size of what follows join it. So a row is
// copied a logarithmic number of times, and batches of one row do not make millions of blocks.
class BlockList {
 public:
  static constexpr int64_t kMaxRows = 65536;
  static constexpr int64_t kMaxMergedBytes = int64_t{4} << 20;

  explicit BlockList(MemoryLedger* ledger) : ledger_(ledger) {}

  // Rows [first, first + rows->num_rows()), behind all blocks so far. Cut into blocks of at most kMaxRows.
  // Returns how many blocks were merged away.
  int64_t Append(RowOrdinal first, const std::shared_ptr<arrow::RecordBatch>& rows);
  // `rows`, ascending, and all that `dead` holds are seen by no view to come. Blocks that hold nothing else
  // go, and of those that have lost half of what they hold the rest is copied: with nulls for a few dead rows
  // between live ones, cut where many are.
  void Forget(std::span<const RowOrdinal> rows, const RowBits& dead);
  const RowBlocks& blocks() const { return blocks_; }
  int64_t bytes() const { return bytes_; }

 private:
  static constexpr uint64_t kLeastForgotten = 256, kFilledGap = 256;
  void Push(RowOrdinal first, std::shared_ptr<arrow::RecordBatch> rows, uint64_t forgotten = 0);
  // Whether what is left of the block was pushed in its place.
  bool PushRest(const RowBlock& block, const RowBits& dead);
  int64_t MergeTail();

  MemoryLedger* const ledger_;
  RowBlocks blocks_;
  std::vector<int64_t> block_bytes_;  // by position in blocks_
  std::vector<uint64_t> forgotten_;   // the same: rows whose values are gone
  int64_t bytes_ = 0;
};

}  // namespace longbow::engine
