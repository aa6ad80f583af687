#include "longbow/query/selection.h"

#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>

#include "longbow/base/visible_bits.h"

namespace longbow::query {
namespace {

Result<std::shared_ptr<arrow::Array>> Presence(const index::VectorStore& vectors, RowOrdinal first,
                                               RowOrdinal rows) {
  arrow::BooleanBuilder present;
  LB_RETURN_NOT_OK(present.Reserve(rows));
  for (RowOrdinal row = first; row < first + rows; ++row) {
    if (vectors.Present(row)) {
      present.UnsafeAppend(true);
    } else {
      present.UnsafeAppendNull();
    }
  }
  return present.Finish();
}

}  // namespace

Result<std::shared_ptr<arrow::RecordBatch>> FilteredColumns(const engine::View& view,
                                                            const engine::RowBlock& block, RowOrdinal rows,
                                                            const filter::BoundFilter& filter) {
  auto columns = block.rows->num_rows() == rows ? block.rows : block.rows->Slice(0, rows);
  const auto& vectors = view.schema()->vectors;
  for (const std::string& name : filter.columns()) {
    const auto named =
        std::find_if(vectors.begin(), vectors.end(), [&](const auto& v) { return v.name == name; });
    if (named == vectors.end()) continue;
    const int at = static_cast<int>(named - vectors.begin());
    LB_ASSIGN_OR_RETURN(auto present, Presence(view.Vectors(at), block.first, rows));
    LB_ASSIGN_OR_RETURN(columns, columns->AddColumn(columns->num_columns(), name, std::move(present)));
  }
  return columns;
}

RowSelection VisibleRows(const Visibility& visibility) {
  constexpr RowOrdinal kRows = 4096;  // at a time; divides a chunk of versions
  static_assert(RowVersions::kChunk % kRows == 0);
  RowSelection visible(visibility.end);
  std::array<uint64_t, kRows / 64> words;
  for (RowOrdinal first = 0; first < visibility.end; first += kRows) {
    if (visibility.versions->released(first)) continue;
    const RowOrdinal rows = std::min(kRows, visibility.end - first);
    const RowOrdinal at = first & (RowVersions::kChunk - 1);
    const Sequences born = visibility.versions->BornChunk(first) + at;
    const Sequences died = visibility.versions->DiedChunk(first) + at;
    for (RowOrdinal row = 0; row < rows; row += 64) {
      words[row / 64] = VisibleBits(born + row, died + row, visibility.at);
    }
    visible.AddBits(first, reinterpret_cast<const uint8_t*>(words.data()), 0, rows);
  }
  return visible;
}

Status BudgetError(BudgetEnd end) {
  switch (end) {
    case BudgetEnd::kStopped:
      return Error(ErrorCode::kCancelled, "the search was cancelled");
    case BudgetEnd::kDistances:
      return Error(ErrorCode::kResourceExhausted,
                   "the search spent its max_distances before it was complete; give more, or take what was "
                   "found with allow_partial");
    default:
      return Error(ErrorCode::kDeadlineExceeded,
                   "the search's deadline passed before it was complete; give more time, or take what was "
                   "found with allow_partial");
  }
}

}  // namespace longbow::query
