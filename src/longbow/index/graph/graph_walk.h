// The way from the entries to a query's neighbourhood.
#pragma once

#include <bit>
#include <cstdint>
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

  // The same for nodes that pass alone: only they count towards `ef` and are kept as visited. Others are
  // visited as bridges: while one is nearer than every node left that passes, and not much more often than
  // those, but without limit until something that passes is known. `selected`(slot) says which pass.
  template <typename Selected>
  bool RunFiltered(const Graph& graph, uint32_t ef, const Selected& selected, Budget* budget,
                   SearchWork* work) {
    Begin(ef);
    Enter(graph, selected);
    float credit = static_cast<float>(kFreeBridges);
    while (pool_.HasNext() || bridges_.HasNext()) {
      const bool over_bridge = OverBridge(credit);
      if (!over_bridge && !pool_.HasNext()) break;
      if (budget != nullptr && !budget->Spend(1 + graph.layout().degree)) return Done(graph, false, work);
      CandidatePool& from = over_bridge ? bridges_ : pool_;
      credit += over_bridge ? -1 : kBridgesAVisit;
      const Slot slot = from.PopNext();
      Prefetch(graph, from, 1);
      const float distance = Visit(graph, slot);
      ++hops_;
      if (!over_bridge) visited_.push_back({distance, slot});
      Judge(graph, slot, distance, selected);
      Prefetch(graph, pool_, kAhead);
      Prefetch(graph, bridges_, 1);
    }
    return Done(graph, true, work);
  }

  // The nodes visited, with |query - node|^2 (and the bias) as the codes give it; nearest first after
  // SortVisited.
  std::span<const Candidate> visited() const { return visited_; }
  void SortVisited();

  // How far a visited distance may lie above the true one: a bound that holds nearly always.
  float Slack(float distance) const;

 private:
  static constexpr uint32_t kFreeBridges = 16;
  static constexpr float kBridgesAVisit = 2.0f;
  static constexpr int kTries = 3;  // at a node that a writer changes meanwhile

  static constexpr uint32_t kAhead = 2;

  struct All {
    bool operator()(Slot) const { return true; }
  };

  void Begin(uint32_t ef);
  bool Done(const Graph& graph, bool complete, SearchWork* work);
  bool OverBridge(float credit) const;
  static void Prefetch(const Graph& graph, const CandidatePool& pool, uint32_t ahead);
  uint32_t Starts(const Graph& graph, Candidate* starts) const;
  float Visit(const Graph& graph, Slot slot);
  // Bit i: estimates[i], of neighbour first + i, is not above the limit.
  uint32_t Estimate(const Graph& graph, Slot slot, uint32_t first, float distance, float limit,
                    float* estimates) const;

  template <typename Selected>
  void Take(Slot slot, float distance, const Selected& selected) {
    if (!seen_.Add(slot)) return;
    if (selected(slot)) {
      pool_.Insert(distance, slot);
    } else if (distance < bridges_.limit()) {
      bridges_.Insert(distance, slot);
    }
  }

  template <typename Selected>
  void Enter(const Graph& graph, const Selected& selected) {
    Candidate starts[Graph::kEntries];
    const uint32_t count = Starts(graph, starts);
    for (uint32_t i = 0; i < count; ++i) {
      if (!(starts[i].distance < pool_.limit())) continue;
      Take(starts[i].slot, starts[i].distance, selected);
      graph.Prefetch(starts[i].slot);
    }
  }

  // Takes in the neighbours that are near enough. If a writer was at the node meanwhile, once more: what came
  // in by a torn estimate stays, and is put right when it is visited.
  template <typename Selected>
  void Judge(const Graph& graph, Slot slot, float distance, const Selected& selected) {
    alignas(NodeLayout::kLine) float estimates[codec::kBlock];
    const NodeHeader& header = graph.header(slot);
    const std::atomic<Slot>* ids = graph.ids(slot);
    for (int attempt = 0; attempt < kTries; ++attempt) {
      const uint32_t version = header.version.load(std::memory_order_acquire);
      for (uint32_t first = 0; first < graph.layout().degree; first += codec::kBlock) {
        uint32_t near = Estimate(graph, slot, first, distance, pool_.limit(), estimates);
        for (; near != 0; near &= near - 1) {
          const auto i = static_cast<uint32_t>(std::countr_zero(near));
          if (!(estimates[i] < pool_.limit())) continue;
          Take(ids[first + i].load(std::memory_order_relaxed), estimates[i], selected);
        }
      }
      ReadFence();
      if ((version & 1) == 0 && header.version.load(std::memory_order_acquire) == version) return;
    }
  }

  size_t n_ = 0;
  bool biased_ = false;
  std::vector<int8_t> code_;
  codec::Sq8 sq8_;
  std::vector<uint8_t> entries_;
  codec::NeighborTable table_;
  CandidatePool pool_, bridges_;
  SeenSlots seen_;
  std::vector<Candidate> visited_;
  int64_t hops_ = 0;
};

}  // namespace longbow::index
