#include "longbow/index/graph/graph_sweeper.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace longbow::index {
namespace {

constexpr int kDepth = 3;               // through how many dead nodes in a row a replacement is looked for
constexpr uint32_t kReconnections = 4;  // rounds
constexpr uint32_t kWalks = 64, kNodesAWalk = 256;  // what a walk costs, in nodes looked at

bool Live(const Graph& graph, Slot slot) {
  return graph.header(slot).row.load(std::memory_order_relaxed) != kNoRow;
}

}  // namespace

GraphSweeper::GraphSweeper(Graph& graph, const LinkOptions& options, std::vector<Slot> dead, uint64_t seed)
    : graph_(graph), linker_(options), dead_slots_(std::move(dead)), random_(seed) {
  if (dead_slots_.empty()) {
    stage_ = Stage::kSearch;
    return;
  }
  dead_.assign(graph_.size(), false);
  for (Slot slot : dead_slots_) dead_[slot] = true;
  ReplaceEntries();
}

bool GraphSweeper::Step(uint32_t nodes) {
  switch (stage_) {
    case Stage::kMend:
      MendSome(nodes);
      break;
    case Stage::kSearch:
      SearchSome(nodes);
      break;
    case Stage::kReconnect:
      ReconnectSome(nodes);
      break;
    case Stage::kWalk:
      WalkSome(nodes);
      break;
    case Stage::kDone:
      break;
  }
  return stage_ == Stage::kDone;
}

// Nodes made after the sweep began cannot lead to a node that was dead before.
void GraphSweeper::MendSome(uint32_t nodes) {
  const auto end = static_cast<Slot>(std::min<size_t>(dead_.size(), size_t{at_} + nodes));
  for (; at_ < end; ++at_) {
    if (!IsDead(at_)) Mend(at_);
  }
  if (at_ < dead_.size()) return;
  ForgetDead();
  stage_ = Stage::kSearch;
}

void GraphSweeper::ForgetDead() {
  for (Slot slot : dead_slots_) {
    NodeLock lock(graph_.header(slot));
    graph_.ClearEdges(slot);
  }
}

void GraphSweeper::SearchSome(uint32_t nodes) {
  if (search_ == nullptr) search_ = std::make_unique<ReachSearch>(graph_);
  if (!search_->Step(graph_, nodes)) return;
  missed_ = search_->Missed(graph_);
  search_.reset();
  next_missed_ = 0;
  stage_ = missed_.empty() || round_ == kReconnections ? Stage::kWalk : Stage::kReconnect;
}

void GraphSweeper::ReconnectSome(uint32_t nodes) {
  for (uint32_t spent = 0; spent < nodes && next_missed_ < missed_.size(); spent += kNodesAWalk) {
    const Slot slot = missed_[next_missed_++];
    if (!Live(graph_, slot)) continue;
    const auto near = linker_.FindCandidates(graph_, slot);  // by walks, so all of them can be reached
    if (near.empty()) continue;
    const size_t at = std::min<size_t>(round_, near.size() - 1);
    linker_.Offer(graph_, near[at].slot, slot, near[at].distance, /*force=*/true);
  }
  if (next_missed_ < missed_.size()) return;
  ++round_;
  stage_ = Stage::kSearch;
}

void GraphSweeper::WalkSome(uint32_t nodes) {
  const Slot size = graph_.size();
  for (uint32_t spent = 0; spent < nodes && walked_to_ < kWalks && size > 0; spent += kNodesAWalk) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const Slot slot = static_cast<Slot>((random_ >> 33) % size);
    ++walked_to_;
    if (!Live(graph_, slot)) continue;
    const auto near = linker_.FindCandidates(graph_, slot);
    if (linker_.Visited(slot) || near.empty()) continue;
    ++walks_missed_;
    linker_.Offer(graph_, near[0].slot, slot, near[0].distance, /*force=*/true);
  }
  if (walked_to_ >= kWalks || size == 0) stage_ = Stage::kDone;
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

  linker_.Renew(graph_, node, candidates_, [this](Slot slot) { return IsDead(slot); });
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

}  // namespace longbow::index
