#include "longbow/engine/block_list.h"

#include <arrow/array.h>
#include <arrow/array/builder_base.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <utility>

namespace longbow::engine {
namespace {

// A block that gives its bytes back to the ledger when the last view lets go of it.
struct ChargedBlock : RowBlock {
  MemoryReservation charge;
};

int64_t BytesOf(const arrow::RecordBatch& rows) {
  return arrow::util::ReferencedBufferSize(rows).ValueOr(arrow::util::TotalBufferSize(rows));
}

// Rows of a block, ascending, and a batch of them with nulls between.
struct SparseRows {
  std::vector<RowOrdinal> rows;
  std::shared_ptr<arrow::RecordBatch> batch;
};

// In buffers of its own.
Result<std::shared_ptr<arrow::RecordBatch>> CopySparse(const RowBlock& block,
                                                       std::span<const RowOrdinal> rows) {
  const int64_t span = int64_t{rows.back()} - rows.front() + 1;
  arrow::ArrayVector columns;
  for (int column = 0; column < block.rows->num_columns(); ++column) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    LB_RETURN_NOT_OK(
        arrow::MakeBuilder(arrow::default_memory_pool(), block.rows->column(column)->type(), &builder));
    LB_RETURN_NOT_OK(builder->Reserve(span));
    const arrow::ArraySpan values(*block.rows->column_data(column));
    for (size_t at = 0; at < rows.size();) {
      size_t run = 1;
      while (at + run < rows.size() && rows[at + run] == rows[at] + run) ++run;
      LB_RETURN_NOT_OK(builder->AppendArraySlice(values, rows[at] - block.first, static_cast<int64_t>(run)));
      at += run;
      if (at < rows.size()) LB_RETURN_NOT_OK(builder->AppendNulls(rows[at] - rows[at - 1] - 1));
    }
    LB_RETURN_NOT_OK(builder->Finish(&columns.emplace_back()));
  }
  return arrow::RecordBatch::Make(block.rows->schema(), span, std::move(columns));
}

}  // namespace

const RowBlock* FindBlock(const RowBlocks& blocks, RowOrdinal row) {
  const auto after = std::upper_bound(blocks.begin(), blocks.end(), row,
                                      [](RowOrdinal r, const auto& block) { return r < block->first; });
  if (after == blocks.begin()) return nullptr;
  const RowBlock* block = (after - 1)->get();
  return row < block->end ? block : nullptr;
}

void BlockList::Push(RowOrdinal first, std::shared_ptr<arrow::RecordBatch> rows, uint64_t forgotten) {
  auto block = std::make_shared<ChargedBlock>();
  const int64_t bytes = BytesOf(*rows);
  block->first = first;
  block->end = first + static_cast<RowOrdinal>(rows->num_rows());
  block->rows = std::move(rows);
  if (ledger_ != nullptr) block->charge = ledger_->ReserveAlways(MemoryUse::kRows, bytes);
  blocks_.push_back(std::move(block));
  block_bytes_.push_back(bytes);
  forgotten_.push_back(forgotten);
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
  uint64_t forgotten = 0;
  for (size_t i = from; i < blocks_.size(); ++i) {
    bytes_ -= block_bytes_[i];
    forgotten += forgotten_[i];
  }
  blocks_.resize(from);
  block_bytes_.resize(from);
  forgotten_.resize(from);
  Push(first, std::move(*joined), forgotten);
  return merged - 1;
}

void BlockList::Forget(std::span<const RowOrdinal> rows, const RowBits& dead) {
  const RowBlocks blocks = std::exchange(blocks_, {});
  const auto block_bytes = std::exchange(block_bytes_, {});
  const auto forgotten = std::exchange(forgotten_, {});
  for (size_t i = 0; i < blocks.size(); ++i) {
    const RowBlock& block = *blocks[i];
    const auto row = std::lower_bound(rows.begin(), rows.end(), block.first);
    if (row != rows.end() && *row < block.end) {
      const uint64_t all = block.end - block.first, gone = dead.Count(block.first, block.end);
      const uint64_t fresh = gone - forgotten[i];
      const bool forget = gone == all || (fresh >= kLeastForgotten && 2 * fresh >= all - forgotten[i]);
      if (forget && PushRest(block, dead)) {
        bytes_ -= block_bytes[i];
        continue;
      }
    }
    blocks_.push_back(blocks[i]);
    block_bytes_.push_back(block_bytes[i]);
    forgotten_.push_back(forgotten[i]);
  }
}

bool BlockList::PushRest(const RowBlock& block, const RowBits& dead) {
  std::vector<SparseRows> parts;
  for (RowOrdinal row = block.first; row < block.end; ++row) {
    if (dead.Contains(row)) continue;
    if (parts.empty() || row - parts.back().rows.back() > kFilledGap) parts.emplace_back();
    parts.back().rows.push_back(row);
  }
  for (SparseRows& part : parts) {
    auto copied = CopySparse(block, part.rows);
    if (!copied.ok()) return false;  // no memory: the block stays whole
    part.batch = std::move(*copied);
  }
  for (SparseRows& part : parts) {
    const auto span = static_cast<uint64_t>(part.batch->num_rows());
    Push(part.rows.front(), std::move(part.batch), span - part.rows.size());
  }
  return true;
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
