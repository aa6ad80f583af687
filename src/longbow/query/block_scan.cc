#include "longbow/query/block_scan.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <span>

#include "longbow/distance/metric_list.h"
#include "longbow/query/row_runs.h"
#include "longbow/query/selection.h"

namespace longbow::query {
namespace {

// A piece is handed out as a slice when it is at least this share of the batch aimed at; smaller ones are
// gathered.
constexpr int64_t kSliceShare = 8;
// Gathering goes on to this share of the batch aimed at before a piece that is worth slicing ends it.
constexpr int64_t kGatherShare = 4;

struct Piece {
  RowOrdinal first = 0, end = 0;
  int64_t rows() const { return end - first; }
};

int64_t VectorBytes(const engine::VectorColumn& column) {
  return static_cast<int64_t>(column.dim * distance::ScalarBytes(column.type)) *
         distance::ScalarsPerElement(column.type);
}

class BlockScan final : public Scan {
 public:
  BlockScan(BlockScanInput input, std::shared_ptr<arrow::Schema> schema)
      : input_(std::move(input)),
        schema_(std::move(schema)),
        pass_over_(input_.offset),
        rows_left_(input_.nothing     ? 0
                   : input_.limit > 0 ? input_.limit
                                      : INT64_MAX),
        chunk_rows_(input_.options.first_rows),
        chunk_bytes_(input_.options.first_bytes),
        vector_bytes_(VectorBytesARow(input_)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    LB_RETURN_NOT_OK(CheckTime(input_));
    gathered_.clear();
    std::optional<Piece> whole;
    while (!whole && rows_left_ > static_cast<int64_t>(gathered_.size())) {
      LB_ASSIGN_OR_RETURN(const bool more, ReachRow());
      if (!more) break;
      const int64_t aim = Aim(), gathered = static_cast<int64_t>(gathered_.size());
      if (gathered >= aim) break;
      Piece piece = NextPiece(aim);
      const bool worth_slicing = piece.rows() * kSliceShare >= aim;
      if (worth_slicing && gathered == 0) {
        whole = piece;
      } else {
        if (worth_slicing && gathered * kGatherShare >= aim) break;
        const int64_t rows = std::min({piece.rows(), aim - gathered, rows_left_ - gathered});
        piece.end = piece.first + static_cast<RowOrdinal>(rows);
        for (RowOrdinal row = piece.first; row < piece.end; ++row) gathered_.push_back(row);
      }
      next_ = piece.end;
    }
    if (!whole && gathered_.empty()) return nullptr;
    LB_ASSIGN_OR_RETURN(auto batch, whole ? Slice(*whole) : GatherRows(input_, schema_, gathered_));
    rows_left_ -= batch->num_rows();
    input_.rows_scanned->Add(batch->num_rows());
    chunk_rows_ = std::min(chunk_rows_ * 2, input_.options.max_rows);
    chunk_bytes_ = std::min(chunk_bytes_ * 2, input_.options.max_bytes);
    return batch;
  }

 private:
  const engine::RowBlock& Block() const { return *input_.view->blocks()[block_]; }

  // Moves next_ to the next row to hand out; false at the end of the scan.
  Result<bool> ReachRow() {
    const auto& blocks = input_.view->blocks();
    for (; block_ < blocks.size(); ++block_, live_.reset()) {
      if (!live_) LB_RETURN_NOT_OK(EnterBlock());
      if (pass_over_ > 0) PassOver();
      next_ = Block().first + NextRow(*live_, next_ - Block().first, true);
      if (next_ < Block().first + live_->end()) return true;
    }
    return false;
  }

  // At the start of a block: passes over as many of its rows as are still to be.
  void PassOver() {
    const int64_t rows = live_->Count();
    if (rows <= pass_over_) {
      pass_over_ -= rows;
      next_ = Block().first + live_->end();
      return;
    }
    live_->ForEach(0, live_->end(), [this](RowOrdinal row) {
      next_ = Block().first + row;
      return pass_over_-- > 0;
    });
    pass_over_ = 0;
  }

  // Copies which rows of the block are visible and match, and learns how large they are.
  Status EnterBlock() {
    LB_RETURN_NOT_OK(CheckTime(input_));
    const engine::RowBlock& block = Block();
    next_ = block.first;
    const Visibility& visibility = input_.view->visibility();
    live_.emplace(std::min(block.end, std::max(block.first, visibility.end)) - block.first);
    for (RowOrdinal row = 0; row < live_->end(); ++row) {
      if (visibility.Visible(block.first + row)) live_->Add(row);
    }
    if (input_.filter != nullptr && live_->end() > 0) {
      RowSelection matching(live_->end());
      const filter::BoundFilter& filter = *input_.filter->bound;
      LB_ASSIGN_OR_RETURN(const auto columns, FilteredColumns(*input_.view, block, live_->end(), filter));
      LB_RETURN_NOT_OK(filter.Select(*columns, 0, &matching));
      live_->Intersect(matching);
    }
    int64_t payload_bytes = 0;
    for (const int column : input_.columns) {
      const auto values = block.rows->GetColumnByName(input_.view->schema()->arrow->field(column)->name());
      if (values != nullptr) payload_bytes += arrow::util::ReferencedBufferSize(*values).ValueOr(0);
    }
    row_bytes_ = vector_bytes_ + payload_bytes / std::max<int64_t>(1, block.rows->num_rows());
    return Status::OK();
  }

