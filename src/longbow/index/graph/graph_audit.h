// Whether a graph is what it should be.
#pragma once

#include <cstdint>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/row_chains.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Nodes that stand for a row and that no way from the entries leads to.
std::vector<Slot> UnreachableNodes(const Graph& graph);

// Counts nodes; beside writers, violations may be of the moment.
AuditReport AuditGraph(const Graph& graph, const RowChains& chains);

}  // namespace longbow::index
