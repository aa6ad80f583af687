// From prepared queries to hits: chooses the index's method and runs it.
#pragma once

#include <cstdint>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/index/vector_index.h"
#include "longbow/query/workspace.h"

namespace longbow::query {

// The cheapest of the index's methods, among the exact ones when `exact`. FailedPrecondition when there is
// none.
Result<index::MethodCost> ChooseMethod(const index::VectorIndex& index, const index::SearchShape& shape,
                                       bool exact);

struct NeighborSearch {
  const engine::View* view = nullptr;
  int vector_column = 0;
  index::Effort effort;
  bool exact = false;
  const RowSelection* selection = nullptr;
  uint64_t selected = 0;  // visible rows of the selection
  Budget* budget = nullptr;
};

// Runs all of the workspace's prepared queries as one search of the index and leaves their hits there,
// without the rows left out. Allocates nothing once the workspace has seen searches of this shape. Returns
// what was done.
Result<index::Method> FindNeighbors(const NeighborSearch& search, Workspace* workspace);

}  // namespace longbow::query
