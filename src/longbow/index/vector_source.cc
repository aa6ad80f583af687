#include "longbow/index/vector_source.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "longbow/base/check.h"

namespace longbow::index {
namespace {

// Where rows of forgotten slabs seem to lie: zeros, which nobody can write to. The kernel has one page for
// all.
std::byte* ForgottenSlab() {
  static std::byte* const slab = [] {
    void* mapped = mmap(nullptr, kSlabBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(mapped);
  }();
  return slab;
}

// A slab is looked at again when so much of what was left of it has died.
constexpr uint32_t kLookShare = 8;

}  // namespace

VectorStore::VectorStore(distance::ElementType type, uint32_t dim, SlabArena* arena, MemoryLedger* ledger)
    : type_(type),
      dim_(dim),
      scalars_(static_cast<size_t>(dim) * static_cast<size_t>(distance::ScalarsPerElement(type))),
      row_bytes_(scalars_ * distance::ScalarBytes(type)),
      rows_per_slab_(static_cast<uint32_t>(kSlabBytes / std::max<size_t>(1, row_bytes_))),
      slab_factor_(~uint64_t{0} / std::max(1u, rows_per_slab_) + 1),
      arena_(arena),
      slabs_(ledger, MemoryUse::kRows, nullptr),
      null_bits_(ledger, MemoryUse::kRows, 0) {
  LB_CHECK(row_bytes_ > 0);
  LB_CHECK(rows_per_slab_ >= 2);
}

VectorStore::~VectorStore() {
  for (uint64_t i = 0; i < slab_count_.load(std::memory_order_relaxed); ++i) {
    std::byte* const slab = slabs_.Get(static_cast<RowOrdinal>(i));
    if (slab != ForgottenSlab()) arena_->Free(slab);
  }
}

void VectorStore::Grow(uint64_t end) {
  const uint64_t slabs = (end + rows_per_slab_ - 1) / rows_per_slab_;
  uint64_t count = slab_count_.load(std::memory_order_relaxed);
  slabs_.Grow(slabs);
  for (; count < slabs; ++count) {
    slabs_.Set(static_cast<RowOrdinal>(count), arena_->Allocate());
    slab_count_.store(count + 1, std::memory_order_relaxed);
  }
  if (any_null_.load(std::memory_order_relaxed)) GrowNullBits();
}

// Bits for every row there is room for, so that a reader which sees any_null_ finds the bit of any row it may
// ask for.
void VectorStore::GrowNullBits() {
  const uint64_t rows = slab_count_.load(std::memory_order_relaxed) * rows_per_slab_;
  null_bits_.Grow((rows + 63) / 64);
}

void VectorStore::SetNull(RowOrdinal row) {
  LB_CHECK(SlabOf(row) < slab_count_.load(std::memory_order_relaxed));
  GrowNullBits();
  null_bits_.Set(row >> 6, null_bits_.Get(row >> 6) | uint64_t{1} << (row & 63));
  any_null_.store(true, std::memory_order_release);
}

std::vector<std::byte*> VectorStore::Forget(std::span<const RowOrdinal> rows, const RowBits& dead) {
  std::vector<std::byte*> out;
  for (size_t i = 0; i < rows.size();) {
    const uint32_t slab = SlabOf(rows[i]);
    while (i < rows.size() && SlabOf(rows[i]) == slab) ++i;
    if (slab >= slab_count_.load(std::memory_order_relaxed)) break;
    Forgotten& known = forgotten_[slab];
    const uint64_t first = uint64_t{slab} * rows_per_slab_;
    const auto count = static_cast<uint32_t>(dead.Count(first, first + rows_per_slab_));
    if (count == rows_per_slab_) {
      out.push_back(slabs_.Get(slab));
      slabs_.Set(slab, ForgottenSlab());
      slabs_forgotten_.fetch_add(1, std::memory_order_relaxed);
      forgotten_.erase(slab);
    } else if ((count - known.dead) * kLookShare >= rows_per_slab_ - known.dead) {
      known.dead = count;
      GiveBackPages(slab, dead);
    }
  }
  return out;
}

// Runs of pages whose rows are all dead and that are still there.
void VectorStore::GiveBackPages(uint32_t slab, const RowBits& dead) {
  constexpr size_t kPage = SlabArena::kPageBytes, kPages = kSlabBytes / kPage;
  Forgotten& known = forgotten_[slab];
  const uint64_t first = uint64_t{slab} * rows_per_slab_;
  const auto free = [&](size_t page) {
    if (known.pages[page]) return false;
    const uint64_t begin = page * kPage / row_bytes_, end = ((page + 1) * kPage - 1) / row_bytes_ + 1;
    return dead.All(first + begin, first + std::min<uint64_t>(end, rows_per_slab_));
  };
  for (size_t page = 0; page < kPages;) {
    size_t end = page;
    while (end < kPages && free(end)) known.pages.set(end++);
    if (end > page) arena_->GiveBack(slabs_.Get(slab), page * kPage, (end - page) * kPage);
    page = end + 1;
  }
}

int64_t VectorStore::bytes() const {
  const uint64_t slabs =
      slab_count_.load(std::memory_order_relaxed) - slabs_forgotten_.load(std::memory_order_relaxed);
  return static_cast<int64_t>(slabs * kSlabBytes);
}

}  // namespace longbow::index
