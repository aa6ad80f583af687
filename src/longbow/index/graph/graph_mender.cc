#include "longbow/index/graph/graph_mender.h"

#include <algorithm>

namespace longbow::index {
namespace {

constexpr int kDepth = 3;  // through how many dead nodes in a row a replacement is looked for

// A node that has lost so many edges since it was linked is linked anew; by inner product sooner, as one that
// died was a near one of very many, and what is near it is not near them.
uint32_t ManyGone(const Graph& graph) { return graph.layout().degree / (graph.space().biased() ? 8 : 4); }

bool Nearer(const Candidate& a, const Candidate& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
}

// As to one in fifty of a fresh graph. By inner product most nodes are near few others: edges lead to the
// long ones.
bool FewLeadTo(const Graph& graph, Slot node) {
  const uint32_t few = graph.space().biased() ? 2 : graph.layout().degree / 2;
  return graph.header(node).in_edges.load(std::memory_order_relaxed) < static_cast<int32_t>(few);
}

}  // namespace

// A look without the lock finds nodes to mend: a link to a dead node is never made anew, since linkers pass
// over nodes without a row.
void GraphMender::Mend(Graph& graph, Slot node, const DeadNodes& dead) {
  const std::atomic<Slot>* ids = graph.ids(node);
  const uint32_t degree = graph.layout().degree;
  uint32_t gone = 0;
  candidates_.clear();
  for (uint32_t i = 0; i < degree; ++i) {
    const Slot to = ids[i].load(std::memory_order_relaxed);
    if (!dead.Contains(to)) continue;
    ++gone;
    Collect(graph, node, to, dead, kDepth);
  }
  if (gone == 0) return;
  for (Candidate& c : candidates_) graph.PrefetchOwn(c.slot);
  for (Candidate& c : candidates_) c.distance = graph.Distance(node, c.slot);

  NodeHeader& header = graph.header(node);
  gone += header.lost.load(std::memory_order_relaxed);
  const bool relink = gone >= ManyGone(graph) || FewLeadTo(graph, node);
  {
    NodeLock lock(header);
    header.lost.store(relink ? 0 : gone, std::memory_order_relaxed);
  }
  if (relink) AddWalk(graph, node);
  // By slot: a distance found in another way may differ in its last bit.
  std::ranges::sort(candidates_, {}, &Candidate::slot);
  const auto again = std::unique(candidates_.begin(), candidates_.end(),
                                 [](const Candidate& a, const Candidate& b) { return a.slot == b.slot; });
  candidates_.erase(again, candidates_.end());
  std::sort(candidates_.begin(), candidates_.end(), Nearer);
  linker_.Renew(graph, node, candidates_, [&](Slot slot) { return dead.Contains(slot); });
  if (relink) Support(graph, node);
}

// The nearest nodes take an edge to one that few lead to for a filler of theirs, though another may occlude
// it: walks that pass nearby miss it otherwise.
void GraphMender::Support(Graph& graph, Slot node) {
  if (graph.space().biased()) {
    if (FewLeadTo(graph, node)) linker_.Anchor(graph, node);
    return;
  }
  for (const Candidate& c : candidates_) {
    if (!FewLeadTo(graph, node)) return;
    linker_.Offer(graph, c.slot, node, c.distance, /*force=*/true);
  }
}

void GraphMender::AddWalk(const Graph& graph, Slot node) {
  const std::span<const Candidate> found = linker_.FindCandidates(graph, node, linker_.options().renewal_ef);
  candidates_.insert(candidates_.end(), found.begin(), found.end());
}

std::span<const Candidate> GraphMender::NeighborsOf(const Graph& graph, Slot dead_node,
                                                    const DeadNodes& dead) {
  candidates_.clear();
  Collect(graph, kNoSlot, dead_node, dead, kDepth);
  return candidates_;
}

void GraphMender::Collect(const Graph& graph, Slot node, Slot dead_node, const DeadNodes& dead, int depth) {
  for (uint32_t i = 0; i < graph.layout().degree; ++i) {
    const Slot other = graph.ids(dead_node)[i].load(std::memory_order_relaxed);
    if (other == node || other == dead_node) continue;
    if (dead.Contains(other)) {
      if (depth > 1 && candidates_.size() < kMaxDegree) Collect(graph, node, other, dead, depth - 1);
    } else if (graph.row(other) != kNoRow) {
      candidates_.push_back({0, other});
    }
  }
}

}  // namespace longbow::index
