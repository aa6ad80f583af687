#include "longbow/query/selection.h"

#include <arrow/record_batch.h>

#include <algorithm>

namespace longbow::query {
namespace {

// Rows whose born and died are looked at one by one.
constexpr int64_t kCountedRows = 65536;

}  // namespace

Result<RowSelection> SelectRows(const engine::View& view, const filter::BoundFilter& filter, Budget* budget) {
  const RowOrdinal end = view.visibility().end;
  RowSelection selection(end);
  for (const auto& block : view.blocks()) {
    if (block->first >= end) break;
    const int64_t rows = std::min(block->end, end) - block->first;
    const auto batch = rows == block->rows->num_rows() ? block->rows : block->rows->Slice(0, rows);
    LB_RETURN_NOT_OK(filter.Select(*batch, block->first, &selection));
    if (!budget->Spend(rows)) return BudgetError(budget->end());
  }
  return selection;
}

uint64_t CountVisible(const RowSelection& selection, const engine::View& view) {
  const int64_t selected = selection.Count();
  const int64_t live = view.live_rows(), end = view.visibility().end;
  if (live >= end) return static_cast<uint64_t>(selected);
  if (selected > kCountedRows) {
    return static_cast<uint64_t>(static_cast<double>(selected) * static_cast<double>(live) /
                                 static_cast<double>(end));
  }
  uint64_t visible = 0;
  selection.ForEach(0, selection.end(), [&](RowOrdinal row) {
    visible += view.visibility().Visible(row) ? 1 : 0;
    return true;
  });
  return visible;
}

Status BudgetError(BudgetEnd end) {
  if (end == BudgetEnd::kStopped) return Error(ErrorCode::kCancelled, "the search was cancelled");
  return Error(ErrorCode::kDeadlineExceeded, "the search's deadline passed before anything was found");
}

}  // namespace longbow::query
