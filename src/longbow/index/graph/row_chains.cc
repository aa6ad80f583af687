#include "longbow/index/graph/row_chains.h"

namespace longbow::index {

// The stripe is held around the node's lock, never the other way round and never two of a kind.
bool RowChains::Place(Graph& graph, Slot slot, RowOrdinal row) {
  std::lock_guard stripe(Stripe(row));
  if (slots_.Get(row) == kErasedSlot) return false;
  NodeHeader& header = graph.header(slot);
  NodeLock lock(header);
  graph.SetRow(slot, row);
  slots_.Set(row, slot);
  return true;
}

RowChains::Joined RowChains::Join(Graph& graph, Slot slot, RowOrdinal like, RowOrdinal row) {
  std::lock_guard stripe(Stripe(row));
  if (slots_.Get(row) == kErasedSlot) return Joined::kErased;
  NodeHeader& header = graph.header(slot);
  NodeLock lock(header);
  if (header.row.load(std::memory_order_relaxed) != like) return Joined::kStale;
  any_joined_.store(true, std::memory_order_release);
  graph.SetShared(slot, true);
  const RowOrdinal after = next_.Get(like);
  next_.Set(row, after);
  before_.Set(row, like);
  if (after != kNoRow) before_.Set(after, row);
  next_.Set(like, row);
  slots_.Set(row, slot);
  return Joined::kJoined;
}

Slot RowChains::Erase(const std::atomic<Graph*>& graph, RowOrdinal row) {
  std::lock_guard stripe(Stripe(row));
  const Slot slot = slots_.Get(row);
  slots_.Set(row, kErasedSlot);
  if (slot == kNoSlot || slot == kErasedSlot) return kNoSlot;
  Graph& holder = *graph.load(std::memory_order_acquire);
  NodeHeader& header = holder.header(slot);
  NodeLock lock(header);
  const RowOrdinal before = before_.Get(row), next = next_.Get(row);
  if (next != kNoRow) before_.Set(next, before);
  if (before != kNoRow) {
    next_.Set(before, next);
    return kNoSlot;
  }
  holder.SetRow(slot, next);
  return next == kNoRow ? slot : kNoSlot;
}

}  // namespace longbow::index
