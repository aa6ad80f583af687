#include "longbow/query/ordered_scan.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>

#include "longbow/query/hit_order.h"

namespace longbow::query {
namespace {

Result<RowSelection> Matching(const BlockScanInput& input, FilterCache* filters) {
  const engine::View& view = *input.view;
  if (input.filter != nullptr) {
    Budget budget;
    return filters->Select(*input.filter, view, &budget);
  }
  RowSelection all(view.visibility().end);
  if (!input.nothing) all.AddRange(0, all.end());
  return all;
}

// Batches of rows whose order is settled. Confined.
class OrderedScan final : public Scan {
 public:
  OrderedScan(BlockScanInput input, std::vector<RowOrdinal> rows, MemoryReservation memory)
      : input_(std::move(input)),
        schema_(ScanSchema(input_)),
        rows_(std::move(rows)),
        memory_(std::move(memory)),
        batch_rows_(std::clamp<int64_t>(input_.options.max_bytes / (VectorBytesARow(input_) + kPayloadBytes),
                                        1, input_.options.first_rows)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    const size_t count = std::min(static_cast<size_t>(batch_rows_), rows_.size() - next_);
    if (count == 0) return nullptr;
    LB_ASSIGN_OR_RETURN(auto batch, GatherRows(input_, schema_, std::span(rows_).subspan(next_, count)));
    next_ += count;
    input_.rows_scanned->Add(static_cast<int64_t>(count));
    return batch;
  }

 private:
  static constexpr int64_t kPayloadBytes = 128;  // of a row, about

  const BlockScanInput input_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::vector<RowOrdinal> rows_;
  const MemoryReservation memory_;
  const int64_t batch_rows_;
  size_t next_ = 0;
};

// One batch. Confined.
class CountScan final : public Scan {
 public:
  explicit CountScan(std::shared_ptr<arrow::RecordBatch> batch)
      : schema_(batch->schema()), batch_(std::move(batch)) {}
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  Result<std::shared_ptr<arrow::RecordBatch>> Next() override { return std::move(batch_); }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::RecordBatch> batch_;
};

// What is left of `rows` after offset and limit: the first and how many.
std::pair<size_t, size_t> Page(const BlockScanInput& input, uint64_t rows) {
  const uint64_t first = std::min<uint64_t>(static_cast<uint64_t>(input.offset), rows);
  const uint64_t left = rows - first;
  return {first, input.limit == 0 ? left : std::min<uint64_t>(left, static_cast<uint64_t>(input.limit))};
}

}  // namespace

Result<std::unique_ptr<Scan>> MakeOrderedScan(BlockScanInput input, const OrderBy& order,
                                              FilterCache* filters, MemoryLedger* ledger) {
  const engine::View& view = *input.view;
  LB_RETURN_NOT_OK(CheckOrder(order, *view.schema()));
  LB_ASSIGN_OR_RETURN(const RowSelection matching, Matching(input, filters));
  constexpr int64_t kBytesARow = sizeof(RowOrdinal) + sizeof(uint64_t);
  LB_ASSIGN_OR_RETURN(auto memory, ledger->ReserveToRead(matching.Count() * kBytesARow));
  std::vector<RowOrdinal> rows;
  matching.ForEach(0, matching.end(), [&](RowOrdinal row) {
    if (view.visibility().Visible(row)) rows.push_back(row);
    return true;
  });
  LB_ASSIGN_OR_RETURN(const auto positions, OrderOf(view, order, rows));
  const auto [first, count] = Page(input, positions.size());
  std::vector<RowOrdinal> ordered(count);
  for (size_t i = 0; i < count; ++i) ordered[i] = rows[positions[first + i]];
  return std::make_unique<OrderedScan>(std::move(input), std::move(ordered), std::move(memory));
}

Result<std::unique_ptr<Scan>> MakeCountScan(BlockScanInput input, FilterCache* filters) {
  uint64_t rows = 0;
  if (!input.nothing && input.filter == nullptr) {
    rows = static_cast<uint64_t>(input.view->live_rows());
  } else if (!input.nothing) {
    LB_ASSIGN_OR_RETURN(const RowSelection matching, Matching(input, filters));
    rows = static_cast<uint64_t>(matching.Count());
  }
  arrow::Int64Builder count;
  LB_RETURN_NOT_OK(count.Append(static_cast<int64_t>(Page(input, rows).second)));
  LB_ASSIGN_OR_RETURN(auto column, count.Finish());
  auto schema = arrow::schema({arrow::field("count", arrow::int64(), false)});
  return std::make_unique<CountScan>(arrow::RecordBatch::Make(std::move(schema), 1, {std::move(column)}));
}

}  // namespace longbow::query
