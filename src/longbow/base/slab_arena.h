// Memory for vectors: 2 MiB slabs on huge pages, handed out and taken back whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "longbow/base/memory_ledger.h"
#include "longbow/base/status.h"

namespace longbow {

inline constexpr size_t kSlabBytes = size_t{2} << 20;

// Thread-safe. Regions come from the kernel four slabs at a time, aligned to a slab, with huge pages asked
// for; slabs given back are handed out again first. Each slab handed out is charged to the ledger as kSlabs.
class SlabArena {
 public:
  explicit SlabArena(MemoryLedger* ledger) : ledger_(ledger) {}
  ~SlabArena();
  SlabArena(const SlabArena&) = delete;
  SlabArena& operator=(const SlabArena&) = delete;

  // kSlabBytes, aligned to kSlabBytes, content undefined. Throws std::bad_alloc when the kernel has none.
  std::byte* Allocate();
  void Free(std::byte* slab);
  int64_t slabs_in_use() const;

 private:
  static constexpr size_t kSlabsPerRegion = 4;

  MemoryLedger* const ledger_;
  mutable std::mutex mutex_;
  std::vector<std::byte*> free_;     // guarded by mutex_
  std::vector<std::byte*> regions_;  // guarded by mutex_
  int64_t in_use_ = 0;               // guarded by mutex_
};

}  // namespace longbow
