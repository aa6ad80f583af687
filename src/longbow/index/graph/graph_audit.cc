#include "longbow/index/graph/graph_audit.h"

#include <algorithm>
#include <bit>
#include <cmath>
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

AuditReport AuditGraph(const Graph& graph, const RowChains&) {
  AuditReport report;
  for (Slot slot = 0; slot < graph.size() && report.violations.size() < kMostViolations; ++slot) {
    const std::string violation = Violation(graph, slot);
    if (!violation.empty()) report.violations.push_back("node " + std::to_string(slot) + " " + violation);
  }
  report.unreachable = static_cast<int64_t>(UnreachableNodes(graph).size());
  return report;
}

}  // namespace longbow::index
