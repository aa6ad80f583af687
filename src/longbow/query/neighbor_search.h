// From prepared queries to hits: chooses a plan and runs it.
#pragma once

#include <cstdint>

#include "longbow/base/budget.h"
#include "longbow/base/row_selection.h"
#include "longbow/base/status.h"
#include "longbow/engine/view.h"
#include "longbow/index/vector_index.h"
#include "longbow/query/planner.h"
#include "longbow/query/workspace.h"

namespace longbow::query {

struct NeighborSearch {
  const engine::View* view = nullptr;
  int vector_column = 0;
  index::Effort effort;
  bool exact = false;
  uint32_t dims = 0;  // elements searched on first; 0: all
  const RowSelection* selection = nullptr;
  uint64_t selected = 0;  // visible rows of the selection
  Budget* budget = nullptr;
};

// For the workspace's prepared queries.
PlanInput PlanInputOf(const NeighborSearch& search, const Workspace& workspace);

// Runs all of the workspace's prepared queries as one search and leaves their hits there, without the rows
// left out. Allocates nothing once the workspace has seen searches of this shape. Returns what was done.
Result<Plan> FindNeighbors(const NeighborSearch& search, Workspace* workspace);

}  // namespace longbow::query
