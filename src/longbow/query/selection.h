// From a filter to the rows it chooses.
#pragma once

#include <cstdint>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/filter/filter.h"

namespace longbow::query {

// The rows of the view's blocks that match, visible or not. DeadlineExceeded or Cancelled when `budget`, of
// which each row looked at is spent, ends first.
Result<RowSelection> SelectRows(const engine::View& view, const filter::BoundFilter& filter, Budget* budget);

// How many selected rows are visible: counted where the selection is small enough for that to cost little
// beside any search of it, else the share of live rows is assumed.
uint64_t CountVisible(const RowSelection& selection, const engine::View& view);

// Cancelled for a stopped budget, else DeadlineExceeded.
Status BudgetError(BudgetEnd end);

}  // namespace longbow::query