  // Rows of the batch aimed at.
  int64_t Aim() const {
    return std::clamp<int64_t>(chunk_bytes_ / std::max<int64_t>(1, row_bytes_), 1, chunk_rows_);
  }

  // The longest range from next_ that can be a slice. It may reach a quarter beyond the aim, so that no crumb
  // is left of a slab that is just larger.
  Piece NextPiece(int64_t aim) const {
    const RowOrdinal base = Block().first;
    const RowOrdinal run_end = base + NextRow(*live_, next_ - base, false);
    const RowOrdinal slice_end = input_.view->SliceEnd(next_, run_end);
    int64_t rows = slice_end - next_;
    if (rows > aim + aim / 4) rows = aim;
    return {next_, next_ + static_cast<RowOrdinal>(std::min(rows, rows_left_))};
  }

  Result<std::shared_ptr<arrow::RecordBatch>> Slice(const Piece& piece) const {
    LB_ASSIGN_OR_RETURN(auto rows, input_.view->SliceRows(piece.first, piece.end));
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    columns.reserve(input_.columns.size());
    for (const int column : input_.columns) columns.push_back(rows->column_data(column));
    return arrow::RecordBatch::Make(schema_, rows->num_rows(), std::move(columns));
  }

  const BlockScanInput input_;
  const std::shared_ptr<arrow::Schema> schema_;
  int64_t pass_over_;  // rows before the first to hand out
  int64_t rows_left_;
  int64_t chunk_rows_, chunk_bytes_;  // of the next batch, at most
  const int64_t vector_bytes_;        // a row's, of the wanted columns
  size_t block_ = 0;
  RowOrdinal next_ = 0;
  std::optional<RowSelection> live_;  // rows of the block to hand out, from its first on
  int64_t row_bytes_ = 0;             // in the block, about
  std::vector<RowOrdinal> gathered_;
};

}  // namespace

Status CheckTime(const BlockScanInput& input) {
  if (input.deadline_ns == 0 || input.clock->MonotonicNanos() < input.deadline_ns) return Status::OK();
  return Error(ErrorCode::kDeadlineExceeded,
               "the scan's timeout_ms passed before its end; give more time, or a limit");
}

Result<std::vector<int>> ScanColumns(const engine::DatasetSchema& schema,
                                     const std::optional<std::vector<std::string>>& names) {
  std::vector<int> columns;
  if (!names) {
    for (int i = 0; i < schema.arrow->num_fields(); ++i) columns.push_back(i);
    return columns;
  }
  for (const std::string& name : *names) {
    const int column = schema.arrow->GetFieldIndex(name);
    if (column < 0)
      return InvalidArgument("columns: unknown column \"", name.substr(0, 128), "\" of the dataset");
    columns.push_back(column);
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

int64_t VectorBytesARow(const BlockScanInput& input) {
  int64_t bytes = 0;
  for (const auto& column : input.view->schema()->vectors) {
    const bool wanted = std::binary_search(input.columns.begin(), input.columns.end(), column.field);
    bytes += wanted ? VectorBytes(column) : 0;
  }
  return bytes;
}

std::shared_ptr<arrow::Schema> ScanSchema(const BlockScanInput& input) {
  const auto& whole = input.view->schema()->arrow;
  arrow::FieldVector fields;
  for (const int column : input.columns) fields.push_back(whole->field(column));
  return arrow::schema(std::move(fields), whole->metadata());
}

Result<std::shared_ptr<arrow::RecordBatch>> GatherRows(const BlockScanInput& input,
                                                       const std::shared_ptr<arrow::Schema>& schema,
                                                       std::span<const RowOrdinal> rows) {
  const auto& dataset = *input.view->schema();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  columns.reserve(input.columns.size());
  for (const int column : input.columns) {
    const auto vector = std::find_if(dataset.vectors.begin(), dataset.vectors.end(),
                                     [column](const engine::VectorColumn& v) { return v.field == column; });
    LB_ASSIGN_OR_RETURN(
        const auto values,
        vector == dataset.vectors.end()
            ? input.view->TakeColumn(dataset.arrow->field(column)->name(), rows)
            : input.view->TakeVectors(static_cast<int>(vector - dataset.vectors.begin()), rows));
    columns.push_back(values->data());
  }
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows.size()), std::move(columns));
}

Result<std::unique_ptr<Scan>> MakeBlockScan(BlockScanInput input) {
  auto schema = ScanSchema(input);
  return std::make_unique<BlockScan>(std::move(input), std::move(schema));
}

}  // namespace longbow::query
