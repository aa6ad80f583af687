// What was selected, counted; and how a search ends early.
#pragma once

#include <cstdint>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/status.h"
#include "longbow/engine/view.h"

namespace longbow::query {

// How many selected rows are visible: counted where the selection is small enough for that to cost little
// beside any search of it, else the share of live rows is assumed.
uint64_t CountVisible(const RowSelection& selection, const engine::View& view);
// The same, counted whatever it costs.
uint64_t CountVisibleExactly(const RowSelection& selection, const engine::View& view);

// Cancelled for a stopped budget, DeadlineExceeded for the deadline, ResourceExhausted for distances.
Status BudgetError(BudgetEnd end);

}  // namespace longbow::query
