// Which rows a reader sees; and how a search ends early.
#pragma once

#include <cstdint>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/row_versions.h"
#include "longbow/base/status.h"

namespace longbow::query {

// Looks at the birth and death of every row: about a nanosecond each.
RowSelection VisibleRows(const Visibility& visibility);

// Cancelled for a stopped budget, DeadlineExceeded for the deadline, ResourceExhausted for distances.
Status BudgetError(BudgetEnd end);

}  // namespace longbow::query
