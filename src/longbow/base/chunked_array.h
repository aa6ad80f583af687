// A growing array whose elements never move: one writer appends while readers read what was published.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "longbow/base/check.h"
#include "longbow/base/ids.h"
#include "longbow/base/memory_ledger.h"

namespace longbow {

// Indexed by RowOrdinal; T is trivial. Atomic: readers may touch [0, n) once they learnt of n from something
// the writer published with release order afterwards. Chunks of kChunk elements are made as needed and
// charged to the ledger.
template <typename T>
class ChunkedArray {
 public:
  static constexpr uint32_t kShift = 14;
  static constexpr uint32_t kChunk = 1u << kShift;
  static constexpr uint32_t kMask = kChunk - 1;
  static constexpr uint32_t kPageShift = 9;  // chunks a page of the directory
  static constexpr uint32_t kPage = 1u << kPageShift;
  static constexpr uint32_t kPages = 1u << (32 - kShift - kPageShift);

  ChunkedArray(MemoryLedger* ledger, MemoryUse use, T fill) : ledger_(ledger), use_(use), fill_(fill) {}
  ~ChunkedArray() {
    for (auto& page : pages_) {
      Page* p = page.load(std::memory_order_relaxed);
      if (p == nullptr) continue;
      for (auto& chunk : p->chunks) delete[] chunk.load(std::memory_order_relaxed);
      delete p;
    }
    if (ledger_ != nullptr) ledger_->Charge(use_, -charged_);
  }
  ChunkedArray(const ChunkedArray&) = delete;
  ChunkedArray& operator=(const ChunkedArray&) = delete;

  // Writer only: elements below n exist afterwards, filled with `fill`.
  void Grow(uint64_t n) {
    while (size_ < n) {
      const uint32_t chunk = static_cast<uint32_t>(size_ >> kShift);
      auto& slot = pages_[chunk >> kPageShift];
      if (slot.load(std::memory_order_relaxed) == nullptr) slot.store(new Page(), std::memory_order_release);
      auto* data = new std::atomic<T>[kChunk];
      for (uint32_t i = 0; i < kChunk; ++i) data[i].store(fill_, std::memory_order_relaxed);
      slot.load(std::memory_order_relaxed)
          ->chunks[chunk & (kPage - 1)]
          .store(data, std::memory_order_release);
      size_ += kChunk;
      charged_ += static_cast<int64_t>(kChunk * sizeof(T));
      if (ledger_ != nullptr) ledger_->Charge(use_, static_cast<int64_t>(kChunk * sizeof(T)));
    }
  }
  T Get(RowOrdinal i) const { return Cell(i).load(std::memory_order_acquire); }
  T GetRelaxed(RowOrdinal i) const { return Cell(i).load(std::memory_order_relaxed); }
  void Set(RowOrdinal i, T value) { Cell(i).store(value, std::memory_order_release); }
  const void* At(RowOrdinal i) const { return &Cell(i); }  // to fetch it ahead of need
  // The chunk that holds i, element 0 of it being i & ~kMask.
  const std::atomic<T>* Chunk(RowOrdinal i) const {
    const uint32_t chunk = i >> kShift;
    return pages_[chunk >> kPageShift]
        .load(std::memory_order_acquire)
        ->chunks[chunk & (kPage - 1)]
        .load(std::memory_order_acquire);
  }

 private:
  struct Page {
    std::atomic<std::atomic<T>*> chunks[kPage] = {};
  };
  std::atomic<T>& Cell(RowOrdinal i) const { return const_cast<std::atomic<T>*>(Chunk(i))[i & kMask]; }

  MemoryLedger* const ledger_;
  const MemoryUse use_;
  const T fill_;
  std::atomic<Page*> pages_[kPages] = {};
  uint64_t size_ = 0;    // writer's
  int64_t charged_ = 0;  // writer's
};

}  // namespace longbow
