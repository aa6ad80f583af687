#include "longbow/engine/block_list.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>

namespace longbow::engine {
namespace {

// A block that gives its bytes back to the ledger when the last view lets go of it.
struct ChargedBlock : RowBlock {
  MemoryReservation charge;
};

int64_t BytesOf(const arrow::RecordBatch& rows) {
  return arrow::util::ReferencedBufferSize(rows).ValueOr(arrow::util::TotalBufferSize(rows));
}

}  // namespace

const RowBlock* FindBlock(const RowBlocks& blocks, RowOrdinal row) {
  const auto after = std::upper_bound(blocks.begin(), blocks.end(), row,
                                      [](RowOrdinal r, const auto& block) { return r < block->first; });
  if (after == blocks.begin()) return nullptr;
  const RowBlock* block = (after - 1)->get();
  return row < block->end ? block : nullptr;
}

void BlockList::Push(RowOrdinal first, std::shared_ptr<arrow::RecordBatch> rows) {
  auto block = std::make_shared<ChargedBlock>();
  const int64_t bytes = BytesOf(*rows);
  block->first = first;
  block->end = first + static_cast<RowOrdinal>(rows->num_rows());
  block->rows = std::move(rows);
  if (ledger_ != nullptr) block->charge = ledger_->ReserveAlways(MemoryUse::kRows, bytes);
  blocks_.push_back(std::move(block));
  block_bytes_.push_back(bytes);
  bytes_ += bytes;
}

int64_t BlockList::MergeTail() {
  size_t from = blocks_.size() - 1;
  int64_t rows = blocks_[from]->rows->num_rows(), bytes = block_bytes_[from];
  const int columns = blocks_[from]->rows->num_columns();
  while (from > 0) {
    const auto& before = *blocks_[from - 1]->rows;
    if (blocks_[from - 1]->end != blocks_[from]->first) break;  // a snapshot left out what was dead between
    // Blocks of an older schema version have fewer columns and stay as they are.
    if (before.num_columns() != columns || before.num_rows() >= 2 * rows) break;
    if (rows + before.num_rows() > kMaxRows || bytes + block_bytes_[from - 1] > kMaxMergedBytes) break;
    --from;
    rows += before.num_rows();
    bytes += block_bytes_[from];
  }
  const auto merged = static_cast<int64_t>(blocks_.size() - from);
  if (merged < 2) return 0;
  arrow::RecordBatchVector parts;
  for (size_t i = from; i < blocks_.size(); ++i) parts.push_back(blocks_[i]->rows);
  auto joined = arrow::ConcatenateRecordBatches(parts);
  if (!joined.ok()) return 0;  // no memory: more blocks are only slower
  const RowOrdinal first = blocks_[from]->first;
  for (size_t i = from; i < blocks_.size(); ++i) bytes_ -= block_bytes_[i];
  blocks_.resize(from);
  block_bytes_.resize(from);
  Push(first, std::move(*joined));
  return merged - 1;
}

int64_t BlockList::Append(RowOrdinal first, const std::shared_ptr<arrow::RecordBatch>& rows) {
  int64_t merged = 0;
  for (int64_t at = 0; at < rows->num_rows(); at += kMaxRows) {
    const int64_t count = std::min(kMaxRows, rows->num_rows() - at);
    Push(first + static_cast<RowOrdinal>(at), count == rows->num_rows() ? rows : rows->Slice(at, count));
    merged += MergeTail();
  }
  return merged;
}

}  // namespace longbow::engine
