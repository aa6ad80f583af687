#include "longbow/index/graph/graph_linker.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace longbow::index {
namespace {

bool Nearer(const Candidate& a, const Candidate& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
}
constexpr uint32_t kAnchorEf = 24;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool SameSlot(const Candidate& a, const Candidate& b) { return a.slot == b.slot; }

}  // namespace

std::span<const Candidate> GraphLinker::FindCandidates(const Graph& graph, Slot slot, uint32_t ef,
                                                       GraphWalk::Order order) {
  aim_ = slot;
  detours_.clear();
  WalkTo(graph, slot, ef, order);
  RememberVisited();
  candidates_.clear();
  for (const Candidate& c : found_) {
    if (c.slot != slot && graph.header(c.slot).row.load(std::memory_order_relaxed) != kNoRow)
      candidates_.push_back(c);
  }
  return candidates_;
}

void GraphLinker::WalkTo(const Graph& graph, Slot slot, uint32_t ef, GraphWalk::Order order) {
  point_.resize(graph.layout().n);
  graph.Decode(slot, point_.data());
  walk_.Aim(graph, point_.data(), order);
  walk_.Run(graph, ef, nullptr, &work_);
  walk_.SortVisited();
  found_.assign(walk_.visited().begin(), walk_.visited().end());
  if (!graph.space().biased()) return;
  for (Candidate& c : found_) {
    c.distance += graph.bias(slot) + (order == GraphWalk::Order::kDistance ? graph.bias(c.slot) : 0);
  }
}

void GraphLinker::RememberVisited() {
  const size_t size = std::bit_ceil(found_.size() * 2 + 2);
  known_.assign(size, {0, kNoSlot});
  for (const Candidate& c : found_) {
    size_t at = c.slot * 0x9e3779b1u >> 7 & (size - 1);
    while (known_[at].slot != kNoSlot) at = (at + 1) & (size - 1);
    known_[at] = c;
  }
}

const float* GraphLinker::Known(Slot visited) const {
  const size_t mask = known_.size() - 1;
  for (size_t at = visited * 0x9e3779b1u >> 7 & mask; known_[at].slot != kNoSlot; at = (at + 1) & mask) {
    if (known_[at].slot == visited) return &known_[at].distance;
  }
  return nullptr;
}

bool GraphLinker::Visited(Slot slot) const { return Known(slot) != nullptr; }

float GraphLinker::Distance(const Graph& graph, Slot a, Slot b) const {
  const float* known = a == aim_ ? Known(b) : nullptr;
  return known != nullptr ? *known : graph.Distance(a, b);
}

bool GraphLinker::Occluded(const Graph& graph, const Candidate& candidate) const {
  for (const Candidate& s : selected_) {
    if (options_.occlusion * graph.Distance(s.slot, candidate.slot) <= candidate.distance) return true;
  }
  return false;
}

void GraphLinker::Select(const Graph& graph) {
  const uint32_t degree = graph.layout().degree;
  selected_.clear();
  rest_.clear();
  for (const Candidate& c : candidates_) {
    if (selected_.size() == degree) break;
    (Occluded(graph, c) ? rest_ : selected_).push_back(c);
  }
  kept_ = selected_.size();
  for (const Candidate& c : rest_) {
    if (selected_.size() == degree) break;
    selected_.push_back(c);
  }
}

void GraphLinker::Link(Graph& graph, Slot slot) {
  Select(graph);
  {
    NodeLock lock(graph.header(slot));
    for (uint32_t i = 0; i < selected_.size(); ++i) {
      graph.SetEdge(slot, i, selected_[i].slot, point_.data(), i < kept_, &edge_);
    }
  }
  bool reachable = false;
  for (const Candidate& s : selected_) reachable |= Offer(graph, s.slot, slot, s.distance, false);
  if (!reachable) Anchor(graph, slot);
  TryDetours(graph, slot);
}

// By inner product the nearest are the longest, which cannot hold an edge to every short one: others as short
// as the slot can.
void GraphLinker::Anchor(Graph& graph, Slot slot) {
  if (!graph.space().biased()) {
    if (!selected_.empty()) Offer(graph, selected_[0].slot, slot, selected_[0].distance, true);
    return;
  }
  WalkTo(graph, slot, kAnchorEf, GraphWalk::Order::kDistance);
  for (const Candidate& c : found_) {
    if (c.slot == slot || graph.header(c.slot).row.load(std::memory_order_relaxed) == kNoRow) continue;
    if (Offer(graph, c.slot, slot, c.distance, true)) return;
  }
}

// The slot's walk finds no nodes beyond its cluster, as all it has room for lies nearer; edges of its
// neighbours lead there. Where the slot lies on the way of one, it holds the node at the end against its own
// list: without this a cluster that grows within a graph loses its edges out, and walks that come by end in
// it.
void GraphLinker::TryDetours(Graph& graph, Slot slot) {
  candidates_.swap(detours_);  // what the edges back find is of no use
  std::sort(candidates_.begin(), candidates_.end(), Nearer);
  candidates_.erase(std::unique(candidates_.begin(), candidates_.end(), SameSlot), candidates_.end());
  for (const Candidate& c : candidates_) {
    if (graph.header(c.slot).row.load(std::memory_order_relaxed) == kNoRow) continue;
    if (!Offer(graph, slot, c.slot, c.distance, false)) continue;
    Offer(graph, c.slot, slot, c.distance, false);
  }
}

