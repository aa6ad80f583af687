// Sealed row blocks read back, a row group at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/status.h"
#include "longbow/engine/stored_layout.h"
#include "longbow/storage/block_store.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace longbow::engine {

// A row group. Rows ascend.
struct SealedRows {
  std::shared_ptr<arrow::Array> ordinals;       // uint32
  std::shared_ptr<arrow::Array> born;           // uint64
  std::shared_ptr<arrow::Array> keys;           // uint64; null: rows have keys of their own
  std::shared_ptr<arrow::RecordBatch> payload;  // of the layout
  // By position in the schema's vectors: FixedSizeList or List of the column's scalars; null: the block lacks
  // the column, or its vectors have been placed.
  std::vector<std::shared_ptr<arrow::Array>> vectors;
  std::vector<bool> placed;  // the same
};
// Where the vector of `row` in the schema's vector column `column` is to be, with those of as many rows
// behind it as lie behind it in memory.
using VectorRoom = std::function<std::span<std::byte>(size_t column, RowOrdinal row)>;

int64_t SealedRowCount(const SealedRows& rows);

// Confined.
class SealedBlockReader {
 public:
  // Corruption when a byte of the file differs from what was sealed.
  static Result<std::unique_ptr<SealedBlockReader>> Open(const storage::BlockEntry& entry,
                                                         std::shared_ptr<const StoredLayout> layout,
                                                         storage::BlockStore* store);
  ~SealedBlockReader();
  int row_groups() const;
  // With `room`, vectors go there where they lie in the file as in memory, and have to be looked at no more.
  Result<SealedRows> Read(int row_group, const VectorRoom& room = {});

 private:
  struct Source;
  // The file's columns that hold the schema's vectors as they lie in memory; -1: it is not so.
  std::vector<int> PlainColumns(int row_group) const;
  Status PlaceVectors(int row_group, int file_column, size_t column, const arrow::Array& ordinals,
                      const VectorRoom& room);
  SealedBlockReader(storage::BlockEntry entry, std::shared_ptr<const StoredLayout> layout,
                    std::unique_ptr<Source> source);

  const storage::BlockEntry entry_;
  const std::shared_ptr<const StoredLayout> layout_;
  const std::unique_ptr<Source> source_;
};

}  // namespace longbow::engine
