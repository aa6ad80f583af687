// How nodes of erased rows leave the graph.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_audit.h"
#include "longbow/index/graph/graph_linker.h"

namespace longbow::index {

// Looks once through the whole graph, a slice at a time so that others get their turn between:
//  - an edge to a dead node is replaced by an edge to the nearest of the dead one's own neighbours that helps
//    (FreshDiskANN's consolidation, arXiv 2105.09613, section 5, edge by edge). Afterwards no edge leads to
//    the dead nodes, and no entry is one; walks go through them until then;
//  - live nodes that cannot be reached from the entries get an edge to them;
//  - some live nodes are walked to, and linked better where the walk misses them.
// Runs beside readers and linkers; one at a time. Confined to one thread at a time.
class GraphSweeper {
 public:
  // `dead`: nodes without a row whose slots nobody else frees.
  GraphSweeper(Graph& graph, const LinkOptions& options, std::vector<Slot> dead, uint64_t seed);

  // Looks at about `nodes` nodes; true once all is done.
  bool Step(uint32_t nodes);

  const std::vector<Slot>& dead() const { return dead_slots_; }
  int64_t unreachable() const { return static_cast<int64_t>(missed_.size()); }  // left, once done
  uint32_t walks_missed() const { return walks_missed_; }

 private:
  enum class Stage : uint8_t { kMend, kSearch, kReconnect, kWalk, kDone };

  bool IsDead(Slot slot) const { return slot < dead_.size() && dead_[slot]; }
  void MendSome(uint32_t nodes);
  void SearchSome(uint32_t nodes);
  void ReconnectSome(uint32_t nodes);
  void WalkSome(uint32_t nodes);
  void Mend(Slot node);
  void ReplaceEdges(Slot node, uint64_t to_dead);
  void Collect(Slot node, Slot dead, int depth);
  void ReplaceEntries();
  void ForgetDead();

  Graph& graph_;
  GraphLinker linker_;
  const std::vector<Slot> dead_slots_;
  std::vector<bool> dead_;  // by slot
  std::vector<Candidate> candidates_;
  Stage stage_ = Stage::kMend;
  Slot at_ = 0;  // nodes below are mended
  std::unique_ptr<ReachSearch> search_;
  std::vector<Slot> missed_;
  size_t next_missed_ = 0;
  uint32_t round_ = 0;
  uint64_t random_;
  uint32_t walked_to_ = 0, walks_missed_ = 0;
};

}  // namespace longbow::index
