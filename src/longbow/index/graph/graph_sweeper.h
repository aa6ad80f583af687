// How nodes of erased rows leave the graph.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_linker.h"

namespace longbow::index {

// One pass over all nodes: an edge to a dead one is replaced by an edge to the nearest of the dead one's own
// neighbours that helps (FreshDiskANN's consolidation, arXiv 2105.09613, section 5, edge by edge). Afterwards
// no edge leads to the dead nodes, and no entry is one. Walks go through them until then. Runs beside readers
// and linkers; one at a time. Confined.
class GraphSweeper {
 public:
  GraphSweeper(Graph& graph, const LinkOptions& options) : graph_(graph), linker_(options) {}

  // What happens is decided beforehand by `dead`: nodes without a row whose slots nobody else frees.
  void Sweep(std::span<const Slot> dead);
  // Gives live nodes that cannot be reached from the entries an edge to them, until there are none or it does
  // not get better; how many are left.
  int64_t Reconnect();

  int64_t edges_replaced() const { return edges_replaced_; }

 private:
  bool IsDead(Slot slot) const { return slot < dead_.size() && dead_[slot]; }
  void Mend(Slot node);
  void ReplaceEdges(Slot node, uint64_t to_dead);
  void Collect(Slot node, Slot dead, int depth);
  void ReplaceEntries();

  Graph& graph_;
  GraphLinker linker_;
  std::vector<bool> dead_;  // by slot
  std::vector<Candidate> candidates_;
  int64_t edges_replaced_ = 0;
};

}  // namespace longbow::index
