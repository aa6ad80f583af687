// The way from the entries to a query's neighbourhood.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "longbow/base/budget.h"
#include "longbow/index/graph/candidate_pool.h"
#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/seen_slots.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Best-first search over the codes: visiting a node gives its own distance to 8 bits and, from the codes
// beside it, estimates for all its neighbours. Confined; keeps its memory for the next walk.
class GraphWalk {
 public:
  // By distance alone, as edges are made, or with the bias, as the metric asks for.
  enum class Order : uint8_t { kDistance, kMetric };
  // The point of a query or a row, in the graph's space.
  void Aim(const Graph& graph, const float* point, Order order);

  // Visits nodes nearest first until the `ef` nearest known ones are visited. False when the budget ended
  // before.
  bool Run(const Graph& graph, uint32_t ef, Budget* budget, SearchWork* work);

  // The same until all is visited that lies within reach of the nearest `rank`, of the `most` nearest.
  struct Reaching {
    uint32_t most = 0, rank = 0;
    float reach = 0;    // share of the distance of the one at `rank` by which others may be farther
    float shift = 0;    // added to distances before shares of them are taken: they may be negative
    uint32_t hops = 0;  // expected
  };
  bool RunReaching(const Graph& graph, const Reaching& length, Budget* budget, SearchWork* work);

  // How far a walk goes that looks for nodes that pass.
  struct Filtered {
    uint32_t least = 0;  // nodes visited
    uint32_t rank = 0;   // and all that are nearer than the one at this place among those that pass
    uint32_t keep = 0;   // nodes that pass
    uint32_t hops = 0;   // expected
    uint32_t most = 0;   // nodes visited
  };
  // The same as Run for nodes that pass: `selected`(slot) says which. Whether a node is visited does not
  // depend on it; of those heard of that pass the nearest by estimate are kept, judged by their own codes in
  // the end, and count as visited. May end lost().
  template <typename Selected>
  bool RunFiltered(const Graph& graph, const Filtered& effort, const Selected& selected, Budget* budget,
                   SearchWork* work) {
    Begin(effort.most, effort.hops);
    passing_.Reset(effort.keep);
    unasked_.clear();
    float last = kFar;  // distance of the one at the rank
    const auto kept = [&] { return std::min(passing_.limit(), last < kFar ? kFar : pool_.limit()); };
    // As of the last visit: meanwhile only the pool's own limit changes.
    float ask_below = kFar, hear_below = -kFar;
    const auto take = [&](Slot slot, float distance) {
      if (distance < ask_below) {  // asked whether they pass one visit later, when what tells it has come
        graph.PrefetchRow(slot);
        unasked_.push_back({distance, slot});
      }
      if (distance < pool_.limit()) pool_.Insert(distance, slot);
    };
    const auto ask = [&] {
      for (const Candidate& c : unasked_) {
        if (c.distance < kept() && selected(c.slot)) passing_.Insert(c.distance, c.slot);
      }
      unasked_.clear();
    };
    const auto limit = [&] { return std::max(pool_.limit(), hear_below); };
    Enter(graph, take);
    while (pool_.HasNext() && !LeadsAway(effort)) {
      if (budget != nullptr && !budget->Spend(1 + graph.layout().degree)) return Done(graph, false, work);
      const Slot slot = pool_.PopNext();
      Prefetch(graph, pool_, 1);
      const float distance = Visit(graph, slot);
      ++hops_;
      ask();
      if (last < kFar) ask_below = hear_below = passing_.limit();
      Judge(graph, slot, distance, limit, take);
      last = passing_.DistanceAt(effort.rank);
      pool_.Bound(std::max(last, pool_.DistanceAt(effort.least)));
      Prefetch(graph, pool_, kAhead);
    }
    ask();
    lost_ = pool_.HasNext() || pool_.limit() < last;
    VisitPassing(graph);
    return Done(graph, true, work);
  }

  // Whether the last filtered walk visited all it may and what it was to find is farther still: it is
  // somewhere else.
  bool lost() const { return lost_; }

  // The nodes visited, with |query - node|^2 (and the bias) as the codes give it; nearest first after
  // SortVisited.
  std::span<const Candidate> visited() const { return visited_; }
  void SortVisited();

  // How far the distance of a visited node may lie above the true one: a bound that holds nearly always.
  float Slack(const Graph& graph, const Candidate& visited) const;

 private:
  static constexpr int kTries = 3;  // at a node that a writer changes meanwhile
  static constexpr uint32_t kAhead = 2;
  static constexpr float kFar = std::numeric_limits<float>::infinity();

