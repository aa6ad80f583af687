#include "longbow/base/slab_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "longbow/base/check.h"

namespace longbow {
namespace {

// The kernel aligns to 4 KiB only: asks for one slab more and gives the ends back.
std::byte* MapAligned(size_t bytes) {
  const size_t asked = bytes + kSlabBytes;
  void* mapped = mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(mapped);
  const size_t misfit = reinterpret_cast<uintptr_t>(begin) % kSlabBytes;
  const size_t front = misfit == 0 ? 0 : kSlabBytes - misfit;
  if (front > 0) munmap(begin, front);
  if (front < kSlabBytes) munmap(begin + front + bytes, kSlabBytes - front);
  madvise(begin + front, bytes, MADV_HUGEPAGE);  // a wish: 4 KiB pages do as well
  return begin + front;
}

}  // namespace

SlabArena::SlabArena(MemoryLedger* ledger)
    : ledger_(ledger),
      kept_(ledger == nullptr || ledger->hard_limit() == 0
                ? kMostKept
                : std::clamp(static_cast<size_t>(ledger->hard_limit()) / 16 / kSlabBytes, kLeastKept,
                             kMostKept)) {}

SlabArena::~SlabArena() {
  for (std::byte* region : regions_) munmap(region, kSlabsPerRegion * kSlabBytes);
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kSlabs, -charged_);
}

std::byte* SlabArena::Allocate() {
  std::byte* slab;
  {
    std::lock_guard lock(mutex_);
    std::vector<std::byte*>& from = free_.empty() ? empty_ : free_;
    if (from.empty()) {
      std::byte* region = MapAligned(kSlabsPerRegion * kSlabBytes);
      regions_.push_back(region);
      for (size_t i = kSlabsPerRegion; i-- > 0;) from.push_back(region + i * kSlabBytes);
    }
    slab = from.back();
    from.pop_back();
    ++in_use_;
    charged_ += static_cast<int64_t>(kSlabBytes);
  }
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kSlabs, static_cast<int64_t>(kSlabBytes));
  return slab;
}

void SlabArena::Free(std::byte* slab) {
  LB_CHECK_FATAL(slab != nullptr);
  LB_CHECK_FATAL(reinterpret_cast<uintptr_t>(slab) % kSlabBytes == 0);
  int64_t charged = static_cast<int64_t>(kSlabBytes);
  {
    std::lock_guard lock(mutex_);
    LB_CHECK_FATAL(in_use_ > 0);
    const auto found = given_back_.find(slab);
    const bool has_holes = found != given_back_.end();
    if (has_holes) {
      charged -= found->second;
      given_back_.erase(found);
      madvise(slab, kSlabBytes, MADV_HUGEPAGE);
    }
    // With holes it would not even keep what it has: the kernel fills them when it makes a huge page of it.
    const bool keep = free_.size() < kept_ && !has_holes;
    if (!keep) madvise(slab, kSlabBytes, MADV_DONTNEED);
    (keep ? free_ : empty_).push_back(slab);
    --in_use_;
    charged_ -= charged;
  }
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kSlabs, -charged);
}

void SlabArena::GiveBack(std::byte* slab, size_t offset, size_t bytes) {
  LB_CHECK_FATAL(offset % kPageBytes == 0 && bytes % kPageBytes == 0 && offset + bytes <= kSlabBytes);
  {
    std::lock_guard lock(mutex_);
    int64_t& given_back = given_back_[slab];
    // Or the kernel would make a huge page of what is left, holes and all.
    if (given_back == 0) madvise(slab, kSlabBytes, MADV_NOHUGEPAGE);
    given_back += static_cast<int64_t>(bytes);
    LB_CHECK_FATAL(given_back <= static_cast<int64_t>(kSlabBytes));
    charged_ -= static_cast<int64_t>(bytes);
  }
  madvise(slab + offset, bytes, MADV_DONTNEED);
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kSlabs, -static_cast<int64_t>(bytes));
}

int64_t SlabArena::slabs_in_use() const {
  std::lock_guard lock(mutex_);
  return in_use_;
}

}  // namespace longbow