// Edges that stay keep their place and so their code.
uint32_t GraphLinker::RenewLocked(Graph& graph, Slot node, std::span<const Candidate> more) {
  const size_t old = candidates_.size();
  for (const Candidate& c : more) {
    const bool there = std::any_of(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(old),
                                   [&](const Candidate& o) { return o.slot == c.slot; });
    if (!there) candidates_.push_back(c);
  }
  std::sort(candidates_.begin(), candidates_.end(), Nearer);
  Select(graph);
  NodeHeader& header = graph.header(node);
  uint64_t kept = 0;
  for (uint32_t i = 0; i < graph.layout().degree; ++i) {
    if ((header.used.load(std::memory_order_relaxed) >> i & 1) == 0) continue;
    const Slot to = graph.ids(node)[i].load(std::memory_order_relaxed);
    const auto at =
        std::find_if(selected_.begin(), selected_.end(), [&](const Candidate& s) { return s.slot == to; });
    if (at == selected_.end()) {
      graph.ClearEdge(node, i);
      continue;
    }
    kept |= uint64_t{static_cast<size_t>(at - selected_.begin()) < kept_} << i;
    at->slot = kNoSlot;  // written already
  }
  header.kept.store(kept, std::memory_order_relaxed);
  neighbor_point_.resize(graph.layout().n);
  graph.Decode(node, neighbor_point_.data());
  uint32_t fresh = 0;
  for (size_t i = 0; i < selected_.size(); ++i) {
    if (selected_[i].slot == kNoSlot) continue;
    const auto place = static_cast<uint32_t>(std::countr_one(header.used.load(std::memory_order_relaxed)));
    graph.SetEdge(node, place, selected_[i].slot, neighbor_point_.data(), i < kept_, &edge_);
    ++fresh;
  }
  return fresh;
}

// The longest of some edges, if longer than `beyond`, that is not the last one to where it leads; degree when
// there is none.
uint32_t GraphLinker::Weakest(const Graph& graph, Slot node, uint64_t among, float beyond) const {
  const float* squares = graph.squares(node);
  for (; among != 0;) {
    float farthest = beyond;
    uint32_t place = kMaxDegree;
    for (uint64_t left = among; left != 0; left &= left - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(left));
      if (squares[i] > farthest) farthest = squares[i], place = i;
    }
    if (place == kMaxDegree) break;
    const Slot to = graph.ids(node)[place].load(std::memory_order_relaxed);
    if (graph.header(to).in_edges.load(std::memory_order_relaxed) > 1) return place;
    among &= ~(uint64_t{1} << place);
  }
  return graph.layout().degree;
}

// Pruning the whole list again would take the distances of all pairs; instead the newcomer is held against
// those there are. Who is nearer may occlude it; whom it occludes becomes a filler, which goes first when a
// place is wanted.
bool GraphLinker::Offer(Graph& graph, Slot node, Slot to, float distance, bool force) {
  const uint32_t degree = graph.layout().degree;
  const uint64_t all = degree == 64 ? ~uint64_t{0} : (uint64_t{1} << degree) - 1;
  NodeHeader& header = graph.header(node);
  NodeLock lock(header);
  const std::atomic<Slot>* ids = graph.ids(node);
  const float* squares = graph.squares(node);
  const uint64_t used = header.used.load(std::memory_order_relaxed);
  uint64_t kept = header.kept.load(std::memory_order_relaxed);
  for (uint64_t left = kept; left != 0; left &= left - 1) {
    const Slot other = ids[std::countr_zero(left)].load(std::memory_order_relaxed);
    if (to != aim_ || Known(other) == nullptr) graph.PrefetchOwn(other);
  }
  bool occluded = false;
  for (uint64_t left = used; left != 0; left &= left - 1) {
    const auto i = static_cast<uint32_t>(std::countr_zero(left));
    const Slot other = ids[i].load(std::memory_order_relaxed);
    if (other == to) return true;
    if ((kept >> i & 1) == 0) continue;
    if (squares[i] <= distance) {
      occluded = occluded || options_.occlusion * Distance(graph, to, other) <= distance;
    } else if (const float apart = Distance(graph, to, other); options_.occlusion * apart <= squares[i]) {
      kept &= ~(uint64_t{1} << i);
      if (to == aim_ && !Visited(other)) detours_.push_back({apart, other});
    }
  }
  if (occluded) kept = header.kept.load(std::memory_order_relaxed);  // a filler pushes nobody down
  uint32_t place = degree;
  if (used != all) {
    place = static_cast<uint32_t>(std::countr_zero(~used));
  } else {
    const uint64_t fillers = used & ~kept;
    const uint64_t weakest = fillers != 0 ? fillers : occluded && !force ? 0 : used;
    place = Weakest(graph, node, weakest, force || (!occluded && fillers != 0) ? -kInfinity : distance);
    // Rather one that was kept than the last one to where it leads.
    if (place == degree && force) place = Weakest(graph, node, used, -kInfinity);
    if (place == degree && force) place = static_cast<uint32_t>(std::countr_zero(weakest));
  }
  if (place == degree) return false;
  header.kept.store(kept, std::memory_order_relaxed);
  neighbor_point_.resize(graph.layout().n);
  graph.Decode(node, neighbor_point_.data());
  graph.SetEdge(node, place, to, neighbor_point_.data(), !occluded, &edge_);
  return true;
}

}  // namespace longbow::index
