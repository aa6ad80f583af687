// What a reader sees: one dataset at one sequence number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/ids.h"
#include "longbow/base/read_epochs.h"
#include "longbow/base/row_versions.h"
#include "longbow/base/status.h"
#include "longbow/engine/dataset_schema.h"
#include "longbow/index/vector_index.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace longbow::text {
class TextIndex;
}

namespace longbow::engine {

class Shard;
struct TextColumns;

// Payload of an ordinal range: every column but the vectors, as Arrow. Columns the dataset got later are
// missing here. Immutable.
struct RowBlock {
  RowOrdinal first = 0, end = 0;
  std::shared_ptr<arrow::RecordBatch> rows;  // end - first rows
};
using RowBlocks =
    std::vector<std::shared_ptr<const RowBlock>>;  // ascending, without overlap; gaps where all is dead

// Immutable; keeps alive all it shows, and may outlive the engine, but not the environment, ledger and arena
// that the engine was given. Cheap to pin: some reference counts.
class View {
 public:
  View(std::shared_ptr<const Shard> shard, std::shared_ptr<const DatasetSchema> schema,
       std::shared_ptr<const RowBlocks> blocks, Visibility visibility, int64_t live_rows);
  ~View();

  const std::shared_ptr<const DatasetSchema>& schema() const { return schema_; }
  const RowBlocks& blocks() const { return *blocks_; }
  const Visibility& visibility() const { return visibility_; }
  Sequence sequence() const { return visibility_.at; }
  int64_t live_rows() const { return live_rows_; }

  // By position in schema()->vectors.
  const index::VectorIndex& Index(int vector_column) const;
  const index::VectorStore& Vectors(int vector_column) const;

  // The index of these columns' text, made when nobody has asked for it before; it lives as long as the view.
  Result<text::TextIndex*> Texts(const TextColumns& columns) const;
  // About what a first search of it takes.
  double EstimateTextNanos(const TextColumns& columns) const;

  // The row's key as a number: the integer's bits, or XXH3-64 of a string, or the hidden key.
  uint64_t KeyNumber(RowOrdinal row) const;
  // Key order, for rows at equal distance: numbers by value and sign, strings by bytes.
  const index::TieOrder& key_order() const;
  // The visible row with this key, as clients write it (text of a number is the number). InvalidArgument when
  // it cannot be a key of this dataset; NotFound "id <key> not found in dataset <name>".
  Result<RowOrdinal> FindKey(std::string_view key) const;

  // The column `name` of these rows, in the order given; nulls where a row's block lacks it.
  Result<std::shared_ptr<arrow::Array>> TakeColumn(std::string_view name,
                                                   std::span<const RowOrdinal> rows) const;
  // The vectors of these rows as the schema's FixedSizeList type; copies.
  Result<std::shared_ptr<arrow::Array>> TakeVectors(int vector_column,
                                                    std::span<const RowOrdinal> rows) const;

  // Rows [first, end), which must lie in one block and, for every vector column, in one slab, as a batch of
  // the whole schema, without copying: vector columns are slices of their slabs. All rows, visible or not.
  Result<std::shared_ptr<arrow::RecordBatch>> SliceRows(RowOrdinal first, RowOrdinal end) const;
  // The end of the longest range from `first` that SliceRows takes, at most `limit`.
  RowOrdinal SliceEnd(RowOrdinal first, RowOrdinal limit) const;

 private:
  class KeyOrder;
  std::shared_ptr<const Shard> shard_;
  std::shared_ptr<const DatasetSchema> schema_;
  std::shared_ptr<const RowBlocks> blocks_;
  Visibility visibility_;
  int64_t live_rows_;
  std::unique_ptr<KeyOrder> key_order_;
  std::optional<ReadEpoch> reading_;
};

}  // namespace longbow::engine
