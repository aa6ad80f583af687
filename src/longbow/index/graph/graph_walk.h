// The way from the entries to a query's neighbourhood.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "longbow/base/budget.h"
#include "longbow/index/graph/candidate_pool.h"
#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/seen_slots.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {

// Best-first search over the codes: visiting a node gives its own distance to 8 bits and, from the codes beside it,
// estimates for all its neighbours. Confined; keeps its memory for the next walk.
class GraphWalk {
 public:
  // By distance alone, as edges are made, or with the bias, as the metric asks for.
  enum class Order : uint8_t { kDistance, kMetric };
  // The point of a query or a row, in the graph's space.
  void Aim(const Graph& graph, const float* point, Order order);

  // Visits nodes nearest first until the `ef` nearest known ones are visited. False when the budget ended before.
  bool Run(const Graph& graph, uint32_t ef, Budget* budget, SearchWork* work);

  // The nodes visited, with |query - node|^2 (and the bias) as the codes give it; nearest first after SortVisited.
  std::span<const Candidate> visited() const { return visited_; }
  void SortVisited();

  // How far a visited distance may lie above the true one: a bound that holds nearly always.
  float Slack(float distance) const;

 private:
  float Visit(const Graph& graph, Slot slot);
  void Judge(const Graph& graph, Slot slot, float distance);
  void Enter(const Graph& graph);

  size_t n_ = 0;
  bool biased_ = false;
  std::vector<int8_t> code_;
  codec::Sq8 sq8_;
  std::vector<uint8_t> entries_;
  codec::NeighborTable table_;
  CandidatePool pool_;
  SeenSlots seen_;
  std::vector<Candidate> visited_;
};

}  // namespace longbow::index
