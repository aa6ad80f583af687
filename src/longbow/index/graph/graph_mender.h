// How live nodes lose their edges to dead ones.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_linker.h"

namespace longbow::index {

// Nodes without a row whose slots nobody else frees. Immutable.
class DeadNodes {
 public:
  // Slots of `dead` lie below `size`.
  DeadNodes(Slot size, std::span<const Slot> dead) : by_slot_(dead.empty() ? 0 : size) {
    for (Slot slot : dead) by_slot_[slot] = true;
  }
  bool Contains(Slot slot) const { return slot < by_slot_.size() && by_slot_[slot]; }
  // None lies at or behind it, and no node there leads to one.
  Slot end() const { return static_cast<Slot>(by_slot_.size()); }

 private:
  std::vector<bool> by_slot_;
};

// A node's edges to dead nodes give way to edges to the dead ones' own neighbours, by pruning its list anew
// with them (FreshDiskANN's consolidation, arXiv 2105.09613, section 5). They lie where the old edges led, so
// lists grow alike with the generations: a node that has lost a good part of its list since it was linked, or
// that few edges lead to, is linked anew, by a walk to its own place. Several menders may work at different
// nodes of a graph, beside readers and linkers. Confined.
class GraphMender {
 public:
  explicit GraphMender(const LinkOptions& options) : linker_(options) {}

  void Mend(Graph& graph, Slot node, const DeadNodes& dead);
  // The live neighbours of a dead node, or of the dead ones behind it; without distances, some twice.
  std::span<const Candidate> NeighborsOf(const Graph& graph, Slot dead_node, const DeadNodes& dead);

  GraphLinker& linker() { return linker_; }

 private:
  void Collect(const Graph& graph, Slot node, Slot dead_node, const DeadNodes& dead, int depth);
  void AddWalk(const Graph& graph, Slot node);
  void Support(Graph& graph, Slot node);

  GraphLinker linker_;
  std::vector<Candidate> candidates_;
};

}  // namespace longbow::index
