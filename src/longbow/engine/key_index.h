// From a key's number to the newest row that has it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <shared_mutex>
#include <span>
#include <vector>

#include "longbow/base/chunked_array.h"
#include "longbow/base/ids.h"
#include "longbow/base/memory_ledger.h"
#include "longbow/engine/key_runs.h"
#include "longbow/engine/key_table.h"

namespace longbow::engine {

// A deleted key still leads to its last row, which tells "deleted" from "never there"; when the row is
// forgotten, the key is remembered as one of the last kRemembered. Numbers that go up one by one are kept as
// runs; all others, and those that got another row since, in tables, which come before runs. Split into parts
// by the number's bits, so that no rehash takes long and no table is large. One writer (apply), any number of
// readers; the runs and each part are guarded by their mutexes.
class KeyIndex {
 public:
  explicit KeyIndex(MemoryLedger* ledger);
  ~KeyIndex();
  KeyIndex(const KeyIndex&) = delete;
  KeyIndex& operator=(const KeyIndex&) = delete;

  // Makes first + i the newest row of numbers[i], in order, after setting (*previous)[first + i] to the
  // newest one before it or kNoRow: whoever finds a row here finds the way back too.
  void Put(std::span<const uint64_t> numbers, RowOrdinal first, ChunkedArray<RowOrdinal>* previous);
  // The newest row of `number`, or kNoRow; `forgotten`: it had rows.
  RowOrdinal Newest(uint64_t number, bool* forgotten = nullptr) const;
  static constexpr size_t kRemembered = 65536;

  // Takes rows [first, last] out of the ways of these numbers; of one that has no other row only the number
  // is left.
  void Forget(std::span<const uint64_t> numbers, RowOrdinal first, RowOrdinal last,
              ChunkedArray<RowOrdinal>* previous);

  // What Put may need for this many new numbers, about.
  static int64_t EstimateBytes(int64_t numbers) { return numbers * 32; }

 private:
  static constexpr uint32_t kPartBits = 8;
  static constexpr uint32_t kParts = 1u << kPartBits;
  struct Part {
    mutable std::shared_mutex mutex;
    KeyTable newest;  // guarded by mutex
  };
  static uint32_t PartOf(uint64_t number) {
    return static_cast<uint32_t>(KeyTable::Hash(number) >> (64 - kPartBits));
  }
  static constexpr RowOrdinal kForgottenRow = kNoRow - 1;
  // Keeps as runs what can be; the positions of the others are in rest_ then.
  void TakeRuns(std::span<const uint64_t> numbers, RowOrdinal first);
  void SortByPart(std::span<const uint64_t> numbers);
  void ChargeGrowth(int64_t grown);

  MemoryLedger* const ledger_;
  std::unique_ptr<Part[]> parts_;
  mutable std::shared_mutex runs_mutex_;
  KeyRuns runs_;                      // guarded by runs_mutex_; the writer reads it without
  std::vector<uint32_t> rest_;        // writer's: positions of a batch that are in no run
  int64_t charged_ = 0;               // writer's
  std::vector<uint32_t> order_;       // writer's: rest_, grouped by part
  std::deque<uint64_t> remembered_;   // writer's: numbers without a row, in the order they lost it
  std::vector<uint32_t> part_begin_;  // writer's: where a part's group begins in order_
};

}  // namespace longbow::engine
