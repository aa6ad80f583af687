// The way from the entries to a query's neighbourhood.
#pragma once

#include <algorithm>
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

  // The same until all is visited that lies within reach of the nearest `rank`, of the `most` nearest.
  struct Reaching {
    uint32_t most = 0, rank = 0;
    float reach = 0;    // share of the distance of the one at `rank` by which others may be farther
    float shift = 0;    // added to distances before shares of them are taken: they may be negative
    uint32_t hops = 0;  // expected
  };
  bool RunReaching(const Graph& graph, const Reaching& length, Budget* budget, SearchWork* work);

  // How far a filtered walk goes where few nodes pass.
  struct Filtered {
    uint32_t ef = 0;  // visited nodes that pass
    uint32_t crossings =
        0;                 // visits to others, as bridges; without limit until `ef` nodes that pass are known
    uint32_t glances = 0;  // others of which only the neighbours that pass are looked at
  };
  // The same for nodes that pass alone: only they count towards `ef` and are kept as visited. Others are
  // visited as bridges while one is nearer than every node left that passes. `selected`(slot) says which
  // pass. Ends where it is lost().
  template <typename Selected>
  bool RunFiltered(const Graph& graph, const Filtered& effort, const Selected& selected, Budget* budget,
                   SearchWork* work) {
    Begin(effort.ef, 2 * effort.crossings + effort.glances);
    Enter(graph, selected);
    uint32_t crossed = 0, glanced = 0;
    for (;;) {
      const bool over_bridge = OverBridge(crossed < effort.crossings || !pool_.full());
      if (!over_bridge && !pool_.HasNext()) {
        if (glanced >= effort.glances && glance_.empty()) break;
        if (budget != nullptr && !budget->Spend(kGlances)) return Done(graph, false, work);
        const uint32_t glances = Glance(graph, std::min(kGlances, effort.glances - glanced), selected);
        if (glances == 0 && glance_.empty() && !pool_.HasNext()) break;
        glanced += glances;
        continue;
      }
      if (budget != nullptr && !budget->Spend(1 + graph.layout().degree)) return Done(graph, false, work);
      lost_ = over_bridge && !pool_.full() && crossed == bridges_.capacity();
      if (lost_) break;
      CandidatePool& from = over_bridge ? bridges_ : pool_;
      crossed += over_bridge;
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

  // Whether the last filtered walk has crossed all the bridges it may know and still did not know `ef` nodes
  // that pass: they are somewhere else.
  bool lost() const { return lost_; }

  // The nodes visited, with |query - node|^2 (and the bias) as the codes give it; nearest first after
  // SortVisited.
  std::span<const Candidate> visited() const { return visited_; }
  void SortVisited();

  // How far the distance of a visited node may lie above the true one: a bound that holds nearly always.
  float Slack(const Graph& graph, const Candidate& visited) const;

 private:
  static constexpr uint32_t kGlances = 8;  // at once
  static constexpr int kTries = 3;         // at a node that a writer changes meanwhile

  static constexpr uint32_t kAhead = 2;

  struct All {
    bool operator()(Slot) const { return true; }
  };

  void Begin(uint32_t ef, uint32_t bridges);
  bool Go(const Graph& graph, Budget* budget, SearchWork* work);
  float Rounding() const { return 2 * step_ * step_ / 12; }  // of a coordinate of both sides, squared
  bool Done(const Graph& graph, bool complete, SearchWork* work);
  bool OverBridge(bool allowed) const;
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

  // Where a node carries no codes of its neighbours: those not yet heard of are read themselves.
  template <typename Selected>
  void JudgeByOwnCodes(const Graph& graph, Slot slot, const Selected& selected) {
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
      if (!(distance < pool_.limit())) continue;
      if (selected(fresh_[i])) {
        pool_.Insert(distance, fresh_[i]);
      } else if (distance < bridges_.limit()) {
        bridges_.Insert(distance, fresh_[i]);
      }
    }
    judged_ += static_cast<int64_t>(fresh_.size());
  }

  // Passes over the nearest `count` bridges without visiting them: their records stay unread but for the ids,
  // and of their neighbours those that pass are judged by their own codes, a turn later, when those have
  // come.
  template <typename Selected>
  uint32_t Glance(const Graph& graph, uint32_t count, const Selected& selected) {
    Slot bridges[kGlances];
    uint32_t taken = 0;
    for (; taken < count && bridges_.HasNext(); ++taken) {
      bridges[taken] = bridges_.PopNext();
      graph.PrefetchIds(bridges[taken]);
    }
    glanced_.swap(glance_);
    glance_.clear();
    for (const Slot slot : glanced_) {
      const float distance = Visit(graph, slot);
      if (distance < pool_.limit()) pool_.Insert(distance, slot);
    }
    judged_ += static_cast<int64_t>(glanced_.size());
    for (uint32_t b = 0; b < taken; ++b) {
      const std::atomic<Slot>* ids = graph.ids(bridges[b]);
      for (uint32_t i = 0; i < graph.layout().degree; ++i) {
        const Slot to = ids[i].load(std::memory_order_relaxed);
        if (!selected(to) || !seen_.Add(to)) continue;
        graph.PrefetchOwn(to);
        glance_.push_back(to);
      }
    }
    return taken;
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
    if (graph.layout().bits == 0) return JudgeByOwnCodes(graph, slot, selected);
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
  std::vector<std::byte> code_;
  codec::CodeFactors factors_;
  float step_ = 0;  // between neighbouring values of a coordinate of the query's code
  std::vector<uint8_t> entries_;
  codec::NeighborTable table_;
  CandidatePool pool_, bridges_;
  SeenSlots seen_;
  std::vector<Candidate> visited_;
  std::vector<Slot> glance_, glanced_;  // neighbours of bridges, to be judged next, and those just judged
  std::vector<Slot> fresh_;
  bool lost_ = false;
  int64_t hops_ = 0, judged_ = 0;  // nodes visited, and others judged by their own codes
};

}  // namespace longbow::index
