// How nodes of erased rows leave the graph.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "longbow/index/graph/graph.h"
#include "longbow/index/graph/graph_audit.h"
#include "longbow/index/graph/graph_mender.h"

namespace longbow::index {

// Looks once through the whole graph, a slice at a time so that others get their turn between:
//  - edges to dead nodes give way to others (GraphMender). Afterwards no edge leads to the dead nodes, and no
//    entry is one; walks go through them until then;
//  - live nodes that cannot be reached from the entries get an edge to them;
//  - some live nodes are walked to, and linked better where the walk misses them; then it is looked again
//  whether
//    all can be reached.
// Runs beside readers and linkers; one at a time. Confined to one thread at a time, but for Help.
class GraphSweeper {
 public:
  // `dead`: nodes without a row whose slots nobody else frees.
  GraphSweeper(Graph& graph, const LinkOptions& options, std::vector<Slot> dead, uint64_t seed);

  // Looks at about `nodes` nodes; true once all is done.
  bool Step(uint32_t nodes);
  // Mends about `nodes` nodes beside the thread that steps; false when none are left to mend. Thread-safe.
  bool Help(GraphMender* mender, uint32_t nodes);

  const std::vector<Slot>& dead() const { return dead_slots_; }
  int64_t unreachable() const { return static_cast<int64_t>(missed_.size()); }  // left, once done
  uint32_t walks_missed() const { return walks_missed_; }

 private:
  enum class Stage : uint8_t { kMend, kSearch, kReconnect, kWalk, kDone };

  void MendSome(uint32_t nodes);
  void SearchSome(uint32_t nodes);
  void ReconnectSome(uint32_t nodes);
  void WalkSome(uint32_t nodes);
  std::span<const Candidate> FindNear(Slot slot);
  void ReplaceEntries();
  void EnsureEntry();
  Slot LiveBehind(Slot slot) const;  // or before it; kNoSlot when there is none
  void ForgetDead();

  Graph& graph_;
  GraphMender mender_;
  const std::vector<Slot> dead_slots_;
  const DeadNodes dead_;
  Stage stage_ = Stage::kMend;
  std::atomic<uint64_t> taken_{0};  // nodes below are mended, or somebody is at it
  std::atomic<int> menders_{0};     // at work
  std::unique_ptr<ReachSearch> search_;
  std::vector<Slot> missed_;
  size_t next_missed_ = 0;
  uint32_t round_ = 0;
  uint64_t random_;
  uint32_t walked_to_ = 0, walks_missed_ = 0;
};

}  // namespace longbow::index
