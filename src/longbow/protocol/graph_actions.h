// Bodies of the actions on edges: requests from JSON, answers to JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/engine/engine.h"
#include "longbow/query/edge_paths.h"

namespace longbow::protocol {

// All readers: InvalidArgument "invalid action body format: ..." for bad JSON; unknown keys are ignored. A
// key is a number or a string.

struct AddEdgesBody {
  std::string dataset;
  std::vector<engine::NewEdge> edges;  // never empty
};
// {"dataset", "subject", "predicate", "object", "weight": 1}, or {"dataset", "edges": [such objects]}.
Result<AddEdgesBody> ReadAddEdges(std::string_view body);

struct TraversalBody {
  std::string dataset;
  std::string start;
  query::TraversalOptions options;
};
// {"dataset", "start", "max_hops", "incoming", "weighted", "decay"}; max_hops below 1 means 2, decay 0 means
// 0.5.
Result<TraversalBody> ReadTraversal(std::string_view body);

// [{"Nodes": [...], "Edges": [{"Subject", "Predicate", "Object", "Weight"}], "Score"}], keys as `kind` has
// them.
std::string PathsJson(const std::vector<query::EdgePath>& paths, engine::KeyKind kind);
// {"edge_count", "community_count", "predicates"}.
std::string EdgeStatsJson(const query::EdgeStats& stats);

}  // namespace longbow::protocol
