// Whether a graph is what it should be.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/row_chains.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// What can be reached from the entries, some nodes at a time, beside readers and writers: a node that was cut
// off and linked again meanwhile may be counted. Confined.
class ReachSearch {
 public:
  explicit ReachSearch(const Graph& graph);
  // Looks at up to `nodes` nodes; true when nothing is left to look at.
  bool Step(const Graph& graph, uint32_t nodes);
  // Once done: nodes that stand for a row and that no way from the entries leads to.
  std::vector<Slot> Missed(const Graph& graph) const;

 private:
  void Reach(Slot slot);

  std::vector<bool> reached_;  // by slot
  std::vector<Slot> queue_;
};
std::vector<Slot> UnreachableNodes(const Graph& graph);

// How many nodes that stand for a row have so many edges in: 0, 1, 2 or 3, 4 to 7, and so on in powers of
// two, the last class open.
inline constexpr size_t kInDegreeClasses = 8;
std::array<int64_t, kInDegreeClasses> CountInDegrees(const Graph& graph);

// What a graph is held against.
struct GraphAccount {
  RowOrdinal rows_end = 0;     // of its chains
  int64_t live = 0, dead = 0;  // nodes that stand for rows, and those whose slots are not free yet
  bool settled = false;        // nobody writes
};
// Looks at each node and, when the graph is settled, at whether its parts agree: edges lead to nodes that are
// there and are counted there, entries are such nodes and carry their codes, a row's node stands for that
// row, every slot is of a live node, a dead one or free. Beside writers, violations may be of the moment.
AuditReport AuditGraph(const Graph& graph, const RowChains& chains, const GraphAccount& account);

}  // namespace longbow::index
