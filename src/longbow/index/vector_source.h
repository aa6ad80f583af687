// Where an index finds the vectors: by ordinal, in memory that never moves.
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "longbow/base/chunked_array.h"
#include "longbow/base/ids.h"
#include "longbow/base/row_bits.h"
#include "longbow/base/slab_arena.h"
#include "longbow/distance/metric_list.h"

namespace longbow::index {

// The vectors of one column of a shard, as the client's own bytes. A slab holds as many whole rows as fit:
// row r lies in slab r / rows_per_slab, at (r % rows_per_slab) * row_bytes. One writer (apply) appends;
// readers may touch rows whose ordinal they learnt from something published afterwards. A row whose vector is
// null has a hole of undefined bytes and present(r) == false, and so has one that was forgotten, in its
// place.
class VectorStore {
 public:
  // dim: elements a vector; row_bytes is dim * scalars * scalar size, no padding. A slab must have room for
  // two rows.
  VectorStore(distance::ElementType type, uint32_t dim, SlabArena* arena, MemoryLedger* ledger);
  ~VectorStore();

  distance::ElementType type() const { return type_; }
  uint32_t dim() const { return dim_; }
  size_t scalars() const { return scalars_; }  // stored scalars a row
  size_t row_bytes() const { return row_bytes_; }
  uint32_t rows_per_slab() const { return rows_per_slab_; }

  const std::byte* Row(RowOrdinal row) const {
    const uint32_t slab = SlabOf(row);
    return slabs_.Get(slab) + static_cast<size_t>(row - slab * rows_per_slab_) * row_bytes_;
  }
  bool Present(RowOrdinal row) const { return !any_null_.load(std::memory_order_acquire) || !NullBit(row); }
  // Presence of 64 rows at once: bit i set when row + i is null; row is a multiple of 64.
  uint64_t NullWord(RowOrdinal row) const {
    return any_null_.load(std::memory_order_acquire) ? null_bits_.Get(row >> 6) : 0;
  }
  // Rows from `row` on that lie behind it in the same slab, itself included.
  uint32_t ContiguousFrom(RowOrdinal row) const {
    return rows_per_slab_ - (row - SlabOf(row) * rows_per_slab_);
  }

  // Writer: makes room for rows below `end`.
  void Grow(uint64_t end);
  // Writer: where row's bytes go; valid for ContiguousFrom(row) rows once Grow covered them.
  std::byte* MutableRow(RowOrdinal row) { return const_cast<std::byte*>(Row(row)); }
  // Writer: before the row is published.
  void SetNull(RowOrdinal row);
  // Writer: `rows`, ascending, are dead to every reader, present and future, and so is all that `dead` holds.
  // Pages that hold nothing else go back to the kernel; slabs that hold nothing else are taken out of reach,
  // so that they read as zero, and returned: to be Freed once nobody reads any more who began before.
  std::vector<std::byte*> Forget(std::span<const RowOrdinal> rows, const RowBits& dead);
  void Free(std::byte* slab) { arena_->Free(slab); }
  int64_t bytes() const;  // of its slabs

 private:
  // What Forget has done of a slab.
  struct Forgotten {
    uint32_t dead = 0;                                      // rows, when last looked at
    std::bitset<kSlabBytes / SlabArena::kPageBytes> pages;  // given back
  };
  void GiveBackPages(uint32_t slab, const RowBits& dead);
  // row / rows_per_slab by one multiplication, exact for all rows (Lemire, Kaser, Kurz, arXiv 1902.01961).
  uint32_t SlabOf(RowOrdinal row) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint32_t>(static_cast<Wide>(slab_factor_) * row >> 64);
  }
  void GrowNullBits();
  bool NullBit(RowOrdinal row) const { return (null_bits_.Get(row >> 6) >> (row & 63) & 1) != 0; }

  const distance::ElementType type_;
  const uint32_t dim_;
  const size_t scalars_, row_bytes_;
  const uint32_t rows_per_slab_;
  const uint64_t slab_factor_;  // 2^64 / rows_per_slab, rounded up
  SlabArena* const arena_;
  ChunkedArray<std::byte*> slabs_;    // by slab number
  ChunkedArray<uint64_t> null_bits_;  // by ordinal / 64
  std::atomic<bool> any_null_{false};
  std::atomic<uint64_t> slab_count_{0};  // stored by the writer alone
  std::atomic<uint64_t> slabs_forgotten_{0};
  std::map<uint32_t, Forgotten> forgotten_;  // writer's: of slabs with dead rows
};

}  // namespace longbow::index
