// Memory for vectors: 2 MiB slabs on huge pages, handed out and taken back whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "longbow/base/memory_ledger.h"
#include "longbow/base/status.h"

namespace longbow {

inline constexpr size_t kSlabBytes = size_t{2} << 20;

// Thread-safe. Regions come from the kernel four slabs at a time, aligned to a slab, with huge pages asked
// for; slabs given back are handed out again first. Of those the arena keeps the memory of up to a sixteenth
// of the ledger's hard limit, because fresh memory costs ten times what filling it does; the kernel gets the
// rest. What is handed out is charged to the ledger as kSlabs.
class SlabArena {
 public:
  explicit SlabArena(MemoryLedger* ledger);
  ~SlabArena();
  SlabArena(const SlabArena&) = delete;
  SlabArena& operator=(const SlabArena&) = delete;

  // kSlabBytes, aligned to kSlabBytes, content undefined. Throws std::bad_alloc when the kernel has none.
  std::byte* Allocate();
  void Free(std::byte* slab);
  // Whole pages of a slab that is out: the kernel gets their memory, and they read as zero from then on. They
  // are not given back twice.
  void GiveBack(std::byte* slab, size_t offset, size_t bytes);
  int64_t slabs_in_use() const;

  static constexpr size_t kPageBytes = 4096;

 private:
  static constexpr size_t kSlabsPerRegion = 4;
  static constexpr size_t kLeastKept = 16, kMostKept = 512;

  MemoryLedger* const ledger_;
  const size_t kept_;
  mutable std::mutex mutex_;
  std::vector<std::byte*> free_;                        // guarded by mutex_: up to kept_, with their memory
  std::vector<std::byte*> empty_;                       // guarded by mutex_: free ones without
  std::vector<std::byte*> regions_;                     // guarded by mutex_
  std::unordered_map<std::byte*, int64_t> given_back_;  // guarded by mutex_: bytes, of slabs that are out
  int64_t in_use_ = 0;                                  // guarded by mutex_
  int64_t charged_ = 0;                                 // guarded by mutex_
};

}  // namespace longbow
