// A graph on disk: docs/formats/graph.md.
#pragma once

#include <array>
#include <memory>
#include <string_view>
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

// Which rows nodes stand for: of each node how many, and theirs one behind the other, first one first.
struct LoadedRows {
  struct Node {
    Slot slot;
    uint32_t rows;
  };
  std::vector<Node> nodes;
  std::vector<RowOrdinal> rows;
};

struct LoadedGraph {
  std::unique_ptr<GraphSpace> space;
  std::unique_ptr<Graph> graph;  // its nodes stand for no row yet
  std::vector<LoadedRows> rows;
  uint64_t nodes = 0;
  RowOrdinal indexed_end = 0;
  RecallCalibration::Measured measured;
};
// On the caller's thread and on those of input.builders that are free. NotFound when there is none;
// Corruption when it is damaged or another column's.
Result<LoadedGraph> LoadGraph(const IndexInput& input, FileSystem* files, std::string_view directory);

}  // namespace longbow::index
