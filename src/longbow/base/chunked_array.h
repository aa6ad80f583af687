// A growing array whose elements never move: one writer appends while readers read what was published.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "longbow/base/check.h"
#include "longbow/base/ids.h"
#include "longbow/base/memory_ledger.h"

namespace longbow {

// Indexed by RowOrdinal; T is trivial. Atomic: readers may touch [0, n) once they learnt of n from something
// the writer published with release order afterwards. Chunks of kChunk elements are made as needed and
// charged to the ledger. A chunk that is released reads as zero bytes from then on, also by those who were
// reading it, and is not written again.
template <typename T>
class ChunkedArray {
 public:
  static constexpr uint32_t kShift = 14;
  static constexpr uint32_t kChunk = 1u << kShift;
  static constexpr uint32_t kMask = kChunk - 1;
  static constexpr uint32_t kPageShift = 9;  // chunks a page of the directory
  static constexpr uint32_t kPage = 1u << kPageShift;
  static constexpr uint32_t kPages = 1u << (32 - kShift - kPageShift);
  static constexpr size_t kChunkBytes = kChunk * sizeof(T);

  ChunkedArray(MemoryLedger* ledger, MemoryUse use, T fill) : ledger_(ledger), use_(use), fill_(fill) {}
  ~ChunkedArray() {
    for (auto& page : pages_) {
      Page* p = page.load(std::memory_order_relaxed);
      if (p == nullptr) continue;
      for (auto& chunk : p->chunks) std::free(chunk.load(std::memory_order_relaxed));
      delete p;
    }
    if (ledger_ != nullptr) ledger_->Charge(use_, -charged_.load(std::memory_order_relaxed));
  }
  ChunkedArray(const ChunkedArray&) = delete;
  ChunkedArray& operator=(const ChunkedArray&) = delete;

  // Writer only: elements below n exist afterwards, filled with `fill`.
  void Grow(uint64_t n) {
    while (size_ < n) {
      const uint32_t chunk = static_cast<uint32_t>(size_ >> kShift);
      auto& slot = pages_[chunk >> kPageShift];
      if (slot.load(std::memory_order_relaxed) == nullptr) slot.store(new Page(), std::memory_order_release);
      auto* data = MakeChunk();
      slot.load(std::memory_order_relaxed)
          ->chunks[chunk & (kPage - 1)]
          .store(data, std::memory_order_release);
      size_ += kChunk;
      Charge(static_cast<int64_t>(kChunkBytes));
    }
  }
  // Writer, while nobody reads: all elements of the chunk that holds i become zero bytes, which take no
  // memory until they are written.
  void Zero(RowOrdinal i) {
    const uint32_t chunk = i >> kShift;
    Page* const page = pages_[chunk >> kPageShift].load(std::memory_order_relaxed);
    madvise(page->chunks[chunk & (kPage - 1)].load(std::memory_order_relaxed), kChunkBytes, MADV_DONTNEED);
  }
  // Writer, or whoever else is alone in releasing: the memory of the chunk that holds i goes back.
  void Release(RowOrdinal i) {
    const uint32_t chunk = i >> kShift;
    Page* const page = pages_[chunk >> kPageShift].load(std::memory_order_relaxed);
    if (page->released[chunk & (kPage - 1)].exchange(true, std::memory_order_acq_rel)) return;
    madvise(page->chunks[chunk & (kPage - 1)].load(std::memory_order_relaxed), kChunkBytes, MADV_DONTNEED);
    Charge(-static_cast<int64_t>(kChunkBytes));
  }
  // Whether the chunk that holds i has been.
  bool released(RowOrdinal i) const {
    const uint32_t chunk = i >> kShift;
    return pages_[chunk >> kPageShift]
        .load(std::memory_order_acquire)
        ->released[chunk & (kPage - 1)]
        .load(std::memory_order_acquire);
  }
  // Elements that are there and were not released.
  uint64_t held() const {
    return static_cast<uint64_t>(charged_.load(std::memory_order_relaxed)) / kChunkBytes * kChunk;
  }
  T Get(RowOrdinal i) const { return Cell(i).load(std::memory_order_acquire); }
  T GetRelaxed(RowOrdinal i) const { return Cell(i).load(std::memory_order_relaxed); }
  void Set(RowOrdinal i, T value) { Cell(i).store(value, std::memory_order_release); }
  // By any number of writers, of whole numbers.
  void SetBits(RowOrdinal i, T bits) { Cell(i).fetch_or(bits, std::memory_order_release); }
  void ClearBits(RowOrdinal i, T bits) {
    Cell(i).fetch_and(static_cast<T>(~bits), std::memory_order_release);
  }
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
  static constexpr size_t kMemoryPage = 4096;
  static_assert(kChunkBytes % kMemoryPage == 0);

  struct Page {
    std::atomic<std::atomic<T>*> chunks[kPage] = {};
    std::atomic<bool> released[kPage] = {};
  };
  std::atomic<T>* MakeChunk() const {
    void* const memory = std::aligned_alloc(kMemoryPage, kChunkBytes);
    if (memory == nullptr) throw std::bad_alloc();
    auto* const data = static_cast<std::atomic<T>*>(memory);
    for (uint32_t i = 0; i < kChunk; ++i) new (data + i) std::atomic<T>(fill_);
    return data;
  }
  void Charge(int64_t bytes) {
    charged_.fetch_add(bytes, std::memory_order_relaxed);
    if (ledger_ != nullptr) ledger_->Charge(use_, bytes);
  }
  std::atomic<T>& Cell(RowOrdinal i) const { return const_cast<std::atomic<T>*>(Chunk(i))[i & kMask]; }

  MemoryLedger* const ledger_;
  const MemoryUse use_;
  const T fill_;
  std::atomic<Page*> pages_[kPages] = {};
  uint64_t size_ = 0;  // writer's
  std::atomic<int64_t> charged_{0};
};

}  // namespace longbow