  void Begin(uint32_t ef, uint32_t hops);
  bool Go(const Graph& graph, Budget* budget, SearchWork* work);
  float Rounding() const { return 2 * step_ * step_ / 12; }  // of a coordinate of both sides, squared
  bool Done(const Graph& graph, bool complete, SearchWork* work);
  bool LeadsAway(const Filtered& effort) const;
  void VisitPassing(const Graph& graph);
  static void Prefetch(const Graph& graph, const CandidatePool& pool, uint32_t ahead);
  uint32_t Starts(const Graph& graph, Candidate* starts) const;
  float Visit(const Graph& graph, Slot slot);
  // Bit i: estimates[i], of neighbour first + i, is not above the limit.
  uint32_t Estimate(const Graph& graph, Slot slot, uint32_t first, float distance, float limit,
                    float* estimates) const;

  // Where a node carries no codes of its neighbours: those not yet heard of are read themselves.
  template <typename Limit, typename Take>
  void JudgeByOwnCodes(const Graph& graph, Slot slot, const Limit& limit, const Take& take) {
    const std::atomic<Slot>* ids = graph.ids(slot);
    fresh_.clear();
    for (uint64_t left = graph.header(slot).used.load(std::memory_order_relaxed); left != 0;
         left &= left - 1) {
      const Slot to = ids[std::countr_zero(left)].load(std::memory_order_relaxed);
      if (seen_.Add(to)) fresh_.push_back(to);
    }
    constexpr size_t kOwnAhead = 4;
    for (size_t i = 0; i < std::min(fresh_.size(), kOwnAhead); ++i) graph.PrefetchOwn(fresh_[i]);
    for (size_t i = 0; i < fresh_.size(); ++i) {
      if (i + kOwnAhead < fresh_.size()) graph.PrefetchOwn(fresh_[i + kOwnAhead]);
      const float distance = Visit(graph, fresh_[i]);
      if (distance < limit()) take(fresh_[i], distance);
    }
    judged_ += static_cast<int64_t>(fresh_.size());
  }

  template <typename Take>
  void Enter(const Graph& graph, const Take& take) {
    Candidate starts[Graph::kEntries];
    const uint32_t count = Starts(graph, starts);
    for (uint32_t i = 0; i < count; ++i) {
      if (!seen_.Add(starts[i].slot)) continue;
      take(starts[i].slot, starts[i].distance);
      graph.Prefetch(starts[i].slot);
    }
  }

  // Takes in the neighbours that are nearer than the limit and not heard of yet. If a writer was at the node
  // meanwhile, once more: what came in by a torn estimate stays, and is put right when it is visited.
  template <typename Limit, typename Take>
  void Judge(const Graph& graph, Slot slot, float distance, const Limit& limit, const Take& take) {
    if (graph.layout().bits == 0) return JudgeByOwnCodes(graph, slot, limit, take);
    alignas(NodeLayout::kLine) float estimates[codec::kBlock];
    const NodeHeader& header = graph.header(slot);
    const std::atomic<Slot>* ids = graph.ids(slot);
    for (int attempt = 0; attempt < kTries; ++attempt) {
      const uint32_t version = header.version.load(std::memory_order_acquire);
      for (uint32_t first = 0; first < graph.layout().degree; first += codec::kBlock) {
        uint32_t near = Estimate(graph, slot, first, distance, limit(), estimates);
        for (; near != 0; near &= near - 1) {
          const auto i = static_cast<uint32_t>(std::countr_zero(near));
          if (!(estimates[i] < limit())) continue;
          const Slot to = ids[first + i].load(std::memory_order_relaxed);
          if (seen_.Add(to)) take(to, estimates[i]);
        }
      }
      ReadFence();
      if ((version & 1) == 0 && header.version.load(std::memory_order_acquire) == version) return;
    }
  }

  size_t n_ = 0;
  bool biased_ = false;
  std::vector<std::byte> code_;
  codec::CodeFactors factors_;
  float step_ = 0;  // between neighbouring values of a coordinate of the query's code
  std::vector<uint8_t> entries_;
  codec::NeighborTable table_;
  CandidatePool pool_;
  CandidatePool passing_;           // of a filtered walk; by estimate
  std::vector<Candidate> unasked_;  // may pass
  SeenSlots seen_;
  std::vector<Candidate> visited_;
  std::vector<Slot> fresh_;
  bool lost_ = false;
  int64_t hops_ = 0, judged_ = 0;  // nodes visited, and others judged by their own codes
};

}  // namespace longbow::index
