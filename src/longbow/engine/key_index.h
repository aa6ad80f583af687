// From a key's number to the newest row that has it.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <vector>

#include "longbow/base/chunked_array.h"
#include "longbow/base/ids.h"
#include "longbow/base/memory_ledger.h"

namespace longbow::engine {

// Numbers are never taken out: a deleted key still leads to its last row, which tells "deleted" from "never
// there". Split into parts by the number's bits, so that no rehash takes long and no table is large. One
// writer (apply), any number of readers; each part is guarded by its mutex.
class KeyIndex {
 public:
  explicit KeyIndex(MemoryLedger* ledger);
  ~KeyIndex();
  KeyIndex(const KeyIndex&) = delete;
  KeyIndex& operator=(const KeyIndex&) = delete;

  // Makes first + i the newest row of numbers[i], in order, after setting (*previous)[first + i] to the
  // newest one before it or kNoRow: whoever finds a row here finds the way back too.
  void Put(std::span<const uint64_t> numbers, RowOrdinal first, ChunkedArray<RowOrdinal>* previous);
  // The newest row of `number`, or kNoRow.
  RowOrdinal Newest(uint64_t number) const;

  // What Put may need for this many new numbers, about.
  static int64_t EstimateBytes(int64_t numbers) { return numbers * 40; }

 private:
  static constexpr uint32_t kPartBits = 8;
  static constexpr uint32_t kParts = 1u << kPartBits;
  using Map = boost::unordered_flat_map<uint64_t, RowOrdinal>;
  struct Part {
    mutable std::shared_mutex mutex;
    Map newest;  // guarded by mutex
  };
  static uint32_t PartOf(uint64_t number) {
    return static_cast<uint32_t>(number * 0x9E3779B97F4A7C15u >> (64 - kPartBits));
  }
  void SortByPart(std::span<const uint64_t> numbers);

  MemoryLedger* const ledger_;
  std::unique_ptr<Part[]> parts_;
  int64_t charged_ = 0;               // writer's
  std::vector<uint32_t> order_;       // writer's: positions of a batch, grouped by part
  std::vector<uint32_t> part_begin_;  // writer's: where a part's group begins in order_
};

}  // namespace longbow::engine
