#include "longbow/query/selection.h"

#include <algorithm>

namespace longbow::query {
namespace {

// Rows whose born and died are looked at one by one.
constexpr int64_t kCountedRows = 65536;

}  // namespace

uint64_t CountVisibleExactly(const RowSelection& selection, const engine::View& view) {
  if (view.live_rows() >= view.visibility().end) return static_cast<uint64_t>(selection.Count());
  uint64_t visible = 0;
  selection.ForEach(0, selection.end(), [&](RowOrdinal row) {
    visible += view.visibility().Visible(row) ? 1 : 0;
    return true;
  });
  return visible;
}

uint64_t CountVisible(const RowSelection& selection, const engine::View& view) {
  const int64_t selected = selection.Count();
  const int64_t live = view.live_rows(), end = view.visibility().end;
  if (selected <= kCountedRows) return CountVisibleExactly(selection, view);
  if (live >= end) return static_cast<uint64_t>(selected);
  return static_cast<uint64_t>(static_cast<double>(selected) * static_cast<double>(live) /
                               static_cast<double>(end));
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
