#include "longbow/index/graph/node_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

#include "longbow/base/check.h"

namespace longbow::index {
namespace {

constexpr size_t kHugePage = size_t{2} << 20, kPage = 4096;

}  // namespace

NodeArena::NodeArena(size_t node_bytes, MemoryLedger* ledger)
    : node_bytes_(node_bytes), ledger_(ledger), segments_(new std::atomic<std::byte*>[kSegments]()) {
  LB_CHECK(node_bytes > 0);
  LB_CHECK(node_bytes % NodeLayout::kLine == 0);
  const size_t nodes = std::clamp<size_t>(std::bit_floor(kSegmentBytes / node_bytes), 1, size_t{1} << 18);
  shift_ = static_cast<uint32_t>(std::countr_zero(nodes));
  mask_ = static_cast<uint32_t>(nodes - 1);
}

// Whole huge pages, and one more to align within.
size_t NodeArena::mapped_bytes() const {
  const size_t bytes = (static_cast<size_t>(mask_) + 1) * node_bytes_;
  return (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

NodeArena::~NodeArena() {
  for (size_t i = 0; i < kSegments; ++i) {
    std::byte* segment = segments_[i].load(std::memory_order_relaxed);
    if (segment == nullptr) break;
    munmap(segment, mapped_bytes());
  }
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kIndex, -bytes());
}

Slot NodeArena::Extend() {
  std::lock_guard lock(mutex_);
  const Slot slot = size_.load(std::memory_order_relaxed);
  LB_CHECK(slot >> shift_ < kSegments);
  auto& segment = segments_[slot >> shift_];
  if (segment.load(std::memory_order_relaxed) == nullptr) {
    const size_t bytes = mapped_bytes();
    void* mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* begin = static_cast<std::byte*>(mapped);
    const size_t misfit = reinterpret_cast<uintptr_t>(begin) % kHugePage;
    const size_t front = misfit == 0 ? 0 : kHugePage - misfit;
    if (front > 0) munmap(begin, front);
    munmap(begin + front + bytes, kHugePage - front);
    madvise(begin + front, bytes, MADV_HUGEPAGE);  // a wish: 4 KiB pages do as well
    segment.store(begin + front, std::memory_order_release);
  }
  size_.store(slot + 1, std::memory_order_release);
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kIndex, static_cast<int64_t>(node_bytes_));
  return slot;
}

void NodeArena::GiveBack(Slot first, Slot end) {
  while (first < end) {
    const Slot segment_end = std::min(end, (first | mask_) + 1);
    std::byte* const begin = At(first);
    const size_t bytes = static_cast<size_t>(segment_end - first) * node_bytes_;
    auto from = reinterpret_cast<uintptr_t>(begin), to = from + bytes;
    from = (from + kPage - 1) / kPage * kPage;
    to = to / kPage * kPage;
    if (from < to) {
      auto* const pages = reinterpret_cast<void*>(from);
      // Or the kernel would make huge pages of what is left, holes and all.
      madvise(pages, to - from, MADV_NOHUGEPAGE);
      madvise(pages, to - from, MADV_DONTNEED);
      given_back_.fetch_add(static_cast<int64_t>(to - from), std::memory_order_relaxed);
      if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kIndex, -static_cast<int64_t>(to - from));
    }
    first = segment_end;
  }
}

}  // namespace longbow::index
