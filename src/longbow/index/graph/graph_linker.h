// How a new node gets its edges.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_walk.h"

namespace longbow::index {

struct LinkOptions {
  uint32_t ef = 0;  // nodes looked at; 0: as the dimension asks for
  uint32_t renewal_ef =
      0;  // for nodes in the place of dead ones, or that have lost edges to such; 0: likewise
  float occlusion =
      1.0f;  // a candidate is occluded by a nearer neighbour o when occlusion * |o - c|^2 <= |v - c|^2
};

// Vamana's insertion (arXiv 2105.09613, section 4): walk to the node's own place, prune what was visited,
// fill the list up with the nearest pruned ones, and offer the node to its neighbours. Where it lies on the
// way of one of their edges, it tries that one, too. Pruning is by squared distance between codes. Confined;
// keeps its memory for the next node.
class GraphLinker {
 public:
  explicit GraphLinker(LinkOptions options) : options_(options) {}

  // Nodes near the slot's code that stand for a row, nearest first, without the slot itself; `ef` are looked
  // at. By inner product those are long ones; by plain distance the slot itself lies among them. Their
  // distances are Graph's.
  std::span<const Candidate> FindCandidates(const Graph& graph, Slot slot, uint32_t ef,
                                            GraphWalk::Order order = GraphWalk::Order::kMetric);
  // Whether that walk came to the slot itself.
  bool Visited(Slot slot) const;
  // Links the slot with what FindCandidates found last for it.
  void Link(Graph& graph, Slot slot);
  // Offers `node` an edge to `to`, `distance` away. With `force` it takes the edge whatever it has to give
  // up.
  bool Offer(Graph& graph, Slot node, Slot to, float distance, bool force);

  // Prunes the whole list of a node anew: its edges but those to slots that `gone` names, and `more` nodes
  // with their distances. How many edges are new.
  template <typename Gone>
  uint32_t Renew(Graph& graph, Slot node, std::span<const Candidate> more, const Gone& gone) {
    NodeLock lock(graph.header(node));
    candidates_.clear();
    for (uint32_t i = 0; i < graph.layout().degree; ++i) {
      if ((graph.header(node).used.load(std::memory_order_relaxed) >> i & 1) == 0) continue;
      const Slot to = graph.ids(node)[i].load(std::memory_order_relaxed);
      if (gone(to)) {
        graph.ClearEdge(node, i);
      } else {
        candidates_.push_back({graph.squares(node)[i], to});
      }
    }
    return RenewLocked(graph, node, more);
  }

  // Makes some node near the slot take an edge to it.
  void Anchor(Graph& graph, Slot slot);

  const LinkOptions& options() const { return options_; }
  const SearchWork& work() const { return work_; }

 private:
  uint32_t RenewLocked(Graph& graph, Slot node, std::span<const Candidate> more);
  void Select(const Graph& graph);
  bool Occluded(const Graph& graph, const Candidate& candidate) const;
  uint32_t Weakest(const Graph& graph, Slot node, uint64_t among, float beyond) const;
  void TryDetours(Graph& graph, Slot slot);
  void RememberVisited();
  void WalkTo(const Graph& graph, Slot slot, uint32_t ef, GraphWalk::Order order);
  // The distance to the slot of a node that the walk to its place visited; null where it did not.
  const float* Known(Slot visited) const;
  float Distance(const Graph& graph, Slot a, Slot b) const;

  const LinkOptions options_;
  GraphWalk walk_;
  SearchWork work_;
  std::vector<float> point_, neighbor_point_;
  std::vector<Candidate> found_;  // by the last walk, nearest first
  std::vector<Candidate> candidates_, selected_, rest_;
  size_t kept_ = 0;  // of selected_, the first
  Graph::EdgeScratch edge_;

  Slot aim_ = kNoSlot;              // of the last walk
  std::vector<Candidate> known_;    // a hash table of the nodes visited, with their distances to it
  std::vector<Candidate> detours_;  // farther nodes, on the way to which from a neighbour it lies
};

}  // namespace longbow::index
