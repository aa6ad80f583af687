// Walks along the edges between a dataset's keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/engine/edge_store.h"

namespace longbow::query {

inline constexpr size_t kMaxPaths = 10000;

struct TraversalOptions {
  int64_t max_hops = 2;   // at least 1
  bool incoming = false;  // against the edges' direction
  bool weighted = true;   // false: every edge counts as 1
  double decay = 0.5;     // a hop's share of what came before, above 0
};

// A walk that meets no key twice.
struct EdgePath {
  std::vector<engine::Key> nodes;   // the start first
  std::vector<engine::Edge> edges;  // between them, as they were added
  double score = 1;                 // the product over the hops of weight x decay
};

// Every path of 1 to max_hops edges from `start`, the highest score first, then the shortest; none for a key
// without edges. InvalidArgument for options out of range; ResourceExhausted when there are more than
// kMaxPaths.
Result<std::vector<EdgePath>> FindPaths(const engine::EdgeStore& edges, const engine::Key& start,
                                        const TraversalOptions& options);

struct EdgeStats {
  int64_t edges = 0;
  int64_t communities = 0;              // sets of keys that edges connect, in whatever direction
  std::vector<std::string> predicates;  // sorted
};
EdgeStats CountEdges(const engine::EdgeStore& edges);

}  // namespace longbow::query
