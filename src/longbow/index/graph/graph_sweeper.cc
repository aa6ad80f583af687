#include "longbow/index/graph/graph_sweeper.h"

#include <algorithm>
#include <bit>

#include "longbow/index/graph/graph_audit.h"

namespace longbow::index {
namespace {

constexpr int kDepth = 3;          // through how many dead nodes in a row a replacement is looked for
constexpr int kReconnections = 4;  // rounds

bool Live(const Graph& graph, Slot slot) {
  return graph.header(slot).row.load(std::memory_order_relaxed) != kNoRow;
}

}  // namespace

void GraphSweeper::Sweep(std::span<const Slot> dead) {
  dead_.assign(graph_.size(), false);
  for (Slot slot : dead) dead_[slot] = true;
  ReplaceEntries();
  const Slot size = graph_.size();
  for (Slot node = 0; node < size; ++node) {
    if (!IsDead(node)) Mend(node);
  }
  for (Slot slot : dead) {
    NodeLock lock(graph_.header(slot));
    graph_.ClearEdges(slot);
  }
}

// A look without the lock finds nodes to mend: a link to a dead node is never made anew, since linkers pass
// over nodes without a row.
void GraphSweeper::Mend(Slot node) {
  const std::atomic<Slot>* ids = graph_.ids(node);
  uint64_t to_dead = 0;
  for (uint32_t i = 0; i < graph_.layout().degree; ++i) {
    to_dead |= uint64_t{IsDead(ids[i].load(std::memory_order_relaxed))} << i;
  }
  if (to_dead != 0) ReplaceEdges(node, to_dead);
}

void GraphSweeper::ReplaceEdges(Slot node, uint64_t to_dead) {
  candidates_.clear();
  for (uint64_t left = to_dead; left != 0; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    Collect(node, graph_.ids(node)[i].load(std::memory_order_relaxed), kDepth);
  }
  for (Candidate& c : candidates_) graph_.PrefetchOwn(c.slot);
  for (Candidate& c : candidates_) c.distance = graph_.Distance(node, c.slot);
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
  });
  candidates_.erase(std::unique(candidates_.begin(), candidates_.end(),
                                [](const Candidate& a, const Candidate& b) { return a.slot == b.slot; }),
                    candidates_.end());

  edges_replaced_ += linker_.Renew(graph_, node, candidates_, [this](Slot slot) { return IsDead(slot); });
}

// The live neighbours of a dead node, or of the dead ones behind it.
void GraphSweeper::Collect(Slot node, Slot dead, int depth) {
  for (uint32_t i = 0; i < graph_.layout().degree; ++i) {
    const Slot other = graph_.ids(dead)[i].load(std::memory_order_relaxed);
    if (other == node || other == dead) continue;
    if (IsDead(other)) {
      if (depth > 1 && candidates_.size() < kMaxDegree) Collect(node, other, depth - 1);
    } else if (Live(graph_, other)) {
      candidates_.push_back({0, other});
    }
  }
}

void GraphSweeper::ReplaceEntries() {
  for (uint32_t i = 0; i < graph_.entry_count(); ++i) {
    Slot slot = graph_.entry(i).slot.load(std::memory_order_relaxed);
    if (!IsDead(slot)) continue;
    candidates_.clear();
    Collect(kNoSlot, slot, kDepth);
    const Slot size = graph_.size();
    for (Slot steps = 0; candidates_.empty() && steps < size; ++steps) {  // any live node is better than none
      slot = slot + 1 < size ? slot + 1 : 0;
      if (Live(graph_, slot)) candidates_.push_back({0, slot});
    }
    if (!candidates_.empty()) graph_.ReplaceEntry(i, candidates_[0].slot);
  }
}

int64_t GraphSweeper::Reconnect() {
  std::vector<Slot> missed = UnreachableNodes(graph_);
  for (int round = 0; round < kReconnections && !missed.empty(); ++round) {
    for (Slot slot : missed) {
      const auto near = linker_.FindCandidates(graph_, slot);  // by walks, so all of them can be reached
      if (near.empty()) continue;
      const size_t at = std::min<size_t>(static_cast<size_t>(round), near.size() - 1);
      linker_.Offer(graph_, near[at].slot, slot, near[at].distance, /*force=*/true);
    }
    missed = UnreachableNodes(graph_);
  }
  return static_cast<int64_t>(missed.size());
}

}  // namespace longbow::index
