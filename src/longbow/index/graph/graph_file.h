// A graph on disk: docs/formats/graph.md.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "longbow/base/filesystem.h"
#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/recall_calibration.h"
#include "longbow/index/graph/row_chains.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Saves the graph while it changes. `indexed_end`: rows below were all linked before the call.
Status SaveGraph(const Graph& graph, const RowChains& chains, const RecallCalibration& calibration,
                 const IndexInput& input, RowOrdinal indexed_end, FileSystem* files,
                 std::string_view directory);

struct LoadedGraph {
  std::unique_ptr<GraphSpace> space;
  std::unique_ptr<Graph> graph;
  std::vector<std::pair<Slot, std::vector<RowOrdinal>>> rows;  // a node's, first one first
  RowOrdinal indexed_end = 0;
  RecallCalibration::Measured measured;
};
// NotFound when there is none; Corruption when it is damaged or another column's.
Result<LoadedGraph> LoadGraph(const IndexInput& input, FileSystem* files, std::string_view directory);

}  // namespace longbow::index
