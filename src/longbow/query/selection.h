// Which rows a reader sees; and how a search ends early.
#pragma once

#include <cstdint>
#include <memory>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/row_versions.h"
#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/filter/filter.h"

namespace longbow::query {

// Looks at the birth and death of every row: about a nanosecond each.
RowSelection VisibleRows(const Visibility& visibility);

// The first `rows` rows of the view's block as the filter reads them: payload columns, and for vector columns
// that it names whether there is a vector.
Result<std::shared_ptr<arrow::RecordBatch>> FilteredColumns(const engine::View& view,
                                                            const engine::RowBlock& block, RowOrdinal rows,
                                                            const filter::BoundFilter& filter);

// Cancelled for a stopped budget, DeadlineExceeded for the deadline, ResourceExhausted for distances.
Status BudgetError(BudgetEnd end);

}  // namespace longbow::query
