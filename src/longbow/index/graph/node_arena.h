// Memory of nodes: grows without moving, on huge pages.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "longbow/base/memory_ledger.h"
#include "longbow/index/graph/node_layout.h"

namespace longbow::index {

// Segments of a power of two of nodes, each one reservation of addresses whose memory comes as nodes are
// touched. Thread-safe. A slot handed out stays valid until the arena ends.
class NodeArena {
 public:
  NodeArena(size_t node_bytes, MemoryLedger* ledger);
  ~NodeArena();
  NodeArena(const NodeArena&) = delete;
  NodeArena& operator=(const NodeArena&) = delete;

  std::byte* At(Slot slot) const {
    return segments_[slot >> shift_].load(std::memory_order_acquire) +
           static_cast<size_t>(slot & mask_) * node_bytes_;
  }
  // A slot never handed out before, its memory zero. Throws std::bad_alloc when the kernel has no more.
  Slot Extend();
  Slot size() const { return size_.load(std::memory_order_acquire); }
  // Nodes [first, end) read as zero from now on; the kernel gets the pages that hold nothing else. Not twice.
  void GiveBack(Slot first, Slot end);
  int64_t bytes() const {
    return static_cast<int64_t>(size()) * static_cast<int64_t>(node_bytes_) -
           given_back_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr size_t kSegments = 4096;
  static constexpr size_t kSegmentBytes = size_t{256} << 20;  // about

  size_t mapped_bytes() const;

  const size_t node_bytes_;
  MemoryLedger* const ledger_;
  uint32_t shift_, mask_;
  std::unique_ptr<std::atomic<std::byte*>[]> segments_;
  std::atomic<Slot> size_{0};  // stored under mutex_
  std::atomic<int64_t> given_back_{0};
  std::mutex mutex_;
};

}  // namespace longbow::index
