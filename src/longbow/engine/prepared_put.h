// A batch brought into the shape that apply stores, and the rules its rows must keep.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "longbow/base/crc32c.h"
#include "longbow/engine/batch_codec.h"
#include "longbow/engine/stored_layout.h"

namespace longbow::engine {

struct VectorInput {
  LazyVectors values;                       // row_bytes == 0: null in every row
  std::shared_ptr<arrow::Buffer> validity;  // null: every row has a vector
  int64_t null_count = 0;
  std::optional<uint32_t> crc;  // CRC-32C of the values' bytes, where CheckRows looked at them all

  bool IsNull(int64_t row) const;
};

struct PreparedPut {
  int64_t rows = 0;
  std::shared_ptr<arrow::RecordBatch> payload;  // of layout->payload
  std::vector<VectorInput> vectors;             // by position in schema->vectors
  std::vector<uint64_t> keys;                   // numbers, by row; hidden keys are drawn later
  int64_t payload_bytes = 0;

  // Gives the rows of a dataset without ids their keys: `first` and those that follow.
  void DrawKeys(uint64_t first);
  // About what applying it takes.
  int64_t MemoryNeeded(const DatasetSchema& schema) const;
};

// The batch's columns by name, as the dataset stores them; columns the batch lacks become null.
// InvalidArgument for a column that the dataset does not have or of another type.
Result<PreparedPut> PreparePut(const StoredLayout& layout, const IncomingBatch& incoming);

// The rules of the data model: no null key; every present vector whole, finite and, under cosine, not zero;
// payload of a row within the cap. Names column, row and value. Takes the checksum of vectors on the way.
Status CheckRows(const StoredLayout& layout, const IncomingBatch& incoming, int64_t max_row_bytes,
                 PreparedPut* put);
// What CheckRows found, as stretches of `body`: only of vectors that lie there.
std::vector<KnownCrc> KnownCrcs(const PreparedPut& put, const BufferChain& body);

}  // namespace longbow::engine
