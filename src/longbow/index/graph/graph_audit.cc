#include "longbow/index/graph/graph_audit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <sstream>
#include <string>

namespace longbow::index {
namespace {

constexpr size_t kMostViolations = 16;

std::string Violation(const Graph& graph, Slot slot) {
  const uint32_t degree = graph.layout().degree;
  NodeHeader& header = graph.header(slot);
  NodeLock lock(header);
  const uint64_t used = header.used.load(std::memory_order_relaxed);
  if ((header.kept.load(std::memory_order_relaxed) & ~used) != 0) return "keeps an edge that is not there";
  for (uint32_t i = 0; i < degree; ++i) {
    const Slot to = graph.ids(slot)[i].load(std::memory_order_relaxed);
    if (to >= graph.size())
      return "has an edge to slot " + std::to_string(to) + " of " + std::to_string(graph.size());
    if ((used >> i & 1) != 0 ? to == slot : to != slot)
      return "has an edge to itself, or a free place with an edge";
    if ((used >> i & 1) == 0) continue;
    if (graph.layout().bits > 0 && !std::isfinite(graph.constants(slot)[i]))
      return "has an edge without an estimate";
    for (uint32_t j = 0; j < i; ++j) {
      if (graph.ids(slot)[j].load(std::memory_order_relaxed) == to) return "has two edges to one node";
    }
  }
  return "";
}

}  // namespace

ReachSearch::ReachSearch(const Graph& graph) : reached_(graph.size()) {
  for (uint32_t i = 0; i < graph.entry_count(); ++i) {
    Reach(graph.entry(i).slot.load(std::memory_order_relaxed));
  }
}

void ReachSearch::Reach(Slot slot) {
  if (slot >= reached_.size() || reached_[slot]) return;
  reached_[slot] = true;
  queue_.push_back(slot);
}

bool ReachSearch::Step(const Graph& graph, uint32_t nodes) {
  for (; nodes > 0 && !queue_.empty(); --nodes) {
    const Slot slot = queue_.back();
    queue_.pop_back();
    for (uint32_t i = 0; i < graph.layout().degree; ++i) {
      Reach(graph.ids(slot)[i].load(std::memory_order_relaxed));
    }
  }
  return queue_.empty();
}

std::vector<Slot> ReachSearch::Missed(const Graph& graph) const {
  std::vector<Slot> missed;
  for (Slot slot = 0; slot < reached_.size(); ++slot) {
    if (!reached_[slot] && graph.row(slot) != kNoRow) missed.push_back(slot);
  }
  return missed;
}

std::vector<Slot> UnreachableNodes(const Graph& graph) {
  ReachSearch search(graph);
  search.Step(graph, ~uint32_t{0});
  return search.Missed(graph);
}

std::array<int64_t, kInDegreeClasses> CountInDegrees(const Graph& graph) {
  std::array<int64_t, kInDegreeClasses> counts{};
  const Slot size = graph.size();
  for (Slot slot = 0; slot < size; ++slot) {
    if (graph.row(slot) == kNoRow) continue;
    const auto edges =
        static_cast<uint32_t>(std::max(0, graph.header(slot).in_edges.load(std::memory_order_relaxed)));
    ++counts[std::min<size_t>(std::bit_width(edges), kInDegreeClasses - 1)];
  }
  return counts;
}

namespace {

// What nodes, free slots, entries and rows say of each other. Confined.
class Agreement {
 public:
  Agreement(const Graph& graph, const RowChains& chains, const GraphAccount& account,
            std::vector<std::string>* violations)
      : graph_(graph), chains_(chains), account_(account), violations_(*violations), free_(graph.size()) {}

  void Check() {
    CheckSlots();
    CheckEdges();
    CheckEntries();
    CheckRows();
  }

 private:
  template <typename... Words>
  void Say(const Words&... words) {
    if (violations_.size() == kMostViolations) return;
    std::ostringstream out;
    (out << ... << words);
    violations_.push_back(out.str());
  }

