#include "longbow/index/vector_source.h"

#include <algorithm>

#include "longbow/base/check.h"

namespace longbow::index {

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
    arena_->Free(slabs_.Get(static_cast<RowOrdinal>(i)));
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

int64_t VectorStore::bytes() const {
  return static_cast<int64_t>(slab_count_.load(std::memory_order_relaxed) * kSlabBytes);
}

}  // namespace longbow::index
