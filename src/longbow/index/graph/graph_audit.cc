#include "longbow/index/graph/graph_audit.h"

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
    if (!std::isfinite(graph.constants(slot)[i])) return "has an edge without an estimate";
    for (uint32_t j = 0; j < i; ++j) {
      if (graph.ids(slot)[j].load(std::memory_order_relaxed) == to) return "has two edges to one node";
    }
  }
  return "";
}

}  // namespace

std::vector<Slot> UnreachableNodes(const Graph& graph) {
  const Slot size = graph.size();
  std::vector<bool> reached(size);
  std::vector<Slot> queue;
  const auto reach = [&](Slot slot) {
    if (slot < size && !reached[slot]) {
      reached[slot] = true;
      queue.push_back(slot);
    }
  };
  for (uint32_t i = 0; i < graph.entry_count(); ++i)
    reach(graph.entry(i).slot.load(std::memory_order_relaxed));
  while (!queue.empty()) {
    const Slot slot = queue.back();
    queue.pop_back();
    for (uint32_t i = 0; i < graph.layout().degree; ++i)
      reach(graph.ids(slot)[i].load(std::memory_order_relaxed));
  }
  std::vector<Slot> missed;
  for (Slot slot = 0; slot < size; ++slot) {
    if (!reached[slot] && graph.header(slot).row.load(std::memory_order_relaxed) != kNoRow)
      missed.push_back(slot);
  }
  return missed;
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