  void CheckSlots() {
    for (const Slot slot : graph_.free_slots()) {
      if (free_[slot]) Say("slot ", slot, " is free twice");
      free_[slot] = true;
      if (graph_.header(slot).used.load(std::memory_order_relaxed) != 0)
        Say("free slot ", slot, " has edges");
    }
    int64_t live = 0, dead = 0;
    for (Slot slot = 0; slot < graph_.size(); ++slot) {
      const RowOrdinal row = graph_.header(slot).row.load(std::memory_order_relaxed);
      if (graph_.row(slot) != row) Say("node ", slot, " stands for row ", row, ", or ", graph_.row(slot));
      if (row != kNoRow && free_[slot]) Say("free slot ", slot, " stands for row ", row);
      live += row != kNoRow;
      dead += row == kNoRow && !free_[slot];
    }
    if (live != account_.live) Say(live, " nodes stand for rows, counted were ", account_.live);
    if (dead != account_.dead) Say(dead, " nodes are dead and not free, counted were ", account_.dead);
  }

  void CheckEdges() {
    std::vector<int32_t> in_edges(graph_.size());
    for (Slot slot = 0; slot < graph_.size(); ++slot) {
      for (uint64_t left = graph_.header(slot).used.load(std::memory_order_relaxed); left != 0;
           left &= left - 1) {
        const Slot to = graph_.ids(slot)[std::countr_zero(left)].load(std::memory_order_relaxed);
        if (to >= graph_.size()) continue;  // said already
        ++in_edges[to];
        if (free_[to]) Say("node ", slot, " has an edge to free slot ", to);
      }
    }
    for (Slot slot = 0; slot < graph_.size(); ++slot) {
      const int32_t counted = graph_.header(slot).in_edges.load(std::memory_order_relaxed);
      if (counted != in_edges[slot])
        Say("node ", slot, " has ", in_edges[slot], " edges in, counted were ", counted);
    }
  }

  void CheckEntries() {
    if (account_.live > 0 && graph_.entry_count() == 0) Say("there is no entry");
    for (uint32_t i = 0; i < graph_.entry_count(); ++i) {
      const Slot slot = graph_.entry(i).slot.load(std::memory_order_relaxed);
      if (slot >= graph_.size() || free_[slot]) {
        Say("entry ", i, " is free slot ", slot);
      } else if (std::memcmp(graph_.entry_code(i), graph_.own(slot), graph_.layout().own_bytes()) != 0) {
        Say("entry ", i, " has another code than its node ", slot);
      }
    }
  }

  void CheckRows() {
    uint64_t placed = 0, chained = 0;
    for (RowOrdinal row = 0; row < account_.rows_end; ++row) {
      const Slot slot = chains_.slot(row);
      placed += slot != kNoSlot;
      if (slot != kNoSlot && slot >= graph_.size())
        Say("row ", row, " lies in slot ", slot, ", which is none");
    }
    for (Slot slot = 0; slot < graph_.size(); ++slot) {
      RowOrdinal before = kNoRow;
      for (RowOrdinal row = graph_.row(slot); row != kNoRow && chained <= placed; row = chains_.next(row)) {
        if (row >= account_.rows_end || chains_.slot(row) != slot) {
          Say("node ", slot, " stands for row ", row, ", which lies elsewhere");
          break;
        }
        if (before != kNoRow && chains_.before(row) != before) Say("row ", row, " has another one before it");
        if (before != kNoRow && !graph_.shared(slot)) {
          Say("node ", slot, " stands for row ", row, ", which nobody looks for");
          break;
        }
        before = row;
        ++chained;
      }
    }
    if (chained != placed) Say(placed, " rows lie in nodes, which stand for ", chained);
  }

  const Graph& graph_;
  const RowChains& chains_;
  const GraphAccount& account_;
  std::vector<std::string>& violations_;
  std::vector<bool> free_;  // by slot
};

}  // namespace

AuditReport AuditGraph(const Graph& graph, const RowChains& chains, const GraphAccount& account) {
  AuditReport report;
  report.settled = account.settled;
  for (Slot slot = 0; slot < graph.size() && report.violations.size() < kMostViolations; ++slot) {
    const std::string violation = Violation(graph, slot);
    if (!violation.empty()) report.violations.push_back("node " + std::to_string(slot) + " " + violation);
  }
  if (account.settled) Agreement(graph, chains, account, &report.violations).Check();
  report.unreachable = static_cast<int64_t>(UnreachableNodes(graph).size());
  return report;
}

}  // namespace longbow::index
