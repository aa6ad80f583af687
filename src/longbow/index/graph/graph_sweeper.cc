#include "longbow/index/graph/graph_sweeper.h"

#include <algorithm>
#include <utility>

namespace longbow::index {
namespace {

constexpr uint32_t kReconnections = 12;  // rounds, at most
constexpr uint32_t kWalks = 64;
// What others cost beside mending a node: a slice of either lasts about as long.
constexpr uint32_t kMendsAWalk = 16, kGlancesAMend = 16;

bool Live(const Graph& graph, Slot slot) {
  return graph.header(slot).row.load(std::memory_order_relaxed) != kNoRow;
}

}  // namespace

GraphSweeper::GraphSweeper(Graph& graph, const LinkOptions& options, std::vector<Slot> dead, uint64_t seed)
    : graph_(graph),
      mender_(options),
      dead_slots_(std::move(dead)),
      dead_(graph.size(), dead_slots_),
      random_(seed) {
  if (dead_slots_.empty()) {
    stage_ = Stage::kSearch;
    return;
  }
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

// Whoever finds nothing left to take and nobody at work knows that all is mended: menders count themselves in
// before they take.
void GraphSweeper::MendSome(uint32_t nodes) {
  if (Help(&mender_, nodes) || menders_.load() > 0) return;
  ForgetDead();
  stage_ = Stage::kSearch;
}

bool GraphSweeper::Help(GraphMender* mender, uint32_t nodes) {
  menders_.fetch_add(1);
  const uint64_t first = taken_.load() < dead_.end() ? taken_.fetch_add(nodes) : dead_.end();
  const uint64_t end = std::min<uint64_t>(dead_.end(), first + nodes);
  for (uint64_t slot = first; slot < end; ++slot) {
    if (!dead_.Contains(static_cast<Slot>(slot))) mender->Mend(graph_, static_cast<Slot>(slot), dead_);
  }
  menders_.fetch_sub(1);
  return first < end;
}

void GraphSweeper::ForgetDead() {
  for (Slot slot : dead_slots_) {
    NodeLock lock(graph_.header(slot));
    graph_.ClearEdges(slot);
  }
}

void GraphSweeper::SearchSome(uint32_t nodes) {
  if (search_ == nullptr) {
    EnsureEntry();
    search_ = std::make_unique<ReachSearch>(graph_);
  }
  if (!search_->Step(graph_, nodes * kGlancesAMend)) return;
  missed_ = search_->Missed(graph_);
  search_.reset();
  next_missed_ = 0;
  if (!missed_.empty() && round_ < kReconnections) {
    stage_ = Stage::kReconnect;
  } else {
    stage_ = walked_to_ < kWalks ? Stage::kWalk : Stage::kDone;
  }
}

std::span<const Candidate> GraphSweeper::FindNear(Slot slot) {
  GraphLinker& linker = mender_.linker();
  return linker.FindCandidates(graph_, slot, linker.options().renewal_ef, GraphWalk::Order::kDistance);
}

void GraphSweeper::ReconnectSome(uint32_t nodes) {
  for (uint32_t spent = 0; spent < nodes && next_missed_ < missed_.size(); spent += kMendsAWalk) {
    const Slot slot = missed_[next_missed_++];
    if (!Live(graph_, slot)) continue;
    const auto near = FindNear(slot);  // by walks, so all of them can be reached
    if (near.empty()) continue;
    const size_t at = std::min<size_t>(round_, near.size() - 1);
    mender_.linker().Offer(graph_, near[at].slot, slot, near[at].distance, /*force=*/true);
  }
  if (next_missed_ < missed_.size()) return;
  ++round_;
  stage_ = Stage::kSearch;
}

void GraphSweeper::WalkSome(uint32_t nodes) {
  const Slot size = graph_.size();
  for (uint32_t spent = 0; spent < nodes && walked_to_ < kWalks && size > 0; spent += kMendsAWalk) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    const Slot slot = static_cast<Slot>((random_ >> 33) % size);
    ++walked_to_;
    if (!Live(graph_, slot)) continue;
    const auto near = FindNear(slot);
    if (mender_.linker().Visited(slot) || near.empty()) continue;
    ++walks_missed_;
    mender_.linker().Offer(graph_, near[0].slot, slot, near[0].distance, /*force=*/true);
  }
  if (walked_to_ < kWalks && size > 0) return;
  // An edge made by force takes the place of one that may have been the only way to some node.
  stage_ = walks_missed_ > 0 ? Stage::kSearch : Stage::kDone;
}

void GraphSweeper::ReplaceEntries() {
  for (uint32_t i = 0; i < graph_.entry_count(); ++i) {
    const Slot slot = graph_.entry(i).slot.load(std::memory_order_relaxed);
    if (!dead_.Contains(slot)) continue;
    const auto near = mender_.NeighborsOf(graph_, slot, dead_);
    const Slot live = near.empty() ? LiveBehind(slot) : near[0].slot;  // any is better than none
    if (live == kNoSlot) return graph_.ForgetEntries();
    graph_.ReplaceEntry(i, live);
  }
}

// What was linked while there were none may have come as they were forgotten.
void GraphSweeper::EnsureEntry() {
  if (graph_.entry_count() > 0) return;
  const Slot live = LiveBehind(0);
  if (live != kNoSlot) graph_.ReplaceEntry(0, live);
}

Slot GraphSweeper::LiveBehind(Slot slot) const {
  const Slot size = graph_.size();
  for (Slot steps = 0; steps < size; ++steps) {
    slot = slot + 1 < size ? slot + 1 : 0;
    if (Live(graph_, slot)) return slot;
  }
  return kNoSlot;
}

}  // namespace longbow::index
