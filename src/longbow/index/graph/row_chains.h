// Which node stands for a row, and which rows a node stands for: equal vectors share one.
#pragma once

#include <array>
#include <atomic>
#include <mutex>

#include "longbow/base/chunked_array.h"
#include "longbow/base/ids.h"
#include "longbow/index/graph/graph.h"

namespace longbow::index {

// A node's header names its first row, next(row) the further ones. Readers follow a chain at any time: rows
// are never reused and a row taken out keeps its link, so a walk along it ends. Thread-safe.
class RowChains {
 public:
  static constexpr int64_t kBytesARow = sizeof(Slot) + 2 * sizeof(RowOrdinal);

  explicit RowChains(MemoryLedger* ledger)
      : slots_(ledger, MemoryUse::kIndex, kNoSlot),
        next_(ledger, MemoryUse::kIndex, kNoRow),
        before_(ledger, MemoryUse::kIndex, kNoRow) {}

  // Before any of the rows below `end` is inserted or erased; one thread at a time.
  void Grow(uint64_t end) {
    slots_.Grow(end);
    next_.Grow(end);
    before_.Grow(end);
  }

  // The whole chunk that holds `row` was erased, and nobody follows a chain who began before.
  void Forget(RowOrdinal row) {
    slots_.Release(row);
    next_.Release(row);
    before_.Release(row);
  }

  RowOrdinal next(RowOrdinal row) const { return next_.Get(row); }
  RowOrdinal before(RowOrdinal row) const { return before_.Get(row); }
  // The node that stands for the row, or kNoSlot. Not beside Forget.
  Slot slot(RowOrdinal row) const { return !slots_.released(row) && placed(row) ? slots_.Get(row) : kNoSlot; }
  // Whether any node has ever stood for more than one row.
  bool any_joined() const { return any_joined_.load(std::memory_order_acquire); }
  bool erased(RowOrdinal row) const { return slots_.Get(row) == kErasedSlot; }
  bool placed(RowOrdinal row) const { return slots_.Get(row) < kErasedSlot; }

  // The row becomes the node's first one. False when it has been erased: then the node stands for nothing.
  bool Place(Graph& graph, Slot slot, RowOrdinal row);
  // The row joins those of the node. kStale when the node no longer stands for `like`, the row it was found
  // equal to; kErased when the row has been erased.
  enum class Joined { kJoined, kStale, kErased };
  Joined Join(Graph& graph, Slot slot, RowOrdinal like, RowOrdinal row);
  // Takes the row out, or keeps it out if it is yet to come. The node, when it was its last row; else
  // kNoSlot. The graph is looked for once the row is known to be in it: it may be made beside this.
  Slot Erase(const std::atomic<Graph*>& graph, RowOrdinal row);

 private:
  static constexpr Slot kErasedSlot = kNoSlot - 1;
  static constexpr size_t kStripes = 64;
  std::mutex& Stripe(RowOrdinal row) { return stripes_[row % kStripes]; }

  ChunkedArray<Slot> slots_;         // by row, written under its stripe
  ChunkedArray<RowOrdinal> next_;    // by row, written under its node's lock
  ChunkedArray<RowOrdinal> before_;  // the same
  std::atomic<bool> any_joined_{false};
  std::array<std::mutex, kStripes> stripes_;
};

}  // namespace longbow::index
